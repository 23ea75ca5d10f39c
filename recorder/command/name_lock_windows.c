#include "recorder/command/name_lock.h"

#include "recorder/session/session_errors_windows.h"
#include "recorder/session/wide_windows.h"

#include <stdio.h>
#include <stdlib.h>

#include <windows.h>

struct etw_name_lock {
    HANDLE file;
};

static wchar_t *lock_path(const char *path)
{
    const size_t size = strlen(path) + sizeof ".lock";
    char *utf8 = malloc(size);
    wchar_t *wide = NULL;
    if (utf8 != NULL) {
        (void)snprintf(utf8, size, "%s.lock", path);
        wide = etw_wide_from_utf8(utf8);
    }
    free(utf8);
    return wide;
}

/* Shared with nobody, and gone with its handle, also when the process is killed. */
etw_status etw_name_lock_take(const char *path, etw_name_lock **taken, etw_error *error)
{
    etw_name_lock *lock = malloc(sizeof *lock);
    wchar_t *wide = lock_path(path);
    *taken = NULL;
    if (lock == NULL || wide == NULL) {
        free(lock);
        free(wide);
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a lock");
    }
    lock->file = CreateFileW(wide, GENERIC_WRITE, 0, NULL, OPEN_ALWAYS,
                             FILE_ATTRIBUTE_NORMAL | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    const DWORD code = GetLastError();
    free(wide);
    if (lock->file != INVALID_HANDLE_VALUE) {
        *taken = lock;
        return ETW_OK;
    }
    free(lock);
    return code == ERROR_SHARING_VIOLATION
               ? etw_error_set(error, ETW_ERROR_EXISTS,
                               "another recorder writes %s: choose another name", path)
               : etw_error_set_windows(error, code, "%s.lock", path);
}

void etw_name_lock_release(etw_name_lock *lock)
{
    if (lock != NULL) {
        (void)CloseHandle(lock->file);
        free(lock);
    }
}
