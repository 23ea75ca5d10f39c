#include "format/etwcap/codec/payload_read.h"

#include "format/etwcap/codec/block_memory.h"
#include "format/etwcap/codec/narrow.h"
#include "format/etwcap/codec/pool.h"
#include "format/etwcap/codec/references.h"

#include <stdlib.h>

typedef struct text {
    uint32_t offset; /* in the section */
    uint32_t units;  /* as UTF-16; NOT_WIDE: it is none */
} text;

#define NOT_WIDE UINT32_MAX

struct etw_payload_reader {
    const uint8_t *text_bytes;
    text *texts; /* and one more, where the last ends */
    uint32_t text_count, text_capacity;
    etw_references references;
    etw_rows table;
    uint32_t *found; /* this and the next two: of the block's arrays */
    uint32_t *odd_places;
    uint64_t *keys;
    etw_block_memory payloads;
    bool out_of_memory; /* since the block began */
};

etw_payload_reader *etw_payload_reader_new(void)
{
    return calloc(1, sizeof(etw_payload_reader));
}

void etw_payload_reader_free(etw_payload_reader *reader)
{
    if (reader != NULL) {
        free(reader->texts);
        etw_references_free(&reader->references);
        etw_rows_free(&reader->table);
        etw_block_memory_free(&reader->payloads);
        free(reader);
    }
}

bool etw_payload_reader_is_out_of_memory(const etw_payload_reader *reader)
{
    return reader->out_of_memory || reader->payloads.is_out;
}

static void take_arrays(etw_payload_reader *reader, etw_event_arrays *arrays)
{
    etw_rows_begin(&reader->table, arrays);
    reader->found = etw_event_array(arrays, sizeof *reader->found);
    reader->keys = etw_event_array(arrays, sizeof *reader->keys);
    reader->odd_places = etw_event_array_rare(arrays, sizeof *reader->odd_places);
}

static bool reserve_texts(etw_payload_reader *reader, uint32_t count)
{
    if (count <= reader->text_capacity) {
        return true;
    }
    free(reader->texts);
    reader->texts = malloc(count * sizeof *reader->texts);
    reader->text_capacity = reader->texts == NULL ? 0 : count;
    reader->out_of_memory = reader->texts == NULL;
    return reader->texts != NULL;
}

static bool read_texts(etw_payload_reader *reader, etw_bytes section)
{
    etw_cursor cursor = etw_cursor_over(section);
    const uint64_t count = etw_cursor_varint(&cursor);
    reader->text_count = 0;
    reader->text_bytes = section.data;
    if (cursor.failed || count > ETW_POOL_MAX_ENTRIES ||
        !reserve_texts(reader, (uint32_t)count + 1)) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        const size_t left = etw_cursor_left(&cursor);
        const uint8_t *end = left == 0 ? NULL : memchr(cursor.at, 0, left);
        if (end == NULL) {
            return false;
        }
        const size_t units = etw_wide_count((etw_bytes){cursor.at, (size_t)(end - cursor.at)});
        reader->texts[i].offset = (uint32_t)(cursor.at - section.data);
        reader->texts[i].units = units == SIZE_MAX ? NOT_WIDE : (uint32_t)units;
        cursor.at = end + 1;
    }
    reader->texts[count].offset = (uint32_t)(cursor.at - section.data);
    reader->text_count = (uint32_t)count;
    return etw_cursor_left(&cursor) == 0;
}

static etw_bytes text_bytes(const etw_payload_reader *reader, uint32_t number)
{
    const text *of = &reader->texts[number];
    return (etw_bytes){reader->text_bytes + of->offset, of[1].offset - of->offset - 1};
}

bool etw_payload_read_begin(etw_payload_reader *reader, etw_bytes texts, uint32_t event_count,
                            etw_event_arrays *arrays)
{
    take_arrays(reader, arrays);
    etw_block_memory_begin(&reader->payloads);
    reader->out_of_memory = !etw_references_begin(&reader->references, event_count);
    return !reader->out_of_memory && read_texts(reader, texts);
}

/* ---- layout ---- */

static bool read_region(etw_cursor *cursor, etw_layout *layout, etw_region *region,
                        const uint8_t **constants)
{
    uint32_t left = region->size;
    while (left > 0) {
        if (layout->piece_count == ETW_LAYOUT_MAX_PIECES) {
            return false;
        }
        etw_piece *piece = &layout->pieces[layout->piece_count];
        const uint32_t width = etw_cursor_u8(cursor);
        const uint64_t size = width == 0 ? etw_cursor_varint(cursor) : width;
        if (width > 8 || size == 0 || size > left) {
            return false;
        }
        *piece = (etw_piece){(uint16_t)size, width == 0};
        constants[layout->piece_count++] =
            width == 0 ? etw_cursor_take(cursor, (size_t)size) : NULL;
        region->piece_count++;
        left -= (uint32_t)size;
    }
    return !cursor->failed;
}

/* Strings end all regions but the last; words the last, or the last but one. */
static bool tail_is_fine(const etw_layout *layout, uint32_t region, bool more)
{
    const uint32_t tail = layout->regions[region].tail;
    if (region > 0 && etw_tail_word(layout->regions[region - 1].tail) != 0) {
        return tail == ETW_TAIL_NONE && !more;
    }
    if (etw_tail_is_string(tail)) {
        return more;
    }
    return tail <= ETW_TAIL_WORDS8 && (!more || etw_tail_word(tail) > 1);
}

static bool read_layout(etw_cursor *cursor, etw_layout *layout, const uint8_t **constants)
{
    layout->region_count = 0;
    layout->piece_count = 0;
    uint32_t fixed = 0;
    bool more = true;
    while (more) {
        if (layout->region_count == ETW_LAYOUT_MAX_REGIONS) {
            return false;
        }
        etw_region *region = &layout->regions[layout->region_count];
        const uint64_t size = etw_cursor_varint(cursor);
        fixed += size > ETW_LAYOUT_MAX_FIXED ? ETW_LAYOUT_MAX_FIXED + 1 : (uint32_t)size;
        if (fixed > ETW_LAYOUT_MAX_FIXED) {
            return false;
        }
        *region = (etw_region){(uint16_t)size, (uint16_t)layout->piece_count, 0, 0};
        if (!read_region(cursor, layout, region, constants)) {
            return false;
        }
        const uint8_t tail = etw_cursor_u8(cursor);
        more = (tail & ETW_TAIL_MORE) != 0;
        region->tail = tail & (uint8_t)~ETW_TAIL_MORE;
        if (cursor->failed || !tail_is_fine(layout, layout->region_count, more)) {
            return false;
        }
        layout->region_count++;
    }
    return true;
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

static void link_key(kind_job *job, const etw_field *key)
{
    etw_payload_reader *reader = job->reader;
    const uint32_t realm = job->realm + (key->width == 0);
    for (uint32_t i = 0; i < job->group->count; i++) {
        const uint64_t value = job->fields->values[i];
        reader->keys[i] = value;
        reader->found[i] =
            etw_reference_link(&reader->references, etw_reference_tag(realm, (uint32_t)value),
                               job->group->first_row + i);
    }
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
        if (value >= reader->text_count || (wide && reader->texts[value].units == NOT_WIDE)) {
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
        return tail == ETW_TAIL_WIDE ? 2 * (size_t)job->reader->texts[id].units + 2
                                     : text_bytes(job->reader, id).size + 1;
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
            etw_widen(text_bytes(job->reader, id), to);
            etw_store_u16(to + 2 * (size_t)job->reader->texts[id].units, 0);
        } else if (tail == ETW_TAIL_ANSI) {
            const etw_bytes bytes = text_bytes(job->reader, table->strings[cell + i]);
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

/* Reads a column; a guess must be one that the field and the kind allow. */
static bool read_field(kind_job *job, const etw_field *of, uint32_t *mode)
{
    const bool keyed = job->key < job->field_count;
    const uint32_t width = of->width == 0 ? 4 : of->width;
    return etw_fields_read(job->fields, job->cursor, job->count, width, mode) &&
           *mode < ETW_TOLD_END && (keyed || *mode != ETW_TOLD_BY_REFERENCE) &&
           (of->width != 0 || *mode <= ETW_TOLD_BY_REFERENCE);
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
        link_key(job, key);
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

/* The columns of rows that nobody wants, and that no other row can be told from. */
static bool pass_fields(kind_job *job)
{
    uint32_t mode;
    for (uint32_t f = 0; f < job->field_count; f++) {
        if (!read_field(job, &job->list[f], &mode)) {
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
static bool read_front(kind_job *job)
{
    for (uint32_t r = 0; r < job->layout.region_count; r++) {
        const uint32_t word = etw_tail_word(job->layout.regions[r].tail);
        if (word != 0 && !etw_fields_read_blobs(job->fields, job->cursor, job->count, word,
                                                ETW_MAX_USER_DATA_SIZE)) {
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
    job.realm = kind->records[kind->order[0]].EventHeader.ProviderId.Data1;
    job.count = count - odd;
    if (!read_layout(cursor, &job.layout, job.constants) || !read_front(&job)) {
        return false;
    }
    if (kind->is_passed && !is_linked(&job)) {
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
