#include "recorder/session/live_trace_windows.h"

#include "format/etl/etl.h"
#include "recorder/session/wide_windows.h"

#include <stdio.h>
#include <stdlib.h>

/* Class and opcode of the log-file header event, which opens every trace. */
static const etw_guid header_event_class = {
    0x68fdd900u, 0x4a3e, 0x11d1, {0x84, 0xf4, 0x00, 0x00, 0xf8, 0x04, 0x64, 0xe3}};

void etw_live_trace_free(etw_live_trace *live)
{
    free(live->logfile_header);
    *live = (etw_live_trace){.logfile_header = NULL};
}

int64_t etw_filetime_now(void)
{
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    return (int64_t)((uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime);
}

int64_t etw_ticks_now(uint32_t clock_type)
{
    if (clock_type == ETW_CLOCK_SYSTEM_TIME) {
        return etw_filetime_now();
    }
    LARGE_INTEGER ticks;
    (void)QueryPerformanceCounter(&ticks);
    return ticks.QuadPart;
}

/* The facts of the host as a file's header event would have them, names left empty: in the trace,
 * and as bytes for those who read a header. */
static void take_header(etw_live_trace *live, const TRACE_LOGFILE_HEADER *header)
{
    struct {
        TRACE_LOGFILE_HEADER header;
        wchar_t names[2];
    } body = {.header = *header};
    etw_trace trace = live->trace;
    body.header.PointerSize = trace.pointer_size;
    body.header.StartTime.QuadPart = trace.start_time_100ns;
    body.header.PerfFreq.QuadPart = (LONGLONG)trace.clock.frequency_hz;
    body.header.ReservedFlags = trace.clock.type;
    body.header.NumberOfProcessors = trace.processor_count;
    body.header.LoggerName = NULL;
    body.header.LogFileName = NULL;
    const etw_bytes bytes = {(const uint8_t *)&body, sizeof body.header + sizeof body.names};
    if (header->BufferSize == 0 ||
        etw_trace_from_logfile_header(bytes, sizeof(void *), trace.clock.base_ticks, &trace,
                                      NULL) != ETW_OK) {
        return;
    }
    live->logfile_header = malloc(bytes.size);
    if (live->logfile_header == NULL) {
        return;
    }
    memcpy(live->logfile_header, bytes.data, bytes.size);
    trace.logfile_header = (etw_bytes){live->logfile_header, bytes.size};
    memcpy(trace.session_name, live->trace.session_name, sizeof trace.session_name);
    live->trace = trace;
}

void etw_live_trace_describe(etw_live_trace *live, uint32_t clock_type, const char *session_name,
                             const TRACE_LOGFILE_HEADER *header)
{
    etw_trace *trace = &live->trace;
    SYSTEM_INFO system;
    GetNativeSystemInfo(&system);
    LARGE_INTEGER frequency;
    (void)QueryPerformanceFrequency(&frequency);
    trace->clock.type = clock_type == 0 ? ETW_CLOCK_QPC : clock_type;
    trace->clock.frequency_hz = (uint64_t)frequency.QuadPart;
    trace->clock.base_ticks = etw_ticks_now(trace->clock.type);
    trace->clock.base_time_100ns = etw_filetime_now();
    trace->pointer_size = system.wProcessorArchitecture == PROCESSOR_ARCHITECTURE_INTEL ? 4 : 8;
    trace->processor_count = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    trace->start_time_100ns = trace->clock.base_time_100ns;
    (void)snprintf(trace->session_name, sizeof trace->session_name, "%s", session_name);
    wchar_t host[MAX_COMPUTERNAME_LENGTH + 1];
    DWORD size = MAX_COMPUTERNAME_LENGTH + 1;
    char *utf8 = GetComputerNameW(host, &size) ? etw_utf8_from_wide(host) : NULL;
    if (utf8 != NULL) {
        (void)snprintf(trace->host_name, sizeof trace->host_name, "%s", utf8);
        free(utf8);
    }
    take_header(live, header);
}

void etw_live_trace_learn(etw_live_trace *live, const etw_event_record *first)
{
    live->known = true;
    if (!etw_guid_equal(&first->EventHeader.ProviderId, &header_event_class) ||
        first->EventHeader.EventDescriptor.Opcode != 0) {
        return;
    }
    etw_trace trace = live->trace;
    const etw_bytes payload = etw_record_user_data(first);
    if (etw_trace_from_logfile_header(payload, etw_record_pointer_size(first, trace.pointer_size),
                                      first->EventHeader.TimeStamp, &trace, NULL) != ETW_OK) {
        return;
    }
    uint8_t *copy = malloc(payload.size + 1);
    if (copy == NULL) {
        return;
    }
    free(live->logfile_header);
    live->logfile_header = copy;
    memcpy(live->logfile_header, payload.data, payload.size);
    trace.logfile_header = (etw_bytes){live->logfile_header, payload.size};
    memcpy(trace.host_name, live->trace.host_name, sizeof trace.host_name);
    live->trace = trace;
}
