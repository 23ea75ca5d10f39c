/* The command line of etw-record; profile files use the same options. */
#ifndef ETW_RECORDER_ARGUMENTS_H
#define ETW_RECORDER_ARGUMENTS_H

#include "format/base/text.h"
#include "format/output/output.h"
#include "recorder/capture/capture.h"
#include "recorder/capture/flight.h"
#include "recorder/command/profile.h"
#include "recorder/session/session.h"

typedef enum etw_record_action {
    ETW_RECORD_CAPTURE, /* the main job */
    ETW_RECORD_CATALOG,
    ETW_RECORD_LIST_SESSIONS,
    ETW_RECORD_LIST_PROVIDERS,
    ETW_RECORD_LIST_PROVIDER,
    ETW_RECORD_LIST_COUNTERS,
    ETW_RECORD_KILL,
    ETW_RECORD_RECLAIM,
    ETW_RECORD_BOOT
} etw_record_action;

typedef enum etw_record_boot_step {
    ETW_BOOT_INSTALL,
    ETW_BOOT_REMOVE,
    ETW_BOOT_COLLECT
} etw_record_boot_step;

#define ETW_RECORD_MAX_PROFILES 8u

/* A provider as the user named it; its GUID is looked up when the session is made. */
typedef struct etw_provider_argument {
    char *name;          /* or GUID; owned */
    char *keyword_names; /* "QueryName+Cache": further bits of any_keyword; owned, or NULL */
    etw_provider_options options;
} etw_provider_argument;

typedef struct etw_record_arguments {
    etw_record_action action;
    const char *action_name;   /* the session to kill, the part of a provider's name; may be NULL */
    etw_record_boot_step boot; /* of ETW_RECORD_BOOT */
    bool dry_run;              /* only tell what --boot would write or take out */
    const char **inputs;       /* .etl and .etwcap files, folders, patterns; "-" for stdin */
    uint32_t input_count;
    bool from_json;     /* the one input is text */
    const char *member; /* of an archive; NULL: all traces in it */
    const char **manifests;
    uint32_t manifest_count;
    const char **where; /* the texts of --where */
    uint32_t where_count;
    etw_where *filter; /* of them; NULL: all events */
    bool no_default_schemas;
    const char *language;             /* of messages in .mui files; NULL: en-US */
    etw_provider_argument *providers; /* ETW_SESSION_MAX_PROVIDERS of room; NULL: there are none */
    uint32_t provider_count;
    etw_session_options session;                /* its providers are not set here */
    etw_kernel_event *kernel_stacks;            /* ETW_MAX_KERNEL_STACKS of room */
    etw_counter_wish sampled[ETW_MAX_COUNTERS]; /* names are the next field's */
    etw_counter_wish counters[ETW_MAX_COUNTERS];
    etw_kernel_event *counted_events;          /* ETW_MAX_KERNEL_STACKS of room */
    char *counter_names[2 * ETW_MAX_COUNTERS]; /* owned */
    uint32_t counter_name_count;
    uint32_t system_flags;          /* --system: kernel flags, by system providers if there are */
    uint32_t sample_interval_us;    /* of PROFILE; 0: as it is */
    bool replace_session;           /* kill a session that has the name, then start */
    bool reclaim_first;             /* stop orphans before the start */
    bool no_rundown;                /* without the host's processes and images */
    uint32_t oracle_events;         /* TDH's texts kept for so many events of each schema */
    const char *output;             /* NULL: nothing is kept, only printed */
    const char *run;                /* a command: record while it runs; NULL: none */
    const char *on_segment;         /* a command for each finished segment; NULL: none */
    const etw_output_format *print; /* live events on stdout; NULL: none */
    etw_writer_options writer;
    bool overload_given; /* else live recordings drop and files wait */
    etw_capture_limits limits;
    etw_flight_options flight;
    bool service;
    const char *log; /* where messages go; NULL: stderr */
    bool quiet;
    bool show_progress;
    etw_profile profiles[ETW_RECORD_MAX_PROFILES]; /* the values above may point into them */
    uint32_t profile_count;
} etw_record_arguments;

/* ETW_END: *output has a text to print and nothing else is to be done. Errors are the user's and
 * say which option they are about. argv must outlive the arguments; the text is the caller's to
 * free. */
etw_status etw_record_arguments_parse(int argc, char **argv, etw_record_arguments *arguments,
                                      etw_text *output, etw_error *error);
void etw_record_arguments_free(etw_record_arguments *arguments);

/* A live session is wanted, not only files. */
static inline bool etw_record_is_live(const etw_record_arguments *arguments)
{
    return arguments->provider_count > 0 || etw_session_wants_kernel(&arguments->session) ||
           arguments->system_flags != 0 || arguments->session.attach;
}

#endif
