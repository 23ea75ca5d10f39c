#include "format/etwcap/body.h"

#include "format/etwcap/block.h"

#define LOSS_FLAG_OWN     0x0001u
#define EVENTS_HEAD_FIXED 16u
#define PROVIDER_ENTRY    20u
#define TRACE_ENTRY       8u

enum schemas_entry { ENTRY_BLOB = 1, ENTRY_SCHEMA = 2, ENTRY_PROVIDER = 3 };

static etw_status damaged(etw_error *error, const char *what)
{
    return etw_error_set(error, ETW_ERROR_DAMAGED, "%s", what);
}

/* Size of text without the sequence that a cut at max would halve. */
static size_t cut_utf8(const char *text, size_t max)
{
    size_t size = strlen(text);
    if (size <= max) {
        return size;
    }
    size = max;
    while (size > 0 && ((uint8_t)text[size] & 0xC0u) == 0x80u) {
        size--;
    }
    return size;
}

static void append_text16(etw_buffer *to, const char *text, size_t max)
{
    const size_t size = cut_utf8(text, max);
    etw_buffer_append_u16(to, (uint16_t)size);
    etw_buffer_append(to, text, size);
}

/* Copies up to into_size - 1 bytes; a NUL inside ends the text. */
static void load_text16(etw_cursor *cursor, char *into, size_t into_size)
{
    const size_t size = etw_cursor_u16(cursor);
    const uint8_t *from = etw_cursor_take(cursor, size);
    const size_t kept = from == NULL ? 0 : (size < into_size ? size : into_size - 1);
    if (kept > 0) {
        memcpy(into, from, kept);
    }
    into[kept] = '\0';
}

void etw_file_info_append(etw_buffer *body, uint32_t pair_count, const char *const *keys,
                          const char *const *values)
{
    etw_buffer_append_u32(body, pair_count);
    for (uint32_t i = 0; i < pair_count; i++) {
        append_text16(body, keys[i], ETW_FILE_INFO_MAX_TEXT);
        append_text16(body, values[i], ETW_FILE_INFO_MAX_TEXT);
    }
}

etw_status etw_file_info_get(etw_bytes body, const char *key, char *value, size_t value_size,
                             etw_error *error)
{
    char this_key[ETW_FILE_INFO_MAX_TEXT + 1];
    char this_value[ETW_FILE_INFO_MAX_TEXT + 1];
    etw_cursor cursor = etw_cursor_over(body);
    const uint32_t count = etw_cursor_u32(&cursor);
    value[0] = '\0';
    if (count > ETW_FILE_INFO_MAX_PAIRS) {
        return damaged(error, "too many pairs");
    }
    for (uint32_t i = 0; i < count; i++) {
        load_text16(&cursor, this_key, sizeof this_key);
        load_text16(&cursor, this_value, sizeof this_value);
        if (!cursor.failed && strcmp(key, this_key) == 0) {
            const size_t size = cut_utf8(this_value, value_size - 1);
            memcpy(value, this_value, size);
            value[size] = '\0';
        }
    }
    return cursor.failed ? damaged(error, "ends inside a pair") : ETW_OK;
}

void etw_trace_append(etw_buffer *body, uint16_t trace_index, const etw_trace *trace)
{
    const size_t header_size = trace->logfile_header.size <= ETW_MAX_LOGFILE_HEADER_SIZE
                                   ? trace->logfile_header.size
                                   : ETW_MAX_LOGFILE_HEADER_SIZE;
    etw_buffer_append_u16(body, trace_index);
    etw_buffer_append_u16(body, 0);
    etw_buffer_append_u32(body, trace->clock.type);
    etw_buffer_append_u32(body, trace->clock.cpu_mhz);
    etw_buffer_append_u32(body, trace->pointer_size);
    etw_buffer_append_u64(body, trace->clock.frequency_hz);
    etw_buffer_append_u64(body, (uint64_t)trace->clock.base_ticks);
    etw_buffer_append_u64(body, (uint64_t)trace->clock.base_time_100ns);
    etw_buffer_append_u32(body, trace->processor_count);
    etw_buffer_append_u32(body, trace->os_version);
    etw_buffer_append_u32(body, trace->os_build);
    etw_buffer_append_u32(body, trace->timer_resolution_100ns);
    etw_buffer_append_u32(body, trace->cpu_mhz);
    etw_buffer_append_u32(body, trace->log_file_mode);
    etw_buffer_append_u32(body, trace->buffer_size_bytes);
    etw_buffer_append_u32(body, trace->buffers_written);
    etw_buffer_append_u32(body, trace->start_buffers);
    etw_buffer_append_u32(body, trace->maximum_file_size_mb);
    etw_buffer_append_u32(body, trace->events_lost);
    etw_buffer_append_u32(body, trace->buffers_lost);
    etw_buffer_append_u32(body, (uint32_t)trace->utc_bias_minutes);
    etw_buffer_append_u32(body, 0);
    etw_buffer_append_u64(body, (uint64_t)trace->boot_time_100ns);
    etw_buffer_append_u64(body, (uint64_t)trace->start_time_100ns);
    etw_buffer_append_u64(body, (uint64_t)trace->end_time_100ns);
    etw_buffer_append(body, &trace->log_instance_id, sizeof trace->log_instance_id);
    append_text16(body, trace->session_name, ETW_TRACE_NAME_SIZE - 1);
    append_text16(body, trace->log_file_name, ETW_TRACE_NAME_SIZE - 1);
    append_text16(body, trace->source_path, ETW_TRACE_NAME_SIZE - 1);
    append_text16(body, trace->host_name, ETW_TRACE_NAME_SIZE - 1);
    etw_buffer_append_u32(body, (uint32_t)header_size);
    etw_buffer_append(body, trace->logfile_header.data, header_size);
}

static void load_trace_fixed(etw_cursor *cursor, etw_trace *trace)
{
    trace->clock.type = etw_cursor_u32(cursor);
    trace->clock.cpu_mhz = etw_cursor_u32(cursor);
    trace->pointer_size = etw_cursor_u32(cursor);
    trace->clock.frequency_hz = etw_cursor_u64(cursor);
    trace->clock.base_ticks = (int64_t)etw_cursor_u64(cursor);
    trace->clock.base_time_100ns = (int64_t)etw_cursor_u64(cursor);
    trace->processor_count = etw_cursor_u32(cursor);
    trace->os_version = etw_cursor_u32(cursor);
    trace->os_build = etw_cursor_u32(cursor);
    trace->timer_resolution_100ns = etw_cursor_u32(cursor);
    trace->cpu_mhz = etw_cursor_u32(cursor);
    trace->log_file_mode = etw_cursor_u32(cursor);
    trace->buffer_size_bytes = etw_cursor_u32(cursor);
    trace->buffers_written = etw_cursor_u32(cursor);
    trace->start_buffers = etw_cursor_u32(cursor);
    trace->maximum_file_size_mb = etw_cursor_u32(cursor);
    trace->events_lost = etw_cursor_u32(cursor);
    trace->buffers_lost = etw_cursor_u32(cursor);
    trace->utc_bias_minutes = (int32_t)etw_cursor_u32(cursor);
    (void)etw_cursor_u32(cursor);
    trace->boot_time_100ns = (int64_t)etw_cursor_u64(cursor);
    trace->start_time_100ns = (int64_t)etw_cursor_u64(cursor);
    trace->end_time_100ns = (int64_t)etw_cursor_u64(cursor);
}

etw_status etw_trace_load(etw_bytes body, uint16_t *trace_index, etw_trace *trace, etw_error *error)
{
    memset(trace, 0, sizeof *trace);
    etw_cursor cursor = etw_cursor_over(body);
    *trace_index = etw_cursor_u16(&cursor);
    (void)etw_cursor_u16(&cursor);
    load_trace_fixed(&cursor, trace);
    const uint8_t *instance = etw_cursor_take(&cursor, sizeof trace->log_instance_id);
    if (instance != NULL) {
        trace->log_instance_id = etw_load_guid(instance);
    }
    load_text16(&cursor, trace->session_name, sizeof trace->session_name);
    load_text16(&cursor, trace->log_file_name, sizeof trace->log_file_name);
    load_text16(&cursor, trace->source_path, sizeof trace->source_path);
    load_text16(&cursor, trace->host_name, sizeof trace->host_name);
    const size_t header_size = etw_cursor_u32(&cursor);
    const uint8_t *header = etw_cursor_take(&cursor, header_size);
    if (cursor.failed || header_size > ETW_MAX_LOGFILE_HEADER_SIZE) {
        return damaged(error, "ends inside its fields");
    }
    if (*trace_index >= ETW_MAX_TRACES) {
        return damaged(error, "trace index above the limit");
    }
    trace->logfile_header = (etw_bytes){header_size == 0 ? NULL : header, header_size};
    return ETW_OK;
}

void etw_loss_append(etw_buffer *body, const etw_loss *loss, bool own)
{
    etw_buffer_append_u32(body, loss->cause);
    etw_buffer_append_u16(body, loss->trace_index);
    etw_buffer_append_u16(body, own ? LOSS_FLAG_OWN : 0);
    etw_buffer_append_u64(body, loss->events);
    etw_buffer_append_u64(body, loss->buffers);
    etw_buffer_append_u64(body, loss->bytes);
    etw_buffer_append_u64(body, (uint64_t)loss->from_time_100ns);
    etw_buffer_append_u64(body, (uint64_t)loss->to_time_100ns);
    append_text16(body, loss->detail, ETW_LOSS_DETAIL_SIZE - 1);
}

etw_status etw_loss_load(etw_cursor *cursor, etw_loss *loss, bool *own, etw_error *error)
{
    loss->cause = etw_cursor_u32(cursor);
    loss->trace_index = etw_cursor_u16(cursor);
    *own = (etw_cursor_u16(cursor) & LOSS_FLAG_OWN) != 0;
    loss->events = etw_cursor_u64(cursor);
    loss->buffers = etw_cursor_u64(cursor);
    loss->bytes = etw_cursor_u64(cursor);
    loss->from_time_100ns = (int64_t)etw_cursor_u64(cursor);
    loss->to_time_100ns = (int64_t)etw_cursor_u64(cursor);
    load_text16(cursor, loss->detail, sizeof loss->detail);
    return cursor->failed ? damaged(error, "ends inside a loss") : ETW_OK;
}

uint64_t etw_schema_hash(const etw_schema *schema)
{
    uint64_t hash = etw_block_hash(schema->tei);
    for (uint32_t i = 0; i < schema->map_count; i++) {
        hash = etw_block_hash_seeded(schema->maps[i], hash);
    }
    return hash;
}

size_t etw_schema_size_bytes(const etw_schema *schema)
{
    size_t size = schema->tei.size;
    for (uint32_t i = 0; i < schema->map_count; i++) {
        size += schema->maps[i].size;
    }
    return size;
}

/* Blobs already in the block, to store equal maps once. Only the latest are looked at: schemas of
 * one provider come together and share their maps. */
#define RECENT_BLOBS 64u

typedef struct blob_list {
    etw_bytes recent[RECENT_BLOBS];
    uint32_t count; /* of all blobs in the block */
} blob_list;

static uint32_t put_blob(etw_buffer *body, blob_list *blobs, etw_bytes blob)
{
    const uint32_t kept = blobs->count < RECENT_BLOBS ? blobs->count : RECENT_BLOBS;
    for (uint32_t back = 1; back <= kept; back++) {
        const etw_bytes *seen = &blobs->recent[(blobs->count - back) % RECENT_BLOBS];
        if (seen->size == blob.size &&
            (blob.size == 0 || memcmp(seen->data, blob.data, blob.size) == 0)) {
            return blobs->count - back;
        }
    }
    etw_buffer_append_u8(body, ENTRY_BLOB);
    etw_buffer_append_u32(body, (uint32_t)blob.size);
    etw_buffer_append(body, blob.data, blob.size);
    blobs->recent[blobs->count % RECENT_BLOBS] = blob;
    return blobs->count++;
}

static void append_schema(etw_buffer *body, blob_list *blobs, const etw_schema_entry *entry)
{
    const etw_schema *schema = entry->schema;
    uint32_t map_blobs[ETW_MAX_MAPS_PER_SCHEMA];
    const uint32_t tei_blob = put_blob(body, blobs, schema->tei);
    for (uint32_t i = 0; i < schema->map_count; i++) {
        map_blobs[i] = put_blob(body, blobs, schema->maps[i]);
    }
    etw_buffer_append_u8(body, ENTRY_SCHEMA);
    etw_buffer_append_u32(body, entry->file_id);
    etw_buffer_append_u32(body, schema->origin);
    etw_buffer_append_u64(body, schema->hash);
    etw_buffer_append_u32(body, tei_blob);
    etw_buffer_append_u32(body, schema->map_count);
    for (uint32_t i = 0; i < schema->map_count; i++) {
        etw_buffer_append_u32(body, map_blobs[i]);
    }
}

void etw_schemas_append(etw_buffer *body, const etw_schema_entry *entries, uint32_t entry_count,
                        uint32_t *taken)
{
    const size_t start = body->size;
    const size_t per_schema = 32, per_blob = 9;
    blob_list blobs = {.count = 0};
    *taken = 0;
    while (*taken < entry_count) {
        const etw_schema *schema = entries[*taken].schema;
        const size_t most =
            etw_schema_size_bytes(schema) + per_schema + per_blob * ((size_t)schema->map_count + 1);
        if (body->size - start + most > ETW_BLOCK_MAX_RAW ||
            blobs.count + schema->map_count >= ETW_SCHEMAS_MAX_BLOBS) {
            break;
        }
        append_schema(body, &blobs, &entries[*taken]);
        ++*taken;
    }
}

void etw_provider_name_append(etw_buffer *body, const etw_guid *provider, const char *utf8_name)
{
    etw_buffer_append_u8(body, ENTRY_PROVIDER);
    etw_buffer_append(body, provider, sizeof *provider);
    append_text16(body, utf8_name, ETW_TRACE_NAME_SIZE - 1);
}

/* The blobs of a block, found again by number: their places, in the order of the block. */
typedef struct blob_table {
    etw_buffer places; /* etw_bytes each */
    uint32_t count;
} blob_table;

static bool get_blob(const blob_table *blobs, uint32_t number, etw_bytes *blob)
{
    if (number >= blobs->count) {
        return false;
    }
    memcpy(blob, blobs->places.data + (size_t)number * sizeof *blob, sizeof *blob);
    return true;
}

static etw_status load_schema(etw_cursor *cursor, const blob_table *blobs,
                              const etw_schemas_visitor *visitor, etw_error *error)
{
    etw_bytes maps[ETW_MAX_MAPS_PER_SCHEMA];
    etw_schema schema = {.id = 0, .maps = maps};
    etw_schema_entry entry = {.schema = &schema};
    entry.file_id = etw_cursor_u32(cursor);
    schema.origin = etw_cursor_u32(cursor);
    schema.hash = etw_cursor_u64(cursor);
    const uint32_t tei_blob = etw_cursor_u32(cursor);
    schema.map_count = etw_cursor_u32(cursor);
    if (cursor->failed || schema.map_count > ETW_MAX_MAPS_PER_SCHEMA || entry.file_id == 0 ||
        entry.file_id > ETW_FILE_MAX_SCHEMA_ID || !get_blob(blobs, tei_blob, &schema.tei)) {
        return damaged(error, "a schema's id, map count or blob is out of range");
    }
    for (uint32_t i = 0; i < schema.map_count; i++) {
        if (!get_blob(blobs, etw_cursor_u32(cursor), &maps[i]) || cursor->failed) {
            return damaged(error, "a map is not in the block");
        }
    }
    return visitor->schema == NULL ? ETW_OK : visitor->schema(visitor->context, &entry, error);
}

static etw_status load_provider(etw_cursor *cursor, const etw_schemas_visitor *visitor,
                                etw_error *error)
{
    char name[ETW_TRACE_NAME_SIZE];
    const uint8_t *guid = etw_cursor_take(cursor, sizeof(etw_guid));
    load_text16(cursor, name, sizeof name);
    if (cursor->failed) {
        return damaged(error, "ends inside a provider's name");
    }
    const etw_guid provider = etw_load_guid(guid);
    return visitor->provider == NULL ? ETW_OK
                                     : visitor->provider(visitor->context, &provider, name, error);
}

static etw_status load_blob(etw_cursor *cursor, blob_table *blobs, etw_error *error)
{
    const size_t size = etw_cursor_u32(cursor);
    const etw_bytes blob = {etw_cursor_take(cursor, size), size};
    if (cursor->failed || blobs->count == ETW_SCHEMAS_MAX_BLOBS) {
        return damaged(error, "ends inside a blob, or has too many");
    }
    etw_buffer_append(&blobs->places, &blob, sizeof blob);
    blobs->count++;
    return blobs->places.failed
               ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for schemas")
               : ETW_OK;
}

etw_status etw_schemas_load(etw_bytes body, const etw_schemas_visitor *visitor, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(body);
    blob_table blobs = {.count = 0};
    etw_status status = ETW_OK;
    while (status == ETW_OK && etw_cursor_left(&cursor) > 0) {
        switch (etw_cursor_u8(&cursor)) {
        case ENTRY_BLOB:
            status = load_blob(&cursor, &blobs, error);
            break;
        case ENTRY_SCHEMA:
            status = load_schema(&cursor, &blobs, visitor, error);
            break;
        case ENTRY_PROVIDER:
            status = load_provider(&cursor, visitor, error);
            break;
        default:
            status = damaged(error, "unknown entry");
        }
    }
    etw_buffer_free(&blobs.places);
    return status;
}

void etw_events_head_append(etw_buffer *body, const etw_provider_count *providers,
                            uint32_t provider_count, const etw_trace_count *traces,
                            uint32_t trace_count)
{
    const size_t start = body->size;
    etw_buffer_append_u32(body, provider_count);
    etw_buffer_append_u32(body, trace_count);
    etw_buffer_append_u64(body, 0);
    for (uint32_t i = 0; i < provider_count; i++) {
        etw_buffer_append(body, &providers[i].provider, sizeof providers[i].provider);
        etw_buffer_append_u32(body, providers[i].events);
    }
    for (uint32_t i = 0; i < trace_count; i++) {
        etw_buffer_append_u16(body, traces[i].trace_index);
        etw_buffer_append_u16(body, 0);
        etw_buffer_append_u32(body, traces[i].events);
    }
    if (!body->failed) {
        const etw_bytes head = {(const uint8_t *)body->data + start, body->size - start};
        etw_buffer_append_u64(body, etw_block_hash(head));
    }
}

etw_provider_count etw_events_head_provider(const etw_events_head *head, uint32_t index)
{
    const uint8_t *from = head->providers + (size_t)index * PROVIDER_ENTRY;
    const etw_provider_count count = {etw_load_guid(from), etw_load_u32(from + 16)};
    return count;
}

etw_trace_count etw_events_head_trace(const etw_events_head *head, uint32_t index)
{
    const uint8_t *from = head->traces + (size_t)index * TRACE_ENTRY;
    const etw_trace_count count = {etw_load_u16(from), etw_load_u32(from + 4)};
    return count;
}

static bool head_adds_up(const etw_events_head *head, uint32_t event_count)
{
    uint64_t of_providers = 0, of_traces = 0;
    for (uint32_t i = 0; i < head->provider_count; i++) {
        of_providers += etw_events_head_provider(head, i).events;
    }
    for (uint32_t i = 0; i < head->trace_count; i++) {
        of_traces += etw_events_head_trace(head, i).events;
    }
    return of_providers == event_count && of_traces == event_count;
}

etw_status etw_events_head_load(etw_bytes head, uint32_t event_count, etw_events_head *loaded,
                                etw_error *error)
{
    if (head.size < ETW_EVENTS_HEAD_SIZE(0, 0)) {
        return damaged(error, "the events head is too small");
    }
    const size_t hashed = head.size - 8;
    if (etw_load_u64(head.data + hashed) != etw_block_hash((etw_bytes){head.data, hashed})) {
        return damaged(error, "the events head's checksum is wrong");
    }
    loaded->bytes = head;
    loaded->provider_count = etw_load_u32(head.data);
    loaded->trace_count = etw_load_u32(head.data + 4);
    if (loaded->provider_count > event_count || loaded->trace_count > event_count ||
        head.size != ETW_EVENTS_HEAD_SIZE(loaded->provider_count, loaded->trace_count)) {
        return damaged(error, "the events head's counts do not fit its size");
    }
    loaded->providers = head.data + EVENTS_HEAD_FIXED;
    loaded->traces = loaded->providers + (size_t)loaded->provider_count * PROVIDER_ENTRY;
    if (!head_adds_up(loaded, event_count)) {
        return damaged(error, "the events head's counts do not add up to the block's");
    }
    return ETW_OK;
}
