/* What the environment tells the drop-in API. Read once, when the DLL is first used. ETWAPI.md
 * explains each variable to users. */
#ifndef ETW_REPLAY_ETWAPI_SETTINGS_H
#define ETW_REPLAY_ETWAPI_SETTINGS_H

#include "format/base/guid.h"
#include "replay/replay.h"

#include <stdbool.h>
#include <stdint.h>

#define ETWAPI_MAX_PATH_BYTES 4096u
#define ETWAPI_MAX_ONLY       16u

typedef struct etwapi_settings {
    char trace_path[ETWAPI_MAX_PATH_BYTES];    /* ETWAPI_TRACE: what real-time sessions deliver */
    char manifest_path[ETWAPI_MAX_PATH_BYTES]; /* ETWAPI_MANIFESTS: "" for none */
    char where[ETWAPI_MAX_PATH_BYTES]; /* ETWAPI_WHERE: sessions deliver what passes; "" for all */
    etw_fault_options faults;          /* ETWAPI_FAULTS */
    bool has_wrong_faults;             /* that say what no fault is */
    double speed;        /* ETWAPI_SPEED: 0 as fast as possible, 1 the recorded pace */
    bool filter;         /* ETWAPI_FILTER: off delivers everything, whatever was enabled */
    bool wait_at_end;    /* ETWAPI_AT_END: wait keeps the session open after the last event */
    bool loop_at_end;    /* ETWAPI_AT_END: loop begins again */
    bool rebase;         /* ETWAPI_REBASE: times of a session as if its first event were now */
    uint32_t only_count; /* 0: all providers */
    etw_guid only[ETWAPI_MAX_ONLY]; /* ETWAPI_ONLY: sessions deliver these providers alone */
    bool deny_start;                /* ETWAPI_DENY: start refuses StartTrace */
    bool deny_kernel;               /* ETWAPI_DENY: kernel refuses it for the kernel's events */
    bool header_event;   /* ETWAPI_HEADER_EVENT: on gives the header event and clock of the trace */
    bool slow_providers; /* ETWAPI_PROVIDERS: slow, whoever waits for one gets ERROR_TIMEOUT */
    bool classic_providers; /* ETWAPI_PROVIDERS: classic, MatchAnyKeyword 0 lets nothing through */
    uint32_t lose_each;     /* ETWAPI_LOSE: each so many-th event is lost, 0 none */
    uint32_t lose_each_buffer; /* ETWAPI_LOSE_BUFFERS: each so many-th buffer, 0 none */
} etwapi_settings;

const etwapi_settings *etwapi_get_settings(void);

#endif
