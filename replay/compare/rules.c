#include "replay/compare/rules.h"

#include "format/base/digits.h"
#include "format/base/names.h"

#include <stdlib.h>

static const char *const kind_names[ETW_NORMAL_KINDS] = {"time", "pid",     "tid",
                                                         "guid", "address", "handle"};

const char *etw_normal_name(etw_normal_kind kind)
{
    return kind_names[kind];
}

void etw_rules_free(etw_rules *rules)
{
    etw_arena_free(&rules->texts);
    *rules = (etw_rules){0};
}

static bool has_name(const etw_name_list *list, const char *name, size_t size)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (strlen(list->names[i]) == size && memcmp(list->names[i], name, size) == 0) {
            return true;
        }
    }
    return false;
}

etw_status etw_rules_add_names(etw_rules *rules, etw_name_list *to, const char *list,
                               etw_error *error)
{
    for (const char *at = list; *at != '\0';) {
        const size_t size = strcspn(at, ",");
        const bool is_new = size > 0 && !has_name(to, at, size);
        if (is_new && to->count == ETW_RULES_MAX_NAMES) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u names", ETW_RULES_MAX_NAMES);
        }
        const char *copy = is_new ? etw_arena_copy(&rules->texts, at, size) : "";
        if (copy == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for names");
        }
        if (is_new) {
            to->names[to->count++] = copy;
        }
        at += size + (at[size] == ',' ? 1 : 0);
    }
    return ETW_OK;
}

static etw_normal_kind kind_of_word(const char *word, size_t size)
{
    etw_normal_kind kind = 0;
    while (kind < ETW_NORMAL_KINDS &&
           (strlen(kind_names[kind]) != size || memcmp(kind_names[kind], word, size) != 0)) {
        kind++;
    }
    return kind;
}

etw_status etw_rules_add_normalized(etw_rules *rules, const char *list, etw_error *error)
{
    for (const char *at = list; *at != '\0';) {
        const size_t size = strcspn(at, ",");
        const etw_normal_kind kind = kind_of_word(at, size);
        if (kind == ETW_NORMAL_KINDS) {
            return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                                 "cannot normalize '%.*s': time, pid, tid, guid, address or handle",
                                 (int)(size < 64 ? size : 64), at);
        }
        rules->normalized |= 1u << kind;
        at += size + (at[size] == ',' ? 1 : 0);
    }
    return ETW_OK;
}

/* Patterns. */

static bool any_fits(const etw_name_list *list, const char *text, size_t size)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (etw_name_fits(list->names[i], text, size, true)) {
            return true;
        }
    }
    return false;
}

static bool has_whole_or_part(const etw_name_list *list, const char *name, size_t size)
{
    size_t part = 0; /* where the word behind the last dot begins */
    if (any_fits(list, name, size)) {
        return true;
    }
    for (size_t i = 0; i <= size; i++) {
        const bool is_end = i == size || name[i] == '.' || name[i] == '[';
        if (is_end && (any_fits(list, name, i) || any_fits(list, name + part, i - part))) {
            return true;
        }
        if (i < size && name[i] == '[') {
            while (i < size && name[i] != '.') {
                i++;
            }
        }
        part = i < size && name[i] == '.' ? i + 1 : part;
    }
    return false;
}

bool etw_name_list_has(const etw_name_list *list, const char *name, size_t size)
{
    const size_t prefix = sizeof ETW_PROPERTY_PREFIX - 1;
    if (list->count == 0) {
        return false;
    }
    return has_whole_or_part(list, name, size) ||
           (size > prefix && memcmp(name, ETW_PROPERTY_PREFIX, prefix) == 0 &&
            has_whole_or_part(list, name + prefix, size - prefix));
}

/* Values. */

static bool is_guid(const char *value, size_t size)
{
    etw_guid ignored;
    char text[39];
    if (size != 38 || value[0] != '{') {
        return false;
    }
    memcpy(text, value, size);
    text[size] = '\0';
    return etw_guid_parse(text, &ignored);
}

/* Digits of 0x...; 0 where it is none. */
static size_t hex_digits(const char *value, size_t size)
{
    if (size < 3 || value[0] != '0' || value[1] != 'x') {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if (etw_hex_digit(value[i]) < 0) {
            return 0;
        }
    }
    return size - 2;
}

static bool is_number(const char *value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9') {
            return false;
        }
    }
    return size > 0;
}

/* "2020-07-29T00:07:10": what more there is does not matter. */
static bool is_time(const char *value, size_t size)
{
    static const char form[] = "0000-00-00T00:00:00";
    if (size < sizeof form - 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof form - 1; i++) {
        const bool is_digit = value[i] >= '0' && value[i] <= '9';
        if (form[i] == '0' ? !is_digit : value[i] != form[i]) {
            return false;
        }
    }
    return true;
}

/* Numbers that mean the same on every machine: none, Idle, System, "no such process". */
static bool is_well_known(const char *value, size_t size)
{
    static const char *const known[] = {"0", "4", "0x0", "0x4", "4294967295", "0xFFFFFFFF"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i]) == size && memcmp(known[i], value, size) == 0) {
            return true;
        }
    }
    return false;
}

typedef struct name_pattern {
    etw_normal_kind kind;
    const char *pattern;
} name_pattern;

static bool has_name_of(etw_normal_kind kind, const char *name, size_t size)
{
    static const name_pattern patterns[] = {
        {ETW_NORMAL_PID, "*ProcessId"},     {ETW_NORMAL_PID, "*PID"},
        {ETW_NORMAL_PID, "ParentId"},       {ETW_NORMAL_TID, "*ThreadId"},
        {ETW_NORMAL_TID, "*TID"},           {ETW_NORMAL_ADDRESS, "*Address"},
        {ETW_NORMAL_ADDRESS, "*Addresses"}, {ETW_NORMAL_ADDRESS, "*Base"},
        {ETW_NORMAL_ADDRESS, "*Ptr"},       {ETW_NORMAL_ADDRESS, "*Pointer"},
        {ETW_NORMAL_HANDLE, "*Handle"},     {ETW_NORMAL_HANDLE, "*Object"},
        {ETW_NORMAL_HANDLE, "*Irp"},        {ETW_NORMAL_HANDLE, "*IrpPtr"},
    };
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        const etw_name_list one = {.names = {patterns[i].pattern}, .count = 1};
        if (patterns[i].kind == kind && etw_name_list_has(&one, name, size)) {
            return true;
        }
    }
    return false;
}

static bool is_of(etw_normal_kind kind, const char *name, size_t name_size, const char *value,
                  size_t size)
{
    const size_t digits = hex_digits(value, size);
    const bool is_id = (is_number(value, size) || digits > 0) && !is_well_known(value, size);
    switch (kind) {
    case ETW_NORMAL_TIME:
        return is_time(value, size);
    case ETW_NORMAL_GUID:
        return is_guid(value, size);
    case ETW_NORMAL_ADDRESS:
        return digits >= 9 || (digits > 0 && is_id && has_name_of(kind, name, name_size));
    default:
        return is_id && has_name_of(kind, name, name_size);
    }
}

/* What names an event, and flags that look as addresses do. */
static bool is_fixed(const char *name, size_t size)
{
    static const etw_name_list fixed = {.names = {"ProviderId", "Keyword"}, .count = 2};
    return any_fits(&fixed, name, size);
}

etw_normal_kind etw_rules_kind_of(const etw_rules *rules, const char *name, size_t name_size,
                                  const char *value, size_t value_size)
{
    /* Names tell more than looks: a handle may look as an address does. */
    static const etw_normal_kind order[] = {ETW_NORMAL_TIME, ETW_NORMAL_GUID,   ETW_NORMAL_PID,
                                            ETW_NORMAL_TID,  ETW_NORMAL_HANDLE, ETW_NORMAL_ADDRESS};
    if (rules->normalized == 0 || is_fixed(name, name_size)) {
        return ETW_NORMAL_KINDS;
    }
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if ((rules->normalized & (1u << order[i])) != 0 &&
            is_of(order[i], name, name_size, value, value_size)) {
            return order[i];
        }
    }
    return ETW_NORMAL_KINDS;
}

/* Numbers. */

void etw_normalizer_free(etw_normalizer *normalizer)
{
    etw_arena_free(&normalizer->texts);
    etw_table_free(&normalizer->numbers);
    *normalizer = (etw_normalizer){0};
}

/* A value's key: its kind's digit, then the value. */
static etw_status number_of(etw_normalizer *n, const char *key, size_t size, uint32_t *number)
{
    const uint32_t kind = (uint32_t)(key[0] - '0');
    n->texts.limit_bytes = ETW_NORMALIZER_MAX_BYTES;
    const uint32_t *known = etw_table_get(&n->numbers, key, size);
    if (known != NULL) {
        *number = *known;
        return ETW_OK;
    }
    if (etw_arena_full(&n->texts, size + 64)) {
        return ETW_ERROR_LIMIT;
    }
    char *copy = etw_arena_copy(&n->texts, key, size);
    uint32_t *kept = etw_arena_alloc(&n->texts, sizeof *kept);
    if (copy == NULL || kept == NULL || !etw_table_set(&n->numbers, copy, size, kept)) {
        return ETW_ERROR_NO_MEMORY;
    }
    *kept = *number = ++n->counts[kind];
    return ETW_OK;
}

etw_status etw_normalizer_append(etw_normalizer *normalizer, etw_normal_kind kind,
                                 const char *value, size_t size, etw_text *text)
{
    uint32_t number;
    etw_text key = {0};
    if (kind == ETW_NORMAL_TIME) {
        etw_text_append_z(text, "<time>");
        return ETW_OK;
    }
    etw_text_append_char(&key, (char)('0' + kind));
    etw_text_append(&key, value, size);
    const etw_status status =
        key.failed ? ETW_ERROR_NO_MEMORY : number_of(normalizer, key.data, key.size, &number);
    etw_text_free(&key);
    if (!etw_failed(status)) {
        etw_text_printf(text, "<%s %u>", kind_names[kind], number);
    }
    return status;
}
