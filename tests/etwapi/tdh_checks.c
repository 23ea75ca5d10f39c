/* What is asked of TDH beside the usual, as its pages say: contexts, the properties that every WPP
 * message has, calls that ask for nothing this library has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replay/etwapi/etw_headers.h"

#include <limits.h>
#include <string.h>
#include <wchar.h>

static const GUID messages = {0x11111111, 0x2222, 0x3333, {1, 2, 3, 4, 5, 6, 7, 9}};
/* The kernel's Process class, which is built in. */
static const GUID process_class = {
    0x3d6fa8d0, 0xfe05, 0x11d0, {0x9d, 0xda, 0x00, 0xc0, 0x4f, 0xd7, 0xba, 0x7c}};

static void write_tmf(WCHAR path[MAX_PATH + 32])
{
    static const char tmf[] = "11111111-2222-3333-0102-030405060709 Driver // SRC=a.c MJ= MN=\n"
                              "#typev a_c7 10 \"%0n=%10!d!\" //   LEVEL=Info FUNC=Open\n"
                              "{\nn, ItemLong -- 10\n}\n";
    DWORD written;
    const DWORD used = GetTempPathW(MAX_PATH, path);
    wcscpy(path + used, L"etwapi_tdh_checks.tmf");
    const HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    assert_true(WriteFile(file, tmf, sizeof tmf - 1, &written, NULL));
    (void)CloseHandle(file);
}

static ULONG get(EVENT_RECORD *event, TDH_CONTEXT *contexts, ULONG count, const WCHAR *name,
                 void *into, ULONG *size)
{
    PROPERTY_DATA_DESCRIPTOR property = {.PropertyName = (uintptr_t)name, .ArrayIndex = ULONG_MAX};
    const ULONG room = *size;
    const ULONG code = TdhGetPropertySize(event, count, contexts, 1, &property, size);
    return code != ERROR_SUCCESS ? code
                                 : TdhGetProperty(event, count, contexts, 1, &property, room, into);
}

/* As Microsoft's WppDumper sample reads them. */
static void a_context_names_the_formats_of_wpp_messages(void **state)
{
    (void)state;
    WCHAR path[MAX_PATH + 32], text[32];
    ULONG number = 7;
    EVENT_RECORD event = {
        .EventHeader = {.Flags = EVENT_HEADER_FLAG_TRACE_MESSAGE, .ProviderId = messages},
        .UserData = &number,
        .UserDataLength = sizeof number};
    event.EventHeader.EventDescriptor.Id = 10;
    event.EventHeader.TimeStamp.QuadPart = 5;
    ULONG size = sizeof text;
    assert_int_equal(get(&event, NULL, 0, L"FormattedString", text, &size), ERROR_NOT_FOUND);
    write_tmf(path);
    TDH_CONTEXT contexts[2] = {
        {.ParameterValue = (uintptr_t)path, .ParameterType = TDH_CONTEXT_WPP_TMFFILE},
        {.ParameterValue = 8, .ParameterType = TDH_CONTEXT_POINTERSIZE}};
    static const struct {
        const WCHAR *name, *text;
    } rows[] = {{L"FormattedString", L"n=7"}, {L"FunctionName", L"Open"}, {L"LevelName", L"Info"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size = sizeof text;
        assert_int_equal(get(&event, contexts, 2, rows[i].name, text, &size), ERROR_SUCCESS);
        assert_int_equal(size, (wcslen(rows[i].text) + 1) * sizeof(WCHAR));
        assert_int_equal(wcscmp(text, rows[i].text), 0);
    }
    FILETIME time = {0, 0};
    size = sizeof time;
    assert_int_equal(get(&event, contexts, 2, L"RawSystemTime", &time, &size), ERROR_SUCCESS);
    assert_int_equal(time.dwLowDateTime, 5);
    size = 2;
    assert_int_equal(get(&event, contexts, 2, L"FormattedString", text, &size),
                     ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(get(&event, contexts, 2, L"Nothing", text, &size), ERROR_NOT_FOUND);
}

/* A name alone, and where to look for it. */
static void a_search_path_leads_to_the_formats(void **state)
{
    (void)state;
    WCHAR path[MAX_PATH + 32], text[32], name[] = L"etwapi_tdh_checks.tmf";
    ULONG number = 7, size = sizeof text;
    EVENT_RECORD event = {
        .EventHeader = {.Flags = EVENT_HEADER_FLAG_TRACE_MESSAGE, .ProviderId = messages},
        .UserData = &number,
        .UserDataLength = sizeof number};
    event.EventHeader.EventDescriptor.Id = 10;
    write_tmf(path);
    *wcsrchr(path, L'\\') = L'\0';
    TDH_CONTEXT contexts[2] = {
        {.ParameterValue = (uintptr_t)name, .ParameterType = TDH_CONTEXT_WPP_TMFFILE},
        {.ParameterValue = (uintptr_t)path, .ParameterType = TDH_CONTEXT_WPP_TMFSEARCHPATH}};
    assert_int_equal(get(&event, contexts, 2, L"FormattedString", text, &size), ERROR_SUCCESS);
    assert_int_equal(wcscmp(text, L"n=7"), 0);
}

/* Process_V2_TypeGroup1 begins with UniqueProcessKey, a pointer. */
static void a_context_tells_the_width_of_pointers(void **state)
{
    (void)state;
    BYTE data[64] = {0};
    EVENT_RECORD event = {
        .EventHeader = {.Flags = EVENT_HEADER_FLAG_CLASSIC_HEADER, .ProviderId = process_class},
        .UserData = data,
        .UserDataLength = sizeof data};
    event.EventHeader.EventDescriptor.Opcode = 1;
    event.EventHeader.EventDescriptor.Version = 2;
    TDH_CONTEXT context = {.ParameterType = TDH_CONTEXT_POINTERSIZE};
    PROPERTY_DATA_DESCRIPTOR property = {.PropertyName = (uintptr_t)L"UniqueProcessKey",
                                         .ArrayIndex = ULONG_MAX};
    static const ULONG widths[] = {4, 8};
    for (size_t i = 0; i < 2; i++) {
        ULONG size = 0;
        context.ParameterValue = widths[i];
        assert_int_equal(TdhGetPropertySize(&event, 1, &context, 1, &property, &size),
                         ERROR_SUCCESS);
        assert_int_equal(size, widths[i]);
    }
}

static void no_filters_of_manifests_are_known(void **state)
{
    (void)state;
    GUID provider = messages;
    ULONG filters = 5, size = 0;
    assert_int_equal(TdhEnumerateProviderFilters(&provider, 0, NULL, &filters, NULL, &size),
                     ERROR_NOT_FOUND);
    assert_int_equal(filters, 0);
    assert_int_equal(TdhEnumerateProviderFilters(NULL, 0, NULL, &filters, NULL, &size),
                     ERROR_INVALID_PARAMETER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_names_the_formats_of_wpp_messages),
        cmocka_unit_test(a_search_path_leads_to_the_formats),
        cmocka_unit_test(a_context_tells_the_width_of_pointers),
        cmocka_unit_test(no_filters_of_manifests_are_known),
    };
    return cmocka_run_group_tests_name("TDH of the drop-in API", tests, NULL, NULL);
}
