/* Choosing and writing a column's form. */
#include "format/etwcap/column.h"

#include <stdlib.h>

enum {
    SAMPLE_RUN = 64, /* consecutive values, so that deltas are real ones */
    SAMPLE_RUNS = 4,
    SAMPLE_SIZE = SAMPLE_RUN * SAMPLE_RUNS,
    SMALL_COLUMN = 12, /* below this a choice costs more than it saves */
    DICTIONARY_BITS = 17
};

typedef struct dictionary_slot {
    uint64_t value;
    uint32_t index;
    uint32_t stamp; /* the slot is taken where this is the dictionary's */
} dictionary_slot;

struct etw_column_writer {
    uint64_t *residuals[2]; /* of the transform being tried, and of the best so far */
    uint32_t capacity;
    uint16_t *indexes;  /* into the dictionary; same capacity */
    uint64_t *distinct; /* ETW_COLUMN_MAX_DICTIONARY values, in order of first sight */
    dictionary_slot *slots;
    uint32_t stamp;
    uint32_t
        log_cost[SAMPLE_SIZE + 1]; /* what the n-th equal value adds to n * log2(n), times 256 */
    uint32_t total_cost[SAMPLE_SIZE + 1];
};

/* log2(x) * 256 for x >= 1, by squaring: integers only, so that every machine chooses alike. */
static uint32_t log2_fixed(uint32_t x)
{
    uint32_t whole = 0;
    while ((x >> (whole + 1)) != 0) {
        whole++;
    }
    uint64_t mantissa = ((uint64_t)x << 31) >> whole; /* [1, 2) with 31 bits of fraction */
    uint32_t result = whole;
    for (int bit = 0; bit < 8; bit++) {
        mantissa = (mantissa * mantissa) >> 31;
        result <<= 1;
        if (mantissa >> 32 != 0) {
            mantissa >>= 1;
            result |= 1;
        }
    }
    return result;
}

etw_column_writer *etw_column_writer_new(void)
{
    etw_column_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return NULL;
    }
    writer->distinct = malloc(ETW_COLUMN_MAX_DICTIONARY * sizeof *writer->distinct);
    writer->slots = calloc((size_t)1 << DICTIONARY_BITS, sizeof *writer->slots);
    if (writer->distinct == NULL || writer->slots == NULL) {
        etw_column_writer_free(writer);
        return NULL;
    }
    for (uint32_t n = 1; n <= SAMPLE_SIZE; n++) {
        writer->total_cost[n] = n * log2_fixed(n);
        writer->log_cost[n] = writer->total_cost[n] - writer->total_cost[n - 1];
    }
    return writer;
}

void etw_column_writer_free(etw_column_writer *writer)
{
    if (writer != NULL) {
        free(writer->residuals[0]);
        free(writer->residuals[1]);
        free(writer->indexes);
        free(writer->distinct);
        free(writer->slots);
        free(writer);
    }
}

static bool reserve(etw_column_writer *writer, uint32_t count)
{
    if (count <= writer->capacity) {
        return true;
    }
    free(writer->residuals[0]);
    free(writer->residuals[1]);
    free(writer->indexes);
    writer->residuals[0] = malloc(count * sizeof *writer->residuals[0]);
    writer->residuals[1] = malloc(count * sizeof *writer->residuals[1]);
    writer->indexes = malloc(count * sizeof *writer->indexes);
    const bool good =
        writer->residuals[0] != NULL && writer->residuals[1] != NULL && writer->indexes != NULL;
    writer->capacity = good ? count : 0;
    return good;
}

static uint32_t significant_bytes(uint64_t value)
{
    uint32_t bytes = 0;
    while (value != 0) {
        bytes++;
        value >>= 8;
    }
    return bytes;
}

/* The sample: whole column, or runs spread over it. Returns how many values. */
static uint32_t take_sample(const uint64_t *values, uint32_t count, uint64_t *sample)
{
    if (count <= SAMPLE_SIZE) {
        memcpy(sample, values, count * sizeof *sample);
        return count;
    }
    const uint32_t stride = (count - SAMPLE_RUN) / (SAMPLE_RUNS - 1);
    for (uint32_t run = 0; run < SAMPLE_RUNS; run++) {
        memcpy(sample + run * SAMPLE_RUN, values + run * stride, SAMPLE_RUN * sizeof *sample);
    }
    return SAMPLE_SIZE;
}

typedef struct estimate {
    uint32_t bits_256; /* per sample, times 256 */
    uint32_t form;
} estimate;

static uint32_t plane_cost(const etw_column_writer *writer, const uint64_t *sample, uint32_t count,
                           unsigned shift)
{
    uint16_t seen[256] = {0};
    uint32_t cost = writer->total_cost[count];
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t byte = (uint8_t)(sample[i] >> shift);
        cost -= writer->log_cost[++seen[byte]];
    }
    return cost;
}

/* Entropy of the values themselves, and how many distinct ones the sample has. */
static uint32_t value_cost(const etw_column_writer *writer, const uint64_t *sample, uint32_t count,
                           uint32_t *distinct)
{
    uint64_t keys[2 * SAMPLE_SIZE];
    uint16_t seen[2 * SAMPLE_SIZE] = {0};
    uint32_t cost = writer->total_cost[count];
    *distinct = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)((sample[i] * UINT64_C(0x9E3779B97F4A7C15)) >> 55);
        while (seen[at] != 0 && keys[at] != sample[i]) {
            at = (at + 1) & (2 * SAMPLE_SIZE - 1);
        }
        if (seen[at] == 0) {
            keys[at] = sample[i];
            ++*distinct;
        }
        cost -= writer->log_cost[++seen[at]];
    }
    return cost;
}

/* What the best form would cost for the sample, in 1/256 bits. count: of the whole column. */
static estimate estimate_forms(const etw_column_writer *writer, const uint64_t *sample,
                               uint32_t sample_count, uint32_t count)
{
    uint64_t varying = 0;
    uint32_t zeros = 0;
    for (uint32_t i = 0; i < sample_count; i++) {
        varying |= sample[i] ^ sample[0];
        zeros += sample[i] == 0;
    }
    const uint32_t planes = significant_bytes(varying);
    estimate best = {0, ETW_COLUMN_PLANES};
    if (planes == 0) {
        return best;
    }
    for (uint32_t plane = 0; plane < planes; plane++) {
        best.bits_256 += plane_cost(writer, sample, sample_count, 8 * plane) + sample_count * 8;
    }
    if (zeros >= sample_count - sample_count / 4) {
        best.form = ETW_COLUMN_SPARSE;
        return best;
    }
    if (planes > 1) {
        uint32_t distinct = 0;
        const uint32_t cost = value_cost(writer, sample, sample_count, &distinct);
        const uint64_t values =
            (uint64_t)distinct * planes * 8 * 256 * sample_count / count + sample_count * 8;
        if (distinct <= sample_count / 2 && cost + values < best.bits_256) {
            best.bits_256 = cost + (uint32_t)values;
            best.form = ETW_COLUMN_DICTIONARY;
        }
    }
    return best;
}

static void put(etw_text *out, uint64_t value, uint32_t width)
{
    uint8_t bytes[8];
    etw_store_u64(bytes, value);
    etw_text_append(out, (const char *)bytes, width);
}

static void put_varint(etw_text *out, uint64_t value)
{
    while (value >= 0x80) {
        etw_text_append_char(out, (char)(0x80 | (value & 0x7F)));
        value >>= 7;
    }
    etw_text_append_char(out, (char)value);
}

static void write_plane(const uint64_t *values, uint32_t count, unsigned shift, uint8_t *to)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = (uint8_t)(values[i] >> shift);
    }
}

static void write_planes(const uint64_t *values, uint32_t count, uint32_t width, uint64_t varying,
                         etw_text *out)
{
    const uint32_t planes = significant_bytes(varying);
    etw_text_append_char(out, (char)planes);
    put(out, values[0] >> (planes == 8 ? 0 : 8 * planes), width - planes);
    uint8_t *to = (uint8_t *)etw_text_reserve(out, (size_t)planes * count);
    if (to == NULL) {
        return;
    }
    for (uint32_t plane = 0; plane < planes; plane++) {
        write_plane(values, count, 8 * plane, to + (size_t)plane * count);
    }
    out->size += (size_t)planes * count;
}

/* False where there are more distinct values than limit. */
static bool build_dictionary(etw_column_writer *writer, const uint64_t *values, uint32_t count,
                             uint32_t limit, uint32_t *distinct)
{
    const uint32_t stamp = ++writer->stamp;
    const uint32_t mask = ((uint32_t)1 << DICTIONARY_BITS) - 1;
    uint32_t known = 0;
    if (stamp == 0) {
        memset(writer->slots, 0, ((size_t)mask + 1) * sizeof *writer->slots);
        writer->stamp = 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)((values[i] * UINT64_C(0x9E3779B97F4A7C15)) >> 40) & mask;
        while (writer->slots[at].stamp == writer->stamp && writer->slots[at].value != values[i]) {
            at = (at + 1) & mask;
        }
        dictionary_slot *slot = &writer->slots[at];
        if (slot->stamp != writer->stamp) {
            if (known == limit) {
                return false;
            }
            *slot = (dictionary_slot){values[i], known, writer->stamp};
            writer->distinct[known++] = values[i];
        }
        writer->indexes[i] = (uint16_t)slot->index;
    }
    *distinct = known;
    return true;
}

static uint64_t varying_bits(const uint64_t *values, uint32_t count)
{
    uint64_t varying = 0;
    for (uint32_t i = 1; i < count; i++) {
        varying |= values[i] ^ values[0];
    }
    return varying;
}

static void write_dictionary(const etw_column_writer *writer, uint32_t count, uint32_t distinct,
                             uint32_t width, etw_text *out)
{
    put_varint(out, distinct);
    write_planes(writer->distinct, distinct, width, varying_bits(writer->distinct, distinct), out);
    const size_t size = (size_t)count * (distinct <= 256 ? 1 : 2);
    uint8_t *to = (uint8_t *)etw_text_reserve(out, size);
    if (to == NULL) {
        return;
    }
    if (distinct <= 256) {
        for (uint32_t i = 0; i < count; i++) {
            to[i] = (uint8_t)writer->indexes[i];
        }
    } else {
        memcpy(to, writer->indexes, size);
    }
    out->size += size;
}

static void write_rows(const uint64_t *values, uint32_t count, uint32_t width, etw_text *out)
{
    uint8_t *to = (uint8_t *)etw_text_reserve(out, (size_t)count * width + 8);
    if (to == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        etw_store_u64(to + (size_t)i * width, values[i]);
    }
    out->size += (size_t)count * width;
}

static void write_form(etw_column_writer *writer, uint64_t *values, uint32_t count, uint32_t width,
                       uint32_t mode, uint32_t form, bool rows, etw_text *out);

/* Moves the values that are not 0 to the front of values. */
static void write_sparse(etw_column_writer *writer, uint64_t *values, uint32_t count,
                         uint32_t width, etw_text *out)
{
    const size_t size = ((size_t)count + 7) / 8;
    uint8_t *bits = (uint8_t *)etw_text_reserve(out, size);
    if (bits == NULL) {
        return;
    }
    memset(bits, 0, size);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t value = values[i];
        bits[i / 8] = (uint8_t)(bits[i / 8] | (unsigned)(value != 0) << (i % 8));
        values[kept] = value;
        kept += value != 0;
    }
    out->size += size;
    if (kept > 0) {
        uint64_t sample[SAMPLE_SIZE];
        const uint32_t sampled = take_sample(values, kept, sample);
        estimate nested = estimate_forms(writer, sample, sampled, kept);
        write_form(writer, values, kept, width, ETW_COLUMN_PLAIN, nested.form, false, out);
    }
}

static void write_form(etw_column_writer *writer, uint64_t *values, uint32_t count, uint32_t width,
                       uint32_t mode, uint32_t form, bool rows, etw_text *out)
{
    const uint64_t varying = varying_bits(values, count);
    uint32_t distinct = 0;
    if (varying == 0) {
        etw_text_append_char(out, (char)(mode << 4 | ETW_COLUMN_CONSTANT));
        put(out, values[0], width);
    } else if (form == ETW_COLUMN_SPARSE) {
        etw_text_append_char(out, (char)(mode << 4 | ETW_COLUMN_SPARSE));
        write_sparse(writer, values, count, width, out);
    } else if (form == ETW_COLUMN_DICTIONARY &&
               build_dictionary(writer, values, count,
                                count / 2 < ETW_COLUMN_MAX_DICTIONARY ? count / 2
                                                                      : ETW_COLUMN_MAX_DICTIONARY,
                                &distinct)) {
        etw_text_append_char(out, (char)(mode << 4 | ETW_COLUMN_DICTIONARY));
        write_dictionary(writer, count, distinct, width, out);
    } else if (rows) {
        etw_text_append_char(out, (char)(mode << 4 | ETW_COLUMN_ROWS));
        write_rows(values, count, width, out);
    } else {
        etw_text_append_char(out, (char)(mode << 4 | ETW_COLUMN_PLANES));
        write_planes(values, count, width, varying, out);
    }
}

static void make_deltas(const uint64_t *values, uint32_t count, uint32_t width, uint64_t *deltas)
{
    for (uint32_t i = 1; i < count; i++) {
        deltas[i - 1] = etw_column_fold(values[i] - values[i - 1], width);
    }
}

static void make_differences(const uint64_t *values, const uint64_t *predicted, uint32_t count,
                             uint32_t width, uint64_t *differences)
{
    for (uint32_t i = 0; i < count; i++) {
        differences[i] = etw_column_fold(values[i] - predicted[i], width);
    }
}

/* What to tell the values from: the mode and form that cost the least for a sample. */
typedef struct choice {
    uint32_t mode;
    estimate estimate;
} choice;

static choice choose(etw_column_writer *writer, const uint64_t *values, const uint64_t *predicted,
                     uint32_t count, uint32_t width)
{
    uint64_t sample[SAMPLE_SIZE];
    uint32_t sampled = take_sample(values, count, sample);
    choice best = {ETW_COLUMN_PLAIN, estimate_forms(writer, sample, sampled, count)};
    make_deltas(values, count, width, writer->residuals[0]);
    sampled = take_sample(writer->residuals[0], count - 1, sample);
    const estimate delta = estimate_forms(writer, sample, sampled, count);
    if (delta.bits_256 + delta.bits_256 / 16 < best.estimate.bits_256) {
        best = (choice){ETW_COLUMN_DELTA, delta};
    }
    if (predicted != NULL) {
        make_differences(values, predicted, count, width, writer->residuals[1]);
        sampled = take_sample(writer->residuals[1], count, sample);
        const estimate guess = estimate_forms(writer, sample, sampled, count);
        if (guess.bits_256 < best.estimate.bits_256) {
            best = (choice){ETW_COLUMN_PREDICTED, guess};
        }
    }
    return best;
}

bool etw_column_write(etw_column_writer *writer, const uint64_t *values, const uint64_t *predicted,
                      uint32_t count, uint32_t width, bool rows, etw_text *out)
{
    if (count == 0) {
        return true;
    }
    if (!reserve(writer, count)) {
        return false;
    }
    choice best = {ETW_COLUMN_PLAIN, {0, ETW_COLUMN_PLANES}};
    if (count >= SMALL_COLUMN && varying_bits(values, count) != 0) {
        best = choose(writer, values, predicted, count, width);
    }
    const uint32_t form = best.estimate.form;
    if (best.mode == ETW_COLUMN_PREDICTED) {
        write_form(writer, writer->residuals[1], count, width, best.mode, form, rows, out);
    } else if (best.mode == ETW_COLUMN_DELTA) {
        etw_text_append_char(out, (char)(best.mode << 4));
        put(out, values[0], width);
        write_form(writer, writer->residuals[0], count - 1, width, 0, form, false, out);
    } else {
        memcpy(writer->residuals[1], values, count * sizeof *values);
        write_form(writer, writer->residuals[1], count, width, best.mode, form, rows, out);
    }
    return true;
}
