#include "replay/query/symbols.h"

#include "format/base/arena.h"
#include "format/base/grown.h"
#include "format/base/name_list.h"
#include "format/base/names.h"
#include "format/base/table.h"
#include "replay/query/symbol_file.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

struct etw_symbols {
    const etw_os *os;
    etw_symbols_options options;
    etw_symbol_file *files;
    uint32_t count, capacity;
    bool is_full;          /* and that was noted */
    pthread_mutex_t mutex; /* of all below */
    etw_table modules;     /* what was looked for -> a file, or nothing */
    etw_arena keys;
    etw_text key;            /* of what is looked for now */
    etw_symbol_file nothing; /* stands for "no file" in the table */
    size_t bytes;            /* of loaded symbols */
};

static void note(const etw_symbols *symbols, const char *message)
{
    if (symbols->options.note != NULL) {
        symbols->options.note(symbols->options.note_context, message);
    }
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for symbols");
}

/* Finding the files. */

static etw_status take_file(etw_symbols *symbols, const char *path, etw_error *error)
{
    if (symbols->count == ETW_SYMBOLS_MAX_FILES) {
        if (!symbols->is_full) {
            note(symbols, "more files of symbols than are kept: the others are passed over");
        }
        symbols->is_full = true;
        return ETW_OK;
    }
    etw_symbol_file *wider =
        etw_grown(symbols->files, &symbols->capacity, symbols->count, 64, sizeof *wider);
    if (wider == NULL) {
        return no_memory(error);
    }
    symbols->files = wider;
    etw_symbol_file *file = &symbols->files[symbols->count];
    etw_error bad = {0};
    const etw_status status =
        etw_symbol_file_open(symbols->os, path, etw_name_ends_with(path, ".map"), file, &bad);
    if (status == ETW_OK) {
        symbols->count++;
        return ETW_OK;
    }
    etw_symbol_file_free(file);
    if (status == ETW_ERROR_NO_MEMORY) {
        return no_memory(error);
    }
    note(symbols, bad.message);
    return ETW_OK;
}

static bool is_visible(const void *context, const char *name)
{
    (void)context;
    return name[0] != '.';
}

static etw_status take_folder(etw_symbols *symbols, const char *path, uint32_t depth, int *listed,
                              etw_error *error);

/* A file, or a folder while it is not too deep. */
static etw_status take_inner(etw_symbols *symbols, const char *path, uint32_t depth,
                             etw_error *error)
{
    int listed;
    if (etw_name_ends_with(path, ".sym") || etw_name_ends_with(path, ".map")) {
        return take_file(symbols, path, error);
    }
    return depth < ETW_SYMBOLS_MAX_DEPTH ? take_folder(symbols, path, depth + 1, &listed, error)
                                         : ETW_OK;
}

/* *listed: what the system says of it as a folder. */
static etw_status take_folder(etw_symbols *symbols, const char *path, uint32_t depth, int *listed,
                              etw_error *error)
{
    etw_name_list list = {.limit = ETW_SYMBOLS_MAX_FILES, .wants = is_visible};
    etw_text inner = {0};
    *listed = etw_name_list_read(&list, symbols->os, path);
    etw_status status = ETW_OK;
    if (list.status != ETW_OK) {
        status = etw_error_set(error, list.status, "%s: cannot take all of its names", path);
    }
    for (uint32_t i = 0; i < list.count && status == ETW_OK; i++) {
        etw_text_clear(&inner);
        etw_text_printf(&inner, "%s/%s", path, list.names[i]);
        status =
            inner.failed ? no_memory(error) : take_inner(symbols, etw_text_z(&inner), depth, error);
    }
    etw_text_free(&inner);
    etw_name_list_free(&list);
    return status;
}

static etw_status take_path(etw_symbols *symbols, const char *path, etw_error *error)
{
    int listed;
    const etw_status status = take_folder(symbols, path, 1, &listed, error);
    if (etw_failed(status) || listed >= 0) {
        return status;
    }
    return listed == -ENOTDIR ? take_file(symbols, path, error)
                              : etw_error_set_os(error, -listed, "%s", path);
}

etw_status etw_symbols_open(const etw_symbols_options *options, etw_symbols **symbols,
                            etw_error *error)
{
    etw_symbols *made = calloc(1, sizeof *made);
    *symbols = NULL;
    if (made == NULL) {
        return no_memory(error);
    }
    made->options = *options;
    made->os = options->os != NULL ? options->os : etw_os_default();
    (void)pthread_mutex_init(&made->mutex, NULL);
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < options->path_count && !etw_failed(status); i++) {
        status = take_path(made, options->paths[i], error);
    }
    if (etw_failed(status)) {
        etw_symbols_free(made);
        return status;
    }
    *symbols = made;
    return ETW_OK;
}

void etw_symbols_free(etw_symbols *symbols)
{
    if (symbols == NULL) {
        return;
    }
    for (uint32_t i = 0; i < symbols->count; i++) {
        etw_symbol_file_free(&symbols->files[i]);
    }
    free(symbols->files);
    etw_table_free(&symbols->modules);
    etw_arena_free(&symbols->keys);
    etw_text_free(&symbols->key);
    (void)pthread_mutex_destroy(&symbols->mutex);
    free(symbols);
}

/* The file of an image. */

static bool has_stem(const etw_symbol_file *file, const char *path)
{
    const char *stem;
    const size_t size = etw_path_stem(path, &stem);
    return strlen(file->module) == size && strncasecmp(file->module, stem, size) == 0;
}

static bool is_of(const etw_symbol_file *file, const etw_state_image *image)
{
    if (image->pdb_name[0] != '\0' && !file->is_map) {
        return file->age == image->pdb_age && etw_guid_equal(&file->id, &image->pdb_guid);
    }
    return has_stem(file, image->path) &&
           (file->time_date_stamp == 0 || image->time_date_stamp == 0 ||
            file->time_date_stamp == image->time_date_stamp);
}

static void note_other_builds(const etw_symbols *symbols, const etw_state_image *image)
{
    for (uint32_t i = 0; i < symbols->count; i++) {
        const etw_symbol_file *file = &symbols->files[i];
        const bool is_named = has_stem(file, image->path) ||
                              (image->pdb_name[0] != '\0' && has_stem(file, image->pdb_name));
        if (is_named) {
            etw_text text = {0};
            etw_text_printf(&text, "%s is of another build of %s: it is not used", file->path,
                            etw_path_last_part(image->path));
            note(symbols, etw_text_z(&text));
            etw_text_free(&text);
        }
    }
}

/* What cannot be read is noted, and has no symbols. */
static void load(etw_symbols *symbols, etw_symbol_file *file)
{
    etw_error error = {0};
    const size_t most_bytes = ETW_SYMBOLS_MAX_BYTES - symbols->bytes;
    if (etw_failed(etw_symbol_file_load(symbols->os, file, most_bytes, &error))) {
        note(symbols, error.message);
    }
    symbols->bytes += etw_symbol_file_bytes(file);
}

static etw_symbol_file *choose(etw_symbols *symbols, const etw_state_image *image)
{
    bool is_any = false;
    for (uint32_t i = 0; i < symbols->count; i++) {
        etw_symbol_file *file = &symbols->files[i];
        if (!is_of(file, image)) {
            continue;
        }
        is_any = true;
        if (!file->is_loaded) {
            load(symbols, file);
        }
        if (file->count > 0) {
            return file;
        }
    }
    if (!is_any) {
        note_other_builds(symbols, image);
    }
    return &symbols->nothing;
}

/* What the choice depends on. */
static void append_key(etw_text *key, const etw_state_image *image)
{
    etw_text_append(key, (const char *)&image->pdb_guid, sizeof image->pdb_guid);
    etw_text_append(key, (const char *)&image->pdb_age, sizeof image->pdb_age);
    etw_text_append(key, (const char *)&image->time_date_stamp, sizeof image->time_date_stamp);
    etw_text_append_z(key, image->path);
}

/* With the mutex. NULL where memory is out. */
static const etw_symbol_file *file_of(etw_symbols *symbols, const etw_state_image *image)
{
    etw_text *key = &symbols->key;
    etw_text_clear(key);
    append_key(key, image);
    etw_symbol_file *file =
        key->failed ? NULL : etw_table_get(&symbols->modules, key->data, key->size);
    if (file == NULL && !key->failed) {
        char *kept = etw_arena_copy(&symbols->keys, key->data, key->size);
        file = choose(symbols, image);
        if (kept == NULL || !etw_table_set(&symbols->modules, kept, key->size, file)) {
            file = NULL;
        }
    }
    return file;
}

const char *etw_symbols_find(etw_symbols *symbols, const etw_state_image *image, uint64_t address,
                             uint64_t *offset)
{
    (void)pthread_mutex_lock(&symbols->mutex);
    const etw_symbol_file *file = file_of(symbols, image);
    (void)pthread_mutex_unlock(&symbols->mutex);
    return file == NULL || address < image->base
               ? NULL
               : etw_symbol_file_find(file, address - image->base, offset);
}
