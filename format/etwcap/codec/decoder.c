/* Columns to records. The body is trusted for nothing: every count and size is checked against the
 * limits of a batch before memory is used. */
#include "format/etwcap/codec/decoder_inside.h"

#include <stdlib.h>
#include <zstd.h>

enum { PROCESSORS = 1 << 12 };

etw_decoder *etw_decoder_new(void)
{
    etw_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL) {
        return NULL;
    }
    decoder->context = etw_section_context_new();
    decoder->payload = etw_payload_reader_new();
    decoder->last_thread = malloc(PROCESSORS * sizeof *decoder->last_thread);
    if (decoder->context == NULL || decoder->payload == NULL || decoder->last_thread == NULL ||
        !etw_fields_reader_init(&decoder->fields)) {
        etw_decoder_free(decoder);
        return NULL;
    }
    return decoder;
}

void etw_decoder_free(etw_decoder *decoder)
{
    if (decoder == NULL) {
        return;
    }
    (void)ZSTD_freeDCtx(decoder->context);
    etw_fields_reader_free(&decoder->fields);
    etw_payload_reader_free(decoder->payload);
    for (int i = 0; i < ETW_SECTION_COUNT; i++) {
        etw_section_free(&decoder->sections[i]);
    }
    etw_event_arrays_free(&decoder->arrays);
    free(decoder->kinds);
    free(decoder->last_thread);
    free(decoder->items);
    etw_block_memory_free(&decoder->item_data);
    free(decoder);
}

static etw_cursor cursor_over(const etw_decoder *decoder, uint32_t section)
{
    return etw_cursor_over(etw_buffer_bytes(&decoder->sections[section].raw));
}

/* Of a block's arrays, the decoder's own and what its parts take of them: touched by all events,
 * and by few. */
enum {
    EVENT_BYTES = sizeof(etw_event_record) + sizeof(etw_decoded_event) + sizeof(uint32_t) +
                  sizeof(etw_bytes) + ETW_FIELDS_READER_EVENT_BYTES +
                  ETW_PAYLOAD_READER_EVENT_BYTES,
    RARE_BYTES = 2 * sizeof(uint64_t) + sizeof(etw_guid) + ETW_FIELDS_READER_RARE_BYTES +
                 ETW_PAYLOAD_READER_RARE_BYTES
};

bool etw_decoder_begin_events(etw_decoder *decoder)
{
    etw_event_arrays *arrays = &decoder->arrays;
    if (!etw_event_arrays_begin(arrays, decoder->count, EVENT_BYTES + RARE_BYTES, EVENT_BYTES)) {
        decoder->out_of_memory = true;
        return false;
    }
    etw_fields_reader_begin(&decoder->fields, arrays);
    decoder->records = etw_event_array(arrays, sizeof *decoder->records);
    decoder->events = etw_event_array(arrays, sizeof *decoder->events);
    decoder->order = etw_event_array(arrays, sizeof *decoder->order);
    decoder->rows = etw_event_array(arrays, sizeof *decoder->rows);
    decoder->last = etw_event_array_rare(arrays, sizeof *decoder->last);
    decoder->threads = etw_event_array_rare(arrays, sizeof *decoder->threads);
    decoder->activities = etw_event_array_rare(arrays, sizeof *decoder->activities);
    return true;
}

/* ---- kinds ---- */

/* Whether its record is needed. */
static bool is_made(const etw_decoder *decoder, uint32_t event)
{
    return decoder->kinds[decoder->events[event].kind].is_made;
}

/* Of those, kinds that have an event with that number or a later one. */
static void want_kinds_from(etw_decoder *decoder, uint32_t first_event)
{
    const uint32_t wanted = decoder->wanted_kinds;
    decoder->wanted_kinds = 0;
    for (uint32_t k = 0; k < wanted; k++) {
        etw_decoded_kind *of = &decoder->kinds[k];
        of->is_wanted = of->is_wanted && of->count > 0 &&
                        decoder->order[of->start + of->count - 1] >= first_event;
        decoder->wanted_kinds = of->is_wanted ? k + 1 : decoder->wanted_kinds;
    }
}

static bool read_kinds(etw_decoder *decoder, etw_cursor *cursor)
{
    if (!etw_decoder_read_kind_table(decoder, cursor) ||
        !etw_fields_read(&decoder->fields, cursor, decoder->count, 2, NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < decoder->count; i++) {
        const uint64_t of = decoder->fields.values[i];
        if (of >= decoder->kind_count) {
            return false;
        }
        decoder->events[i].kind = (uint32_t)of;
        decoder->kinds[of].count++;
    }
    uint32_t start = 0;
    for (uint32_t k = 0; k < decoder->kind_count; k++) {
        decoder->kinds[k].start = start;
        start += decoder->kinds[k].count;
        decoder->kinds[k].count = 0;
    }
    for (uint32_t i = 0; i < decoder->count; i++) {
        etw_decoded_kind *of = &decoder->kinds[decoder->events[i].kind];
        decoder->order[of->start + of->count++] = i;
    }
    if (decoder->choice.first_event > 0) {
        want_kinds_from(decoder, decoder->choice.first_event);
    }
    etw_decoder_choose_made(decoder);
    for (uint32_t i = 0; i < decoder->count; i++) {
        if (is_made(decoder, i)) {
            decoder->records[i] = decoder->kinds[decoder->events[i].kind].record;
            decoder->records[i].ExtendedDataCount = 0;
        }
    }
    return true;
}

/* ---- header columns ---- */

static bool read_times(etw_decoder *decoder, etw_cursor *cursor)
{
    uint64_t now = etw_cursor_u64(cursor);
    if (!etw_fields_read(&decoder->fields, cursor, decoder->count, 8, NULL)) {
        return false;
    }
    uint64_t *steps = (void *)decoder->rows; /* from event to event; rows come later */
    for (uint32_t i = 0; i < decoder->count; i++) {
        steps[decoder->order[i]] = etw_column_unfold(decoder->fields.values[i], 8, 0);
    }
    for (uint32_t i = 0; i < decoder->count; i++) {
        now += steps[i];
        if (is_made(decoder, i)) {
            decoder->records[i].EventHeader.TimeStamp = (int64_t)now;
        }
    }
    return true;
}

static bool read_processors(etw_decoder *decoder, etw_cursor *cursor)
{
    if (!etw_fields_read(&decoder->fields, cursor, decoder->count, 2, NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < decoder->count; i++) {
        decoder->events[i].thread = (uint16_t)decoder->fields.values[i]; /* until it is known */
    }
    return true;
}

static bool read_thread_pairs(etw_decoder *decoder, etw_cursor *cursor)
{
    const uint64_t threads = etw_cursor_varint(cursor);
    if (cursor->failed || threads > decoder->count) {
        return false;
    }
    const uint32_t count = (uint32_t)threads;
    decoder->thread_count = count;
    if (!etw_fields_read(&decoder->fields, cursor, count, 4, NULL)) {
        return false;
    }
    memcpy(decoder->threads, decoder->fields.values, count * sizeof *decoder->threads);
    if (!etw_fields_read(&decoder->fields, cursor, count, 4, NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        decoder->threads[i] |= decoder->fields.values[i] << 32;
    }
    return true;
}

static bool read_threads(etw_decoder *decoder, etw_cursor *cursor)
{
    if (!read_thread_pairs(decoder, cursor) ||
        !etw_fields_read(&decoder->fields, cursor, decoder->count, 4, NULL)) {
        return false;
    }
    uint32_t before = UINT32_MAX;
    uint32_t next = 0;
    memset(decoder->last_thread, 0xFF, PROCESSORS * sizeof *decoder->last_thread);
    for (uint32_t i = 0; i < decoder->count; i++) {
        const uint32_t processor = decoder->events[i].thread;
        uint32_t *last = &decoder->last_thread[processor & (PROCESSORS - 1)];
        const uint64_t code = decoder->fields.values[i];
        if (code >= ETW_THREAD_KNOWN) {
            *last = (uint32_t)code - ETW_THREAD_KNOWN;
        } else if (code != ETW_THREAD_SAME_PROCESSOR) {
            *last = code == ETW_THREAD_NEW ? next++ : before;
        }
        if (*last >= decoder->thread_count) {
            return false;
        }
        before = *last;
        decoder->events[i].thread = *last;
        if (is_made(decoder, i)) {
            etw_event_record *record = &decoder->records[i];
            record->BufferContext.ProcessorIndex = (uint16_t)processor;
            record->EventHeader.ThreadId = (uint32_t)decoder->threads[*last];
            record->EventHeader.ProcessId = (uint32_t)(decoder->threads[*last] >> 32);
        }
    }
    return true;
}

/* A column of 4-byte values, told from the same thread's last. */
static bool read_told_by_thread(etw_decoder *decoder, etw_cursor *cursor)
{
    uint32_t mode = 0;
    uint64_t *values = decoder->fields.values;
    if (!etw_fields_read(&decoder->fields, cursor, decoder->count, 4, &mode)) {
        return false;
    }
    if (mode > ETW_COLUMN_FIRST_GUESS) {
        return false;
    }
    if (mode == ETW_COLUMN_FIRST_GUESS) {
        memset(decoder->last, 0, decoder->thread_count * sizeof *decoder->last);
        for (uint32_t i = 0; i < decoder->count; i++) {
            uint64_t *last = &decoder->last[decoder->events[i].thread];
            values[i] = (*last + values[i]) & UINT32_MAX;
            *last = values[i];
        }
    }
    return true;
}

static bool read_times_of_threads(etw_decoder *decoder, etw_cursor *cursor)
{
    if (!read_told_by_thread(decoder, cursor)) {
        return false;
    }
    for (uint32_t i = 0; i < decoder->count; i++) {
        decoder->records[i].EventHeader.KernelTime = (uint32_t)decoder->fields.values[i];
    }
    if (!read_told_by_thread(decoder, cursor)) {
        return false;
    }
    for (uint32_t i = 0; i < decoder->count; i++) {
        decoder->records[i].EventHeader.UserTime = (uint32_t)decoder->fields.values[i];
    }
    return true;
}

static bool read_activities(etw_decoder *decoder, etw_cursor *cursor)
{
    const uint64_t count = etw_cursor_varint(cursor);
    if (cursor->failed || count > decoder->count) {
        return false;
    }
    for (uint32_t half = 0; half < 2; half++) {
        if (!etw_fields_read(&decoder->fields, cursor, (uint32_t)count, 8, NULL)) {
            return false;
        }
        for (uint32_t i = 0; i < count; i++) {
            etw_store_u64((uint8_t *)&decoder->activities[i] + 8 * half, decoder->fields.values[i]);
        }
    }
    if (!read_told_by_thread(decoder, cursor)) {
        return false;
    }
    for (uint32_t i = 0; i < decoder->count; i++) {
        if (decoder->fields.values[i] >= count) {
            return false;
        }
        decoder->records[i].EventHeader.ActivityId = decoder->activities[decoder->fields.values[i]];
    }
    return true;
}

/* Size so far without user data and items, which add to it when they are decoded. */
static bool read_sizes(etw_decoder *decoder, etw_cursor *cursor)
{
    if (!etw_fields_read(&decoder->fields, cursor, decoder->count, 2, NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < decoder->count; i++) {
        const etw_decoded_kind *of = &decoder->kinds[decoder->events[i].kind];
        decoder->records[i].EventHeader.Size =
            (uint16_t)(of->size_excess + decoder->fields.values[i]);
    }
    return true;
}

static bool read_headers(etw_decoder *decoder)
{
    etw_cursor cursor = cursor_over(decoder, ETW_SECTION_HEADERS);
    if (!read_kinds(decoder, &cursor)) {
        return false;
    }
    if (decoder->wanted_kinds == 0) {
        return true;
    }
    /* What user data is told from. */
    if (!read_times(decoder, &cursor) || !read_processors(decoder, &cursor) ||
        !read_threads(decoder, &cursor)) {
        return false;
    }
    return decoder->choice.is_bare ||
           (read_times_of_threads(decoder, &cursor) && read_activities(decoder, &cursor) &&
            read_sizes(decoder, &cursor) && etw_cursor_left(&cursor) == 0);
}

/* ---- items ---- */

static bool set_item(etw_decoder *decoder, const etw_decoded_kind *of, uint32_t item, uint32_t row,
                     etw_bytes head, etw_bytes rest)
{
    etw_event_record *record = &decoder->records[decoder->order[of->start + row]];
    etw_extended_data_item *to = &record->ExtendedData[item];
    const size_t size = head.size + rest.size;
    uint8_t *data = size > UINT16_MAX ? NULL : etw_block_memory_take(&decoder->item_data, size);
    if (data == NULL) {
        return false;
    }
    if (head.size > 0) {
        memcpy(data, head.data, head.size);
    }
    if (rest.size > 0) {
        memcpy(data + head.size, rest.data, rest.size);
    }
    memcpy(to, of->items + 6 * (size_t)item, 6);
    to->DataSize = (uint16_t)size;
    to->DataPtr = (uint64_t)(uintptr_t)data;
    record->EventHeader.Size = (uint16_t)(record->EventHeader.Size + 8 + ((size + 7) & ~7u));
    return true;
}

/* The kind's first event whose items are wanted. */
static uint32_t first_wanted(const etw_decoder *decoder, const etw_decoded_kind *of)
{
    uint32_t first = of->is_wanted ? 0 : of->count;
    while (first < of->count && decoder->order[of->start + first] < decoder->choice.first_event) {
        first++;
    }
    return first;
}

static bool read_item(etw_decoder *decoder, etw_cursor *cursor, const etw_decoded_kind *of,
                      uint32_t item)
{
    const uint32_t form = etw_cursor_u8(cursor);
    const bool stack = form == ETW_ITEM_STACKS4 || form == ETW_ITEM_STACKS8;
    const uint32_t head = stack ? 8 : form <= 8 ? form : 0;
    if (form > ETW_ITEM_STACKS8 ||
        (head > 0 && !etw_fields_read(&decoder->fields, cursor, of->count, head, NULL))) {
        return false;
    }
    memcpy(decoder->last, decoder->fields.values, of->count * sizeof *decoder->last);
    const uint32_t word = form == ETW_ITEM_STACKS4 ? 4 : form == ETW_ITEM_STACKS8 ? 8 : 1;
    const bool blobs = form == ETW_ITEM_BLOBS || stack;
    if (blobs && !etw_fields_read_blobs(&decoder->fields, cursor, of->count, word, UINT16_MAX)) {
        return false;
    }
    for (uint32_t i = first_wanted(decoder, of); i < of->count; i++) {
        const etw_bytes front = {(const uint8_t *)&decoder->last[i], head};
        const etw_bytes none = {NULL, 0};
        const etw_bytes rest = blobs ? decoder->fields.contents[decoder->fields.ids[i]] : none;
        if (!set_item(decoder, of, item, i, front, rest)) {
            return false;
        }
    }
    return true;
}

/* Room for all items, so that their addresses stay. */
static bool reserve_items(etw_decoder *decoder)
{
    uint64_t total = 0;
    for (uint32_t k = 0; k < decoder->kind_count; k++) {
        const etw_decoded_kind *of = &decoder->kinds[k];
        total += (uint64_t)of->count * of->record.ExtendedDataCount;
    }
    if (total > ETW_BATCH_MAX_BYTES / sizeof *decoder->items) {
        return false;
    }
    if (total > decoder->item_capacity) {
        free(decoder->items);
        decoder->items = malloc((size_t)total * sizeof *decoder->items);
        decoder->item_capacity = decoder->items == NULL ? 0 : (size_t)total;
    }
    decoder->out_of_memory = total > decoder->item_capacity;
    return !decoder->out_of_memory;
}

static bool read_items(etw_decoder *decoder)
{
    etw_cursor cursor = cursor_over(decoder, ETW_SECTION_ITEMS);
    if (!reserve_items(decoder)) {
        return false;
    }
    etw_extended_data_item *next = decoder->items;
    for (uint32_t k = 0; k < decoder->wanted_kinds; k++) {
        const etw_decoded_kind *of = &decoder->kinds[k];
        const uint16_t items = of->record.ExtendedDataCount;
        for (uint32_t i = first_wanted(decoder, of); i < of->count && items > 0; i++) {
            etw_event_record *record = &decoder->records[decoder->order[of->start + i]];
            record->ExtendedDataCount = items;
            record->ExtendedData = next;
            next += items;
        }
        for (uint32_t item = 0; item < items && of->count > 0; item++) {
            if (!read_item(decoder, &cursor, of, item)) {
                return false;
            }
        }
    }
    return decoder->wanted_kinds < decoder->kind_count || etw_cursor_left(&cursor) == 0;
}

/* ---- user data ---- */

static bool payload_failed(etw_decoder *decoder)
{
    decoder->out_of_memory = etw_payload_reader_is_out_of_memory(decoder->payload);
    return false;
}

static bool read_payload(etw_decoder *decoder)
{
    const etw_buffer *texts = &decoder->sections[ETW_SECTION_TEXTS].raw;
    etw_cursor cursor = cursor_over(decoder, ETW_SECTION_PAYLOAD);
    if (!etw_payload_read_begin(decoder->payload, etw_buffer_bytes(texts), decoder->count,
                                &decoder->arrays)) {
        return payload_failed(decoder);
    }
    for (uint32_t k = 0; k < decoder->wanted_kinds; k++) {
        const etw_decoded_kind *of = &decoder->kinds[k];
        const etw_kind_records events = {decoder->records, decoder->order + of->start,
                                         of->count,        etw_payload_realm(&of->record),
                                         !of->is_wanted,   !of->is_made};
        if (of->count == 0 || !etw_payload_read(decoder->payload, &decoder->fields, &cursor,
                                                &events, decoder->rows)) {
            return payload_failed(decoder);
        }
        for (uint32_t i = 0; i < of->count && of->is_wanted; i++) {
            etw_event_record *record = &decoder->records[decoder->order[of->start + i]];
            record->UserData = (void *)(uintptr_t)decoder->rows[i].data;
            record->UserDataLength = (uint16_t)decoder->rows[i].size;
            record->EventHeader.Size = (uint16_t)(record->EventHeader.Size + decoder->rows[i].size);
        }
    }
    return decoder->wanted_kinds < decoder->kind_count || etw_cursor_left(&cursor) == 0;
}

/* ---- the body ---- */

/* Expands the next section of the body, or passes it over. */
static bool read_section(etw_decoder *decoder, etw_cursor *cursor, uint32_t section, bool wanted)
{
    etw_section *of = &decoder->sections[section];
    return etw_section_take(of, cursor) && (!wanted || etw_section_expand(of, decoder->context));
}

static bool decode(etw_decoder *decoder, etw_bytes body, uint32_t parts)
{
    static const uint32_t part_of[ETW_SECTION_COUNT] = {ETW_DECODE_ALL, ETW_DECODE_ITEMS,
                                                        ETW_DECODE_PAYLOAD, ETW_DECODE_PAYLOAD};
    etw_cursor cursor = etw_cursor_over(body);
    const uint32_t count = etw_cursor_u32(&cursor);
    if (cursor.failed || count > ETW_BATCH_MAX_EVENTS) {
        return false;
    }
    decoder->count = count;
    if (!etw_decoder_begin_events(decoder)) {
        return false;
    }
    if (count == 0) {
        return etw_cursor_left(&cursor) == 0;
    }
    if (!read_section(decoder, &cursor, ETW_SECTION_HEADERS, true) || !read_headers(decoder)) {
        return false;
    }
    if (decoder->wanted_kinds == 0) {
        parts = 0;
    } else if (decoder->choice.is_bare) {
        parts = ETW_DECODE_PAYLOAD;
    }
    for (uint32_t s = ETW_SECTION_HEADERS + 1; s < ETW_SECTION_COUNT; s++) {
        if (!read_section(decoder, &cursor, s, (parts & part_of[s]) != 0)) {
            return false;
        }
    }
    return etw_cursor_left(&cursor) == 0 &&
           ((parts & ETW_DECODE_ITEMS) == 0 || read_items(decoder)) &&
           ((parts & ETW_DECODE_PAYLOAD) == 0 || read_payload(decoder));
}

void etw_decoder_choose(etw_decoder *decoder, const etw_kind_choice *choice)
{
    decoder->choice = *choice;
}

bool etw_decoder_has(const etw_decoder *decoder, uint32_t index)
{
    return decoder->kinds[decoder->events[index].kind].is_wanted;
}

bool etw_decoder_is_out_of_memory(const etw_decoder *decoder)
{
    bool is_out =
        decoder->out_of_memory || decoder->fields.out_of_memory || decoder->item_data.is_out;
    for (uint32_t s = 0; s < ETW_SECTION_COUNT; s++) {
        is_out = is_out || decoder->sections[s].raw.failed;
    }
    return is_out;
}

/* Such a block is not known to be damaged, and must not be told to be. */
etw_status etw_decoder_failed(const etw_decoder *decoder, etw_error *error)
{
    return etw_decoder_is_out_of_memory(decoder)
               ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory decoding events")
               : etw_error_set(error, ETW_ERROR_DAMAGED, "events body: columns are malformed");
}

void etw_decoder_begin(etw_decoder *decoder)
{
    decoder->count = 0;
    decoder->kind_count = 0;
    decoder->out_of_memory = false;
    decoder->fields.out_of_memory = false;
    etw_block_memory_begin(&decoder->item_data);
    for (uint32_t s = 0; s < ETW_SECTION_COUNT; s++) {
        etw_buffer_clear(&decoder->sections[s].raw);
    }
}

etw_status etw_decoder_decode(etw_decoder *decoder, etw_bytes body, uint32_t parts,
                              uint32_t *event_count, etw_error *error)
{
    *event_count = 0;
    etw_payload_reader_forget(decoder->payload);
    etw_decoder_begin(decoder);
    while (!decode(decoder, body, parts)) {
        if (!etw_payload_lacked_rows(decoder->payload)) {
            decoder->count = 0;
            return etw_decoder_failed(decoder, error);
        }
        etw_decoder_begin(decoder);
    }
    *event_count = decoder->count;
    return ETW_OK;
}

void etw_decoder_item(etw_decoder *decoder, uint32_t index, etw_item *item)
{
    const etw_decoded_kind *of = &decoder->kinds[decoder->events[index].kind];
    item->kind = ETW_ITEM_EVENT;
    item->trace_index = of->trace_index;
    item->schema_id = of->schema_id;
    item->record = &decoder->records[index];
    item->loss = NULL;
}
