#include "format/etwcap/codec/column_form.h"

#include "format/base/probe.h"

#include <stdlib.h>

enum { DICTIONARY_BITS = 17, FIRST_DICTIONARY_SLOTS = 1024 };

bool etw_column_forms_init(etw_column_forms *forms, const etw_column_costs *costs)
{
    forms->costs = costs;
    forms->distinct = malloc(ETW_COLUMN_MAX_DICTIONARY * sizeof *forms->distinct);
    forms->entries = malloc(ETW_COLUMN_MAX_DICTIONARY * sizeof *forms->entries);
    forms->places = malloc(ETW_COLUMN_MAX_DICTIONARY * sizeof *forms->places);
    forms->multiplier = etw_seed_new().words[0] | 1;
    forms->slots = calloc((size_t)1 << DICTIONARY_BITS, sizeof *forms->slots);
    return forms->distinct != NULL && forms->entries != NULL && forms->places != NULL &&
           forms->slots != NULL;
}

void etw_column_forms_free(etw_column_forms *forms)
{
    free(forms->distinct);
    free(forms->entries);
    free(forms->places);
    free(forms->slots);
}

void etw_column_put(etw_buffer *out, uint64_t value, uint32_t width)
{
    uint8_t bytes[8];
    etw_store_u64(bytes, value);
    etw_buffer_append(out, bytes, width);
}

static void write_plane(const uint64_t *values, uint32_t count, unsigned shift, uint8_t *to)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = (uint8_t)(values[i] >> shift);
    }
}

/* The bytes that vary, each as a plane; the others once. */
static void write_planes(etw_column_forms *forms, etw_integers column, uint64_t varying,
                         etw_buffer *out)
{
    const uint64_t *values = column.values;
    const uint32_t count = column.count;
    const uint32_t width = column.width;
    const uint32_t top = etw_significant_bytes(varying);
    const uint32_t low = varying == 0 ? 0 : (uint32_t)__builtin_ctzll(varying) / 8;
    const uint32_t planes = top - low;
    etw_buffer_append_u8(out, (uint8_t)(low << 4 | planes));
    if (planes < width) {
        etw_column_put(out, values[0] & ~(etw_column_mask(planes) << 8 * low), width);
    }
    uint8_t *to = etw_buffer_reserve(out, (size_t)planes * count);
    if (to == NULL) {
        return;
    }
    for (uint32_t plane = 0; plane < planes; plane++) {
        etw_borders_add(&forms->borders, out->size);
        write_plane(values, count, 8 * (low + plane), to + (size_t)plane * count);
        out->size += count;
    }
}

/* The slot that holds the value, or the free one where it belongs. */
static etw_dictionary_slot *slot_of(const etw_column_forms *forms, uint64_t value)
{
    uint32_t at = (uint32_t)((value * forms->multiplier) >> forms->shift);
    while (forms->slots[at].stamp == forms->stamp && forms->slots[at].value != value) {
        at = (at + 1) & forms->mask;
    }
    return &forms->slots[at];
}

/* Begins with so many slots in use, of which the first known distinct values take one each. */
static void use_slots(etw_column_forms *forms, uint32_t slots, uint32_t known)
{
    if (++forms->stamp == 0) {
        memset(forms->slots, 0, sizeof *forms->slots << DICTIONARY_BITS);
        forms->stamp = 1;
    }
    forms->mask = slots - 1;
    forms->shift = (uint32_t)__builtin_clzll(forms->mask);
    for (uint32_t i = 0; i < known; i++) {
        *slot_of(forms, forms->distinct[i]) =
            (etw_dictionary_slot){forms->distinct[i], i, forms->stamp};
    }
}

/* False where there are more distinct values than limit. */
static bool build_dictionary(etw_column_forms *forms, const uint64_t *values, uint32_t count,
                             uint32_t limit, uint32_t *distinct)
{
    uint32_t known = 0;
    use_slots(forms, FIRST_DICTIONARY_SLOTS, 0);
    for (uint32_t i = 0; i < count; i++) {
        etw_dictionary_slot *slot = slot_of(forms, values[i]);
        if (slot->stamp != forms->stamp) {
            if (known == limit) {
                return false;
            }
            *slot = (etw_dictionary_slot){values[i], known, forms->stamp};
            forms->scratch.indexes[i] = (uint16_t)known;
            forms->distinct[known++] = values[i];
            if (2 * known > forms->mask && forms->mask + 1 < (uint32_t)1 << DICTIONARY_BITS) {
                use_slots(forms, 2 * (forms->mask + 1), known);
            }
        } else {
            forms->scratch.indexes[i] = (uint16_t)slot->index;
        }
    }
    *distinct = known;
    return true;
}

static int compare_values(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Entries ascend, so that they are small differences. indexes become those of the sorted entries.
 */
static void sort_dictionary(etw_column_forms *forms, uint32_t count, uint32_t distinct)
{
    uint64_t *entries = forms->distinct;
    memcpy(forms->entries, entries, distinct * sizeof *entries);
    qsort(forms->entries, distinct, sizeof *entries, compare_values);
    for (uint32_t sorted = 0; sorted < distinct; sorted++) {
        forms->places[slot_of(forms, forms->entries[sorted])->index] = (uint16_t)sorted;
    }
    for (uint32_t i = 0; i < count; i++) {
        forms->scratch.indexes[i] = forms->places[forms->scratch.indexes[i]];
    }
    uint64_t before = 0;
    for (uint32_t i = 0; i < distinct; i++) {
        entries[i] = forms->entries[i] - before;
        before = forms->entries[i];
    }
}

static void write_dictionary(etw_column_forms *forms, uint32_t count, uint32_t distinct,
                             uint32_t width, etw_buffer *out)
{
    etw_buffer_append_varint(out, distinct);
    sort_dictionary(forms, count, distinct);
    const size_t head = out->size;
    etw_buffer_append_u8(out, 0);
    const uint32_t written =
        etw_column_form_write(forms, (etw_integers){forms->distinct, distinct, width},
                              etw_varying_bits(forms->distinct, distinct),
                              distinct > 16 ? ETW_COLUMN_BUCKETS : ETW_COLUMN_PLANES, false, out);
    const size_t size = (size_t)count * (distinct <= 256 ? 1 : 2);
    etw_borders_add(&forms->borders, out->size);
    uint8_t *to = etw_buffer_reserve(out, size);
    if (to == NULL) {
        return;
    }
    out->data[head] = (char)written;
    if (distinct <= 256) {
        for (uint32_t i = 0; i < count; i++) {
            to[i] = (uint8_t)forms->scratch.indexes[i];
        }
    } else {
        memcpy(to, forms->scratch.indexes, size);
    }
    out->size += size;
}

static void write_rows(const uint64_t *values, uint32_t count, uint32_t width, etw_buffer *out)
{
    uint8_t *to = etw_buffer_reserve(out, (size_t)count * width + 8);
    if (to == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        etw_store_u64(to + (size_t)i * width, values[i]);
    }
    out->size += (size_t)count * width;
}

static void write_buckets(etw_column_forms *forms, const uint64_t *values, uint32_t count,
                          etw_buffer *out)
{
    /* 8 more than the most: whole words are stored. */
    uint8_t *to = etw_buffer_reserve(out, (size_t)count * 9 + 8);
    if (to == NULL) {
        return;
    }
    uint8_t *packed = to + count;
    uint64_t bits = 0;
    uint32_t held = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t bucket = etw_bucket_of(values[i]);
        const uint32_t more = etw_bucket_bits(bucket);
        const uint64_t low = values[i] & (((uint64_t)1 << more) - 1);
        to[i] = (uint8_t)bucket;
        bits |= low << held;
        if (held + more >= 64) {
            etw_store_u64(packed, bits);
            packed += 8;
            bits = held == 0 ? 0 : low >> (64 - held);
            held = held + more - 64;
        } else {
            held += more;
        }
    }
    etw_store_u64(packed, bits);
    packed += (held + 7) / 8;
    etw_borders_add(&forms->borders, out->size + count);
    out->size += (size_t)(packed - to);
}

/* The values that are not 0 are gathered in the residuals, which may be the values' own place. */
static void write_sparse(etw_column_forms *forms, const uint64_t *values, uint32_t count,
                         uint32_t width, etw_buffer *out)
{
    const size_t size = ((size_t)count + 7) / 8;
    uint8_t *bits = etw_buffer_reserve(out, size);
    if (bits == NULL) {
        return;
    }
    uint64_t *gathered = forms->scratch.residuals;
    uint32_t kept = 0;
    for (uint32_t from = 0; from < count; from += 8) {
        const uint32_t eight = count - from < 8 ? count - from : 8;
        uint32_t set = 0;
        uint64_t any = 0;
        for (uint32_t i = 0; i < eight; i++) {
            any |= values[from + i];
        }
        for (uint32_t i = 0; i < eight && any != 0; i++) {
            const uint64_t value = values[from + i];
            set |= (uint32_t)(value != 0) << i;
            gathered[kept] = value;
            kept += value != 0;
        }
        bits[from / 8] = (uint8_t)set;
    }
    out->size += size;
    etw_borders_add(&forms->borders, out->size);
    if (kept > 0) {
        uint64_t sample[ETW_SAMPLE_SIZE];
        const uint32_t sampled = etw_sample_take(gathered, kept, sample);
        const etw_estimate nested =
            etw_estimate_forms(forms->costs, sample, sampled, kept, UINT32_MAX);
        const size_t head = out->size;
        etw_buffer_append_u8(out, 0);
        const uint32_t written =
            etw_column_form_write(forms, (etw_integers){gathered, kept, width},
                                  etw_varying_bits(gathered, kept), nested.form, false, out);
        if (!out->failed) {
            out->data[head] = (char)written;
        }
    }
}

uint32_t etw_column_form_write(etw_column_forms *forms, etw_integers column, uint64_t varying,
                               uint32_t form, bool rows, etw_buffer *out)
{
    const uint64_t *values = column.values;
    const uint32_t count = column.count;
    const uint32_t width = column.width;
    const uint32_t limit =
        count / 2 < ETW_COLUMN_MAX_DICTIONARY ? count / 2 : ETW_COLUMN_MAX_DICTIONARY;
    uint32_t distinct = 0;
    if (varying == 0) {
        etw_column_put(out, values[0], width);
        return ETW_COLUMN_CONSTANT;
    }
    if (form == ETW_COLUMN_SPARSE) {
        write_sparse(forms, values, count, width, out);
        return ETW_COLUMN_SPARSE;
    }
    if (form == ETW_COLUMN_DICTIONARY && build_dictionary(forms, values, count, limit, &distinct)) {
        write_dictionary(forms, count, distinct, width, out);
        return ETW_COLUMN_DICTIONARY;
    }
    if (rows) {
        write_rows(values, count, width, out);
        return ETW_COLUMN_ROWS;
    }
    if (form == ETW_COLUMN_BUCKETS) {
        write_buckets(forms, values, count, out);
        return ETW_COLUMN_BUCKETS;
    }
    write_planes(forms, column, varying, out);
    return ETW_COLUMN_PLANES;
}
