#include "replay/command/short_forms.h"

#include "format/base/guid.h"
#include "format/base/quantities.h"

#include <stdio.h>

/* How the values of an option are written. */
typedef enum value_kind { NUMBERS, NAMES, PROVIDERS, WORDS, MASKS, ACTIVITIES, TEXTS } value_kind;

static const struct {
    const char *field;
    value_kind kind;
    uint64_t most; /* of numbers */
    bool is_list;  /* with commas between; names may have commas in them */
} forms_of[ETW_SHORT_COUNT] = {
    [ETW_SHORT_PROVIDER] = {"ProviderName", PROVIDERS, 0, false},
    [ETW_SHORT_EVENT] = {"EventName", NAMES, 0, false},
    [ETW_SHORT_ID] = {"Id", NUMBERS, UINT16_MAX, true},
    [ETW_SHORT_PID] = {"ProcessId", NUMBERS, UINT32_MAX, true},
    [ETW_SHORT_TID] = {"ThreadId", NUMBERS, UINT32_MAX, true},
    [ETW_SHORT_PROCESS] = {"ProcessName", NAMES, 0, false},
    [ETW_SHORT_KEYWORD] = {"Keyword", MASKS, UINT64_MAX, true},
    [ETW_SHORT_OPCODE] = {"Opcode", WORDS, UINT8_MAX, true},
    [ETW_SHORT_ACTIVITY] = {"ActivityId", ACTIVITIES, 0, true},
    [ETW_SHORT_GREP] = {"*", TEXTS, 0, false},
};

static void append_escaped(etw_text *text, const char *value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (value[i] == '\'' || value[i] == '\\') {
            etw_text_append_char(text, '\\');
        }
        etw_text_append_char(text, value[i]);
    }
}

static void append_quoted(etw_text *text, const char *value)
{
    etw_text_append_char(text, '\'');
    append_escaped(text, value, strlen(value));
    etw_text_append_char(text, '\'');
}

/* A pattern keeps its own escapes; a quote gets one. */
static void append_pattern(etw_text *text, const char *value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        etw_text_append_z(text, value[i] == '\'' ? "\\" : "");
        etw_text_append_char(text, value[i]);
        if (value[i] == '\\' && i + 1 < size) {
            i++;
            etw_text_append_char(text, value[i]);
        }
    }
}

/* TEXT, or a regular expression: /text/, or /text/i where case is to be ignored. */
static void append_search(etw_text *text, const char *value)
{
    const size_t size = strlen(value);
    const bool ignores_case = size > 3 && value[size - 1] == 'i';
    const size_t last = size < 3 ? 0 : size - 1 - (ignores_case ? 1 : 0); /* of the slash */
    if (last < 2 || value[0] != '/' || value[last] != '/') {
        etw_text_append_z(text, "* contains ");
        append_quoted(text, value);
        return;
    }
    etw_text_append_z(text, ignores_case ? "* ~ '(?i)" : "* ~ '");
    append_pattern(text, value + 1, last - 1);
    etw_text_append_char(text, '\'');
}

static void append_name(etw_text *text, const char *field, const char *value)
{
    etw_text_printf(text, "%s %s ", field, strpbrk(value, "*?") != NULL ? "like" : "==");
    append_quoted(text, value);
}

static etw_status bad_numbers(const etw_option_use *use, uint64_t most)
{
    char expected[120];
    (void)snprintf(expected, sizeof expected,
                   "numbers up to %llu, or ranges such as 1-5, with commas between; ! before one "
                   "leaves it out",
                   (unsigned long long)most);
    return etw_option_bad_value(use, expected);
}

/* N or A-B. */
static etw_status append_numbers(const etw_option_use *use, etw_short_form form, const char *value,
                                 etw_text *text, bool *is_range)
{
    char first[32];
    uint64_t from, to;
    const char *dash = strchr(value, '-');
    const size_t size = dash == NULL ? strlen(value) : (size_t)(dash - value);
    const uint64_t most = forms_of[form].most;
    *is_range = dash != NULL;
    if (size >= sizeof first) {
        return bad_numbers(use, most);
    }
    memcpy(first, value, size);
    first[size] = '\0';
    if (!etw_parse_number(first, &from) || from > most ||
        (dash != NULL && (!etw_parse_number(dash + 1, &to) || to > most || to < from))) {
        return bad_numbers(use, most);
    }
    etw_text_printf(text, dash == NULL ? "%s == %llu" : "%s in (%llu..%llu)", forms_of[form].field,
                    (unsigned long long)from, (unsigned long long)(dash == NULL ? 0 : to));
    return ETW_OK;
}

static etw_status append_value(const etw_option_use *use, etw_short_form form, const char *value,
                               etw_text *text, bool *is_plain)
{
    etw_guid guid;
    uint64_t number;
    bool is_range = false;
    const char *field = forms_of[form].field;
    const bool is_number = etw_parse_number(value, &number);
    etw_status status = ETW_OK;
    switch (forms_of[form].kind) {
    case NUMBERS:
        status = append_numbers(use, form, value, text, &is_range);
        break;
    case PROVIDERS:
        if (etw_guid_parse(value, &guid)) {
            etw_text_append_z(text, "ProviderId == ");
            etw_text_append_guid(text, &guid);
            break;
        }
        append_name(text, field, value);
        is_range = strpbrk(value, "*?") != NULL;
        break;
    case NAMES:
        append_name(text, field, value);
        break;
    case MASKS:
        if (is_number) {
            etw_text_printf(text, "Keyword & 0x%llx", (unsigned long long)number);
            break;
        }
        append_name(text, field, value);
        break;
    case WORDS:
        if (is_number && number > forms_of[form].most) {
            return etw_option_bad_value(use, "numbers up to 255, or names such as start");
        }
        append_name(text, field, value);
        break;
    case TEXTS:
        append_search(text, value);
        break;
    case ACTIVITIES:
        if (!etw_guid_parse(value, &guid)) {
            return etw_option_bad_value(use, "a GUID");
        }
        etw_text_append_z(text, "ActivityId == ");
        etw_text_append_guid(text, &guid);
        etw_text_append_z(text, " or ExtendedInfo.RelatedActivityId == ");
        etw_text_append_guid(text, &guid);
        break;
    }
    *is_plain = !is_range;
    return status;
}

typedef struct taking {
    etw_short_forms *forms;
    etw_short_form form;
} taking;

static etw_status take(const etw_option_use *use, const char *part, void *context)
{
    const taking *t = context;
    const bool is_unwanted = part[0] == '!' && t->form != ETW_SHORT_GREP;
    etw_text *text = is_unwanted ? &t->forms->unwanted[t->form] : &t->forms->wanted[t->form];
    bool is_plain = true;
    if (part[is_unwanted ? 1 : 0] == '\0') {
        return etw_option_bad_value(use, is_unwanted ? "a value behind the !" : "a value");
    }
    etw_text_append_z(text, text->size > 0 ? " or " : "");
    const etw_status status =
        append_value(use, t->form, part + (is_unwanted ? 1 : 0), text, &is_plain);
    const bool has_list =
        t->form == ETW_SHORT_PROVIDER || t->form == ETW_SHORT_ID || t->form == ETW_SHORT_PID;
    t->forms->is_needed[t->form] |= is_unwanted || !is_plain || !has_list;
    return text->failed
               ? etw_error_set(use->error, ETW_ERROR_NO_MEMORY, "no memory for the arguments")
               : status;
}

etw_status etw_short_forms_take(etw_short_forms *forms, etw_short_form form,
                                const etw_option_use *use)
{
    taking t = {forms, form};
    return forms_of[form].is_list ? etw_option_each_part(use, use->value, &t, take)
                                  : take(use, use->value, &t);
}

void etw_short_forms_append(const etw_short_forms *forms, etw_text *text)
{
    for (size_t i = 0; i < ETW_SHORT_COUNT; i++) {
        const etw_text *wanted = &forms->wanted[i];
        const etw_text *unwanted = &forms->unwanted[i];
        if (!forms->is_needed[i]) {
            continue;
        }
        if (wanted->size > 0) {
            etw_text_append_z(text, text->size > 0 ? " and (" : "(");
            etw_text_append(text, wanted->data, wanted->size);
            etw_text_append_char(text, ')');
        }
        if (unwanted->size > 0) {
            etw_text_append_z(text, text->size > 0 ? " and not (" : "not (");
            etw_text_append(text, unwanted->data, unwanted->size);
            etw_text_append_char(text, ')');
        }
    }
}

void etw_short_forms_free(etw_short_forms *forms)
{
    for (size_t i = 0; i < ETW_SHORT_COUNT; i++) {
        etw_text_free(&forms->wanted[i]);
        etw_text_free(&forms->unwanted[i]);
    }
}
