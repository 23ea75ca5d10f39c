#include "format/base/table.h"

#include <stdlib.h>

#define FIRST_ENTRIES 32u

void etw_table_free(etw_table *table)
{
    free(table->entries);
    etw_probe_free(&table->probe);
    *table = (etw_table){0};
}

static uint32_t hash_of(const etw_table *table, const void *key, size_t key_size)
{
    return (uint32_t)etw_hash_bytes(table->probe.seed, key, key_size);
}

/* The slot that holds the key, or the free one where it belongs. */
static uint32_t find(const etw_table *table, uint32_t hash, etw_bytes key)
{
    const etw_probe *probe = &table->probe;
    uint32_t at = etw_probe_home(probe, hash);
    for (; probe->slots[at].id_plus_1 != 0; at = etw_probe_next(probe, at)) {
        if (probe->slots[at].hash == hash &&
            etw_bytes_equal(table->entries[probe->slots[at].id_plus_1 - 1].key, key)) {
            break;
        }
    }
    return at;
}

void *etw_table_get(const etw_table *table, const void *key, size_t key_size)
{
    if (table->probe.used == 0) {
        return NULL;
    }
    const uint32_t at = find(table, hash_of(table, key, key_size), (etw_bytes){key, key_size});
    const uint32_t id_plus_1 = table->probe.slots[at].id_plus_1;
    return id_plus_1 == 0 ? NULL : table->entries[id_plus_1 - 1].value;
}

static bool reserve(etw_table *table)
{
    if (!etw_probe_reserve(&table->probe)) {
        return false;
    }
    if (table->probe.used < table->capacity) {
        return true;
    }
    const uint32_t wider = table->capacity == 0 ? FIRST_ENTRIES : table->capacity * 2;
    etw_table_entry *grown = realloc(table->entries, wider * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    table->entries = grown;
    table->capacity = wider;
    return true;
}

bool etw_table_set(etw_table *table, const void *key, size_t key_size, void *value)
{
    if (!reserve(table)) {
        return false;
    }
    const etw_bytes bytes = {key, key_size};
    const uint32_t hash = hash_of(table, key, key_size);
    const uint32_t at = find(table, hash, bytes);
    const uint32_t id_plus_1 = table->probe.slots[at].id_plus_1;
    if (id_plus_1 != 0) {
        table->entries[id_plus_1 - 1].value = value;
        return true;
    }
    table->entries[table->probe.used] = (etw_table_entry){bytes, value};
    etw_probe_put(&table->probe, at, hash, table->probe.used);
    return true;
}
