/* Manifests from files and folders. */
#include "format/schema/manifest.h"

#include <errno.h>
#include <stdlib.h>

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a manifest");
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
        if (capacity > ETW_MANIFEST_MAX_XML_BYTES) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "larger than the limit of %zu bytes",
                                 ETW_MANIFEST_MAX_XML_BYTES);
        }
        capacity *= 2;
    }
}

static etw_status add_file(etw_manifest_set *set, const etw_os *os, const char *path,
                           etw_schema_store *store, etw_error *error)
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
        status = etw_manifest_set_add(set, (etw_bytes){data, size}, store, NULL, error);
    }
    free(data);
    return status == ETW_OK ? ETW_OK : etw_error_wrap(error, status, "%s", path);
}

typedef struct name_list {
    char **names;
    uint32_t count;
    uint32_t capacity;
    etw_status status;
} name_list;

static bool is_manifest_name(const char *name)
{
    const size_t size = strlen(name);
    return size > 4 &&
           (strcmp(name + size - 4, ".man") == 0 || strcmp(name + size - 4, ".xml") == 0);
}

static void take_name(void *into, const char *name)
{
    name_list *list = into;
    if (list->status != ETW_OK || !is_manifest_name(name)) {
        return;
    }
    if (list->count == ETW_MANIFEST_MAX_FILES) {
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

static etw_status add_listed(etw_manifest_set *set, const etw_os *os, const char *folder,
                             const name_list *list, etw_schema_store *store, etw_error *error)
{
    etw_text path = {0};
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < list->count && status == ETW_OK; i++) {
        etw_text_clear(&path);
        etw_text_append_z(&path, folder);
        etw_text_append_char(&path, '/');
        etw_text_append_z(&path, list->names[i]);
        status =
            path.failed ? no_memory(error) : add_file(set, os, etw_text_z(&path), store, error);
        if (status == ETW_ERROR_NOT_THIS) {
            status = ETW_OK;
        }
    }
    etw_text_free(&path);
    return status;
}

etw_status etw_manifest_set_add_path(etw_manifest_set *set, const etw_os *os, const char *path,
                                     etw_schema_store *store, etw_error *error)
{
    name_list list = {0};
    const int listed = os->list == NULL ? -ENOTDIR : os->list(os->context, path, take_name, &list);
    etw_status status = ETW_OK;
    if (listed == -ENOTDIR) {
        status = add_file(set, os, path, store, error);
    } else if (listed < 0) {
        status = etw_error_set_os(error, -listed, "%s: cannot open", path);
    } else if (list.status != ETW_OK) {
        status = etw_error_set(error, list.status, "%s: cannot take all of its manifests", path);
    } else {
        qsort(list.names, list.count, sizeof *list.names, compare_names);
        status = add_listed(set, os, path, &list, store, error);
    }
    for (uint32_t i = 0; i < list.count; i++) {
        free(list.names[i]);
    }
    free(list.names);
    return status;
}
