#include "format/etwcap/codec/layout.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
    FEW_ROWS = 6, /* below this the payloads are kept as bytes */
    STRING_SAMPLE = 24,
    RUN = 17, /* consecutive rows: 16 differences */
    RUNS = 4,
    LEADING = 16,  /* fixed bytes before words or bytes of any number */
    MAX_GAP = 512, /* fixed bytes searched for the next string */
    LEAST_STRING = 3,
    LOOK_ON = 8 /* bytes behind a possible start of a string where a better one may be */
};

#if defined(__SSE2__)
/* Which of 16 units are 0, a byte each. */
static __m128i zero_units(const uint8_t *bytes)
{
    const __m128i *from = (const __m128i *)(const void *)bytes;
    const __m128i zero = _mm_setzero_si128();
    return _mm_packs_epi16(_mm_cmpeq_epi16(_mm_loadu_si128(from), zero),
                           _mm_cmpeq_epi16(_mm_loadu_si128(from + 1), zero));
}
#endif

static uint32_t wide_string_size(const uint8_t *bytes, size_t size)
{
    size_t at = 0;
#if defined(__SSE2__)
    /* 32 units at a time: few branches, of which each end of a string is one told wrong. */
    for (; at + 64 <= size; at += 64) {
        const uint32_t zeros = (uint32_t)_mm_movemask_epi8(zero_units(bytes + at)) |
                               (uint32_t)_mm_movemask_epi8(zero_units(bytes + at + 32)) << 16;
        if (zeros != 0) {
            return (uint32_t)at + 2 + 2 * (uint32_t)__builtin_ctz(zeros);
        }
    }
    for (; at + 16 <= size; at += 16) {
        const __m128i eight = _mm_loadu_si128((const __m128i *)(const void *)(bytes + at));
        const int zero = _mm_movemask_epi8(_mm_cmpeq_epi16(eight, _mm_setzero_si128()));
        if (zero != 0) {
            return (uint32_t)at + 2 + (uint32_t)__builtin_ctz((unsigned)zero);
        }
    }
#endif
    for (; at + 2 <= size; at += 2) {
        if (etw_load_u16(bytes + at) == 0) {
            return (uint32_t)at + 2;
        }
    }
    return 0;
}

static uint32_t ansi_string_size(const uint8_t *bytes, size_t size)
{
    const uint8_t *zero = size == 0 ? NULL : memchr(bytes, 0, size);
    return zero == NULL ? 0 : (uint32_t)(zero - bytes) + 1;
}

static uint32_t string_size(uint32_t tail, const uint8_t *bytes, size_t size)
{
    return tail == ETW_TAIL_WIDE ? wide_string_size(bytes, size) : ansi_string_size(bytes, size);
}

/* Text as people write it: no control characters but white space. Wide text also keeps away from
 * units that numbers make, the private and unassigned upper ranges. */
static bool is_text(uint32_t tail, const uint8_t *bytes, uint32_t size)
{
    if (tail == ETW_TAIL_ANSI) {
        for (uint32_t i = 0; i + 1 < size; i++) {
            if ((bytes[i] < 0x20 && bytes[i] != '\t' && bytes[i] != '\n' && bytes[i] != '\r') ||
                bytes[i] > 0x7E) {
                return false;
            }
        }
        return true;
    }
    for (uint32_t i = 0; i + 2 < size; i += 2) {
        const uint16_t unit = etw_load_u16(bytes + i);
        if ((unit < 0x20 && unit != '\t' && unit != '\n' && unit != '\r') || unit > 0xD7FF) {
            return false;
        }
    }
    return true;
}

/* The sampled rows, each with what is not yet cut of it. */
typedef struct string_sample {
    etw_bytes rows[STRING_SAMPLE];
    uint32_t count;
} string_sample;

static bool all_equal_size(const string_sample *sample)
{
    for (uint32_t i = 1; i < sample->count; i++) {
        if (sample->rows[i].size != sample->rows[0].size) {
            return false;
        }
    }
    return true;
}

static uint32_t least_size(const string_sample *sample)
{
    size_t least = sample->rows[0].size;
    for (uint32_t i = 1; i < sample->count; i++) {
        least = sample->rows[i].size < least ? sample->rows[i].size : least;
    }
    return (uint32_t)least;
}

/* Whether all rows have a string at that offset, and one that is long enough to be no accident. */
static bool has_string_at(const string_sample *sample, uint32_t offset, uint32_t tail)
{
    const uint32_t unit = tail == ETW_TAIL_WIDE ? 2 : 1;
    uint32_t longest = 0;
    for (uint32_t i = 0; i < sample->count; i++) {
        const etw_bytes row = sample->rows[i];
        const uint32_t size = string_size(tail, row.data + offset, row.size - offset);
        if (size == 0 || !is_text(tail, row.data + offset, size)) {
            return false;
        }
        longest = size > longest ? size : longest;
    }
    return longest >= (LEAST_STRING + 1) * unit + (tail == ETW_TAIL_ANSI ? 2 : 0);
}

/* Units of the wide strings at that offset that are not ASCII. */
static uint32_t foreign_units(const string_sample *sample, uint32_t offset)
{
    uint32_t foreign = 0;
    for (uint32_t i = 0; i < sample->count; i++) {
        const etw_bytes row = sample->rows[i];
        const uint32_t size = wide_string_size(row.data + offset, row.size - offset);
        for (uint32_t at = 0; at + 2 < size; at += 2) {
            foreign += etw_load_u16(row.data + offset + at) >= 0x80;
        }
    }
    return foreign;
}

/* A number right before a string, or half of one, may pass for its first letters; and read from one
 * byte too early, Latin letters are Chinese ones. The string begins where most of it is ASCII. */
static uint32_t best_wide_offset(const string_sample *sample, uint32_t least, uint32_t first)
{
    uint32_t best = first;
    uint32_t fewest = foreign_units(sample, first);
    for (uint32_t at = first + 1; at <= first + LOOK_ON && at < least && fewest > 0; at++) {
        if (has_string_at(sample, at, ETW_TAIL_WIDE)) {
            const uint32_t foreign = foreign_units(sample, at);
            best = foreign < fewest ? at : best;
            fewest = foreign < fewest ? foreign : fewest;
        }
    }
    return best;
}

/* The next string in all rows: its offset and tail, or ETW_TAIL_NONE. */
static uint32_t find_string(const string_sample *sample, uint32_t *offset)
{
    const uint32_t least = least_size(sample);
    for (uint32_t at = 0; at < least && at < MAX_GAP; at++) {
        if (has_string_at(sample, at, ETW_TAIL_WIDE)) {
            *offset = best_wide_offset(sample, least, at);
            return ETW_TAIL_WIDE;
        }
        if (has_string_at(sample, at, ETW_TAIL_ANSI)) {
            *offset = at;
            return ETW_TAIL_ANSI;
        }
    }
    return ETW_TAIL_NONE;
}

static void cut(string_sample *sample, uint32_t offset, uint32_t tail)
{
    for (uint32_t i = 0; i < sample->count; i++) {
        etw_bytes *row = &sample->rows[i];
        const uint32_t size = offset + string_size(tail, row->data + offset, row->size - offset);
        row->data += size;
        row->size -= size;
    }
}

/* How many bytes of the words are needed to write them as signed numbers, of 16 of the words' own:
 * small for numbers, about 12 for addresses of 8 bytes, 16 for noise. F rows hold leading fixed
 * bytes, T trailing ones. */
static uint32_t word_weight(const string_sample *sample, uint32_t word, uint32_t leading,
                            uint32_t trailing)
{
    uint32_t needed = 0;
    uint32_t words = 0;
    for (uint32_t i = 0; i < sample->count; i++) {
        const etw_bytes row = sample->rows[i];
        uint32_t taken = 0;
        for (size_t at = leading; at + word + trailing <= row.size && taken < 64; at += word) {
            const int64_t value =
                word == 4 ? (int32_t)etw_load_u32(row.data + at) : etw_load_i64(row.data + at);
            const uint64_t magnitude = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
            needed += magnitude == 0 ? 0 : (71u - (uint32_t)__builtin_clzll(magnitude)) / 8;
            taken++;
        }
        words += taken;
    }
    return words == 0 ? 16 : needed * 16 / (words * word);
}

static bool mostly_text(const string_sample *sample, uint32_t from)
{
    uint32_t bytes = 0;
    uint32_t printable = 0;
    for (uint32_t i = 0; i < sample->count; i++) {
        const etw_bytes row = sample->rows[i];
        for (size_t at = from; at < row.size && at < from + 256; at++) {
            printable += row.data[at] >= 0x20 && row.data[at] < 0x7F;
            bytes++;
        }
    }
    return printable * 10 > bytes * 7;
}

/* A run of words in rows of varying size: which width, and how many fixed bytes before and after
 * make the words the smallest numbers. */
static bool find_words(const string_sample *sample, uint32_t least, uint32_t differing,
                       etw_region *region, uint32_t *trailing)
{
    uint32_t best = UINT32_MAX;
    if ((differing & 3) != 0 || least < 8 || mostly_text(sample, LEADING)) {
        return false;
    }
    for (uint32_t word = (differing & 7) == 0 ? 8 : 4; word >= 4; word /= 2) {
        for (uint32_t after = 0; after < word && after < least; after++) {
            uint32_t before =
                least - after < LEADING + word - 1 ? least - after : LEADING + word - 1;
            before -= (before + word - (least - after) % word) % word;
            if (before + after > least) {
                continue;
            }
            const uint32_t weight = word_weight(sample, word, before, after);
            if (weight < best) {
                best = weight;
                *trailing = after;
                region->size = (uint16_t)before;
                region->tail = word == 8 ? ETW_TAIL_WORDS8 : ETW_TAIL_WORDS4;
            }
        }
    }
    return true;
}

/* The rest behind the last string: of one size, or words, or bytes. */
static void finish_regions(const string_sample *sample, const etw_bytes *rows, uint32_t count,
                           etw_layout *layout)
{
    etw_region *region = &layout->regions[layout->region_count - 1];
    const uint32_t least = least_size(sample);
    *region = (etw_region){(uint16_t)least, 0, 0, ETW_TAIL_NONE};
    if (all_equal_size(sample)) {
        return;
    }
    uint32_t differing = 0;
    for (uint32_t i = 0; i < sample->count; i++) {
        differing |= (uint32_t)sample->rows[i].size - least;
    }
    for (uint32_t i = 0; layout->region_count == 1 && i < count; i++) {
        differing |= (uint32_t)(rows[i].size - rows[0].size);
    }
    uint32_t trailing = 0;
    if (!find_words(sample, least, differing, region, &trailing)) {
        region->size = (uint16_t)(least < LEADING ? least : LEADING);
        region->tail = ETW_TAIL_BYTES;
    } else if (trailing > 0 && layout->region_count < ETW_LAYOUT_MAX_REGIONS) {
        layout->regions[layout->region_count++] =
            (etw_region){(uint16_t)trailing, 0, 0, ETW_TAIL_NONE};
    }
}

static void take_strings_sample(const etw_bytes *rows, uint32_t count, string_sample *sample)
{
    sample->count = count < STRING_SAMPLE ? count : STRING_SAMPLE;
    for (uint32_t i = 0; i < sample->count; i++) {
        sample->rows[i] = rows[(uint64_t)i * count / sample->count];
    }
}

static void infer_regions(const etw_bytes *rows, uint32_t count, etw_layout *layout)
{
    string_sample sample = {.count = 0};
    take_strings_sample(rows, count, &sample);
    uint32_t fixed = 0;
    for (;;) {
        etw_region *region = &layout->regions[layout->region_count++];
        uint32_t offset = 0;
        const bool last = layout->region_count + 1 == ETW_LAYOUT_MAX_REGIONS;
        const uint32_t tail = last || all_equal_size(&sample) ? (uint32_t)ETW_TAIL_NONE
                                                              : find_string(&sample, &offset);
        if (tail == ETW_TAIL_NONE || fixed + offset > ETW_LAYOUT_MAX_FIXED) {
            finish_regions(&sample, rows, count, layout);
            if (fixed + region->size > ETW_LAYOUT_MAX_FIXED) {
                *region = (etw_region){0, 0, 0, ETW_TAIL_BYTES};
                layout->region_count = (uint32_t)(region - layout->regions) + 1;
            }
            return;
        }
        region->size = (uint16_t)offset;
        region->tail = (uint8_t)tail;
        fixed += offset;
        cut(&sample, offset, tail);
    }
}

etw_bytes etw_layout_next(const etw_layout *layout, uint32_t region, etw_bytes rest)
{
    const etw_bytes none = {NULL, 0};
    const uint32_t fixed = layout->regions[region].size;
    const uint32_t tail = layout->regions[region].tail;
    if (rest.size < fixed) {
        return none;
    }
    rest.data += fixed;
    rest.size -= fixed;
    size_t size = 0;
    if (etw_tail_is_string(tail)) {
        size = string_size(tail, rest.data, rest.size);
        if (size == 0) {
            return none;
        }
    } else {
        const uint32_t after =
            region + 1 < layout->region_count ? layout->regions[region + 1].size : 0;
        size = tail == ETW_TAIL_NONE ? 0 : rest.size - after;
        if (rest.size < after || size % (tail == ETW_TAIL_NONE ? 1 : etw_tail_word(tail)) != 0) {
            return none;
        }
    }
    rest.data += size;
    rest.size -= size;
    return rest;
}

/* How often each byte of a region differs from the row before, over the pairs given. */
static void count_changes(const uint8_t *const *rows, uint32_t count, uint32_t size,
                          uint8_t *changes)
{
    memset(changes, 0, size);
    for (uint32_t r = 1; r < count; r++) {
        if (rows[r] == NULL || rows[r - 1] == NULL) {
            continue;
        }
        const uint8_t *a = rows[r - 1];
        const uint8_t *b = rows[r];
        for (uint32_t i = 0; i < size; i++) {
            changes[i] = (uint8_t)(changes[i] + (a[i] != b[i]));
        }
    }
}

static bool add_piece(etw_layout *layout, etw_region *region, uint32_t size, bool constant)
{
    if (layout->piece_count == ETW_LAYOUT_MAX_PIECES / 2) {
        return false;
    }
    etw_piece *piece = &layout->pieces[layout->piece_count++];
    piece->size = (uint16_t)size;
    piece->constant = constant;
    region->piece_count++;
    return true;
}

/* Where the integer that begins at from ends: its low bytes change at least as often as its high
 * ones, so that a rise from one byte to the next is the beginning of another. Bytes that never
 * change belong to it up to a natural size, so that kinds with the same fields are cut alike. */
static uint32_t integer_end(const uint8_t *changes, uint32_t from, uint32_t active, uint32_t size)
{
    uint32_t end = active + 1;
    while (end < size && end - from < 8 && changes[end] != 0 &&
           changes[end] <= changes[end - 1] + 1 + changes[end - 1] / 8) {
        end++;
    }
    const uint32_t natural = from + (end - from <= 2 ? 2 : end - from <= 4 ? 4 : 8);
    while (end < size && end < natural && changes[end] == 0) {
        end++;
    }
    return end;
}

static bool cut_integers(etw_layout *layout, etw_region *region, const uint8_t *changes)
{
    uint32_t at = 0;
    while (at < region->size) {
        uint32_t active = at;
        while (active < region->size && changes[active] == 0) {
            active++;
        }
        const uint32_t from = active - at < 4 && active < region->size ? at : active;
        if (from > at && !add_piece(layout, region, from - at, true)) {
            return false;
        }
        if (active == region->size) {
            return true;
        }
        at = integer_end(changes, from, active, region->size);
        if (!add_piece(layout, region, at - from, false)) {
            return false;
        }
    }
    return true;
}

/* Rows in runs of neighbours, walked to each region in turn; NULL where a row does not fit. */
static uint32_t take_runs(const etw_bytes *rows, uint32_t count, etw_bytes *runs)
{
    if (count <= RUN * RUNS) {
        memcpy(runs, rows, count * sizeof *runs);
        return count;
    }
    const uint32_t stride = (count - RUN) / (RUNS - 1);
    for (uint32_t i = 0; i < RUN * RUNS; i++) {
        runs[i] = rows[i / RUN * stride + i % RUN];
    }
    return RUN * RUNS;
}

static bool infer_pieces(const etw_bytes *rows, uint32_t count, etw_layout *layout)
{
    etw_bytes runs[RUN * RUNS];
    const uint8_t *at[RUN * RUNS];
    uint8_t changes[ETW_LAYOUT_MAX_FIXED];
    const uint32_t taken = take_runs(rows, count, runs);
    for (uint32_t r = 0; r < layout->region_count; r++) {
        etw_region *region = &layout->regions[r];
        region->first_piece = (uint16_t)layout->piece_count;
        region->piece_count = 0;
        for (uint32_t i = 0; i < taken; i++) {
            at[i] = runs[i].data != NULL && runs[i].size >= region->size ? runs[i].data : NULL;
        }
        count_changes(at, taken, region->size, changes);
        if (!cut_integers(layout, region, changes)) {
            return false;
        }
        for (uint32_t i = 0; i < taken && r + 1 < layout->region_count; i++) {
            runs[i] = at[i] == NULL ? (etw_bytes){NULL, 0}
                                    : etw_layout_next(layout, r, (etw_bytes){at[i], runs[i].size});
        }
    }
    return true;
}

void etw_layout_bytes(etw_layout *layout)
{
    layout->region_count = 1;
    layout->piece_count = 0;
    layout->regions[0] = (etw_region){0, 0, 0, ETW_TAIL_BYTES};
}

void etw_layout_infer(const etw_bytes *rows, uint32_t count, etw_layout *layout)
{
    layout->region_count = 0;
    layout->piece_count = 0;
    if (count >= FEW_ROWS) {
        infer_regions(rows, count, layout);
        if (infer_pieces(rows, count, layout)) {
            return;
        }
    }
    etw_layout_bytes(layout);
}
