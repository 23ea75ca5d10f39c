/* The box inside a process: Windows' ETW functions lead to this DLL's. */
#ifndef ETW_REPLAY_ETWAPI_BOX_REDIRECT_H
#define ETW_REPLAY_ETWAPI_BOX_REDIRECT_H

#include <stdbool.h>

#include <windows.h>

/* Redirects this process if etwbox started it; nothing otherwise. From DllMain. */
void etwapi_box_enter(HMODULE self);

/* What takes the place of a function of one of Windows' DLLs; NULL: nothing does. dll may end in
 * ".dll" or not, and be an API set. */
void *etwapi_box_replacement(const char *dll, const char *name);

/* CreateProcess and its kin, which bring the box into children. NULL: none of them. */
void *etwapi_box_child_function(const char *name);
/* Where children find the DLL. From DllMain, before the first child. */
void etwapi_box_prepare_children(HMODULE self);

#endif
