#include "format/etl/etl_source.h"

#include <stdlib.h>

void etw_etl_put_window(etw_etl_source *self, etw_run *run)
{
    for (size_t i = 0; i < self->window_count; i++) {
        if (self->windows[i].owner == run) {
            self->windows[i].owner = NULL;
        }
    }
    etw_run_unload(run);
}

/* A free window; else, when there may be no more, the one whose run needs it last. */
static etw_window *find_window(etw_etl_source *self)
{
    etw_window *found = NULL;
    for (size_t i = 0; i < self->window_count; i++) {
        etw_window *at = &self->windows[i];
        if (at->owner == NULL) {
            return at;
        }
        if (found == NULL || at->owner->frame.ticks > found->owner->frame.ticks) {
            found = at;
        }
    }
    if (self->window_count < ETW_ETL_MAX_WINDOWS) {
        etw_window *added = &self->windows[self->window_count];
        added->memory = malloc(ETW_RUN_WINDOW);
        if (added->memory != NULL) {
            self->window_count++;
            return added;
        }
    }
    return found;
}

etw_status etw_etl_get_window(etw_etl_source *self, etw_run *run, etw_error *error)
{
    etw_window *found = find_window(self);
    if (found == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a window of %u bytes",
                             ETW_RUN_WINDOW);
    }
    if (found->owner != NULL) {
        found->owner->restarts += found->owner->compressed;
        etw_run_unload(found->owner);
    }
    found->owner = run;
    run->window = found->memory;
    return ETW_OK;
}

static bool is_before(const etw_merge_entry *a, const etw_merge_entry *b)
{
    return a->ticks != b->ticks ? a->ticks < b->ticks : a->offset < b->offset;
}

static void sift_down(etw_etl_source *self)
{
    etw_merge_entry *merge = self->merge;
    const etw_merge_entry moved = merge[0];
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

static etw_status push(etw_etl_source *self, etw_run *run, etw_error *error)
{
    if (self->merge_count == self->merge_capacity) {
        const size_t capacity = self->merge_capacity == 0 ? 64 : 2 * self->merge_capacity;
        etw_merge_entry *merge = realloc(self->merge, capacity * sizeof *merge);
        if (merge == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY,
                                 "no memory for %zu overlapping buffers", capacity);
        }
        self->merge = merge;
        self->merge_capacity = capacity;
    }
    const etw_merge_entry added = {run->frame.ticks, run->offset, run};
    size_t at = self->merge_count++;
    while (at != 0 && is_before(&added, &self->merge[(at - 1) / 2])) {
        self->merge[at] = self->merge[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    self->merge[at] = added;
    return ETW_OK;
}

static etw_etl_processor *processor_of(const etw_etl_source *self, const etw_run *run)
{
    const bool is_kept = self->processors != NULL && run->number != 0;
    return is_kept ? &self->processors[run->context.ProcessorIndex % ETW_ETL_MAX_PROCESSORS] : NULL;
}

void etw_etl_drop_run(etw_etl_source *self, etw_run *run)
{
    etw_etl_processor *processor = processor_of(self, run);
    if (processor != NULL && processor->last == run) {
        processor->last = NULL;
    }
    etw_etl_put_window(self, run);
    free(run);
}

/* The processor's next buffer, where one waits, takes the first run's place. */
static void drop_first(etw_etl_source *self)
{
    etw_run *run = self->merge[0].run;
    etw_run *next = run->next;
    self->merge[0] = next != NULL ? (etw_merge_entry){INT64_MIN, next->offset, next}
                                  : self->merge[--self->merge_count];
    self->run_count--;
    etw_etl_drop_run(self, run);
    if (self->merge_count > 1) {
        sift_down(self);
    }
}

/* Into the merge, or, while the processor's buffer before it has records, behind that one: only
 * merging between processors goes by time. */
static etw_status add_run(etw_etl_source *self, etw_run *run, etw_error *error)
{
    etw_etl_processor *processor = processor_of(self, run);
    if (processor != NULL && processor->last != NULL) {
        etw_etl_put_window(self, run);
        processor->last->next = run;
        processor->last = run;
        self->run_count++;
        return ETW_OK;
    }
    const etw_status status = push(self, run, error);
    self->run_count += status == ETW_OK;
    if (status == ETW_OK && processor != NULL) {
        processor->last = run;
    }
    return status;
}

/* The earliest of what is not the first run: its two children in the heap, and the next buffer. */
static void find_limit(etw_etl_source *self)
{
    etw_merge_entry limit = {INT64_MAX, UINT64_MAX, NULL};
    for (size_t i = 1; i <= 2 && i < self->merge_count; i++) {
        if (is_before(&self->merge[i], &limit)) {
            limit = self->merge[i];
        }
    }
    const etw_buffer_entry *next = etw_buffer_table_peek(&self->table);
    if (next != NULL) {
        const etw_merge_entry pending = {next->first_ticks, next->offset, NULL};
        if (is_before(&pending, &limit)) {
            limit = pending;
        }
    }
    self->limit_ticks = limit.ticks;
    self->limit_offset = limit.offset;
}

/* Finds the record at the run's place; damage is queued, and the run to be looked at again. */
static etw_run_step locate(etw_etl_source *self, etw_run *run, etw_error *error)
{
    etw_run_damage damage;
    const etw_run_step step = etw_run_locate(run, &self->input, &damage, error);
    if (step == ETW_RUN_DAMAGE) {
        etw_etl_queue_run_damage(self, run, &damage);
        run->frame.ticks = run->last_ticks; /* comes next, before what others have */
        run->frame.size = 0;
    }
    return step;
}

/* Reads the header, and with it the records where they lie behind it as they are. */
static etw_status load_run(etw_etl_source *self, const etw_buffer_entry *entry, etw_run *run,
                           uint16_t *flags, etw_error *error)
{
    const bool is_plain = self->chain.step != 1;
    etw_status status = is_plain ? etw_etl_get_window(self, run, error) : ETW_OK;
    if (status != ETW_OK) {
        return status;
    }
    uint8_t bytes[ETW_BUFFER_HEADER_SIZE];
    uint8_t *window = run->window;
    size_t size = sizeof bytes;
    if (is_plain) {
        size = self->usual_bytes < size ? size : self->usual_bytes;
        size = size < entry->size ? size : (size_t)entry->size;
        size = size < ETW_RUN_WINDOW ? size : ETW_RUN_WINDOW;
    }
    etw_buffer_header header;
    const etw_room start = {is_plain ? window : bytes, size};
    status = etw_etl_read_start(self, entry, start, &size, &header, error);
    if (status == ETW_OK && header.used_size != entry->used_size) {
        etw_etl_queue_changed(self, entry, &header);
    }
    etw_run_start(run, entry, &header);
    etw_etl_skip_header_event(self, run);
    if (is_plain) {
        etw_run_adopt(run, window, size);
    }
    run->frame.ticks = entry->first_ticks;
    run->frame.size = 0;
    self->usual_bytes = etw_buffer_usual_bytes(&header);
    *flags = header.flags;
    return status;
}

/* Takes the table's next entry into the merge: its first record is not before that of any other. */
static etw_status take_entry(etw_etl_source *self, etw_error *error)
{
    const etw_buffer_entry entry = *etw_buffer_table_peek(&self->table);
    etw_status status = etw_buffer_table_pop(&self->table, error);
    etw_etl_queue_entry_damage(self, &entry);
    if (status != ETW_OK || !etw_etl_has_records(self, &entry)) {
        return status;
    }
    etw_run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for %zu overlapping buffers",
                             self->merge_count);
    }
    uint16_t flags;
    status = load_run(self, &entry, run, &flags, error);
    if (status == ETW_OK) {
        etw_etl_queue_flag_losses(self, &entry, flags);
    }
    const bool is_room = self->run_count < ETW_ETL_MAX_RUNS;
    if (status == ETW_OK && !is_room) {
        etw_etl_queue_too_many(self, &entry);
    } else if (status == ETW_OK) {
        status = add_run(self, run, error);
    }
    if (status != ETW_OK || !is_room) {
        etw_etl_drop_run(self, run);
    }
    return status;
}

/* Gives up a compressed run that lost its window too often. */
static void give_up_first(etw_etl_source *self)
{
    etw_etl_queue_given_up(self, self->merge[0].run);
    drop_first(self);
}

/* One step towards the first run's next record (frame.size 0: not found yet), whatever that takes.
 * Afterwards another run may be the first. */
static etw_status prepare_first(etw_etl_source *self, etw_error *error)
{
    etw_run *run = self->merge[0].run;
    if (run->window == NULL) {
        if (run->restarts > ETW_ETL_MAX_RESTARTS) {
            give_up_first(self);
            return ETW_OK;
        }
        const etw_status status = etw_etl_get_window(self, run, error);
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
static bool pass_quick(etw_etl_source *self)
{
    etw_merge_entry *first = &self->merge[0];
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

static void deliver(etw_etl_source *self, const etw_frame *frame, etw_item *item)
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

static void deliver_run(etw_etl_source *self, etw_item *item)
{
    const etw_run *run = self->merge[0].run;
    const char *problem = etw_trace_record_build(etw_run_record(run), &run->frame, run->context,
                                                 run->extra_flags, self->items, &self->record);
    if (problem != NULL) {
        etw_etl_queue_record_problem(self, run, problem);
    }
    self->lent = true;
    deliver(self, &run->frame, item);
}

static void deliver_header(etw_etl_source *self, etw_item *item)
{
    (void)etw_trace_record_build(self->header_record, &self->header_frame, self->header_context,
                                 self->header_flags, self->items, &self->record);
    etw_etl_queue_header_losses(self);
    deliver(self, &self->header_frame, item);
}

static void deliver_loss(etw_etl_source *self, etw_item *item)
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
static bool is_entry_due(const etw_etl_source *self)
{
    const etw_buffer_entry *next = etw_buffer_table_peek(&self->table);
    if (next == NULL || self->merge_count == 0) {
        return next != NULL;
    }
    const etw_merge_entry pending = {next->first_ticks, next->offset, NULL};
    return is_before(&pending, &self->merge[0]);
}

/* Not to be inlined with the way of most events. */
__attribute__((noinline)) static etw_status next_slow(etw_etl_source *self, etw_item *item,
                                                      etw_error *error)
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
            bool found = false;
            status = self->is_growing ? etw_etl_look_again(self, &found, error) : ETW_OK;
            if (status == ETW_OK && !found) {
                if (self->is_growing || self->end_checked) {
                    return ETW_END;
                }
                self->end_checked = true;
                etw_etl_queue_missing_buffers(self);
            }
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

/* Every event comes this way: what it calls is inlined, for fewer instructions (1.4 % of all that
 * etw-record takes). */
__attribute__((flatten)) etw_status etw_etl_next(etw_source *source, etw_item *item,
                                                 etw_error *error)
{
    etw_etl_source *self = (etw_etl_source *)source;
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
