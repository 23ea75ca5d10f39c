#include "recorder/session/system_providers.h"

#include <windows.h>

/* "System Providers": from Windows 10's SDK build 20348 on. */
#define FIRST_BUILD 20348u

typedef LONG(WINAPI *get_version)(OSVERSIONINFOW *);

/* GetVersionEx tells programs without a manifest of an older Windows; RtlGetVersion does not. */
bool etw_has_system_providers(void)
{
    const HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    const get_version get =
        ntdll == NULL ? NULL : (get_version)(void *)GetProcAddress(ntdll, "RtlGetVersion");
    OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof version};
    return get != NULL && get(&version) == 0 && version.dwBuildNumber >= FIRST_BUILD;
}
