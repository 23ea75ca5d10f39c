#include "format/event/schema.h"

#include "format/base/grown.h"
#include "format/event/tei.h"

#include "format/base/arena.h"
#include "format/base/table.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

const char *etw_schema_origin_name(uint32_t origin)
{
    switch (origin) {
    case ETW_SCHEMA_TRACELOGGING:
        return "TraceLogging";
    case ETW_SCHEMA_METADATA_EVENT:
        return "metadata event";
    case ETW_SCHEMA_EVENTSOURCE:
        return "EventSource manifest";
    case ETW_SCHEMA_MANIFEST:
        return "manifest";
    case ETW_SCHEMA_CLASSIC:
        return "classic";
    case ETW_SCHEMA_TDH:
        return "TDH";
    case ETW_SCHEMA_WPP:
        return "WPP";
    case ETW_SCHEMA_MOF:
        return "MOF";
    default:
        return "unknown origin";
    }
}

typedef struct provider_name {
    etw_guid provider;
    char name[];
} provider_name;

struct etw_schema_store {
    etw_schema **schemas; /* [id - 1]; each one allocation with its maps and bytes */
    uint32_t count, capacity;
    size_t bytes;
    etw_probe probe; /* over schemas */
    provider_name **providers;
    uint32_t provider_count, provider_capacity;
    etw_table provider_table;
    etw_arena provider_arena;
    etw_error_texts *errors; /* NULL: none were given */
};

etw_schema_store *etw_schema_store_new(void)
{
    etw_schema_store *store = calloc(1, sizeof *store);
    if (store != NULL) {
        store->provider_arena.limit_bytes = ETW_STORE_MAX_NAME_BYTES;
    }
    return store;
}

void etw_schema_store_free(etw_schema_store *store)
{
    if (store == NULL) {
        return;
    }
    for (uint32_t i = 0; i < store->count; i++) {
        free(store->schemas[i]);
    }
    free(store->schemas);
    etw_probe_free(&store->probe);
    free(store->providers);
    etw_table_free(&store->provider_table);
    etw_arena_free(&store->provider_arena);
    if (store->errors != NULL) {
        store->errors->free(store->errors);
    }
    free(store);
}

static uint64_t content_hash(const etw_schema *schema)
{
    uint64_t hash = XXH3_64bits(schema->tei.data, schema->tei.size);
    for (uint32_t i = 0; i < schema->map_count; i++) {
        hash = XXH3_64bits_withSeed(schema->maps[i].data, schema->maps[i].size, hash);
    }
    return hash;
}

static bool content_equal(const etw_schema *a, const etw_schema *b)
{
    if (a->hash != b->hash || a->origin != b->origin || a->map_count != b->map_count ||
        !etw_bytes_equal(a->tei, b->tei)) {
        return false;
    }
    for (uint32_t i = 0; i < a->map_count; i++) {
        if (!etw_bytes_equal(a->maps[i], b->maps[i])) {
            return false;
        }
    }
    return true;
}

static etw_status check_limits(const etw_schema *schema, size_t *total, etw_error *error)
{
    if (schema->tei.size > ETW_MAX_TEI_SIZE) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "schema of %zu bytes is above the limit of %u",
                             schema->tei.size, ETW_MAX_TEI_SIZE);
    }
    if (schema->map_count > ETW_MAX_MAPS_PER_SCHEMA) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "schema with %u maps is above the limit of %u",
                             schema->map_count, ETW_MAX_MAPS_PER_SCHEMA);
    }
    *total = schema->tei.size;
    for (uint32_t i = 0; i < schema->map_count; i++) {
        if (schema->maps[i].size > ETW_MAX_MAP_SIZE) {
            return etw_error_set(error, ETW_ERROR_LIMIT,
                                 "map of %zu bytes is above the limit of %u", schema->maps[i].size,
                                 ETW_MAX_MAP_SIZE);
        }
        *total += schema->maps[i].size;
    }
    return ETW_OK;
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for schemas");
}

/* One allocation: the structure, its map views, then all bytes. */
static etw_schema *copy_schema(const etw_schema *schema, size_t content_bytes)
{
    const size_t views = schema->map_count * sizeof(etw_bytes);
    etw_schema *copy = malloc(sizeof *copy + views + content_bytes);
    if (copy == NULL) {
        return NULL;
    }
    etw_bytes *maps = (etw_bytes *)(copy + 1);
    uint8_t *to = (uint8_t *)(maps + schema->map_count);
    *copy = *schema;
    copy->tei.data = to;
    copy->maps = maps;
    if (schema->tei.size > 0) {
        memcpy(to, schema->tei.data, schema->tei.size);
    }
    to += schema->tei.size;
    for (uint32_t i = 0; i < schema->map_count; i++) {
        maps[i] = (etw_bytes){to, schema->maps[i].size};
        if (maps[i].size > 0) {
            memcpy(to, schema->maps[i].data, maps[i].size);
        }
        to += maps[i].size;
    }
    return copy;
}

static bool reserve_schema(etw_schema_store *store)
{
    etw_schema **grown =
        etw_grown(store->schemas, &store->capacity, store->count, 32, sizeof(*grown));
    store->schemas = grown == NULL ? store->schemas : grown;
    return grown != NULL;
}

static bool reserve_provider(etw_schema_store *store)
{
    provider_name **grown = etw_grown(store->providers, &store->provider_capacity,
                                      store->provider_count, 32, sizeof(*grown));
    store->providers = grown == NULL ? store->providers : grown;
    return grown != NULL;
}

etw_status etw_schema_store_intern(etw_schema_store *store, const etw_schema *schema,
                                   const etw_schema **kept, etw_error *error)
{
    if (kept != NULL) {
        *kept = NULL;
    }
    if (store == NULL || schema == NULL || kept == NULL) {
        return etw_error_set_missing(error, "store, schema and kept");
    }
    size_t content_bytes = 0;
    const etw_status checked = check_limits(schema, &content_bytes, error);
    if (checked != ETW_OK) {
        return checked;
    }
    etw_probe *probe = &store->probe;
    if (!etw_probe_reserve(probe)) {
        return no_memory(error);
    }
    etw_schema wanted = *schema;
    wanted.hash = content_hash(schema);
    const uint32_t hash = (uint32_t)etw_hash_bytes(probe->seed, &wanted.hash, sizeof wanted.hash);
    uint32_t at = etw_probe_home(probe, hash);
    for (; probe->slots[at].id_plus_1 != 0; at = etw_probe_next(probe, at)) {
        const etw_schema *there = store->schemas[probe->slots[at].id_plus_1 - 1];
        if (content_equal(there, &wanted)) {
            *kept = there;
            return ETW_OK;
        }
    }
    if (store->count == ETW_STORE_MAX_SCHEMAS ||
        content_bytes > ETW_STORE_MAX_BYTES - store->bytes) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "schema store is full: %u schemas, %zu bytes",
                             store->count, store->bytes);
    }
    etw_schema *copy = copy_schema(&wanted, content_bytes);
    if (copy == NULL || !reserve_schema(store)) {
        free(copy);
        return no_memory(error);
    }
    store->schemas[store->count++] = copy;
    store->bytes += content_bytes;
    copy->id = store->count;
    copy->errors = &store->errors;
    etw_probe_put(probe, at, hash, copy->id - 1);
    *kept = copy;
    return ETW_OK;
}

void etw_schema_store_set_error_texts(etw_schema_store *store, etw_error_texts *texts)
{
    if (store->errors == NULL) {
        store->errors = texts;
    } else {
        texts->free(texts);
    }
}

const etw_schema *etw_schema_store_get(const etw_schema_store *store, uint32_t id)
{
    return id == 0 || id > store->count ? NULL : store->schemas[id - 1];
}

static bool is_of_kind(const etw_schema *schema, const etw_guid *provider, uint32_t id,
                       uint32_t version)
{
    etw_trace_event_info info;
    if (schema->tei.size < sizeof info) {
        return false;
    }
    memcpy(&info, schema->tei.data, sizeof info);
    const bool is_classic = info.DecodingSource == ETW_DECODING_WBEM;
    const etw_event_descriptor *d = &info.EventDescriptor;
    return etw_guid_equal(is_classic ? &info.EventGuid : &info.ProviderGuid, provider) &&
           (id == ETW_ANY_ID || id == (is_classic ? d->Opcode : d->Id)) &&
           (version == ETW_ANY_ID || version == d->Version);
}

const etw_schema *etw_schema_store_find(const etw_schema_store *store, const etw_guid *provider,
                                        uint32_t id, uint32_t version, uint32_t after)
{
    for (uint32_t i = after; i < store->count; i++) {
        if (is_of_kind(store->schemas[i], provider, id, version)) {
            return store->schemas[i];
        }
    }
    return NULL;
}

uint32_t etw_schema_store_count(const etw_schema_store *store)
{
    return store->count;
}

/* The name stands behind its structure, in one piece. */
static provider_name *new_provider(etw_schema_store *store, const etw_guid *provider,
                                   const char *utf8_name)
{
    const size_t size = strlen(utf8_name) + 1;
    provider_name *added = etw_arena_alloc(&store->provider_arena, sizeof *added + size);
    if (added != NULL) {
        added->provider = *provider;
        memcpy(added->name, utf8_name, size);
    }
    return added;
}

etw_status etw_schema_store_set_provider_name(etw_schema_store *store, const etw_guid *provider,
                                              const char *utf8_name, etw_error *error)
{
    if (etw_schema_store_provider_name(store, provider) != NULL || *utf8_name == '\0') {
        return ETW_OK;
    }
    if (store->provider_count == ETW_STORE_MAX_SCHEMAS) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u provider names",
                             ETW_STORE_MAX_SCHEMAS);
    }
    provider_name *added = new_provider(store, provider, utf8_name);
    if (added == NULL && etw_arena_full(&store->provider_arena, strlen(utf8_name) + 64)) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "provider names take more than %zu bytes",
                             ETW_STORE_MAX_NAME_BYTES);
    }
    if (added == NULL || !reserve_provider(store) ||
        !etw_table_set(&store->provider_table, &added->provider, sizeof added->provider, added)) {
        return no_memory(error);
    }
    store->providers[store->provider_count++] = added;
    return ETW_OK;
}

const char *etw_schema_store_provider_name(const etw_schema_store *store, const etw_guid *provider)
{
    const provider_name *found = etw_table_get(&store->provider_table, provider, sizeof *provider);
    return found == NULL ? NULL : found->name;
}

uint32_t etw_schema_store_provider_count(const etw_schema_store *store)
{
    return store->provider_count;
}

bool etw_schema_store_provider_at(const etw_schema_store *store, uint32_t index,
                                  const etw_guid **provider, const char **utf8_name)
{
    if (index >= store->provider_count) {
        return false;
    }
    *provider = &store->providers[index]->provider;
    *utf8_name = store->providers[index]->name;
    return true;
}
