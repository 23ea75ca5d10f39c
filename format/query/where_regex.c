/* Regular expressions by PCRE2, where the build has it. */
#include "format/query/where_tree.h"

#ifdef ETW_HAVE_PCRE2

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>

/* A pattern may need exponential time: this ends it, with an error. */
#define MATCH_LIMIT 1000000u
#define DEPTH_LIMIT 1000u

struct etw_where_regex {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
};

void etw_where_regex_free(etw_where_regex *regex)
{
    if (regex != NULL) {
        pcre2_match_context_free(regex->context);
        pcre2_match_data_free(regex->data);
        pcre2_code_free(regex->code);
        free(regex);
    }
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a regular expression");
}

static etw_status compile(etw_where_slice pattern, etw_where_regex *regex, size_t *error_offset,
                          etw_error *error)
{
    int code;
    PCRE2_UCHAR text[128];
    regex->code = pcre2_compile((PCRE2_SPTR)pattern.text, pattern.size,
                                PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, error_offset, NULL);
    if (regex->code == NULL) {
        if (code == PCRE2_ERROR_NOMEMORY) {
            return no_memory(error);
        }
        (void)pcre2_get_error_message(code, text, sizeof text);
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "%s", (const char *)text);
    }
    regex->data = pcre2_match_data_create_from_pattern(regex->code, NULL);
    regex->context = pcre2_match_context_create(NULL);
    if (regex->data == NULL || regex->context == NULL) {
        return no_memory(error);
    }
    (void)pcre2_set_match_limit(regex->context, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(regex->context, DEPTH_LIMIT);
    (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); /* else it is interpreted */
    return ETW_OK;
}

etw_status etw_where_regex_compile(etw_where_slice pattern, etw_where_regex **regex,
                                   size_t *error_offset, etw_error *error)
{
    etw_where_regex *made = calloc(1, sizeof *made);
    *regex = NULL;
    *error_offset = 0;
    if (made == NULL) {
        return no_memory(error);
    }
    const etw_status status = compile(pattern, made, error_offset, error);
    if (etw_failed(status)) {
        etw_where_regex_free(made);
        return status;
    }
    *regex = made;
    return ETW_OK;
}

etw_status etw_where_regex_match(const etw_where_regex *regex, etw_where_slice text, bool *matches,
                                 etw_error *error)
{
    const int result = pcre2_match(regex->code, (PCRE2_SPTR)text.text, text.size, 0, 0, regex->data,
                                   regex->context);
    *matches = result >= 0;
    if (result >= 0 || result == PCRE2_ERROR_NOMATCH) {
        return ETW_OK;
    }
    if (result == PCRE2_ERROR_NOMEMORY || result == PCRE2_ERROR_HEAPLIMIT) {
        return no_memory(error);
    }
    return etw_error_set(error, ETW_ERROR_LIMIT,
                         "the regular expression needs too many steps for a text of %zu bytes",
                         text.size);
}

#else

void etw_where_regex_free(etw_where_regex *regex)
{
    (void)regex;
}

etw_status etw_where_regex_compile(etw_where_slice pattern, etw_where_regex **regex,
                                   size_t *error_offset, etw_error *error)
{
    (void)pattern;
    *regex = NULL;
    *error_offset = 0;
    return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                         "this build has no regular expressions (PCRE2)");
}

etw_status etw_where_regex_match(const etw_where_regex *regex, etw_where_slice text, bool *matches,
                                 etw_error *error)
{
    (void)regex;
    (void)text;
    *matches = false;
    return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                         "this build has no regular expressions (PCRE2)");
}

#endif
