/* The file that an output is written into until all of it is there: one of its own, so that two
 * writers of one output do not mix theirs. */
#ifndef ETW_FORMAT_BASE_PART_FILE_H
#define ETW_FORMAT_BASE_PART_FILE_H

#include "format/base/os.h"
#include "format/base/text.h"

/* Parts of one output that may be there at one time, those left behind included. */
#define ETW_PART_MAX_FILES 100u

typedef struct etw_part_file {
    etw_text name; /* empty: there is none */
    etw_file_identity identity;
} etw_part_file;

/* Creates a part of the file path, open for writing: its name is path with ETW_PART_SUFFIX behind
 * it, or ".2" ETW_PART_SUFFIX and so on where that is taken, by another writer or by one that was
 * killed. */
etw_status etw_part_create(const etw_os *os, const char *path, etw_part_file *part, int *file,
                           etw_error *error);
/* The same, closed again: the name is taken, for a writer that opens its file by name. */
etw_status etw_part_reserve(const etw_os *os, const char *path, etw_part_file *part,
                            etw_error *error);
/* Gives a whole part the name path; a failure leaves both as they are. It fails where the part's
 * name leads to another file by now. */
etw_status etw_part_settle(const etw_os *os, etw_part_file *part, const char *path,
                           bool replace, etw_error *error);
/* Removes it, unless its name leads to another file by now. */
void etw_part_remove(const etw_os *os, etw_part_file *part);
void etw_part_free(etw_part_file *part);

#endif
