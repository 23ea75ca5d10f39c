#include "replay/etwapi/settings.h"

#include <stdlib.h>
#include <string.h>

#include <windows.h>

/* Empty where the variable is not set or too long. */
static void read_variable(const wchar_t *name, char *into, int size)
{
    wchar_t wide[ETWAPI_MAX_PATH_BYTES];
    const DWORD units = GetEnvironmentVariableW(name, wide, ETWAPI_MAX_PATH_BYTES);
    into[0] = '\0';
    if (units > 0 && units < ETWAPI_MAX_PATH_BYTES &&
        WideCharToMultiByte(CP_UTF8, 0, wide, -1, into, size, NULL, NULL) == 0) {
        into[0] = '\0';
    }
}

static bool variable_is(const wchar_t *name, const char *value)
{
    char text[64];
    read_variable(name, text, (int)sizeof text);
    return strcmp(text, value) == 0;
}

/* GUIDs with commas between them. What is no GUID lets nothing through, rather than everything. */
static void read_only(etwapi_settings *settings)
{
    char text[ETWAPI_MAX_ONLY * 40];
    read_variable(L"ETWAPI_ONLY", text, (int)sizeof text);
    char *rest = text;
    while (*rest != '\0' && settings->only_count < ETWAPI_MAX_ONLY) {
        char *one = rest;
        rest += strcspn(rest, ",");
        if (*rest != '\0') {
            *rest++ = '\0';
        }
        if (!etw_guid_parse(one, &settings->only[settings->only_count])) {
            settings->only[settings->only_count] = (etw_guid){0};
        }
        settings->only_count++;
    }
}

/* NAME=VALUE, with blanks between them. */
static void read_faults(etwapi_settings *settings)
{
    char text[ETWAPI_MAX_PATH_BYTES];
    read_variable(L"ETWAPI_FAULTS", text, (int)sizeof text);
    char *rest = text;
    for (char *one = strtok_s(rest, " ", &rest); one != NULL; one = strtok_s(NULL, " ", &rest)) {
        char *value = strchr(one, '=');
        if (value != NULL) {
            *value++ = '\0';
        }
        settings->has_wrong_faults |=
            value == NULL || etw_fault_set(&settings->faults, one, value, NULL) != ETW_OK;
    }
}

static BOOL CALLBACK read_settings(INIT_ONCE *once, void *parameter, void **context)
{
    (void)once;
    (void)context;
    etwapi_settings *settings = parameter;
    char text[64];
    read_variable(L"ETWAPI_TRACE", settings->trace_path, ETWAPI_MAX_PATH_BYTES);
    read_variable(L"ETWAPI_MANIFESTS", settings->manifest_path, ETWAPI_MAX_PATH_BYTES);
    read_variable(L"ETWAPI_WHERE", settings->where, ETWAPI_MAX_PATH_BYTES);
    read_variable(L"ETWAPI_SPEED", text, (int)sizeof text);
    settings->speed = strtod(text, NULL);
    read_variable(L"ETWAPI_LOSE", text, (int)sizeof text);
    settings->lose_each = (uint32_t)strtoul(text, NULL, 10);
    settings->filter = !variable_is(L"ETWAPI_FILTER", "off");
    settings->loop_at_end = variable_is(L"ETWAPI_AT_END", "loop");
    settings->rebase = variable_is(L"ETWAPI_REBASE", "now");
    read_only(settings);
    read_faults(settings);
    settings->wait_at_end = variable_is(L"ETWAPI_AT_END", "wait");
    settings->header_event = variable_is(L"ETWAPI_HEADER_EVENT", "on");
    settings->classic_providers = variable_is(L"ETWAPI_PROVIDERS", "classic");
    settings->slow_providers = variable_is(L"ETWAPI_PROVIDERS", "slow");
    read_variable(L"ETWAPI_LOSE_BUFFERS", text, (int)sizeof text);
    settings->lose_each_buffer = (uint32_t)strtoul(text, NULL, 10);
    settings->deny_start = variable_is(L"ETWAPI_DENY", "start");
    settings->deny_kernel = variable_is(L"ETWAPI_DENY", "kernel");
    return TRUE;
}

const etwapi_settings *etwapi_get_settings(void)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    static etwapi_settings settings;
    (void)InitOnceExecuteOnce(&once, read_settings, &settings, NULL);
    return &settings;
}
