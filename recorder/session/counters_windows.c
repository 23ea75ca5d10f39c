#include "recorder/session/counters_windows.h"

#include "recorder/session/session_errors_windows.h"
#include "recorder/session/wide_windows.h"

#include <stdlib.h>
#include <strings.h>

#include <evntrace.h>

/* TRACE_QUERY_INFO_CLASS of Windows 10 1903; mingw-w64 stops before. */
#define MAX_COUNTERS_QUERY ((TRACE_INFO_CLASS)22)
/* A list of some dozens is less than 8 KiB. */
#define MAX_LIST_BYTES ((ULONG)1 << 20)
#define HEAD_SIZE      offsetof(PROFILE_SOURCE_INFO, Description)

/* PROFILE_SOURCE_INFO, each with its name behind it. *list is to be freed. */
static etw_status read_list(BYTE **list, ULONG *size, etw_error *error)
{
    *list = NULL;
    ULONG code = TraceQueryInformation(0, TraceProfileSourceListInfo, NULL, 0, size);
    if (code == ERROR_BAD_LENGTH && *size >= HEAD_SIZE && *size <= MAX_LIST_BYTES) {
        const ULONG room = *size;
        *list = malloc(room);
        if (*list == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for counters");
        }
        code = TraceQueryInformation(0, TraceProfileSourceListInfo, *list, room, size);
        *size = *size < room ? *size : room;
    }
    return code == ERROR_SUCCESS && *list != NULL && *size >= HEAD_SIZE
               ? ETW_OK
               : etw_error_set_windows(error, code, "listing the processor's counters");
}

static ULONG interval_of(ULONG source)
{
    TRACE_PROFILE_INTERVAL asked = {.Source = source};
    ULONG size = 0;
    return TraceQueryInformation(0, TraceSampledProfileIntervalInfo, &asked, sizeof asked, &size) ==
                   ERROR_SUCCESS
               ? asked.Interval
               : 0;
}

/* The entry's name ends inside the list. */
static char *name_at(const BYTE *list, ULONG size, ULONG at)
{
    const wchar_t *name = (const wchar_t *)(const void *)(list + at + HEAD_SIZE);
    const size_t units = (size - at - HEAD_SIZE) / sizeof *name;
    return wcsnlen(name, units) < units ? etw_utf8_from_wide(name) : NULL;
}

/* Calls visit for each entry whose bounds hold. */
static void visit_list(const BYTE *list, ULONG size, etw_counter_visit visit, void *context)
{
    PROFILE_SOURCE_INFO head;
    ULONG at = 0;
    do {
        memcpy(&head, list + at, HEAD_SIZE);
        char *name = name_at(list, size, at);
        if (name != NULL) {
            const etw_counter counter = {name, head.Source, head.MinInterval, head.MaxInterval,
                                         interval_of(head.Source)};
            visit(context, &counter);
        }
        free(name);
        if (head.NextEntryOffset < HEAD_SIZE || head.NextEntryOffset > size - at - HEAD_SIZE) {
            return;
        }
        at += head.NextEntryOffset;
    } while (size - at >= HEAD_SIZE);
}

etw_status etw_counter_list(etw_counter_visit visit, void *context, etw_error *error)
{
    BYTE *list = NULL;
    ULONG size = 0;
    const etw_status status = read_list(&list, &size, error);
    if (status == ETW_OK) {
        visit_list(list, size, visit, context);
    }
    free(list);
    return status;
}

typedef struct search {
    const etw_counter_wish *wishes;
    uint32_t count;
    ULONG *ids;
    bool found[ETW_MAX_COUNTERS], bad_interval[ETW_MAX_COUNTERS];
    ULONG least[ETW_MAX_COUNTERS], most[ETW_MAX_COUNTERS];
} search;

static void match(void *context, const etw_counter *counter)
{
    search *for_names = context;
    for (uint32_t i = 0; i < for_names->count; i++) {
        const etw_counter_wish *wish = &for_names->wishes[i];
        if (strcasecmp(wish->name, counter->name) == 0) {
            for_names->ids[i] = counter->id;
            for_names->found[i] = true;
            for_names->least[i] = counter->least;
            for_names->most[i] = counter->most;
            for_names->bad_interval[i] = wish->interval != 0 && (wish->interval < counter->least ||
                                                                 wish->interval > counter->most);
        }
    }
}

static etw_status check_found(const search *done, etw_error *error)
{
    for (uint32_t i = 0; i < done->count; i++) {
        if (!done->found[i]) {
            return etw_error_set(error, ETW_ERROR_NOT_FOUND,
                                 "this processor has no counter '%s', or Windows does not offer it",
                                 done->wishes[i].name);
        }
        if (done->bad_interval[i]) {
            return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                                 "counter '%s' takes intervals from %lu to %lu, not %u",
                                 done->wishes[i].name, done->least[i], done->most[i],
                                 done->wishes[i].interval);
        }
    }
    return ETW_OK;
}

etw_status etw_counters_find(const etw_counter_wish *wishes, uint32_t count,
                             ULONG ids[ETW_MAX_COUNTERS], etw_error *error)
{
    search names = {.wishes = wishes, .count = count, .ids = ids};
    ULONG most = 0, size = 0;
    if (count > ETW_MAX_COUNTERS) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u counters", ETW_MAX_COUNTERS);
    }
    if (TraceQueryInformation(0, MAX_COUNTERS_QUERY, &most, sizeof most, &size) == ERROR_SUCCESS &&
        most != 0 && count > most) {
        return etw_error_set(error, ETW_ERROR_LIMIT,
                             "%u counters are more than the %lu that this processor counts at a "
                             "time",
                             count, most);
    }
    const etw_status status = etw_counter_list(match, &names, error);
    return status == ETW_OK ? check_found(&names, error) : status;
}
