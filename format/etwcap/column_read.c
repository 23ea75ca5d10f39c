/* Reading a column back, whatever its form; its bytes are trusted for nothing. */
#include "format/etwcap/column.h"

#include <stdlib.h>

struct etw_column_reader {
    uint64_t *distinct; /* ETW_COLUMN_MAX_DICTIONARY values */
};

etw_column_reader *etw_column_reader_new(void)
{
    etw_column_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return NULL;
    }
    reader->distinct = malloc(ETW_COLUMN_MAX_DICTIONARY * sizeof *reader->distinct);
    if (reader->distinct == NULL) {
        etw_column_reader_free(reader);
        return NULL;
    }
    return reader;
}

void etw_column_reader_free(etw_column_reader *reader)
{
    if (reader != NULL) {
        free(reader->distinct);
        free(reader);
    }
}

static uint64_t take(etw_cursor *cursor, uint32_t width)
{
    uint8_t bytes[8] = {0};
    const uint8_t *from = etw_cursor_take(cursor, width);
    if (from != NULL) {
        memcpy(bytes, from, width);
    }
    return etw_load_u64(bytes);
}

static void fill(uint64_t *values, uint32_t count, uint64_t value)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] = value;
    }
}

static void add_plane(uint64_t *values, uint32_t count, const uint8_t *plane, unsigned shift)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] |= (uint64_t)plane[i] << shift;
    }
}

static void add_two_planes(uint64_t *values, uint32_t count, const uint8_t *plane, uint64_t base)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] = base | plane[i] | (uint64_t)plane[count + i] << 8;
    }
}

static void set_plane(uint64_t *values, uint32_t count, const uint8_t *plane, uint64_t base)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] = base | plane[i];
    }
}

static bool read_planes(etw_cursor *cursor, uint64_t *values, uint32_t count, uint32_t width)
{
    const uint32_t planes = etw_cursor_u8(cursor);
    if (planes > width) {
        return false;
    }
    const uint64_t base = planes == 8 ? 0 : take(cursor, width - planes) << (8 * planes);
    const uint8_t *from = etw_cursor_take(cursor, (size_t)planes * count);
    if (from == NULL) {
        return false;
    }
    uint32_t plane = 0;
    if (planes >= 2) {
        add_two_planes(values, count, from, base);
        plane = 2;
    } else if (planes == 1) {
        set_plane(values, count, from, base);
        plane = 1;
    } else {
        fill(values, count, base);
    }
    for (; plane < planes; plane++) {
        add_plane(values, count, from + (size_t)plane * count, 8 * plane);
    }
    return true;
}

static bool read_dictionary(const etw_column_reader *reader, etw_cursor *cursor, uint64_t *values,
                            uint32_t count, uint32_t width)
{
    const uint64_t distinct = etw_cursor_varint(cursor);
    if (distinct == 0 || distinct > ETW_COLUMN_MAX_DICTIONARY || distinct > count ||
        !read_planes(cursor, reader->distinct, (uint32_t)distinct, width)) {
        return false;
    }
    const bool narrow = distinct <= 256;
    const uint8_t *from = etw_cursor_take(cursor, (size_t)count * (narrow ? 1 : 2));
    if (from == NULL) {
        return false;
    }
    uint32_t highest = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t index = narrow ? from[i] : etw_load_u16(from + 2 * (size_t)i);
        highest = index > highest ? index : highest;
        values[i] = reader->distinct[index];
    }
    return highest < distinct;
}

static bool read_rows(etw_cursor *cursor, uint64_t *values, uint32_t count, uint32_t width)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] = take(cursor, width);
    }
    return !cursor->failed;
}

static bool read_form(etw_column_reader *reader, etw_cursor *cursor, uint64_t *values,
                      uint32_t count, uint32_t width, uint32_t form, bool nested);

static bool read_sparse(etw_column_reader *reader, etw_cursor *cursor, uint64_t *values,
                        uint32_t count, uint32_t width)
{
    const uint8_t *bits = etw_cursor_take(cursor, ((size_t)count + 7) / 8);
    if (bits == NULL) {
        return false;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        kept += bits[i / 8] >> (i % 8) & 1u;
    }
    /* The kept values are read to the end of the array, then spread from the front. */
    uint64_t *dense = values + (count - kept);
    const uint32_t form = kept == 0 ? 0 : etw_cursor_u8(cursor);
    if (kept > 0 && !read_form(reader, cursor, dense, kept, width, form, true)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const bool set = (bits[i / 8] >> (i % 8) & 1u) != 0;
        values[i] = set ? *dense++ : 0;
    }
    return true;
}

static bool read_form(etw_column_reader *reader, etw_cursor *cursor, uint64_t *values,
                      uint32_t count, uint32_t width, uint32_t form, bool nested)
{
    switch (form) {
    case ETW_COLUMN_CONSTANT:
        fill(values, count, take(cursor, width));
        return !cursor->failed;
    case ETW_COLUMN_PLANES:
        return read_planes(cursor, values, count, width);
    case ETW_COLUMN_DICTIONARY:
        return read_dictionary(reader, cursor, values, count, width);
    case ETW_COLUMN_SPARSE:
        return !nested && read_sparse(reader, cursor, values, count, width);
    case ETW_COLUMN_ROWS:
        return read_rows(cursor, values, count, width);
    default:
        return false;
    }
}

static bool read_deltas(etw_column_reader *reader, etw_cursor *cursor, uint64_t *values,
                        uint32_t count, uint32_t width)
{
    values[0] = take(cursor, width);
    const uint32_t form = etw_cursor_u8(cursor);
    if (count > 1 && !read_form(reader, cursor, values + 1, count - 1, width, form & 0xF, false)) {
        return false;
    }
    const uint64_t mask = etw_column_mask(width);
    for (uint32_t i = 1; i < count; i++) {
        values[i] = (values[i - 1] + etw_column_unfold(values[i], width)) & mask;
    }
    return !cursor->failed;
}

bool etw_column_read(etw_column_reader *reader, etw_cursor *cursor, uint64_t *values,
                     uint32_t count, uint32_t width, bool *predicted)
{
    if (predicted != NULL) {
        *predicted = false;
    }
    if (count == 0) {
        return true;
    }
    const uint8_t head = etw_cursor_u8(cursor);
    const uint32_t mode = head >> 4;
    if (mode == ETW_COLUMN_DELTA) {
        return (head & 0xF) == 0 && read_deltas(reader, cursor, values, count, width);
    }
    if (mode > ETW_COLUMN_PREDICTED || (mode == ETW_COLUMN_PREDICTED && predicted == NULL)) {
        return false;
    }
    if (mode == ETW_COLUMN_PREDICTED) {
        *predicted = true;
    }
    return read_form(reader, cursor, values, count, width, head & 0xF, false);
}
