#include "recorder/command/option.h"

#include "format/base/quantities.h"

#include <stdio.h>
#include <strings.h>

etw_status etw_option_bad_value(const etw_option_use *use, const char *wanted)
{
    return etw_error_set(use->error, ETW_ERROR_INVALID_ARGUMENT, "%s '%s': wanted %s", use->option,
                         use->value, wanted);
}

etw_status etw_option_number(const etw_option_use *use, uint64_t least, uint64_t most,
                             uint64_t *value)
{
    if (etw_parse_number(use->value, value) && *value >= least && *value <= most) {
        return ETW_OK;
    }
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "a number from %llu to %llu", (unsigned long long)least,
                   (unsigned long long)most);
    return etw_option_bad_value(use, wanted);
}

etw_status etw_option_u32(const etw_option_use *use, uint32_t least, uint32_t most, uint32_t *value)
{
    uint64_t number = 0;
    const etw_status status = etw_option_number(use, least, most, &number);
    *value = (uint32_t)number;
    return status;
}

etw_status etw_option_size(const etw_option_use *use, uint64_t *bytes)
{
    return etw_parse_size(use->value, bytes)
               ? ETW_OK
               : etw_option_bad_value(use, "a size such as 500k, 100M or 4G");
}

etw_status etw_option_duration(const etw_option_use *use, uint64_t *milliseconds)
{
    return etw_parse_duration(use->value, milliseconds)
               ? ETW_OK
               : etw_option_bad_value(use, "a time such as 500ms, 30s, 5m, 2h or 1d");
}

bool etw_option_word_find(const etw_option_word *words, size_t count, const char *name,
                          uint32_t *value)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(words[i].name, name) == 0) {
            *value = words[i].value;
            return true;
        }
    }
    return false;
}

etw_status etw_option_each_part(const etw_option_use *use, const char *list, void *context,
                                etw_status (*take)(const etw_option_use *use, const char *part,
                                                   void *context))
{
    char part[256];
    for (const char *at = list; at != NULL;) {
        const char *comma = strchr(at, ',');
        const size_t size = comma == NULL ? strlen(at) : (size_t)(comma - at);
        if (size == 0 || size >= sizeof part) {
            return etw_option_bad_value(use, "a list with ',' between its parts");
        }
        memcpy(part, at, size);
        part[size] = '\0';
        const etw_status status = take(use, part, context);
        if (status != ETW_OK) {
            return status;
        }
        at = comma == NULL ? NULL : comma + 1;
    }
    return ETW_OK;
}
