/* A live ETW session: started, fed to a callback, changed while it runs, closed.
 *
 * Everything here needs Windows; elsewhere each function returns ETW_ERROR_UNSUPPORTED and says so.
 * This is the only place that calls StartTrace, EnableTraceEx2, OpenTrace, ProcessTrace and
 * ControlTrace. */
#ifndef ETW_RECORDER_SESSION_H
#define ETW_RECORDER_SESSION_H

#include "format/event/consumer.h"

/* Sessions that this project names itself begin so; etw_session_reclaim removes those left behind.
 */
#define ETW_SESSION_PREFIX        "etwcap-"
#define ETW_SESSION_MAX_PROVIDERS 256u
/* EnableTraceEx2's own limits (MAX_EVENT_FILTER_EVENT_ID_COUNT, MAX_EVENT_FILTER_PID_COUNT). */
#define ETW_FILTER_MAX_EVENT_IDS   64u
#define ETW_FILTER_MAX_PROCESS_IDS 8u
/* A system runs at most so many sessions (64; from Windows 10 1703 the EtwMaxLoggers value may
 * raise it). */
#define ETW_SYSTEM_MAX_SESSIONS 64u

/* Enable properties: EVENT_ENABLE_PROPERTY_... of evntcons.h. */
enum {
    ETW_ENABLE_SID = 0x0001,
    ETW_ENABLE_TS_ID = 0x0002,
    ETW_ENABLE_STACK_TRACE = 0x0004,
    ETW_ENABLE_PSM_KEY = 0x0008,
    ETW_ENABLE_IGNORE_KEYWORD_0 = 0x0010,
    ETW_ENABLE_PROVIDER_GROUP = 0x0020,
    ETW_ENABLE_ENABLE_KEYWORD_0 = 0x0040,
    ETW_ENABLE_PROCESS_START_KEY = 0x0080,
    ETW_ENABLE_EVENT_KEY = 0x0100,
    ETW_ENABLE_EXCLUDE_INPRIVATE = 0x0200
};

typedef struct etw_event_id_filter {
    bool exclude; /* the ids are left out instead of let in */
    uint32_t count;
    uint16_t ids[ETW_FILTER_MAX_EVENT_IDS];
} etw_event_id_filter;

/* Events by their level and keywords, as EnableTraceEx2 compares them: for stacks alone. */
typedef struct etw_level_keyword_filter {
    bool is_set, exclude;
    uint8_t level;                     /* 0: of all levels */
    uint64_t any_keyword, all_keyword; /* any 0: of all keywords */
} etw_level_keyword_filter;

/* One provider of a session and what is wanted from it. */
typedef struct etw_provider_options {
    etw_guid id;
    uint8_t
        level; /* 0: all levels are let through by ETW; 1 critical ... 5 verbose, 255 everything */
    uint64_t any_keyword, all_keyword;
    uint32_t enable_properties;    /* ETW_ENABLE_... */
    etw_event_id_filter event_ids; /* count 0: none */
    etw_event_id_filter stack_ids; /* stack traces for these events only */
    uint32_t process_ids[ETW_FILTER_MAX_PROCESS_IDS];
    uint32_t process_id_count;
    const char *executable_names; /* UTF-8, ';' between; NULL: none */
    const char *package_ids;      /* as above: package full names */
    const char *payload_filter;   /* "ID: Property=value, Property>5" (all must hold), or
                                     "ID:VERSION: ..." (else version 0); NULL: none */
    /* "Start,Stop", the names of TraceLogging events; with ! in front all others. Windows 10 1709
     * and later. NULL: none. */
    const char *event_names;
    const char *stack_names;              /* stack traces for these events only; as above */
    etw_level_keyword_filter stack_level; /* likewise; Windows 10 1709 and later */
    /* "key=value,key=value": arguments of an EventSource, or whatever the provider reads of a
     * schematized filter; NULL: none. */
    const char *provider_arguments;
    bool capture_state; /* ask for a rundown once enabled */
} etw_provider_options;

/* A kind of kernel events. */
typedef struct etw_kernel_event {
    etw_guid event_class;
    uint8_t opcode;
} etw_kernel_event;

#define ETW_MAX_KERNEL_STACKS 256u
/* Of the kernel's group masks. */
#define ETW_KERNEL_MASKS 8u
/* Counters of the processor that are asked for together; processors have fewer. */
#define ETW_MAX_COUNTERS 16u

/* A counter of the processor, named as etw_counter_list names it. */
typedef struct etw_counter_wish {
    const char *name;
    uint32_t interval; /* of what it counts, between two samples; 0: as it is */
} etw_counter_wish;

typedef struct etw_session_options {
    const char *name; /* UTF-8; NULL: ETW_SESSION_PREFIX, process id and a number */
    const etw_provider_options *providers;
    uint32_t provider_count;
    /* Kernel flags (EVENT_TRACE_FLAG_...). Without system_logger the session is the NT Kernel
     * Logger, which exists once per system; with it (Windows 8 and later) a private system-logger
     * session. */
    uint32_t kernel_flags;
    /* Further kernel events, by group masks (etw_kernel_name_parse); the first is not used: its
     * bits are kernel_flags. Windows 8 and later. */
    uint32_t kernel_groups[ETW_KERNEL_MASKS];
    bool system_logger;
    const etw_kernel_event *kernel_stacks; /* whose stacks are wanted */
    uint32_t kernel_stack_count;
    /* Samples whenever one of these counters has counted its interval, which stays so for the whole
     * system: with the kernel group PMC_PROFILE. */
    const etw_counter_wish *sampled_counters;
    uint32_t sampled_counter_count;
    /* Values of these counters in the extended data of such kernel events. */
    const etw_counter_wish *counters;
    uint32_t counter_count;
    const etw_kernel_event *counted_events;
    uint32_t counted_event_count;
    /* Between two samples of PROFILE, in 100 ns, for the whole system; it stays so after the
     * session. 0: as it is. */
    uint32_t sample_interval_100ns;
    /* Reads a session that somebody else started and stops: name says which. Providers, flags and
     * settings are that one's. Its end is ETW_ERROR_STOPPED. */
    bool attach;
    uint32_t buffer_size_kb; /* 0: 64; at most 16384 */
    uint32_t minimum_buffers,
        maximum_buffers;    /* 0: 2 for each processor; 64 MB or 2 MB for each processor in all */
    uint32_t flush_seconds; /* 0: 1 */
    uint32_t clock_type;    /* an etw_clock_type; 0: QPC */
    bool not_independent;   /* one stalled consumer may then stall other sessions of the provider */
    /* Start again when somebody stops the session from outside: what these options point to must
     * then stay until it is closed. */
    bool restart;
} etw_session_options;

typedef struct etw_session_losses {
    uint64_t events_lost;
    uint64_t log_buffers_lost;
    uint64_t realtime_buffers_lost;
    uint64_t dropped_by_queue; /* events that etw_session_next's queue had no room for */
} etw_session_losses;

typedef struct etw_session etw_session;

/* Starts the session and enables its providers. ETW_ERROR_EXISTS: the name is taken
 * (etw_session_kill, then try again; *error names it). ETW_ERROR_ACCESS names the missing right.
 * ETW_ERROR_LIMIT: the system's sessions are all in use. Nothing is left running after a failure.
 */
ETW_API_CHECKED etw_status etw_session_open(const etw_session_options *options,
                                            etw_session **session, etw_error *error);

/* Delivers events to the callback until the session is closed, in this thread. The same etw_event
 * as a replay's, valid inside the callback. ETW_OK after etw_session_stop; ETW_ERROR_STOPPED where
 * somebody else stopped the session and restart was not asked for. */
ETW_API_CHECKED etw_status etw_session_process(etw_session *session, etw_event_callback callback,
                                               void *context, etw_error *error);

/* open and process as the one handle that a saved trace has too. */
ETW_API_CHECKED etw_status etw_session_consumer(const etw_session_options *options,
                                                etw_consumer **consumer, etw_error *error);

/* As process, but with raw records (TimeStamp in ticks of the clock of etw_session_trace, which is
 * known from the first call on), the losses in their place, and a call about once a second, also
 * while no events come. What a recorder needs. One call at a time. ETW_END from a function stops
 * the session; any other failure does too, and is what the pump returns. */
typedef struct etw_session_sink {
    etw_status (*event)(void *context, const etw_event_record *record);
    etw_status (*loss)(void *context, const etw_loss *loss);
    etw_status (*tick)(void *context);
    /* About once a minute and at the start: raw ticks and FILETIME of the same moment. May be NULL.
     */
    etw_status (*anchor)(void *context, int64_t ticks, int64_t time_100ns);
    void *context;
} etw_session_sink;
ETW_API_CHECKED etw_status etw_session_pump(etw_session *session, const etw_session_sink *sink,
                                            etw_error *error);

/* The next-event form: events are copied out of ETW's thread into a bounded queue (32 MiB); what
 * does not fit is dropped and counted (etw_session_get_losses). *event is valid until the next
 * call.
 * ETW_END once stopped and empty. Waits up to timeout_ms; ETW_AGAIN where nothing came.
 */
ETW_API_CHECKED etw_status etw_session_next(etw_session *session, uint32_t timeout_ms,
                                            const etw_event **event, etw_error *error);

/* Adds a provider or changes the options it was enabled with, while the session runs. */
ETW_API_CHECKED etw_status etw_session_update(etw_session *session,
                                              const etw_provider_options *provider,
                                              etw_error *error);

/* Asks the loop to end: from the callback, from any thread, any number of times. */
ETW_API void etw_session_stop(etw_session *session);

/* Stops if that has not happened: disables the providers, then stops the session, then frees. Not
 * from the callback. NULL is fine. */
ETW_API void etw_session_close(etw_session *session);

/* Of the session: clock, host, settings; stays valid until it is closed. */
ETW_API const etw_trace *etw_session_trace(const etw_session *session);
ETW_API void etw_session_get_losses(const etw_session *session, etw_session_losses *losses);
/* UTF-8. */
ETW_API const char *etw_session_name(const etw_session *session);

/* The name that a session of these options will have: that of the NT Kernel Logger, or theirs.
 * NULL: one is made. */
ETW_API const char *etw_session_fixed_name(const etw_session_options *options);

/* Stops any session by its name. ETW_ERROR_NOT_FOUND where there is none. */
ETW_API_CHECKED etw_status etw_session_kill(const char *name, etw_error *error);

typedef void (*etw_session_visit)(void *context, const char *name, uint32_t log_file_mode,
                                  const etw_session_losses *losses);
ETW_API_CHECKED etw_status etw_session_list(etw_session_visit visit, void *context,
                                            etw_error *error);

/* Stops every session that begins with ETW_SESSION_PREFIX and whose process is gone. */
ETW_API_CHECKED etw_status etw_session_reclaim(uint32_t *stopped, etw_error *error);

typedef void (*etw_provider_visit)(void *context, const etw_guid *id, const char *name);
/* All registered providers whose name contains the text (case ignored; NULL: all). */
ETW_API_CHECKED etw_status etw_provider_list(const char *name_part, etw_provider_visit visit,
                                             void *context, etw_error *error);
/* A GUID, or a registered provider's exact name (case ignored), or "*Name" for the GUID that an
 * EventSource or TraceLogging provider of that name has. Works everywhere for GUIDs and "*Name". */
ETW_API_CHECKED etw_status etw_provider_find(const char *name_or_guid, etw_guid *id,
                                             etw_error *error);

/* Whether events of the kernel are wanted by flags or groups. */
ETW_API bool etw_session_wants_kernel(const etw_session_options *options);

/* Adds the bits of "PROCESS", "THREAD", "IMAGE_LOAD", ... as in EVENT_TRACE_FLAG_..., to the first
 * mask; of "MEMINFO", "POWER", ..., which have no flag, to the others; of xperf's sets ("Base",
 * "Latency", ...) to both. False where the name is unknown. Works everywhere. */
ETW_API bool etw_kernel_name_parse(const char *name, uint32_t masks[ETW_KERNEL_MASKS]);

/* The processor's counters, by which may be sampled. */
typedef struct etw_counter {
    const char *name; /* UTF-8, valid during the call */
    uint32_t id;
    uint32_t least, most; /* intervals between two samples */
    uint32_t interval;    /* as it is now; 0 where it cannot be asked */
} etw_counter;
typedef void (*etw_counter_visit)(void *context, const etw_counter *counter);
ETW_API_CHECKED etw_status etw_counter_list(etw_counter_visit visit, void *context,
                                            etw_error *error);

#endif
