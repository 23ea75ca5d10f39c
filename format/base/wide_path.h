/* Paths and texts as Windows takes them, in UTF-16. For *_windows.c only. */
#ifndef ETW_FORMAT_BASE_WIDE_PATH_H
#define ETW_FORMAT_BASE_WIDE_PATH_H

#include <stdbool.h>
#include <wchar.h>

/* What they give is the caller's, to be freed; NULL where memory is out. */

/* UTF-8 to UTF-16; NULL, too, where it is no UTF-8. */
wchar_t *etw_wide_text(const char *text);
/* UTF-16 to UTF-8. */
char *etw_text_of_wide(const wchar_t *wide);
wchar_t *etw_absolute_path(const wchar_t *path);

/* As the system's calls take it: a path above MAX_PATH needs the prefix \\?\, which switches off
 * what the system does to names, and so is kept from all others. NULL, too, where path is no UTF-8.
 */
wchar_t *etw_wide_path(const char *path);

bool etw_has_wide_prefix(const wchar_t *path, const wchar_t *prefix);
/* NUL, CON and their like, wherever they are named: asked for its attributes, NUL is a file. */
bool etw_is_device_path(const wchar_t *path);

#endif
