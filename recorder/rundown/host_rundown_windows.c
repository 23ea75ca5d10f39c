#include "recorder/rundown/host_rundown.h"

#include "recorder/session/session_errors_windows.h"
#include "recorder/session/wide_windows.h"

#include <stdlib.h>

#include <windows.h>

#include <psapi.h>
#include <tlhelp32.h>

#define MAX_IMAGES_PER_PROCESS 4096u
#define MAX_PATH_UNITS         1024u
#define MAX_SNAPSHOT_TRIES     16u

/* A rundown being made: processes gather in blob until it is full. */
typedef struct making {
    etw_text blob, one; /* one: the process at hand */
    etw_rundown_writer writer;
    uint32_t processes;
    size_t max_bytes;
    etw_status (*put)(void *context, etw_bytes blob, uint32_t processes, etw_error *error);
    void *context;
} making;

static etw_status flush(making *work, etw_error *error)
{
    if (work->processes == 0) {
        return ETW_OK;
    }
    if (work->blob.failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the rundown");
    }
    etw_store_u32(work->blob.data, work->processes);
    const etw_bytes blob = etw_text_bytes(&work->blob);
    const etw_status status = work->put(work->context, blob, work->processes, error);
    etw_text_clear(&work->blob);
    work->processes = 0;
    return status;
}

/* Moves the process at hand, all but its count, into the blob. */
static etw_status add_one(making *work, etw_error *error)
{
    const size_t size = work->one.size - sizeof(uint32_t);
    etw_status status = ETW_OK;
    if (work->blob.size + size > work->max_bytes) {
        status = flush(work, error);
    }
    if (status == ETW_OK && !work->one.failed && size + sizeof(uint32_t) <= work->max_bytes) {
        if (work->processes == 0) {
            etw_text_append(&work->blob, "\0\0\0\0", sizeof(uint32_t));
        }
        etw_text_append(&work->blob, work->one.data + sizeof(uint32_t), size);
        work->processes++;
    }
    return status;
}

static void begin_one(making *work, uint32_t process_id, uint32_t parent_id, int64_t start_100ns,
                      const wchar_t *path)
{
    char *utf8 = etw_utf8_from_wide(path);
    etw_text_clear(&work->one);
    etw_rundown_begin(&work->writer, &work->one);
    etw_rundown_process(&work->writer, process_id, parent_id, start_100ns,
                        utf8 == NULL ? "" : utf8);
    free(utf8);
}

static void add_image(making *work, uint64_t base, uint64_t size, const wchar_t *path)
{
    char *utf8 = etw_utf8_from_wide(path);
    if (utf8 != NULL) {
        etw_rundown_image(&work->writer, base, size, utf8);
    }
    free(utf8);
}

/* The kernel's images: their sizes are not told, so each reaches to the next one's base. */
static int compare_addresses(const void *a, const void *b)
{
    const uintptr_t address_a = *(const uintptr_t *)a, address_b = *(const uintptr_t *)b;
    return (address_a > address_b) - (address_a < address_b);
}

static etw_status add_kernel(making *work, etw_error *error)
{
    static const uint64_t last_image_size = (uint64_t)1 << 24;
    void **drivers = calloc(MAX_IMAGES_PER_PROCESS, sizeof *drivers);
    DWORD bytes = 0;
    if (drivers == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the rundown");
    }
    if (!EnumDeviceDrivers(drivers, MAX_IMAGES_PER_PROCESS * sizeof *drivers, &bytes)) {
        bytes = 0;
    }
    DWORD count = bytes / (DWORD)sizeof *drivers;
    count = count < MAX_IMAGES_PER_PROCESS ? count : MAX_IMAGES_PER_PROCESS;
    qsort(drivers, count, sizeof *drivers, compare_addresses);
    begin_one(work, 0, 0, 0, L"System");
    for (DWORD i = 0; i < count; i++) {
        wchar_t path[MAX_PATH_UNITS];
        const uint64_t base = (uintptr_t)drivers[i];
        const uint64_t end = i + 1 < count ? (uintptr_t)drivers[i + 1] : base + last_image_size;
        if (base != 0 && GetDeviceDriverFileNameW(drivers[i], path, MAX_PATH_UNITS) != 0) {
            add_image(work, base, end - base, path);
        }
    }
    free(drivers);
    return add_one(work, error);
}

/* ERROR_BAD_LENGTH: the process was loading images meanwhile; its documentation says to try again.
 */
static HANDLE snapshot_of(DWORD process_id)
{
    HANDLE images = INVALID_HANDLE_VALUE;
    for (uint32_t i = 0; i < MAX_SNAPSHOT_TRIES; i++) {
        images = CreateToolhelp32Snapshot(TH32CS_SNAPMODULE | TH32CS_SNAPMODULE32, process_id);
        if (images != INVALID_HANDLE_VALUE || GetLastError() != ERROR_BAD_LENGTH) {
            break;
        }
    }
    return images;
}

static void add_images(making *work, DWORD process_id)
{
    const HANDLE images = snapshot_of(process_id);
    if (images == INVALID_HANDLE_VALUE) {
        return;
    }
    MODULEENTRY32W image = {.dwSize = sizeof image};
    uint32_t count = 0;
    for (BOOL more = Module32FirstW(images, &image); more && count < MAX_IMAGES_PER_PROCESS;
         more = Module32NextW(images, &image)) {
        add_image(work, (uintptr_t)image.modBaseAddr, image.modBaseSize, image.szExePath);
        count++;
    }
    (void)CloseHandle(images);
}

static int64_t start_time_of(HANDLE process)
{
    FILETIME created, exited, kernel, user;
    if (!GetProcessTimes(process, &created, &exited, &kernel, &user)) {
        return 0;
    }
    return (int64_t)((uint64_t)created.dwHighDateTime << 32 | created.dwLowDateTime);
}

static etw_status add_process(making *work, const PROCESSENTRY32W *entry, etw_error *error)
{
    wchar_t path[MAX_PATH_UNITS];
    DWORD units = MAX_PATH_UNITS;
    int64_t start_100ns = 0;
    const wchar_t *shown = entry->szExeFile; /* the name alone, where the path is not to be had */
    const HANDLE process =
        OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, entry->th32ProcessID);
    if (process != NULL) {
        start_100ns = start_time_of(process);
        shown = QueryFullProcessImageNameW(process, 0, path, &units) ? path : shown;
        (void)CloseHandle(process);
    }
    begin_one(work, entry->th32ProcessID, entry->th32ParentProcessID, start_100ns, shown);
    add_images(work, entry->th32ProcessID);
    return add_one(work, error);
}

static etw_status add_processes(making *work, etw_error *error)
{
    const HANDLE processes = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    if (processes == INVALID_HANDLE_VALUE) {
        return etw_error_set_windows(error, GetLastError(), "listing the processes");
    }
    PROCESSENTRY32W entry = {.dwSize = sizeof entry};
    etw_status status = ETW_OK;
    for (BOOL more = Process32FirstW(processes, &entry); more && status == ETW_OK;
         more = Process32NextW(processes, &entry)) {
        if (entry.th32ProcessID != 0) {
            status = add_process(work, &entry, error);
        }
    }
    (void)CloseHandle(processes);
    return status;
}

etw_status etw_host_rundown(size_t max_bytes,
                            etw_status (*put)(void *context, etw_bytes blob, uint32_t processes,
                                              etw_error *error),
                            void *context, etw_error *error)
{
    making work = {.max_bytes = max_bytes, .put = put, .context = context};
    etw_status status = add_kernel(&work, error);
    if (status == ETW_OK) {
        status = add_processes(&work, error);
    }
    if (status == ETW_OK) {
        status = flush(&work, error);
    }
    etw_text_free(&work.blob);
    etw_text_free(&work.one);
    return status;
}
