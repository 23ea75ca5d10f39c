/* A saved trace, or what providers write to a session, as it is given to a consumer. */
#ifndef ETW_REPLAY_ETWAPI_PLAYBACK_H
#define ETW_REPLAY_ETWAPI_PLAYBACK_H

#include "replay/etwapi/delivery.h"
#include "replay/etwapi/live_ring.h"
#include "replay/etwapi/session_table.h"
#include "replay/replay.h"

/* One open trace. Between OpenTrace and CloseTrace; the thread in ProcessTrace owns all but
 * closing. */
typedef struct etwapi_playback {
    ULONG generation; /* odd while open; part of the handle */
    etw_replay *replay;
    const etw_event *event; /* the next one, NULL before the first and after the last */
    bool ended;
    bool is_real_time;
    bool is_raw, wants_records; /* PROCESS_TRACE_MODE_... */
    bool processing;
    bool was_played; /* by an earlier ProcessTrace */
    volatile LONG closing;
    ULONG failure;          /* why the trace ended before its end; ERROR_SUCCESS: it did not */
    TRACEHANDLE session;    /* of a real-time trace */
    etwapi_ring *ring;      /* what providers write to the session; NULL for a file */
    etw_event_maker *maker; /* for filters that look into what they wrote; NULL for a file */
    bool is_looping;        /* begins again after its last event */
    bool is_rebased;        /* rebase_100ns is known */
    int64_t rebase_100ns;   /* from the trace's time to the one that is told */
    bool is_endless;        /* until the session is stopped, not until the saved trace ends */
    etwapi_session enabled; /* the session as it was last looked at */
    ULONG events_since_look, read_count, buffer_count;
    int64_t base_time_100ns; /* of a session: FILETIME and clock of one moment here */
    LARGE_INTEGER base_ticks;
    bool is_paced; /* the next two are set: when the first event was, in the trace and here */
    int64_t first_time_100ns;
    ULONGLONG first_tick_ms;
    EVENT_TRACE_LOGFILEW log;      /* what the callbacks get; its strings are owned */
    wchar_t *file_name;            /* owned; NULL: a session */
    etw_extended_data_item *items; /* room for kept items */
    ULONG item_room;
} etwapi_playback;

/* A Windows error code; *opened is to be freed. The buffer callback gets names as the caller gave
 * them, or those of ansi. */
ULONG etwapi_playback_open(const EVENT_TRACE_LOGFILEW *log, const EVENT_TRACE_LOGFILEA *ansi,
                           etwapi_playback **opened);
void etwapi_playback_free(etwapi_playback *trace);
/* Looks ahead to the next event: the header of the trace is known from the first one on. */
void etwapi_playback_advance(etwapi_playback *trace);
/* Before each ProcessTrace: a file that was played is read from its start again, as by programs
 * that read it twice (Microsoft's etl2pcapng), and a session that ended is told as
 * ERROR_WMI_INSTANCE_NOT_FOUND. A Windows error code. */
ULONG etwapi_playback_rewind(etwapi_playback *trace);
/* A raw time stamp of this machine's clock for a moment of the trace. */
int64_t etwapi_playback_ticks(const etwapi_playback *trace, int64_t time_100ns);
/* In the properties of the session. */
void etwapi_playback_count_loss(const etwapi_playback *trace, ULONG events, ULONG buffers);
int64_t etwapi_now_100ns(void);

/* What ProcessTrace does with traces that nobody else processes: calls their callbacks until all
 * have ended, are being closed, or a buffer callback wants no more. start and end may be NULL. */
ULONG etwapi_playback_run(etwapi_playback *const *traces, ULONG count, const FILETIME *start,
                          const FILETIME *end);

static inline uint64_t etwapi_filetime(const FILETIME *time)
{
    return (uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime;
}

static inline LARGE_INTEGER etwapi_large(int64_t value)
{
    LARGE_INTEGER result;
    result.QuadPart = value;
    return result;
}

#endif
