#include "format/etwcap/index.h"

#include <stdlib.h>

#include "format/etwcap/body.h"

#define ENTRY_SIZE 48u
/* Of a table of GUIDs: most files have a few providers. */
#define LEAST_SLOTS 64u

enum summary_flags { SUMMARY_LOST_UNKNOWN = 0x1, SUMMARY_PROVIDERS_CUT = 0x2 };

static const uint8_t closing_magic[8] = {'P', 'A', 'C', 'W', 'T', 'E', '\n', 0x89};

bool etw_guid_table_init(etw_guid_table *table, uint32_t limit)
{
    memset(table, 0, sizeof *table);
    uint32_t most = LEAST_SLOTS;
    while (most < limit * 2) {
        most *= 2;
    }
    table->limit = limit;
    table->guids = malloc(limit * sizeof *table->guids);
    table->counts = malloc(limit * sizeof *table->counts);
    return table->guids != NULL && table->counts != NULL &&
           etw_probe_begin(&table->probe, most, LEAST_SLOTS);
}

void etw_guid_table_free(etw_guid_table *table)
{
    free(table->guids);
    free(table->counts);
    etw_probe_free(&table->probe);
    memset(table, 0, sizeof *table);
}

void etw_guid_table_clear(etw_guid_table *table)
{
    table->count = 0;
    (void)etw_probe_begin(&table->probe, LEAST_SLOTS, LEAST_SLOTS);
}

static uint32_t hash_of(const etw_guid_table *table, const etw_guid *guid)
{
    uint64_t words[2];
    memcpy(words, guid, sizeof words);
    return (uint32_t)etw_hash_pair(table->probe.seed, words[0], words[1]);
}

uint32_t etw_guid_table_put(etw_guid_table *table, const etw_guid *guid)
{
    etw_probe *probe = &table->probe;
    const uint32_t hash = hash_of(table, guid);
    uint32_t at = etw_probe_home(probe, hash);
    for (; probe->slots[at].id_plus_1 != 0; at = etw_probe_next(probe, at)) {
        const uint32_t known = probe->slots[at].id_plus_1 - 1;
        if (probe->slots[at].hash == hash && etw_guid_equal(&table->guids[known], guid)) {
            return known;
        }
    }
    if (table->count == table->limit) {
        return table->limit;
    }
    const uint32_t added = table->count++;
    table->guids[added] = *guid;
    table->counts[added] = 0;
    etw_probe_put(probe, at, hash, added);
    if (2 * table->count > probe->mask + 1) {
        (void)etw_probe_widen(probe); /* there is memory for all: see init */
    }
    return added;
}

bool etw_index_builder_init(etw_index_builder *builder)
{
    memset(builder, 0, sizeof *builder);
    return etw_guid_table_init(&builder->providers, ETW_MAX_COUNTED_PROVIDERS);
}

void etw_index_builder_free(etw_index_builder *builder)
{
    etw_buffer_free(&builder->entries);
    etw_buffer_free(&builder->refs);
    etw_guid_table_free(&builder->providers);
}

/* How many references the block needs; ANY where it lists no providers, or too many. */
static uint32_t count_refs(const etw_block_header *header, etw_bytes head, etw_events_head *view)
{
    if (header->kind != ETW_BLOCK_EVENTS) {
        return 0;
    }
    if (etw_events_head_load(head, header->count, view, NULL) != ETW_OK ||
        view->provider_count > ETW_MAX_COUNTED_PROVIDERS) {
        return ETW_INDEX_ANY_PROVIDER;
    }
    return view->provider_count;
}

static void add_refs(etw_index_builder *builder, const etw_events_head *view)
{
    for (uint32_t i = 0; i < view->provider_count; i++) {
        const etw_guid guid = etw_events_head_provider(view, i).provider;
        etw_buffer_append_u32(&builder->refs, etw_guid_table_put(&builder->providers, &guid));
    }
    builder->ref_count += view->provider_count;
}

bool etw_index_builder_has_room(const etw_index_builder *builder, const etw_block_header *header,
                                etw_bytes head)
{
    etw_events_head view;
    const uint32_t refs = count_refs(header, head, &view);
    const uint32_t listed = refs == ETW_INDEX_ANY_PROVIDER ? 0 : refs;
    return builder->count < ETW_INDEX_MAX_ENTRIES &&
           builder->ref_count + listed <= ETW_INDEX_MAX_REFS &&
           builder->providers.count + listed <= ETW_MAX_COUNTED_PROVIDERS;
}

void etw_index_builder_add(etw_index_builder *builder, const etw_block_header *header,
                           uint64_t offset, etw_bytes head)
{
    etw_events_head view;
    const uint32_t refs = count_refs(header, head, &view);
    if (builder->count == 0) {
        builder->first_sequence = header->sequence;
    }
    etw_buffer *to = &builder->entries;
    etw_buffer_append_u64(to, offset);
    etw_buffer_append_u32(to, header->stored_size);
    etw_buffer_append_u16(to, header->kind);
    etw_buffer_append_u16(to, header->flags);
    etw_buffer_append_u64(to, (uint64_t)header->first_time_100ns);
    etw_buffer_append_u64(to, (uint64_t)header->last_time_100ns);
    etw_buffer_append_u32(to, header->count);
    etw_buffer_append_u32(to, header->raw_size);
    etw_buffer_append_u32(to, refs);
    etw_buffer_append_u32(to, 0);
    if (refs != 0 && refs != ETW_INDEX_ANY_PROVIDER) {
        add_refs(builder, &view);
    }
    builder->count++;
}

void etw_index_builder_take(etw_index_builder *builder, uint64_t previous_offset, etw_buffer *body)
{
    if (builder->entries.failed || builder->refs.failed) {
        body->failed = true;
        return;
    }
    etw_buffer_append_u32(body, builder->count);
    etw_buffer_append_u32(body, builder->providers.count);
    etw_buffer_append_u64(body, previous_offset);
    etw_buffer_append_u64(body, builder->first_sequence);
    etw_buffer_append_u32(body, builder->ref_count);
    etw_buffer_append_u32(body, 0);
    etw_buffer_append(body, builder->providers.guids, builder->providers.count * sizeof(etw_guid));
    etw_buffer_append(body, builder->entries.data, builder->entries.size);
    etw_buffer_append(body, builder->refs.data, builder->refs.size);
    etw_buffer_clear(&builder->entries);
    etw_buffer_clear(&builder->refs);
    etw_guid_table_clear(&builder->providers);
    builder->count = 0;
    builder->ref_count = 0;
}

static etw_status damaged(etw_error *error, const char *what)
{
    return etw_error_set(error, ETW_ERROR_DAMAGED, "%s", what);
}

static bool refs_in_range(const etw_index_view *view)
{
    uint64_t used = 0;
    for (uint32_t i = 0; i < view->entry_count; i++) {
        const uint32_t refs = etw_index_entry_at(view, i).ref_count;
        used += refs == ETW_INDEX_ANY_PROVIDER ? 0 : refs;
    }
    for (uint32_t i = 0; i < view->ref_count; i++) {
        if (etw_load_u32(view->refs + (size_t)i * 4) >= view->provider_count) {
            return false;
        }
    }
    return used == view->ref_count;
}

etw_status etw_index_load(etw_bytes body, etw_index_view *view, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(body);
    view->entry_count = etw_cursor_u32(&cursor);
    view->provider_count = etw_cursor_u32(&cursor);
    view->previous_offset = etw_cursor_u64(&cursor);
    view->first_sequence = etw_cursor_u64(&cursor);
    view->ref_count = etw_cursor_u32(&cursor);
    (void)etw_cursor_u32(&cursor);
    if (cursor.failed || view->entry_count > ETW_INDEX_MAX_ENTRIES ||
        view->provider_count > ETW_MAX_COUNTED_PROVIDERS || view->ref_count > ETW_INDEX_MAX_REFS) {
        return damaged(error, "counts of the index are out of range");
    }
    view->providers = etw_cursor_take(&cursor, (size_t)view->provider_count * sizeof(etw_guid));
    view->entries = etw_cursor_take(&cursor, (size_t)view->entry_count * ENTRY_SIZE);
    view->refs = etw_cursor_take(&cursor, (size_t)view->ref_count * 4);
    if (cursor.failed || !refs_in_range(view)) {
        return damaged(error, "the index does not fit its counts");
    }
    return ETW_OK;
}

etw_index_entry etw_index_entry_at(const etw_index_view *view, uint32_t index)
{
    const uint8_t *from = view->entries + (size_t)index * ENTRY_SIZE;
    const etw_index_entry entry = {.offset = etw_load_u64(from),
                                   .stored_size = etw_load_u32(from + 8),
                                   .kind = etw_load_u16(from + 12),
                                   .flags = etw_load_u16(from + 14),
                                   .first_time_100ns = etw_load_i64(from + 16),
                                   .last_time_100ns = etw_load_i64(from + 24),
                                   .count = etw_load_u32(from + 32),
                                   .raw_size = etw_load_u32(from + 36),
                                   .ref_count = etw_load_u32(from + 40)};
    return entry;
}

etw_guid etw_index_provider(const etw_index_view *view, uint32_t ref)
{
    const uint32_t number = etw_load_u32(view->refs + (size_t)ref * 4);
    return etw_load_guid(view->providers + (size_t)number * sizeof(etw_guid));
}

static void add_times(etw_totals *totals, const etw_block_header *header)
{
    if (totals->events == 0 || header->first_time_100ns < totals->first_time_100ns) {
        totals->first_time_100ns = header->first_time_100ns;
    }
    if (totals->events == 0 || header->last_time_100ns > totals->last_time_100ns) {
        totals->last_time_100ns = header->last_time_100ns;
    }
}

static void add_providers(etw_totals *totals, const etw_block_header *header, etw_bytes head,
                          etw_guid_table *providers)
{
    etw_events_head view;
    if (etw_events_head_load(head, header->count, &view, NULL) != ETW_OK) {
        totals->providers_cut = true;
        return;
    }
    for (uint32_t i = 0; i < view.provider_count; i++) {
        const etw_provider_count entry = etw_events_head_provider(&view, i);
        const uint32_t number = etw_guid_table_put(providers, &entry.provider);
        if (number == providers->limit) {
            totals->providers_cut = true;
        } else {
            providers->counts[number] += entry.events;
        }
    }
}

void etw_totals_add(etw_totals *totals, const etw_block_header *header, etw_bytes head,
                    etw_guid_table *providers)
{
    totals->blocks++;
    switch (header->kind) {
    case ETW_BLOCK_EVENTS:
        if (header->count > 0) {
            add_times(totals, header);
        }
        totals->events += header->count;
        totals->event_blocks++;
        totals->raw_bytes += header->raw_size;
        totals->stored_bytes += header->stored_size;
        if (providers != NULL) {
            add_providers(totals, header, head, providers);
        }
        break;
    case ETW_BLOCK_SCHEMAS:
        totals->schema_blocks++;
        totals->schemas += header->count;
        break;
    case ETW_BLOCK_LOSS:
        totals->loss_records += header->count;
        break;
    default:
        break;
    }
}

void etw_totals_add_loss(etw_totals *totals, uint32_t cause, uint64_t events)
{
    if (cause == ETW_LOSS_FILTERED) {
        return;
    }
    if (events == ETW_LOSS_COUNT_UNKNOWN || events > UINT64_MAX - totals->lost_events) {
        totals->lost_unknown = true;
    } else {
        totals->lost_events += events;
    }
}

static void append_provider(etw_buffer *body, const etw_guid *guid, uint64_t events,
                            const char *name)
{
    size_t size = name == NULL ? 0 : strlen(name);
    if (size > ETW_SUMMARY_MAX_NAME) {
        size = ETW_SUMMARY_MAX_NAME;
        while (size > 0 && ((uint8_t)name[size] & 0xC0u) == 0x80u) {
            size--;
        }
    }
    etw_buffer_append(body, guid, sizeof *guid);
    etw_buffer_append_u64(body, events);
    etw_buffer_append_u16(body, (uint16_t)size);
    etw_buffer_append(body, name, size);
}

void etw_summary_append(etw_buffer *body, const etw_summary *summary)
{
    const etw_totals *totals = summary->totals;
    const etw_guid_table *providers = summary->providers;
    etw_buffer_append_u32(body, (totals->lost_unknown ? SUMMARY_LOST_UNKNOWN : 0u) |
                                    (totals->providers_cut ? SUMMARY_PROVIDERS_CUT : 0u));
    etw_buffer_append_u32(body, providers->count);
    etw_buffer_append_u32(body, summary->trace_count);
    etw_buffer_append_u32(body, totals->index_blocks);
    etw_buffer_append_u64(body, totals->last_index_offset);
    etw_buffer_append_u64(body, totals->events);
    etw_buffer_append_u64(body, totals->received);
    etw_buffer_append_u64(body, totals->dropped);
    etw_buffer_append_u64(body, totals->event_blocks);
    etw_buffer_append_u64(body, totals->schema_blocks);
    etw_buffer_append_u64(body, totals->schemas);
    etw_buffer_append_u64(body, totals->loss_records);
    etw_buffer_append_u64(body, totals->lost_events);
    etw_buffer_append_u64(body, totals->raw_bytes);
    etw_buffer_append_u64(body, totals->stored_bytes);
    etw_buffer_append_u64(body, (uint64_t)totals->first_time_100ns);
    etw_buffer_append_u64(body, (uint64_t)totals->last_time_100ns);
    etw_buffer_append_u64(body, totals->blocks);
    for (uint32_t i = 0; i < summary->trace_count; i++) {
        etw_buffer_append_u64(body, summary->trace_offsets[i]);
    }
    for (uint32_t i = 0; i < providers->count; i++) {
        append_provider(body, &providers->guids[i], providers->counts[i],
                        summary->name(summary->context, &providers->guids[i]));
    }
}

etw_status etw_summary_load(etw_bytes body, etw_summary_view *view, etw_error *error)
{
    memset(view, 0, sizeof *view);
    etw_totals *totals = &view->totals;
    etw_cursor cursor = etw_cursor_over(body);
    const uint32_t flags = etw_cursor_u32(&cursor);
    totals->lost_unknown = (flags & SUMMARY_LOST_UNKNOWN) != 0;
    totals->providers_cut = (flags & SUMMARY_PROVIDERS_CUT) != 0;
    view->provider_count = etw_cursor_u32(&cursor);
    view->trace_count = etw_cursor_u32(&cursor);
    totals->index_blocks = etw_cursor_u32(&cursor);
    totals->last_index_offset = etw_cursor_u64(&cursor);
    totals->events = etw_cursor_u64(&cursor);
    totals->received = etw_cursor_u64(&cursor);
    totals->dropped = etw_cursor_u64(&cursor);
    totals->event_blocks = etw_cursor_u64(&cursor);
    totals->schema_blocks = etw_cursor_u64(&cursor);
    totals->schemas = etw_cursor_u64(&cursor);
    totals->loss_records = etw_cursor_u64(&cursor);
    totals->lost_events = etw_cursor_u64(&cursor);
    totals->raw_bytes = etw_cursor_u64(&cursor);
    totals->stored_bytes = etw_cursor_u64(&cursor);
    totals->first_time_100ns = (int64_t)etw_cursor_u64(&cursor);
    totals->last_time_100ns = (int64_t)etw_cursor_u64(&cursor);
    totals->blocks = etw_cursor_u64(&cursor);
    if (cursor.failed || view->trace_count > ETW_MAX_TRACES ||
        view->provider_count > ETW_MAX_COUNTED_PROVIDERS) {
        return damaged(error, "counts of the summary are out of range");
    }
    view->trace_offsets = etw_cursor_take(&cursor, (size_t)view->trace_count * 8);
    view->providers = cursor;
    return cursor.failed ? damaged(error, "the summary does not fit its counts") : ETW_OK;
}

etw_status etw_summary_next_provider(etw_summary_view *view, etw_guid *provider, uint64_t *events,
                                     char name[ETW_SUMMARY_MAX_NAME + 1], etw_error *error)
{
    etw_cursor *cursor = &view->providers;
    const uint8_t *guid = etw_cursor_take(cursor, sizeof *provider);
    *events = etw_cursor_u64(cursor);
    const size_t size = etw_cursor_u16(cursor);
    const uint8_t *text = etw_cursor_take(cursor, size);
    if (cursor->failed || size > ETW_SUMMARY_MAX_NAME) {
        return damaged(error, "the summary ends inside a provider");
    }
    *provider = etw_load_guid(guid);
    memcpy(name, text, size);
    name[size] = '\0';
    return ETW_OK;
}

void etw_end_append(etw_buffer *body, const etw_end *end)
{
    etw_buffer_append_u64(body, end->summary_offset);
    etw_buffer_append_u64(body, end->file_size);
    etw_buffer_append_u64(body, end->blocks);
    etw_buffer_append(body, closing_magic, sizeof closing_magic);
}

etw_status etw_end_load(etw_bytes body, etw_end *end, etw_error *error)
{
    if (body.size < ETW_END_BODY_SIZE ||
        memcmp(body.data + 24, closing_magic, sizeof closing_magic) != 0) {
        return damaged(error, "the end block is not one");
    }
    end->summary_offset = etw_load_u64(body.data);
    end->file_size = etw_load_u64(body.data + 8);
    end->blocks = etw_load_u64(body.data + 16);
    return ETW_OK;
}
