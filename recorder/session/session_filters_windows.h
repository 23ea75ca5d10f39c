/* The filters of EnableTraceEx2, built from a provider's options. */
#ifndef ETW_RECORDER_SESSION_FILTERS_WINDOWS_H
#define ETW_RECORDER_SESSION_FILTERS_WINDOWS_H

#include "recorder/session/session.h"

#include <windows.h>

#include <evntrace.h>

#include <evntcons.h>

/* One descriptor per kind: ids and names of events and of stacks, level and keywords of stacks,
 * process ids, executables, packages, arguments, payload. */
#define ETW_MAX_FILTER_DESCRIPTORS 10u

typedef struct etw_filters {
    EVENT_FILTER_DESCRIPTOR descriptors[ETW_MAX_FILTER_DESCRIPTORS];
    void *owned[ETW_MAX_FILTER_DESCRIPTORS]; /* what the descriptors point to */
    void *payload_filter;                    /* TDH's, part of the payload descriptor */
    uint32_t count;
} etw_filters;

/* *filters must be freed, also after a failure. */
etw_status etw_filters_build(const etw_provider_options *provider, etw_filters *filters,
                             etw_error *error);
void etw_filters_free(etw_filters *filters);

#endif
