/* UTF-8 to Windows' UTF-16 and back, into memory that the caller frees. */
#ifndef ETW_RECORDER_WIDE_WINDOWS_H
#define ETW_RECORDER_WIDE_WINDOWS_H

#include <stddef.h>

/* NULL where memory is out or the text is not valid. */
wchar_t *etw_wide_from_utf8(const char *utf8);
char *etw_utf8_from_wide(const wchar_t *wide);

#endif
