#include "format/etwcap/codec/payload_read.h"

#include "format/etwcap/codec/block_memory.h"
#include "format/etwcap/codec/layout_read.h"
#include "format/etwcap/codec/narrow.h"
#include "format/etwcap/codec/references.h"
#include "format/etwcap/codec/texts_read.h"

#include <stdlib.h>

/* Linked instead of a row that was not made. */
#define PASSED_ROW (ETW_NO_REFERENCE - 1)
/* Realms of which linked rows are made though nobody wants them. */
#define MADE_REALMS 16u

struct etw_payload_reader {
    etw_read_texts texts;
    etw_references references;
    etw_rows table;
    uint32_t *found; /* this and the next two: of the block's arrays */
    uint32_t *odd_places;
    uint64_t *keys;
    etw_block_memory payloads;
    bool out_of_memory; /* since the block began */
    /* Rows that nobody wants are not made, if none that is wanted is told from them; where that
     * turned out to be wrong for a block, it is begun again: */
    bool lacks_rows;
    bool makes_all;             /* in this block */
    uint32_t made[MADE_REALMS]; /* and of these realms in any */
    uint32_t made_count;
};

etw_payload_reader *etw_payload_reader_new(void)
{
    return calloc(1, sizeof(etw_payload_reader));
}

void etw_payload_reader_free(etw_payload_reader *reader)
{
    if (reader != NULL) {
        etw_read_texts_free(&reader->texts);
        etw_references_free(&reader->references);
        etw_rows_free(&reader->table);
        etw_block_memory_free(&reader->payloads);
        free(reader);
    }
}

bool etw_payload_reader_is_out_of_memory(const etw_payload_reader *reader)
{
    return reader->out_of_memory || reader->texts.out_of_memory || reader->payloads.is_out;
}

static void take_arrays(etw_payload_reader *reader, etw_event_arrays *arrays)
{
    etw_rows_begin(&reader->table, arrays);
    reader->found = etw_event_array(arrays, sizeof *reader->found);
    reader->keys = etw_event_array(arrays, sizeof *reader->keys);
    reader->odd_places = etw_event_array_rare(arrays, sizeof *reader->odd_places);
}

void etw_payload_reader_forget(etw_payload_reader *reader)
{
    reader->makes_all = false;
    reader->lacks_rows = false;
}

bool etw_payload_read_begin(etw_payload_reader *reader, etw_bytes texts, uint32_t event_count,
                            etw_event_arrays *arrays)
{
    take_arrays(reader, arrays);
    etw_block_memory_begin(&reader->payloads);
    reader->out_of_memory = !etw_references_begin(&reader->references, event_count);
    return !reader->out_of_memory && etw_read_texts_begin(&reader->texts, texts);
}

bool etw_payload_lacked_rows(etw_payload_reader *reader)
{
    const bool lacked = reader->lacks_rows;
    reader->lacks_rows = false;
    return lacked;
}

bool etw_payload_makes(const etw_payload_reader *reader, uint32_t realm)
{
    bool makes = reader->makes_all;
    for (uint32_t i = 0; !makes && i < reader->made_count; i++) {
        makes = reader->made[i] == realm;
    }
    return makes;
}

/* The block is to be begun again, with all rows, or all of the realm. */
static bool lack_rows(etw_payload_reader *reader)
{
    reader->lacks_rows = true;
    reader->makes_all = true;
    return false;
}
static bool lack_realm(etw_payload_reader *reader, uint32_t realm)
{
    if (reader->made_count == MADE_REALMS) {
        return lack_rows(reader);
    }
    reader->made[reader->made_count++] = realm;
    reader->lacks_rows = true;
    return false;
}

/* ---- one kind ---- */

typedef struct kind_job {
    etw_payload_reader *reader;
    etw_fields_reader *fields;
    etw_cursor *cursor;
    uint32_t count;             /* of the rows that the layout fits */
    const etw_row_group *group; /* of these */
    etw_layout layout;
    const uint8_t *constants[ETW_LAYOUT_MAX_PIECES];
    etw_field list[ETW_MAX_FIELDS];
    uint32_t field_count;
    uint32_t key;  /* index into list, or field_count */
    uint32_t also; /* another field under which the rows can be found later, or field_count */
    uint32_t realm;
} kind_job;

static void store_width(uint8_t *to, uint64_t value, uint32_t width)
{
    switch (width) {
    case 1:
        *to = (uint8_t)value;
        break;
    case 2:
        etw_store_u16(to, (uint16_t)value);
        break;
    case 4:
        etw_store_u32(to, (uint32_t)value);
        break;
    case 8:
        etw_store_u64(to, value);
        break;
    default:
        memcpy(to, &value, width);
        break;
    }
}

/* False: one is told from a row that was not made. */
static bool link_key(kind_job *job, const etw_field *key)
{
    etw_payload_reader *reader = job->reader;
    const uint32_t realm = job->realm + (key->width == 0);
    bool is_there = true;
    for (uint32_t i = 0; i < job->group->count; i++) {
        const uint64_t value = job->fields->values[i];
        reader->keys[i] = value;
        reader->found[i] =
            etw_reference_link(&reader->references, etw_reference_tag(realm, (uint32_t)value),
                               job->group->first_row + i);
        is_there &= reader->found[i] != PASSED_ROW;
    }
    return is_there || lack_rows(reader);
}

static void link_also(kind_job *job, const etw_field *of)
{
    etw_payload_reader *reader = job->reader;
    const uint32_t realm = job->realm + (of->width == 0);
    for (uint32_t i = 0; i < job->group->count; i++) {
        const uint32_t row = job->group->first_row + i;
        uint64_t value = 0;
        (void)etw_rows_field_at(&reader->table, row, of, &value);
        (void)etw_reference_link(&reader->references, etw_reference_tag(realm, (uint32_t)value),
                                 row);
    }
}

/* A string's texts, from the values or what the values say of the prediction. */
static bool set_strings(kind_job *job, const etw_field *of, uint32_t mode)
{
    etw_payload_reader *reader = job->reader;
    const uint64_t *values = job->fields->values;
    uint32_t *strings = reader->table.strings + etw_group_cell(job->group, of->region);
    const bool wide = job->layout.regions[of->region].tail == ETW_TAIL_WIDE;
    uint64_t next = 0;
    for (uint32_t i = 0; i < job->group->count; i++) {
        uint64_t value = values[i];
        if (mode != ETW_COLUMN_PLAIN) {
            uint64_t told = next;
            if (reader->found[i] != ETW_NO_REFERENCE &&
                !etw_rows_field_at(&reader->table, reader->found[i], of, &told)) {
                told = next;
            }
            value = (told + value) & UINT32_MAX;
        }
        if (value >= reader->texts.count ||
            (wide && !etw_read_text_is_wide(&reader->texts, (uint32_t)value))) {
            return false;
        }
        strings[i] = (uint32_t)value;
        next = value >= next ? value + 1 : next;
    }
    return true;
}

/* What the field is told to hold in row i, but by reference: told->mode is a constant where this is
 * inlined. */
static inline uint64_t tell_from_row(const etw_told *told, uint32_t i, uint32_t mode)
{
    const uint32_t row = told->group->first_row + i;
    if (mode == ETW_COLUMN_PLAIN || (told->by == NULL && mode < ETW_TOLD_BY_THREAD)) {
        return 0;
    }
    if (mode < ETW_TOLD_BY_THREAD) {
        const size_t cell = etw_group_cell(told->group, told->by->region) + i;
        const uint8_t *at = told->table->rows[row].data + told->table->bases[cell];
        return etw_load_width(at + told->by->offset, told->by->width);
    }
    const etw_event_header *header = &told->table->records[row]->EventHeader;
    return mode == ETW_TOLD_BY_THREAD    ? header->ThreadId
           : mode == ETW_TOLD_BY_PROCESS ? header->ProcessId
                                         : (uint64_t)header->TimeStamp;
}

static inline void set_column(const etw_told *told, const uint64_t *values, uint32_t width,
                              uint32_t mode)
{
    const uint16_t *bases = told->table->bases + etw_group_cell(told->group, told->of->region);
    const etw_bytes *rows = told->table->rows + told->group->first_row;
    const uint32_t count = told->group->count, offset = told->of->offset;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *to = (uint8_t *)(uintptr_t)rows[i].data + bases[i] + offset;
        store_width(to, tell_from_row(told, i, mode) + values[i], width);
    }
}

/* Row by row, as a row may refer to one before it whose value was only just set. Most refer to rows
 * of one group after another. */
static inline void set_by_reference(const etw_told *told, const uint64_t *values, uint32_t width)
{
    const etw_rows *table = told->table;
    const uint16_t *bases = table->bases + etw_group_cell(told->group, told->of->region);
    const etw_bytes *rows = table->rows + told->group->first_row;
    const etw_row_group *group = told->group;
    const uint32_t count = told->group->count, offset = told->of->offset;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t row = told->found[i];
        uint64_t value = values[i];
        if (row != ETW_NO_REFERENCE && row - group->first_row >= group->count) {
            group = &table->groups[table->group_of[row]];
        }
        if (row != ETW_NO_REFERENCE && told->of->region < group->region_count) {
            const size_t cell = etw_group_cell(group, told->of->region) + (row - group->first_row);
            const uint32_t at = (uint32_t)table->bases[cell] + offset;
            value += at + width <= table->rows[row].size
                         ? etw_load_width(table->rows[row].data + at, width)
                         : 0;
        }
        store_width((uint8_t *)(uintptr_t)rows[i].data + bases[i] + offset, value, width);
    }
}

/* Inlined with a width that is a constant: each width and mode is a loop of its own. */
static inline void set_told(const etw_told *told, const uint64_t *values, uint32_t width)
{
    switch (told->mode) {
    case ETW_COLUMN_PLAIN:
        set_column(told, values, width, ETW_COLUMN_PLAIN);
        break;
    case ETW_TOLD_BY_REFERENCE:
        set_by_reference(told, values, width);
        break;
    case ETW_TOLD_BY_FIELD:
    case ETW_TOLD_BY_FIELD2:
        set_column(told, values, width, ETW_TOLD_BY_FIELD);
        break;
    default:
        set_column(told, values, width, told->mode);
        break;
    }
}

static void set_integers(kind_job *job, uint32_t field, const uint64_t *values, uint32_t mode)
{
    const etw_field *of = &job->list[field];
    const etw_told told = {&job->reader->table, job->group, of, etw_told_by(job->list, field, mode),
                           job->reader->found,  mode};
    switch (of->width) {
    case 4:
        set_told(&told, values, 4);
        break;
    case 8:
        set_told(&told, values, 8);
        break;
    default:
        set_told(&told, values, of->width);
        break;
    }
}

/* Bytes behind a region in one row. */
static size_t tail_size(const kind_job *job, uint32_t region, uint32_t row)
{
    const uint32_t tail = job->layout.regions[region].tail;
    if (etw_tail_is_string(tail)) {
        const uint32_t id = job->reader->table.strings[etw_group_cell(job->group, region) + row];
        return tail == ETW_TAIL_WIDE ? 2 * (size_t)job->reader->texts.texts[id].units + 2
                                     : etw_read_text_bytes(&job->reader->texts, id).size + 1;
    }
    return tail == ETW_TAIL_NONE ? 0 : job->fields->contents[job->fields->ids[row]].size;
}

static bool place_rows(kind_job *job)
{
    etw_rows *table = &job->reader->table;
    const uint32_t count = job->group->count;
    for (uint32_t i = 0; i < count; i++) {
        size_t size = 0;
        for (uint32_t r = 0; r < job->layout.region_count; r++) {
            table->bases[etw_group_cell(job->group, r) + i] = (uint16_t)size;
            size += job->layout.regions[r].size + tail_size(job, r, i);
            if (size > ETW_MAX_USER_DATA_SIZE) {
                return false;
            }
        }
        const uint8_t *data = etw_block_memory_take(&job->reader->payloads, size);
        if (data == NULL) {
            return false;
        }
        table->rows[job->group->first_row + i] = (etw_bytes){data, size};
    }
    return true;
}

static void set_tails(const kind_job *job, uint32_t region)
{
    const etw_rows *table = &job->reader->table;
    const size_t cell = etw_group_cell(job->group, region);
    const uint32_t tail = job->layout.regions[region].tail;
    for (uint32_t i = 0; i < job->group->count; i++) {
        const etw_bytes row = table->rows[job->group->first_row + i];
        uint8_t *to = (uint8_t *)(uintptr_t)row.data + table->bases[cell + i] +
                      job->layout.regions[region].size;
        if (tail == ETW_TAIL_WIDE) {
            const uint32_t id = table->strings[cell + i];
            etw_widen(etw_read_text_bytes(&job->reader->texts, id), to);
            etw_store_u16(to + 2 * (size_t)job->reader->texts.texts[id].units, 0);
        } else if (tail == ETW_TAIL_ANSI) {
            const etw_bytes bytes =
                etw_read_text_bytes(&job->reader->texts, table->strings[cell + i]);
            memcpy(to, bytes.data, bytes.size + 1);
        } else {
            const etw_bytes blob = job->fields->contents[job->fields->ids[i]];
            if (blob.size > 0) {
                memcpy(to, blob.data, blob.size);
            }
        }
    }
}

static void set_constants(const kind_job *job, uint32_t region)
{
    const etw_rows *table = &job->reader->table;
    const etw_region *of = &job->layout.regions[region];
    const uint16_t *bases = table->bases + etw_group_cell(job->group, region);
    uint32_t offset = 0;
    for (uint32_t p = of->first_piece; p < (uint32_t)of->first_piece + of->piece_count; p++) {
        const etw_piece *piece = &job->layout.pieces[p];
        for (uint32_t i = 0; piece->constant && i < job->group->count; i++) {
            uint8_t *row = (uint8_t *)(uintptr_t)table->rows[job->group->first_row + i].data;
            memcpy(row + bases[i] + offset, job->constants[p], piece->size);
        }
        offset += piece->size;
    }
}

/* All that is known once the strings are: sizes, constants, texts, blobs. */
static bool lay_out_rows(kind_job *job)
{
    if (!place_rows(job)) {
        return false;
    }
    for (uint32_t r = 0; r < job->layout.region_count; r++) {
        set_constants(job, r);
        if (job->layout.regions[r].tail != ETW_TAIL_NONE) {
            set_tails(job, r);
        }
    }
    return true;
}

static uint32_t width_of(const etw_field *of)
{
    return of->width == 0 ? 4 : of->width;
}

/* A guess must be one that the field and the kind allow. */
static bool may_be(const kind_job *job, const etw_field *of, uint32_t mode)
{
    const bool is_keyed = job->key < job->field_count;
    return mode < ETW_TOLD_END && (is_keyed || mode != ETW_TOLD_BY_REFERENCE) &&
           (of->width != 0 || mode <= ETW_TOLD_BY_REFERENCE);
}

static bool read_field(kind_job *job, const etw_field *of, uint32_t *mode)
{
    return etw_fields_read(job->fields, job->cursor, job->count, width_of(of), mode) &&
           may_be(job, of, *mode);
}

static bool pass_field(kind_job *job, const etw_field *of)
{
    uint32_t mode;
    return etw_column_pass(job->cursor, job->count, width_of(of), &mode) && may_be(job, of, mode);
}

static bool read_fields(kind_job *job)
{
    const uint32_t count = job->field_count;
    const etw_field *key = job->key < count ? &job->list[job->key] : NULL;
    uint32_t mode = ETW_COLUMN_PLAIN;
    if (key != NULL) {
        if (!etw_fields_read(job->fields, job->cursor, job->group->count,
                             key->width == 0 ? 4 : key->width, NULL) ||
            (key->width == 0 && !set_strings(job, key, ETW_COLUMN_PLAIN))) {
            return false;
        }
        if (!link_key(job, key)) {
            return false;
        }
    }
    uint32_t f = 0;
    for (; f < count && job->list[f].width == 0; f++) {
        if (f != job->key &&
            (!read_field(job, &job->list[f], &mode) || !set_strings(job, &job->list[f], mode))) {
            return false;
        }
    }
    if (!lay_out_rows(job)) {
        return false;
    }
    if (key != NULL && key->width != 0) {
        set_integers(job, job->key, job->reader->keys, ETW_COLUMN_PLAIN);
    }
    for (; f < count; f++) {
        if (f != job->key) {
            if (!read_field(job, &job->list[f], &mode)) {
                return false;
            }
            set_integers(job, f, job->fields->values, mode);
        }
    }
    if (job->also < count) {
        link_also(job, &job->list[job->also]);
    }
    return true;
}

/* Links rows that are not made, so that whoever would be told from one of them finds out. */
static void link_passed(kind_job *job, const etw_field *of, const uint64_t *values)
{
    const uint32_t realm = job->realm + (of->width == 0);
    for (uint32_t i = 0; i < job->count; i++) {
        (void)etw_reference_link(&job->reader->references,
                                 etw_reference_tag(realm, (uint32_t)values[i]), PASSED_ROW);
    }
}

/* Another field than the key: it is linked under what it holds. */
static bool pass_also(kind_job *job, const etw_field *of)
{
    uint32_t mode;
    if (!read_field(job, of, &mode)) {
        return false;
    }
    if (mode != ETW_COLUMN_PLAIN) { /* what it is told from is not there */
        return lack_realm(job->reader, job->realm);
    }
    link_passed(job, of, job->fields->values);
    return true;
}

/* The columns of rows that nobody wants. */
static bool pass_fields(kind_job *job)
{
    const etw_field *key = job->key < job->field_count ? &job->list[job->key] : NULL;
    if (key != NULL) {
        if (!etw_fields_read(job->fields, job->cursor, job->count, width_of(key), NULL)) {
            return false;
        }
        link_passed(job, key, job->fields->values);
    }
    for (uint32_t f = 0; f < job->field_count; f++) {
        if (f != job->key &&
            !(f == job->also ? pass_also(job, &job->list[f]) : pass_field(job, &job->list[f]))) {
            return false;
        }
    }
    return true;
}

static bool is_linked(const kind_job *job)
{
    return job->key < job->field_count || job->also < job->field_count;
}

/* What stands in front of the columns. */
static bool read_front(kind_job *job, bool is_passed)
{
    for (uint32_t r = 0; r < job->layout.region_count; r++) {
        const uint32_t word = etw_tail_word(job->layout.regions[r].tail);
        if (word != 0 && !(is_passed ? etw_fields_pass_blobs : etw_fields_read_blobs)(
                             job->fields, job->cursor, job->count, word, ETW_MAX_USER_DATA_SIZE)) {
            return false;
        }
    }
    job->field_count = etw_list_fields(&job->layout, job->list);
    const uint64_t key = etw_cursor_varint(job->cursor);
    if (job->cursor->failed || key > job->field_count) {
        return false;
    }
    const uint64_t also = etw_cursor_varint(job->cursor);
    if (job->cursor->failed || also > job->field_count) {
        return false;
    }
    job->key = key == 0 ? job->field_count : (uint32_t)key - 1;
    job->also = also == 0 ? job->field_count : (uint32_t)also - 1;
    return true;
}

/* Odd rows go straight to their places; the others are told apart by their data, still NULL. */
static bool read_odd_rows(etw_payload_reader *reader, etw_fields_reader *fields, etw_cursor *cursor,
                          uint32_t count, etw_bytes *rows, uint32_t *odd_count)
{
    const uint64_t odd = etw_cursor_varint(cursor);
    if (cursor->failed || odd > count || !etw_fields_read(fields, cursor, (uint32_t)odd, 4, NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < odd; i++) {
        if (fields->values[i] >= count ||
            (i > 0 && fields->values[i] <= reader->odd_places[i - 1])) {
            return false;
        }
        reader->odd_places[i] = (uint32_t)fields->values[i];
    }
    if (odd > 0 &&
        !etw_fields_read_blobs(fields, cursor, (uint32_t)odd, 1, ETW_MAX_USER_DATA_SIZE)) {
        return false;
    }
    for (uint32_t i = 0; i < odd; i++) {
        const etw_bytes blob = fields->contents[fields->ids[i]];
        uint8_t *to = etw_block_memory_take(&reader->payloads, blob.size);
        if (to == NULL) {
            return false;
        }
        if (blob.size > 0) {
            memcpy(to, blob.data, blob.size);
        }
        rows[reader->odd_places[i]] = (etw_bytes){to, blob.size};
    }
    *odd_count = (uint32_t)odd;
    return true;
}

/* Whether the table may hold so many rows more; only memory can then keep it from doing so. */
static bool have_place(const etw_rows *table, uint32_t count, uint32_t region_count)
{
    return count <= ETW_BATCH_MAX_EVENTS - table->row_count &&
           table->cell_count + (uint64_t)count * region_count <= ETW_ROWS_MAX_CELLS;
}

/* The records of the kept rows, in order, into the table. */
static void set_records(etw_payload_reader *reader, const etw_row_group *group,
                        const etw_kind_records *kind, const etw_bytes *rows)
{
    const etw_event_record **to = reader->table.records + group->first_row;
    for (uint32_t i = 0; i < kind->count; i++) {
        if (rows[i].data == NULL) {
            *to++ = &kind->records[kind->order[i]];
        }
    }
}

bool etw_payload_read(etw_payload_reader *reader, etw_fields_reader *fields, etw_cursor *cursor,
                      const etw_kind_records *kind, etw_bytes *rows)
{
    const uint32_t count = kind->count;
    uint32_t odd = 0;
    memset(rows, 0, count * sizeof *rows);
    if (!read_odd_rows(reader, fields, cursor, count, rows, &odd)) {
        return false;
    }
    if (odd == count) {
        return true;
    }
    kind_job job;
    job.reader = reader;
    job.fields = fields;
    job.cursor = cursor;
    job.realm = kind->realm;
    job.count = count - odd;
    if (!etw_layout_read(cursor, &job.layout, job.constants) || !read_front(&job, kind->is_apart)) {
        return false;
    }
    if (kind->is_apart || (kind->is_passed && !is_linked(&job))) {
        return pass_fields(&job);
    }
    const bool fits = have_place(&reader->table, count - odd, job.layout.region_count);
    job.group = etw_rows_add_group(&reader->table, count - odd, &job.layout);
    if (job.group == NULL) {
        reader->out_of_memory = fits;
        return false;
    }
    set_records(reader, job.group, kind, rows);
    if (!read_fields(&job)) {
        return false;
    }
    const etw_bytes *kept = reader->table.rows + job.group->first_row;
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].data == NULL) {
            rows[i] = *kept++;
        }
    }
    return true;
}
