#include "format/event/sort.h"

#include "format/base/heap.h"
#include "format/event/batch.h"

#include <stdlib.h>

#define WRITE_BYTES ((size_t)256 << 10)

struct etw_spool {
    const etw_os *os;
    int file; /* < 0: not made yet */
    uint64_t size;
    bool (*is_stopped)(void *context); /* may be NULL */
    void *stop_context;
};

/* Where an item of the chunk that is being filled belongs. */
typedef struct key {
    int64_t time_100ns;
    uint32_t index; /* in the batch */
    bool is_loss;
} key;

/* In front of each staged record in the file. */
typedef struct entry {
    int64_t time_100ns;
    uint32_t size; /* of the staged record behind it: a multiple of 8 */
    uint32_t is_loss;
} entry;

/* A stretch of the file whose entries are in order, and the part of it that is in memory. */
typedef struct run {
    uint64_t at, end; /* what was not yet read */
    int64_t last_time_100ns;
    uint8_t *window;
    size_t capacity, size;
    size_t next; /* of the entry that comes next; size: none is left */
} run;

struct etw_sort {
    etw_source *source;
    etw_spool *spool;
    uint32_t chunk_events;
    etw_batch *batch; /* while the source is read */
    key *keys;
    int64_t time_100ns; /* of the last event read */
    etw_text out;       /* waits to be written */
    run *runs;          /* earlier ones hold what came earlier in the source */
    uint32_t run_count;
    etw_heap heap;
    bool is_filled;
    bool has_lent; /* the first run's next entry is the caller's */
    etw_event_record record;
    etw_loss loss;
    etw_status end; /* what the source said at its end */
    etw_error end_error;
};

/* The file. */

etw_spool *etw_spool_new(const etw_os *os)
{
    etw_spool *spool = malloc(sizeof *spool);
    if (spool != NULL) {
        *spool = (etw_spool){.os = os != NULL ? os : etw_os_default(), .file = -1};
    }
    return spool;
}

void etw_spool_free(etw_spool *spool)
{
    if (spool != NULL && spool->file >= 0) {
        (void)spool->os->close(spool->os->context, spool->file);
    }
    free(spool);
}

void etw_spool_stop_by(etw_spool *spool, bool (*is_stopped)(void *context), void *context)
{
    spool->is_stopped = is_stopped;
    spool->stop_context = context;
}

static bool is_stopped(const etw_spool *spool)
{
    return spool->is_stopped != NULL && spool->is_stopped(spool->stop_context);
}

static etw_status flush(etw_sort *sort, etw_error *error)
{
    etw_spool *spool = sort->spool;
    if (sort->out.failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to sort events");
    }
    if (spool->file < 0) {
        spool->file = spool->os->open_temporary(spool->os->context);
        if (spool->file < 0) {
            return etw_error_set_os(error, -spool->file, "a temporary file to sort events");
        }
    }
    const etw_status status =
        etw_os_write_full(spool->os, spool->file, sort->out.data, sort->out.size, NULL, error);
    spool->size += etw_failed(status) ? 0 : sort->out.size;
    etw_text_clear(&sort->out);
    return etw_failed(status) ? etw_error_wrap(error, status, "a temporary file to sort events")
                              : status;
}

/* Writing runs. */

/* A run that begins behind all that was written; there is room for one. */
static void begin_run(etw_sort *sort)
{
    const uint64_t at = sort->spool->size + sort->out.size;
    sort->runs[sort->run_count++] = (run){.at = at, .end = at};
}

static etw_status put_entry(etw_sort *sort, const entry *head, const void *staged, etw_error *error)
{
    run *to = &sort->runs[sort->run_count - 1];
    etw_text_append(&sort->out, (const char *)head, sizeof *head);
    etw_text_append(&sort->out, staged, head->size);
    to->end += sizeof *head + head->size;
    to->last_time_100ns = head->time_100ns;
    return sort->out.size < WRITE_BYTES ? ETW_OK : flush(sort, error);
}

static int compare_keys(const void *a, const void *b)
{
    const key *first = a, *second = b;
    if (first->time_100ns != second->time_100ns) {
        return first->time_100ns < second->time_100ns ? -1 : 1;
    }
    return first->index < second->index ? -1 : 1;
}

static etw_status merge_runs(etw_sort *sort, etw_error *error);

/* Writes the chunk: behind the last run where it goes on from there, else as a new one. */
static etw_status put_chunk(etw_sort *sort, etw_error *error)
{
    const etw_batch *batch = sort->batch;
    etw_status status = ETW_OK;
    if (batch->count == 0) {
        return ETW_OK;
    }
    qsort(sort->keys, batch->count, sizeof *sort->keys, compare_keys);
    const bool goes_on = sort->run_count > 0 && sort->runs[sort->run_count - 1].last_time_100ns <=
                                                    sort->keys[0].time_100ns;
    if (!goes_on && sort->run_count == ETW_SORT_MAX_RUNS) {
        status = merge_runs(sort, error);
    }
    if (!goes_on && !etw_failed(status)) {
        begin_run(sort);
    }
    for (uint32_t i = 0; i < batch->count && !etw_failed(status); i++) {
        const key *k = &sort->keys[i];
        const size_t end = k->index + 1 < batch->count ? batch->offsets[k->index + 1] : batch->size;
        const entry head = {k->time_100ns, (uint32_t)(end - batch->offsets[k->index]), k->is_loss};
        status = put_entry(sort, &head, batch->memory + batch->offsets[k->index], error);
    }
    etw_batch_clear(sort->batch);
    return status;
}

/* Reading runs. */

static const entry *next_of(const run *from)
{
    return (const entry *)(const void *)(from->window + from->next);
}

static etw_status read_window(const etw_sort *sort, run *from, size_t wanted, etw_error *error)
{
    const size_t kept = from->size - from->next;
    if (from->window != NULL) {
        memmove(from->window, from->window + from->next, kept);
    }
    from->next = 0;
    from->size = kept;
    if (wanted > from->capacity) {
        uint8_t *window = realloc(from->window, wanted);
        if (window == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to sort events");
        }
        from->window = window;
        from->capacity = wanted;
    }
    const uint64_t left = from->end - from->at;
    const size_t room = from->capacity - kept;
    const size_t size = left < room ? (size_t)left : room;
    size_t got;
    const etw_status status =
        etw_os_read_at_full(sort->spool->os, sort->spool->file,
                            (etw_room){from->window + kept, size}, from->at, &got, error);
    if (etw_failed(status) || got != size) {
        return etw_failed(status)
                   ? status
                   : etw_error_set(error, ETW_ERROR_IO, "a temporary file has lost its end");
    }
    from->at += size;
    from->size += size;
    return ETW_OK;
}

/* Has the whole of the next entry in the window, if there is one. */
static etw_status load_next(const etw_sort *sort, run *from, etw_error *error)
{
    size_t wanted = sizeof(entry);
    for (int part = 0; part < 2; part++) {
        const size_t left = from->size - from->next;
        if (left < wanted && left + (from->end - from->at) > 0) {
            const size_t window = wanted < ETW_SORT_WINDOW ? ETW_SORT_WINDOW : wanted;
            const etw_status status = read_window(sort, from, window, error);
            if (etw_failed(status)) {
                return status;
            }
        }
        if (from->size - from->next == 0) {
            return ETW_OK;
        }
        if (from->size - from->next < wanted || next_of(from)->size > ETW_BATCH_RECORD_ROOM) {
            return etw_error_set(error, ETW_ERROR_IO, "a temporary file was changed");
        }
        wanted += part == 0 ? next_of(from)->size : 0;
    }
    return ETW_OK;
}

static bool is_earlier(const void *context, uint32_t a, uint32_t b)
{
    const etw_sort *sort = context;
    const int64_t time_a = next_of(&sort->runs[a])->time_100ns;
    const int64_t time_b = next_of(&sort->runs[b])->time_100ns;
    return time_a != time_b ? time_a < time_b : a < b;
}

/* From all runs but the ones behind count. */
static etw_status begin_reading(etw_sort *sort, uint32_t count, etw_error *error)
{
    etw_status status = sort->out.size > 0 ? flush(sort, error) : ETW_OK;
    sort->heap.count = 0;
    for (uint32_t i = 0; i < count && !etw_failed(status); i++) {
        status = load_next(sort, &sort->runs[i], error);
        if (!etw_failed(status) && sort->runs[i].size > 0) {
            sort->heap.items[sort->heap.count++] = i;
        }
    }
    if (!etw_failed(status)) {
        etw_heap_build(&sort->heap);
    }
    return status;
}

static etw_status pass_first(etw_sort *sort, etw_error *error)
{
    run *first = &sort->runs[sort->heap.items[0]];
    first->next += sizeof(entry) + next_of(first)->size;
    const etw_status status = load_next(sort, first, error);
    if (etw_failed(status)) {
        return status;
    }
    if (first->next < first->size) {
        etw_heap_settle_first(&sort->heap);
    } else {
        free(first->window);
        first->window = NULL;
        first->capacity = first->size = first->next = 0;
        etw_heap_drop_first(&sort->heap);
    }
    return ETW_OK;
}

/* All runs become one, behind them in the file. There is room for one more. */
static etw_status merge_runs(etw_sort *sort, etw_error *error)
{
    const uint32_t count = sort->run_count;
    etw_status status = begin_reading(sort, count, error);
    begin_run(sort);
    while (!etw_failed(status) && sort->heap.count > 0) {
        const entry *head = next_of(&sort->runs[sort->heap.items[0]]);
        status = put_entry(sort, head, head + 1, error);
        if (!etw_failed(status)) {
            status = pass_first(sort, error);
        }
    }
    if (!etw_failed(status)) {
        sort->runs[0] = sort->runs[count];
        sort->run_count = 1;
    }
    return status;
}

/* Reading the source. */

/* A loss is staged as the data of a record of its own. */
static bool stage(etw_sort *sort, const etw_item *item)
{
    if (item->kind == ETW_ITEM_EVENT) {
        return etw_batch_append(sort->batch, item->record, item->trace_index, item->schema_id);
    }
    etw_loss loss = *item->loss;
    const etw_event_record record = {.UserData = &loss, .UserDataLength = sizeof loss};
    return etw_batch_append(sort->batch, &record, item->trace_index, 0);
}

static etw_status take(etw_sort *sort, const etw_item *item, etw_error *error)
{
    if (item->kind == ETW_ITEM_EVENT) {
        const etw_trace *trace = etw_source_trace(sort->source, item->trace_index);
        sort->time_100ns =
            etw_clock_to_filetime(&trace->clock, item->record->EventHeader.TimeStamp);
    }
    for (int attempt = 0; !stage(sort, item); attempt++) {
        const etw_status status =
            attempt == 0 ? put_chunk(sort, error)
                         : etw_error_set(error, ETW_ERROR_LIMIT, "an event too large to sort");
        if (etw_failed(status)) {
            return status;
        }
    }
    const uint32_t index = sort->batch->count - 1;
    sort->keys[index] = (key){sort->time_100ns, index, item->kind == ETW_ITEM_LOSS};
    return ETW_OK;
}

static etw_status fill(etw_sort *sort, etw_error *error)
{
    etw_item item;
    etw_status status = ETW_OK;
    sort->batch = etw_batch_new(ETW_BATCH_MAX_BYTES, sort->chunk_events);
    sort->keys = malloc(sort->chunk_events * sizeof *sort->keys);
    if (sort->batch == NULL || sort->keys == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to sort events");
    }
    while (!etw_failed(status)) {
        sort->end = is_stopped(sort->spool)
                        ? etw_error_set(&sort->end_error, ETW_ERROR_STOPPED,
                                        "interrupted while events were put in the order of time")
                        : etw_source_next(sort->source, &item, &sort->end_error);
        if (sort->end != ETW_OK) {
            break;
        }
        status = take(sort, &item, error);
    }
    if (!etw_failed(status)) {
        status = put_chunk(sort, error);
    }
    etw_batch_free(sort->batch);
    sort->batch = NULL;
    free(sort->keys);
    sort->keys = NULL;
    status = etw_failed(status) ? status : begin_reading(sort, sort->run_count, error);
    etw_text_free(&sort->out);
    return status;
}

/* The sorted source. */

etw_status etw_sort_open(etw_source *source, etw_spool *spool, uint32_t chunk_events,
                         etw_sort **sort, etw_error *error)
{
    etw_sort *opened = calloc(1, sizeof *opened);
    run *runs = calloc(ETW_SORT_MAX_RUNS + 1, sizeof *runs);
    uint32_t *heap = calloc(ETW_SORT_MAX_RUNS, sizeof *heap);
    *sort = opened;
    if (opened == NULL || runs == NULL || heap == NULL) {
        free(opened);
        free(runs);
        free(heap);
        *sort = NULL;
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to sort events");
    }
    opened->source = source;
    opened->spool = spool;
    opened->chunk_events = chunk_events != 0 ? chunk_events : ETW_BATCH_MAX_EVENTS;
    opened->runs = runs;
    opened->heap = (etw_heap){.items = heap, .is_before = is_earlier, .context = opened};
    opened->time_100ns = INT64_MIN;
    return ETW_OK;
}

static etw_status lend_first(etw_sort *sort, etw_item *item, etw_error *error)
{
    const run *first = &sort->runs[sort->heap.items[0]];
    const entry *head = next_of(first);
    etw_staged *staged = (etw_staged *)(void *)(first->window + first->next + sizeof *head);
    if (!etw_staged_moved(staged, head->size)) {
        return etw_error_set(error, ETW_ERROR_IO, "a temporary file was changed");
    }
    sort->has_lent = true;
    *item = (etw_item){.kind = head->is_loss ? ETW_ITEM_LOSS : ETW_ITEM_EVENT,
                       .trace_index = staged->trace_index,
                       .schema_id = staged->schema_id};
    if (!head->is_loss) {
        item->record = &staged->record;
    } else if (staged->record.UserDataLength == sizeof sort->loss) {
        memcpy(&sort->loss, staged->record.UserData, sizeof sort->loss);
        item->loss = &sort->loss;
    } else {
        return etw_error_set(error, ETW_ERROR_IO, "a temporary file was changed");
    }
    return ETW_OK;
}

etw_status etw_sort_next(etw_sort *sort, etw_item *item, etw_error *error)
{
    etw_status status = ETW_OK;
    if (!sort->is_filled) {
        status = fill(sort, error);
        sort->is_filled = true;
    }
    if (!etw_failed(status) && sort->has_lent) {
        sort->has_lent = false;
        status = pass_first(sort, error);
    }
    if (etw_failed(status)) {
        sort->heap.count = 0;
        return status;
    }
    if (sort->heap.count > 0) {
        return lend_first(sort, item, error);
    }
    if (sort->end != ETW_END && error != NULL) {
        *error = sort->end_error;
    }
    return sort->end;
}

void etw_sort_close(etw_sort *sort)
{
    if (sort == NULL) {
        return;
    }
    for (uint32_t i = 0; i < sort->run_count; i++) {
        free(sort->runs[i].window);
    }
    etw_batch_free(sort->batch);
    free(sort->keys);
    etw_text_free(&sort->out);
    free(sort->runs);
    free(sort->heap.items);
    free(sort);
}

etw_status etw_sort_check(etw_source *source, bool *is_sorted, etw_error *error)
{
    int64_t latest_100ns = INT64_MIN;
    etw_item item;
    etw_status status;
    *is_sorted = true;
    while (*is_sorted && (status = etw_source_next(source, &item, error)) != ETW_END) {
        if (etw_failed(status)) {
            return status;
        }
        if (item.kind == ETW_ITEM_EVENT) {
            const etw_clock *clock = &etw_source_trace(source, item.trace_index)->clock;
            const int64_t time_100ns =
                etw_clock_to_filetime(clock, item.record->EventHeader.TimeStamp);
            *is_sorted = time_100ns >= latest_100ns;
            latest_100ns = time_100ns;
        }
    }
    return ETW_OK;
}
