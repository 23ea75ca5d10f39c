#include "replay/etwbox/inject_windows.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <winternl.h>

/* PEB.ImageBaseAddress: behind four flags and a handle, each aligned as a pointer. */
#define PEB_IMAGE_BASE_OFFSET (2 * sizeof(void *))
/* DLLs that one program imports: a bound for what is read from it. */
#define MAX_IMPORTED_DLLS 4096u
#define ALLOCATION_STEP   0x10000u
#define REACH             0x70000000u

/* The header of the program, and where it lies. */
typedef struct image {
    HANDLE process;
    BYTE *base, *headers; /* in that process */
    IMAGE_NT_HEADERS headers_copy;
} image;

static bool read_bytes(HANDLE process, const void *at, void *into, size_t size)
{
    SIZE_T done = 0;
    return ReadProcessMemory(process, at, into, size, &done) && done == size;
}

bool etwbox_write(HANDLE process, void *at, const void *bytes, size_t size)
{
    DWORD protection;
    if (!VirtualProtectEx(process, at, size, PAGE_EXECUTE_READWRITE, &protection)) {
        return false;
    }
    SIZE_T done = 0;
    const bool written = WriteProcessMemory(process, at, bytes, size, &done) && done == size;
    (void)VirtualProtectEx(process, at, size, protection, &protection);
    return written;
}

void *etwbox_reserve_above(HANDLE process, const BYTE *base, SIZE_T size)
{
    MEMORY_BASIC_INFORMATION region;
    const BYTE *at = base;
    while ((size_t)(at - base) < REACH &&
           VirtualQueryEx(process, at, &region, sizeof region) == sizeof region) {
        const uintptr_t start = (uintptr_t)region.BaseAddress;
        const uintptr_t end = start + region.RegionSize;
        const uintptr_t aligned = (start + ALLOCATION_STEP - 1) & ~(uintptr_t)(ALLOCATION_STEP - 1);
        if (region.State == MEM_FREE && aligned + size <= end) {
            void *place = VirtualAllocEx(process, (void *)aligned, size, MEM_RESERVE | MEM_COMMIT,
                                         PAGE_READWRITE);
            if (place != NULL) {
                return place;
            }
        }
        at = (const BYTE *)end;
    }
    /* Distances of 32 bits wrap around where addresses have no more. */
    return sizeof(void *) == 4
               ? VirtualAllocEx(process, NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE)
               : NULL;
}

static BYTE *image_base(HANDLE process)
{
    PROCESS_BASIC_INFORMATION basic;
    BYTE *base = NULL;
    if (NtQueryInformationProcess(process, ProcessBasicInformation, &basic, sizeof basic, NULL) <
            0 ||
        !read_bytes(process, (const BYTE *)basic.PebBaseAddress + PEB_IMAGE_BASE_OFFSET, &base,
                    sizeof base)) {
        return NULL;
    }
    return base;
}

static DWORD read_image(HANDLE process, image *program)
{
    IMAGE_DOS_HEADER dos;
    program->process = process;
    program->base = image_base(process);
    if (program->base == NULL || !read_bytes(process, program->base, &dos, sizeof dos)) {
        return ERROR_PARTIAL_COPY;
    }
    program->headers = program->base + dos.e_lfanew;
    if (!read_bytes(process, program->headers, &program->headers_copy,
                    sizeof program->headers_copy)) {
        return ERROR_PARTIAL_COPY;
    }
    const IMAGE_NT_HEADERS *headers = &program->headers_copy;
    const bool ours = dos.e_magic == IMAGE_DOS_SIGNATURE &&
                      headers->Signature == IMAGE_NT_SIGNATURE &&
                      headers->OptionalHeader.Magic == IMAGE_NT_OPTIONAL_HDR_MAGIC;
    return ours ? ERROR_SUCCESS : ERROR_BAD_EXE_FORMAT;
}

/* The program's own descriptors, the empty one at the end not counted. */
static bool count_imports(const image *program, ULONG *count)
{
    const IMAGE_DATA_DIRECTORY *imports =
        &program->headers_copy.OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT];
    *count = 0;
    while (imports->VirtualAddress != 0 && *count < MAX_IMPORTED_DLLS) {
        IMAGE_IMPORT_DESCRIPTOR one;
        if (!read_bytes(program->process,
                        program->base + imports->VirtualAddress + *count * sizeof one, &one,
                        sizeof one)) {
            return false;
        }
        if (one.FirstThunk == 0) {
            break;
        }
        ++*count;
    }
    return *count < MAX_IMPORTED_DLLS;
}

static void fill_block(const image *program, etwbox_block *block, const char *dll_path)
{
    const IMAGE_DATA_DIRECTORY *directories = program->headers_copy.OptionalHeader.DataDirectory;
    memcpy(block->magic, ETWBOX_MAGIC, sizeof ETWBOX_MAGIC);
    block->imports = directories[IMAGE_DIRECTORY_ENTRY_IMPORT];
    block->bound_imports = directories[IMAGE_DIRECTORY_ENTRY_BOUND_IMPORT];
    /* Any export will do: the import is there to load the DLL. */
    block->names[0].u1.Ordinal = IMAGE_ORDINAL_FLAG | 1;
    block->addresses[0] = block->names[0];
    memcpy(block->dll_path, dll_path, strlen(dll_path) + 1);
}

static DWORD put_block(image *program, etwbox_block *block, ULONG count)
{
    const ULONG table_size = (count + 2) * (ULONG)sizeof(IMAGE_IMPORT_DESCRIPTOR);
    BYTE *place = etwbox_reserve_above(program->process, program->base, sizeof *block + table_size);
    if (place == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    const ULONG rva = (ULONG)(place - program->base);
    IMAGE_IMPORT_DESCRIPTOR *table = (IMAGE_IMPORT_DESCRIPTOR *)(void *)(block + 1);
    table[0].OriginalFirstThunk = rva + offsetof(etwbox_block, names);
    table[0].FirstThunk = rva + offsetof(etwbox_block, addresses);
    table[0].Name = rva + offsetof(etwbox_block, dll_path);
    const IMAGE_DATA_DIRECTORY longer = {rva + (ULONG)sizeof *block, table_size};
    const IMAGE_DATA_DIRECTORY none = {0, 0};
    IMAGE_DATA_DIRECTORY *directories = program->headers_copy.OptionalHeader.DataDirectory;
    directories[IMAGE_DIRECTORY_ENTRY_IMPORT] = longer;
    directories[IMAGE_DIRECTORY_ENTRY_BOUND_IMPORT] = none;
    const bool done = read_bytes(program->process, program->base + block->imports.VirtualAddress,
                                 &table[1], count * sizeof *table) &&
                      etwbox_write(program->process, place, block, sizeof *block + table_size) &&
                      etwbox_write(program->process, program->headers, &program->headers_copy,
                                   sizeof program->headers_copy);
    return done ? ERROR_SUCCESS : ERROR_PARTIAL_COPY;
}

DWORD etwbox_inject(HANDLE process, const char *dll_path)
{
    if (strlen(dll_path) >= ETWBOX_MAX_DLL_PATH) {
        return ERROR_BAD_PATHNAME;
    }
    image program;
    const DWORD code = read_image(process, &program);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    ULONG count;
    if (!count_imports(&program, &count)) {
        return ERROR_BAD_EXE_FORMAT;
    }
    etwbox_block *block = calloc(1, sizeof *block + (count + 2) * sizeof(IMAGE_IMPORT_DESCRIPTOR));
    if (block == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    fill_block(&program, block, dll_path);
    const DWORD put = put_block(&program, block, count);
    free(block);
    return put;
}
