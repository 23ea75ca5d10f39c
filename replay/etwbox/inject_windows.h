/* Brings etwapi.dll into a process that has not run yet, as its first import. Nothing on disk is
 * changed: the program's import table is extended in its memory, as Detours does it, so that the
 * DLL is there before the program's own DLLs and TLS callbacks run. */
#ifndef ETW_REPLAY_ETWBOX_INJECT_H
#define ETW_REPLAY_ETWBOX_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#include <windows.h>

#define ETWBOX_MAX_DLL_PATH 1024u

/* The box of this width: what it brings in. */
#ifdef _WIN64
#define ETWBOX_DLL "etwapi.dll"
#else
#define ETWBOX_DLL "etwapi32.dll"
#endif

/* What stands before the longer import table. The DLL finds it there, puts the header back as it
 * was, and so knows that it is in the box. */
typedef struct etwbox_block {
    char magic[16];
    IMAGE_DATA_DIRECTORY imports, bound_imports; /* the program's own */
    IMAGE_THUNK_DATA names[2], addresses[2];     /* of etwapi.dll */
    char dll_path[ETWBOX_MAX_DLL_PATH];
} etwbox_block;

#define ETWBOX_MAGIC "etwbox block 1"

/* dll_path is absolute, in the ANSI code page. The process was created suspended and not resumed
 * since. ERROR_BAD_EXE_FORMAT: not a program of this DLL's own width. */
DWORD etwbox_inject(HANDLE process, const char *dll_path);

/* Changes bytes of any process, this one too, whatever their protection is. */
bool etwbox_write(HANDLE process, void *at, const void *bytes, size_t size);

/* Memory of a process so near above a module that 32 bits reach it from its base (in 32-bit
 * programs elsewhere if there is none above); NULL: none. */
void *etwbox_reserve_above(HANDLE process, const BYTE *base, SIZE_T size);

#endif
