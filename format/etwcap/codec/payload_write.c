#include "format/etwcap/codec/payload_write.h"

#include "format/etwcap/codec/references.h"
#include "format/etwcap/codec/texts.h"

#include <stdlib.h>

enum {
    KEY_CANDIDATES = 2, /* of strings and of integers */
    LEAST_KEYED_ROWS = 12,
    KEY_SAMPLE = 64,
    KEY_FIELDS = 16,  /* that are looked at */
    KEY_TRIAL = 4096, /* rows */
    /* Tables and payloads of a batch outgrow the nearer caches: what is needed after so many rows
     * is fetched now. */
    KEYS_AHEAD = 8,
    ROWS_AHEAD = 16
};

struct etw_payload_writer {
    etw_texts texts; /* strings of all kinds */
    etw_references references;
    etw_references trial; /* of keys that are only tried */
    etw_rows table;
    /* The next three are the block's arrays, for the kind being written. */
    const etw_event_record **odd_records; /* the layout does not fit them */
    uint32_t *odd_places;
    uint32_t *found; /* references */
};

etw_payload_writer *etw_payload_writer_new(void)
{
    return calloc(1, sizeof(etw_payload_writer));
}

void etw_payload_writer_free(etw_payload_writer *writer)
{
    if (writer != NULL) {
        etw_texts_free(&writer->texts);
        etw_references_free(&writer->references);
        etw_references_free(&writer->trial);
        etw_rows_free(&writer->table);
        free(writer);
    }
}

bool etw_payload_begin(etw_payload_writer *writer, uint32_t event_count, etw_event_arrays *arrays)
{
    writer->found = etw_event_array(arrays, sizeof *writer->found);
    writer->odd_records = etw_event_array_rare(arrays, sizeof *writer->odd_records);
    writer->odd_places = etw_event_array_rare(arrays, sizeof *writer->odd_places);
    etw_rows_begin(&writer->table, arrays);
    etw_texts_begin(&writer->texts);
    return etw_references_begin(&writer->references, event_count);
}

etw_bytes etw_payload_texts(etw_payload_writer *writer)
{
    return etw_texts_all(&writer->texts);
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

/* Of the table's next rows, those that the layout fits come to the front, the odd ones behind them,
 * both in order. The first fitting ones are known to be so. Returns how many fit. */
static uint32_t part_rows(etw_payload_writer *writer, const etw_layout *layout, uint32_t fitting,
                          uint32_t count)
{
    uint16_t bases[ETW_LAYOUT_MAX_REGIONS];
    etw_bytes *rows = writer->table.rows + writer->table.row_count;
    const etw_event_record **records = writer->table.records + writer->table.row_count;
    uint32_t kept = fitting;
    uint32_t odd = 0;
    for (uint32_t i = fitting; i < count; i++) {
        if (parse_row(layout, rows[i], bases, 1)) {
            records[kept++] = records[i];
        } else {
            writer->odd_records[odd] = records[i];
            writer->odd_places[odd++] = i;
        }
    }
    memcpy(records + kept, writer->odd_records, odd * sizeof *records);
    for (uint32_t i = fitting; i < count; i++) {
        rows[i] = etw_record_user_data(records[i]);
    }
    return kept;
}

/* A group of those of the table's next rows that the layout fits, which come to the front. NULL
 * where memory ran out. */
static const etw_row_group *add_group(etw_payload_writer *writer, const etw_layout *layout,
                                      uint32_t count)
{
    etw_rows *table = &writer->table;
    const etw_bytes *rows = table->rows + table->row_count;
    const etw_row_group *group = etw_rows_add_group(table, count, layout);
    if (group == NULL) {
        return NULL;
    }
    const uint32_t fitting = parse_rows(layout, rows, count, table->bases + group->first_cell);
    if (fitting == count) {
        return group;
    }
    etw_rows_drop_group(table);
    const uint32_t kept = part_rows(writer, layout, fitting, count);
    group = etw_rows_add_group(table, kept, layout);
    const bool good =
        group != NULL && parse_rows(layout, rows, kept, table->bases + group->first_cell) == kept;
    return good ? group : NULL;
}

/* Payloads that the layout does not fit, as bytes, each with its place among its kind. */
static bool write_odd_rows(etw_payload_writer *writer, etw_fields *fields, etw_buffer *out,
                           const etw_bytes *rows, uint32_t count)
{
    etw_buffer_append_varint(out, count);
    for (uint32_t i = 0; i < count; i++) {
        fields->values[i] = writer->odd_places[i];
    }
    return count == 0 || (etw_fields_write(fields, out, count, 4, NULL, 0) &&
                          etw_fields_write_blobs(fields, out, rows, count, 1));
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
            strings[i] =
                etw_texts_add(&writer->texts, region->tail, row + from, bases[count + i] - from);
            if (strings[i] == ETW_POOL_FULL) {
                return false;
            }
        }
    }
    return true;
}

/* ---- the layout ---- */

/* Whether all rows have the same bytes there; such places are short, mostly. */
static bool is_constant(const etw_bytes *rows, const uint16_t *bases, uint32_t count,
                        uint32_t offset, uint32_t size)
{
    const uint8_t *first = rows[0].data + bases[0] + offset;
    const uint32_t end = size < 8 ? size : 8;
    const uint64_t mask = etw_column_mask(end);
    const uint64_t head = etw_load_u64(first) & mask;
    for (uint32_t i = 1; i < count; i++) {
        const uint8_t *at = rows[i].data + bases[i] + offset;
        if ((etw_load_u64(at) & mask) != head ||
            (size > 8 && memcmp(at + 8, first + 8, size - 8) != 0)) {
            return false;
        }
    }
    return true;
}

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
            piece.constant =
                piece.constant && is_constant(rows, bases, group->count, offset, piece.size);
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
                         const etw_layout *layout, etw_buffer *out)
{
    for (uint32_t r = 0; r < layout->region_count; r++) {
        const etw_region *region = &layout->regions[r];
        const uint8_t *at = writer->table.rows[group->first_row].data +
                            writer->table.bases[etw_group_cell(group, r)];
        etw_buffer_append_varint(out, region->size);
        for (uint32_t p = 0; p < region->piece_count; p++) {
            const etw_piece *piece = &layout->pieces[region->first_piece + p];
            if (piece->constant) {
                etw_buffer_append_u8(out, 0);
                etw_buffer_append_varint(out, piece->size);
                etw_buffer_append(out, at, piece->size);
            } else {
                etw_buffer_append_u8(out, (uint8_t)piece->size);
            }
            at += piece->size;
        }
        const bool more = r + 1 < layout->region_count;
        etw_buffer_append_u8(out, (uint8_t)(region->tail | (more ? ETW_TAIL_MORE : 0)));
    }
}

/* ---- fields ---- */

/* Values of a field in the group's rows from..from + count. */
static void load_field(const etw_rows *table, const etw_row_group *group, const etw_field *of,
                       uint32_t from, uint32_t count, uint64_t *values)
{
    const size_t cell = etw_group_cell(group, of->region) + from;
    if (of->width == 0) {
        for (uint32_t i = 0; i < count; i++) {
            values[i] = table->strings[cell + i];
        }
        return;
    }
    const uint64_t mask = etw_column_mask(of->width);
    const etw_bytes *rows = table->rows + group->first_row + from;
    const uint16_t *bases = table->bases + cell;
    const uint32_t offset = of->offset;
    const uint32_t fetching = count < ROWS_AHEAD ? 0 : count - ROWS_AHEAD;
    uint32_t i = 0;
    for (; i < fetching; i++) {
        __builtin_prefetch(rows[i + ROWS_AHEAD].data + bases[i + ROWS_AHEAD] + offset);
        values[i] = etw_load_u64(rows[i].data + bases[i] + offset) & mask;
    }
    for (; i < count; i++) {
        values[i] = etw_load_u64(rows[i].data + bases[i] + offset) & mask;
    }
}

/* The same place in the rows referred to, most of which are of one group after another. */
static void tell_by_reference(const etw_told *told, uint32_t from, uint32_t count,
                              uint64_t *predicted)
{
    const etw_rows *table = told->table;
    const etw_field *of = told->of;
    const uint64_t mask = etw_column_mask(of->width);
    const etw_row_group *group = told->group;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t row = told->found[from + i];
        predicted[i] = 0;
        if (row == ETW_NO_REFERENCE) {
            continue;
        }
        if (row - group->first_row >= group->count) {
            group = &table->groups[table->group_of[row]];
        }
        if (of->region < group->region_count) {
            const size_t cell = etw_group_cell(group, of->region) + (row - group->first_row);
            const uint32_t at = (uint32_t)table->bases[cell] + of->offset;
            const etw_bytes bytes = table->rows[row];
            predicted[i] = at + of->width <= bytes.size ? etw_load_u64(bytes.data + at) & mask : 0;
        }
    }
}

/* What etw_rows_tell gives, for many rows: one of its ways at a time. */
static void tell(const void *context, uint32_t from, uint32_t count, uint64_t *predicted)
{
    const etw_told *told = context;
    const etw_event_record *const *records = told->table->records + told->group->first_row + from;
    switch (told->mode) {
    case ETW_TOLD_BY_FIELD:
    case ETW_TOLD_BY_FIELD2:
        load_field(told->table, told->group, told->by, from, count, predicted);
        break;
    case ETW_TOLD_BY_THREAD:
        for (uint32_t i = 0; i < count; i++) {
            predicted[i] = records[i]->EventHeader.ThreadId;
        }
        break;
    case ETW_TOLD_BY_PROCESS:
        for (uint32_t i = 0; i < count; i++) {
            predicted[i] = records[i]->EventHeader.ProcessId;
        }
        break;
    case ETW_TOLD_BY_TIME:
        for (uint32_t i = 0; i < count; i++) {
            predicted[i] = (uint64_t)records[i]->EventHeader.TimeStamp;
        }
        break;
    default:
        tell_by_reference(told, from, count, predicted);
        break;
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
static uint32_t key_tag(uint32_t realm, const etw_field *of, uint64_t value)
{
    return etw_reference_tag(realm + (of->width == 0), (uint32_t)value);
}

/* values: of the field, in all rows. */
static void link_rows(etw_payload_writer *writer, const etw_row_group *group, const etw_field *of,
                      const uint64_t *values, uint32_t realm)
{
    for (uint32_t i = 0; i < group->count; i++) {
        const uint32_t later = i + KEYS_AHEAD < group->count ? i + KEYS_AHEAD : i;
        etw_reference_prefetch(&writer->references, key_tag(realm, of, values[later]));
        writer->found[i] = etw_reference_link(&writer->references, key_tag(realm, of, values[i]),
                                              group->first_row + i);
    }
}

/* What link_rows would find for the first rows. Returns how many, leaves no trace but in values. */
static uint32_t try_key(etw_payload_writer *writer, const etw_row_group *group, const etw_field *of,
                        uint32_t realm, uint64_t *values)
{
    const uint32_t count = group->count < KEY_TRIAL ? group->count : KEY_TRIAL;
    if (!etw_references_begin(&writer->trial, count)) {
        return 0;
    }
    load_field(&writer->table, group, of, 0, count, values);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t tag = key_tag(realm, of, values[i]);
        const uint32_t own = etw_reference_link(&writer->trial, tag, group->first_row + i);
        writer->found[i] =
            own != ETW_NO_REFERENCE ? own : etw_reference_get(&writer->references, tag);
    }
    return count;
}

/* The fields of a kind's rows, as they are written. */
typedef struct kind_job {
    etw_payload_writer *writer;
    etw_fields *fields;
    etw_buffer *out;
    const etw_row_group *group;
    const etw_field *list;
    uint32_t field_count;
    uint32_t realm; /* of references */
    bool keyed;     /* rows have references by a key field */
} kind_job;

/* What a key field would do for the rows that were tried. */
typedef struct key_worth {
    uint32_t told_bytes; /* that the reference tells right, of a sample */
    uint32_t found;      /* rows with a reference */
    uint32_t tried;
} key_worth;

static key_worth weigh_key(const kind_job *job, uint32_t key)
{
    etw_payload_writer *writer = job->writer;
    const etw_row_group *group = job->group;
    const etw_field *list = job->list;
    key_worth worth = {0, 0, try_key(writer, group, &list[key], job->realm, job->fields->values)};
    const uint32_t step = worth.tried / 2 / KEY_SAMPLE + 1;
    for (uint32_t i = 0; i < worth.tried; i++) {
        worth.found += writer->found[i] != ETW_NO_REFERENCE;
    }
    /* The later half has more rows before it to refer to, as most of a large kind's rows have. */
    for (uint32_t i = worth.tried / 2; i < worth.tried; i += step) {
        if (writer->found[i] == ETW_NO_REFERENCE) {
            continue;
        }
        for (uint32_t f = 0; f < job->field_count && f < KEY_FIELDS; f++) {
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
static uint32_t choose_key(const kind_job *job, uint32_t *also)
{
    const etw_field *list = job->list;
    const uint32_t count = job->field_count;
    uint32_t best = count;
    uint32_t best_bytes = 0;
    uint32_t tried[2] = {0, 0};
    *also = count;
    if (job->group->count < LEAST_KEYED_ROWS || count < 2) {
        return count;
    }
    for (uint32_t f = 0; f < count; f++) {
        const bool integer = list[f].width != 0;
        if ((integer && list[f].width < 3) || tried[integer] == KEY_CANDIDATES) {
            continue;
        }
        tried[integer]++;
        const key_worth worth = weigh_key(job, f);
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

static bool write_texts(const kind_job *job, const etw_field *of)
{
    etw_fields *fields = job->fields;
    const etw_guess guess = {ETW_TOLD_BY_REFERENCE, etw_guess_from_array, fields->predicted};
    if (job->keyed) {
        tell_texts(job->writer, job->group, of, fields->values, fields->predicted);
    }
    return etw_fields_write(fields, job->out, job->group->count, 4, &guess, job->keyed ? 1 : 0);
}

static bool write_integers(const kind_job *job, uint32_t field)
{
    const etw_payload_writer *writer = job->writer;
    const etw_field *list = job->list;
    etw_told told[ETW_TOLD_END];
    etw_guess guesses[ETW_TOLD_END];
    uint32_t count = 0;
    const uint32_t width = list[field].width;
    for (uint32_t mode = ETW_TOLD_BY_REFERENCE; mode < ETW_TOLD_END && width > 1; mode++) {
        const bool by_field = mode == ETW_TOLD_BY_FIELD || mode == ETW_TOLD_BY_FIELD2;
        const etw_field *by = by_field ? etw_told_by(list, field, mode) : NULL;
        if ((mode == ETW_TOLD_BY_REFERENCE && !job->keyed) || (by_field && by == NULL) ||
            (mode == ETW_TOLD_BY_TIME && width < 5)) {
            continue;
        }
        told[count] = (etw_told){&writer->table, job->group, &list[field], by, writer->found, mode};
        guesses[count] = (etw_guess){mode, tell, &told[count]};
        count++;
    }
    return etw_fields_write(job->fields, job->out, job->group->count, width, guesses, count);
}

/* The field's values in all rows, into fields->values. */
static void load_column(const kind_job *job, const etw_field *of)
{
    load_field(&job->writer->table, job->group, of, 0, job->group->count, job->fields->values);
}

/* The key field, from which the others' references come. */
static bool write_key(const kind_job *job, const etw_field *key)
{
    load_column(job, key);
    if (!etw_fields_write(job->fields, job->out, job->group->count,
                          key->width == 0 ? 4 : key->width, NULL, 0)) {
        return false;
    }
    link_rows(job->writer, job->group, key, job->fields->values, job->realm);
    return true;
}

static bool write_fields(kind_job *job)
{
    const etw_field *list = job->list;
    const uint32_t count = job->field_count;
    uint32_t also = count;
    const uint32_t key = choose_key(job, &also);
    job->keyed = key < count;
    etw_buffer_append_varint(job->out, job->keyed ? key + 1 : 0);
    etw_buffer_append_varint(job->out, also < count ? also + 1 : 0);
    if (job->keyed && !write_key(job, &list[key])) {
        return false;
    }
    for (uint32_t f = 0; f < count; f++) {
        if (f == key) {
            continue;
        }
        load_column(job, &list[f]);
        if (!(list[f].width == 0 ? write_texts(job, &list[f]) : write_integers(job, f))) {
            return false;
        }
    }
    if (also < count) {
        load_column(job, &list[also]);
        link_rows(job->writer, job->group, &list[also], job->fields->values, job->realm);
    }
    return true;
}

/* The words or bytes of the one region that has them. */
static bool write_rest(const etw_payload_writer *writer, etw_fields *fields, etw_buffer *out,
                       const etw_layout *layout, const etw_row_group *group)
{
    etw_bytes *rest = fields->blobs;
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
            rest[i].data = row.data + from;
            rest[i].size = (next == NULL ? row.size : next[i]) - from;
        }
        if (!etw_fields_write_blobs(fields, out, rest, group->count, word)) {
            return false;
        }
    }
    return true;
}

const etw_event_record **etw_payload_records(etw_payload_writer *writer)
{
    return writer->table.records + writer->table.row_count;
}

etw_bytes *etw_payload_rows(etw_payload_writer *writer)
{
    return writer->table.rows + writer->table.row_count;
}

bool etw_payload_write(etw_payload_writer *writer, etw_fields *fields, uint32_t count,
                       uint32_t realm, etw_buffer *out)
{
    etw_layout layout;
    etw_field list[ETW_MAX_FIELDS];
    const etw_bytes *rows = etw_payload_rows(writer);
    etw_layout_infer(rows, count, &layout);
    const etw_row_group *group = add_group(writer, &layout, count);
    if (group == NULL) {
        return false;
    }
    const uint32_t kept = group->count;
    if (!write_odd_rows(writer, fields, out, rows + kept, count - kept)) {
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
    kind_job job = {writer, fields, out, group, list, etw_list_fields(&layout, list), realm, false};
    return write_rest(writer, fields, out, &layout, group) && write_fields(&job);
}
