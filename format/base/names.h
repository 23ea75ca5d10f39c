/* Names of files, and parts of them. */
#ifndef ETW_FORMAT_BASE_NAMES_H
#define ETW_FORMAT_BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a file's name ends so, in any case of ASCII letters; the ending alone is no name. */
bool etw_name_ends_with(const char *name, const char *ending);

/* What stands behind the last / or \. */
const char *etw_name_last_part(const char *path);

/* Whether the pattern fits the whole text of size bytes: * stands for any bytes, ? for one. The
 * case of ASCII letters may be ignored. Only the last * met is ever taken back: size times the
 * pattern steps at most. */
bool etw_name_fits(const char *pattern, const char *text, size_t size, bool ignore_case);

/* The first size bytes as a string of their own, to be freed with free; NULL: no memory. */
char *etw_name_copy(const char *from, size_t size);

#endif
