/* A consumer that counts what it sees and keeps the last event; for programs of cmocka, which is
 * included before. ETWAPI_TRACE names a trace of TraceLogging events of the provider Tests.Etwapi,
 * each with one property, a 32-bit integer "Count". */
#ifndef ETW_TESTS_SEEN_H
#define ETW_TESTS_SEEN_H

#include "format/event/record.h"
#include "format/event/tei.h"
#include "replay/etwapi/etw_headers.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static const GUID any_provider = {0x11111111, 0x2222, 0x3333, {1, 2, 3, 4, 5, 6, 7, 8}};

typedef struct seen {
    ULONG events, buffers;
    TRACEHANDLE trace;
    ULONG close_after; /* 0: never */
    ULONG closed;
    EVENT_RECORD last; /* with copies of what it points to */
    BYTE data[256];
    EVENT_HEADER_EXTENDED_DATA_ITEM item;
    BYTE item_data[256];
} seen;

/* Consumers keep copies and decode them later: the last TraceLogging event is kept. */
static inline void keep(seen *s, const EVENT_RECORD *event)
{
    for (USHORT i = 0; i < event->ExtendedDataCount; i++) {
        if (event->ExtendedData[i].ExtType == ETW_EXT_EVENT_SCHEMA_TL) {
            assert_true(event->UserDataLength <= sizeof s->data &&
                        event->ExtendedData[i].DataSize <= sizeof s->item_data);
            s->last = *event;
            s->item = event->ExtendedData[i];
            memcpy(s->data, event->UserData, event->UserDataLength);
            memcpy(s->item_data, (const void *)(uintptr_t)s->item.DataPtr, s->item.DataSize);
            s->item.DataPtr = (ULONGLONG)(uintptr_t)s->item_data;
            s->item.Linkage = 0;
            s->last.UserData = s->data;
            s->last.ExtendedData = &s->item;
            s->last.ExtendedDataCount = 1;
        }
    }
}

static inline void WINAPI on_record(EVENT_RECORD *event)
{
    seen *s = event->UserContext;
    s->events++;
    keep(s, event);
    if (s->events == s->close_after) {
        s->closed = CloseTrace(s->trace);
    }
}

static inline ULONG WINAPI on_buffer(EVENT_TRACE_LOGFILEW *log)
{
    seen *s = log->Context;
    s->buffers++;
    return log->BuffersRead == s->buffers;
}

static inline ULONG WINAPI refuse_buffer(EVENT_TRACE_LOGFILEW *log)
{
    seen *s = log->Context;
    s->buffers++;
    return FALSE;
}

static inline const WCHAR *trace_path(void)
{
    const WCHAR *path = _wgetenv(L"ETWAPI_TRACE");
    assert_non_null(path);
    return path;
}

static inline TRACEHANDLE open_file(seen *s, PEVENT_TRACE_BUFFER_CALLBACKW buffer_callback)
{
    EVENT_TRACE_LOGFILEW log = {.LogFileName = (WCHAR *)(uintptr_t)trace_path(),
                                .BufferCallback = buffer_callback,
                                .Context = s};
    log.ProcessTraceMode = PROCESS_TRACE_MODE_EVENT_RECORD;
    log.EventRecordCallback = on_record;
    s->trace = OpenTraceW(&log);
    assert_true(s->trace != INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(log.LogfileHeader.PointerSize, 8);
    return s->trace;
}

#endif
