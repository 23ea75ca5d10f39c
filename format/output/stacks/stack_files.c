/* Sums of stacks as files: folded lines (flamegraph.pl and many others) and speedscope's JSON
 * (https://www.speedscope.app/file-format-schema.json). */
#include "format/base/arena.h"
#include "format/base/table.h"
#include "format/base/version.h"
#include "format/output/stacks/stack_sums.h"

#include <stdlib.h>

struct etw_collector {
    etw_collector_target target;
    etw_stack_sums *sums;
    uint32_t weight; /* an etw_stack_weight */
};

static void close_sums(etw_collector *collector)
{
    if (collector != NULL) {
        etw_stack_sums_free(collector->sums);
        free(collector);
    }
}

static etw_status open_sums(const etw_output_options *options, const etw_collector_target *target,
                            etw_collector **collector, etw_error *error)
{
    etw_collector *made = calloc(1, sizeof *made);
    *collector = made;
    if (made != NULL) {
        made->target = *target;
        made->weight = options->stack_weight;
        made->sums = etw_stack_sums_new();
    }
    if (made == NULL || made->sums == NULL) {
        close_sums(made);
        *collector = NULL;
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for sums of stacks");
    }
    return ETW_OK;
}

static etw_status take_rows(etw_collector *collector, etw_bytes rows, etw_text *out,
                            etw_error *error)
{
    etw_stack_row row;
    etw_status status = ETW_OK;
    (void)out;
    while (!etw_failed(status) && etw_stack_row_next(&rows, &row)) {
        status = etw_stack_sums_add(collector->sums, &row, error);
    }
    return status;
}

static void say_doubts(const etw_collector *c)
{
    const uint64_t alone = etw_stack_sums_faults(c->sums, ETW_STACK_ROW_NO_STACK);
    const uint64_t whole = etw_stack_sums_faults(c->sums, ETW_STACK_ROW_WELL);
    etw_collector_say(&c->target, etw_stack_sums_faults(c->sums, ETW_STACK_ROW_NO_WEIGHT), "event",
                      "left out: without such a number");
    etw_collector_say(&c->target, etw_stack_sums_crowded_out(c->sums), "event",
                      "with stacks beyond the limit of 256 MiB, counted for their process alone");
    etw_collector_say(&c->target, alone, "event",
                      "without a stack, counted for their process alone");
    if (alone + whole == 0 && c->target.note != NULL) {
        c->target.note(c->target.note_context,
                       "no CPU samples: choose other events, such as with --where, for their "
                       "stacks");
    }
}

/* Folded. */

static etw_status finish_folded(etw_collector *c, etw_text *out, etw_error *error)
{
    uint32_t count;
    const etw_stack_sum *const *sums = etw_stack_sums_sorted(c->sums, &count);
    etw_status status = ETW_OK;
    for (uint32_t i = 0; !etw_failed(status) && i < count; i++) {
        etw_text_append(out, (const char *)sums[i]->frames.data, sums[i]->frames.size);
        etw_text_append_char(out, ' ');
        etw_text_append_u64(out, sums[i]->weight);
        etw_text_append_char(out, '\n');
        status = etw_collector_put(&c->target, out, error);
    }
    say_doubts(c);
    return status;
}

/* speedscope. */

typedef struct frames {
    etw_table numbers; /* of frames, from 1 on */
    etw_arena memory;  /* for the numbers */
    uint32_t count;
} frames;

/* Cuts the next frame off rest. */
static etw_bytes next_frame(etw_bytes *rest)
{
    const uint8_t *end = memchr(rest->data, ';', rest->size);
    const etw_bytes frame = {rest->data, end == NULL ? rest->size : (size_t)(end - rest->data)};
    const size_t taken = frame.size + (end == NULL ? 0 : 1);
    rest->data += taken;
    rest->size -= taken;
    return frame;
}

static void append_string(etw_text *out, etw_bytes text)
{
    etw_text_append_char(out, '"');
    etw_text_append_utf8(out, text.data, text.size, ETW_ESCAPE_JSON);
    etw_text_append_char(out, '"');
}

static bool add_frame(frames *f, etw_bytes name, etw_text *out)
{
    uint32_t *number = etw_table_get(&f->numbers, name.data, name.size);
    if (number != NULL) {
        return true;
    }
    number = etw_arena_alloc(&f->memory, sizeof *number);
    if (number == NULL || !etw_table_set(&f->numbers, name.data, name.size, number)) {
        return false;
    }
    *number = f->count++;
    etw_text_append_z(out, *number == 0 ? "\n{\"name\":" : ",\n{\"name\":");
    append_string(out, name);
    etw_text_append_char(out, '}');
    return true;
}

/* Each frame once, in the order in which the sums have them; their first is the process. */
static etw_status write_frames(etw_collector *c, frames *f, etw_text *out, etw_error *error)
{
    uint32_t count;
    const etw_stack_sum *const *sums = etw_stack_sums_sorted(c->sums, &count);
    etw_status status = ETW_OK;
    etw_text_append_z(out, "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\","
                           "\"exporter\":\"etwcap " ETW_VERSION "\",\"shared\":{\"frames\":[");
    for (uint32_t i = 0; !etw_failed(status) && i < count; i++) {
        etw_bytes rest = sums[i]->frames;
        while (rest.size > 0) {
            const etw_bytes name = next_frame(&rest);
            if (!add_frame(f, name, out)) {
                return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for frames");
            }
        }
        status = etw_collector_put(&c->target, out, error);
    }
    etw_text_append_z(out, "]},\n\"profiles\":[");
    return status;
}

static bool is_same_process(const etw_stack_sum *a, const etw_stack_sum *b)
{
    return a->process_size == b->process_size &&
           memcmp(a->frames.data, b->frames.data, a->process_size) == 0;
}

static void write_samples(const frames *f, const etw_stack_sum *const *sums, uint32_t count,
                          etw_text *out)
{
    for (uint32_t i = 0; i < count; i++) {
        etw_bytes rest = sums[i]->frames;
        etw_text_append_z(out, i == 0 ? "[" : ",[");
        for (bool is_first = true; rest.size > 0; is_first = false) {
            const etw_bytes name = next_frame(&rest);
            const uint32_t *number = etw_table_get(&f->numbers, name.data, name.size);
            etw_text_append_z(out, is_first ? "" : ",");
            etw_text_append_u64(out, number == NULL ? 0 : *number);
        }
        etw_text_append_char(out, ']');
    }
}

static void write_profile(const etw_collector *c, const frames *f, const etw_stack_sum *const *sums,
                          uint32_t count, etw_text *out)
{
    uint64_t total = 0;
    const etw_bytes process = {sums[0]->frames.data, sums[0]->process_size};
    for (uint32_t i = 0; i < count; i++) {
        total += sums[i]->weight;
    }
    etw_text_append_z(out, "{\"type\":\"sampled\",\"name\":");
    append_string(out, process);
    etw_text_printf(out, ",\"unit\":\"%s\",\"startValue\":0,\"endValue\":%llu,\"samples\":[",
                    c->weight == ETW_STACK_WEIGHT_TIME ? "nanoseconds" : "none",
                    (unsigned long long)total);
    write_samples(f, sums, count, out);
    etw_text_append_z(out, "],\"weights\":[");
    for (uint32_t i = 0; i < count; i++) {
        etw_text_append_z(out, i == 0 ? "" : ",");
        etw_text_append_u64(out, sums[i]->weight);
    }
    etw_text_append_z(out, "]}");
}

static etw_status finish_speedscope(etw_collector *c, etw_text *out, etw_error *error)
{
    uint32_t count;
    frames f = {0};
    const etw_stack_sum *const *sums = etw_stack_sums_sorted(c->sums, &count);
    etw_status status = write_frames(c, &f, out, error);
    for (uint32_t i = 0, next; !etw_failed(status) && i < count; i = next) {
        for (next = i + 1; next < count && is_same_process(sums[i], sums[next]);) {
            next++;
        }
        etw_text_append_z(out, i == 0 ? "\n" : ",\n");
        write_profile(c, &f, sums + i, next - i, out);
        status = etw_collector_put(&c->target, out, error);
    }
    etw_text_append_z(out, "]}\n");
    etw_table_free(&f.numbers);
    etw_arena_free(&f.memory);
    say_doubts(c);
    return status;
}

/* The renderer's half. */

static void render_event(etw_output *output, const etw_event *event, etw_text *text)
{
    etw_stack_row_append(&output->options, event, text);
}

static const etw_collector_kind folded = {open_sums, take_rows, finish_folded, close_sums};
static const etw_collector_kind speedscope = {open_sums, take_rows, finish_speedscope, close_sums};

const etw_output_format etw_output_folded = {
    .name = "folded",
    .help = "stacks and their weights, for flamegraph.pl and others",
    .open = etw_output_open_plain,
    .close = etw_output_free,
    .event = render_event,
    .collector = &folded,
};

const etw_output_format etw_output_speedscope = {
    .name = "speedscope",
    .help = "stacks and their weights, a profile for each process",
    .open = etw_output_open_plain,
    .close = etw_output_free,
    .event = render_event,
    .collector = &speedscope,
};
