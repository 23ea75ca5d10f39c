/* A trace as a timeline: processes and threads with their names, pairs of start and stop as slices,
 * context switches as states of threads, numbers as counters, the rest as instants. */
#include "format/output/timeline/open_slices.h"

#include "format/base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_TRACKS     ((uint32_t)1 << 20) /* processes and threads that are told of */
#define MAX_PROCESSORS 2048u
#define STATE_READY    1u /* KTHREAD_STATE of who was preempted */

/* A process (thread_id UINT32_MAX) or a thread. */
typedef struct track_key {
    uint32_t process_id, thread_id;
} track_key;

typedef struct track {
    track_key key;
    bool has_name;
    etw_open_slice *top;
    bool is_out; /* of a processor, since: */
    int64_t out_since;
    uint8_t out_state;
} track;

typedef struct processor {
    bool is_known;
    track_key running;
    int64_t since;
} processor;

struct etw_collector {
    etw_collector_target target;
    const etw_timeline_writer *writer;
    etw_table tracks;
    etw_arena memory;
    uint32_t track_count;
    track *crowd; /* for all beyond MAX_TRACKS */
    etw_open_slices open;
    processor *processors;
    uint64_t lanes;
    uint64_t stops_alone, starts_alone;
    bool has_begun;
    int64_t first_100ns, last;
};

static void close_timeline(etw_collector *collector)
{
    if (collector != NULL) {
        etw_open_slices_free(&collector->open);
        etw_table_free(&collector->tracks);
        etw_arena_free(&collector->memory);
        free(collector->processors);
        free(collector);
    }
}

static etw_status open_timeline(const etw_timeline_writer *writer,
                                const etw_collector_target *target, etw_collector **collector,
                                etw_error *error)
{
    etw_collector *made = calloc(1, sizeof *made);
    *collector = made;
    if (made != NULL) {
        made->target = *target;
        made->writer = writer;
        made->processors = calloc(MAX_PROCESSORS, sizeof *made->processors);
    }
    if (made == NULL || made->processors == NULL) {
        close_timeline(made);
        *collector = NULL;
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a timeline");
    }
    return ETW_OK;
}

static etw_status open_chrome(const etw_output_options *options, const etw_collector_target *target,
                              etw_collector **collector, etw_error *error)
{
    (void)options;
    return open_timeline(&etw_timeline_chrome, target, collector, error);
}

static etw_status open_perfetto(const etw_output_options *options,
                                const etw_collector_target *target, etw_collector **collector,
                                etw_error *error)
{
    (void)options;
    return open_timeline(&etw_timeline_perfetto, target, collector, error);
}

/* Tracks. */

/* NULL where memory is out. *is_new: it is told of for the first time. */
static track *find_track(etw_collector *c, uint32_t process_id, uint32_t thread_id, bool *is_new)
{
    track_key key;
    memset(&key, 0, sizeof key);
    key.process_id = process_id;
    key.thread_id = thread_id;
    track *found = etw_table_get(&c->tracks, &key, sizeof key);
    *is_new = false;
    if (found != NULL || (c->track_count >= MAX_TRACKS && c->crowd != NULL)) {
        return found != NULL ? found : c->crowd;
    }
    found = etw_arena_alloc(&c->memory, sizeof *found);
    if (found == NULL) {
        return NULL;
    }
    memcpy(&found->key, &key, sizeof key);
    if (++c->track_count >= MAX_TRACKS) {
        c->crowd = found;
    }
    *is_new = true;
    return etw_table_set(&c->tracks, &found->key, sizeof found->key, found) ? found : NULL;
}

/* Tells of the row's process and thread, where that is news. NULL where memory is out. */
static track *tell_tracks(etw_collector *c, const etw_timeline_row *row, etw_text *out)
{
    bool is_new;
    track *process = find_track(c, row->process_id, UINT32_MAX, &is_new);
    if (process == NULL) {
        return NULL;
    }
    if (is_new || (!process->has_name && row->process.size > 0)) {
        char number[32];
        (void)snprintf(number, sizeof number, "process %u", row->process_id);
        const etw_bytes unnamed = {(const uint8_t *)number, strlen(number)};
        process->has_name = row->process.size > 0;
        c->writer->process(out, row->process_id, process->has_name ? row->process : unnamed);
    }
    track *thread = find_track(c, row->process_id, row->thread_id, &is_new);
    if (thread != NULL && is_new) {
        c->writer->thread(out, row->process_id, row->thread_id, (etw_bytes){NULL, 0});
    }
    return thread;
}

/* Rows. */

static etw_timeline_slice slice_of(const etw_collector *c, const etw_timeline_row *row)
{
    return (etw_timeline_slice){.first_100ns = c->first_100ns,
                                .start = row->time_100ns - c->first_100ns,
                                .end = row->time_100ns - c->first_100ns,
                                .process_id = row->process_id,
                                .thread_id = row->thread_id,
                                .name = row->name,
                                .category = row->category,
                                .args = row->args};
}

static void put_start(etw_collector *c, const etw_timeline_row *row, track *thread, etw_text *out)
{
    const etw_timeline_slice slice = slice_of(c, row);
    const bool is_repeated = row->is_single && etw_open_slices_find(&c->open, row->key) != NULL;
    if (is_repeated || !etw_open_slices_add(&c->open, row->key, &slice, &thread->top)) {
        c->starts_alone += is_repeated ? 0 : 1;
        c->writer->instant(out, &slice);
    }
    out->failed |= c->open.failed;
}

/* Within the others of its thread if it began last of those that are open. */
static void put_stop(etw_collector *c, const etw_timeline_row *row, const track *thread,
                     etw_text *out)
{
    etw_open_slice *open = etw_open_slices_find(&c->open, row->key);
    const etw_timeline_slice stop = slice_of(c, row);
    if (open == NULL) {
        c->stops_alone++;
        c->writer->instant(out, &stop);
        return;
    }
    etw_timeline_slice slice = open->slice;
    slice.end = stop.start > slice.start ? stop.start : slice.start;
    if (thread->top != open) {
        slice.lane = ++c->lanes;
    }
    c->writer->slice(out, &slice);
    etw_open_slices_remove(&c->open, open);
}

/* When a thread was in a state, and which processor told of it. */
typedef struct state_span {
    int64_t since, until;
    uint32_t processor;
} state_span;

static void put_state(const etw_collector *c, track_key who, state_span span, const char *name,
                      etw_text *out)
{
    static const char category[] = "scheduler";
    const etw_timeline_slice slice = {.first_100ns = c->first_100ns,
                                      .start = span.since,
                                      .end = span.until > span.since ? span.until : span.since,
                                      .process_id = who.process_id,
                                      .thread_id = who.thread_id,
                                      .name = {(const uint8_t *)name, strlen(name)},
                                      .category = {(const uint8_t *)category, sizeof category - 1}};
    c->writer->state(out, &slice, span.processor);
}

/* What ran on the processor until now, and what the thread did that runs from now on. */
static void put_states(etw_collector *c, const etw_timeline_row *row, track *thread, etw_text *out)
{
    processor *cpu = &c->processors[row->processor % MAX_PROCESSORS];
    const int64_t now = row->time_100ns - c->first_100ns;
    bool is_new;
    if (cpu->is_known && cpu->running.thread_id == row->old_thread && row->old_thread != 0) {
        track *old = find_track(c, cpu->running.process_id, cpu->running.thread_id, &is_new);
        put_state(c, cpu->running, (state_span){cpu->since, now, row->processor}, "Running", out);
        if (old != NULL) {
            old->is_out = true;
            old->out_since = now;
            old->out_state = row->old_state;
        }
    }
    if (thread->is_out && row->thread_id != 0) {
        put_state(c, thread->key, (state_span){thread->out_since, now, UINT32_MAX},
                  thread->out_state == STATE_READY ? "Runnable" : "Sleeping", out);
    }
    thread->is_out = false;
    *cpu =
        (processor){.is_known = true, .running = {row->process_id, row->thread_id}, .since = now};
}

static etw_status put_row(etw_collector *c, const etw_timeline_row *row, etw_text *out,
                          etw_error *error)
{
    if (!c->has_begun) {
        c->has_begun = true;
        c->first_100ns = row->time_100ns;
        c->writer->begin(out, c->first_100ns);
    }
    track *thread = tell_tracks(c, row, out);
    if (thread == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for threads");
    }
    const etw_timeline_slice slice = slice_of(c, row);
    switch ((etw_timeline_kind)row->kind) {
    case ETW_TIMELINE_START:
        put_start(c, row, thread, out);
        break;
    case ETW_TIMELINE_STOP:
        put_stop(c, row, thread, out);
        break;
    case ETW_TIMELINE_SWITCH:
        if (c->writer->context_switch != NULL) {
            c->writer->context_switch(out, &slice, row);
        } else {
            put_states(c, row, thread, out);
        }
        break;
    case ETW_TIMELINE_NAME:
        c->writer->thread(out, row->process_id, row->thread_id, row->name);
        break;
    case ETW_TIMELINE_COUNTER:
        c->writer->counter(out, &slice, row->value);
        break;
    case ETW_TIMELINE_INSTANT:
    default:
        c->writer->instant(out, &slice);
        break;
    }
    return ETW_OK;
}

static etw_status take_rows(etw_collector *collector, etw_bytes rows, etw_text *out,
                            etw_error *error)
{
    etw_timeline_row row;
    etw_status status = ETW_OK;
    while (!etw_failed(status) && etw_timeline_row_next(&rows, &row)) {
        status = put_row(collector, &row, out, error);
    }
    return status;
}

static void say_doubts(const etw_collector *c)
{
    if (c->target.note != NULL && c->stops_alone + c->starts_alone > 0) {
        char text[160];
        (void)snprintf(text, sizeof text,
                       "%llu starts without a stop and %llu stops without a start are instants",
                       (unsigned long long)c->starts_alone, (unsigned long long)c->stops_alone);
        c->target.note(c->target.note_context, text);
    }
}

static etw_status finish_timeline(etw_collector *c, etw_text *out, etw_error *error)
{
    uint32_t count;
    etw_open_slice **open = etw_open_slices_all(&c->open, &count);
    if (open == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a timeline");
    }
    if (!c->has_begun) {
        c->writer->begin(out, 0);
    }
    etw_status status = ETW_OK;
    c->starts_alone += count;
    for (uint32_t i = 0; !etw_failed(status) && i < count; i++) {
        etw_timeline_slice slice = open[i]->slice;
        slice.is_open = true;
        c->writer->instant(out, &slice);
        status = etw_collector_put(&c->target, out, error);
    }
    free(open);
    c->writer->end(out);
    say_doubts(c);
    return status;
}

/* The renderer's half. */

static void render_event(etw_output *output, const etw_event *event, etw_text *text)
{
    etw_timeline_row_append(&output->options, event, text);
}

static const etw_collector_kind chrome = {open_chrome, take_rows, finish_timeline, close_timeline};
static const etw_collector_kind perfetto = {open_perfetto, take_rows, finish_timeline,
                                            close_timeline};

const etw_output_format etw_output_chrome = {
    .name = "chrome",
    .help = "a timeline, as Chrome's trace events: for Perfetto and others",
    .open = etw_output_open_plain,
    .close = etw_output_free,
    .event = render_event,
    .collector = &chrome,
};

const etw_output_format etw_output_perfetto = {
    .name = "perfetto",
    .help = "a timeline, as Perfetto's own packets",
    .binary = true,
    .open = etw_output_open_plain,
    .close = etw_output_free,
    .event = render_event,
    .collector = &perfetto,
};
