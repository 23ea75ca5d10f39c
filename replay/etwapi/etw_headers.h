/* Windows' ETW headers for the code that implements what they declare: without dllimport. */
#ifndef ETW_REPLAY_ETWAPI_ETW_HEADERS_H
#define ETW_REPLAY_ETWAPI_ETW_HEADERS_H

#define WMIAPI  __stdcall
#define EVNTAPI __stdcall

#include <windows.h>

/* mingw-w64 declares it without its calling convention. */
#define TraceMessageVa TraceMessageVa_as_mingw_declares_it
#include <evntrace.h>
#undef TraceMessageVa

#include <evntcons.h>
#include <tdh.h>

ULONG WINAPI TraceMessageVa(TRACEHANDLE handle, ULONG flags, LPCGUID message, USHORT number,
                            va_list arguments);

/* ntdll's EtwEventWriteFull and EtwEventWriteNoRegistration. */
ULONG WINAPI EventWriteFull(ULONGLONG handle, const EVENT_DESCRIPTOR *descriptor, USHORT property,
                            LPCGUID activity, LPCGUID related, ULONG count,
                            struct _EVENT_DATA_DESCRIPTOR *data);
ULONG WINAPI EventWriteNoRegistration(LPCGUID provider, const EVENT_DESCRIPTOR *descriptor,
                                      ULONG count, struct _EVENT_DATA_DESCRIPTOR *data);

/* Since Windows 11 (evntrace.h); ETW_OPEN_TRACE_OPTIONS and ETW_PROCESS_TRACE_MODES. */
#define ETWAPI_MODE_RAW_TIMESTAMP 1u
typedef struct etwapi_open_options {
    ULONG modes;
    PEVENT_RECORD_CALLBACK event_callback;
    void *event_context;
    void *buffer_callback; /* for raw buffers, which there are none of */
    void *buffer_context;
} etwapi_open_options;
TRACEHANDLE WINAPI OpenTraceFromFile(LPCWSTR file, const etwapi_open_options *options,
                                     TRACE_LOGFILE_HEADER *header);
TRACEHANDLE WINAPI OpenTraceFromRealTimeLogger(LPCWSTR session, const etwapi_open_options *options,
                                               TRACE_LOGFILE_HEADER *header);

/* Since Windows 8; mingw-w64's tdh.h has none of them. TDH_HANDLE is a HANDLE. */
ULONG WINAPI TdhOpenDecodingHandle(HANDLE *handle);
ULONG WINAPI TdhCloseDecodingHandle(HANDLE handle);
ULONG WINAPI TdhSetDecodingParameter(HANDLE handle, TDH_CONTEXT *context);
ULONG WINAPI TdhGetWppMessage(HANDLE handle, EVENT_RECORD *event, ULONG *size, BYTE *buffer);
ULONG WINAPI TdhGetWppProperty(HANDLE handle, EVENT_RECORD *event, PWSTR name, ULONG *size,
                               BYTE *buffer);

/* Since Windows 8.1. */
typedef struct PROVIDER_EVENT_INFO {
    ULONG NumberOfEvents;
    ULONG Reserved;
    EVENT_DESCRIPTOR EventDescriptorsArray[];
} PROVIDER_EVENT_INFO;
ULONG WINAPI TdhEnumerateManifestProviderEvents(GUID *provider, PROVIDER_EVENT_INFO *info,
                                                ULONG *size);
ULONG WINAPI TdhGetManifestEventInformation(GUID *provider, EVENT_DESCRIPTOR *event,
                                            TRACE_EVENT_INFO *info, ULONG *size);
ULONG WINAPI TdhLoadManifestFromBinary(PWSTR path);

typedef struct PAYLOAD_FILTER_PREDICATE {
    LPWSTR FieldName;
    USHORT CompareOp;
    LPWSTR Value;
} PAYLOAD_FILTER_PREDICATE;
ULONG WINAPI TdhCreatePayloadFilter(const GUID *provider, const EVENT_DESCRIPTOR *event,
                                    BOOLEAN match_any, ULONG count,
                                    PAYLOAD_FILTER_PREDICATE *predicates, PVOID *filter);
ULONG WINAPI TdhDeletePayloadFilter(PVOID *filter);
ULONG WINAPI TdhAggregatePayloadFilters(ULONG count, PVOID *filters, BOOLEAN *match_all,
                                        EVENT_FILTER_DESCRIPTOR *descriptor);
ULONG WINAPI TdhCleanupPayloadEventFilterDescriptor(EVENT_FILTER_DESCRIPTOR *descriptor);

/* Since Windows Server 2022 and 11. */
ULONG WINAPI TdhEnumerateProvidersForDecodingSource(DECODING_SOURCE source,
                                                    PROVIDER_ENUMERATION_INFO *info, ULONG room,
                                                    ULONG *size);

/* Since Windows 7. */
ULONG WINAPI TdhEnumerateProviderFilters(GUID *provider, ULONG context_count, TDH_CONTEXT *context,
                                         ULONG *filter_count, void *filters, ULONG *size);

#endif
