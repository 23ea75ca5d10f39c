/* Children of a program in the box come into the box. */
#include "replay/etwapi/box_redirect.h"
#include "replay/etwbox/inject_windows.h"
#include "replay/etwbox/width_windows.h"

#include <stdio.h>
#include <string.h>

/* Set once, in DllMain. */
static char dll_path[ETWBOX_MAX_DLL_PATH];

void etwapi_box_prepare_children(HMODULE self)
{
    const DWORD size = GetModuleFileNameA(self, dll_path, sizeof dll_path);
    if (size == 0 || size >= sizeof dll_path) {
        dll_path[0] = '\0';
    }
}

/* After a CreateProcess with CREATE_SUSPENDED: into the box, then on its way, unless the caller
 * wanted it suspended. */
static BOOL release(BOOL created, DWORD wanted_flags, const PROCESS_INFORMATION *child)
{
    if (!created) {
        return created;
    }
    const DWORD code = etwbox_bring_in(child, dll_path);
    if (code != ERROR_SUCCESS) {
        fprintf(stderr, "etwbox: process %lu stays outside the box: %s (error %lu)\n",
                child->dwProcessId, etwbox_why_outside(code), code);
    }
    if ((wanted_flags & CREATE_SUSPENDED) == 0) {
        (void)ResumeThread(child->hThread);
    }
    return created;
}

#define CREATE(name, parameters, call)                                                             \
    static BOOL WINAPI box_##name parameters                                                       \
    {                                                                                              \
        return release(call, flags, child);                                                        \
    }

CREATE(CreateProcessA,
       (LPCSTR program, LPSTR line, LPSECURITY_ATTRIBUTES process, LPSECURITY_ATTRIBUTES thread,
        BOOL inherit, DWORD flags, LPVOID environment, LPCSTR folder, LPSTARTUPINFOA start,
        LPPROCESS_INFORMATION child),
       CreateProcessA(program, line, process, thread, inherit, flags | CREATE_SUSPENDED,
                      environment, folder, start, child))
CREATE(CreateProcessW,
       (LPCWSTR program, LPWSTR line, LPSECURITY_ATTRIBUTES process, LPSECURITY_ATTRIBUTES thread,
        BOOL inherit, DWORD flags, LPVOID environment, LPCWSTR folder, LPSTARTUPINFOW start,
        LPPROCESS_INFORMATION child),
       CreateProcessW(program, line, process, thread, inherit, flags | CREATE_SUSPENDED,
                      environment, folder, start, child))
CREATE(CreateProcessAsUserA,
       (HANDLE token, LPCSTR program, LPSTR line, LPSECURITY_ATTRIBUTES process,
        LPSECURITY_ATTRIBUTES thread, BOOL inherit, DWORD flags, LPVOID environment, LPCSTR folder,
        LPSTARTUPINFOA start, LPPROCESS_INFORMATION child),
       CreateProcessAsUserA(token, program, line, process, thread, inherit,
                            flags | CREATE_SUSPENDED, environment, folder, start, child))
CREATE(CreateProcessAsUserW,
       (HANDLE token, LPCWSTR program, LPWSTR line, LPSECURITY_ATTRIBUTES process,
        LPSECURITY_ATTRIBUTES thread, BOOL inherit, DWORD flags, LPVOID environment, LPCWSTR folder,
        LPSTARTUPINFOW start, LPPROCESS_INFORMATION child),
       CreateProcessAsUserW(token, program, line, process, thread, inherit,
                            flags | CREATE_SUSPENDED, environment, folder, start, child))
CREATE(CreateProcessWithLogonW,
       (LPCWSTR user, LPCWSTR domain, LPCWSTR password, DWORD logon, LPCWSTR program, LPWSTR line,
        DWORD flags, LPVOID environment, LPCWSTR folder, LPSTARTUPINFOW start,
        LPPROCESS_INFORMATION child),
       CreateProcessWithLogonW(user, domain, password, logon, program, line,
                               flags | CREATE_SUSPENDED, environment, folder, start, child))
CREATE(CreateProcessWithTokenW,
       (HANDLE token, DWORD logon, LPCWSTR program, LPWSTR line, DWORD flags, LPVOID environment,
        LPCWSTR folder, LPSTARTUPINFOW start, LPPROCESS_INFORMATION child),
       CreateProcessWithTokenW(token, logon, program, line, flags | CREATE_SUSPENDED, environment,
                               folder, start, child))

static const struct {
    const char *name;
    void (*function)(void);
} functions[] = {
    {"CreateProcessA", (void (*)(void))box_CreateProcessA},
    {"CreateProcessW", (void (*)(void))box_CreateProcessW},
    {"CreateProcessAsUserA", (void (*)(void))box_CreateProcessAsUserA},
    {"CreateProcessAsUserW", (void (*)(void))box_CreateProcessAsUserW},
    {"CreateProcessWithLogonW", (void (*)(void))box_CreateProcessWithLogonW},
    {"CreateProcessWithTokenW", (void (*)(void))box_CreateProcessWithTokenW},
};

void *etwapi_box_child_function(const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strcmp(functions[i].name, name) == 0) {
            return (void *)(uintptr_t)functions[i].function;
        }
    }
    return NULL;
}
