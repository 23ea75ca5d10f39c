#include "recorder/session/session_properties_windows.h"

#include <stdlib.h>

#include <objbase.h>

#define DEFAULT_BUFFER_SIZE_KB 64u
#define MAX_BUFFER_SIZE_KB     16384u
/* All buffers together, by default: what comes while the recorder does not get to run. */
#define LEAST_MEGABYTES         64u
#define MEGABYTES_PER_PROCESSOR 2u

/* SystemTraceControlGuid, by which the NT Kernel Logger is known. */
static const GUID system_trace_control = {
    0x9e814aad, 0x3204, 0x11d2, {0x9a, 0x82, 0x00, 0x60, 0x08, 0xa8, 0x69, 0x39}};

void etw_session_properties_clear(etw_session_properties *properties)
{
    memset(properties, 0, sizeof *properties);
    properties->head.Wnode.BufferSize = sizeof *properties;
    properties->head.Wnode.Flags = WNODE_FLAG_TRACED_GUID;
    properties->head.LoggerNameOffset = offsetof(etw_session_properties, session_name);
    properties->head.LogFileNameOffset = offsetof(etw_session_properties, file_name);
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value == 0 ? fallback : value;
}

static uint32_t default_buffers(uint32_t processors, uint32_t buffer_size_kb)
{
    const uint32_t by_processors = processors * MEGABYTES_PER_PROCESSOR;
    const uint32_t megabytes = by_processors > LEAST_MEGABYTES ? by_processors : LEAST_MEGABYTES;
    return megabytes * 1024 / buffer_size_kb;
}

void etw_session_properties_for_start(const etw_session_options *options,
                                      etw_session_properties *properties)
{
    const uint32_t processors = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    etw_session_properties_clear(properties);
    EVENT_TRACE_PROPERTIES *head = &properties->head;
    const uint32_t buffer_size = or_default(options->buffer_size_kb, DEFAULT_BUFFER_SIZE_KB);
    head->Wnode.ClientContext = or_default(options->clock_type, ETW_CLOCK_QPC);
    head->BufferSize = buffer_size < MAX_BUFFER_SIZE_KB ? buffer_size : MAX_BUFFER_SIZE_KB;
    head->MinimumBuffers = or_default(options->minimum_buffers, processors * 2);
    head->MaximumBuffers =
        or_default(options->maximum_buffers, default_buffers(processors, head->BufferSize));
    /* The most that was asked for is a bound; the least that was asked for raises a default. */
    if (options->maximum_buffers == 0 && head->MaximumBuffers < head->MinimumBuffers) {
        head->MaximumBuffers = head->MinimumBuffers;
    }
    if (head->MinimumBuffers > head->MaximumBuffers) {
        head->MinimumBuffers = head->MaximumBuffers;
    }
    head->FlushTimer = or_default(options->flush_seconds, 1);
    head->EnableFlags = options->kernel_flags;
    head->LogFileMode = EVENT_TRACE_REAL_TIME_MODE;
    if (!options->not_independent) {
        /* One session's stalled consumer must not make the provider drop events for the others. */
        head->LogFileMode |= EVENT_TRACE_INDEPENDENT_SESSION_MODE;
    }
    if (options->system_logger) {
        head->LogFileMode |= EVENT_TRACE_SYSTEM_LOGGER_MODE;
    }
    if (etw_session_wants_kernel(options) && !options->system_logger) {
        head->Wnode.Guid = system_trace_control;
    } else {
        (void)CoCreateGuid(&head->Wnode.Guid);
    }
}
