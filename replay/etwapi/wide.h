/* UTF-16 for the structures that TDH hands out. */
#ifndef ETW_REPLAY_ETWAPI_WIDE_H
#define ETW_REPLAY_ETWAPI_WIDE_H

#include <windows.h>

/* Units of the text with its NUL; 0 where it is not UTF-8. */
static inline ULONG etwapi_wide_units(const char *utf8)
{
    return (ULONG)MultiByteToWideChar(CP_UTF8, 0, utf8, -1, NULL, 0);
}

/* Writes the text with its NUL to a place with room for it. */
static inline void etwapi_put_wide(wchar_t *place, const char *utf8, ULONG units)
{
    (void)MultiByteToWideChar(CP_UTF8, 0, utf8, -1, place, (int)units);
}

#endif
