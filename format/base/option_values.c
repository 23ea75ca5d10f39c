#include "format/base/options.h"
#include "format/base/quantities.h"

#include <stdio.h>
#include <strings.h>

etw_status etw_option_bad_value(const etw_option_use *use, const char *expected)
{
    return etw_error_set(use->error, ETW_ERROR_INVALID_ARGUMENT, "--%s '%s': expected %s",
                         use->option->name, use->value == NULL ? "" : use->value, expected);
}

etw_status etw_option_number(const etw_option_use *use, uint64_t least, uint64_t most,
                             uint64_t *value)
{
    if (etw_parse_number(use->value, value) && *value >= least && *value <= most) {
        return ETW_OK;
    }
    char expected[64];
    (void)snprintf(expected, sizeof expected, "a number from %llu to %llu",
                   (unsigned long long)least, (unsigned long long)most);
    return etw_option_bad_value(use, expected);
}

const char *etw_option_word_at(const etw_option *option, size_t index)
{
    if (option->word_at != NULL) {
        return option->word_at(index);
    }
    return option->words == NULL ? NULL : option->words[index].name;
}

bool etw_option_word_find(const etw_option_word *words, const char *name, uint32_t *value)
{
    for (size_t i = 0; words[i].name != NULL; i++) {
        if (strcasecmp(words[i].name, name) == 0) {
            *value = words[i].value;
            return true;
        }
    }
    return false;
}

/* "none, block or interval" */
static etw_status bad_word(const etw_option_use *use)
{
    etw_text expected = {0};
    const char *name;
    for (size_t i = 0; (name = etw_option_word_at(use->option, i)) != NULL; i++) {
        const bool is_last = etw_option_word_at(use->option, i + 1) == NULL;
        etw_text_append_z(&expected, i == 0 ? "" : is_last ? " or " : ", ");
        etw_text_append_z(&expected, name);
    }
    const etw_status status = etw_option_bad_value(use, etw_text_z(&expected));
    etw_text_free(&expected);
    return status;
}

etw_status etw_option_choose(const etw_option_use *use, uint32_t *value)
{
    return etw_option_word_find(use->option->words, use->value, value) ? ETW_OK : bad_word(use);
}

static etw_status store_text(const etw_option_use *use, const char **field)
{
    const char *name;
    bool is_word = etw_option_word_at(use->option, 0) == NULL;
    for (size_t i = 0; !is_word && (name = etw_option_word_at(use->option, i)) != NULL; i++) {
        is_word = strcmp(name, use->value) == 0;
    }
    *field = use->value;
    return is_word ? ETW_OK : bad_word(use);
}

/* The most that a row allows, of what its field holds. */
static uint64_t most_of(const etw_option *option)
{
    const uint64_t room = option->store == ETW_STORE_U64   ? UINT64_MAX
                          : option->store == ETW_STORE_U32 ? UINT32_MAX
                                                           : (uint64_t)INT32_MAX;
    return option->most == 0 || option->most > room ? room : option->most;
}

/* As a user would write it: in the largest unit that it is a multiple of. */
static void append_quantity(etw_text *text, uint64_t value, etw_option_unit unit)
{
    static const struct {
        etw_option_unit unit;
        uint64_t size;
        const char *name;
    } units[] = {{ETW_UNIT_BYTES, 1ull << 30, "G"},
                 {ETW_UNIT_BYTES, 1u << 20, "M"},
                 {ETW_UNIT_BYTES, 1u << 10, "k"},
                 {ETW_UNIT_BYTES, 1, ""},
                 {ETW_UNIT_MS, 86400000, "d"},
                 {ETW_UNIT_MS, 3600000, "h"},
                 {ETW_UNIT_MS, 60000, "m"},
                 {ETW_UNIT_MS, 1000, "s"},
                 {ETW_UNIT_MS, 1, "ms"}};
    for (size_t i = 0; i < ETW_COUNT_OF(units); i++) {
        if (units[i].unit == unit && value != 0 && value % units[i].size == 0) {
            etw_text_append_u64(text, value / units[i].size);
            etw_text_append_z(text, units[i].name);
            return;
        }
    }
    etw_text_append_u64(text, value);
}

static etw_status take_quantity(const etw_option_use *use, uint64_t *number)
{
    const etw_option *option = use->option;
    const bool is_size = option->unit == ETW_UNIT_BYTES;
    const bool is_read =
        is_size ? etw_parse_size(use->value, number) : etw_parse_duration(use->value, number);
    if (is_read && *number >= option->least && *number <= most_of(option)) {
        return ETW_OK;
    }
    const char *general =
        is_size ? "a size such as 500k, 100M or 4G" : "a time such as 500ms, 30s, 5m, 2h or 1d";
    if (!is_read || (option->least == 0 && option->most == 0)) {
        return etw_option_bad_value(use, general);
    }
    etw_text expected = {0};
    etw_text_append_z(&expected, is_size ? "a size from " : "a time from ");
    append_quantity(&expected, option->least, option->unit);
    etw_text_append_z(&expected, " to ");
    append_quantity(&expected, most_of(option), option->unit);
    const etw_status status = etw_option_bad_value(use, etw_text_z(&expected));
    etw_text_free(&expected);
    return status;
}

static etw_status take_number(const etw_option_use *use, uint64_t *number)
{
    const etw_option *option = use->option;
    uint32_t word = 0;
    if (option->words != NULL) {
        const etw_status status = etw_option_choose(use, &word);
        *number = word;
        return status;
    }
    return option->unit == ETW_UNIT_NONE
               ? etw_option_number(use, option->least, most_of(option), number)
               : take_quantity(use, number);
}

etw_status etw_option_store_value(const etw_option_use *use)
{
    char *field = (char *)use->arguments + use->option->offset;
    uint64_t number = 0;
    if (use->option->store == ETW_STORE_FLAG) {
        *(bool *)(void *)field = true;
        return ETW_OK;
    }
    if (use->option->store == ETW_STORE_TEXT) {
        return store_text(use, (const char **)(void *)field);
    }
    const etw_status status = take_number(use, &number);
    if (status != ETW_OK) {
        return status;
    }
    if (use->option->store == ETW_STORE_INT) {
        *(int *)(void *)field = (int)number;
    } else if (use->option->store == ETW_STORE_U32) {
        *(uint32_t *)(void *)field = (uint32_t)number;
    } else {
        *(uint64_t *)(void *)field = number;
    }
    return ETW_OK;
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
