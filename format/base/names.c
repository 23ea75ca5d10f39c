#include "format/base/names.h"

#include <stdlib.h>
#include <string.h>

bool etw_name_ends_with(const char *name, const char *ending)
{
    const size_t size = strlen(name), length = strlen(ending);
    return size > length && strcasecmp(name + size - length, ending) == 0;
}

char *etw_name_copy(const char *from, size_t size)
{
    char *copy = malloc(size + 1);
    if (copy != NULL) {
        memcpy(copy, from, size);
        copy[size] = '\0';
    }
    return copy;
}

static bool is_same(char a, char b, bool ignore_case)
{
    return a == b || (ignore_case && strncasecmp(&a, &b, 1) == 0);
}

bool etw_name_fits(const char *pattern, const char *text, size_t size, bool ignore_case)
{
    const char *star = NULL;
    size_t at = 0;
    size_t after_star = 0;
    while (at < size) {
        if (*pattern == '*') {
            star = pattern++;
            after_star = at;
        } else if (*pattern == '?' ||
                   (*pattern != '\0' && is_same(*pattern, text[at], ignore_case))) {
            pattern++;
            at++;
        } else if (star != NULL) {
            pattern = star + 1;
            at = ++after_star;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

const char *etw_name_last_part(const char *path)
{
    const char *part = path;
    for (const char *at = path; *at != '\0'; at++) {
        part = *at == '/' || *at == '\\' ? at + 1 : part;
    }
    return part;
}
