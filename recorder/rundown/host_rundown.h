/* The rundown of this machine: its processes and the images they have loaded. */
#ifndef ETW_RECORDER_HOST_RUNDOWN_H
#define ETW_RECORDER_HOST_RUNDOWN_H

#include "format/event/rundown.h"
#include "recorder/rundown/identity_cache.h"

/* What could not be asked: a user sees his own processes, an administrator most. */
typedef struct etw_rundown_gaps {
    uint32_t processes;         /* that were listed */
    uint32_t closed;            /* that could not be opened: no path, user, command line */
    uint32_t imageless;         /* whose images could not be listed */
    uint32_t last_code;         /* Windows' reason for the last of these */
    uint32_t services_code;     /* why the services could not be listed; 0: they were */
    uint32_t unreadable_images; /* files that could not be opened, or are no PE files */
    etw_error kernel;           /* why the kernel's own list could not be had; ETW_OK: it was */
} etw_rundown_gaps;

typedef struct etw_rundown_sink {
    size_t max_bytes; /* of a blob */
    etw_status (*put)(void *context, etw_bytes blob, uint32_t processes, etw_error *error);
    void *context;
    etw_buffer *events;        /* takes the run of events (rundown_events.h) */
    size_t max_event_bytes;    /* of which there are no more beyond this */
    etw_identity_cache *cache; /* of images' files */
    etw_rundown_gaps gaps;     /* set by the call */
} etw_rundown_sink;

/* Calls put with blobs of whole processes, and makes events of the same. Processes and images are
 * those that the kernel tells in a short session of its own, where that can be had, and its events
 * are kept as they came; those that it does not tell of, or else all, are asked for one by one.
 * SeDebugPrivilege is switched on meanwhile where it is held. */
ETW_API_CHECKED etw_status etw_host_rundown(etw_rundown_sink *sink, etw_error *error);

#endif
