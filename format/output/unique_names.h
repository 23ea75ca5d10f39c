/* Names that must differ in more than their case: of columns, tables, files. Zeroed memory has
 * none. */
#ifndef ETW_FORMAT_OUTPUT_UNIQUE_NAMES_H
#define ETW_FORMAT_OUTPUT_UNIQUE_NAMES_H

#include "format/base/arena.h"
#include "format/base/table.h"
#include "format/base/text.h"

typedef struct etw_unique_names {
    etw_table table; /* by the group and the name in lower case */
    etw_arena memory;
    etw_text key;
} etw_unique_names;

void etw_unique_names_free(etw_unique_names *names);

/* Cuts it to so many bytes, at a character. */
void etw_name_cut(etw_text *name, size_t most_bytes);

/* Leaves name as it is where the group has none like it; else appends before and a number, from 2
 * on. The time does not grow with how often a name came. Out of memory: name->failed. */
void etw_unique_name(etw_unique_names *names, uint32_t group, const char *before, etw_text *name);

#endif
