/* Gathers the files that paths name, and which provider each of them knows. */
#include <errno.h>
#include <stdlib.h>

#include "format/base/grown.h"
#include "format/base/name_list.h"
#include "format/schema/schema_files_inside.h"
#include "format/schema/system_texts.h"

typedef struct placing {
    etw_schema_files *self;
    uint32_t file;
    bool failed;
} placing;

static void place(void *into, const etw_guid *provider)
{
    placing *placed = into;
    etw_schema_files *self = placed->self;
    etw_schema_holders *found = etw_table_get(&self->holders, provider, sizeof *provider);
    if (found == NULL) {
        found = etw_arena_alloc(&self->arena, sizeof *found);
        if (found == NULL) {
            placed->failed = true;
            return;
        }
        found->provider = *provider;
        placed->failed |=
            !etw_table_set(&self->holders, &found->provider, sizeof found->provider, found);
    }
    if (found->count < ETW_SCHEMA_MAX_HOLDERS &&
        (found->count == 0 || found->files[found->count - 1] != placed->file)) {
        found->files[found->count++] = placed->file;
    }
}

static etw_status keep(etw_schema_files *self, etw_schema_file *file, etw_error *error)
{
    etw_schema_file **files =
        etw_grown(self->files, &self->capacity, self->count, 16, sizeof *files);
    if (files == NULL) {
        etw_schema_file_free(file);
        return etw_schema_files_no_memory(error);
    }
    self->files = files;
    placing placed = {.self = self, .file = self->count};
    self->files[self->count++] = file;
    etw_schema_file_providers(file, place, &placed);
    return placed.failed ? etw_schema_files_no_memory(error) : ETW_OK;
}

static bool is_of_other_kind(const etw_schema_files *self, const char *path)
{
    for (uint32_t i = 0; self->others != NULL && self->others->endings[i] != NULL; i++) {
        if (etw_schema_file_ends_with(path, self->others->endings[i])) {
            return true;
        }
    }
    return false;
}

static etw_status give_other(const etw_schema_files *self, const char *path, etw_error *error)
{
    const etw_os *os = self->file_options.os;
    const int file = os->open(os->context, path, ETW_OPEN_READ);
    if (file < 0) {
        return etw_error_set_os(error, -file, "%s: cannot open", path);
    }
    uint8_t *data;
    size_t size;
    etw_status status =
        etw_schema_file_read(os, file, ETW_SCHEMA_FILE_MAX_BYTES, &data, &size, error);
    (void)os->close(os->context, file);
    if (status == ETW_OK) {
        status = self->others->take(self->others->context, path, (etw_bytes){data, size}, error);
    }
    free(data);
    return status == ETW_OK ? ETW_OK : etw_error_wrap(error, status, "%s", path);
}

static etw_status add_file(etw_schema_files *self, const char *path, bool any_file,
                           etw_schema_store *store, etw_error *error)
{
    etw_schema_file *file;
    if (self->count == ETW_SCHEMA_MAX_FILES) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u files of schemas",
                             ETW_SCHEMA_MAX_FILES);
    }
    if (is_of_other_kind(self, path)) {
        if (any_file && self->others->postpone(self->others->context, path)) {
            return ETW_OK;
        }
        return give_other(self, path, error);
    }
    self->file_options.any_file = any_file;
    bool has_texts;
    const etw_status added =
        etw_system_texts_add(&self->errors, path, &self->file_options, &has_texts, error);
    if (added != ETW_OK || (has_texts && !any_file)) {
        return added; /* they have no manifests */
    }
    const etw_status status = etw_folder_index_open_file(any_file ? self->index : NULL, path,
                                                         &self->file_options, store, &file, error);
    if (status != ETW_OK) {
        return status;
    }
    if (etw_schema_file_mended(file) != NULL) {
        etw_text text = {0};
        etw_text_printf(&text, "%s: %s", path, etw_schema_file_mended(file));
        etw_schema_files_note(self, etw_text_z(&text));
        etw_text_free(&text);
    }
    return keep(self, file, error);
}

static etw_status add_folder(etw_schema_files *self, const char *path, uint32_t depth,
                             etw_schema_store *store, etw_error *error);

/* A file or a folder inside a folder; links and devices are passed over. What fails is told, but
 * for lack of memory. */
static etw_status add_inner(etw_schema_files *self, const char *path, uint32_t depth,
                            etw_schema_store *store, etw_error *error)
{
    const etw_os *os = self->file_options.os;
    const int kind = os->kind(os->context, path);
    etw_error failure = {0};
    etw_status status = ETW_OK;
    if (kind == ETW_PATH_FOLDER && depth < ETW_SCHEMA_MAX_FOLDER_DEPTH) {
        status = add_folder(self, path, depth + 1, store, &failure);
    } else if (kind == ETW_PATH_FILE) {
        status = add_file(self, path, true, store, &failure);
    }
    if (status == ETW_ERROR_NO_MEMORY || self->count == ETW_SCHEMA_MAX_FILES) {
        return etw_error_set(error, status, "%s", failure.message);
    }
    if (status != ETW_OK && status != ETW_ERROR_NOT_THIS) {
        etw_schema_files_note(self, failure.message);
    }
    return ETW_OK;
}

static etw_status add_listed(etw_schema_files *self, const char *folder, const etw_name_list *list,
                             uint32_t depth, etw_schema_store *store, etw_error *error)
{
    etw_text path = {0};
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < list->count && status == ETW_OK; i++) {
        etw_text_clear(&path);
        etw_text_append_z(&path, folder);
        etw_text_append_char(&path, '/');
        etw_text_append_z(&path, list->names[i]);
        status = path.failed ? etw_schema_files_no_memory(error)
                             : add_inner(self, etw_text_z(&path), depth, store, error);
    }
    etw_text_free(&path);
    return status;
}

static etw_status add_folder(etw_schema_files *self, const char *path, uint32_t depth,
                             etw_schema_store *store, etw_error *error)
{
    const etw_os *os = self->file_options.os;
    etw_name_list list = {.limit = ETW_SCHEMA_MAX_FILES};
    const int listed = etw_name_list_read(&list, os, path);
    etw_status status = ETW_OK;
    if (listed < 0) {
        status = listed == -ENOTDIR ? ETW_ERROR_NOT_THIS /* the caller's to tell */
                                    : etw_error_set_os(error, -listed, "%s: cannot open", path);
    } else if (list.status != ETW_OK) {
        status = list.status == ETW_ERROR_NO_MEMORY
                     ? etw_error_set(error, list.status, "%s: no memory for its files", path)
                     : etw_error_set(error, list.status, "%s: cannot take all of its files", path);
    } else {
        status = add_listed(self, path, &list, depth, store, error);
    }
    etw_name_list_free(&list);
    return status;
}

static void begin_index(etw_schema_files *self, const char *path)
{
    self->index = etw_folder_index_new(self->file_options.os, path);
}

static void end_index(etw_schema_files *self)
{
    etw_folder_index_finish(self->index, self->note, self->note_context);
    self->index = NULL;
}

etw_status etw_schema_files_add_path(etw_schema_files *self, const char *path,
                                     etw_schema_store *store, etw_error *error)
{
    begin_index(self, path);
    const etw_status status = add_folder(self, path, 0, store, error);
    end_index(self);
    return status == ETW_ERROR_NOT_THIS ? add_file(self, path, false, store, error) : status;
}

/* What is named in no call of this program: that something is missing or damaged there must not end
 * it. */
static etw_status add_default(etw_schema_files *self, const char *path, etw_schema_store *store,
                              etw_error *error)
{
    const etw_os *os = self->file_options.os;
    const int kind = os->kind(os->context, path);
    begin_index(self, path);
    const etw_status status = kind == ETW_PATH_FOLDER || kind == ETW_PATH_FILE
                                  ? add_inner(self, path, 0, store, error)
                                  : ETW_OK;
    end_index(self);
    return status;
}

etw_status etw_schema_files_add_defaults(etw_schema_files *self, etw_schema_store *store,
                                         etw_error *error)
{
    const char separators[2] = {etw_os_path_separator, '\0'};
    etw_status status = ETW_OK;
    char *list = etw_os_environment("ETWCAP_SCHEMAS");
    for (char *at = list; at != NULL && status == ETW_OK;) {
        char *end = at + strcspn(at, separators);
        const bool is_last = *end == '\0';
        *end = '\0';
        status = *at == '\0' ? ETW_OK : add_default(self, at, store, error);
        at = is_last ? NULL : end + 1;
    }
    free(list);
    char *own = etw_os_data_path("etwcap/schemas");
    if (own != NULL && status == ETW_OK) {
        status = add_default(self, own, store, error);
    }
    free(own);
    return status;
}
