/* Choosing and writing a column's form. */
#include "format/etwcap/column.h"

#include "format/base/os.h"

#include <stdlib.h>
#include <zstd.h>

enum {
    SAMPLE_RUN = 64, /* consecutive values, so that deltas are real ones */
    SAMPLE_RUNS = 4,
    SAMPLE_SIZE = SAMPLE_RUN * SAMPLE_RUNS,
    SAMPLE_SLOT_BITS = 9,
    SAMPLE_SLOTS = 1 << SAMPLE_SLOT_BITS, /* twice as many */
    SMALL_COLUMN = 12,                    /* below this a choice costs more than it saves */
    LEAST_ROOM = 1 << 12,                 /* values: columns of a batch come in all sizes */
    LARGE_COLUMN = 1 << 14,               /* values whose memory is worth a large page */
    DICTIONARY_BITS = 17,
    FIRST_DICTIONARY_SLOTS = 1024,
    TRIAL_VALUES = 1 << 15,
    TRIAL_LEVEL = 5
};

typedef struct dictionary_slot {
    uint64_t value;
    uint32_t index;
    uint32_t stamp; /* the slot is taken where this is the dictionary's */
} dictionary_slot;

struct etw_column_writer {
    uint64_t *residuals;
    uint32_t capacity;
    uint16_t *indexes;  /* into the dictionary; same capacity */
    uint64_t *distinct; /* ETW_COLUMN_MAX_DICTIONARY values, in order of first sight */
    uint64_t *entries;  /* the same, sorted */
    uint16_t *places;   /* of the distinct ones among the sorted */
    dictionary_slot *slots;
    uint32_t stamp;
    uint32_t mask; /* of the slots in use: a small column stays in a small part of them */
    uint32_t
        log_cost[SAMPLE_SIZE + 1]; /* what the n-th equal value adds to n * log2(n), times 256 */
    uint32_t total_cost[SAMPLE_SIZE + 1];
    ZSTD_CCtx *context; /* of a thorough writer, else NULL */
    etw_text trial, compressed;
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

etw_column_writer *etw_column_writer_new(bool thorough)
{
    etw_column_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return NULL;
    }
    writer->distinct = malloc(ETW_COLUMN_MAX_DICTIONARY * sizeof *writer->distinct);
    writer->entries = malloc(ETW_COLUMN_MAX_DICTIONARY * sizeof *writer->entries);
    writer->places = malloc(ETW_COLUMN_MAX_DICTIONARY * sizeof *writer->places);
    writer->slots = calloc((size_t)1 << DICTIONARY_BITS, sizeof *writer->slots);
    if (writer->distinct == NULL || writer->entries == NULL || writer->places == NULL ||
        writer->slots == NULL) {
        etw_column_writer_free(writer);
        return NULL;
    }
    if (thorough) {
        writer->context = ZSTD_createCCtx();
        if (writer->context == NULL) {
            etw_column_writer_free(writer);
            return NULL;
        }
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
        free(writer->residuals);
        free(writer->indexes);
        free(writer->distinct);
        free(writer->entries);
        free(writer->places);
        free(writer->slots);
        (void)ZSTD_freeCCtx(writer->context);
        etw_text_free(&writer->trial);
        etw_text_free(&writer->compressed);
        free(writer);
    }
}

static bool reserve(etw_column_writer *writer, uint32_t count)
{
    if (count <= writer->capacity) {
        return true;
    }
    const uint32_t room = count <= LEAST_ROOM ? LEAST_ROOM : count + count / 8;
    free(writer->residuals);
    free(writer->indexes);
    writer->residuals = etw_os_alloc_large(room * sizeof *writer->residuals);
    writer->indexes = malloc(room * sizeof *writer->indexes);
    const bool good = writer->residuals != NULL && writer->indexes != NULL;
    writer->capacity = good ? room : 0;
    if (good && count >= LARGE_COLUMN) {
        etw_os_expect_use(writer->residuals, count * sizeof *writer->residuals);
    }
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

/* What a dictionary would cost the sample of a column of count values of so many planes. A sample
 * holds few of the values that are rare; those seen once stand for them, at the price of an index
 * among all and of an entry. */
static uint32_t dictionary_cost(const etw_column_writer *writer, const uint64_t *sample,
                                uint32_t sampled, uint32_t count, uint32_t planes,
                                uint32_t *distinct)
{
    uint64_t keys[SAMPLE_SLOTS];
    uint16_t seen[SAMPLE_SLOTS] = {0};
    uint32_t cost = writer->total_cost[sampled] + sampled * 8;
    uint32_t single = 0;
    *distinct = 0;
    for (uint32_t i = 0; i < sampled; i++) {
        uint32_t at =
            (uint32_t)((sample[i] * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - SAMPLE_SLOT_BITS));
        while (seen[at] != 0 && keys[at] != sample[i]) {
            at = (at + 1) & (SAMPLE_SLOTS - 1);
        }
        if (seen[at] == 0) {
            keys[at] = sample[i];
            ++*distinct;
            single++;
        }
        single -= seen[at] == 1;
        cost -= writer->log_cost[++seen[at]];
    }
    const uint32_t entries = *distinct * planes * 8 * 256;
    const uint32_t rarer = log2_fixed(count) - log2_fixed(sampled);
    return cost + (uint32_t)((uint64_t)entries * sampled / count) +
           single * (rarer + (count > sampled ? planes * 8 * 256 : 0));
}

static uint32_t bucket_cost(const etw_column_writer *writer, const uint64_t *sample, uint32_t count)
{
    uint16_t seen[256] = {0};
    uint32_t cost = writer->total_cost[count] + count * 8;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t bucket = etw_bucket_of(sample[i]);
        cost -= writer->log_cost[++seen[bucket]];
        cost += etw_bucket_bits(bucket) * 256;
    }
    return cost;
}

/* What the best form would cost for the sample, in 1/256 bits; where that is limit or more, perhaps
 * more than it would. count: of the whole column. */
static estimate estimate_forms(const etw_column_writer *writer, const uint64_t *sample,
                               uint32_t sample_count, uint32_t count, uint32_t limit)
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
    for (uint32_t plane = 0; plane < planes && best.bits_256 < limit; plane++) {
        best.bits_256 += plane_cost(writer, sample, sample_count, 8 * plane) + sample_count * 8;
    }
    if (zeros >= sample_count - sample_count / 4) {
        best.form = ETW_COLUMN_SPARSE;
        return best;
    }
    if (planes > 1) {
        uint32_t distinct = 0;
        const uint32_t dictionary =
            dictionary_cost(writer, sample, sample_count, count, planes, &distinct);
        if (dictionary < best.bits_256) {
            best = (estimate){dictionary, ETW_COLUMN_DICTIONARY};
        }
        /* Packed bits hide from zstd what repeats: they must gain more. */
        const uint32_t buckets = distinct > sample_count / 4
                                     ? bucket_cost(writer, sample, sample_count)
                                     : UINT32_MAX / 2;
        if (buckets + buckets / 32 < best.bits_256) {
            best = (estimate){buckets, ETW_COLUMN_BUCKETS};
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

/* The bytes that vary, each as a plane; the others once. */
static void write_planes(const uint64_t *values, uint32_t count, uint32_t width, uint64_t varying,
                         etw_text *out)
{
    const uint32_t top = significant_bytes(varying);
    const uint32_t low = varying == 0 ? 0 : (uint32_t)__builtin_ctzll(varying) / 8;
    const uint32_t planes = top - low;
    etw_text_append_char(out, (char)(low << 4 | planes));
    if (planes < width) {
        put(out, values[0] & ~(etw_column_mask(planes) << 8 * low), width);
    }
    uint8_t *to = (uint8_t *)etw_text_reserve(out, (size_t)planes * count);
    if (to == NULL) {
        return;
    }
    for (uint32_t plane = 0; plane < planes; plane++) {
        write_plane(values, count, 8 * (low + plane), to + (size_t)plane * count);
    }
    out->size += (size_t)planes * count;
}

/* False where there are more distinct values than limit. */
static bool build_dictionary(etw_column_writer *writer, const uint64_t *values, uint32_t count,
                             uint32_t limit, uint32_t *distinct)
{
    const uint32_t stamp = ++writer->stamp;
    uint32_t mask = FIRST_DICTIONARY_SLOTS - 1;
    uint32_t known = 0;
    if (stamp == 0) {
        memset(writer->slots, 0, sizeof *writer->slots << DICTIONARY_BITS);
        writer->stamp = 1;
    }
    while (mask < 2 * limit && mask + 1 < (uint32_t)1 << DICTIONARY_BITS) {
        mask = 2 * mask + 1;
    }
    writer->mask = mask;
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

static int compare_values(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Entries ascend, so that they are small differences. indexes become those of the sorted entries.
 */
static void sort_dictionary(etw_column_writer *writer, uint32_t count, uint32_t distinct)
{
    const uint32_t mask = writer->mask;
    uint64_t *entries = writer->distinct;
    memcpy(writer->entries, entries, distinct * sizeof *entries);
    qsort(writer->entries, distinct, sizeof *entries, compare_values);
    for (uint32_t sorted = 0; sorted < distinct; sorted++) {
        const uint64_t value = writer->entries[sorted];
        uint32_t at = (uint32_t)((value * UINT64_C(0x9E3779B97F4A7C15)) >> 40) & mask;
        while (writer->slots[at].value != value || writer->slots[at].stamp != writer->stamp) {
            at = (at + 1) & mask;
        }
        writer->places[writer->slots[at].index] = (uint16_t)sorted;
    }
    for (uint32_t i = 0; i < count; i++) {
        writer->indexes[i] = writer->places[writer->indexes[i]];
    }
    uint64_t before = 0;
    for (uint32_t i = 0; i < distinct; i++) {
        entries[i] = writer->entries[i] - before;
        before = writer->entries[i];
    }
}

static uint32_t write_form(etw_column_writer *writer, const uint64_t *values, uint32_t count,
                           uint64_t varying, uint32_t width, uint32_t form, bool rows,
                           etw_text *out);

static void write_dictionary(etw_column_writer *writer, uint32_t count, uint32_t distinct,
                             uint32_t width, etw_text *out)
{
    put_varint(out, distinct);
    sort_dictionary(writer, count, distinct);
    const size_t head = out->size;
    etw_text_append_char(out, 0);
    const uint32_t written =
        write_form(writer, writer->distinct, distinct, varying_bits(writer->distinct, distinct),
                   width, distinct > 16 ? ETW_COLUMN_BUCKETS : ETW_COLUMN_PLANES, false, out);
    const size_t size = (size_t)count * (distinct <= 256 ? 1 : 2);
    uint8_t *to = (uint8_t *)etw_text_reserve(out, size);
    if (to == NULL) {
        return;
    }
    out->data[head] = (char)written;
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

static void write_buckets(const uint64_t *values, uint32_t count, etw_text *out)
{
    /* 8 more than the most: whole words are stored. */
    uint8_t *to = (uint8_t *)etw_text_reserve(out, (size_t)count * 9 + 8);
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
    out->size += (size_t)(packed - to);
}

/* The values that are not 0 are gathered in the residuals, which may be the values' own place. */
static void write_sparse(etw_column_writer *writer, const uint64_t *values, uint32_t count,
                         uint32_t width, etw_text *out)
{
    const size_t size = ((size_t)count + 7) / 8;
    uint8_t *bits = (uint8_t *)etw_text_reserve(out, size);
    if (bits == NULL) {
        return;
    }
    uint64_t *gathered = writer->residuals;
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
    if (kept > 0) {
        uint64_t sample[SAMPLE_SIZE];
        const uint32_t sampled = take_sample(gathered, kept, sample);
        const estimate nested = estimate_forms(writer, sample, sampled, kept, UINT32_MAX);
        const size_t head = out->size;
        etw_text_append_char(out, 0);
        const uint32_t written = write_form(writer, gathered, kept, varying_bits(gathered, kept),
                                            width, nested.form, false, out);
        if (!out->failed) {
            out->data[head] = (char)written;
        }
    }
}

/* Writes values in that form where it holds, else in one that does; returns which. varying: the
 * bits that are not alike in all. The residuals are scratch, and may be the values. */
static uint32_t write_form(etw_column_writer *writer, const uint64_t *values, uint32_t count,
                           uint64_t varying, uint32_t width, uint32_t form, bool rows,
                           etw_text *out)
{
    const uint32_t limit =
        count / 2 < ETW_COLUMN_MAX_DICTIONARY ? count / 2 : ETW_COLUMN_MAX_DICTIONARY;
    uint32_t distinct = 0;
    if (varying == 0) {
        put(out, values[0], width);
        return ETW_COLUMN_CONSTANT;
    }
    if (form == ETW_COLUMN_SPARSE) {
        write_sparse(writer, values, count, width, out);
        return ETW_COLUMN_SPARSE;
    }
    if (form == ETW_COLUMN_DICTIONARY &&
        build_dictionary(writer, values, count, limit, &distinct)) {
        write_dictionary(writer, count, distinct, width, out);
        return ETW_COLUMN_DICTIONARY;
    }
    if (rows) {
        write_rows(values, count, width, out);
        return ETW_COLUMN_ROWS;
    }
    if (form == ETW_COLUMN_BUCKETS) {
        write_buckets(values, count, out);
        return ETW_COLUMN_BUCKETS;
    }
    write_planes(values, count, width, varying, out);
    return ETW_COLUMN_PLANES;
}

/* Differences to the values before: count - 1 of them. Returns which bits any of them has. */
static uint64_t make_deltas(const uint64_t *values, uint32_t count, uint64_t *deltas)
{
    uint64_t any = 0;
    for (uint32_t i = 1; i < count; i++) {
        deltas[i - 1] = values[i] - values[i - 1];
        any |= deltas[i - 1];
    }
    return any;
}

/* The same to guesses, which they replace. */
static uint64_t differ_from(const uint64_t *values, uint32_t count, uint64_t *guesses)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < count; i++) {
        guesses[i] = values[i] - guesses[i];
        any |= guesses[i];
    }
    return any;
}

/* How many low bits all differences lack. */
static uint32_t common_shift(uint64_t any, uint32_t width)
{
    any &= etw_column_mask(width);
    return any == 0 ? 0 : (uint32_t)__builtin_ctzll(any);
}

/* Differences, in place, to small numbers. Returns which bits are not alike in all of them. */
static uint64_t fold_all(uint64_t *differences, uint32_t count, uint32_t width, uint32_t shift)
{
    const uint64_t first = count == 0 ? 0 : etw_column_fold(differences[0], width, shift);
    uint64_t varying = 0;
    for (uint32_t i = 0; i < count; i++) {
        differences[i] = etw_column_fold(differences[i], width, shift);
        varying |= differences[i] ^ first;
    }
    return varying;
}

/* Runs of neighbouring values, or all of them. */
typedef struct runs {
    uint32_t count, length, stride;
} runs;

static runs sample_runs(uint32_t count)
{
    if (count <= SAMPLE_SIZE) {
        return (runs){1, count, 0};
    }
    return (runs){SAMPLE_RUNS, SAMPLE_RUN, (count - SAMPLE_RUN) / (SAMPLE_RUNS - 1)};
}

/* The differences to a guess of the values in some of the sample's runs. Returns how many. */
static uint32_t sample_guess(const uint64_t *values, const runs *of, uint32_t step, uint32_t width,
                             const etw_guess *guess, uint64_t *sample)
{
    uint64_t any = 0;
    uint32_t sampled = 0;
    for (uint32_t run = 0; run < of->count; run += step) {
        uint64_t *to = sample + sampled;
        guess->fill(guess->context, run * of->stride, of->length, to);
        any |= differ_from(values + run * of->stride, of->length, to);
        sampled += of->length;
    }
    (void)fold_all(sample, sampled, width, common_shift(any, width));
    return sampled;
}

/* The guess that is nearest, by the bits of its differences in every other run. */
static const etw_guess *nearest_guess(const uint64_t *values, const runs *of, uint32_t width,
                                      const etw_guess *guesses, uint32_t guess_count)
{
    uint64_t sample[SAMPLE_SIZE];
    const etw_guess *nearest = guesses;
    uint32_t least_bits = UINT32_MAX;
    for (uint32_t g = 0; g < guess_count && guess_count > 1; g++) {
        const uint32_t sampled = sample_guess(values, of, 2, width, &guesses[g], sample);
        uint32_t bits = 0;
        for (uint32_t i = 0; i < sampled; i++) {
            bits += sample[i] == 0 ? 0 : 65u - (uint32_t)__builtin_clzll(sample[i]);
        }
        if (bits < least_bits) {
            least_bits = bits;
            nearest = &guesses[g];
        }
    }
    return nearest;
}

static uint32_t sample_deltas(const uint64_t *values, uint32_t count, uint32_t width,
                              uint64_t *sample)
{
    const runs of = sample_runs(count - 1);
    uint64_t any = 0;
    for (uint32_t run = 0; run < of.count; run++) {
        any |= make_deltas(values + run * of.stride, of.length + 1, sample + run * of.length);
    }
    (void)fold_all(sample, of.count * of.length, width, common_shift(any, width));
    return of.count * of.length;
}

/* What to tell the values from: the mode and form that cost the least for a sample. */
typedef struct choice {
    uint32_t mode;
    estimate estimate;
    const etw_guess *guess;
} choice;

static choice choose(const etw_column_writer *writer, const uint64_t *values, uint32_t count,
                     uint32_t width, const etw_guess *guesses, uint32_t guess_count)
{
    uint64_t sample[SAMPLE_SIZE];
    const uint32_t sampled = take_sample(values, count, sample);
    choice best = {ETW_COLUMN_PLAIN, estimate_forms(writer, sample, sampled, count, UINT32_MAX),
                   NULL};
    const uint32_t deltas = sample_deltas(values, count, width, sample);
    const estimate delta = estimate_forms(writer, sample, deltas, count, best.estimate.bits_256);
    if (delta.bits_256 + delta.bits_256 / 16 < best.estimate.bits_256) {
        best = (choice){ETW_COLUMN_DELTA, delta, NULL};
    }
    if (guess_count > 0) {
        const runs of = sample_runs(count);
        const etw_guess *nearest = nearest_guess(values, &of, width, guesses, guess_count);
        const uint32_t told = sample_guess(values, &of, 1, width, nearest, sample);
        const estimate guess = estimate_forms(writer, sample, told, count, best.estimate.bits_256);
        if (guess.bits_256 + guess.bits_256 / 16 < best.estimate.bits_256) {
            best = (choice){nearest->mode, guess, nearest};
        }
    }
    return best;
}

/* The column told and written as chosen. A form of ROWS is taken where a dictionary does not hold.
 */
static void write_choice(etw_column_writer *writer, const uint64_t *values, uint32_t count,
                         uint64_t varying, uint32_t width, const choice *as, bool rows,
                         etw_text *out)
{
    uint64_t *residuals = writer->residuals;
    const uint64_t *told = values;
    uint32_t mode = as->mode;
    uint32_t left = count;
    uint32_t shift = 0;
    if (mode != ETW_COLUMN_PLAIN) {
        uint64_t any = 0;
        if (as->guess != NULL) {
            as->guess->fill(as->guess->context, 0, count, residuals);
            any = differ_from(values, count, residuals);
        } else {
            any = make_deltas(values, count, residuals);
            left = count - 1;
        }
        shift = common_shift(any, width);
        varying = fold_all(residuals, left, width, shift);
        told = residuals;
    }
    mode |= shift == 0 ? 0 : (uint32_t)ETW_COLUMN_SHIFTED;
    const size_t head = out->size;
    etw_text_append_char(out, (char)(mode << 4));
    if (shift != 0) {
        etw_text_append_char(out, (char)shift);
    }
    if (as->mode == ETW_COLUMN_DELTA) {
        put(out, values[0], width);
    }
    const uint32_t written =
        write_form(writer, told, left, varying, width, as->estimate.form, rows, out);
    if (!out->failed) {
        out->data[head] = (char)(mode << 4 | written);
    }
}

/* How many bytes zstd makes of the column's first values when it is written so. */
static size_t trial_size(etw_column_writer *writer, const uint64_t *values, uint32_t count,
                         uint32_t width, const choice *as)
{
    etw_text_clear(&writer->trial);
    etw_text_clear(&writer->compressed);
    write_choice(writer, values, count, varying_bits(values, count), width, as,
                 as->estimate.form == ETW_COLUMN_ROWS, &writer->trial);
    const size_t bound = ZSTD_compressBound(writer->trial.size);
    char *to = etw_text_reserve(&writer->compressed, bound);
    if (writer->trial.failed || to == NULL) {
        return SIZE_MAX;
    }
    const size_t size = ZSTD_compressCCtx(writer->context, to, bound, writer->trial.data,
                                          writer->trial.size, TRIAL_LEVEL);
    return ZSTD_isError(size) ? SIZE_MAX : size;
}

/* For archives: every mode and form is tried with zstd itself. */
static choice try_all(etw_column_writer *writer, const uint64_t *values, uint32_t count,
                      uint32_t width, const etw_guess *guesses, uint32_t guess_count)
{
    static const uint32_t forms[] = {ETW_COLUMN_PLANES, ETW_COLUMN_DICTIONARY, ETW_COLUMN_SPARSE,
                                     ETW_COLUMN_ROWS, ETW_COLUMN_BUCKETS};
    const uint32_t tried = count < TRIAL_VALUES ? count : TRIAL_VALUES;
    choice best = {ETW_COLUMN_PLAIN, {0, ETW_COLUMN_PLANES}, NULL};
    size_t least = SIZE_MAX;
    for (uint32_t way = 0; way < 2 + guess_count; way++) {
        for (uint32_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
            const etw_guess *guess = way < 2 ? NULL : &guesses[way - 2];
            const choice as = {guess == NULL ? way : guess->mode, {0, forms[f]}, guess};
            const size_t size = trial_size(writer, values, tried, width, &as);
            if (size < least) {
                least = size;
                best = as;
            }
        }
    }
    return best;
}

bool etw_column_write(etw_column_writer *writer, const uint64_t *values, uint32_t count,
                      uint32_t width, const etw_guess *guesses, uint32_t guess_count, bool rows,
                      etw_text *out)
{
    if (count == 0) {
        return true;
    }
    if (!reserve(writer, count)) {
        return false;
    }
    choice best = {ETW_COLUMN_PLAIN, {0, ETW_COLUMN_PLANES}, NULL};
    const uint64_t varying = varying_bits(values, count);
    if (count >= SMALL_COLUMN && varying != 0) {
        if (writer->context != NULL) {
            best = try_all(writer, values, count, width, guesses, guess_count);
            rows = best.estimate.form == ETW_COLUMN_ROWS;
        } else {
            best = choose(writer, values, count, width, guesses, guess_count);
            rows = rows && best.mode == ETW_COLUMN_PLAIN;
        }
    }
    write_choice(writer, values, count, varying, width, &best, rows, out);
    return true;
}
