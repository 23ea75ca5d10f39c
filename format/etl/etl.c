#include "format/etl/etl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/etl/buffer_chain.h"
#include "format/etl/buffer_run.h"
#include "format/etl/buffer_table.h"

#define MODE_CIRCULAR   0x00000002u
#define MODE_COMPRESSED 0x04000000u
/* Opening one buffer, or one step in it, reports this many losses at most. */
#define MAX_QUEUED_LOSSES 8u
#define COPY_PIECE        ((size_t)64 << 10)
/* Between two calls of progress. */
#define PROGRESS_BYTES ((uint64_t)4 << 20)

/* The class of metadata events, and the id of events that carry an EventSource's manifest. */
static const etw_guid metadata_class = {
    0xbbccf6c1, 0x6cd1, 0x48c4, {0x80, 0xff, 0x83, 0x94, 0x82, 0xe3, 0x76, 0x71}};
#define MANIFEST_EVENT_ID 0xFFFEu

/* A run that is being merged, by its next record. */
typedef struct merge_entry {
    int64_t ticks;
    uint64_t offset;
    etw_run *run;
} merge_entry;

typedef struct window {
    uint8_t *memory;
    etw_run *owner; /* NULL: free */
} window;

typedef struct etl_source {
    etw_source base;
    const etw_os *os;
    int file;
    etw_run_input input;
    etw_chain chain;
    etw_buffer_table table;
    etw_trace trace;
    etw_etl_statistics statistics;
    /* The log-file header event's record, delivered first; NULL where it cannot be read. */
    uint8_t *header_record;
    etw_frame header_frame;
    etw_buffer_context header_context;
    uint16_t header_flags;
    bool header_delivered;
    bool end_checked;
    /* A heap: the run with the earliest record is the first. */
    merge_entry *merge;
    size_t merge_count;
    size_t merge_capacity;
    /* The first run goes on while its next record is before this: no other's can be. */
    int64_t limit_ticks;
    uint64_t limit_offset;
    bool lent; /* the first run's record was delivered and is to be passed */
    window windows[ETW_ETL_MAX_WINDOWS];
    size_t window_count;
    etw_loss losses[MAX_QUEUED_LOSSES];
    size_t loss_count;
    size_t loss_at;
    uint32_t damaged_number; /* the buffer whose damage was counted last, + 1 */
    etw_event_record record;
    etw_extended_data_item items[ETW_MAX_RECORD_ITEMS];
} etl_source;

/* ---- losses ---------------------------------------------------------------------------------- */

static etw_loss *queue_loss(etl_source *self, etw_loss_cause cause, int64_t ticks)
{
    /* the callers' counts keep this in range; were one wrong, the last place would be used again */
    const size_t at =
        self->loss_count < MAX_QUEUED_LOSSES ? self->loss_count++ : MAX_QUEUED_LOSSES - 1;
    etw_loss *loss = &self->losses[at];
    memset(loss, 0, sizeof *loss);
    loss->cause = (uint32_t)cause;
    if (ticks != INT64_MIN) {
        loss->from_time_100ns = etw_clock_to_filetime(&self->trace.clock, ticks);
        loss->to_time_100ns = loss->from_time_100ns;
    }
    return loss;
}

static void count_damage(etl_source *self, uint32_t number)
{
    if (self->damaged_number != number + 1) {
        self->damaged_number = number + 1;
        self->statistics.damaged_buffers++;
    }
}

static etw_loss *queue_damage(etl_source *self, etw_loss_cause cause, int64_t ticks,
                              uint64_t events, uint64_t bytes, uint32_t number)
{
    etw_loss *loss = queue_loss(self, cause, ticks);
    loss->events = events;
    loss->bytes = bytes;
    count_damage(self, number);
    return loss;
}

static void queue_run_damage(etl_source *self, const etw_run *run, const etw_run_damage *damage)
{
    const etw_loss_cause cause = damage->cut ? ETW_LOSS_TRUNCATED : ETW_LOSS_DAMAGE;
    etw_loss *loss = queue_damage(self, cause, run->last_ticks, ETW_LOSS_COUNT_UNKNOWN,
                                  damage->bytes, run->number);
    (void)snprintf(loss->detail, sizeof loss->detail,
                   "buffer %u at 0x%llx: at 0x%x: %s; %u bytes passed over", run->number,
                   (unsigned long long)run->offset, damage->at, damage->problem, damage->bytes);
}

static void queue_record_problem(etl_source *self, const etw_run *run, const char *problem)
{
    etw_loss *loss = queue_damage(self, ETW_LOSS_DAMAGE, run->frame.ticks, 0, 0, run->number);
    (void)snprintf(loss->detail, sizeof loss->detail,
                   "buffer %u at 0x%llx: the event at 0x%x: %s; the rest is its user data",
                   run->number, (unsigned long long)run->offset, run->at, problem);
}

/* What the flags of a buffer tell of the time before it. */
static void queue_flag_losses(etl_source *self, const etw_buffer_entry *entry, uint16_t flags)
{
    static const struct {
        uint16_t flag;
        etw_loss_cause cause;
        const char *text;
    } kinds[] = {
        {ETW_BUFFER_EVENTS_LOST, ETW_LOSS_ETW_EVENTS, "events were lost before it"},
        {ETW_BUFFER_BUFFER_LOST, ETW_LOSS_ETW_BUFFERS, "a buffer was lost before it"},
        {ETW_BUFFER_BACKUP_CORRUPT, ETW_LOSS_REALTIME_BUFFERS, "the real-time backup was corrupt"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if ((flags & kinds[i].flag) == 0) {
            continue;
        }
        etw_loss *loss = queue_loss(self, kinds[i].cause, entry->first_ticks);
        const bool counted =
            (kinds[i].cause == ETW_LOSS_ETW_EVENTS && self->trace.events_lost != 0) ||
            (kinds[i].cause == ETW_LOSS_ETW_BUFFERS && self->trace.buffers_lost != 0);
        loss->events = counted ? 0 : ETW_LOSS_COUNT_UNKNOWN;
        (void)snprintf(loss->detail, sizeof loss->detail, "buffer %u at 0x%llx: %s%s",
                       entry->number, (unsigned long long)entry->offset, kinds[i].text,
                       counted ? " (counted in the log-file header's figure)" : "");
    }
}

/* The counts of the log-file header are of the whole trace. */
static void queue_header_losses(etl_source *self)
{
    const etw_trace *trace = &self->trace;
    if (trace->events_lost != 0) {
        etw_loss *loss = queue_loss(self, ETW_LOSS_ETW_EVENTS, INT64_MIN);
        loss->events = trace->events_lost;
        loss->from_time_100ns = trace->start_time_100ns;
        loss->to_time_100ns = trace->end_time_100ns;
        (void)snprintf(loss->detail, sizeof loss->detail, "the log-file header's EventsLost");
    }
    if (trace->buffers_lost != 0) {
        etw_loss *loss = queue_loss(self, ETW_LOSS_ETW_BUFFERS, INT64_MIN);
        loss->events = ETW_LOSS_COUNT_UNKNOWN;
        loss->buffers = trace->buffers_lost;
        loss->from_time_100ns = trace->start_time_100ns;
        loss->to_time_100ns = trace->end_time_100ns;
        (void)snprintf(loss->detail, sizeof loss->detail, "the log-file header's BuffersLost");
    }
}

/* A file cut between two buffers shows only in the count of buffers; a circular one's counts those
 * that were overwritten, too. */
static void queue_missing_buffers(etl_source *self)
{
    const uint64_t written = self->trace.buffers_written;
    if ((self->trace.log_file_mode & MODE_CIRCULAR) != 0 || written <= self->chain.number ||
        self->trace.end_time_100ns == 0) {
        return;
    }
    etw_loss *loss = queue_loss(self, ETW_LOSS_TRUNCATED, INT64_MIN);
    loss->events = ETW_LOSS_COUNT_UNKNOWN;
    loss->buffers = written - self->chain.number;
    (void)snprintf(loss->detail, sizeof loss->detail,
                   "the log-file header counts %llu buffers, the file holds %u",
                   (unsigned long long)written, self->chain.number);
}

/* ---- windows --------------------------------------------------------------------------------- */

static void put_window(etl_source *self, etw_run *run)
{
    for (size_t i = 0; i < self->window_count; i++) {
        if (self->windows[i].owner == run) {
            self->windows[i].owner = NULL;
        }
    }
    etw_run_unload(run);
}

/* A free window; else, when there may be no more, the one whose run needs it last. */
static window *find_window(etl_source *self)
{
    window *found = NULL;
    for (size_t i = 0; i < self->window_count; i++) {
        window *at = &self->windows[i];
        if (at->owner == NULL) {
            return at;
        }
        if (found == NULL || at->owner->frame.ticks > found->owner->frame.ticks) {
            found = at;
        }
    }
    if (self->window_count < ETW_ETL_MAX_WINDOWS) {
        window *added = &self->windows[self->window_count];
        added->memory = malloc(ETW_RUN_WINDOW);
        if (added->memory != NULL) {
            self->window_count++;
            return added;
        }
    }
    return found;
}

static etw_status get_window(etl_source *self, etw_run *run, etw_error *error)
{
    window *found = find_window(self);
    if (found == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "a window of %u bytes", ETW_RUN_WINDOW);
    }
    if (found->owner != NULL) {
        found->owner->restarts += found->owner->compressed;
        etw_run_unload(found->owner);
    }
    found->owner = run;
    run->window = found->memory;
    return ETW_OK;
}

/* ---- the merge ------------------------------------------------------------------------------- */

static bool is_before(const merge_entry *a, const merge_entry *b)
{
    return a->ticks != b->ticks ? a->ticks < b->ticks : a->offset < b->offset;
}

static void sift_down(etl_source *self)
{
    merge_entry *merge = self->merge;
    const merge_entry moved = merge[0];
    size_t at = 0;
    for (size_t child = 1; child < self->merge_count; child = 2 * at + 1) {
        if (child + 1 < self->merge_count && is_before(&merge[child + 1], &merge[child])) {
            child++;
        }
        if (!is_before(&merge[child], &moved)) {
            break;
        }
        merge[at] = merge[child];
        at = child;
    }
    merge[at] = moved;
}

static etw_status push(etl_source *self, etw_run *run, etw_error *error)
{
    if (self->merge_count == self->merge_capacity) {
        const size_t capacity = self->merge_capacity == 0 ? 64 : 2 * self->merge_capacity;
        merge_entry *merge = realloc(self->merge, capacity * sizeof *merge);
        if (merge == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "%zu overlapping buffers", capacity);
        }
        self->merge = merge;
        self->merge_capacity = capacity;
    }
    const merge_entry added = {run->frame.ticks, run->offset, run};
    size_t at = self->merge_count++;
    while (at != 0 && is_before(&added, &self->merge[(at - 1) / 2])) {
        self->merge[at] = self->merge[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    self->merge[at] = added;
    return ETW_OK;
}

static void drop_first(etl_source *self)
{
    etw_run *run = self->merge[0].run;
    put_window(self, run);
    free(run);
    self->merge[0] = self->merge[--self->merge_count];
    if (self->merge_count > 1) {
        sift_down(self);
    }
}

/* The earliest of what is not the first run: its two children in the heap, and the next buffer. */
static void find_limit(etl_source *self)
{
    merge_entry limit = {INT64_MAX, UINT64_MAX, NULL};
    for (size_t i = 1; i <= 2 && i < self->merge_count; i++) {
        if (is_before(&self->merge[i], &limit)) {
            limit = self->merge[i];
        }
    }
    const etw_buffer_entry *next = etw_buffer_table_peek(&self->table);
    if (next != NULL) {
        const merge_entry pending = {next->first_ticks, next->offset, NULL};
        if (is_before(&pending, &limit)) {
            limit = pending;
        }
    }
    self->limit_ticks = limit.ticks;
    self->limit_offset = limit.offset;
}

/* Finds the record at the run's place; damage is queued, and the run to be looked at again. */
static etw_run_step locate(etl_source *self, etw_run *run, etw_error *error)
{
    etw_run_damage damage;
    const etw_run_step step = etw_run_locate(run, &self->input, &damage, error);
    if (step == ETW_RUN_DAMAGE) {
        queue_run_damage(self, run, &damage);
        run->frame.ticks = run->last_ticks; /* comes next, before what others have */
        run->frame.size = 0;
    }
    return step;
}

/* ---- buffers --------------------------------------------------------------------------------- */

/* The header of an entry that has one, made usable where it is not. */
static etw_status read_header(etl_source *self, const etw_buffer_entry *entry,
                              etw_buffer_header *header, etw_error *error)
{
    uint8_t bytes[ETW_BUFFER_HEADER_SIZE] = {0};
    size_t got;
    const etw_status status =
        etw_os_read_at_full(self->os, self->file, bytes, sizeof bytes, entry->offset, &got, error);
    *header = etw_buffer_header_read(bytes);
    if (entry->kind == ETW_BUFFER_KIND_NO_HEADER) {
        header->used_size = (uint32_t)entry->size;
        header->flags &= ETW_BUFFER_PROCESSOR_INDEX;
    }
    return status;
}

static bool has_records(const etl_source *self, const etw_buffer_entry *entry)
{
    switch (entry->kind) {
    case ETW_BUFFER_KIND_ZEROS:
    case ETW_BUFFER_KIND_TAIL:
        return false;
    case ETW_BUFFER_KIND_NO_HEADER: /* where buffers have one size, its records are where they
                                     * should be
                                     */
        return self->chain.step != 1 && entry->size > ETW_BUFFER_HEADER_SIZE;
    default:
        return true;
    }
}

static void queue_entry_damage(etl_source *self, const etw_buffer_entry *entry)
{
    const bool kept = has_records(self, entry);
    const char *text = NULL;
    etw_loss_cause cause = ETW_LOSS_DAMAGE;
    switch (entry->kind) {
    case ETW_BUFFER_KIND_WRONG_SIZE:
        text = "its size is wrong; it ends where the next one starts";
        break;
    case ETW_BUFFER_KIND_NO_HEADER:
        text = kept ? "its header is damaged; its records are read as far as they go"
                    : "no buffer header";
        break;
    case ETW_BUFFER_KIND_ZEROS:
        text = "zeros where a buffer should be";
        break;
    case ETW_BUFFER_KIND_TAIL:
        text = "the file ends in its header";
        cause = ETW_LOSS_TRUNCATED;
        break;
    default:
        return;
    }
    etw_loss *loss =
        queue_damage(self, cause, entry->first_ticks, kept ? 0 : ETW_LOSS_COUNT_UNKNOWN,
                     kept ? 0 : entry->size, entry->number);
    loss->buffers = kept ? 0 : 1;
    (void)snprintf(loss->detail, sizeof loss->detail, "buffer %u at 0x%llx: %s", entry->number,
                   (unsigned long long)entry->offset, text);
}

/* In the first buffer, behind the log-file header event, which is delivered by itself. */
static void skip_header_event(const etl_source *self, etw_run *run)
{
    if (run->number == 0 && self->header_record != NULL) {
        run->at += etw_record_span(self->header_frame.size);
        run->window_begin = run->compressed ? run->window_begin : run->at;
        run->window_end = run->window_begin;
    }
}

static void queue_too_many(etl_source *self, const etw_buffer_entry *entry)
{
    etw_loss *loss = queue_loss(self, ETW_LOSS_LIMIT, entry->first_ticks);
    loss->events = ETW_LOSS_COUNT_UNKNOWN;
    loss->buffers = 1;
    loss->bytes = entry->size;
    (void)snprintf(loss->detail, sizeof loss->detail,
                   "buffer %u at 0x%llx: more than %u buffers overlap in time", entry->number,
                   (unsigned long long)entry->offset, ETW_ETL_MAX_RUNS);
}

/* Adds a run whose first record is not before that of any other. */
static etw_status start_run(etl_source *self, const etw_buffer_entry *entry,
                            const etw_buffer_header *header, etw_error *error)
{
    if (self->merge_count == ETW_ETL_MAX_RUNS) {
        queue_too_many(self, entry);
        return ETW_OK;
    }
    etw_run *run = malloc(sizeof *run);
    if (run == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "%zu overlapping buffers",
                             self->merge_count);
    }
    etw_run_start(run, entry, header);
    skip_header_event(self, run);
    run->frame.ticks = entry->first_ticks;
    run->frame.size = 0;
    const etw_status status = push(self, run, error);
    if (status != ETW_OK) {
        free(run);
    }
    return status;
}

/* Takes the table's next entry into the merge. */
static etw_status take_entry(etl_source *self, etw_error *error)
{
    const etw_buffer_entry entry = *etw_buffer_table_peek(&self->table);
    etw_status status = etw_buffer_table_pop(&self->table, error);
    queue_entry_damage(self, &entry);
    if (status != ETW_OK || !has_records(self, &entry)) {
        return status;
    }
    etw_buffer_header header;
    status = read_header(self, &entry, &header, error);
    if (status != ETW_OK) {
        return status;
    }
    queue_flag_losses(self, &entry, header.flags);
    return start_run(self, &entry, &header, error);
}

/* Gives up a compressed run that lost its window too often. */
static void give_up_first(etl_source *self)
{
    etw_run *run = self->merge[0].run;
    etw_loss *loss = queue_loss(self, ETW_LOSS_LIMIT, run->frame.ticks);
    loss->events = ETW_LOSS_COUNT_UNKNOWN;
    loss->bytes = run->used_size > run->at ? run->used_size - run->at : 0;
    (void)snprintf(loss->detail, sizeof loss->detail,
                   "buffer %u at 0x%llx: at 0x%x: unpacked from its start %u times, as more than "
                   "%u buffers overlap in time",
                   run->number, (unsigned long long)run->offset, run->at, run->restarts,
                   ETW_ETL_MAX_WINDOWS);
    drop_first(self);
}

/* One step towards the first run's next record (frame.size 0: not found yet), whatever that takes.
 * Afterwards another run may be the first. */
static etw_status prepare_first(etl_source *self, etw_error *error)
{
    etw_run *run = self->merge[0].run;
    if (run->window == NULL) {
        if (run->restarts > ETW_ETL_MAX_RESTARTS) {
            give_up_first(self);
            return ETW_OK;
        }
        const etw_status status = get_window(self, run, error);
        if (status != ETW_OK) {
            return status;
        }
    }
    const etw_run_step step = locate(self, run, error);
    if (step == ETW_RUN_FAILED) {
        return error == NULL ? ETW_ERROR_IO : error->status;
    }
    if (step == ETW_RUN_END) {
        drop_first(self);
        return ETW_OK;
    }
    self->merge[0].ticks = run->frame.ticks;
    sift_down(self);
    return ETW_OK;
}

/* Passes the record that was delivered last. True: the same run's next record comes next, too. */
static bool pass_quick(etl_source *self)
{
    merge_entry *first = &self->merge[0];
    etw_run *run = first->run;
    etw_run_pass(run);
    if (!etw_run_locate_quick(run)) {
        run->frame.size = 0; /* prepare_first looks closer */
        return false;
    }
    first->ticks = run->frame.ticks;
    if (first->ticks < self->limit_ticks ||
        (first->ticks == self->limit_ticks && first->offset < self->limit_offset)) {
        return true;
    }
    sift_down(self);
    return false;
}

/* ---- delivery -------------------------------------------------------------------------------- */

static void deliver(etl_source *self, const etw_frame *frame, etw_item *item)
{
    self->statistics.records++;
    self->statistics.records_by_type[frame->type]++;
    self->statistics.expanded_bytes += frame->size;
    item->kind = ETW_ITEM_EVENT;
    item->trace_index = 0;
    item->schema_id = 0;
    item->record = &self->record;
    item->loss = NULL;
}

static void deliver_run(etl_source *self, etw_item *item)
{
    const etw_run *run = self->merge[0].run;
    const char *problem = etw_trace_record_build(etw_run_record(run), &run->frame, run->context,
                                                 run->extra_flags, self->items, &self->record);
    if (problem != NULL) {
        queue_record_problem(self, run, problem);
    }
    self->lent = true;
    deliver(self, &run->frame, item);
}

static void deliver_header(etl_source *self, etw_item *item)
{
    (void)etw_trace_record_build(self->header_record, &self->header_frame, self->header_context,
                                 self->header_flags, self->items, &self->record);
    queue_header_losses(self);
    deliver(self, &self->header_frame, item);
}

static void deliver_loss(etl_source *self, etw_item *item)
{
    memset(item, 0, sizeof *item);
    item->kind = ETW_ITEM_LOSS;
    item->loss = &self->losses[self->loss_at++];
    if (self->loss_at == self->loss_count) {
        self->loss_at = 0;
        self->loss_count = 0;
    }
}

/* Whether the table's next entry starts no later than all that is being merged. */
static bool is_entry_due(const etl_source *self)
{
    const etw_buffer_entry *next = etw_buffer_table_peek(&self->table);
    if (next == NULL || self->merge_count == 0) {
        return next != NULL;
    }
    const merge_entry pending = {next->first_ticks, next->offset, NULL};
    return is_before(&pending, &self->merge[0]);
}

static etw_status next_slow(etl_source *self, etw_item *item, etw_error *error)
{
    for (;;) {
        etw_status status = ETW_OK;
        if (self->loss_at < self->loss_count) {
            deliver_loss(self, item);
            return ETW_OK;
        }
        if (is_entry_due(self)) {
            status = take_entry(self, error);
        } else if (self->merge_count == 0) {
            if (self->end_checked) {
                return ETW_END;
            }
            self->end_checked = true;
            queue_missing_buffers(self);
        } else if (self->merge[0].run->frame.size == 0 || self->merge[0].run->window == NULL) {
            status = prepare_first(self, error);
        } else {
            find_limit(self);
            deliver_run(self, item);
            return ETW_OK;
        }
        if (status != ETW_OK) {
            return status;
        }
    }
}

static etw_status etl_next(etw_source *source, etw_item *item, etw_error *error)
{
    etl_source *self = (etl_source *)source;
    if (self->lent) {
        self->lent = false;
        if (pass_quick(self) && self->loss_count == 0) {
            deliver_run(self, item);
            return ETW_OK;
        }
    } else if (self->header_record != NULL && !self->header_delivered) {
        self->header_delivered = true;
        deliver_header(self, item);
        return ETW_OK;
    }
    return next_slow(self, item, error);
}

static const etw_trace *etl_trace(const etw_source *source, uint16_t trace_index)
{
    (void)trace_index;
    return &((const etl_source *)source)->trace;
}

static uint16_t etl_trace_count(const etw_source *source)
{
    (void)source;
    return 1;
}

static void etl_close(etw_source *source)
{
    etl_source *self = (etl_source *)source;
    while (self->merge_count != 0) {
        etw_run *run = self->merge[--self->merge_count].run;
        put_window(self, run);
        free(run);
    }
    while (self->window_count != 0) {
        free(self->windows[--self->window_count].memory);
    }
    etw_buffer_table_free(&self->table);
    free(self->merge);
    free(self->header_record);
    free(self->input.scratch);
    free(self->chain.ahead);
    if (self->file >= 0) {
        (void)self->os->close(self->os->context, self->file);
    }
    free(self);
}

const etw_etl_statistics *etw_etl_statistics_of(const etw_source *source)
{
    return &((const etl_source *)source)->statistics;
}

/* ---- the first pass -------------------------------------------------------------------------- */

/* For the scan: whether a record can carry schemas; reads no more than its header. */
static bool carries_schemas(const uint8_t *at, const etw_frame *frame)
{
    switch (frame->type) {
    case ETW_TYPE_EVENT32:
    case ETW_TYPE_EVENT64:
        return etw_load_u16(at + 40) == MANIFEST_EVENT_ID;
    case ETW_TYPE_FULL32:
    case ETW_TYPE_FULL64:
        return memcmp(at + 24, &metadata_class, sizeof metadata_class) == 0;
    default:
        return false;
    }
}

/* Hands the records of a loaded run to the scan, in their order; *ticks becomes the first one's. */
static etw_status scan_run(etl_source *self, etw_run *run, const etw_etl_options *options,
                           int64_t *ticks, etw_error *error)
{
    for (;;) {
        etw_run_damage damage;
        const etw_run_step step = etw_run_locate_quick(run)
                                      ? ETW_RUN_RECORD
                                      : etw_run_locate(run, &self->input, &damage, error);
        if (step == ETW_RUN_END) {
            return ETW_OK;
        }
        if (step == ETW_RUN_FAILED) {
            return error == NULL ? ETW_ERROR_IO : error->status;
        }
        if (step == ETW_RUN_DAMAGE) {
            continue; /* it is reported where the records are delivered */
        }
        if (*ticks == INT64_MIN) {
            *ticks = run->frame.ticks;
        }
        const uint8_t *at = etw_run_record(run);
        if (!options->scan_schemas_only || carries_schemas(at, &run->frame)) {
            (void)etw_trace_record_build(at, &run->frame, run->context, run->extra_flags,
                                         self->items, &self->record);
            const etw_status status =
                options->scan(options->scan_context, &self->record, &self->trace, error);
            if (status != ETW_OK) {
                return status;
            }
        }
        etw_run_pass(run);
    }
}

/* The usual case: the first record of a plain buffer, in what was read of its header. */
static bool first_ticks_quick(etl_source *self, const etw_run *run, int64_t *ticks)
{
    etw_bytes bytes;
    etw_frame frame;
    if (run->compressed || run->limit < run->at + ETW_FRAME_BYTES ||
        etw_chain_peek(&self->chain, run->offset + run->at, ETW_FRAME_BYTES, &bytes, NULL) !=
            ETW_OK ||
        etw_frame_read(bytes.data, bytes.size, &frame) != ETW_FRAME_RECORD) {
        return false;
    }
    *ticks = frame.ticks;
    return frame.ticks != INT64_MIN;
}

/* Sets entry->first_ticks, INT64_MIN where the buffer has none, and scans it where that is wanted.
 */
static etw_status visit_buffer(etl_source *self, etw_buffer_entry *entry,
                               const etw_buffer_header *header, const etw_etl_options *options,
                               etw_error *error)
{
    etw_run run;
    etw_run_start(&run, entry, header);
    skip_header_event(self, &run);
    if (options->scan == NULL && first_ticks_quick(self, &run, &entry->first_ticks)) {
        return ETW_OK;
    }
    etw_status status = get_window(self, &run, error);
    if (status != ETW_OK) {
        return status;
    }
    if (options->scan != NULL) {
        status = scan_run(self, &run, options, &entry->first_ticks, error);
    } else if (etw_run_first_ticks(&run, &self->input, &entry->first_ticks, error) ==
               ETW_RUN_FAILED) {
        status = error == NULL ? ETW_ERROR_IO : error->status;
    }
    put_window(self, &run);
    return status;
}

/* A table entry is needed for what holds records, damage or flags; others are empty buffers. */
static bool is_worth_keeping(const etw_buffer_entry *entry, const etw_buffer_header *header)
{
    const uint16_t lost =
        ETW_BUFFER_EVENTS_LOST | ETW_BUFFER_BUFFER_LOST | ETW_BUFFER_BACKUP_CORRUPT;
    return entry->kind != ETW_BUFFER_KIND_WHOLE || header->used_size > ETW_BUFFER_HEADER_SIZE ||
           (header->flags & lost) != 0;
}

static etw_status visit_entry(etl_source *self, etw_buffer_entry *entry, etw_buffer_header *header,
                              const etw_etl_options *options, int64_t *ticks, etw_error *error)
{
    etw_status status = ETW_OK;
    if (has_records(self, entry)) {
        self->statistics.buffers++;
        if (entry->kind == ETW_BUFFER_KIND_NO_HEADER) {
            status = read_header(self, entry, header, error);
        }
        self->statistics.compressed_buffers += (header->flags & ETW_BUFFER_COMPRESSED) != 0;
        if (status == ETW_OK) {
            status = visit_buffer(self, entry, header, options, error);
        }
    }
    if (entry->first_ticks == INT64_MIN) {
        entry->first_ticks = *ticks; /* no time of its own: it follows the buffer before it */
    }
    *ticks = entry->first_ticks;
    if (status == ETW_OK && is_worth_keeping(entry, header)) {
        status = etw_buffer_table_add(&self->table, entry, error);
    }
    return status;
}

static etw_status find_buffers(etl_source *self, const etw_etl_options *options, etw_error *error)
{
    int64_t ticks = self->trace.clock.base_ticks;
    uint64_t reported = 0;
    for (;;) {
        etw_buffer_entry entry;
        etw_buffer_header header;
        memset(&header, 0, sizeof header);
        etw_status status = etw_chain_next(&self->chain, &entry, &header, error);
        if (status == ETW_END) {
            self->statistics.unused_bytes = self->chain.unused_bytes;
            return etw_buffer_table_finish(&self->table, error);
        }
        if (status == ETW_OK) {
            status = visit_entry(self, &entry, &header, options, &ticks, error);
        }
        if (status != ETW_OK) {
            return status;
        }
        if (options->progress != NULL && self->chain.at - reported >= PROGRESS_BYTES) {
            reported = self->chain.at;
            options->progress(options->progress_context, reported, self->chain.file_size);
        }
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool is_logfile_header(const uint8_t *at, const etw_frame *frame)
{
    return (frame->type == ETW_TYPE_SYSTEM32 || frame->type == ETW_TYPE_SYSTEM64) && at[6] == 0 &&
           at[7] == 0;
}

/* Keeps the record at the run's place as the log-file header event, and reads it. */
static etw_status keep_logfile_header(etl_source *self, const etw_run *run, etw_error *error)
{
    self->header_record = malloc(run->frame.size);
    if (self->header_record == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "the log-file header");
    }
    memcpy(self->header_record, etw_run_record(run), run->frame.size);
    self->header_frame = run->frame;
    self->header_context = run->context;
    self->header_flags = run->extra_flags;
    (void)etw_trace_record_build(self->header_record, &self->header_frame, run->context,
                                 run->extra_flags, self->items, &self->record);
    etw_error reason;
    const etw_status status = etw_trace_from_logfile_header(
        etw_record_user_data(&self->record), etw_record_pointer_size(&self->record, 8),
        run->frame.ticks, &self->trace, &reason);
    if (status != ETW_OK) {
        etw_loss *loss = queue_damage(self, ETW_LOSS_DAMAGE, INT64_MIN, 0, 0, 0);
        (void)snprintf(loss->detail, sizeof loss->detail, "buffer 0 at 0x0: %.400s",
                       reason.message);
    }
    return ETW_OK;
}

/* Reads the first record of the first buffer, which tells how the file is laid out. */
static etw_status read_logfile_header(etl_source *self, const etw_buffer_header *first,
                                      etw_error *error)
{
    const uint64_t size = self->chain.file_size;
    const uint32_t most = ETW_BUFFER_HEADER_SIZE + 0xFFFFu;
    etw_buffer_entry entry = {INT64_MIN, 0, size < most ? size : most, 0, ETW_BUFFER_KIND_CUT};
    etw_buffer_header header = *first;
    if (etw_buffer_header_problem(first) != NULL) {
        header.used_size = (uint32_t)entry.size;
        header.flags &= ETW_BUFFER_PROCESSOR_INDEX;
    } else if (first->stored_size < entry.size) {
        entry.size = first->stored_size;
    }
    etw_run run;
    etw_run_start(&run, &entry, &header);
    etw_status status = get_window(self, &run, error);
    if (status != ETW_OK) {
        return status;
    }
    etw_run_damage damage;
    const etw_run_step step = etw_run_locate(&run, &self->input, &damage, error);
    if (step == ETW_RUN_FAILED) {
        status = error == NULL ? ETW_ERROR_IO : error->status;
    } else if (step == ETW_RUN_RECORD && is_logfile_header(etw_run_record(&run), &run.frame)) {
        status = keep_logfile_header(self, &run, error);
    }
    put_window(self, &run);
    return status;
}

/* Where buffers can start: the log-file header's word before the first buffer's, as each may be
 * damaged; the header is believed where it makes sense. */
static uint32_t find_step(const etl_source *self, const etw_buffer_header *first)
{
    const uint32_t told = self->trace.buffer_size_bytes;
    if ((self->trace.log_file_mode & MODE_COMPRESSED) != 0) {
        return 1;
    }
    if (told > ETW_BUFFER_HEADER_SIZE && told <= ETW_MAX_BUFFER_SIZE) {
        return told;
    }
    return etw_buffer_header_problem(first) == NULL ? first->stored_size : 1;
}

static etw_status start(etl_source *self, const etw_etl_options *options, etw_error *error)
{
    etw_bytes bytes;
    etw_status status = etw_chain_peek(&self->chain, 0, ETW_BUFFER_HEADER_SIZE, &bytes, error);
    if (status != ETW_OK) {
        return status;
    }
    if (bytes.size < ETW_BUFFER_HEADER_SIZE) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS,
                             "not a Windows event trace: %zu bytes are fewer than a buffer header",
                             bytes.size);
    }
    const etw_buffer_header first = etw_buffer_header_read(bytes.data);
    self->trace.pointer_size = 8;
    status = read_logfile_header(self, &first, error);
    if (status != ETW_OK) {
        return status;
    }
    const char *problem = etw_buffer_header_problem(&first);
    if (self->header_record == NULL) {
        if (problem != NULL) {
            return etw_error_set(error, ETW_ERROR_NOT_THIS,
                                 "not a Windows event trace: the header of its first buffer: %s",
                                 problem);
        }
        etw_loss *loss = queue_damage(self, ETW_LOSS_DAMAGE, INT64_MIN, 1, 0, 0);
        (void)snprintf(loss->detail, sizeof loss->detail,
                       "buffer 0 at 0x0: no log-file header event: clock and host are unknown");
    }
    self->chain.step = find_step(self, &first);
    self->chain.logger_id = first.context.LoggerId;
    return find_buffers(self, options, error);
}

/* A pipe can be read once only, and from its start. */
static etw_status copy_to_temporary(etl_source *self, etw_error *error)
{
    uint8_t *piece = malloc(COPY_PIECE);
    const int copy = piece == NULL ? -ENOMEM : self->os->open_temporary(self->os->context);
    etw_status status = ETW_OK;
    if (copy < 0) {
        status = etw_error_set_os(error, -copy, "a temporary file for the input");
    }
    size_t got = COPY_PIECE;
    while (status == ETW_OK && got == COPY_PIECE) {
        status = etw_os_read_full(self->os, self->file, piece, COPY_PIECE, &got, error);
        if (status == ETW_OK) {
            status = etw_os_write_full(self->os, copy, piece, got, NULL, error);
        }
    }
    free(piece);
    if (self->file != ETW_FILE_STDIN) {
        (void)self->os->close(self->os->context, self->file);
    }
    self->file = copy < 0 ? -1 : copy;
    return status;
}

static etw_status open_file(etl_source *self, const char *path, etw_error *error)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    self->file = is_stdin ? ETW_FILE_STDIN : self->os->open(self->os->context, path, ETW_OPEN_READ);
    if (self->file < 0) {
        return etw_error_set_os(error, -self->file, "opening");
    }
    int64_t size = is_stdin ? -ESPIPE : self->os->size(self->os->context, self->file);
    if (size == -ESPIPE) {
        const etw_status status = copy_to_temporary(self, error);
        if (status != ETW_OK) {
            return status;
        }
        size = self->os->size(self->os->context, self->file);
    }
    if (size < 0) {
        return etw_error_set_os(error, (int)-size, "the file's size");
    }
    self->chain.file_size = (uint64_t)size;
    self->statistics.file_bytes = (uint64_t)size;
    self->chain.file = self->file;
    self->input.file = self->file;
    return ETW_OK;
}

static etl_source *new_source(const etw_os *os, const char *path)
{
    static const etw_source_ops ops = {etl_next, etl_trace, etl_trace_count, etl_close};
    etl_source *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->base.ops = &ops;
    self->os = os;
    self->file = -1;
    etw_buffer_table_init(&self->table, os);
    self->chain.os = os;
    self->input.os = os;
    self->chain.ahead = malloc(ETW_CHAIN_AHEAD);
    self->input.scratch = malloc(ETW_RUN_SCRATCH);
    const char *name = path;
    for (const char *at = path; *at != '\0'; at++) {
        name = *at == '/' || *at == '\\' ? at + 1 : name;
    }
    (void)snprintf(self->trace.source_path, sizeof self->trace.source_path, "%s", name);
    if (self->chain.ahead == NULL || self->input.scratch == NULL) {
        etl_close(&self->base);
        return NULL;
    }
    return self;
}

etw_status etw_etl_open(const etw_os *os, const char *path, const etw_etl_options *options,
                        etw_source **source, etw_error *error)
{
    static const etw_etl_options none = {NULL, NULL, false, NULL, NULL};
    *source = NULL;
    etl_source *self = new_source(os == NULL ? etw_os_default() : os, path);
    if (self == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "%s: the reader", path);
    }
    etw_status status = open_file(self, path, error);
    if (status == ETW_OK) {
        status = start(self, options == NULL ? &none : options, error);
    }
    if (status != ETW_OK) {
        etl_close(&self->base);
        (void)etw_error_wrap(error, status, "%s", path); /* a scan may have failed without a text */
        return status;
    }
    *source = &self->base;
    return ETW_OK;
}
