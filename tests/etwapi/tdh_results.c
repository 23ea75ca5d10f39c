/* The result codes that Windows' documentation names, one by one, against the drop-in API: TDH. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/etwapi/seen.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define INVALID_EVENT_DATA 15005u /* ERROR_EVT_INVALID_EVENT_DATA */

/* Declared by the Windows SDK; mingw-w64's tdh.h lacks them. */
ULONG WINAPI TdhFormatProperty(TRACE_EVENT_INFO *, EVENT_MAP_INFO *, ULONG, USHORT, USHORT, USHORT,
                               USHORT, BYTE *, ULONG *, WCHAR *, USHORT *);
ULONG WINAPI TdhLoadManifest(PWSTR path);

/* SystemConfig_V2_CPU, one of the classes that are built in: five numbers, then ComputerName of 256
 * characters. */
static void an_element_of_a_character_array_is_one_character(void **state)
{
    (void)state;
    static BYTE data[20 + 512 + 264 + 8];
    WCHAR *computer = (WCHAR *)(void *)(data + 20);
    computer[0] = L'P';
    computer[1] = L'C';
    EVENT_RECORD event = {.UserData = data, .UserDataLength = sizeof data};
    event.EventHeader.ProviderId =
        (GUID){0x01853a65, 0x418f, 0x4f36, {0xae, 0xfc, 0xdc, 0x0f, 0x1d, 0x2f, 0xd2, 0x35}};
    event.EventHeader.Flags = EVENT_HEADER_FLAG_CLASSIC_HEADER | EVENT_HEADER_FLAG_64_BIT_HEADER;
    event.EventHeader.EventDescriptor.Version = 2;
    event.EventHeader.EventDescriptor.Opcode = 10;
    const struct {
        ULONG index, code, size;
        WCHAR first;
    } rows[] = {{0, ERROR_SUCCESS, 2, L'P'},
                {1, ERROR_SUCCESS, 2, L'C'},
                {255, ERROR_SUCCESS, 2, 0},
                {256, ERROR_NOT_FOUND, 0, 0},
                {ULONG_MAX, ERROR_SUCCESS, 512, L'P'}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        PROPERTY_DATA_DESCRIPTOR property = {(ULONGLONG)(uintptr_t)L"ComputerName", rows[i].index,
                                             0};
        ULONG size = 0;
        WCHAR text[256] = {0};
        assert_int_equal(TdhGetPropertySize(&event, 0, NULL, 1, &property, &size), rows[i].code);
        assert_int_equal(size, rows[i].size);
        assert_int_equal(TdhGetProperty(&event, 0, NULL, 1, &property, size, (BYTE *)text),
                         rows[i].code);
        assert_int_equal(text[0], rows[i].first);
    }
}

static const seen *played(void)
{
    static seen s;
    if (s.events == 0) {
        TRACEHANDLE trace = open_file(&s, NULL);
        assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_SUCCESS);
        assert_int_equal(CloseTrace(trace), ERROR_SUCCESS);
        assert_non_null(s.last.UserData);
    }
    return &s;
}

static void information_comes_in_the_size_it_asked_for(void **state)
{
    (void)state;
    EVENT_RECORD event = played()->last;
    ULONG size = 0;
    assert_int_equal(TdhGetEventInformation(&event, 0, NULL, NULL, NULL), ERROR_INVALID_PARAMETER);
    assert_int_equal(TdhGetEventInformation(&event, 0, NULL, NULL, &size),
                     ERROR_INSUFFICIENT_BUFFER);
    TRACE_EVENT_INFO *info = malloc(size);
    const ULONG needed = size;
    size--;
    assert_int_equal(TdhGetEventInformation(&event, 0, NULL, info, &size),
                     ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(size, needed);
    assert_int_equal(TdhGetEventInformation(&event, 0, NULL, info, &size), ERROR_SUCCESS);
    assert_int_equal(info->PropertyCount, 1);
    free(info);
    event.ExtendedDataCount = 0;
    event.EventHeader.ProviderId = any_provider;
    assert_int_equal(TdhGetEventInformation(&event, 0, NULL, NULL, &size), ERROR_NOT_FOUND);
}

/* A TMF file that a decoding handle is given. */
static void wpp_messages_are_answered(void **state)
{
    (void)state;
    static const char tmf[] = "11111111-2222-3333-0102-030405060708 Driver // SRC=a.c MJ= MN=\n"
                              "#typev a_c7 10 \"%0n=%10!d!\" //   LEVEL=Info FUNC=Open\n"
                              "{\nn, ItemLong -- 10\n}\n";
    WCHAR path[MAX_PATH + 32];
    DWORD written;
    const DWORD used = GetTempPathW(MAX_PATH, path);
    wcscpy(path + used, L"etwapi_checks.tmf");
    const HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    assert_true(WriteFile(file, tmf, sizeof tmf - 1, &written, NULL));
    CloseHandle(file);
    HANDLE handle = NULL;
    TDH_CONTEXT context = {.ParameterValue = (uintptr_t)path,
                           .ParameterType = TDH_CONTEXT_WPP_TMFFILE};
    ULONG number = 7;
    EVENT_RECORD event = {.EventHeader = {.Flags = 8, .ThreadId = 5, .ProviderId = any_provider},
                          .UserData = &number,
                          .UserDataLength = sizeof number};
    event.EventHeader.EventDescriptor.Id = 10;
    assert_int_equal(TdhOpenDecodingHandle(&handle), ERROR_SUCCESS);
    assert_int_equal(TdhSetDecodingParameter(handle, &context), ERROR_SUCCESS);
    /* The file stays: what is loaded is read again when more is loaded. */
    WCHAR text[32];
    ULONG size = 0;
    assert_int_equal(TdhGetWppMessage(handle, &event, &size, NULL), ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(size, sizeof L"n=7");
    assert_int_equal(TdhGetWppMessage(handle, &event, &size, (BYTE *)text), ERROR_SUCCESS);
    assert_int_equal(wcscmp(text, L"n=7"), 0);
    static const struct {
        const WCHAR *name, *text;
    } names[] = {{L"FormattedString", L"n=7"},
                 {L"FunctionName", L"Open"},
                 {L"ComponentName", L"Driver"},
                 {L"GuidTypeName", L"a_c7"},
                 {L"LevelName", L"Info"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size = sizeof text;
        assert_int_equal(
            TdhGetWppProperty(handle, &event, (PWSTR)names[i].name, &size, (BYTE *)text),
            ERROR_SUCCESS);
        assert_int_equal(wcscmp(text, names[i].text), 0);
    }
    size = sizeof number;
    assert_int_equal(TdhGetWppProperty(handle, &event, (PWSTR)L"ThreadId", &size, (BYTE *)&number),
                     ERROR_SUCCESS);
    assert_int_equal(number, 5);
    assert_int_equal(TdhGetWppProperty(handle, &event, (PWSTR)L"Nothing", &size, (BYTE *)text),
                     ERROR_NOT_FOUND);
    assert_int_equal(TdhGetWppProperty(handle, NULL, (PWSTR)L"LevelName", &size, (BYTE *)text),
                     ERROR_INVALID_PARAMETER);
    event.EventHeader.EventDescriptor.Id = 11;
    assert_int_equal(TdhGetWppMessage(handle, &event, &size, (BYTE *)text), ERROR_NOT_FOUND);
    assert_int_equal(TdhCloseDecodingHandle(handle), ERROR_SUCCESS);
}

static void properties_are_found_by_name(void **state)
{
    (void)state;
    EVENT_RECORD event = played()->last;
    PROPERTY_DATA_DESCRIPTOR path = {.PropertyName = (uintptr_t)L"Count", .ArrayIndex = ULONG_MAX};
    ULONG size = 0;
    BYTE bytes[4];
    assert_int_equal(TdhGetPropertySize(&event, 0, NULL, 1, &path, &size), ERROR_SUCCESS);
    assert_int_equal(size, 4);
    assert_int_equal(TdhGetProperty(&event, 0, NULL, 1, &path, 3, bytes),
                     ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(TdhGetProperty(&event, 0, NULL, 1, &path, 4, bytes), ERROR_SUCCESS);
    assert_memory_equal(bytes, event.UserData, 4);
    assert_int_equal(TdhGetPropertySize(&event, 0, NULL, 0, NULL, &size), ERROR_INVALID_PARAMETER);
    path.PropertyName = (uintptr_t)L"NoSuchProperty";
    assert_int_equal(TdhGetPropertySize(&event, 0, NULL, 1, &path, &size), ERROR_NOT_FOUND);
    EVENT_MAP_INFO map;
    WCHAR no_map[] = L"NoSuchMap";
    assert_int_equal(TdhGetEventMapInformation(&event, no_map, &map, &size), ERROR_NOT_FOUND);
}

static void format_tells_small_buffers_from_bad_data(void **state)
{
    (void)state;
    BYTE data[4] = {1, 0, 0, 0};
    WCHAR text[8];
    ULONG size = 0;
    USHORT used = 0;
    assert_int_equal(TdhFormatProperty(NULL, NULL, 8, ETW_IN_UINT32, ETW_OUT_NULL, 4, 4, data,
                                       &size, NULL, &used),
                     ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(size, 2 * sizeof *text);
    assert_int_equal(TdhFormatProperty(NULL, NULL, 8, ETW_IN_UINT32, ETW_OUT_NULL, 4, 4, data,
                                       &size, text, &used),
                     ERROR_SUCCESS);
    assert_true(text[0] == '1' && text[1] == 0 && used == 4);
    size = sizeof text;
    assert_int_equal(TdhFormatProperty(NULL, NULL, 8, ETW_IN_UINT32, ETW_OUT_NULL, 4, 3, data,
                                       &size, text, &used),
                     INVALID_EVENT_DATA);
    assert_int_equal(TdhFormatProperty(NULL, NULL, 5, ETW_IN_UINT32, ETW_OUT_NULL, 4, 4, data,
                                       &size, text, &used),
                     ERROR_INVALID_PARAMETER);
}

/* A value map with one word: 1 is "on". */
typedef struct small_map {
    EVENT_MAP_INFO head;
    WCHAR name[2], word[4];
} small_map;

static void format_refuses_a_value_that_the_map_does_not_name(void **state)
{
    (void)state;
    small_map map = {.head = {.NameOffset = offsetof(small_map, name),
                              .Flag = EVENTMAP_INFO_FLAG_MANIFEST_VALUEMAP,
                              .EntryCount = 1,
                              .MapEntryArray = {{offsetof(small_map, word), {1}}}},
                     .name = L"M",
                     .word = L"on "};
    BYTE data[4] = {1, 0, 0, 0};
    WCHAR text[8];
    ULONG size = sizeof text;
    USHORT used = 0;
    assert_int_equal(TdhFormatProperty(NULL, &map.head, 8, ETW_IN_UINT32, ETW_OUT_NULL, 4, 4, data,
                                       &size, text, &used),
                     ERROR_SUCCESS);
    assert_int_equal(wcscmp(text, L"on "), 0);
    data[0] = 2;
    size = sizeof text;
    assert_int_equal(TdhFormatProperty(NULL, &map.head, 8, ETW_IN_UINT32, ETW_OUT_NULL, 4, 4, data,
                                       &size, text, &used),
                     INVALID_EVENT_DATA);
}

static ULONG times_listed(const PROVIDER_ENUMERATION_INFO *list, const WCHAR *wanted)
{
    ULONG times = 0;
    for (ULONG i = 0; i < list->NumberOfProviders; i++) {
        const BYTE *name = (const BYTE *)list + list->TraceProviderInfoArray[i].ProviderNameOffset;
        times += wcscmp((const WCHAR *)(const void *)name, wanted) == 0;
    }
    return times;
}

/* Those of the trace, and those of every Windows: a program that wants several by name starts. */
static void providers_are_found_before_the_trace_is_played(void **state)
{
    (void)state;
    ULONG size = 0;
    assert_int_equal(TdhEnumerateProviders(NULL, &size), ERROR_INSUFFICIENT_BUFFER);
    PROVIDER_ENUMERATION_INFO *list = malloc(size);
    assert_int_equal(TdhEnumerateProviders(list, &size), ERROR_SUCCESS);
    assert_int_equal(times_listed(list, L"Tests.Etwapi"), 1);
    assert_int_equal(times_listed(list, L"Microsoft-Windows-DNS-Client"), 1);
    assert_int_equal(times_listed(list, L"Microsoft-Windows-No-Such"), 0);
    const ULONG count = list->NumberOfProviders;
    assert_int_equal(
        TdhEnumerateProvidersForDecodingSource(DecodingSourceXMLFile, list, size, &size),
        ERROR_SUCCESS);
    assert_int_equal(list->NumberOfProviders, count);
    assert_int_equal(TdhEnumerateProvidersForDecodingSource(DecodingSourceWbem, list, size, &size),
                     ERROR_SUCCESS);
    assert_int_equal(list->NumberOfProviders, 0);
    assert_int_equal(TdhEnumerateProvidersForDecodingSource(DecodingSourceWPP, list, size, &size),
                     ERROR_INVALID_PARAMETER);
    free(list);
}

static void manifests_that_are_none_are_refused(void **state)
{
    (void)state;
    WCHAR missing[] = L"no such manifest.man", program[MAX_PATH];
    assert_true(GetModuleFileNameW(NULL, program, MAX_PATH) > 0);
    assert_int_equal(TdhLoadManifest(NULL), ERROR_INVALID_PARAMETER);
    assert_int_equal(TdhLoadManifest(missing), ERROR_FILE_NOT_FOUND);
    assert_int_equal(TdhLoadManifest(program), ERROR_XML_PARSE_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(providers_are_found_before_the_trace_is_played),
        cmocka_unit_test(an_element_of_a_character_array_is_one_character),
        cmocka_unit_test(information_comes_in_the_size_it_asked_for),
        cmocka_unit_test(properties_are_found_by_name),
        cmocka_unit_test(wpp_messages_are_answered),
        cmocka_unit_test(format_tells_small_buffers_from_bad_data),
        cmocka_unit_test(format_refuses_a_value_that_the_map_does_not_name),
        cmocka_unit_test(manifests_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
