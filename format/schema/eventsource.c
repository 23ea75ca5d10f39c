#include "format/schema/eventsource.h"

#include "format/base/arena.h"
#include "format/base/table.h"
#include "format/event/tei_builder.h"
#include "format/schema/manifest.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CHUNK_HEADER_SIZE 8u
#define FORMAT_XML        1u
#define MAGIC             0x5Bu

typedef struct chunk {
    uint8_t *data; /* NULL: not here yet */
    uint32_t size;
} chunk;

/* Chunks of one manifest share all of this. */
typedef struct pending_key {
    etw_guid provider;
    uint32_t process_id;
    uint16_t chunk_count;
    uint8_t major;
    uint8_t minor;
} pending_key;

/* One manifest that is being put together. */
typedef struct pending {
    pending_key key;
    chunk *chunks; /* key.chunk_count of them; NULL: this place is free */
    uint32_t chunks_here;
    size_t bytes;
    uint64_t touched; /* when its latest chunk came, in chunks */
} pending;

typedef struct eventsource {
    etw_schema_source base;
    etw_manifest_set *manifests;
    etw_tei_builder *builder;
    etw_table compiled; /* XXH3-128 of each complete manifest -> itself */
    etw_arena hashes;
    pending pending[ETW_EVENTSOURCE_MAX_PENDING];
    size_t pending_bytes;
    uint64_t chunks_seen;
} eventsource;

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a manifest in the trace");
}

static void drop(eventsource *self, pending *dropped)
{
    for (uint32_t i = 0; dropped->chunks != NULL && i < dropped->key.chunk_count; i++) {
        free(dropped->chunks[i].data);
    }
    free(dropped->chunks);
    self->pending_bytes -= dropped->bytes;
    *dropped = (pending){0};
}

/* The one touched longest ago, but not spared; NULL where there is no other. */
static pending *oldest(eventsource *self, const pending *spared)
{
    pending *found = NULL;
    for (uint32_t i = 0; i < ETW_EVENTSOURCE_MAX_PENDING; i++) {
        pending *at = &self->pending[i];
        if (at->chunks != NULL && at != spared && (found == NULL || at->touched < found->touched)) {
            found = at;
        }
    }
    return found;
}

/* The manifest that the chunk belongs to, begun if need be; NULL where memory is out. */
static pending *pending_of(eventsource *self, const pending_key *key)
{
    pending *unused = NULL;
    for (uint32_t i = 0; i < ETW_EVENTSOURCE_MAX_PENDING; i++) {
        pending *at = &self->pending[i];
        if (at->chunks == NULL) {
            unused = unused == NULL ? at : unused;
        } else if (memcmp(&at->key, key, sizeof *key) == 0) {
            return at;
        }
    }
    if (unused == NULL) {
        unused = oldest(self, NULL);
        drop(self, unused);
    }
    unused->chunks = calloc(key->chunk_count, sizeof *unused->chunks);
    unused->key = *key;
    return unused->chunks == NULL ? NULL : unused;
}

/* Makes room within the limit for all pending manifests. */
static void bound_bytes(eventsource *self, const pending *spared, size_t extra)
{
    while (self->pending_bytes + extra > ETW_EVENTSOURCE_MAX_PENDING_BYTES) {
        pending *victim = oldest(self, spared);
        if (victim == NULL) {
            return; /* one manifest alone is bounded by its number of chunks */
        }
        drop(self, victim);
    }
}

static etw_status keep_chunk(eventsource *self, pending *into, uint16_t number, etw_bytes data,
                             etw_error *error)
{
    chunk *place = &into->chunks[number];
    into->touched = ++self->chunks_seen;
    if (place->data != NULL && place->size == data.size &&
        memcmp(place->data, data.data, data.size) == 0) {
        return ETW_OK;
    }
    if (place->data != NULL) {
        /* The same provider now sends another manifest: what is here of the old one is of no use.
         */
        for (uint32_t i = 0; i < into->key.chunk_count; i++) {
            free(into->chunks[i].data);
            into->chunks[i] = (chunk){0};
        }
        self->pending_bytes -= into->bytes;
        into->bytes = 0;
        into->chunks_here = 0;
    }
    bound_bytes(self, into, data.size);
    place->data = malloc(data.size + 1);
    if (place->data == NULL) {
        return no_memory(error);
    }
    memcpy(place->data, data.data, data.size);
    place->size = (uint32_t)data.size;
    into->bytes += data.size;
    into->chunks_here++;
    self->pending_bytes += data.size;
    return ETW_OK;
}

/* *new_one is false where the same manifest was compiled before. */
static etw_status is_new(eventsource *self, etw_bytes xml, bool *new_one, etw_error *error)
{
    const XXH128_hash_t hash = XXH3_128bits(xml.data, xml.size);
    *new_one = etw_table_get(&self->compiled, &hash, sizeof hash) == NULL;
    if (!*new_one) {
        return ETW_OK;
    }
    char *kept = etw_arena_copy(&self->hashes, &hash, sizeof hash);
    if (kept == NULL || !etw_table_set(&self->compiled, kept, sizeof hash, kept)) {
        return no_memory(error);
    }
    return ETW_OK;
}

static etw_status compile(eventsource *self, etw_bytes xml, etw_schema_store *store,
                          etw_error *error)
{
    bool new_one;
    uint32_t added = 0;
    while (xml.size != 0 && xml.data[xml.size - 1] == 0) {
        xml.size--;
    }
    etw_status status = is_new(self, xml, &new_one, error);
    if (status == ETW_OK && new_one) {
        status = etw_manifest_set_add(self->manifests, xml, store, &added, error);
        self->base.learnt += added != 0;
    }
    return status;
}

static etw_status complete(eventsource *self, pending *done, etw_schema_store *store,
                           etw_error *error)
{
    uint8_t *xml = malloc(done->bytes + 1);
    if (xml == NULL) {
        return no_memory(error);
    }
    size_t size = 0;
    for (uint32_t i = 0; i < done->key.chunk_count; i++) {
        memcpy(xml + size, done->chunks[i].data, done->chunks[i].size);
        size += done->chunks[i].size;
    }
    drop(self, done);
    const etw_status status = compile(self, (etw_bytes){xml, size}, store, error);
    free(xml);
    return status;
}

/* What stands at the start of each chunk. */
typedef struct chunk_header {
    uint8_t major;
    uint8_t minor;
    uint16_t chunk_count;
    uint16_t number;
    etw_bytes data;
} chunk_header;

/* False for records that are no chunk, whatever their id. */
static bool is_chunk(const etw_event_record *record, chunk_header *header)
{
    const uint16_t other = ETW_FLAG_CLASSIC_HEADER | ETW_FLAG_TRACE_MESSAGE;
    if (record->EventHeader.EventDescriptor.Id != ETW_MANIFEST_EVENT_ID ||
        (record->EventHeader.Flags & other) != 0) {
        return false;
    }
    etw_cursor at = etw_cursor_over(etw_record_user_data(record));
    const uint8_t format = etw_cursor_u8(&at);
    header->major = etw_cursor_u8(&at);
    header->minor = etw_cursor_u8(&at);
    const uint8_t magic = etw_cursor_u8(&at);
    header->chunk_count = etw_cursor_u16(&at);
    header->number = etw_cursor_u16(&at);
    header->data = (etw_bytes){at.at, etw_cursor_left(&at)};
    return !at.failed && format == FORMAT_XML && magic == MAGIC;
}

static etw_status take_chunk(eventsource *self, etw_schema_store *store,
                             const etw_event_record *record, const chunk_header *header,
                             etw_error *error)
{
    if (header->number >= header->chunk_count || header->chunk_count > ETW_EVENTSOURCE_MAX_CHUNKS) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "chunk %u of %u", header->number,
                             header->chunk_count);
    }
    const pending_key key = {.provider = record->EventHeader.ProviderId,
                             .process_id = record->EventHeader.ProcessId,
                             .chunk_count = header->chunk_count,
                             .major = header->major,
                             .minor = header->minor};
    pending *into = pending_of(self, &key);
    if (into == NULL) {
        return no_memory(error);
    }
    const etw_status status = keep_chunk(self, into, header->number, header->data, error);
    if (status == ETW_OK && into->chunks_here == key.chunk_count) {
        return complete(self, into, store, error);
    }
    return status;
}

static etw_status observe(etw_schema_source *base, etw_schema_store *store,
                          const etw_event_record *record, etw_error *error)
{
    chunk_header header;
    if (!is_chunk(record, &header)) {
        return ETW_OK;
    }
    const etw_status status = take_chunk((eventsource *)base, store, record, &header, error);
    return status == ETW_OK ? ETW_OK : etw_error_wrap(error, status, "manifest in the trace");
}

/* The schema of the chunks themselves, which no manifest describes; names as TraceEvent gives them.
 */
static etw_status describe_chunk(eventsource *self, etw_schema_store *store,
                                 const etw_event_record *record, const etw_schema **schema,
                                 etw_error *error)
{
    static const etw_tei_property_spec properties[] = {
        {.name = "Format", .in_type = ETW_IN_UINT8, .length = 1},
        {.name = "MajorVersion", .in_type = ETW_IN_UINT8, .length = 1},
        {.name = "MinorVersion", .in_type = ETW_IN_UINT8, .length = 1},
        {.name = "Magic", .in_type = ETW_IN_UINT8, .length = 1},
        {.name = "TotalChunks", .in_type = ETW_IN_UINT16, .length = 2},
        {.name = "ChunkNumber", .in_type = ETW_IN_UINT16, .length = 2},
        {.name = "Data", .in_type = ETW_IN_NONNULLTERMINATEDANSISTRING, .out_type = ETW_OUT_UTF8},
    };
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        (void)etw_tei_builder_add(self->builder, 0, &properties[i]);
    }
    const etw_guid *provider = &record->EventHeader.ProviderId;
    const etw_tei_event_spec event = {.provider_guid = *provider,
                                      .descriptor = record->EventHeader.EventDescriptor,
                                      .template_flags = ETW_TEMPLATE_EVENT_DATA,
                                      .provider_name =
                                          etw_schema_store_provider_name(store, provider),
                                      .event_name = "ManifestData"};
    etw_schema made = {.origin = ETW_SCHEMA_EVENTSOURCE};
    const etw_status status = etw_tei_builder_finish(self->builder, &event, &made.tei, error);
    return status == ETW_OK ? etw_schema_store_intern(store, &made, schema, error) : status;
}

static etw_status find(etw_schema_source *base, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    eventsource *self = (eventsource *)base;
    chunk_header header;
    if (is_chunk(record, &header)) {
        return describe_chunk(self, store, record, schema, error);
    }
    return etw_manifest_set_find(self->manifests, store, record, pointer_size, schema, error);
}

static void free_source(etw_schema_source *base)
{
    eventsource *self = (eventsource *)base;
    for (uint32_t i = 0; i < ETW_EVENTSOURCE_MAX_PENDING; i++) {
        drop(self, &self->pending[i]);
    }
    etw_manifest_set_free(self->manifests);
    etw_tei_builder_free(self->builder);
    etw_table_free(&self->compiled);
    etw_arena_free(&self->hashes);
    free(self);
}

etw_schema_source *etw_eventsource_source_new(void)
{
    eventsource *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->base = (etw_schema_source){
        .name = "EventSource manifests", .find = find, .observe = observe, .free = free_source};
    self->hashes.limit_bytes = ETW_EVENTSOURCE_MAX_BYTES;
    self->manifests = etw_manifest_set_new(ETW_SCHEMA_EVENTSOURCE, ETW_EVENTSOURCE_MAX_BYTES);
    self->builder = etw_tei_builder_new();
    if (self->manifests == NULL || self->builder == NULL) {
        free_source(&self->base);
        return NULL;
    }
    return &self->base;
}
