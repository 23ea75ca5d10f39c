/* Reading a column back, whatever its form; its bytes are trusted for nothing. */
#include "format/etwcap/codec/column.h"

#include <stdlib.h>

/* Forms nest so deep at most: a sparse column's values may be a dictionary, whose entries are
 * plain. */
enum { IN_SPARSE = 1, IN_DICTIONARY = 2 };

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

static void set_plane(uint64_t *values, uint32_t count, const uint8_t *plane, unsigned shift,
                      uint64_t base)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] = base | (uint64_t)plane[i] << shift;
    }
}

static void set_two_planes(uint64_t *values, uint32_t count, const uint8_t *plane, unsigned shift,
                           uint64_t base)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] = base | (plane[i] | (uint64_t)plane[count + i] << 8) << shift;
    }
}

static bool read_planes(etw_cursor *cursor, uint64_t *values, uint32_t count, uint32_t width)
{
    const uint32_t head = etw_cursor_u8(cursor);
    const uint32_t low = head >> 4;
    const uint32_t planes = head & 0xF;
    if (low + planes > width) {
        return false;
    }
    const uint64_t base = planes < width ? take(cursor, width) : 0;
    const uint8_t *from = etw_cursor_take(cursor, (size_t)planes * count);
    if (from == NULL) {
        return false;
    }
    uint32_t plane = 0;
    if (planes >= 2) {
        set_two_planes(values, count, from, 8 * low, base);
        plane = 2;
    } else if (planes == 1) {
        set_plane(values, count, from, 8 * low, base);
        plane = 1;
    } else {
        fill(values, count, base);
    }
    for (; plane < planes; plane++) {
        add_plane(values, count, from + (size_t)plane * count, 8 * (low + plane));
    }
    return true;
}

static bool read_rows(etw_cursor *cursor, uint64_t *values, uint32_t count, uint32_t width)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] = take(cursor, width);
    }
    return !cursor->failed;
}

static bool read_buckets(etw_cursor *cursor, uint64_t *values, uint32_t count, uint32_t width)
{
    const uint8_t *buckets = etw_cursor_take(cursor, count);
    if (buckets == NULL) {
        return false;
    }
    uint64_t bits = 0;
    uint32_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
        bits += etw_bucket_bits(buckets[i]);
        most = buckets[i] > most ? buckets[i] : most;
    }
    const size_t size = (size_t)((bits + 7) / 8);
    const uint8_t *packed = etw_cursor_take(cursor, size);
    if (packed == NULL || most > etw_bucket_of(etw_column_mask(width))) {
        return false;
    }
    uint64_t at = 0; /* bit */
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t more = etw_bucket_bits(buckets[i]);
        const size_t byte = (size_t)(at / 8);
        const unsigned shift = (unsigned)(at % 8);
        uint64_t low = 0;
        if (byte + 8 <= size) {
            low = etw_load_u64(packed + byte) >> shift;
        } else if (byte < size) {
            memcpy(&low, packed + byte, size - byte);
            low >>= shift;
        }
        if (shift + more > 64) {
            low |= (uint64_t)packed[byte + 8] << (64 - shift);
        }
        values[i] = etw_bucket_base(buckets[i]) | (low & (((uint64_t)1 << more) - 1));
        at += more;
    }
    return true;
}

/* Where integers of width bytes each are read to. */
typedef struct place {
    uint64_t *values;
    uint32_t count;
    uint32_t width;
} place;

static bool read_form(etw_column_reader *reader, etw_cursor *cursor, place to, uint32_t form,
                      uint32_t depth);

/* Entries ascend: each is written as its distance from the one before. */
static bool read_dictionary(etw_column_reader *reader, etw_cursor *cursor, uint64_t *values,
                            uint32_t count, uint32_t width)
{
    const uint64_t distinct = etw_cursor_varint(cursor);
    const uint32_t form = etw_cursor_u8(cursor);
    uint64_t *entries = reader->distinct;
    if (distinct == 0 || distinct > ETW_COLUMN_MAX_DICTIONARY || distinct > count ||
        !read_form(reader, cursor, (place){entries, (uint32_t)distinct, width}, form,
                   IN_DICTIONARY)) {
        return false;
    }
    for (uint64_t i = 1; i < distinct; i++) {
        entries[i] = (entries[i - 1] + entries[i]) & etw_column_mask(width);
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
        values[i] = entries[index];
    }
    return highest < distinct;
}

/* Bits that are set among the first count. */
static uint32_t count_bits(const uint8_t *bits, uint32_t count)
{
    uint32_t set = 0;
    uint32_t i = 0;
    for (; count - i >= 64; i += 64) {
        set += (uint32_t)__builtin_popcountll(etw_load_u64(bits + i / 8));
    }
    for (; i < count; i++) {
        set += (uint32_t)bits[i / 8] >> (i % 8) & 1u;
    }
    return set;
}

/* Each set bit takes the next of the dense values, which end where values end: they are read before
 * they are written over. */
static void spread(uint64_t *values, uint32_t count, const uint8_t *bits, const uint64_t *dense)
{
    const uint64_t *values_end = values + count;
    for (uint32_t i = 0; i < count; i += 8) {
        const uint32_t set = bits[i / 8];
        const uint32_t end = count - i < 8 ? count - i : 8;
        if (set == 0 && end == 8) { /* most are */
            memset(values + i, 0, 8 * sizeof *values);
            continue;
        }
        if (values_end - dense >= 8) { /* no branches: bits are hard to foretell */
            for (uint32_t k = 0; k < 8; k++) {
                const uint64_t bit = set >> k & 1u;
                values[i + k] = *dense & (0 - bit);
                dense += bit;
            }
            continue;
        }
        for (uint32_t k = 0; k < end; k++) {
            values[i + k] = (set >> k & 1u) != 0 ? *dense++ : 0;
        }
    }
}

static bool read_sparse(etw_column_reader *reader, etw_cursor *cursor, uint64_t *values,
                        uint32_t count, uint32_t width)
{
    const uint8_t *bits = etw_cursor_take(cursor, ((size_t)count + 7) / 8);
    if (bits == NULL) {
        return false;
    }
    const uint32_t kept = count_bits(bits, count);
    /* The kept values are read to the end of the array, then spread from the front. */
    uint64_t *dense = values + (count - kept);
    const uint32_t form = kept == 0 ? 0 : etw_cursor_u8(cursor);
    if (kept > 0 && !read_form(reader, cursor, (place){dense, kept, width}, form, IN_SPARSE)) {
        return false;
    }
    spread(values, count, bits, dense);
    return true;
}

static bool read_form(etw_column_reader *reader, etw_cursor *cursor, place to, uint32_t form,
                      uint32_t depth)
{
    uint64_t *values = to.values;
    const uint32_t count = to.count;
    const uint32_t width = to.width;
    switch (form) {
    case ETW_COLUMN_CONSTANT:
        fill(values, count, take(cursor, width));
        return !cursor->failed;
    case ETW_COLUMN_PLANES:
        return read_planes(cursor, values, count, width);
    case ETW_COLUMN_DICTIONARY:
        return depth < IN_DICTIONARY && read_dictionary(reader, cursor, values, count, width);
    case ETW_COLUMN_SPARSE:
        return depth < IN_SPARSE && read_sparse(reader, cursor, values, count, width);
    case ETW_COLUMN_BUCKETS:
        return read_buckets(cursor, values, count, width);
    case ETW_COLUMN_ROWS:
        return read_rows(cursor, values, count, width);
    default:
        return false;
    }
}

/* ---- Passing over ---- */

static bool pass_form(etw_cursor *cursor, uint32_t count, uint32_t width, uint32_t form,
                      uint32_t depth);

static bool pass_planes(etw_cursor *cursor, uint32_t count, uint32_t width)
{
    const uint32_t head = etw_cursor_u8(cursor);
    const uint32_t planes = head & 0xF;
    (void)etw_cursor_take(cursor, planes < width ? width : 0);
    return (head >> 4) + planes <= width && etw_cursor_take(cursor, (size_t)planes * count) != NULL;
}

static bool pass_dictionary(etw_cursor *cursor, uint32_t count, uint32_t width)
{
    const uint64_t distinct = etw_cursor_varint(cursor);
    const uint32_t form = etw_cursor_u8(cursor);
    return distinct != 0 && distinct <= ETW_COLUMN_MAX_DICTIONARY && distinct <= count &&
           pass_form(cursor, (uint32_t)distinct, width, form, IN_DICTIONARY) &&
           etw_cursor_take(cursor, (size_t)count * (distinct <= 256 ? 1 : 2)) != NULL;
}

static bool pass_sparse(etw_cursor *cursor, uint32_t count, uint32_t width)
{
    const uint8_t *bits = etw_cursor_take(cursor, ((size_t)count + 7) / 8);
    const uint32_t kept = bits == NULL ? 0 : count_bits(bits, count);
    return bits != NULL &&
           (kept == 0 || pass_form(cursor, kept, width, etw_cursor_u8(cursor), IN_SPARSE));
}

static bool pass_buckets(etw_cursor *cursor, uint32_t count)
{
    const uint8_t *buckets = etw_cursor_take(cursor, count);
    uint64_t bits = 0;
    for (uint32_t i = 0; buckets != NULL && i < count; i++) {
        bits += etw_bucket_bits(buckets[i]);
    }
    return buckets != NULL && etw_cursor_take(cursor, (size_t)((bits + 7) / 8)) != NULL;
}

static bool pass_form(etw_cursor *cursor, uint32_t count, uint32_t width, uint32_t form,
                      uint32_t depth)
{
    switch (form) {
    case ETW_COLUMN_CONSTANT:
        return etw_cursor_take(cursor, width) != NULL;
    case ETW_COLUMN_PLANES:
        return pass_planes(cursor, count, width);
    case ETW_COLUMN_DICTIONARY:
        return depth < IN_DICTIONARY && pass_dictionary(cursor, count, width);
    case ETW_COLUMN_SPARSE:
        return depth < IN_SPARSE && pass_sparse(cursor, count, width);
    case ETW_COLUMN_BUCKETS:
        return pass_buckets(cursor, count);
    case ETW_COLUMN_ROWS:
        return etw_cursor_take(cursor, (size_t)width * count) != NULL;
    default:
        return false;
    }
}

/* ---- Whole columns ---- */

/* What a column begins with. */
typedef struct column_head {
    uint32_t form;
    uint32_t from; /* what values are told from */
    uint32_t shift;
    uint64_t first; /* of DELTA */
    uint32_t left;  /* values behind it */
} column_head;

/* may_guess: the caller has predictions. */
static bool read_head(etw_cursor *cursor, uint32_t count, uint32_t width, bool may_guess,
                      column_head *head)
{
    const uint8_t byte = etw_cursor_u8(cursor);
    head->form = byte & 0xF;
    head->from = (byte >> 4) & (ETW_COLUMN_SHIFTED - 1);
    head->shift = (byte >> 4 & ETW_COLUMN_SHIFTED) != 0 ? etw_cursor_u8(cursor) : 0;
    if (head->shift > 63 || (head->from >= ETW_COLUMN_FIRST_GUESS && !may_guess)) {
        return false;
    }
    const bool is_delta = head->from == ETW_COLUMN_DELTA;
    head->first = is_delta ? take(cursor, width) : 0;
    head->left = is_delta ? count - 1 : count;
    return true;
}

bool etw_column_pass(etw_cursor *cursor, uint32_t count, uint32_t width, uint32_t *mode)
{
    column_head head;
    *mode = ETW_COLUMN_PLAIN;
    if (count == 0) {
        return true;
    }
    if (!read_head(cursor, count, width, true, &head) ||
        (head.left > 0 && !pass_form(cursor, head.left, width, head.form, 0))) {
        return false;
    }
    *mode = head.from == ETW_COLUMN_DELTA ? ETW_COLUMN_PLAIN : head.from;
    return !cursor->failed;
}

bool etw_column_read(etw_column_reader *reader, etw_cursor *cursor, uint64_t *values,
                     uint32_t count, uint32_t width, uint32_t *mode)
{
    if (mode != NULL) {
        *mode = ETW_COLUMN_PLAIN;
    }
    if (count == 0) {
        return true;
    }
    column_head head;
    if (!read_head(cursor, count, width, mode != NULL, &head)) {
        return false;
    }
    const uint32_t left = head.left;
    uint64_t *residuals = values + (count - left);
    if (left > 0 && !read_form(reader, cursor, (place){residuals, left, width}, head.form, 0)) {
        return false;
    }
    for (uint32_t i = 0; i < left && head.from != ETW_COLUMN_PLAIN; i++) {
        residuals[i] = etw_column_unfold(residuals[i], width, head.shift);
    }
    if (head.from == ETW_COLUMN_DELTA) {
        const uint64_t mask = etw_column_mask(width);
        values[0] = head.first;
        for (uint32_t i = 1; i < count; i++) {
            values[i] = (values[i - 1] + values[i]) & mask;
        }
    } else if (mode != NULL) {
        *mode = head.from;
    }
    return !cursor->failed;
}
