#include "recorder/command/profile.h"

#include <ctype.h>
#include <stdlib.h>

static etw_status read_file(const etw_os *os, const char *path, char *into, size_t *size,
                            etw_error *error)
{
    const int file = os->open(os->context, path, ETW_OPEN_READ);
    if (file < 0) {
        return etw_error_set_os(error, -file, "opening");
    }
    const etw_status status =
        etw_os_read_full(os, file, into, ETW_PROFILE_MAX_BYTES + 1, size, error);
    (void)os->close(os->context, file);
    if (status == ETW_OK && *size > ETW_PROFILE_MAX_BYTES) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "a profile has at most %zu bytes",
                             ETW_PROFILE_MAX_BYTES);
    }
    return status;
}

static const char *trim(const char *from, const char **end)
{
    while (from < *end && isspace((unsigned char)*from)) {
        from++;
    }
    while (*end > from && isspace((unsigned char)(*end)[-1])) {
        (*end)--;
    }
    return from;
}

static bool is_option_name(const char *from, const char *end)
{
    for (const char *c = from; c < end; c++) {
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-') {
            return false;
        }
    }
    return from < end;
}

/* "name = value" or "name" becomes "--name=value" or "--name" at *out, NUL included. */
static bool convert_line(const char *from, const char *end, char **out)
{
    const char *equals = memchr(from, '=', (size_t)(end - from));
    const char *name_end = equals == NULL ? end : equals;
    const char *name = trim(from, &name_end);
    if (!is_option_name(name, name_end)) {
        return false;
    }
    char *to = *out;
    memcpy(to, "--", 2);
    to += 2;
    memcpy(to, name, (size_t)(name_end - name));
    to += name_end - name;
    if (equals != NULL) {
        const char *value = trim(equals + 1, &end);
        *to++ = '=';
        memcpy(to, value, (size_t)(end - value));
        to += end - value;
    }
    *to++ = '\0';
    *out = to;
    return true;
}

static etw_status convert(const char *raw, size_t size, etw_profile *profile, etw_error *error)
{
    char *out = profile->text;
    const char *end_of_file = raw + size;
    unsigned line = 1;
    for (const char *at = raw; at < end_of_file; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end_of_file - at));
        const char *end = newline == NULL ? end_of_file : newline;
        const char *next = newline == NULL ? end_of_file : newline + 1;
        const char *from = trim(at, &end);
        at = next;
        if (from == end || *from == '#' || *from == ';') {
            continue;
        }
        if (profile->count == (int)ETW_PROFILE_MAX_OPTIONS) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "line %u: more than %u options", line,
                                 ETW_PROFILE_MAX_OPTIONS);
        }
        profile->words[profile->count++] = out;
        if (memchr(from, '\0', (size_t)(end - from)) != NULL || !convert_line(from, end, &out)) {
            return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                                 "line %u: expected 'option = value' or 'option'", line);
        }
    }
    return ETW_OK;
}

etw_status etw_profile_read(const etw_os *os, const char *path, etw_profile *profile,
                            etw_error *error)
{
    *profile = (etw_profile){0};
    char *raw = malloc(ETW_PROFILE_MAX_BYTES + 1);
    profile->words = calloc(ETW_PROFILE_MAX_OPTIONS, sizeof *profile->words);
    size_t size = 0;
    etw_status status = ETW_OK;
    if (raw == NULL || profile->words == NULL) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the profile");
    } else {
        status = read_file(os, path, raw, &size, error);
    }
    if (status == ETW_OK) {
        /* Each line grows by "--" and a NUL at most, and is one byte longer than its own text. */
        profile->text = malloc(size * 3 + 4);
        status = profile->text == NULL
                     ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the profile")
                     : convert(raw, size, profile, error);
    }
    free(raw);
    if (status != ETW_OK) {
        etw_profile_free(profile);
        return etw_error_wrap(error, status, "profile %s", path);
    }
    return ETW_OK;
}

void etw_profile_free(etw_profile *profile)
{
    free(profile->text);
    free(profile->words);
    *profile = (etw_profile){0};
}
