/* What a column's values are told from, and the choice of that and of their form. */
#include "format/etwcap/codec/column_form.h"

#include <stdlib.h>
#include <zstd.h>

enum {
    SMALL_COLUMN = 12, /* below this a choice costs more than it saves */
    TRIAL_VALUES = 1 << 15,
    TRIAL_LEVEL = 5
};

struct etw_column_writer {
    etw_column_costs costs;
    etw_column_forms forms;
    ZSTD_CCtx *context; /* of a thorough writer, else NULL */
    etw_buffer trial, compressed;
};

etw_column_writer *etw_column_writer_new(bool thorough)
{
    etw_column_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return NULL;
    }
    etw_column_costs_init(&writer->costs);
    writer->context = thorough ? ZSTD_createCCtx() : NULL;
    if (!etw_column_forms_init(&writer->forms, &writer->costs) ||
        (thorough && writer->context == NULL)) {
        etw_column_writer_free(writer);
        return NULL;
    }
    return writer;
}

void etw_column_writer_free(etw_column_writer *writer)
{
    if (writer != NULL) {
        etw_column_forms_free(&writer->forms);
        (void)ZSTD_freeCCtx(writer->context);
        etw_buffer_free(&writer->trial);
        etw_buffer_free(&writer->compressed);
        free(writer);
    }
}

void etw_column_writer_lend(etw_column_writer *writer, const etw_column_scratch *scratch)
{
    writer->forms.scratch = *scratch;
}

etw_borders *etw_column_writer_borders(etw_column_writer *writer)
{
    return &writer->forms.borders;
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

/* The differences to a guess of the values in some of the sample's runs. Returns how many. */
static uint32_t sample_guess(const uint64_t *values, const etw_sample_runs *of, uint32_t step,
                             uint32_t width, const etw_guess *guess, uint64_t *sample)
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
static const etw_guess *nearest_guess(const uint64_t *values, const etw_sample_runs *of,
                                      uint32_t width, const etw_guess *guesses,
                                      uint32_t guess_count)
{
    uint64_t sample[ETW_SAMPLE_SIZE];
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
    const etw_sample_runs of = etw_sample_runs_of(count - 1);
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
    etw_estimate estimate;
    const etw_guess *guess;
} choice;

static choice choose(const etw_column_writer *writer, etw_integers column, const etw_guess *guesses,
                     uint32_t guess_count)
{
    const uint64_t *values = column.values;
    const uint32_t count = column.count;
    const uint32_t width = column.width;
    uint64_t sample[ETW_SAMPLE_SIZE];
    const uint32_t sampled = etw_sample_take(values, count, sample);
    choice best = {ETW_COLUMN_PLAIN,
                   etw_estimate_forms(&writer->costs, sample, sampled, count, UINT32_MAX), NULL};
    const uint32_t deltas = sample_deltas(values, count, width, sample);
    const etw_estimate delta =
        etw_estimate_forms(&writer->costs, sample, deltas, count, best.estimate.bits_256);
    if (delta.bits_256 + delta.bits_256 / 16 < best.estimate.bits_256) {
        best = (choice){ETW_COLUMN_DELTA, delta, NULL};
    }
    if (guess_count > 0) {
        const etw_sample_runs of = etw_sample_runs_of(count);
        const etw_guess *nearest = nearest_guess(values, &of, width, guesses, guess_count);
        const uint32_t told = sample_guess(values, &of, 1, width, nearest, sample);
        const etw_estimate guess =
            etw_estimate_forms(&writer->costs, sample, told, count, best.estimate.bits_256);
        if (guess.bits_256 + guess.bits_256 / 16 < best.estimate.bits_256) {
            best = (choice){nearest->mode, guess, nearest};
        }
    }
    return best;
}

/* The column told and written as chosen. A form of ROWS is taken where a dictionary does not hold.
 */
static void write_choice(etw_column_writer *writer, etw_integers column, uint64_t varying,
                         const choice *as, bool rows, etw_buffer *out)
{
    const uint64_t *values = column.values;
    const uint32_t count = column.count;
    const uint32_t width = column.width;
    uint64_t *residuals = writer->forms.scratch.residuals;
    etw_integers left = column;
    uint32_t mode = as->mode;
    uint32_t shift = 0;
    if (mode != ETW_COLUMN_PLAIN) {
        uint64_t any = 0;
        if (as->guess != NULL) {
            as->guess->fill(as->guess->context, 0, count, residuals);
            any = differ_from(values, count, residuals);
        } else {
            any = make_deltas(values, count, residuals);
            left.count = count - 1;
        }
        shift = common_shift(any, width);
        varying = fold_all(residuals, left.count, width, shift);
        left.values = residuals;
    }
    mode |= shift == 0 ? 0 : (uint32_t)ETW_COLUMN_SHIFTED;
    etw_borders_add(&writer->forms.borders, out->size);
    const size_t head = out->size;
    etw_buffer_append_u8(out, (uint8_t)(mode << 4));
    if (shift != 0) {
        etw_buffer_append_u8(out, (uint8_t)shift);
    }
    if (as->mode == ETW_COLUMN_DELTA) {
        etw_column_put(out, values[0], width);
    }
    const uint32_t written =
        etw_column_form_write(&writer->forms, left, varying, as->estimate.form, rows, out);
    if (!out->failed) {
        out->data[head] = (char)(mode << 4 | written);
    }
    etw_borders_add(&writer->forms.borders, out->size);
}

/* How many bytes zstd makes of the column's first values when it is written so. */
static size_t trial_size(etw_column_writer *writer, etw_integers column, const choice *as)
{
    etw_buffer_clear(&writer->trial);
    etw_buffer_clear(&writer->compressed);
    const uint32_t borders = writer->forms.borders.count;
    write_choice(writer, column, etw_varying_bits(column.values, column.count), as,
                 as->estimate.form == ETW_COLUMN_ROWS, &writer->trial);
    writer->forms.borders.count = borders;
    const size_t bound = ZSTD_compressBound(writer->trial.size);
    char *to = etw_buffer_reserve(&writer->compressed, bound);
    if (writer->trial.failed || to == NULL) {
        return SIZE_MAX;
    }
    const size_t size = ZSTD_compressCCtx(writer->context, to, bound, writer->trial.data,
                                          writer->trial.size, TRIAL_LEVEL);
    return ZSTD_isError(size) ? SIZE_MAX : size;
}

/* For archives: every mode and form is tried with zstd itself. */
static choice try_all(etw_column_writer *writer, etw_integers column, const etw_guess *guesses,
                      uint32_t guess_count)
{
    static const uint32_t forms[] = {ETW_COLUMN_PLANES, ETW_COLUMN_DICTIONARY, ETW_COLUMN_SPARSE,
                                     ETW_COLUMN_ROWS, ETW_COLUMN_BUCKETS};
    column.count = column.count < TRIAL_VALUES ? column.count : TRIAL_VALUES;
    choice best = {ETW_COLUMN_PLAIN, {0, ETW_COLUMN_PLANES}, NULL};
    size_t least = SIZE_MAX;
    for (uint32_t way = 0; way < 2 + guess_count; way++) {
        for (uint32_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
            const etw_guess *guess = way < 2 ? NULL : &guesses[way - 2];
            const choice as = {guess == NULL ? way : guess->mode, {0, forms[f]}, guess};
            const size_t size = trial_size(writer, column, &as);
            if (size < least) {
                least = size;
                best = as;
            }
        }
    }
    return best;
}

bool etw_column_write(etw_column_writer *writer, etw_integers column, const etw_guess *guesses,
                      uint32_t guess_count, bool rows, etw_buffer *out)
{
    if (column.count == 0) {
        return true;
    }
    choice best = {ETW_COLUMN_PLAIN, {0, ETW_COLUMN_PLANES}, NULL};
    const uint64_t varying = etw_varying_bits(column.values, column.count);
    if (column.count >= SMALL_COLUMN && varying != 0) {
        if (writer->context != NULL) {
            best = try_all(writer, column, guesses, guess_count);
            rows = best.estimate.form == ETW_COLUMN_ROWS;
        } else {
            best = choose(writer, column, guesses, guess_count);
            rows = rows && best.mode == ETW_COLUMN_PLAIN;
        }
    }
    write_choice(writer, column, varying, &best, rows, out);
    return !out->failed;
}
