#include "replay/replay.h"

#include "format/base/quantities.h"

#include <stdlib.h>
#include <string.h>

#define MOST_MOMENT_BYTES 64u

static etw_status wanted(etw_error *error, const char *what)
{
    return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "%s", what);
}

static etw_status set_probability(const char *value, double *probability, etw_error *error)
{
    char *end;
    *probability = strtod(value, &end);
    const bool is_percent = *end == '%';
    *probability = is_percent ? *probability / 100 : *probability;
    return end != value && end[is_percent] == '\0' && *probability >= 0 && *probability <= 1
               ? ETW_OK
               : wanted(error, "0 to 1, or 0% to 100%");
}

static etw_status set_number(const char *value, uint64_t least, uint64_t most, uint64_t *number,
                             etw_error *error)
{
    if (etw_parse_number(value, number) && *number >= least && *number <= most) {
        return ETW_OK;
    }
    return most == UINT64_MAX
               ? wanted(error, "a number")
               : etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "a number from %llu to %llu",
                               (unsigned long long)least, (unsigned long long)most);
}

static etw_status set_small_number(const char *value, uint32_t least, uint32_t most,
                                   uint32_t *number, etw_error *error)
{
    uint64_t wide = 0;
    const etw_status status = set_number(value, least, most, &wide, error);
    if (status == ETW_OK) {
        *number = (uint32_t)wide;
    }
    return status;
}

static etw_status set_rebase(etw_fault_options *faults, const char *value, etw_error *error)
{
    const etw_os *os = etw_os_default();
    faults->rebases = true;
    if (strcmp(value, "now") == 0) {
        faults->rebase_100ns = os->filetime_now(os->context);
        return ETW_OK;
    }
    return etw_time_parse(value, &faults->rebase_100ns)
               ? ETW_OK
               : wanted(error, "now, or a time such as 2024-05-01T12:00:00Z");
}

static bool parse_time(const char *text, etw_fault_moment *moment)
{
    uint64_t after_ms;
    moment->is_relative = text[0] == '+';
    if (!moment->is_relative) {
        return etw_time_parse(text, &moment->at_100ns);
    }
    if (!etw_parse_duration(text + 1, &after_ms) || after_ms > (uint64_t)INT64_MAX / 10000) {
        return false;
    }
    moment->at_100ns = (int64_t)after_ms * 10000;
    return true;
}

/* AMOUNT@TIME */
static etw_status add_moment(etw_fault_moment *moments, uint32_t *count, const char *value,
                             bool (*parse)(const char *text, uint64_t *amount), etw_error *error)
{
    char text[MOST_MOMENT_BYTES];
    const size_t size = strlen(value);
    if (*count == ETW_FAULTS_MAX_MOMENTS) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "at most %u of them", ETW_FAULTS_MAX_MOMENTS);
    }
    etw_fault_moment *moment = &moments[*count];
    memcpy(text, value, size < sizeof text ? size + 1 : 1);
    text[size < sizeof text ? size : 0] = '\0';
    char *at = strchr(text, '@');
    if (at == NULL) {
        return wanted(error, "an amount, @ and a time: 100@+5s, 2s@2024-05-01T12:00:00Z");
    }
    *at = '\0';
    if (!parse(text, &moment->amount) || moment->amount == 0 || !parse_time(at + 1, moment)) {
        return wanted(error, "an amount, @ and a time: 100@+5s, 2s@2024-05-01T12:00:00Z");
    }
    *count += 1;
    return ETW_OK;
}

etw_status etw_fault_set(etw_fault_options *faults, const char *name, const char *value,
                         etw_error *error)
{
    const struct {
        const char *name;
        double *probability;
    } chances[] = {
        {"drop", &faults->drop}, {"duplicate", &faults->duplicate}, {"corrupt", &faults->corrupt}};
    for (size_t i = 0; i < sizeof chances / sizeof chances[0]; i++) {
        if (strcmp(name, chances[i].name) == 0) {
            return set_probability(value, chances[i].probability, error);
        }
    }
    if (strcmp(name, "reorder") == 0) {
        return set_small_number(value, 0, ETW_FAULTS_MAX_REORDER, &faults->reorder, error);
    }
    if (strcmp(name, "seed") == 0 && strcmp(value, "random") == 0) {
        const etw_os *os = etw_os_default();
        faults->seed =
            (uint64_t)os->filetime_now(os->context) ^ (uint64_t)os->monotonic_ns(os->context) << 20;
        return ETW_OK;
    }
    if (strcmp(name, "seed") == 0) {
        return set_number(value, 0, UINT64_MAX, &faults->seed, error);
    }
    if (strcmp(name, "rebase") == 0) {
        return set_rebase(faults, value, error);
    }
    if (strcmp(name, "loop") == 0) {
        return set_small_number(value, 1, UINT32_MAX, &faults->rounds, error);
    }
    if (strcmp(name, "lose") == 0) {
        return add_moment(faults->losses, &faults->loss_count, value, etw_parse_number, error);
    }
    if (strcmp(name, "stall") == 0) {
        return add_moment(faults->stalls, &faults->stall_count, value, etw_parse_duration, error);
    }
    return etw_error_set(error, ETW_ERROR_NOT_FOUND, "no fault is called %s", name);
}
