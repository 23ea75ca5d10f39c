/* TDH over WPP messages: decoding handles, TdhGetWppProperty, TdhGetWppMessage (tdh.h since Windows
 * 8). The formats are those of the trace, of ETWAPI_MANIFESTS, of TdhLoadManifest, and of the TMF
 * and PDB files that a decoding handle is given. */
#include "replay/etwapi/tdh_wpp.h"
#include "format/event/render/plan.h"
#include "format/event/tei.h"
#include "replay/etwapi/etw_headers.h"
#include "replay/etwapi/known_schemas.h"
#include "replay/etwapi/tdh_context.h"
#include "replay/etwapi/wide.h"

#include <string.h>
#include <wchar.h>

/* What is known is the process's, so that all handles are one. */
static char the_handle;

ULONG WINAPI TdhOpenDecodingHandle(HANDLE *handle)
{
    if (handle == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    *handle = &the_handle;
    return ERROR_SUCCESS;
}

ULONG WINAPI TdhCloseDecodingHandle(HANDLE handle)
{
    return handle == NULL ? ERROR_INVALID_PARAMETER : ERROR_SUCCESS;
}

ULONG WINAPI TdhSetDecodingParameter(HANDLE handle, TDH_CONTEXT *context)
{
    return handle == NULL || context == NULL ? (ULONG)ERROR_INVALID_PARAMETER
                                             : etwapi_load_formats(context, 1);
}

/* Texts of TDH are UTF-16 with their NUL. */
static ULONG give_text(const char *utf8, ULONG *size, BYTE *buffer)
{
    const ULONG units = etwapi_wide_units(utf8);
    const ULONG needed = units * (ULONG)sizeof(wchar_t);
    const bool fits = buffer != NULL && *size >= needed;
    *size = needed;
    if (!fits) {
        return ERROR_INSUFFICIENT_BUFFER;
    }
    etwapi_put_wide((wchar_t *)(void *)buffer, utf8, units);
    return ERROR_SUCCESS;
}

static ULONG give_bytes(const void *from, ULONG needed, ULONG *size, BYTE *buffer)
{
    const bool fits = buffer != NULL && *size >= needed;
    *size = needed;
    if (!fits) {
        return ERROR_INSUFFICIENT_BUFFER;
    }
    memcpy(buffer, from, needed);
    return ERROR_SUCCESS;
}

/* NULL for what is no WPP message, or has no format. */
static const etw_plan *plan_of(const EVENT_RECORD *event)
{
    const etw_event_record *record = (const etw_event_record *)event;
    if ((record->EventHeader.Flags & ETW_FLAG_TRACE_MESSAGE) == 0) {
        return NULL;
    }
    const etw_plan *plan = etwapi_find_plan(record);
    return plan != NULL && etw_plan_decoding_source(plan) == ETW_DECODING_WPP ? plan : NULL;
}

static ULONG give_message(const etw_plan *plan, const EVENT_RECORD *event, ULONG *size,
                          BYTE *buffer)
{
    const etw_event_record *record = (const etw_event_record *)event;
    etw_text text = {0};
    const etw_status status = etw_plan_append_message(
        plan, record, etw_record_pointer_size(record, 8), ETW_TEXT_EXACT, ETW_ESCAPE_NONE, &text);
    const ULONG code =
        status != ETW_OK ? (ULONG)ERROR_OUTOFMEMORY : give_text(etw_text_z(&text), size, buffer);
    etw_text_free(&text);
    return code;
}

ULONG WINAPI TdhGetWppMessage(HANDLE handle, EVENT_RECORD *event, ULONG *size, BYTE *buffer)
{
    (void)handle;
    if (event == NULL || size == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    const etw_plan *plan = plan_of(event);
    return plan == NULL ? (ULONG)ERROR_NOT_FOUND : give_message(plan, event, size, buffer);
}

/* The names that come from the format; NULL: no such property. */
static const char *text_property(const etw_plan *plan, const wchar_t *name)
{
    const struct {
        const wchar_t *name;
        const char *text;
    } texts[] = {
        {L"FunctionName", etw_plan_task_name(plan)->utf8},
        {L"ComponentName", etw_plan_provider_name(plan)->utf8},
        {L"GuidName", etw_plan_provider_name(plan)->utf8},
        {L"SubComponentName", ""},
        {L"GuidTypeName", etw_plan_opcode_name(plan)->utf8},
        {L"LevelName", etw_plan_level_name(plan)->utf8},
        {L"FlagsName",
         etw_plan_keyword_count(plan) == 0 ? "" : etw_plan_keyword_name(plan, 0)->utf8},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (wcscmp(texts[i].name, name) == 0) {
            return texts[i].text;
        }
    }
    return NULL;
}

/* The numbers that come from the record. */
static bool number_property(const EVENT_RECORD *event, const wchar_t *name, ULONG *number)
{
    const EVENT_HEADER *header = &event->EventHeader;
    const struct {
        const wchar_t *name;
        ULONG number;
    } numbers[] = {
        {L"Version", header->EventDescriptor.Version},
        {L"ThreadId", header->ThreadId},
        {L"ProcessId", header->ProcessId},
        {L"CpuNumber", event->BufferContext.ProcessorNumber},
        {L"KernelTime", header->KernelTime},
        {L"UserTime", header->UserTime},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (wcscmp(numbers[i].name, name) == 0) {
            *number = numbers[i].number;
            return true;
        }
    }
    return false;
}

static ULONG give_time(const EVENT_RECORD *event, ULONG *size, BYTE *buffer)
{
    const LARGE_INTEGER stamp = event->EventHeader.TimeStamp;
    const FILETIME time = {stamp.LowPart, (DWORD)stamp.HighPart};
    SYSTEMTIME parts;
    return FileTimeToSystemTime(&time, &parts) == 0
               ? (ULONG)ERROR_NOT_FOUND
               : give_bytes(&parts, (ULONG)sizeof parts, size, buffer);
}

/* Since Windows 7: the time as it is. */
static ULONG give_file_time(const EVENT_RECORD *event, ULONG *size, BYTE *buffer)
{
    return give_bytes(&event->EventHeader.TimeStamp, (ULONG)sizeof(FILETIME), size, buffer);
}

/* SequenceNum is ERROR_NOT_FOUND: an EVENT_RECORD does not keep it. */
ULONG etwapi_wpp_property(const EVENT_RECORD *event, const wchar_t *name, ULONG *size, BYTE *buffer)
{
    const etw_plan *plan = plan_of(event);
    if (plan == NULL) {
        return ERROR_NOT_FOUND;
    }
    const char *text = text_property(plan, name);
    ULONG number;
    if (text != NULL) {
        return give_text(text, size, buffer);
    }
    if (number_property(event, name, &number)) {
        return give_bytes(&number, (ULONG)sizeof number, size, buffer);
    }
    if (wcscmp(name, L"FormattedString") == 0) {
        return give_message(plan, event, size, buffer);
    }
    if (wcscmp(name, L"TraceGuid") == 0 || wcscmp(name, L"ProviderGuid") == 0) {
        return give_bytes(&event->EventHeader.ProviderId, (ULONG)sizeof(GUID), size, buffer);
    }
    if (wcscmp(name, L"RawSystemTime") == 0) {
        return give_file_time(event, size, buffer);
    }
    return wcscmp(name, L"SystemTime") == 0 ? give_time(event, size, buffer)
                                            : (ULONG)ERROR_NOT_FOUND;
}

ULONG WINAPI TdhGetWppProperty(HANDLE handle, EVENT_RECORD *event, PWSTR name, ULONG *size,
                               BYTE *buffer)
{
    (void)handle;
    return event == NULL || name == NULL || size == NULL
               ? (ULONG)ERROR_INVALID_PARAMETER
               : etwapi_wpp_property(event, name, size, buffer);
}
