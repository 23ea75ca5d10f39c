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

const char *etw_name_last_part(const char *path)
{
    const char *part = path;
    for (const char *at = path; *at != '\0'; at++) {
        part = *at == '/' || *at == '\\' ? at + 1 : part;
    }
    return part;
}
