#include "format/query/where_words.h"

#include <stdarg.h>
#include <stdio.h>

#include "format/query/where_tree.h"

#define CARET_CONTEXT 60u /* characters of the text shown on either side of the caret */

etw_status etw_where_fail_at(const etw_where_words *words, const char *place, const char *format,
                             ...)
{
    char what[300];
    char line[2 * CARET_CONTEXT + 1];
    va_list arguments;
    const size_t offset = (size_t)(place - words->text);
    const char *start = offset > CARET_CONTEXT ? place - CARET_CONTEXT : words->text;
    int size = 0;
    while (start[size] != '\0' && size < (int)sizeof line - 1) {
        const char c = start[size];
        line[size++] = (uint8_t)c < ' ' ? ' ' : c;
    }
    line[size] = '\0';
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return etw_error_set(words->error, ETW_ERROR_INVALID_ARGUMENT, "%s\n  %s\n  %*s^", what, line,
                         (int)(place - start), "");
}

etw_status etw_where_no_memory(const etw_where_words *words)
{
    return etw_error_set(words->error, ETW_ERROR_NO_MEMORY, "no memory for a filter");
}

bool etw_where_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void etw_where_skip_spaces(etw_where_words *words)
{
    while (etw_where_is_space(*words->at)) {
        words->at++;
    }
}

bool etw_where_is_name_character(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
           c == '.' || c == '#' || c == '[' || c == ']' || c == ':' || c == '-' || c == '@' ||
           c == '$' || c == '%' || (uint8_t)c >= 0x80;
}

bool etw_where_take_word(etw_where_words *words, const char *word)
{
    etw_where_skip_spaces(words);
    const size_t size = strlen(word);
    const bool is_letters = (word[0] | 0x20) >= 'a' && (word[0] | 0x20) <= 'z';
    const size_t there = strlen(words->at);
    if (there < size ||
        !etw_where_text_equal((etw_where_slice){words->at, size}, (etw_where_slice){word, size}) ||
        (is_letters && etw_where_is_name_character(words->at[size]))) {
        return false;
    }
    words->at += size;
    return true;
}

/* The value of two hexadecimal digits; 0 where there are none. */
static unsigned hex_pair(const char *at)
{
    static const char digits[] = "0123456789abcdef";
    unsigned value = 0;
    for (int i = 0; i < 2; i++) {
        const char lower = (char)(at[i] >= 'A' && at[i] <= 'F' ? at[i] + 32 : at[i]);
        const char *found = lower == '\0' ? NULL : strchr(digits, lower);
        if (found == NULL) {
            return 0;
        }
        value = value * 16 + (unsigned)(found - digits);
    }
    return value;
}

/* What a backslash and the character behind it stand for; words->at is at that. Both, where that is
 * nothing known: "C:\Windows"; of a pattern they are always both, but not before the quote. */
static void take_escape(etw_where_words *words, char quote, char *out, size_t *size)
{
    static const char escapes[] = "n\nt\tr\r\\\\\"\"''";
    const char c = *words->at++;
    const char *known = NULL;
    for (const char *e = escapes; *e != '\0' && known == NULL; e += 2) {
        known = *e == c ? e : NULL;
    }
    if (words->is_pattern ? c == quote : known != NULL) {
        out[(*size)++] = words->is_pattern ? c : known[1];
    } else if (!words->is_pattern && c == 'x' && hex_pair(words->at) != 0) {
        out[(*size)++] = (char)hex_pair(words->at);
        words->at += 2;
    } else {
        out[(*size)++] = '\\';
        out[(*size)++] = c;
    }
}

etw_status etw_where_take_quoted(etw_where_words *words, const char **text, size_t *size)
{
    const char *start = words->at;
    const char quote = *words->at++;
    char *out = etw_arena_alloc(words->arena, strlen(words->at) + 1);
    *text = out;
    *size = 0;
    if (out == NULL) {
        return etw_where_no_memory(words);
    }
    while (*words->at != quote) {
        const char c = *words->at;
        if (c == '\0') {
            return etw_where_fail_at(words, start, "the quote that begins here does not end");
        }
        words->at++;
        if (c == '\\' && *words->at != '\0') {
            take_escape(words, quote, out, size);
        } else {
            out[(*size)++] = c;
        }
    }
    words->at++;
    out[*size] = '\0';
    return ETW_OK;
}
