#include "format/base/wide_path.h"

#include "format/base/text.h"

#include <stdlib.h>

#include <windows.h>

/* The system's own limit for a path with the prefix \\?\. */
#define MAX_WIDE_PATH 32768u
/* Without the prefix MAX_PATH is the limit, less a name of 8.3 where the path is a folder's. */
#define MAX_SHORT_PATH (MAX_PATH - 12u)

wchar_t *etw_wide_text(const char *text)
{
    const size_t size = strlen(text);
    wchar_t *wide = size >= MAX_WIDE_PATH ? NULL : malloc((size + 1) * sizeof *wide);
    if (wide == NULL) {
        return NULL;
    }
    size_t out = 0;
    for (size_t i = 0; i < size;) {
        uint32_t code_point;
        const size_t length = etw_utf8_decode((const uint8_t *)text + i, size - i, &code_point);
        if (length == 0) {
            free(wide);
            return NULL;
        }
        i += length;
        uint16_t units[2];
        const size_t count = etw_utf16_encode(code_point, units);
        for (size_t unit = 0; unit < count; unit++) {
            wide[out++] = units[unit];
        }
    }
    wide[out] = L'\0';
    return wide;
}

bool etw_has_wide_prefix(const wchar_t *path, const wchar_t *prefix)
{
    return wcsncmp(path, prefix, wcslen(prefix)) == 0;
}

wchar_t *etw_absolute_path(const wchar_t *path)
{
    const DWORD size = GetFullPathNameW(path, 0, NULL, NULL);
    wchar_t *full = size == 0 ? NULL : malloc(size * sizeof *full);
    if (full != NULL && GetFullPathNameW(path, size, full, NULL) >= size) {
        free(full);
        return NULL;
    }
    return full;
}

/* \\?\ before an absolute path, \\?\UNC before that of a share; owned by the caller. */
static wchar_t *prefixed(const wchar_t *full)
{
    const bool is_share = etw_has_wide_prefix(full, L"\\\\");
    const wchar_t *prefix = is_share ? L"\\\\?\\UNC" : L"\\\\?\\";
    const wchar_t *rest = is_share ? full + 1 : full;
    wchar_t *path = malloc((wcslen(prefix) + wcslen(rest) + 1) * sizeof *path);
    if (path != NULL) {
        (void)wcscpy(path, prefix);
        (void)wcscat(path, rest);
    }
    return path;
}

wchar_t *etw_wide_path(const char *path)
{
    wchar_t *wide = etw_wide_text(path);
    if (wide == NULL || etw_has_wide_prefix(wide, L"\\\\?\\") ||
        etw_has_wide_prefix(wide, L"\\\\.\\")) {
        return wide;
    }
    wchar_t *full = etw_absolute_path(wide);
    if (full == NULL || wcslen(full) < MAX_SHORT_PATH || etw_has_wide_prefix(full, L"\\\\.\\")) {
        free(full);
        return wide;
    }
    free(wide);
    wchar_t *longer = prefixed(full);
    free(full);
    return longer;
}

char *etw_text_of_wide(const wchar_t *wide)
{
    etw_text text = {0};
    etw_text_append_utf16(&text, (const uint8_t *)wide, wcslen(wide) * sizeof *wide,
                          ETW_ESCAPE_NONE);
    char *utf8 = strdup(etw_text_z(&text));
    etw_text_free(&text);
    return utf8;
}

bool etw_is_device_path(const wchar_t *path)
{
    wchar_t *full = etw_has_wide_prefix(path, L"\\\\?\\") ? NULL : etw_absolute_path(path);
    const bool is = full != NULL && etw_has_wide_prefix(full, L"\\\\.\\");
    free(full);
    return is;
}
