#include "replay/etwapi/box_redirect.h"

#include "replay/etwapi/session_table.h"

#include "replay/etwbox/inject_windows.h"

#include <stdlib.h>
#include <string.h>

#define PSAPI_VERSION 2
#include <psapi.h>

#define MAX_MODULES 1024u
#define STUB_BYTES  16u

/* Where Windows has the functions. API sets that lead to them begin with the last ones. */
static const char *const dlls[] = {
    "advapi32",
    "sechost",
    "tdh",
    "ntdll",
    "kernelbase",
    "kernel32",
    "api-ms-win-eventing-",
    "api-ms-win-core-processthreads-",
};

/* This DLL, and the functions that are redirected without being exports of it. Set once. */
typedef struct box {
    HMODULE self;
    void *get_proc_address;
} box;

static box inside;

/* --- what replaces what -------------------------------------------------------------------------
 */

static bool is_one_of_ours(const char *dll)
{
    for (size_t i = 0; i < sizeof dlls / sizeof dlls[0]; i++) {
        if (_strnicmp(dll, dlls[i], strlen(dlls[i])) == 0) {
            return true;
        }
    }
    return false;
}

static FARPROC WINAPI get_proc_address(HMODULE module, LPCSTR name)
{
    const FARPROC found = GetProcAddress(module, name);
    char path[MAX_PATH];
    if (found != NULL || (uintptr_t)name < 0x10000u ||
        GetModuleFileNameA(module, path, MAX_PATH) == 0) {
        return found;
    }
    /* The system lacks it: what is there goes through the export tables. */
    const DWORD error = GetLastError();
    const char *file = strrchr(path, '\\');
    void *ours = etwapi_box_replacement(file == NULL ? path : file + 1, name);
    SetLastError(ours == NULL ? error : ERROR_SUCCESS);
    return (FARPROC)(uintptr_t)ours;
}

void *etwapi_box_replacement(const char *dll, const char *name)
{
    if (!is_one_of_ours(dll)) {
        return NULL;
    }
    if (strcmp(name, "GetProcAddress") == 0) {
        return inside.get_proc_address;
    }
    void *child_function = etwapi_box_child_function(name);
    if (child_function != NULL) {
        return child_function;
    }
    /* In ntdll the functions begin with Etw; advapi32 forwards to them. */
    if (strcmp(name, "EtwLogTraceEvent") == 0) {
        name = "TraceEvent";
    } else if (strncmp(name, "Etw", 3) == 0) {
        name += 3;
    }
    return (void *)(uintptr_t)GetProcAddress(inside.self, name);
}

/* --- tables of a module -------------------------------------------------------------------------
 */

static const void *at(const BYTE *base, ULONG rva)
{
    return base + rva;
}

static const IMAGE_DATA_DIRECTORY *directory_of(const BYTE *base, ULONG which)
{
    const IMAGE_DOS_HEADER *dos = at(base, 0);
    const IMAGE_NT_HEADERS *headers = at(base, (ULONG)dos->e_lfanew);
    return &headers->OptionalHeader.DataDirectory[which];
}

static bool set_pointer(ULONG_PTR *slot, const void *function)
{
    return etwbox_write(GetCurrentProcess(), slot, &function, sizeof function);
}

/* What a DLL exports. */
typedef struct export_table {
    const BYTE *base;
    ULONG count, first_ordinal;
    const ULONG *names, *functions;
    const WORD *places; /* of each name, among the functions */
} export_table;

/* False where the DLL is not there. */
static bool read_exports(const char *dll, export_table *table)
{
    const BYTE *base = (const BYTE *)GetModuleHandleA(dll);
    if (base == NULL) {
        return false;
    }
    const IMAGE_DATA_DIRECTORY *directory = directory_of(base, IMAGE_DIRECTORY_ENTRY_EXPORT);
    const IMAGE_EXPORT_DIRECTORY *exports = at(base, directory->VirtualAddress);
    *table = (export_table){base,
                            exports->NumberOfNames,
                            exports->Base,
                            at(base, exports->AddressOfNames),
                            at(base, exports->AddressOfFunctions),
                            at(base, exports->AddressOfNameOrdinals)};
    return true;
}

/* What replaces the function that a DLL exports under an ordinal. */
static void *replacement_by_ordinal(const char *dll, ULONG ordinal)
{
    export_table table;
    const bool found = read_exports(dll, &table);
    for (ULONG i = 0; found && i < table.count; i++) {
        if (table.first_ordinal + table.places[i] == ordinal) {
            return etwapi_box_replacement(dll, at(table.base, table.names[i]));
        }
    }
    return NULL;
}

static const void *replacement_of(const BYTE *base, const char *dll, const IMAGE_THUNK_DATA *import)
{
    if (IMAGE_SNAP_BY_ORDINAL(import->u1.Ordinal)) {
        return replacement_by_ordinal(dll, (ULONG)IMAGE_ORDINAL(import->u1.Ordinal));
    }
    const IMAGE_IMPORT_BY_NAME *name = at(base, (ULONG)import->u1.AddressOfData);
    return etwapi_box_replacement(dll, (const char *)name->Name);
}

static void patch_dll_imports(const BYTE *base, const IMAGE_IMPORT_DESCRIPTOR *imported)
{
    const char *dll = at(base, imported->Name);
    if (imported->OriginalFirstThunk == 0 || !is_one_of_ours(dll)) {
        return;
    }
    const IMAGE_THUNK_DATA *imports = at(base, imported->OriginalFirstThunk);
    ULONG_PTR *addresses = (ULONG_PTR *)(uintptr_t)at(base, imported->FirstThunk);
    for (ULONG i = 0; imports[i].u1.AddressOfData != 0; i++) {
        const void *ours = replacement_of(base, dll, &imports[i]);
        if (ours != NULL) {
            (void)set_pointer(&addresses[i], ours);
        }
    }
}

static void patch_imports(const BYTE *base)
{
    const IMAGE_DATA_DIRECTORY *imports = directory_of(base, IMAGE_DIRECTORY_ENTRY_IMPORT);
    if (imports->VirtualAddress == 0) {
        return;
    }
    const IMAGE_IMPORT_DESCRIPTOR *imported = at(base, imports->VirtualAddress);
    for (; imported->FirstThunk != 0; imported++) {
        patch_dll_imports(base, imported);
    }
}

/* Export tables hold 32-bit distances: each replacement gets a jump that such a distance reaches.
 */
typedef struct stubs {
    BYTE *code;
    ULONG used, room;
} stubs;

static ULONG add_stub(const BYTE *base, stubs *jumps, const void *function)
{
    /* mov rax, function (in 32 bits without the prefix: eax); jmp rax */
    static const BYTE wide = 0x48, move = 0xB8, jump[] = {0xFF, 0xE0};
    BYTE *stub = jumps->code + jumps->used * STUB_BYTES, *end = stub;
    if (sizeof function == 8) {
        *end++ = wide;
    }
    *end++ = move;
    memcpy(end, &function, sizeof function);
    memcpy(end + sizeof function, jump, sizeof jump);
    jumps->used++;
    return (ULONG)(stub - base);
}

static void patch_exports(const char *dll)
{
    export_table table;
    if (!read_exports(dll, &table)) {
        return;
    }
    stubs jumps = {.room = 0x1000u / STUB_BYTES};
    jumps.code = etwbox_reserve_above(GetCurrentProcess(), table.base, jumps.room * STUB_BYTES);
    for (ULONG i = 0; jumps.code != NULL && i < table.count; i++) {
        const void *ours = etwapi_box_replacement(dll, at(table.base, table.names[i]));
        if (ours != NULL && jumps.used < jumps.room) {
            const ULONG distance = add_stub(table.base, &jumps, ours);
            (void)etwbox_write(GetCurrentProcess(),
                               (void *)(uintptr_t)&table.functions[table.places[i]], &distance,
                               sizeof distance);
        }
    }
    DWORD before;
    if (jumps.code != NULL) {
        (void)VirtualProtect(jumps.code, jumps.room * STUB_BYTES, PAGE_EXECUTE_READ, &before);
    }
}

/* --- entering -----------------------------------------------------------------------------------
 */

static etwbox_block *find_block(const BYTE *program)
{
    const IMAGE_DATA_DIRECTORY *imports = directory_of(program, IMAGE_DIRECTORY_ENTRY_IMPORT);
    MEMORY_BASIC_INFORMATION region;
    if (imports->VirtualAddress < sizeof(etwbox_block)) {
        return NULL;
    }
    const BYTE *place = program + imports->VirtualAddress - sizeof(etwbox_block);
    /* In a program that was not changed this is somewhere in its image. */
    if (VirtualQuery(place, &region, sizeof region) == 0 || region.Type != MEM_PRIVATE ||
        region.State != MEM_COMMIT || region.BaseAddress != place ||
        memcmp(place, ETWBOX_MAGIC, sizeof ETWBOX_MAGIC) != 0) {
        return NULL;
    }
    return (etwbox_block *)(uintptr_t)place;
}

static void restore_header(const BYTE *program, const etwbox_block *block)
{
    (void)etwbox_write(GetCurrentProcess(),
                       (void *)(uintptr_t)directory_of(program, IMAGE_DIRECTORY_ENTRY_BOUND_IMPORT),
                       &block->bound_imports, sizeof block->bound_imports);
    (void)etwbox_write(GetCurrentProcess(),
                       (void *)(uintptr_t)directory_of(program, IMAGE_DIRECTORY_ENTRY_IMPORT),
                       &block->imports, sizeof block->imports);
}

/* This DLL, and Windows' own ones that call each other: kernel32 finds kernelbase's CreateProcess
 * by its import table. */
static bool needs_originals(HMODULE module)
{
    bool ours = module == inside.self;
    for (size_t i = 0; i < sizeof dlls / sizeof dlls[0]; i++) {
        ours |= module == GetModuleHandleA(dlls[i]);
    }
    return ours;
}

static void patch_all_imports(void)
{
    static HMODULE modules[MAX_MODULES];
    DWORD size = 0;
    if (!EnumProcessModules(GetCurrentProcess(), modules, sizeof modules, &size)) {
        return;
    }
    for (DWORD i = 0; i < size / sizeof modules[0] && i < MAX_MODULES; i++) {
        if (!needs_originals(modules[i])) {
            patch_imports((const BYTE *)modules[i]);
        }
    }
}

/* LdrRegisterDllNotification: modules that come later find the patched exports by themselves, but
 * not the functions that the system lacks. */
typedef struct dll_notice {
    ULONG flags;
    const void *full_name, *base_name;
    void *base;
    ULONG size;
} dll_notice;

#define DLL_LOADED 1u

/* One of Windows' DLLs that the program loads itself, as Go programs do. */
static void patch_late_exports(const void *base)
{
    for (size_t i = 0; i < sizeof dlls / sizeof dlls[0]; i++) {
        if (base == (void *)GetModuleHandleA(dlls[i])) {
            patch_exports(dlls[i]);
        }
    }
}

static VOID CALLBACK on_dll(ULONG reason, const dll_notice *notice, void *context)
{
    (void)context;
    if (reason != DLL_LOADED) {
        return;
    }
    if (!needs_originals(notice->base)) {
        patch_imports(notice->base);
    }
    patch_late_exports(notice->base);
}

static void watch_dlls(void)
{
    typedef LONG WINAPI register_notification(ULONG, void *, void *, void **);
    register_notification *start = (register_notification *)(uintptr_t)GetProcAddress(
        GetModuleHandleA("ntdll"), "LdrRegisterDllNotification");
    void *cookie;
    if (start != NULL) {
        (void)start(0, (void *)(uintptr_t)on_dll, NULL, &cookie);
    }
}

void etwapi_box_enter(HMODULE self)
{
    const BYTE *program = (const BYTE *)GetModuleHandleW(NULL);
    const etwbox_block *block = find_block(program);
    if (block == NULL) {
        return;
    }
    inside.self = self;
    inside.get_proc_address = (void *)(uintptr_t)get_proc_address;
    etwapi_box_prepare_children(self);
    restore_header(program, block);
    patch_all_imports();
    for (size_t i = 0; i < sizeof dlls / sizeof dlls[0]; i++) {
        patch_exports(dlls[i]);
    }
    watch_dlls();
    /* What one program of a script starts, the next one finds: the script's own process keeps it.
     */
    etwapi_hold_sessions();
}

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved)
{
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH) {
        (void)DisableThreadLibraryCalls(self);
        etwapi_box_enter(self);
    }
    return TRUE;
}
