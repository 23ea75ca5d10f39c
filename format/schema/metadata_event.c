#include "format/schema/metadata_event.h"

#include "format/base/arena.h"
#include "format/base/table.h"
#include "format/event/schema_key.h"
#include "format/event/tei.h"

#include <stdlib.h>

enum { OPCODE_EVENT_INFO = 32, OPCODE_MAP_INFO = 33 };

typedef struct known_event {
    etw_schema_key key;
    etw_bytes tei;
    const etw_schema
        *joined; /* with the maps that were known at joined_at; NULL: not asked for yet */
    uint32_t joined_at;
} known_event;

typedef struct metadata_source {
    etw_schema_source base;
    etw_arena arena;
    etw_table events;
    etw_table maps; /* provider's GUID and units of the name -> etw_bytes of the blob */
    uint32_t map_count;
    etw_text key; /* the map key at hand */
} metadata_source;

static etw_status no_room(const metadata_source *self, size_t size, etw_error *error)
{
    if (etw_arena_full(&self->arena, size)) {
        return etw_error_set(error, ETW_ERROR_LIMIT,
                             "metadata events hold more than the limit of %zu bytes",
                             self->arena.limit_bytes);
    }
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for metadata events");
}

static etw_status keep_provider_name(etw_schema_store *store, const etw_tei *tei, etw_error *error)
{
    etw_bytes units;
    if (!etw_tei_string(tei, tei->info.ProviderNameOffset, &units) || units.size == 0) {
        return ETW_OK;
    }
    etw_text name = {0};
    etw_text_append_utf16(&name, units.data, units.size, ETW_ESCAPE_NONE);
    const etw_status status = etw_schema_store_set_provider_name(store, &tei->info.ProviderGuid,
                                                                 etw_text_z(&name), error);
    etw_text_free(&name);
    return status;
}

/* The first description of an event stays: a merge writes each once, and what was handed out before
 * must not change under a reader. */
static etw_status learn_event(metadata_source *self, etw_schema_store *store, etw_bytes blob,
                              etw_error *error)
{
    etw_tei tei;
    etw_status status = etw_tei_open(blob, &tei, error);
    etw_schema_key key;
    if (status != ETW_OK || !etw_schema_key_of_tei(&tei, &key) ||
        etw_table_get(&self->events, &key, sizeof key) != NULL) {
        return status;
    }
    known_event *event = etw_arena_alloc(&self->arena, sizeof *event);
    char *copy = etw_arena_copy(&self->arena, blob.data, blob.size);
    if (event == NULL || copy == NULL) {
        return no_room(self, blob.size + sizeof *event, error);
    }
    event->key = key;
    event->tei = (etw_bytes){(const uint8_t *)copy, blob.size};
    if (!etw_table_set(&self->events, &event->key, sizeof event->key, event)) {
        return no_room(self, 0, error);
    }
    self->base.learnt++;
    return keep_provider_name(store, &tei, error);
}

/* GUID and name as one run of bytes, in self->key. */
static void make_map_key(metadata_source *self, const etw_guid *provider, etw_bytes name)
{
    etw_text_clear(&self->key);
    etw_text_append(&self->key, (const char *)provider, sizeof *provider);
    etw_text_append(&self->key, (const char *)name.data, name.size);
}

static etw_status keep_map(metadata_source *self, etw_bytes blob, etw_error *error)
{
    etw_bytes *kept = etw_arena_alloc(&self->arena, sizeof *kept);
    char *copy = etw_arena_copy(&self->arena, blob.data, blob.size);
    const char *key = etw_arena_copy(&self->arena, self->key.data, self->key.size);
    if (kept == NULL || copy == NULL || key == NULL) {
        return no_room(self, blob.size + self->key.size + sizeof *kept, error);
    }
    *kept = (etw_bytes){(const uint8_t *)copy, blob.size};
    if (!etw_table_set(&self->maps, key, self->key.size, kept)) {
        return no_room(self, 0, error);
    }
    self->map_count++;
    self->base.learnt++;
    return ETW_OK;
}

static etw_status learn_map(metadata_source *self, etw_bytes payload, etw_error *error)
{
    etw_cursor at = etw_cursor_over(payload);
    const uint8_t *guid = etw_cursor_take(&at, sizeof(etw_guid));
    if (guid == NULL) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "map of %zu bytes", payload.size);
    }
    const etw_guid provider = etw_load_guid(guid);
    const etw_bytes blob = {at.at, etw_cursor_left(&at)};
    etw_map map;
    etw_bytes name;
    const etw_status status = etw_map_open(blob, &map, error);
    if (status != ETW_OK) {
        return status;
    }
    if (!etw_map_string(&map, map.info.NameOffset, &name) || name.size == 0) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "map without a name");
    }
    make_map_key(self, &provider, name);
    if (self->key.failed) {
        return no_room(self, 0, error);
    }
    const bool known = etw_table_get(&self->maps, self->key.data, self->key.size) != NULL;
    return known ? ETW_OK : keep_map(self, blob, error);
}

static etw_status observe(etw_schema_source *base, etw_schema_store *store,
                          const etw_event_record *record, etw_error *error)
{
    metadata_source *self = (metadata_source *)base;
    const uint8_t opcode = record->EventHeader.EventDescriptor.Opcode;
    if (!etw_guid_equal(&record->EventHeader.ProviderId, &etw_metadata_event_class)) {
        return ETW_OK;
    }
    etw_status status = ETW_OK;
    if (opcode == OPCODE_EVENT_INFO) {
        status = learn_event(self, store, etw_record_user_data(record), error);
    } else if (opcode == OPCODE_MAP_INFO) {
        status = learn_map(self, etw_record_user_data(record), error);
    }
    return status == ETW_OK ? ETW_OK : etw_error_wrap(error, status, "metadata event");
}

/* Adds the blob of one map name unless it is there already; unknown maps are left out, and joined
 * when they come. */
static etw_status add_map(metadata_source *self, const etw_tei *tei, uint32_t name_offset,
                          etw_bytes *maps, uint32_t *count, etw_error *error)
{
    etw_bytes name;
    if (!etw_tei_string(tei, name_offset, &name) || name.size == 0) {
        return ETW_OK;
    }
    make_map_key(self, &tei->info.ProviderGuid, name);
    if (self->key.failed) {
        return no_room(self, 0, error);
    }
    const etw_bytes *map = etw_table_get(&self->maps, self->key.data, self->key.size);
    if (map == NULL) {
        return ETW_OK;
    }
    for (uint32_t i = 0; i < *count; i++) {
        if (maps[i].data == map->data) {
            return ETW_OK;
        }
    }
    if (*count == ETW_MAX_MAPS_PER_SCHEMA) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "event names more than %u maps",
                             ETW_MAX_MAPS_PER_SCHEMA);
    }
    maps[(*count)++] = *map;
    return ETW_OK;
}

static etw_status join(metadata_source *self, etw_schema_store *store, known_event *event,
                       etw_error *error)
{
    etw_bytes maps[ETW_MAX_MAPS_PER_SCHEMA];
    etw_schema schema = {.origin = ETW_SCHEMA_METADATA_EVENT, .tei = event->tei, .maps = maps};
    etw_tei tei;
    etw_status status = etw_tei_open(event->tei, &tei, error);
    const uint32_t no_map = ETW_PROP_STRUCT | ETW_PROP_HAS_CUSTOM_SCHEMA;
    for (uint32_t i = 0; status == ETW_OK && i < tei.info.PropertyCount; i++) {
        const etw_event_property_info property = etw_tei_property(&tei, i);
        if ((property.Flags & no_map) == 0 && property.MapNameOffset != 0) {
            status = add_map(self, &tei, property.MapNameOffset, maps, &schema.map_count, error);
        }
    }
    if (status == ETW_OK) {
        status = etw_schema_store_intern(store, &schema, &event->joined, error);
        event->joined_at = self->map_count;
    }
    return status;
}

static etw_status find(etw_schema_source *base, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    (void)pointer_size; /* decoders take the record's own, whatever length the blob gives */
    metadata_source *self = (metadata_source *)base;
    const etw_schema_key key = etw_schema_key_of_record(record);
    known_event *event = etw_table_get(&self->events, &key, sizeof key);
    *schema = NULL;
    if (event == NULL) {
        return ETW_OK;
    }
    if (event->joined == NULL || event->joined_at != self->map_count) {
        const etw_status status = join(self, store, event, error);
        if (status != ETW_OK) {
            return etw_error_wrap(error, status, "metadata event");
        }
    }
    *schema = event->joined;
    return ETW_OK;
}

static etw_status each(etw_schema_source *base, etw_schema_store *store,
                       const etw_definition_visitor *visitor, etw_error *error)
{
    metadata_source *self = (metadata_source *)base;
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < self->events.probe.used && status == ETW_OK; i++) {
        const known_event *event = self->events.entries[i].value;
        const etw_schema *schema;
        const etw_event_record record = etw_schema_key_ask(&event->key);
        status = base->find(base, store, &record, sizeof(uint64_t), &schema, error);
        if (status == ETW_OK) {
            status = visitor->take(visitor->context, schema, "", base->build, error);
        }
    }
    return status;
}

static void free_source(etw_schema_source *base)
{
    metadata_source *self = (metadata_source *)base;
    etw_table_free(&self->events);
    etw_table_free(&self->maps);
    etw_arena_free(&self->arena);
    etw_text_free(&self->key);
    free(self);
}

etw_schema_source *etw_metadata_event_source_new(void)
{
    metadata_source *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->base = (etw_schema_source){.name = "metadata events",
                                     .find = find,
                                     .observe = observe,
                                     .each = each,
                                     .free = free_source};
    self->arena.limit_bytes = ETW_METADATA_EVENTS_MAX_BYTES;
    return &self->base;
}
