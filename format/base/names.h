/* Names of files, and parts of them. */
#ifndef ETW_FORMAT_BASE_NAMES_H
#define ETW_FORMAT_BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a file's name ends so, in any case of ASCII letters; the ending alone is no name. */
bool etw_name_ends_with(const char *name, const char *ending);

/* What stands behind the last / or \. */
const char *etw_name_last_part(const char *path);

/* The first size bytes as a string of their own, to be freed with free; NULL: no memory. */
char *etw_name_copy(const char *from, size_t size);

#endif
