/* A hash table from byte strings to pointers. Open addressing, at most half full; keys are lent and
 * must stay where they are. Zeroed memory is an empty table. */
#ifndef ETW_FORMAT_BASE_TABLE_H
#define ETW_FORMAT_BASE_TABLE_H

#include "format/base/bytes.h"

typedef struct etw_table_slot {
    uint64_t hash;
    etw_bytes key;
    void *value; /* NULL: the slot is empty */
} etw_table_slot;

typedef struct etw_table {
    etw_table_slot *slots;
    uint32_t slot_count; /* a power of two */
    uint32_t used;
    uint64_t seed; /* where the first slots lay: no file can be made whose keys all collide */
} etw_table;

void etw_table_free(etw_table *table);
/* NULL where the key is not there. */
void *etw_table_get(const etw_table *table, const void *key, size_t key_size);
/* value is not NULL; replaces the value of a key that is there (the old key stays). False where
 * memory is out. */
bool etw_table_set(etw_table *table, const void *key, size_t key_size, void *value);

#endif
