#include "format/etwcap/payload_write.h"

#include "format/etwcap/narrow.h"
#include "format/etwcap/references.h"
#include "format/etwcap/rows.h"

#include <stdlib.h>

enum {
    KEY_CANDIDATES = 2, /* of strings and of integers */
    LEAST_KEYED_ROWS = 12,
    KEY_SAMPLE = 64,
    KEY_FIELDS = 16,  /* that are looked at */
    KEY_TRIAL = 4096, /* rows */
    AHEAD = 16        /* rows to fetch before they are needed */
};

struct etw_payload_writer {
    etw_pool texts; /* strings of all kinds */
    etw_text narrow;
    etw_references references;
    etw_references trial; /* of keys that are only tried */
    etw_rows table;
    uint32_t capacity; /* of the arrays below */
    etw_bytes *rows;
    const etw_event_record **records;
    const etw_event_record **odd_records; /* whose payload the layout does not fit */
    uint32_t *odd_places;
    uint32_t *found; /* references of the kind being written */
};

etw_payload_writer *etw_payload_writer_new(void)
{
    return calloc(1, sizeof(etw_payload_writer));
}

static void free_arrays(etw_payload_writer *writer)
{
    free(writer->rows);
    free(writer->records);
    free(writer->odd_records);
    free(writer->odd_places);
    free(writer->found);
}

void etw_payload_writer_free(etw_payload_writer *writer)
{
    if (writer != NULL) {
        etw_pool_free(&writer->texts);
        etw_text_free(&writer->narrow);
        etw_references_free(&writer->references);
        etw_references_free(&writer->trial);
        free_arrays(writer);
        etw_rows_free(&writer->table);
        free(writer);
    }
}

static bool reserve_events(etw_payload_writer *writer, uint32_t count)
{
    if (count <= writer->capacity) {
        return true;
    }
    free_arrays(writer);
    writer->rows = malloc(count * sizeof *writer->rows);
    writer->records = malloc(count * sizeof *writer->records);
    writer->odd_records = malloc(count * sizeof *writer->odd_records);
    writer->odd_places = malloc(count * sizeof *writer->odd_places);
    writer->found = malloc(count * sizeof *writer->found);
    const bool good = writer->rows != NULL && writer->records != NULL &&
                      writer->odd_records != NULL && writer->odd_places != NULL &&
                      writer->found != NULL;
    writer->capacity = good ? count : 0;
    return good;
}

bool etw_payload_begin(etw_payload_writer *writer, uint32_t event_count)
{
    etw_pool_clear(&writer->texts);
    return reserve_events(writer, event_count) &&
           etw_references_begin(&writer->references, event_count) &&
           etw_rows_begin(&writer->table, event_count);
}

void etw_payload_write_texts(const etw_payload_writer *writer, etw_text *out)
{
    etw_put_varint(out, writer->texts.count);
    etw_put(out, writer->texts.bytes.data, writer->texts.bytes.size);
}

/* ---- rows and their regions ---- */

/* Where the row's regions start; false where the layout does not fit it. */
static bool parse_row(const etw_layout *layout, etw_bytes row, uint16_t *bases, size_t stride)
{
    etw_bytes rest = row;
    for (uint32_t r = 0; r < layout->region_count; r++) {
        bases[r * stride] = (uint16_t)(row.size - rest.size);
        rest = etw_layout_next(layout, r, rest);
        if (rest.data == NULL) {
            return false;
        }
    }
    return rest.size == 0;
}

/* Where the regions of all rows start, region by region; returns how many rows the layout fits
 * before the first that it does not. */
static uint32_t parse_rows(const etw_layout *layout, const etw_bytes *rows, uint32_t count,
                           uint16_t *bases)
{
    const etw_region *first = &layout->regions[0];
    uint32_t i = 0;
    if (layout->region_count == 1 && first->tail == ETW_TAIL_NONE) {
        memset(bases, 0, count * sizeof *bases);
        while (i < count && rows[i].size == first->size) {
            i++;
        }
        return i;
    }
    while (i < count && parse_row(layout, rows[i], bases + i, count)) {
        i++;
    }
    return i;
}

/* Records whose payload the layout fits come to the front, the odd ones behind them, both in order.
 * The first fitting ones are known to be so. Returns how many fit. */
static uint32_t part_rows(etw_payload_writer *writer, const etw_layout *layout, uint32_t fitting,
                          uint32_t count)
{
    uint16_t bases[ETW_LAYOUT_MAX_REGIONS];
    uint32_t kept = fitting;
    uint32_t odd = 0;
    for (uint32_t i = fitting; i < count; i++) {
        if (parse_row(layout, writer->rows[i], bases, 1)) {
            writer->records[kept++] = writer->records[i];
        } else {
            writer->odd_records[odd] = writer->records[i];
            writer->odd_places[odd++] = i;
        }
    }
    memcpy(writer->records + kept, writer->odd_records, odd * sizeof *writer->records);
    for (uint32_t i = fitting; i < count; i++) {
        writer->rows[i] = etw_record_user_data(writer->records[i]);
    }
    return kept;
}

/* A group of the rows that the layout fits, which come to the front. NULL where memory ran out. */
static const etw_row_group *add_group(etw_payload_writer *writer, const etw_layout *layout,
                                      uint32_t count)
{
    const etw_row_group *group = etw_rows_add_group(&writer->table, count, layout->region_count);
    if (group == NULL) {
        return NULL;
    }
    const uint32_t fitting =
        parse_rows(layout, writer->rows, count, writer->table.bases + group->first_cell);
    if (fitting < count) {
        const uint32_t kept = part_rows(writer, layout, fitting, count);
        etw_rows_drop_group(&writer->table);
        group = etw_rows_add_group(&writer->table, kept, layout->region_count);
        if (group == NULL || parse_rows(layout, writer->rows, kept,
                                        writer->table.bases + group->first_cell) != kept) {
            return NULL;
        }
    }
    memcpy(writer->table.rows + group->first_row, writer->rows,
           group->count * sizeof *writer->rows);
    memcpy(writer->table.records + group->first_row, writer->records,
           group->count * sizeof *writer->records);
    return group;
}

/* Payloads that the layout does not fit, as bytes, each with its place among its kind. */
static bool write_odd_rows(etw_payload_writer *writer, etw_fields *fields, etw_text *out,
                           const etw_bytes *rows, uint32_t count)
{
    etw_put_varint(out, count);
    for (uint32_t i = 0; i < count; i++) {
        fields->values[i] = writer->odd_places[i];
    }
    return count == 0 || (etw_fields_write(fields, out, count, 4, NULL, 0) &&
                          etw_fields_write_blobs(fields, out, rows, count, 1));
}

static uint32_t add_text(etw_payload_writer *writer, uint32_t tail, const uint8_t *bytes,
                         size_t size)
{
    if (tail == ETW_TAIL_ANSI) {
        return etw_pool_add(&writer->texts, bytes, size - 1);
    }
    etw_text_clear(&writer->narrow);
    uint8_t *narrow = (uint8_t *)etw_text_reserve(&writer->narrow, size / 2 * 3);
    if (narrow == NULL) {
        return ETW_POOL_FULL;
    }
    return etw_pool_add(&writer->texts, narrow, etw_narrow(bytes, size / 2 - 1, narrow));
}

/* The texts of all string fields: field by field, so that new ones are numbered in a row. */
static bool add_texts(etw_payload_writer *writer, const etw_layout *layout,
                      const etw_row_group *group)
{
    const uint32_t count = group->count;
    for (uint32_t r = 0; r + 1 < layout->region_count; r++) {
        const etw_region *region = &layout->regions[r];
        if (!etw_tail_is_string(region->tail)) {
            continue;
        }
        const uint16_t *bases = writer->table.bases + etw_group_cell(group, r);
        uint32_t *strings = writer->table.strings + etw_group_cell(group, r);
        for (uint32_t i = 0; i < count; i++) {
            const uint8_t *row = writer->table.rows[group->first_row + i].data;
            const uint32_t from = (uint32_t)bases[i] + region->size;
            strings[i] = add_text(writer, region->tail, row + from, bases[count + i] - from);
            if (strings[i] == ETW_POOL_FULL) {
                return false;
            }
        }
    }
    return true;
}

/* ---- the layout ---- */

/* Constants of the sample that are none in all rows become integers. */
static void check_constants(const etw_payload_writer *writer, const etw_row_group *group,
                            etw_layout *layout)
{
    etw_layout checked = {.region_count = layout->region_count};
    const etw_bytes *rows = writer->table.rows + group->first_row;
    for (uint32_t r = 0; r < layout->region_count; r++) {
        const uint16_t *bases = writer->table.bases + etw_group_cell(group, r);
        const etw_region region = layout->regions[r];
        uint32_t offset = 0;
        checked.regions[r] = region;
        checked.regions[r].first_piece = (uint16_t)checked.piece_count;
        for (uint32_t p = 0; p < region.piece_count; p++) {
            etw_piece piece = layout->pieces[region.first_piece + p];
            const uint8_t *first = rows[0].data + bases[0] + offset;
            for (uint32_t i = 1; piece.constant && i < group->count; i++) {
                piece.constant = memcmp(rows[i].data + bases[i] + offset, first, piece.size) == 0;
            }
            offset += piece.size;
            for (uint32_t left = piece.size; left > 0;) {
                const uint32_t take = piece.constant || left <= 8 ? left : 8;
                checked.pieces[checked.piece_count++] = (etw_piece){(uint16_t)take, piece.constant};
                left -= take;
            }
        }
        checked.regions[r].piece_count =
            (uint16_t)(checked.piece_count - checked.regions[r].first_piece);
    }
    *layout = checked;
}

static void write_layout(const etw_payload_writer *writer, const etw_row_group *group,
                         const etw_layout *layout, etw_text *out)
{
    for (uint32_t r = 0; r < layout->region_count; r++) {
        const etw_region *region = &layout->regions[r];
        const uint8_t *at = writer->table.rows[group->first_row].data +
                            writer->table.bases[etw_group_cell(group, r)];
        etw_put_varint(out, region->size);
        for (uint32_t p = 0; p < region->piece_count; p++) {
            const etw_piece *piece = &layout->pieces[region->first_piece + p];
            if (piece->constant) {
                etw_text_append_char(out, 0);
                etw_put_varint(out, piece->size);
                etw_put(out, at, piece->size);
            } else {
                etw_text_append_char(out, (char)piece->size);
            }
            at += piece->size;
        }
        const bool more = r + 1 < layout->region_count;
        etw_text_append_char(out, (char)(region->tail | (more ? ETW_TAIL_MORE : 0)));
    }
}

/* ---- fields ---- */

static void load_field(const etw_payload_writer *writer, const etw_row_group *group,
                       const etw_field *of, uint64_t *values)
{
    const size_t cell = etw_group_cell(group, of->region);
    if (of->width == 0) {
        for (uint32_t i = 0; i < group->count; i++) {
            values[i] = writer->table.strings[cell + i];
        }
        return;
    }
    const uint64_t mask = etw_column_mask(of->width);
    const etw_bytes *rows = writer->table.rows + group->first_row;
    const uint16_t *bases = writer->table.bases + cell;
    for (uint32_t i = 0; i < group->count; i++) {
        values[i] = etw_load_u64(rows[i].data + bases[i] + of->offset) & mask;
    }
}

static void tell(const void *context, uint32_t from, uint32_t count, uint64_t *predicted)
{
    const etw_told *told = context;
    for (uint32_t i = 0; i < count; i++) {
        predicted[i] = etw_rows_tell(told, from + i);
    }
}

/* Without a reference a string is told to be new: numbered after the highest so far. */
static void tell_texts(const etw_payload_writer *writer, const etw_row_group *group,
                       const etw_field *of, const uint64_t *values, uint64_t *predicted)
{
    uint64_t next = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        if (writer->found[i] == ETW_NO_REFERENCE ||
            !etw_rows_field_at(&writer->table, writer->found[i], of, &predicted[i])) {
            predicted[i] = next;
        }
        next = values[i] >= next ? values[i] + 1 : next;
    }
}

/* Keys of one kind and of others should meet, however wide the integers are that they were cut to:
 * the low four bytes count. */
static uint32_t key_tag(const etw_payload_writer *writer, uint32_t row, const etw_field *of,
                        uint32_t realm)
{
    uint64_t value = 0;
    (void)etw_rows_field_at(&writer->table, row, of, &value);
    return etw_reference_tag(realm + (of->width == 0), (uint32_t)value);
}

static void link_rows(etw_payload_writer *writer, const etw_row_group *group, const etw_field *of,
                      uint32_t realm)
{
    for (uint32_t i = 0; i < group->count; i++) {
        const uint32_t row = group->first_row + i;
        writer->found[i] =
            etw_reference_link(&writer->references, key_tag(writer, row, of, realm), row);
    }
}

/* What link_rows would find for the first rows. Returns how many, leaves no trace. */
static uint32_t try_key(etw_payload_writer *writer, const etw_row_group *group, const etw_field *of,
                        uint32_t realm)
{
    const uint32_t count = group->count < KEY_TRIAL ? group->count : KEY_TRIAL;
    if (!etw_references_begin(&writer->trial, count)) {
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t row = group->first_row + i;
        const uint32_t tag = key_tag(writer, row, of, realm);
        const uint32_t own = etw_reference_link(&writer->trial, tag, row);
        writer->found[i] =
            own != ETW_NO_REFERENCE ? own : etw_reference_get(&writer->references, tag);
    }
    return count;
}

/* What a key field would do for the rows that were tried. */
typedef struct key_worth {
    uint32_t told_bytes; /* that the reference tells right, of a sample */
    uint32_t found;      /* rows with a reference */
    uint32_t tried;
} key_worth;

static key_worth weigh_key(etw_payload_writer *writer, const etw_row_group *group,
                           const etw_field *list, uint32_t count, uint32_t key, uint32_t realm)
{
    key_worth worth = {0, 0, try_key(writer, group, &list[key], realm)};
    const uint32_t step = worth.tried / 2 / KEY_SAMPLE + 1;
    for (uint32_t i = 0; i < worth.tried; i++) {
        worth.found += writer->found[i] != ETW_NO_REFERENCE;
    }
    /* The later half has more rows before it to refer to, as most of a large kind's rows have. */
    for (uint32_t i = worth.tried / 2; i < worth.tried; i += step) {
        if (writer->found[i] == ETW_NO_REFERENCE) {
            continue;
        }
        for (uint32_t f = 0; f < count && f < KEY_FIELDS; f++) {
            uint64_t own = 0;
            uint64_t other = 0;
            uint64_t before = 0;
            if (f != key &&
                etw_rows_field_at(&writer->table, group->first_row + i, &list[f], &own) &&
                etw_rows_field_at(&writer->table, writer->found[i], &list[f], &other) &&
                own == other &&
                !(etw_rows_field_at(&writer->table, group->first_row + i - 1, &list[f], &before) &&
                  before == own)) {
                worth.told_bytes += list[f].width == 0 ? 4u : list[f].width;
            }
        }
    }
    worth.told_bytes *= 2 * step;
    return worth;
}

/* The field that tells most of the others, or count where none tells a byte a row; and *also, an
 * integer that names things new to the block, for kinds that come later. */
static uint32_t choose_key(etw_payload_writer *writer, const etw_row_group *group,
                           const etw_field *list, uint32_t count, uint32_t realm, uint32_t *also)
{
    uint32_t best = count;
    uint32_t best_bytes = 0;
    uint32_t tried[2] = {0, 0};
    *also = count;
    if (group->count < LEAST_KEYED_ROWS || count < 2) {
        return count;
    }
    for (uint32_t f = 0; f < count; f++) {
        const bool integer = list[f].width != 0;
        if ((integer && list[f].width < 3) || tried[integer] == KEY_CANDIDATES) {
            continue;
        }
        tried[integer]++;
        const key_worth worth = weigh_key(writer, group, list, count, f, realm);
        if (worth.told_bytes > worth.tried && worth.told_bytes > best_bytes) {
            best_bytes = worth.told_bytes;
            best = f;
        }
        if (integer && *also == count && worth.found < worth.tried / 2) {
            *also = f;
        }
    }
    *also = *also == best ? count : *also;
    return best;
}

static bool write_texts(etw_payload_writer *writer, etw_fields *fields, etw_text *out,
                        const etw_row_group *group, const etw_field *of, bool keyed)
{
    const etw_guess guess = {ETW_TOLD_BY_REFERENCE, etw_guess_from_array, fields->predicted};
    if (keyed) {
        tell_texts(writer, group, of, fields->values, fields->predicted);
    }
    return etw_fields_write(fields, out, group->count, 4, &guess, keyed ? 1 : 0);
}

static bool write_integers(etw_payload_writer *writer, etw_fields *fields, etw_text *out,
                           const etw_row_group *group, const etw_field *list, uint32_t field,
                           bool keyed)
{
    etw_told told[ETW_TOLD_END];
    etw_guess guesses[ETW_TOLD_END];
    uint32_t count = 0;
    const uint32_t width = list[field].width;
    for (uint32_t mode = ETW_TOLD_BY_REFERENCE; mode < ETW_TOLD_END && width > 1; mode++) {
        const bool by_field = mode == ETW_TOLD_BY_FIELD || mode == ETW_TOLD_BY_FIELD2;
        const etw_field *by = by_field ? etw_told_by(list, field, mode) : NULL;
        if ((mode == ETW_TOLD_BY_REFERENCE && !keyed) || (by_field && by == NULL) ||
            (mode == ETW_TOLD_BY_TIME && width < 5)) {
            continue;
        }
        told[count] = (etw_told){&writer->table, group, &list[field], by, writer->found, mode};
        guesses[count] = (etw_guess){mode, tell, &told[count]};
        count++;
    }
    return etw_fields_write(fields, out, group->count, width, guesses, count);
}

static bool write_fields(etw_payload_writer *writer, etw_fields *fields, etw_text *out,
                         const etw_row_group *group, const etw_field *list, uint32_t count,
                         uint32_t realm)
{
    uint32_t also = count;
    const uint32_t key = choose_key(writer, group, list, count, realm, &also);
    const bool keyed = key < count;
    etw_put_varint(out, keyed ? key + 1 : 0);
    etw_put_varint(out, also < count ? also + 1 : 0);
    if (keyed) {
        load_field(writer, group, &list[key], fields->values);
        if (!etw_fields_write(fields, out, group->count, list[key].width == 0 ? 4 : list[key].width,
                              NULL, 0)) {
            return false;
        }
        link_rows(writer, group, &list[key], realm);
    }
    for (uint32_t f = 0; f < count; f++) {
        if (f == key) {
            continue;
        }
        load_field(writer, group, &list[f], fields->values);
        if (!(list[f].width == 0 ? write_texts(writer, fields, out, group, &list[f], keyed)
                                 : write_integers(writer, fields, out, group, list, f, keyed))) {
            return false;
        }
    }
    if (also < count) {
        link_rows(writer, group, &list[also], realm);
    }
    return true;
}

/* The words or bytes of the one region that has them. rows is scratch. */
static bool write_rest(const etw_payload_writer *writer, etw_fields *fields, etw_text *out,
                       const etw_layout *layout, const etw_row_group *group, etw_bytes *rows)
{
    for (uint32_t r = 0; r < layout->region_count; r++) {
        const uint32_t word = etw_tail_word(layout->regions[r].tail);
        if (word == 0) {
            continue;
        }
        const uint16_t *bases = writer->table.bases + etw_group_cell(group, r);
        const uint16_t *next = r + 1 < layout->region_count ? bases + group->count : NULL;
        for (uint32_t i = 0; i < group->count; i++) {
            const etw_bytes row = writer->table.rows[group->first_row + i];
            const uint32_t from = (uint32_t)bases[i] + layout->regions[r].size;
            rows[i].data = row.data + from;
            rows[i].size = (next == NULL ? row.size : next[i]) - from;
        }
        if (!etw_fields_write_blobs(fields, out, rows, group->count, word)) {
            return false;
        }
    }
    return true;
}

const etw_event_record **etw_payload_records(etw_payload_writer *writer)
{
    return writer->records;
}

bool etw_payload_write(etw_payload_writer *writer, etw_fields *fields, uint32_t count,
                       uint32_t realm, etw_text *out)
{
    etw_layout layout;
    etw_field list[ETW_MAX_FIELDS];
    for (uint32_t i = 0; i < count; i++) {
        __builtin_prefetch(writer->records[i + AHEAD < count ? i + AHEAD : i]);
        writer->rows[i] = etw_record_user_data(writer->records[i]);
        __builtin_prefetch(writer->rows[i].data);
    }
    etw_layout_infer(writer->rows, count, &layout);
    const etw_row_group *group = add_group(writer, &layout, count);
    if (group == NULL) {
        return false;
    }
    const uint32_t kept = group->count;
    if (!write_odd_rows(writer, fields, out, writer->rows + kept, count - kept)) {
        return false;
    }
    if (kept == 0) {
        etw_rows_drop_group(&writer->table);
        return true;
    }
    if (!add_texts(writer, &layout, group)) {
        return false;
    }
    check_constants(writer, group, &layout);
    write_layout(writer, group, &layout, out);
    return write_rest(writer, fields, out, &layout, group, writer->rows) &&
           write_fields(writer, fields, out, group, list, etw_list_fields(&layout, list), realm);
}
