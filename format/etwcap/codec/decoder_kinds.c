/* The kinds of a block's events, which the headers begin with: read before all else, or alone. */
#include "format/etwcap/codec/decoder_inside.h"

#include <stdlib.h>

static void read_kind(etw_cursor *cursor, etw_decoded_kind *of)
{
    static const uint8_t none[32] = {0};
    memset(of, 0, sizeof *of);
    const uint8_t *common = etw_cursor_take(cursor, 32);
    memcpy(&of->record.EventHeader.ProviderId, common == NULL ? none : common, 32);
    of->record.EventHeader.HeaderType = etw_cursor_u16(cursor);
    of->record.EventHeader.Flags = etw_cursor_u16(cursor);
    of->record.EventHeader.EventProperty = etw_cursor_u16(cursor);
    of->record.BufferContext.LoggerId = etw_cursor_u16(cursor);
    of->trace_index = etw_cursor_u16(cursor);
    of->size_excess = etw_cursor_u16(cursor);
    const uint64_t schema = etw_cursor_varint(cursor);
    const uint64_t items = etw_cursor_varint(cursor);
    cursor->failed |=
        of->trace_index >= ETW_MAX_TRACES || schema > UINT32_MAX || items > ETW_MAX_EXTENDED_ITEMS;
    of->schema_id = (uint32_t)schema;
    of->record.ExtendedDataCount = (uint16_t)items;
    of->items = etw_cursor_take(cursor, 6 * (size_t)of->record.ExtendedDataCount);
}

static bool reserve_kinds(etw_decoder *decoder, uint32_t count)
{
    if (count > decoder->kind_capacity) {
        const uint32_t room = etw_event_room(count);
        free(decoder->kinds);
        decoder->kinds = malloc(room * sizeof *decoder->kinds);
        decoder->kind_capacity = decoder->kinds == NULL ? 0 : room;
        decoder->out_of_memory = decoder->kinds == NULL;
    }
    return !decoder->out_of_memory;
}

bool etw_decoder_read_kind_table(etw_decoder *decoder, etw_cursor *cursor)
{
    const uint64_t count = etw_cursor_varint(cursor);
    if (cursor->failed || count == 0 || count > decoder->count ||
        !reserve_kinds(decoder, (uint32_t)count)) {
        return false;
    }
    decoder->kind_count = (uint32_t)count;
    decoder->wanted_kinds = 0;
    for (uint32_t k = 0; k < decoder->kind_count && !cursor->failed; k++) {
        etw_decoded_kind *of = &decoder->kinds[k];
        read_kind(cursor, of);
        of->is_wanted = decoder->choice.wants == NULL ||
                        decoder->choice.wants(decoder->choice.context, &of->record.EventHeader);
        decoder->wanted_kinds = of->is_wanted ? k + 1 : decoder->wanted_kinds;
    }
    return !cursor->failed;
}

/* ---- which of them are made ---- */

/* Of kinds that are wanted. */
enum { WANTED_REALMS = 32 };
typedef struct wanted_realms {
    uint32_t realms[WANTED_REALMS];
    uint32_t count;
    bool are_all; /* more than these */
} wanted_realms;

/* A collision of keys may tell a row from one of any realm: that is found out when it does. */
static bool is_apart(const wanted_realms *wanted, const etw_decoded_kind *of)
{
    bool is_apart = !wanted->are_all;
    for (uint32_t i = 0; is_apart && i < wanted->count; i++) {
        is_apart = etw_payload_realm(&of->record) - wanted->realms[i] + 1u > 2u;
    }
    return is_apart;
}

static void list_wanted_realms(const etw_decoder *decoder, wanted_realms *wanted)
{
    uint32_t last = 0;
    *wanted = (wanted_realms){.count = 0};
    for (uint32_t k = 0; k < decoder->wanted_kinds && !wanted->are_all; k++) {
        const etw_decoded_kind *of = &decoder->kinds[k];
        if (!of->is_wanted || (wanted->count > 0 && etw_payload_realm(&of->record) == last)) {
            continue;
        }
        wanted->are_all = wanted->count == WANTED_REALMS;
        if (!wanted->are_all) {
            wanted->realms[wanted->count++] = last = etw_payload_realm(&of->record);
        }
    }
}

void etw_decoder_choose_made(etw_decoder *decoder)
{
    wanted_realms wanted;
    list_wanted_realms(decoder, &wanted);
    for (uint32_t k = 0; k < decoder->kind_count; k++) {
        etw_decoded_kind *of = &decoder->kinds[k];
        of->is_made = of->is_wanted || !is_apart(&wanted, of) ||
                      etw_payload_makes(decoder->payload, etw_payload_realm(&of->record));
    }
}

/* ---- kinds alone ---- */

/* Expanded at first for a table of kinds, and behind it for the column. */
#define FIRST_PIECE ((size_t)4 << 10)

static bool take_sections(etw_decoder *decoder, etw_cursor *cursor)
{
    bool is_well = true;
    for (uint32_t s = 0; s < ETW_SECTION_COUNT && is_well; s++) {
        is_well = etw_section_take(&decoder->sections[s], cursor);
    }
    return is_well && etw_cursor_left(cursor) == 0;
}

/* Reads with reads from the place at in the headers, of which ever more is expanded, from size
 * bytes on, until that is enough. */
static bool read_in_pieces(etw_decoder *decoder, size_t at, size_t size,
                           bool (*reads)(etw_decoder *, etw_cursor *))
{
    etw_section *headers = &decoder->sections[ETW_SECTION_HEADERS];
    for (; etw_section_expand_to(headers, decoder->context, at + size); size *= 2) {
        etw_cursor cursor = etw_cursor_over(
            (etw_bytes){(const uint8_t *)headers->raw.data + at, headers->raw.size - at});
        if (reads(decoder, &cursor)) {
            return true;
        }
        if (etw_section_is_whole(headers) || etw_decoder_is_out_of_memory(decoder)) {
            return false;
        }
    }
    return false;
}

static bool read_table(etw_decoder *decoder, etw_cursor *cursor)
{
    const uint8_t *start = cursor->at;
    const bool is_well = etw_decoder_read_kind_table(decoder, cursor);
    decoder->kind_table_size = (size_t)(cursor->at - start);
    return is_well;
}

static bool read_kinds_alone(etw_decoder *decoder, etw_bytes body, uint32_t count)
{
    etw_cursor cursor = etw_cursor_over(body);
    decoder->count = etw_cursor_u32(&cursor);
    if (cursor.failed || decoder->count != count || count > ETW_BATCH_MAX_EVENTS) {
        return false;
    }
    return count == 0 ? etw_cursor_left(&cursor) == 0
                      : take_sections(decoder, &cursor) &&
                            read_in_pieces(decoder, 0, FIRST_PIECE, read_table);
}

etw_status etw_decoder_decode_kinds(etw_decoder *decoder, etw_bytes body, uint32_t count,
                                    uint32_t *kind_count, etw_error *error)
{
    etw_decoder_begin(decoder);
    const bool is_well = read_kinds_alone(decoder, body, count);
    decoder->kind_count = is_well ? decoder->kind_count : 0;
    *kind_count = decoder->kind_count;
    return is_well ? ETW_OK : etw_decoder_failed(decoder, error);
}

static bool count_kinds(etw_decoder *decoder, etw_cursor *cursor)
{
    if (!etw_fields_read(&decoder->fields, cursor, decoder->count, 2, NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < decoder->count; i++) {
        const uint64_t of = decoder->fields.values[i];
        if (of >= decoder->kind_count) {
            return false;
        }
        decoder->kinds[of].count++;
    }
    return true;
}

etw_status etw_decoder_count_kinds(etw_decoder *decoder, etw_error *error)
{
    for (uint32_t k = 0; k < decoder->kind_count; k++) {
        decoder->kinds[k].count = 0;
    }
    if (decoder->kind_count == 0) {
        return ETW_OK;
    }
    /* Most columns are a byte an event. */
    const bool is_well = etw_decoder_begin_events(decoder) &&
                         read_in_pieces(decoder, decoder->kind_table_size,
                                        decoder->count + FIRST_PIECE, count_kinds);
    return is_well ? ETW_OK : etw_decoder_failed(decoder, error);
}

void etw_decoder_kind(const etw_decoder *decoder, uint32_t index, etw_item *item)
{
    etw_decoded_kind *of = &decoder->kinds[index];
    of->record.ExtendedDataCount = 0; /* there are none */
    *item = (etw_item){.kind = ETW_ITEM_EVENT,
                       .trace_index = of->trace_index,
                       .schema_id = of->schema_id,
                       .record = &of->record};
}

uint32_t etw_decoder_kind_events(const etw_decoder *decoder, uint32_t index)
{
    return decoder->kinds[index].count;
}
