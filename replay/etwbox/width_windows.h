/* Programs of both widths in one box: 64-bit ones get etwapi.dll, 32-bit ones etwapi32.dll. A box
 * changes programs of its own width only, and hands the others to the box of theirs: etwbox.exe and
 * etwbox32.exe, which lie beside each other. */
#ifndef ETW_REPLAY_ETWBOX_WIDTH_H
#define ETW_REPLAY_ETWBOX_WIDTH_H

#include <stdbool.h>

#include <windows.h>

/* Brings a process that was created suspended into the box; dll_path is this width's DLL. 0, or an
 * error, which etwbox_why_outside puts into words. */
DWORD etwbox_bring_in(const PROCESS_INFORMATION *child, const char *dll_path);
const char *etwbox_why_outside(DWORD code);

/* The file of that name in the folder of another; into may be path, and has room for
 * ETWBOX_MAX_DLL_PATH. */
bool etwbox_beside(const char *path, const char *name, char *into);

#endif
