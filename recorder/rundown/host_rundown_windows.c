#include "recorder/rundown/host_rundown.h"

#include "recorder/rundown/host_services_windows.h"
#include "recorder/rundown/kernel_rundown.h"
#include "recorder/rundown/process_facts_windows.h"
#include "recorder/rundown/rundown_events.h"
#include "recorder/session/privilege_windows.h"
#include "recorder/session/session_errors_windows.h"
#include "recorder/session/wide_windows.h"

#include <stdio.h>
#include <stdlib.h>

#include <windows.h>

#include <psapi.h>
#include <tlhelp32.h>

#define MAX_IMAGES_PER_PROCESS 4096u
#define MAX_PATH_UNITS         1024u
#define MAX_SNAPSHOT_TRIES     16u
/* SE_DEBUG_NAME, wide whatever the build. */
#define DEBUG_PRIVILEGE L"SeDebugPrivilege"

/* A rundown being made: processes gather in blob until it is full. */
typedef struct making {
    etw_text blob, one; /* one: the process at hand */
    etw_rundown_writer writer;
    uint32_t processes;
    etw_rundown_sink *sink;
    etw_kernel_rundown kernel; /* empty where it told nothing */
    etw_text text;
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
    const etw_status status = work->sink->put(work->sink->context, blob, work->processes, error);
    etw_text_clear(&work->blob);
    work->processes = 0;
    return status;
}

/* Moves the process at hand, all but its count, into the blob. */
static etw_status add_one(making *work, etw_error *error)
{
    const size_t size = work->one.size - sizeof(uint32_t);
    etw_status status = ETW_OK;
    if (work->blob.size + size > work->sink->max_bytes) {
        status = flush(work, error);
    }
    if (status == ETW_OK && !work->one.failed && size + sizeof(uint32_t) <= work->sink->max_bytes) {
        if (work->processes == 0) {
            etw_text_append(&work->blob, "\0\0\0\0", sizeof(uint32_t));
        }
        etw_text_append(&work->blob, work->one.data + sizeof(uint32_t), size);
        work->processes++;
    }
    return status;
}

static void begin_one(making *work, uint32_t process_id, uint32_t parent_id, int64_t start_100ns,
                      const char *path)
{
    etw_text_clear(&work->one);
    etw_rundown_begin(&work->writer, &work->one);
    etw_rundown_process(&work->writer, process_id, parent_id, start_100ns, path);
}

static bool takes_events(const making *work)
{
    return work->sink->events->size < work->sink->max_event_bytes;
}

/* Images. */

/* As files are opened: drivers are told by the kernel's names, "\SystemRoot\system32\...". */
static void file_of(const char *path, char *file, size_t size)
{
    static const struct {
        const char *begin, *stead;
    } names[] = {
        {"\\SystemRoot\\", NULL}, {"\\??\\", ""}, {"\\Device\\", "\\\\?\\GLOBALROOT\\Device\\"}};
    char windows[MAX_PATH] = "";
    (void)GetSystemWindowsDirectoryA(windows, sizeof windows - 1);
    (void)snprintf(windows + strlen(windows), sizeof windows - strlen(windows), "\\");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t length = strlen(names[i].begin);
        if (_strnicmp(path, names[i].begin, length) == 0) {
            (void)snprintf(file, size, "%s%s", names[i].stead == NULL ? windows : names[i].stead,
                           path + length);
            return;
        }
    }
    (void)snprintf(file, size, "%s", path);
}

static const etw_pe_identity *identity_of(making *work, const char *path)
{
    char file[MAX_PATH_UNITS * 3];
    file_of(path, file, sizeof file);
    const etw_pe_identity *identity = etw_identity_of(work->sink->cache, etw_os_default(), file);
    work->sink->gaps.unreadable_images += identity == NULL;
    return identity;
}

/* What the kernel told of a process, and its images. */
typedef struct told {
    etw_kernel_record *process; /* NULL: nothing of it */
    etw_kernel_record *images;
    size_t image_count;
} told;

static told told_of(const making *work, uint32_t process_id)
{
    size_t count;
    told found = {.images = etw_kernel_rundown_of(&work->kernel, process_id, &count)};
    for (; count > 0 && !found.images->is_image; count--) {
        found.process = found.images++; /* one; of several the last */
        found.process->is_taken = true;
    }
    found.image_count = count;
    return found;
}

static const char *text_of(making *work, const etw_kernel_record *record)
{
    etw_text_clear(&work->text);
    etw_kernel_rundown_append_text(&work->kernel, record, &work->text);
    return etw_text_z(&work->text);
}

static void add_told_images(making *work, const told *from)
{
    for (size_t i = 0; i < from->image_count; i++) {
        const etw_kernel_record *record = &from->images[i];
        const char *path = text_of(work, record);
        const etw_rundown_image_facts facts = {record->process_id, record->base, record->size, path,
                                               identity_of(work, path)};
        etw_rundown_image(&work->writer, record->base, record->size, path);
        if (takes_events(work)) {
            etw_rundown_events_kernel(work->sink->events,
                                      etw_kernel_rundown_event(&work->kernel, record), 0);
            etw_rundown_events_identity(work->sink->events, &facts);
        }
    }
}

static void add_told_process(making *work, const told *from, uint64_t start_key)
{
    if (takes_events(work)) {
        etw_rundown_events_kernel(
            work->sink->events, etw_kernel_rundown_event(&work->kernel, from->process), start_key);
    }
}

/* size 0: as the file's header says, or else at most most. */
static void add_image(making *work, uint32_t process_id, const wchar_t *wide, uint64_t base,
                      uint64_t size, uint64_t most)
{
    char *path = etw_utf8_from_wide(wide);
    if (path == NULL) {
        return;
    }
    const etw_pe_identity *identity = identity_of(work, path);
    if (size == 0) {
        size = identity == NULL ? most : identity->size_of_image;
    }
    etw_rundown_image(&work->writer, base, size, path);
    const etw_rundown_image_facts facts = {process_id, base, size, path, identity};
    if (takes_events(work)) {
        etw_rundown_events_image(work->sink->events, &facts);
    }
    free(path);
}

/* The kernel's images: their sizes are in their headers. Where a file cannot be read its image
 * reaches to the next one's base, 16 MiB at most. */
static int compare_addresses(const void *a, const void *b)
{
    const uintptr_t address_a = *(const uintptr_t *)a, address_b = *(const uintptr_t *)b;
    return (address_a > address_b) - (address_a < address_b);
}

static void add_drivers(making *work, void **drivers, DWORD count)
{
    static const uint64_t most_size = (uint64_t)1 << 24;
    qsort(drivers, count, sizeof *drivers, compare_addresses);
    for (DWORD i = 0; i < count; i++) {
        wchar_t path[MAX_PATH_UNITS];
        const uint64_t base = (uintptr_t)drivers[i];
        const uint64_t room = i + 1 < count ? (uintptr_t)drivers[i + 1] - base : most_size;
        /* Without SeDebugPrivilege Windows 11 24H2 tells no addresses. */
        if (base != 0 && GetDeviceDriverFileNameW(drivers[i], path, MAX_PATH_UNITS) != 0) {
            add_image(work, 0, path, base, 0, room < most_size ? room : most_size);
        }
    }
}

static etw_status add_enumerated_drivers(making *work, etw_error *error)
{
    void **drivers = calloc(MAX_IMAGES_PER_PROCESS, sizeof *drivers);
    DWORD bytes = 0;
    if (drivers == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the rundown");
    }
    if (!EnumDeviceDrivers(drivers, MAX_IMAGES_PER_PROCESS * sizeof *drivers, &bytes)) {
        bytes = 0;
    }
    const DWORD count = bytes / (DWORD)sizeof *drivers;
    add_drivers(work, drivers, count < MAX_IMAGES_PER_PROCESS ? count : MAX_IMAGES_PER_PROCESS);
    free(drivers);
    return ETW_OK;
}

/* Process 0 is the idle one, and has the kernel's images. */
static etw_status add_kernel(making *work, etw_error *error)
{
    const told idle = told_of(work, 0);
    etw_status status = ETW_OK;
    begin_one(work, 0, 0, 0, "System");
    if (idle.process != NULL) {
        add_told_process(work, &idle, 0);
    }
    if (idle.image_count > 0) {
        add_told_images(work, &idle);
    } else {
        status = add_enumerated_drivers(work, error);
    }
    return status == ETW_OK ? add_one(work, error) : status;
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
        work->sink->gaps.last_code = GetLastError();
        work->sink->gaps.imageless++;
        return;
    }
    MODULEENTRY32W image = {.dwSize = sizeof image};
    uint32_t count = 0;
    for (BOOL more = Module32FirstW(images, &image); more && count < MAX_IMAGES_PER_PROCESS;
         more = Module32NextW(images, &image)) {
        add_image(work, process_id, image.szExePath, (uintptr_t)image.modBaseAddr,
                  image.modBaseSize, 0);
        count++;
    }
    (void)CloseHandle(images);
}

/* name: of the executable, which the list of processes tells of all. */
static void add_process_event(making *work, const PROCESSENTRY32W *entry, const char *name,
                              const etw_process_facts *facts)
{
    const etw_rundown_process_facts event = {
        .process_id = entry->th32ProcessID,
        .parent_id = entry->th32ParentProcessID,
        .session_id = facts->session_id,
        .start_key = facts->start_key,
        .sid = {facts->sid, facts->sid_size},
        .name = name,
        .command_line = facts->command_line == NULL ? "" : facts->command_line};
    if (takes_events(work)) {
        etw_rundown_events_process(work->sink->events, &event);
    }
}

static etw_status add_process(making *work, const PROCESSENTRY32W *entry, etw_error *error)
{
    etw_process_facts facts;
    etw_rundown_gaps *gaps = &work->sink->gaps;
    char *name = etw_utf8_from_wide(entry->szExeFile);
    if (name == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the rundown");
    }
    const told by_kernel = told_of(work, entry->th32ProcessID);
    etw_process_facts_ask(entry->th32ProcessID, &facts);
    gaps->processes++;
    if (!facts.is_open) {
        gaps->closed++;
        gaps->last_code = facts.code;
    }
    begin_one(work, entry->th32ProcessID, entry->th32ParentProcessID, facts.start_100ns,
              facts.path == NULL ? name : facts.path);
    if (by_kernel.process != NULL) {
        add_told_process(work, &by_kernel, facts.start_key);
        add_told_images(work, &by_kernel);
    } else {
        add_process_event(work, entry, name, &facts);
        add_images(work, entry->th32ProcessID);
    }
    etw_process_facts_free(&facts);
    free(name);
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

/* Processes that the kernel told of and that have ended since. */
static etw_status add_ended(making *work, etw_error *error)
{
    size_t count;
    const etw_kernel_record *records = etw_kernel_rundown_all(&work->kernel, &count);
    etw_status status = ETW_OK;
    for (size_t i = 0; i < count && status == ETW_OK; i++) {
        if (!records[i].is_image && !records[i].is_taken) {
            const told ended = told_of(work, records[i].process_id);
            begin_one(work, records[i].process_id, records[i].parent_id, 0,
                      text_of(work, &records[i]));
            add_told_process(work, &ended, 0);
            add_told_images(work, &ended);
            status = add_one(work, error);
        }
    }
    return status;
}

/* What cannot be had by a session is asked for by snapshots: no failure. */
static void ask_kernel(making *work)
{
    if (etw_kernel_rundown_take(&work->kernel, &work->sink->gaps.kernel) != ETW_OK) {
        etw_kernel_rundown_free(&work->kernel);
    }
}

etw_status etw_host_rundown(etw_rundown_sink *sink, etw_error *error)
{
    making work = {.sink = sink};
    bool was_on = true;
    sink->gaps = (etw_rundown_gaps){0};
    ask_kernel(&work);
    const bool switched = etw_privilege_set(DEBUG_PRIVILEGE, true, &was_on) && !was_on;
    etw_status status = add_kernel(&work, error);
    if (status == ETW_OK) {
        status = add_processes(&work, error);
    }
    if (status == ETW_OK) {
        status = add_ended(&work, error);
    }
    if (status == ETW_OK) {
        status = flush(&work, error);
    }
    if (takes_events(&work)) {
        sink->gaps.services_code = etw_host_services(sink->events);
    }
    if (switched) {
        (void)etw_privilege_set(DEBUG_PRIVILEGE, false, NULL);
    }
    etw_kernel_rundown_free(&work.kernel);
    etw_text_free(&work.text);
    etw_text_free(&work.blob);
    etw_text_free(&work.one);
    return status;
}
