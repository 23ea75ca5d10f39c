#include "format/etwcap/codec/column_cost.h"

enum {
    SLOT_BITS = 9,
    SLOTS = 1 << SLOT_BITS /* twice as many as values of a sample */
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

void etw_column_costs_init(etw_column_costs *costs)
{
    costs->total[0] = 0;
    costs->equal[0] = 0;
    for (uint32_t n = 1; n <= ETW_SAMPLE_SIZE; n++) {
        costs->total[n] = n * log2_fixed(n);
        costs->equal[n] = costs->total[n] - costs->total[n - 1];
    }
}

etw_sample_runs etw_sample_runs_of(uint32_t count)
{
    if (count <= ETW_SAMPLE_SIZE) {
        return (etw_sample_runs){1, count, 0};
    }
    return (etw_sample_runs){ETW_SAMPLE_RUNS, ETW_SAMPLE_RUN,
                             (count - ETW_SAMPLE_RUN) / (ETW_SAMPLE_RUNS - 1)};
}

uint32_t etw_sample_take(const uint64_t *values, uint32_t count, uint64_t *sample)
{
    const etw_sample_runs of = etw_sample_runs_of(count);
    for (uint32_t run = 0; run < of.count; run++) {
        memcpy(sample + run * of.length, values + run * of.stride, of.length * sizeof *sample);
    }
    return of.count * of.length;
}

static uint32_t plane_cost(const etw_column_costs *costs, const uint64_t *sample, uint32_t count,
                           unsigned shift)
{
    uint16_t seen[256] = {0};
    uint32_t cost = costs->total[count];
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t byte = (uint8_t)(sample[i] >> shift);
        cost -= costs->equal[++seen[byte]];
    }
    return cost;
}

/* What a dictionary would cost the sample of a column of count values of so many planes. A sample
 * holds few of the values that are rare; those seen once stand for them, at the price of an index
 * among all and of an entry. */
static uint32_t dictionary_cost(const etw_column_costs *costs, const uint64_t *sample,
                                uint32_t sampled, uint32_t count, uint32_t planes,
                                uint32_t *distinct)
{
    uint64_t keys[SLOTS];
    uint16_t seen[SLOTS] = {0};
    uint32_t cost = costs->total[sampled] + sampled * 8;
    uint32_t single = 0;
    *distinct = 0;
    for (uint32_t i = 0; i < sampled; i++) {
        uint32_t at = (uint32_t)((sample[i] * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - SLOT_BITS));
        while (seen[at] != 0 && keys[at] != sample[i]) {
            at = (at + 1) & (SLOTS - 1);
        }
        if (seen[at] == 0) {
            keys[at] = sample[i];
            ++*distinct;
            single++;
        }
        single -= seen[at] == 1;
        cost -= costs->equal[++seen[at]];
    }
    const uint32_t entries = *distinct * planes * 8 * 256;
    const uint32_t rarer = log2_fixed(count) - log2_fixed(sampled);
    return cost + (uint32_t)((uint64_t)entries * sampled / count) +
           single * (rarer + (count > sampled ? planes * 8 * 256 : 0));
}

static uint32_t bucket_cost(const etw_column_costs *costs, const uint64_t *sample, uint32_t count)
{
    uint16_t seen[256] = {0};
    uint32_t cost = costs->total[count] + count * 8;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t bucket = etw_bucket_of(sample[i]);
        cost -= costs->equal[++seen[bucket]];
        cost += etw_bucket_bits(bucket) * 256;
    }
    return cost;
}

etw_estimate etw_estimate_forms(const etw_column_costs *costs, const uint64_t *sample,
                                uint32_t sample_count, uint32_t count, uint32_t limit)
{
    uint64_t varying = 0;
    uint32_t zeros = 0;
    for (uint32_t i = 0; i < sample_count; i++) {
        varying |= sample[i] ^ sample[0];
        zeros += sample[i] == 0;
    }
    const uint32_t planes = etw_significant_bytes(varying);
    etw_estimate best = {0, ETW_COLUMN_PLANES};
    if (planes == 0) {
        return best;
    }
    for (uint32_t plane = 0; plane < planes && best.bits_256 < limit; plane++) {
        const bool varies = (varying >> 8 * plane & 0xFF) != 0;
        best.bits_256 += sample_count * 8;
        best.bits_256 += varies ? plane_cost(costs, sample, sample_count, 8 * plane) : 0;
    }
    /* A 0 takes one bit there, and of planes at least one of each that varies. */
    if (4 * zeros >= sample_count) {
        best.form = ETW_COLUMN_SPARSE;
        return best;
    }
    if (planes > 1) {
        uint32_t distinct = 0;
        const uint32_t dictionary =
            dictionary_cost(costs, sample, sample_count, count, planes, &distinct);
        if (dictionary < best.bits_256) {
            best = (etw_estimate){dictionary, ETW_COLUMN_DICTIONARY};
        }
        /* Packed bits hide from zstd what repeats: they must gain more. */
        const uint32_t buckets =
            distinct > sample_count / 4 ? bucket_cost(costs, sample, sample_count) : UINT32_MAX / 2;
        if (buckets + buckets / 32 < best.bits_256) {
            best = (etw_estimate){buckets, ETW_COLUMN_BUCKETS};
        }
    }
    return best;
}
