/* A hash table from byte strings to pointers. Keys are lent and must stay where they are. Zeroed
 * memory is an empty table. */
#ifndef ETW_FORMAT_BASE_TABLE_H
#define ETW_FORMAT_BASE_TABLE_H

#include "format/base/probe.h"

typedef struct etw_table_entry {
    etw_bytes key;
    void *value;
} etw_table_entry;

typedef struct etw_table {
    etw_table_entry *entries; /* in the order in which their keys came */
    uint32_t capacity;
    etw_probe probe; /* over entries */
} etw_table;

void etw_table_free(etw_table *table);
/* NULL where the key is not there. */
void *etw_table_get(const etw_table *table, const void *key, size_t key_size);
/* value is not NULL; replaces the value of a key that is there (the old key stays). False where
 * memory is out. */
bool etw_table_set(etw_table *table, const void *key, size_t key_size, void *value);

#endif
