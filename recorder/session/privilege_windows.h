/* Rights that an administrator holds but must switch on, for the call that needs them. */
#ifndef ETW_RECORDER_PRIVILEGE_WINDOWS_H
#define ETW_RECORDER_PRIVILEGE_WINDOWS_H

#include <stdbool.h>

#include <windows.h>

/* Switches a right of this process on or off (winnt.h: SE_..._NAME). False where the process does
 * not hold it; the call that needs it then says so. *was: whether it was on before; may be NULL. */
bool etw_privilege_set(const wchar_t *name, bool on, bool *was);

#endif
