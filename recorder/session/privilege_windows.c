#include "recorder/session/privilege_windows.h"

bool etw_privilege_set(const wchar_t *name, bool on, bool *was)
{
    TOKEN_PRIVILEGES wanted = {.PrivilegeCount = 1}, before = {.PrivilegeCount = 0};
    wanted.Privileges[0].Attributes = on ? SE_PRIVILEGE_ENABLED : 0;
    HANDLE token = NULL;
    DWORD size = sizeof before;
    if (was != NULL) {
        *was = false;
    }
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token)) {
        return false;
    }
    /* It also succeeds where the right is not held; the last error tells. */
    const bool set = LookupPrivilegeValueW(NULL, name, &wanted.Privileges[0].Luid) &&
                     AdjustTokenPrivileges(token, FALSE, &wanted, sizeof before, &before, &size) &&
                     GetLastError() == ERROR_SUCCESS;
    (void)CloseHandle(token);
    if (set && was != NULL) {
        /* What was changed is told; nothing where it was so already. */
        *was = before.PrivilegeCount == 0
                   ? on
                   : (before.Privileges[0].Attributes & SE_PRIVILEGE_ENABLED) != 0;
    }
    return set;
}
