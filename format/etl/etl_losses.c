#include "format/etl/etl_source.h"

#define MODE_CIRCULAR 0x00000002u
#define MODE_NEWFILE  0x00000008u

etw_loss *etw_etl_queue_loss(etw_etl_source *self, etw_loss_cause cause, int64_t ticks)
{
    /* the callers' counts keep this in range; were one wrong, the last place would be used again */
    const size_t at = self->loss_count < ETW_ETL_MAX_QUEUED_LOSSES ? self->loss_count++
                                                                   : ETW_ETL_MAX_QUEUED_LOSSES - 1;
    etw_loss *loss = &self->losses[at];
    memset(loss, 0, sizeof *loss);
    loss->cause = (uint32_t)cause;
    if (ticks != INT64_MIN) {
        loss->from_time_100ns = etw_clock_to_filetime(&self->trace.clock, ticks);
        loss->to_time_100ns = loss->from_time_100ns;
    }
    return loss;
}

static void count_damage(etw_etl_source *self, uint32_t number)
{
    if (self->damaged_number != number + 1) {
        self->damaged_number = number + 1;
        self->statistics.damaged_buffers++;
    }
}

etw_loss *etw_etl_queue_damage(etw_etl_source *self, etw_loss_cause cause, int64_t ticks,
                               uint64_t events, uint64_t bytes, uint32_t number)
{
    etw_loss *loss = etw_etl_queue_loss(self, cause, ticks);
    loss->events = events;
    loss->bytes = bytes;
    count_damage(self, number);
    return loss;
}

void etw_etl_queue_run_damage(etw_etl_source *self, const etw_run *run,
                              const etw_run_damage *damage)
{
    const etw_loss_cause cause = damage->cut ? ETW_LOSS_TRUNCATED : ETW_LOSS_DAMAGE;
    etw_loss *loss = etw_etl_queue_damage(self, cause, run->last_ticks, ETW_LOSS_COUNT_UNKNOWN,
                                          damage->bytes, run->number);
    etw_loss_set_detail(loss, "buffer %u at 0x%llx: at 0x%x: %s; %u bytes passed over", run->number,
                        (unsigned long long)run->offset, damage->at, damage->problem,
                        damage->bytes);
}

void etw_etl_queue_record_problem(etw_etl_source *self, const etw_run *run, const char *problem)
{
    etw_loss *loss =
        etw_etl_queue_damage(self, ETW_LOSS_DAMAGE, run->frame.ticks, 0, 0, run->number);
    etw_loss_set_detail(loss,
                        "buffer %u at 0x%llx: the event at 0x%x: %s; the rest is its user data",
                        run->number, (unsigned long long)run->offset, run->at, problem);
}

/* What the flags of a buffer tell of the time before it. */
void etw_etl_queue_flag_losses(etw_etl_source *self, const etw_buffer_entry *entry, uint16_t flags)
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
        etw_loss *loss = etw_etl_queue_loss(self, kinds[i].cause, entry->first_ticks);
        const bool counted =
            (kinds[i].cause == ETW_LOSS_ETW_EVENTS && self->trace.events_lost != 0) ||
            (kinds[i].cause == ETW_LOSS_ETW_BUFFERS && self->trace.buffers_lost != 0);
        loss->events = counted ? 0 : ETW_LOSS_COUNT_UNKNOWN;
        etw_loss_set_detail(loss, "buffer %u at 0x%llx: %s%s", entry->number,
                            (unsigned long long)entry->offset, kinds[i].text,
                            counted ? " (counted in the log-file header's figure)" : "");
    }
}

static etw_loss *queue_header_loss(etw_etl_source *self, etw_loss_cause cause, uint32_t count,
                                   const char *field)
{
    const etw_trace *trace = &self->trace;
    etw_loss *loss = etw_etl_queue_loss(self, cause, INT64_MIN);
    loss->from_time_100ns = trace->start_time_100ns;
    loss->to_time_100ns = trace->end_time_100ns;
    if ((trace->log_file_mode & MODE_NEWFILE) == 0) {
        etw_loss_set_detail(loss, "the log-file header's %s", field);
        return loss;
    }
    loss->since_session_start = count;
    etw_loss_set_detail(loss,
                        "the log-file header's %s: up to %u since the session began, those of its "
                        "earlier files included",
                        field, count);
    return loss;
}

/* The counts of the log-file header are of the whole trace; of a session that starts new files,
 * which counts on, those of the files before it as well. */
void etw_etl_queue_header_losses(etw_etl_source *self)
{
    const etw_trace *trace = &self->trace;
    if (trace->events_lost != 0) {
        etw_loss *loss =
            queue_header_loss(self, ETW_LOSS_ETW_EVENTS, trace->events_lost, "EventsLost");
        loss->events = loss->since_session_start != 0 ? ETW_LOSS_COUNT_UNKNOWN : trace->events_lost;
    }
    if (trace->buffers_lost != 0) {
        etw_loss *loss =
            queue_header_loss(self, ETW_LOSS_ETW_BUFFERS, trace->buffers_lost, "BuffersLost");
        loss->events = ETW_LOSS_COUNT_UNKNOWN;
        loss->buffers = loss->since_session_start != 0 ? 0 : trace->buffers_lost;
    }
}

/* A session writes the end time, and last counts, when it closes its file: what it still held is
 * not in one without. Sequence numbers that no buffer has are buffers that were not written, except
 * in a circular file, which overwrites its own. */
static void queue_not_closed(etw_etl_source *self)
{
    const etw_etl_sequence *sequence = &self->sequence;
    const bool is_circular = (self->trace.log_file_mode & MODE_CIRCULAR) != 0;
    const uint64_t numbers = sequence->highest < 0 ? 0 : (uint64_t)sequence->highest + 1;
    const uint64_t gaps = !is_circular && numbers > sequence->count ? numbers - sequence->count : 0;
    etw_loss *loss = etw_etl_queue_loss(self, ETW_LOSS_TRUNCATED, INT64_MIN);
    loss->events = ETW_LOSS_COUNT_UNKNOWN;
    loss->buffers = gaps;
    etw_loss_set_detail(loss,
                        "not closed by its session: the log-file header has no end time and counts "
                        "%u buffers, the file holds %llu; %llu missing in their "
                        "sequence%s",
                        self->trace.buffers_written, (unsigned long long)self->statistics.buffers,
                        (unsigned long long)gaps,
                        is_circular ? " (a circular file's are not counted)" : "");
}

/* A file cut between two buffers shows only in the count of buffers; a circular one's counts those
 * that were overwritten, too. */
void etw_etl_queue_missing_buffers(etw_etl_source *self)
{
    const uint64_t written = self->trace.buffers_written;
    if (self->header_record != NULL && self->trace.end_time_100ns == 0) {
        queue_not_closed(self);
        return;
    }
    if ((self->trace.log_file_mode & MODE_CIRCULAR) != 0 || written <= self->chain.number) {
        return;
    }
    etw_loss *loss = etw_etl_queue_loss(self, ETW_LOSS_TRUNCATED, INT64_MIN);
    loss->events = ETW_LOSS_COUNT_UNKNOWN;
    loss->buffers = written - self->chain.number;
    etw_loss_set_detail(loss, "the log-file header counts %llu buffers, the file holds %u",
                        (unsigned long long)written, self->chain.number);
}

void etw_etl_queue_entry_damage(etw_etl_source *self, const etw_buffer_entry *entry)
{
    const bool kept = etw_etl_has_records(self, entry);
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
    case ETW_BUFFER_KIND_GONE:
        text = "the file became shorter while it was read";
        cause = ETW_LOSS_TRUNCATED;
        break;
    default:
        return;
    }
    etw_loss *loss =
        etw_etl_queue_damage(self, cause, entry->first_ticks, kept ? 0 : ETW_LOSS_COUNT_UNKNOWN,
                             kept ? 0 : entry->size, entry->number);
    loss->buffers = kept ? 0 : 1;
    etw_loss_set_detail(loss, "buffer %u at 0x%llx: %s", entry->number,
                        (unsigned long long)entry->offset, text);
}

void etw_etl_queue_changed(etw_etl_source *self, const etw_buffer_entry *entry,
                           const etw_buffer_header *header)
{
    etw_loss *loss = etw_etl_queue_damage(self, ETW_LOSS_DAMAGE, entry->first_ticks,
                                          ETW_LOSS_COUNT_UNKNOWN, 0, entry->number);
    loss->buffers = 1;
    const char *problem = etw_buffer_header_problem(header);
    etw_loss_set_detail(loss,
                        "buffer %u at 0x%llx: the file changed while it was read: of the %u bytes "
                        "that were used, %u are left%s%s",
                        entry->number, (unsigned long long)entry->offset, entry->used_size,
                        header->used_size,
                        problem == NULL ? "" : "; its header: ", problem == NULL ? "" : problem);
}

void etw_etl_queue_too_many(etw_etl_source *self, const etw_buffer_entry *entry)
{
    etw_loss *loss = etw_etl_queue_loss(self, ETW_LOSS_LIMIT, entry->first_ticks);
    loss->events = ETW_LOSS_COUNT_UNKNOWN;
    loss->buffers = 1;
    loss->bytes = entry->size;
    etw_loss_set_detail(loss, "buffer %u at 0x%llx: more than %u buffers overlap in time",
                        entry->number, (unsigned long long)entry->offset, ETW_ETL_MAX_RUNS);
}

void etw_etl_queue_given_up(etw_etl_source *self, const etw_run *run)
{
    etw_loss *loss = etw_etl_queue_loss(self, ETW_LOSS_LIMIT, run->frame.ticks);
    loss->events = ETW_LOSS_COUNT_UNKNOWN;
    loss->bytes = run->used_size > run->at ? run->used_size - run->at : 0;
    etw_loss_set_detail(
        loss,
        "buffer %u at 0x%llx: at 0x%x: unpacked from its start %u times, as more than "
        "%u buffers overlap in time",
        run->number, (unsigned long long)run->offset, run->at, run->restarts, ETW_ETL_MAX_WINDOWS);
}
