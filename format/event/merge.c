#include "format/event/merge.h"

#include "format/base/heap.h"

#include <stdlib.h>

/* One input and the item it stands at. */
typedef struct input {
    etw_source *source;
    etw_item item;
    int64_t
        time_100ns;    /* the heap's key: of the item, or of the last event where a loss has none */
    uint16_t *indexes; /* [the source's trace index]: the merged index, or NO_INDEX */
    uint16_t index_count;
    bool failed; /* its next item is the loss below, and then nothing */
    etw_loss loss;
} input;

#define NO_INDEX UINT16_MAX
/* EVENT_TRACE_FILE_MODE_NEWFILE: when a file is full, the session starts another. */
#define MODE_NEWFILE 0x00000008u

/* Where a merged trace index leads. */
typedef struct origin {
    uint32_t input;
    uint16_t trace_index;
} origin;

typedef struct merge {
    etw_source base;
    input *inputs;
    uint32_t input_count;
    etw_heap heap; /* of inputs that have an item */
    bool started;
    uint32_t delivered; /* the input whose item is lent to the caller, or input_count */
    origin *origins;
    uint16_t origin_count;
    etw_loss loss;     /* the one lent to the caller, with the merged trace index */
    etw_error failure; /* of the first input that failed; status OK while none has */
} merge;

static bool is_earlier(const void *context, uint32_t a, uint32_t b)
{
    const merge *merged = context;
    const int64_t time_a = merged->inputs[a].time_100ns;
    const int64_t time_b = merged->inputs[b].time_100ns;
    return time_a != time_b ? time_a < time_b : a < b;
}

etw_status etw_merge_trace_index(etw_source *source, uint32_t input_index, uint16_t trace_index,
                                 uint16_t *merged_index, etw_error *error)
{
    merge *merged = (merge *)source;
    input *from = &merged->inputs[input_index];
    if (trace_index >= from->index_count) {
        const uint16_t wider = (uint16_t)(trace_index + 1);
        uint16_t *indexes = realloc(from->indexes, wider * sizeof *indexes);
        if (indexes == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for trace indexes");
        }
        for (uint16_t i = from->index_count; i < wider; i++) {
            indexes[i] = NO_INDEX;
        }
        from->indexes = indexes;
        from->index_count = wider;
    }
    uint16_t *index = &from->indexes[trace_index];
    if (*index == NO_INDEX) {
        if (merged->origin_count == ETW_MAX_TRACES) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u traces", ETW_MAX_TRACES);
        }
        merged->origins[merged->origin_count] = (origin){input_index, trace_index};
        *index = merged->origin_count++;
    }
    *merged_index = *index;
    return ETW_OK;
}

static etw_status map_trace(merge *merged, uint32_t input_index, etw_item *item, etw_error *error)
{
    if (item->trace_index >= etw_source_trace_count(merged->inputs[input_index].source)) {
        item->trace_index = 0; /* a loss before any trace was seen */
        return ETW_OK;
    }
    return etw_merge_trace_index(&merged->base, input_index, item->trace_index, &item->trace_index,
                                 error);
}

static int64_t item_time(const input *from)
{
    if (from->item.kind == ETW_ITEM_EVENT) {
        const etw_trace *trace = etw_source_trace(from->source, from->item.trace_index);
        return etw_clock_to_filetime(&trace->clock, from->item.record->EventHeader.TimeStamp);
    }
    return from->time_100ns;
}

static void become_failed(merge *merged, input *from, const etw_error *failure)
{
    if (merged->failure.status == ETW_OK) {
        merged->failure = *failure;
    }
    from->failed = true;
    from->loss = (etw_loss){.cause = ETW_LOSS_TRUNCATED, .events = ETW_LOSS_COUNT_UNKNOWN};
    etw_loss_set_detail(&from->loss, "%s", failure->message);
    from->item = (etw_item){.kind = ETW_ITEM_LOSS, .loss = &from->loss};
}

/* Moves an input to its next item; false where it has none. */
static bool advance(merge *merged, input *from)
{
    if (from->failed) {
        return false;
    }
    etw_error failure;
    etw_error_clear(&failure);
    const etw_status status = etw_source_next(from->source, &from->item, &failure);
    if (status == ETW_END) {
        return false;
    }
    if (status != ETW_OK) {
        become_failed(merged, from, &failure);
    }
    from->time_100ns = item_time(from);
    return true;
}

static void start(merge *merged)
{
    for (uint32_t i = 0; i < merged->input_count; i++) {
        if (advance(merged, &merged->inputs[i])) {
            merged->heap.items[merged->heap.count++] = i;
        }
    }
    etw_heap_build(&merged->heap);
    merged->started = true;
}

static void release_delivered(merge *merged)
{
    if (merged->delivered == merged->input_count) {
        return;
    }
    if (advance(merged, &merged->inputs[merged->delivered])) {
        etw_heap_settle_first(&merged->heap);
    } else {
        etw_heap_drop_first(&merged->heap);
    }
    merged->delivered = merged->input_count;
}

/* The trace of a source of one trace whose session starts new files; NULL: another. */
static const etw_trace *rotated_trace(const etw_source *source)
{
    const etw_trace *trace =
        etw_source_trace_count(source) == 1 ? etw_source_trace(source, 0) : NULL;
    return trace != NULL && (trace->log_file_mode & MODE_NEWFILE) != 0 ? trace : NULL;
}

/* A session's last file may not be closed. */
static bool ends_before(const etw_trace *a, const etw_trace *b)
{
    return a->end_time_100ns != 0 &&
           (b->end_time_100ns == 0 || a->end_time_100ns < b->end_time_100ns);
}

static bool is_same_session(const etw_trace *a, const etw_trace *b)
{
    return a->start_time_100ns == b->start_time_100ns &&
           strcmp(a->session_name, b->session_name) == 0;
}

/* The file of trace's session that it wrote last before that one; NULL: none is among the inputs.
 */
static const etw_trace *file_before(const merge *merged, const etw_trace *trace)
{
    const etw_trace *found = NULL;
    for (uint32_t i = 0; i < merged->input_count; i++) {
        const etw_trace *other = rotated_trace(merged->inputs[i].source);
        if (other != NULL && is_same_session(other, trace) && ends_before(other, trace) &&
            (found == NULL || ends_before(found, other))) {
            found = other;
        }
    }
    return found;
}

/* Of a rotated session's file: takes off what the file before has counted. Sources: in 58 files of
 * one session the count never fell, and all had one start time and session name. */
static void count_from_file_before(const merge *merged, const input *from, etw_loss *loss)
{
    const etw_trace *trace = rotated_trace(from->source);
    const etw_trace *before = trace == NULL ? NULL : file_before(merged, trace);
    if (before == NULL) {
        return;
    }
    const bool events = loss->cause == ETW_LOSS_ETW_EVENTS;
    const uint32_t counted = events ? before->events_lost : before->buffers_lost;
    const uint32_t since = loss->since_session_start;
    const uint32_t lost = since > counted ? since - counted : 0;
    loss->since_session_start = 0;
    loss->from_time_100ns = before->end_time_100ns;
    if (events || lost == 0) {
        loss->events = lost;
    }
    loss->buffers = events ? 0 : lost;
    etw_loss_set_detail(loss, "the log-file header's %s: %u, less the %u up to the end of %s",
                        events ? "EventsLost" : "BuffersLost", since, counted, before->source_path);
}

static etw_status merge_next(etw_source *source, etw_item *item, etw_error *error)
{
    merge *merged = (merge *)source;
    if (!merged->started) {
        start(merged);
    }
    release_delivered(merged);
    if (merged->heap.count == 0) {
        if (merged->failure.status == ETW_OK) {
            return ETW_END;
        }
        if (error != NULL) {
            *error = merged->failure;
        }
        return merged->failure.status;
    }
    merged->delivered = merged->heap.items[0];
    *item = merged->inputs[merged->delivered].item;
    const etw_status status = map_trace(merged, merged->delivered, item, error);
    if (item->kind == ETW_ITEM_LOSS) {
        merged->loss = *item->loss;
        merged->loss.trace_index = item->trace_index;
        if (merged->loss.since_session_start != 0) {
            count_from_file_before(merged, &merged->inputs[merged->delivered], &merged->loss);
        }
        item->loss = &merged->loss;
    }
    return status;
}

static const etw_trace *merge_trace(const etw_source *source, uint16_t trace_index)
{
    const merge *merged = (const merge *)source;
    const origin from = merged->origins[trace_index];
    return etw_source_trace(merged->inputs[from.input].source, from.trace_index);
}

static uint16_t merge_trace_count(const etw_source *source)
{
    return ((const merge *)source)->origin_count;
}

static void merge_close(etw_source *source)
{
    merge *merged = (merge *)source;
    for (uint32_t i = 0; i < merged->input_count; i++) {
        etw_source_close(merged->inputs[i].source);
        free(merged->inputs[i].indexes);
    }
    free(merged->inputs);
    free(merged->heap.items);
    free(merged->origins);
    free(merged);
}

etw_status etw_merge_open(etw_source *const *sources, uint32_t count, etw_source **merged_source,
                          etw_error *error)
{
    static const etw_source_ops ops = {merge_next, merge_trace, merge_trace_count, merge_close};
    merge *merged = calloc(1, sizeof *merged);
    input *inputs = calloc(count, sizeof *inputs);
    uint32_t *heap = calloc(count, sizeof *heap);
    origin *origins = calloc(ETW_MAX_TRACES, sizeof *origins);
    if (count == 0 || count > ETW_MAX_TRACES || merged == NULL || inputs == NULL || heap == NULL ||
        origins == NULL) {
        for (uint32_t i = 0; i < count; i++) {
            etw_source_close(sources[i]);
        }
        free(merged);
        free(inputs);
        free(heap);
        free(origins);
        if (count == 0 || count > ETW_MAX_TRACES) {
            return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "%u sources; 1 to %u can merge",
                                 count, ETW_MAX_TRACES);
        }
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for %u sources", count);
    }
    for (uint32_t i = 0; i < count; i++) {
        inputs[i].source = sources[i];
    }
    merged->base.ops = &ops;
    merged->inputs = inputs;
    merged->input_count = count;
    merged->heap = (etw_heap){.items = heap, .is_before = is_earlier, .context = merged};
    merged->delivered = count;
    merged->origins = origins;
    *merged_source = &merged->base;
    return ETW_OK;
}
