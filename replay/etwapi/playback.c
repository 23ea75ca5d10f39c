/* Events become due, are filtered, lost on request, and delivered. */
#include "replay/etwapi/playback.h"

#include "replay/etwapi/classic_events.h"
#include "replay/etwapi/known_schemas.h"
#include "replay/etwapi/settings.h"

#include <stdlib.h>
#include <string.h>

/* A buffer callback comes after so many events, and a stop or a changed provider is seen then. */
#define EVENTS_PER_BUFFER 256u

/* While a session waits for a provider to be enabled, or for its end. */
#define WAIT_MS 10u

/* What became of the session since the last look: its providers, or its end. */
static bool look_at_session(etwapi_playback *trace)
{
    etwapi_session *table = etwapi_lock_sessions();
    const etwapi_session *session = table == NULL ? NULL : etwapi_by_handle(table, trace->session);
    if (session != NULL && session->change != trace->enabled.change) {
        trace->enabled = *session;
    }
    const bool exists = session != NULL;
    etwapi_unlock_sessions();
    return exists;
}

/* Whether the buffer at hand is one of those that are lost on request. */
static bool is_lost_buffer(const etwapi_playback *trace)
{
    const uint32_t each = etwapi_get_settings()->lose_each_buffer;
    return trace->is_real_time && each != 0 && (trace->buffer_count + 1) % each == 0;
}

/* A trace's events flow once something is enabled: a session without providers stays silent, and a
 * consumer that enables them after ProcessTrace began must not miss the start. */
static bool is_silent(const etwapi_playback *trace)
{
    ULONG asked = trace->enabled.provider_count | trace->enabled.properties.EnableFlags;
    for (ULONG i = 1; i < ETWAPI_GROUP_MASKS; i++) {
        asked |= trace->enabled.group_masks[i];
    }
    return trace->is_real_time && etwapi_get_settings()->filter && asked == 0;
}

static bool reserve_items(etwapi_playback *trace, ULONG count)
{
    if (count <= trace->item_room) {
        return true;
    }
    etw_extended_data_item *items = realloc(trace->items, count * sizeof *items);
    if (items == NULL) {
        return false;
    }
    trace->items = items;
    trace->item_room = count;
    return true;
}

/* The record has its time as the consumer wants it; the rest of it is changed here. */
static void give_record(etwapi_playback *trace, etw_event_record *record)
{
    trace->log.CurrentTime = record->EventHeader.TimeStamp;
    record->UserContext = trace->log.Context;
    etwapi_give_to_class(record);
    if (trace->wants_records && trace->log.EventRecordCallback != NULL) {
        trace->log.EventRecordCallback((EVENT_RECORD *)record);
    } else if (!trace->wants_records && trace->log.EventCallback != NULL) {
        etwapi_give_classic(trace->log.EventCallback, record);
    }
}

/* The time of the event at hand, moved to now where that was asked for. */
static int64_t told_time_100ns(etwapi_playback *trace)
{
    const int64_t time_100ns = etw_event_time_100ns(trace->event);
    if (!trace->is_real_time || !etwapi_get_settings()->rebase) {
        return time_100ns;
    }
    if (!trace->is_rebased) {
        trace->is_rebased = true;
        trace->rebase_100ns = etwapi_now_100ns() - time_100ns;
    }
    return time_100ns + trace->rebase_100ns;
}

static void give(etwapi_playback *trace, ULONG enable_property, bool keep_all_items)
{
    etw_event_record record = *etw_event_record_of(trace->event);
    const int64_t time_100ns = told_time_100ns(trace);
    if (!trace->is_raw) {
        record.EventHeader.TimeStamp = time_100ns;
    } else if (trace->is_real_time && !etwapi_get_settings()->header_event) {
        record.EventHeader.TimeStamp = etwapi_playback_ticks(trace, time_100ns);
    }
    if (!keep_all_items && record.ExtendedDataCount > 0) {
        /* Without memory for the choice, no items rather than items nobody asked for. */
        const bool has_room = reserve_items(trace, record.ExtendedDataCount);
        record.ExtendedDataCount =
            has_room ? etwapi_keep_items(&record, enable_property, trace->items) : 0;
        record.ExtendedData = trace->items;
        if (record.ExtendedDataCount == 0) {
            record.EventHeader.Flags &= (uint16_t)~ETW_FLAG_EXTENDED_INFO;
        }
    }
    give_record(trace, &record);
}

/* Counts an event, and loses it on request. */
static bool is_lost(etwapi_playback *trace)
{
    const uint32_t each = etwapi_get_settings()->lose_each;
    trace->read_count++;
    if (!trace->is_real_time || each == 0 || trace->read_count % each != 0) {
        return false;
    }
    etwapi_playback_count_loss(trace, 1, 0);
    trace->log.EventsLost++;
    return true;
}

/* Whether ETWAPI_ONLY lets the event through. */
static bool is_chosen(const etw_event_record *record)
{
    const etwapi_settings *settings = etwapi_get_settings();
    for (uint32_t i = 0; i < settings->only_count; i++) {
        if (etw_guid_equal(&settings->only[i], &record->EventHeader.ProviderId)) {
            return true;
        }
    }
    return settings->only_count == 0;
}

/* One event is due: it is delivered, filtered out, or lost on request. */
static void deliver(etwapi_playback *trace)
{
    const etwapi_settings *settings = etwapi_get_settings();
    const etw_event_record *record = etw_event_record_of(trace->event);
    ULONG enable_property = 0;
    const bool filtered = trace->is_real_time && settings->filter;
    if (is_lost_buffer(trace) ||
        (trace->is_real_time && !settings->header_event && etwapi_is_header_event(record))) {
        return;
    }
    if (filtered && !etwapi_wants(&trace->enabled, trace->event, &enable_property)) {
        return;
    }
    if ((trace->is_real_time && !is_chosen(record)) || is_lost(trace)) {
        return;
    }
    give(trace, enable_property, !filtered);
}

/* After each buffer's worth of events: the consumer's buffer callback, and a look at the session.
 * False ends ProcessTrace. */
static bool end_buffer(etwapi_playback *trace, bool *session_gone)
{
    trace->events_since_look = 0;
    if (is_lost_buffer(trace)) {
        etwapi_playback_count_loss(trace, 0, 1);
    }
    trace->buffer_count++;
    trace->log.BuffersRead++;
    trace->log.BufferSize = trace->log.LogfileHeader.BufferSize;
    trace->log.Filled = trace->log.BufferSize;
    if (trace->log.BufferCallback != NULL && !trace->log.BufferCallback(&trace->log)) {
        return false;
    }
    if (trace->is_real_time && !look_at_session(trace)) {
        *session_gone = true;
    }
    return true;
}

static bool is_in_range(const etwapi_playback *trace, const FILETIME *start, const FILETIME *end)
{
    const uint64_t time = (uint64_t)etw_event_time_100ns(trace->event);
    return (start == NULL || time >= etwapi_filetime(start)) &&
           (end == NULL || time <= etwapi_filetime(end));
}

/* The trace whose next event is the oldest; NULL where none has one. */
static etwapi_playback *oldest(etwapi_playback *const *traces, ULONG count)
{
    etwapi_playback *found = NULL;
    for (ULONG i = 0; i < count; i++) {
        if (traces[i]->event != NULL && (found == NULL || etw_event_time_100ns(traces[i]->event) <
                                                              etw_event_time_100ns(found->event))) {
            found = traces[i];
        }
    }
    return found;
}

/* A paced session's event waits for its time. The wait is here and not in the replay, so that the
 * session can be stopped and the trace be closed meanwhile. */
static bool is_due(etwapi_playback *trace)
{
    const double speed = etwapi_get_settings()->speed;
    if (!trace->is_real_time || speed <= 0) {
        return true;
    }
    const int64_t time_100ns = etw_event_time_100ns(trace->event);
    const ULONGLONG tick_ms = GetTickCount64();
    if (!trace->is_paced) {
        trace->is_paced = true;
        trace->first_time_100ns = time_100ns;
        trace->first_tick_ms = tick_ms;
    }
    const double elapsed_100ns = (double)(tick_ms - trace->first_tick_ms) * 10000.0 * speed;
    return (double)(time_100ns - trace->first_time_100ns) <= elapsed_100ns;
}

static bool any_closing(etwapi_playback *const *traces, ULONG count)
{
    for (ULONG i = 0; i < count; i++) {
        if (traces[i]->closing != 0) {
            return true;
        }
    }
    return false;
}

/* What providers wrote, up to a buffer's worth. False: the consumer wants no more. */
static bool drain(etwapi_playback *trace, bool *delivered)
{
    etw_extended_data_item items[ETWAPI_MAX_LIVE_ITEMS];
    etw_event_record record;
    bool session_gone;
    const ULONG clock_type = trace->enabled.properties.Wnode.ClientContext;
    while (trace->closing == 0 && etwapi_ring_read(trace->ring, &record, items)) {
        *delivered = true;
        etwapi_observe(&record);
        if (!trace->is_raw) {
            record.EventHeader.TimeStamp =
                etwapi_ring_time_100ns(trace->ring, record.EventHeader.TimeStamp, clock_type);
        }
        if (etwapi_keeps_written(&trace->enabled, trace->maker, &record) && !is_lost(trace)) {
            give_record(trace, &record);
        }
        etwapi_ring_release(trace->ring);
        if (++trace->events_since_look >= EVENTS_PER_BUFFER) {
            return end_buffer(trace, &session_gone);
        }
    }
    return trace->closing != 0 || trace->event != NULL || trace->events_since_look == 0 ||
           end_buffer(trace, &session_gone);
}

/* Whether a session is still there that lasts until it is stopped. To be asked before the last look
 * at its events. */
static bool any_lives(etwapi_playback *const *traces, ULONG count)
{
    bool found = false;
    for (ULONG i = 0; i < count; i++) {
        found |= traces[i]->is_endless && look_at_session(traces[i]);
    }
    return found;
}

static bool drain_all(etwapi_playback *const *traces, ULONG count, bool *delivered)
{
    bool wants_more = true;
    for (ULONG i = 0; i < count && wants_more; i++) {
        wants_more = traces[i]->ring == NULL || drain(traces[i], delivered);
    }
    return wants_more;
}

static ULONG first_failure(etwapi_playback *const *traces, ULONG count)
{
    for (ULONG i = 0; i < count; i++) {
        if (traces[i]->failure != ERROR_SUCCESS) {
            return traces[i]->failure;
        }
    }
    return ERROR_SUCCESS;
}

/* CloseTrace lets a session's events that are in a buffer already come. */
static bool has_buffered(const etwapi_playback *trace)
{
    return trace != NULL && trace->is_real_time && trace->events_since_look > 0;
}

/* What was enabled between OpenTrace and now counts from the first event on. */
static void look_at_sessions(etwapi_playback *const *traces, ULONG count)
{
    for (ULONG i = 0; i < count; i++) {
        if (traces[i]->is_real_time) {
            (void)look_at_session(traces[i]);
        }
    }
}

static ULONG deliver_all(etwapi_playback *const *traces, ULONG count, const FILETIME *start,
                         const FILETIME *end)
{
    look_at_sessions(traces, count);
    for (;;) {
        etwapi_playback *trace = oldest(traces, count);
        if (any_closing(traces, count) && !has_buffered(trace)) {
            return ERROR_SUCCESS;
        }

        const bool lives = trace == NULL && any_lives(traces, count);
        bool delivered = false;
        if (!drain_all(traces, count, &delivered)) {
            return ERROR_CANCELLED;
        }
        if (trace == NULL) {
            if (!lives && !delivered) {
                return first_failure(traces, count);
            }
            Sleep(delivered ? 0 : WAIT_MS);
            continue;
        }
        if (is_silent(trace) || !is_due(trace)) {
            if (any_closing(traces, count)) {
                return ERROR_SUCCESS; /* what has not happened yet is in no buffer */
            }
            Sleep(WAIT_MS);
            trace->ended |= !look_at_session(trace);
        } else {
            if (is_in_range(trace, start, end)) {
                deliver(trace);
            }
            etwapi_playback_advance(trace);
            bool session_gone = false;
            if (++trace->events_since_look >= EVENTS_PER_BUFFER &&
                !end_buffer(trace, &session_gone)) {
                return ERROR_CANCELLED;
            }
            trace->ended |= session_gone;
        }
        if (trace->ended) {
            trace->event = NULL;
        }
    }
}

ULONG etwapi_playback_run(etwapi_playback *const *traces, ULONG count, const FILETIME *start,
                          const FILETIME *end)
{
    const ULONG code = deliver_all(traces, count, start, end);
    bool session_ended = false;
    for (ULONG i = 0; i < count; i++) {
        if (code != ERROR_CANCELLED && traces[i]->events_since_look > 0) {
            (void)end_buffer(traces[i], &session_ended);
        }
    }
    return code;
}
