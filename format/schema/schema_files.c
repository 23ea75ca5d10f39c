#include "format/schema/schema_files.h"

#include "format/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a file with schemas");
}

static etw_status read_all(const etw_os *os, int file, uint8_t **data, size_t *size,
                           etw_error *error)
{
    size_t capacity = (size_t)64 << 10;
    *data = NULL;
    *size = 0;
    for (;;) {
        uint8_t *wider = realloc(*data, capacity);
        if (wider == NULL) {
            return no_memory(error);
        }
        *data = wider;
        size_t got;
        const etw_status status =
            etw_os_read_full(os, file, *data + *size, capacity - *size, &got, error);
        *size += got;
        if (status != ETW_OK || *size < capacity) {
            return status;
        }
        if (capacity > ETW_SCHEMA_FILE_MAX_BYTES) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "larger than the limit of %zu bytes",
                                 ETW_SCHEMA_FILE_MAX_BYTES);
        }
        capacity *= 2;
    }
}

static etw_status take_file(const etw_os *os, const char *path, etw_schema_file_take take,
                            void *context, etw_error *error)
{
    const int file = os->open(os->context, path, ETW_OPEN_READ);
    if (file < 0) {
        return etw_error_set_os(error, -file, "%s: cannot open", path);
    }
    uint8_t *data;
    size_t size;
    etw_status status = read_all(os, file, &data, &size, error);
    (void)os->close(os->context, file);
    if (status == ETW_OK) {
        status = take(context, path, (etw_bytes){data, size}, error);
    }
    free(data);
    return status == ETW_OK ? ETW_OK : etw_error_wrap(error, status, "%s", path);
}

typedef struct name_list {
    char **names;
    uint32_t count;
    uint32_t capacity;
    etw_status status;
    const char *const *endings;
} name_list;

bool etw_schema_file_ends_with(const char *path, const char *ending)
{
    const size_t size = strlen(path);
    const size_t ending_size = strlen(ending);
    if (size <= ending_size) {
        return false;
    }
    for (size_t i = 0; i < ending_size; i++) {
        if (tolower((unsigned char)path[size - ending_size + i]) != ending[i]) {
            return false;
        }
    }
    return true;
}

static bool is_wanted(const char *const *endings, const char *name)
{
    for (; *endings != NULL; endings++) {
        if (etw_schema_file_ends_with(name, *endings)) {
            return true;
        }
    }
    return false;
}

static void take_name(void *into, const char *name)
{
    name_list *list = into;
    if (list->status != ETW_OK || !is_wanted(list->endings, name)) {
        return;
    }
    if (list->count == ETW_SCHEMA_FILES_MAX) {
        list->status = ETW_ERROR_LIMIT;
        return;
    }
    if (list->count == list->capacity) {
        const uint32_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        char **names = realloc(list->names, capacity * sizeof *names);
        if (names == NULL) {
            list->status = ETW_ERROR_NO_MEMORY;
            return;
        }
        list->names = names;
        list->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        list->status = ETW_ERROR_NO_MEMORY;
        return;
    }
    list->names[list->count++] = copy;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static etw_status take_listed(const etw_os *os, const char *folder, const name_list *list,
                              etw_schema_file_take take, void *context, etw_error *error)
{
    etw_text path = {0};
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < list->count && status == ETW_OK; i++) {
        etw_text_clear(&path);
        etw_text_append_z(&path, folder);
        etw_text_append_char(&path, '/');
        etw_text_append_z(&path, list->names[i]);
        status =
            path.failed ? no_memory(error) : take_file(os, etw_text_z(&path), take, context, error);
        if (status == ETW_ERROR_NOT_THIS) {
            status = ETW_OK;
        }
    }
    etw_text_free(&path);
    return status;
}

etw_status etw_schema_files_each(const etw_os *os, const char *path, const char *const *endings,
                                 etw_schema_file_take take, void *context, etw_error *error)
{
    name_list list = {.endings = endings};
    const int listed = os->list == NULL ? -ENOTDIR : os->list(os->context, path, take_name, &list);
    etw_status status = ETW_OK;
    if (listed == -ENOTDIR) {
        status = take_file(os, path, take, context, error);
    } else if (listed < 0) {
        status = etw_error_set_os(error, -listed, "%s: cannot open", path);
    } else if (list.status != ETW_OK) {
        status = etw_error_set(error, list.status, "%s: cannot take all of its files", path);
    } else {
        qsort(list.names, list.count, sizeof *list.names, compare_names);
        status = take_listed(os, path, &list, take, context, error);
    }
    for (uint32_t i = 0; i < list.count; i++) {
        free(list.names[i]);
    }
    free(list.names);
    return status;
}
