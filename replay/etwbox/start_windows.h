/* Starts a program in the box and waits for its end. */
#ifndef ETW_REPLAY_ETWBOX_START_H
#define ETW_REPLAY_ETWBOX_START_H

#include <windows.h>

/* What a shell uses for "could not be run" too; the program's own status otherwise. */
#define ETWBOX_EXIT_NOT_STARTED 125

/* The program and its arguments, as the user gave them. The exit status of the program. */
DWORD etwbox_run(wchar_t *const *words, int count);

/* Brings a process of this width, created suspended, into the box: what the box of the other width
 * asks for. 0, or an error of Windows. */
DWORD etwbox_join(DWORD process_id);

#endif
