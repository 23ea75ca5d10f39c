#include "recorder/session/wide_windows.h"

#include <stdlib.h>

#include <windows.h>

wchar_t *etw_wide_from_utf8(const char *utf8)
{
    const int size = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, utf8, -1, NULL, 0);
    wchar_t *wide = size <= 0 ? NULL : malloc((size_t)size * sizeof *wide);
    if (wide != NULL) {
        (void)MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, utf8, -1, wide, size);
    }
    return wide;
}

char *etw_utf8_from_wide(const wchar_t *wide)
{
    const int size = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
    char *utf8 = size <= 0 ? NULL : malloc((size_t)size);
    if (utf8 != NULL) {
        (void)WideCharToMultiByte(CP_UTF8, 0, wide, -1, utf8, size, NULL, NULL);
    }
    return utf8;
}
