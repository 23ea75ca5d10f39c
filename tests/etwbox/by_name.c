/* A program that loads tdh.dll when it runs, and finds a function in it by name: prints how many
 * providers there are. */
#include <stdio.h>
#include <windows.h>

#include <evntrace.h>

#include <evntcons.h>
#include <tdh.h>

typedef ULONG WINAPI enumerate(PROVIDER_ENUMERATION_INFO *into, ULONG *size);

int main(void)
{
    static union {
        PROVIDER_ENUMERATION_INFO info;
        BYTE bytes[1 << 20];
    } answer;
    ULONG size = sizeof answer;
    const HMODULE tdh = LoadLibraryA("tdh.dll");
    enumerate *call = (enumerate *)(uintptr_t)GetProcAddress(tdh, "TdhEnumerateProviders");
    const ULONG code = call == NULL ? ERROR_PROC_NOT_FOUND : call(&answer.info, &size);
    printf("%lu\n", code == ERROR_SUCCESS ? answer.info.NumberOfProviders : 0);
    return (int)code;
}
