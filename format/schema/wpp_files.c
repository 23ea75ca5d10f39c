#include "format/schema/wpp_files.h"

#include "format/base/arena.h"
#include "format/base/table.h"
#include "format/schema/schema_file.h"

#include <stdlib.h>

/* "12345678-1234-1234-1234-123456789012", and with braces around it */
#define GUID_CHARACTERS 36u

typedef struct waiting_file {
    etw_guid guid;
    const char *path;
    bool was_read;
} waiting_file;

struct etw_wpp_files {
    const etw_os *os;
    etw_arena arena;
    etw_table by_guid;
};

etw_wpp_files *etw_wpp_files_new(const etw_os *os)
{
    etw_wpp_files *files = calloc(1, sizeof *files);
    if (files != NULL) {
        files->os = os == NULL ? etw_os_default() : os;
    }
    return files;
}

void etw_wpp_files_free(etw_wpp_files *files)
{
    if (files != NULL) {
        etw_table_free(&files->by_guid);
        etw_arena_free(&files->arena);
        free(files);
    }
}

static bool guid_of(const char *path, etw_guid *guid)
{
    const char *name = path;
    for (const char *at = path; *at != '\0'; at++) {
        name = *at == '/' || *at == '\\' ? at + 1 : name;
    }
    const size_t size = strlen(name);
    const size_t ending = sizeof ".tmf" - 1;
    char text[GUID_CHARACTERS + 3];
    if (!etw_schema_file_ends_with(name, ".tmf") || size - ending > GUID_CHARACTERS + 2) {
        return false;
    }
    memcpy(text, name, size - ending);
    text[size - ending] = '\0';
    return etw_guid_parse(text, guid);
}

bool etw_wpp_files_add(etw_wpp_files *files, const char *path)
{
    etw_guid guid;
    if (!guid_of(path, &guid)) {
        return false;
    }
    if (etw_table_get(&files->by_guid, &guid, sizeof guid) != NULL) {
        return true;
    }
    waiting_file *added = etw_arena_alloc(&files->arena, sizeof *added);
    const char *kept = etw_arena_copy(&files->arena, path, strlen(path));
    if (added == NULL || kept == NULL) {
        return false;
    }
    *added = (waiting_file){.guid = guid, .path = kept};
    return etw_table_set(&files->by_guid, &added->guid, sizeof added->guid, added);
}

static etw_status read_file(const etw_wpp_files *files, waiting_file *waiting, etw_wpp_set *set,
                            etw_schema_store *store, etw_error *error)
{
    const etw_os *os = files->os;
    uint8_t *data = NULL;
    size_t size = 0;
    waiting->was_read = true;
    const int file = os->open(os->context, waiting->path, ETW_OPEN_READ);
    if (file < 0) {
        return etw_error_set_os(error, -file, "%s: cannot open", waiting->path);
    }
    etw_status status =
        etw_schema_file_read(os, file, ETW_SCHEMA_FILE_MAX_BYTES, &data, &size, error);
    (void)os->close(os->context, file);
    if (status == ETW_OK) {
        status = etw_wpp_set_add_tmf(set, (etw_bytes){data, size}, store, NULL, error);
    }
    free(data);
    return status == ETW_OK || status == ETW_ERROR_NOT_THIS
               ? ETW_OK
               : etw_error_wrap(error, status, "%s", waiting->path);
}

etw_status etw_wpp_files_read(etw_wpp_files *files, const etw_guid *message, etw_wpp_set *set,
                              etw_schema_store *store, etw_error *error)
{
    waiting_file *waiting = etw_table_get(&files->by_guid, message, sizeof *message);
    return waiting == NULL || waiting->was_read ? ETW_OK
                                                : read_file(files, waiting, set, store, error);
}

etw_status etw_wpp_files_read_all(etw_wpp_files *files, etw_wpp_set *set, etw_schema_store *store,
                                  etw_error *error)
{
    etw_status first = ETW_OK;
    for (uint32_t i = 0; i < files->by_guid.probe.used && first != ETW_ERROR_NO_MEMORY; i++) {
        waiting_file *waiting = files->by_guid.entries[i].value;
        etw_error failure = {0};
        const etw_status status =
            waiting->was_read ? ETW_OK : read_file(files, waiting, set, store, &failure);
        if (status != ETW_OK && (first == ETW_OK || status == ETW_ERROR_NO_MEMORY)) {
            first = etw_error_set(error, status, "%s", failure.message);
        }
    }
    return first;
}
