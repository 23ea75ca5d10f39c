/* Where records come from: a .etl file, an .etwcap file, a live session. One handle, one loop.
 *
 * A source delivers items in their order: events, and between them what was lost. What an item
 * points to is lent until the next call on the same source. */
#ifndef ETW_FORMAT_EVENT_SOURCE_H
#define ETW_FORMAT_EVENT_SOURCE_H

#include "format/event/clock.h"
#include "format/event/record.h"

/* Text fields of a trace are UTF-8, cut to this at a character boundary. */
#define ETW_TRACE_NAME_SIZE 1024u
/* TRACE_LOGFILE_HEADER with its two names: no record is larger than 64 KiB. */
#define ETW_MAX_LOGFILE_HEADER_SIZE 0xFFFFu
/* Traces (session, .etl) that one file can hold side by side. */
#define ETW_MAX_TRACES 1024u

/* One trace: what its session and host said about it. Numbers are 0 and texts empty where unknown.
 */
typedef struct etw_trace {
    etw_clock clock;
    uint32_t pointer_size; /* of the recording system: 4 or 8 */
    uint32_t processor_count;
    uint32_t os_version; /* TRACE_LOGFILE_HEADER.Version: major, minor, sub version, sub minor */
    uint32_t os_build;   /* ProviderVersion */
    uint32_t timer_resolution_100ns;
    uint32_t cpu_mhz;
    uint32_t log_file_mode;
    uint32_t buffer_size_bytes;
    uint32_t buffers_written; /* as its header says; often stale */
    uint32_t start_buffers;
    uint32_t maximum_file_size_mb;
    uint32_t events_lost;     /* as its header says */
    uint32_t buffers_lost;    /* as its header says */
    int32_t utc_bias_minutes; /* TIME_ZONE_INFORMATION.Bias */
    int64_t boot_time_100ns;  /* FILETIME */
    int64_t start_time_100ns;
    int64_t end_time_100ns; /* 0: the session was not closed */
    etw_guid log_instance_id;
    char session_name[ETW_TRACE_NAME_SIZE];
    char log_file_name[ETW_TRACE_NAME_SIZE]; /* as the header names it */
    char source_path[ETW_TRACE_NAME_SIZE]; /* base name of the file it was read from; "" if live */
    char host_name[ETW_TRACE_NAME_SIZE];   /* live recordings only */
    /* TRACE_LOGFILE_HEADER as recorded, pointer slots and names included; owned by the trace's
     * owner */
    etw_bytes logfile_header;
} etw_trace;

/* LogFileMode of the sessions that a process has for itself (EVENT_TRACE_PRIVATE_LOGGER_MODE). */
#define ETW_MODE_PRIVATE_LOGGER 0x00000800u
#define ETW_MODE_COMPRESSED     0x04000000u

/* KernelTime and UserTime hold thread CPU times; else they are one number, ProcessorTime. Of a
 * private session the record's flag should say so, but those in files lack it: the mode tells. */
static inline bool etw_trace_has_cpu_times(const etw_trace *trace, const etw_event_record *record)
{
    const uint16_t none = ETW_FLAG_PRIVATE_SESSION | ETW_FLAG_NO_CPUTIME;
    return (record->EventHeader.Flags & none) == 0 &&
           (trace->log_file_mode & ETW_MODE_PRIVATE_LOGGER) == 0;
}

/* Why something is missing. Values are stored in files and never change. */
typedef enum etw_loss_cause {
    ETW_LOSS_ETW_EVENTS = 1,       /* the session ran out of buffers: EventsLost */
    ETW_LOSS_ETW_BUFFERS = 2,      /* LogBuffersLost: whole buffers could not be written */
    ETW_LOSS_REALTIME_BUFFERS = 3, /* RealTimeBuffersLost: not delivered to this consumer in time */
    ETW_LOSS_QUEUE_FULL = 4,       /* our own queue was full and the policy said drop */
    ETW_LOSS_LIMIT = 5,            /* a limit of the recording was reached */
    ETW_LOSS_DISK = 6,             /* the target could not take it: full, failing */
    ETW_LOSS_DAMAGE = 7,           /* bytes of the source were broken: .etl buffer, .etwcap block */
    ETW_LOSS_SEGMENT = 8,          /* a segment of a ring is missing */
    ETW_LOSS_TRUNCATED = 9,        /* the source ends before its own end */
    ETW_LOSS_FILTERED = 10         /* left out on request (cut): not counted as missing */
} etw_loss_cause;

#define ETW_LOSS_DETAIL_SIZE 512u
/* A count that could not be known. */
#define ETW_LOSS_COUNT_UNKNOWN UINT64_MAX

typedef struct etw_loss {
    uint32_t cause;          /* an etw_loss_cause */
    uint16_t trace_index;    /* which trace lost it */
    uint64_t events;         /* lost events, or ETW_LOSS_COUNT_UNKNOWN */
    uint64_t buffers;        /* lost buffers or blocks, 0 where that has no meaning */
    uint64_t bytes;          /* bytes of the source passed over, 0 where that has no meaning */
    int64_t from_time_100ns; /* FILETIME between which it was lost; both 0 where unknown */
    int64_t to_time_100ns;
    /* Of a file of a rotated session (cause ETW_EVENTS or ETW_BUFFERS): what was lost since the
     * session began, as its log-file header counts; 0 elsewhere. Not stored. */
    uint32_t since_session_start;
    char detail[ETW_LOSS_DETAIL_SIZE]; /* where and how, for people: "buffer 3 at 0x18000: ..." */
} etw_loss;

/* Sets the detail, cut to what fits at a character boundary. */
ETW_API void etw_loss_set_detail(etw_loss *loss, const char *format, ...) ETW_PRINTF(2, 3);

/* A fixed word such as "events lost by ETW"; never NULL. */
ETW_API const char *etw_loss_cause_name(uint32_t cause);

typedef enum etw_item_kind { ETW_ITEM_EVENT, ETW_ITEM_LOSS } etw_item_kind;

typedef struct etw_item {
    etw_item_kind kind;
    uint16_t trace_index;           /* index into the source's traces; a loss may come before any */
    uint32_t schema_id;             /* of an .etwcap's own schemas; 0: none known */
    const etw_event_record *record; /* of an EVENT; TimeStamp is raw ticks */
    const etw_loss *loss;           /* of a LOSS */
} etw_item;

/* A source: the first member of each implementation's own structure. */
typedef struct etw_source etw_source;

typedef struct etw_source_ops {
    /* ETW_OK with *item set; ETW_END; or an error, after which next may not be called again. Damage
     * that can be passed over is no error: it is a LOSS item, and reading goes on. */
    etw_status (*next)(etw_source *source, etw_item *item, etw_error *error);
    /* trace_index < the count that etw_source_trace_count gives; more may appear while reading. */
    const etw_trace *(*trace)(const etw_source *source, uint16_t trace_index);
    uint16_t (*trace_count)(const etw_source *source);
    void (*close)(etw_source *source);
} etw_source_ops;

struct etw_source {
    const etw_source_ops *ops;
};

static inline etw_status etw_source_next(etw_source *source, etw_item *item, etw_error *error)
{
    return source->ops->next(source, item, error);
}

static inline const etw_trace *etw_source_trace(const etw_source *source, uint16_t trace_index)
{
    return source->ops->trace(source, trace_index);
}

static inline uint16_t etw_source_trace_count(const etw_source *source)
{
    return source->ops->trace_count(source);
}

/* Whether its traces are all of the boot and the host of *first; where that is NULL, the first of
 * them becomes it. What is known of processes and images holds for one boot alone. */
ETW_API bool etw_source_is_of_one_boot(const etw_source *source, const etw_trace **first);

/* NULL is fine. */
static inline void etw_source_close(etw_source *source)
{
    if (source != NULL) {
        source->ops->close(source);
    }
}

#endif
