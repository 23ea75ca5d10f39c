#include "replay/etwbox/width_windows.h"

#include "replay/etwbox/inject_windows.h"

#include <stdio.h>
#include <string.h>

#ifdef _WIN64
#define OTHER_BOX  "etwbox32.exe"
#define OTHER_TEXT "it is a 32-bit program, and etwbox32.exe is not beside etwbox.exe"
#else
#define OTHER_BOX  "etwbox.exe"
#define OTHER_TEXT "it is a 64-bit program, and etwbox.exe is not beside etwbox32.exe"
#endif

bool etwbox_beside(const char *path, const char *name, char *into)
{
    const char *file = strrchr(path, '\\');
    const size_t folder = file == NULL ? 0 : (size_t)(file + 1 - path);
    if (folder == 0 || folder + strlen(name) >= ETWBOX_MAX_DLL_PATH) {
        return false;
    }
    memmove(into, path, folder);
    memcpy(into + folder, name, strlen(name) + 1);
    return true;
}

/* Only 64-bit Windows runs both: there, 32-bit programs are those under WOW64. */
static bool is_other_width(HANDLE process)
{
    BOOL own = FALSE, its = FALSE;
    return IsWow64Process(GetCurrentProcess(), &own) && IsWow64Process(process, &its) && own != its;
}

static DWORD hand_over(DWORD process_id, const char *dll_path)
{
    char box[ETWBOX_MAX_DLL_PATH], line[ETWBOX_MAX_DLL_PATH + 32];
    STARTUPINFOA start = {.cb = sizeof start};
    PROCESS_INFORMATION other;
    if (!etwbox_beside(dll_path, OTHER_BOX, box) ||
        GetFileAttributesA(box) == INVALID_FILE_ATTRIBUTES) {
        return ERROR_FILE_NOT_FOUND;
    }
    (void)snprintf(line, sizeof line, "\"%s\" --join %lu", box, process_id);
    if (!CreateProcessA(box, line, NULL, NULL, FALSE, CREATE_NO_WINDOW, NULL, NULL, &start,
                        &other)) {
        return GetLastError();
    }
    DWORD code = ERROR_PARTIAL_COPY;
    (void)WaitForSingleObject(other.hProcess, INFINITE);
    (void)GetExitCodeProcess(other.hProcess, &code);
    (void)CloseHandle(other.hThread);
    (void)CloseHandle(other.hProcess);
    return code;
}

DWORD etwbox_bring_in(const PROCESS_INFORMATION *child, const char *dll_path)
{
    return is_other_width(child->hProcess) ? hand_over(child->dwProcessId, dll_path)
                                           : etwbox_inject(child->hProcess, dll_path);
}

const char *etwbox_why_outside(DWORD code)
{
    switch (code) {
    case ERROR_FILE_NOT_FOUND:
        return OTHER_TEXT;
    case ERROR_BAD_EXE_FORMAT:
        return "it is a program for another processor";
    default:
        return "its import table cannot be changed";
    }
}
