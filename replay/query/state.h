/* Who an event is about: processes, threads and images, rebuilt from a trace's own events.
 *
 * What tells of them: the kernel's Process, Thread and Image classes with their rundowns, the
 * provider Microsoft-Windows-Kernel-Process, the list of processes that an .etwcap begins with
 * (format/event/rundown.h). Each has a life, from its start to its end; ids are used again, so that
 * all is looked up by id and time. A rundown at a trace's end tells of what lived from its start.
 *
 * Processes of one host (traces with one boot time) are one set; those of others are kept apart.
 *
 * Memory: at most ETW_STATE_MAX_PROCESSES, _THREADS and _IMAGES lives, and ETW_STATE_MAX_TEXT bytes
 * of names: 300 MiB if all were met. What is beyond is not known, and counted. */
#ifndef ETW_REPLAY_QUERY_STATE_H
#define ETW_REPLAY_QUERY_STATE_H

#include "format/event/rundown.h"
#include "format/output/event_json.h"

#define ETW_STATE_MAX_PROCESSES ((uint32_t)1 << 17)
#define ETW_STATE_MAX_THREADS   ((uint32_t)1 << 20)
#define ETW_STATE_MAX_IMAGES    ((uint32_t)1 << 20)
/* Images of one process id, unloaded ones too. */
#define ETW_STATE_MAX_IMAGES_OF_PROCESS 16384u
#define ETW_STATE_MAX_TEXT              ((size_t)64 << 20)
#define ETW_STATE_MAX_HOSTS             64u
/* The names of a process' services together; of what is more, the first. */
#define ETW_STATE_MAX_SERVICES_TEXT ((size_t)1024)

typedef struct etw_state etw_state;

/* What is to be known. */
typedef enum etw_state_depth {
    ETW_STATE_NAMES,  /* processes, threads, services */
    ETW_STATE_IMAGES, /* and images, and how often CPUs were sampled */
    ETW_STATE_STACKS  /* and methods of .NET, and call stacks */
} etw_state_depth;

/* Texts are UTF-8, "" where unknown, and live as long as the state. */
typedef struct etw_state_process {
    uint32_t process_id, parent_id;
    uint32_t session_id; /* UINT32_MAX: unknown */
    uint16_t host;       /* from 0 on, in the order in which traces of hosts came */
    bool has_start, has_end;
    bool has_exit_status;
    uint32_t exit_status;
    int64_t start_100ns; /* FILETIME; without has_start the earliest that it can be */
    int64_t end_100ns;   /* FILETIME; without has_end INT64_MAX */
    const char *name;    /* "svchost.exe" */
    const char *path;    /* of the executable */
    const char *command_line;
    const char *user;     /* the SID as text */
    const char *services; /* "Dnscache,NlaSvc": those that run in it */
    uint64_t start_key;   /* 0: unknown; of one boot, no other process has it */
    uint64_t events;      /* about it; only etw_state_count counts them and the next */
    uint64_t samples;     /* of a CPU */
    const struct etw_state_process *next;  /* in the order in which the trace told of them */
    const struct etw_state_process *older; /* with the same id */
} etw_state_process;

typedef struct etw_state_image {
    uint32_t process_id; /* 0: the kernel's */
    uint16_t host;
    bool has_load, has_unload;
    uint64_t base, size;
    int64_t load_100ns, unload_100ns; /* as a process' start and end */
    uint32_t time_date_stamp, checksum;
    const char *path;
    const char *pdb_name; /* "" where no ImageID event tells it */
    etw_guid pdb_guid;
    uint32_t pdb_age;
    const struct etw_state_image *next; /* in the order in which the trace told of them */
} etw_state_image;

/* Whom an event is about; the header says who logged it. */
typedef struct etw_owner {
    bool has_process, has_thread;
    uint32_t process_id, thread_id;
    const etw_state_process *process; /* NULL where the trace does not tell of it */
} etw_owner;

/* NULL where memory is out. */
ETW_API etw_state *etw_state_new(void);
ETW_API void etw_state_free(etw_state *state);

/* Learns from an event; to be called in the order of time. Cheap for others than it learns from.
 * record's TimeStamp is raw ticks of the trace's clock. False where memory is out. */
ETW_API bool etw_state_feed(etw_state *state, const etw_event_record *record,
                            const etw_trace *trace);
/* What a rundown of the recording host tells: what ran when the recording began. */
ETW_API bool etw_state_feed_rundown(etw_state *state, const etw_rundown *rundown);
/* Counts the event for whom it is about. Fed events only. */
ETW_API void etw_state_count(etw_state *state, const etw_event_record *record,
                             const etw_trace *trace);

/* Whom the event is about. */
ETW_API void etw_state_owner(const etw_state *state, const etw_event_record *record,
                             const etw_trace *trace, etw_owner *owner);
/* The host of a trace; UINT16_MAX where others were fed and it was not. */
ETW_API uint16_t etw_state_host(const etw_state *state, const etw_trace *trace);
/* The last owners found, by process id: events of one follow each other. All zero: none yet. */
#define ETW_OWNERS_KEPT 64u
typedef struct etw_kept_owner {
    uint64_t key;                 /* host and process id, + 1; 0: nothing is kept here */
    int64_t from_100ns, to_100ns; /* when the id was this process' alone */
    etw_event_process description;
} etw_kept_owner;
typedef struct etw_owner_memory {
    bool is_off; /* for a state that is still fed */
    etw_kept_owner kept[ETW_OWNERS_KEPT];
} etw_owner_memory;
/* Describes whom the event is about; false: nobody that is known. *description lives until the next
 * call, its texts as the state. */
ETW_API bool etw_state_describe_owner(const etw_state *state, etw_owner_memory *memory,
                                      const etw_event_record *record, const etw_trace *trace,
                                      const etw_event_process **description);

/* Who had the id at that time, or at most 10 ms from it; NULL: unknown. */
ETW_API const etw_state_process *etw_state_process_at(const etw_state *state, uint16_t host,
                                                      uint32_t process_id, int64_t time_100ns);
/* Whose thread that was, up to a second after its end; false: unknown. Not for 0, the idle thread.
 */
ETW_API bool etw_state_thread_at(const etw_state *state, uint16_t host, uint32_t thread_id,
                                 int64_t time_100ns, uint32_t *process_id);
/* The parent where it lived when the process began; NULL: unknown. */
ETW_API const etw_state_process *etw_state_parent(const etw_state *state,
                                                  const etw_state_process *process);
/* For etw_event_set_process. */
ETW_API void etw_state_describe(const etw_state *state, const etw_state_process *process,
                                etw_event_process *description);
/* The image that held the address at that time, of the process or of the kernel; else one that held
 * it at another time, with *is_timely false; NULL where there is none. */
ETW_API const etw_state_image *etw_state_image_at(const etw_state *state, uint16_t host,
                                                  uint32_t process_id, uint64_t address,
                                                  int64_t time_100ns, bool *is_timely);

/* An address in a process at a time. */
typedef struct etw_state_place {
    uint16_t host;
    uint32_t process_id;
    uint64_t address;
    int64_t time_100ns;
} etw_state_place;

/* The method of .NET whose code holds the address, and how far it is from its start. */
ETW_API bool etw_state_method_at(const etw_state *state, const etw_state_place *place,
                                 const char **name, uint64_t *offset);

typedef struct etw_symbols etw_symbols; /* replay/query/symbols.h */
/* What names native code, from now on; must outlive the state. NULL: nothing does. */
ETW_API void etw_state_set_symbols(etw_state *state, etw_symbols *symbols);

/* For etw_output_options; lives as the state, which is fed no more while it is in use. */
ETW_API void etw_state_get_namer(const etw_state *state, etw_address_namer *namer);

/* All that the trace tells of, in its order; NULL where there is none. */
ETW_API const etw_state_process *etw_state_first_process(const etw_state *state);
ETW_API const etw_state_image *etw_state_first_image(const etw_state *state);
/* 100 ns between two samples of a CPU; 0 where the trace does not tell. */
ETW_API uint32_t etw_state_sample_100ns(const etw_state *state);

typedef struct etw_state_totals {
    uint64_t processes, defunct, threads, images, kernel_images;
    uint64_t methods; /* of .NET; known when all of a file was read */
    uint64_t dropped; /* lives, and texts, above a limit */
} etw_state_totals;
ETW_API void etw_state_get_totals(const etw_state *state, etw_state_totals *totals);

/* The last part of a path, of Windows or Unix. */
ETW_API const char *etw_path_last_part(const char *path);

#endif
