#include "format/schema/folder_index.h"

#include "format/base/buffer.h"
#include "format/base/part_file.h"
#include "format/base/table.h"
#include "format/base/version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* What a file is depends on the program that looked: another version looks anew. */
#define MAGIC      "etwcap-index-1 " ETW_VERSION "\n"
#define MAGIC_SIZE (sizeof MAGIC - 1)
#define HEAD_SIZE  (MAGIC_SIZE + sizeof(uint64_t))
/* What changed later than this before it was looked at is not kept: FAT's clock ticks in 2 s. */
#define SETTLED_100NS (3LL * 10000000)

struct etw_folder_index {
    const etw_os *os;
    char *path; /* of the index file */
    bool is_read;
    uint8_t *old; /* its bytes, or NULL */
    size_t old_size;
    etw_table known; /* path -> the entry in old, behind the path */
    uint32_t old_count;
    etw_buffer made; /* the new one */
    uint32_t made_count;
    bool has_news;
    etw_error fault; /* of reading or writing the index */
};

/* Where it is kept. */

static char *index_path(const char *folder)
{
    char name[64];
    const uint64_t hash = XXH3_64bits(folder, strlen(folder));
    (void)snprintf(name, sizeof name, "etwcap/schemas-%u.index",
                   (unsigned)(hash % ETW_FOLDER_INDEX_SLOTS));
    return etw_os_cache_path(name);
}

etw_folder_index *etw_folder_index_new(const etw_os *os, const char *folder)
{
    etw_folder_index *index = os->state == NULL ? NULL : calloc(1, sizeof *index);
    if (index == NULL) {
        return NULL;
    }
    index->os = os;
    index->path = index_path(folder);
    if (index->path == NULL) {
        free(index);
        return NULL;
    }
    return index;
}

/* Entries: path, state, what it is, and what is known of that. */

enum { IS_NOTHING, IS_SCHEMAS, IS_BAD };

static void put_sized(etw_buffer *to, const void *bytes, size_t size)
{
    etw_buffer_append_u32(to, (uint32_t)size);
    etw_buffer_append(to, bytes, size);
}

static etw_bytes take_sized(etw_cursor *cursor)
{
    const uint32_t size = etw_cursor_u32(cursor);
    const etw_bytes bytes = {etw_cursor_take(cursor, size), size};
    return bytes;
}

static void put_state(etw_buffer *to, const etw_file_state *state)
{
    const uint64_t fields[] = {state->identity.volume, state->identity.file, state->size_bytes,
                               (uint64_t)state->modified_100ns, (uint64_t)state->changed_100ns};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        etw_buffer_append_u64(to, fields[i]);
    }
}

#define STATE_SIZE (5 * sizeof(uint64_t))

static bool is_state(const uint8_t *kept, const etw_file_state *state)
{
    return etw_load_u64(kept) == state->identity.volume &&
           etw_load_u64(kept + 8) == state->identity.file &&
           etw_load_u64(kept + 16) == state->size_bytes &&
           etw_load_i64(kept + 24) == state->modified_100ns &&
           etw_load_i64(kept + 32) == state->changed_100ns;
}

static bool is_settled(const etw_folder_index *index, const etw_file_state *state)
{
    const int64_t now_100ns = index->os->filetime_now(index->os->context);
    const int64_t last_100ns =
        state->modified_100ns > state->changed_100ns ? state->modified_100ns : state->changed_100ns;
    return last_100ns < now_100ns - SETTLED_100NS;
}

static void put_entry(etw_folder_index *index, const char *path, const etw_file_state *state,
                      uint8_t kind, etw_bytes about)
{
    const size_t before = index->made.size;
    put_sized(&index->made, path, strlen(path));
    put_state(&index->made, state);
    etw_buffer_append_u8(&index->made, kind);
    put_sized(&index->made, about.data, about.size);
    if (index->made.failed || index->made.size > ETW_FOLDER_INDEX_MAX_BYTES - HEAD_SIZE) {
        index->made.size = before;
        index->made.failed = false;
        return; /* it will be opened each time */
    }
    index->made_count++;
}

/* Reading. */

static etw_status damaged(const etw_folder_index *index, etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_DAMAGED, "%s is damaged", index->path);
}

static etw_status list_entries(etw_folder_index *index, etw_error *error)
{
    etw_cursor cursor =
        etw_cursor_over((etw_bytes){index->old + HEAD_SIZE, index->old_size - HEAD_SIZE});
    while (etw_cursor_left(&cursor) > 0) {
        const etw_bytes path = take_sized(&cursor);
        const uint8_t *state = etw_cursor_take(&cursor, STATE_SIZE);
        (void)etw_cursor_u8(&cursor);
        (void)take_sized(&cursor);
        if (cursor.failed || path.size == 0) {
            return damaged(index, error);
        }
        if (!etw_table_set(&index->known, path.data, path.size, (void *)(uintptr_t)state)) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for %s", index->path);
        }
        index->old_count++;
    }
    return ETW_OK;
}

/* One of another version is none. */
static etw_status check_head(const etw_folder_index *index, bool *is_ours, etw_error *error)
{
    *is_ours = index->old_size >= HEAD_SIZE && memcmp(index->old, MAGIC, MAGIC_SIZE) == 0;
    if (!*is_ours) {
        return index->old_size >= HEAD_SIZE && memcmp(index->old, "etwcap-index-", 13) == 0
                   ? ETW_OK
                   : damaged(index, error);
    }
    const uint64_t hash = XXH3_64bits(index->old + HEAD_SIZE, index->old_size - HEAD_SIZE);
    return hash == etw_load_u64(index->old + MAGIC_SIZE) ? ETW_OK : damaged(index, error);
}

static etw_status read_old(etw_folder_index *index, etw_error *error)
{
    const etw_os *os = index->os;
    bool is_ours;
    const int file = os->open(os->context, index->path, ETW_OPEN_READ);
    if (file < 0) {
        return file == -ENOENT ? ETW_OK
                               : etw_error_set_os(error, -file, "%s: cannot open", index->path);
    }
    etw_status status = etw_schema_file_read(os, file, ETW_FOLDER_INDEX_MAX_BYTES, &index->old,
                                             &index->old_size, error);
    (void)os->close(os->context, file);
    if (etw_failed(status)) {
        return etw_error_wrap(error, status, "%s", index->path);
    }
    status = check_head(index, &is_ours, error);
    return etw_failed(status) || !is_ours ? status : list_entries(index, error);
}

static void read_once(etw_folder_index *index)
{
    if (!index->is_read && etw_failed(read_old(index, &index->fault))) {
        etw_table_free(&index->known);
        index->known = (etw_table){0};
        index->old_count = 0;
        index->has_news = true;
    }
    index->is_read = true;
}

/* Using. */

/* The file that is asked for. */
typedef struct asked {
    const char *path;
    const etw_schema_file_options *options;
    etw_schema_store *store;
    etw_file_state state;
} asked;

/* Only what is wrong with the content stays as it is as long as that does. */
static bool is_of_content(etw_status status)
{
    return status == ETW_ERROR_DAMAGED || status == ETW_ERROR_LIMIT ||
           status == ETW_ERROR_UNSUPPORTED;
}

static etw_status open_anew(etw_folder_index *index, const asked *a, etw_schema_file **file,
                            etw_error *error)
{
    etw_error failure = {0};
    etw_buffer about = {0};
    const etw_status status = etw_schema_file_open(a->path, a->options, a->store, file, &failure);
    if (etw_failed(status) && error != NULL) {
        *error = failure;
    }
    index->has_news = true;
    if (!is_settled(index, &a->state)) {
        return status;
    }
    if (status == ETW_OK && etw_schema_file_describe(*file, &about)) {
        put_entry(index, a->path, &a->state, IS_SCHEMAS, etw_buffer_bytes(&about));
    } else if (status == ETW_ERROR_NOT_THIS) {
        put_entry(index, a->path, &a->state, IS_NOTHING, (etw_bytes){0});
    } else if (is_of_content(status)) {
        const etw_bytes text = {(const uint8_t *)failure.message, strlen(failure.message)};
        etw_buffer_append_u8(&about, (uint8_t)status);
        etw_buffer_append(&about, text.data, text.size);
        put_entry(index, a->path, &a->state, IS_BAD, etw_buffer_bytes(&about));
    }
    etw_buffer_free(&about);
    return status;
}

/* ETW_AGAIN: the index does not know. */
static etw_status open_known(etw_folder_index *index, const asked *a, etw_schema_file **file,
                             etw_error *error)
{
    const uint8_t *kept = etw_table_get(&index->known, a->path, strlen(a->path));
    if (kept == NULL || !is_state(kept, &a->state)) {
        return ETW_AGAIN;
    }
    etw_cursor cursor = etw_cursor_over(
        (etw_bytes){kept + STATE_SIZE, (size_t)(index->old + index->old_size - kept) - STATE_SIZE});
    const uint8_t kind = etw_cursor_u8(&cursor);
    const etw_bytes about = take_sized(&cursor);
    etw_status status = ETW_AGAIN;
    if (kind == IS_NOTHING) {
        status = etw_error_set(error, ETW_ERROR_NOT_THIS, "no file of schemas");
    } else if (kind == IS_BAD && about.size > 1 && is_of_content((etw_status)about.data[0])) {
        status = etw_error_set(error, (etw_status)about.data[0], "%.*s", (int)(about.size - 1),
                               (const char *)about.data + 1);
    } else if (kind == IS_SCHEMAS) {
        status = etw_schema_file_open_known(a->path, a->options, about, a->store, file, error);
        status = status == ETW_ERROR_DAMAGED ? ETW_AGAIN : status;
    }
    if (status != ETW_AGAIN) {
        put_entry(index, a->path, &a->state, kind, about);
    }
    return status;
}

etw_status etw_folder_index_open_file(etw_folder_index *index, const char *path,
                                      const etw_schema_file_options *options,
                                      etw_schema_store *store, etw_schema_file **file,
                                      etw_error *error)
{
    asked a = {.path = path, .options = options, .store = store};
    *file = NULL;
    if (index == NULL || index->os->state(index->os->context, path, &a.state) < 0) {
        return etw_schema_file_open(path, options, store, file, error);
    }
    read_once(index);
    const etw_status status = open_known(index, &a, file, error);
    return status != ETW_AGAIN ? status : open_anew(index, &a, file, error);
}

/* Writing. */

/* The user's cache folder and the one in it; where that fails, the file's creation tells. */
static void make_folders(const etw_os *os)
{
    char *folder = etw_os_cache_path("etwcap");
    char *end = folder == NULL ? NULL : strrchr(folder, '/');
    if (end != NULL && os->make_folder != NULL) {
        *end = '\0';
        (void)os->make_folder(os->context, folder);
        *end = '/';
        (void)os->make_folder(os->context, folder);
    }
    free(folder);
}

static etw_status write_part(etw_folder_index *index, int file, etw_error *error)
{
    const etw_os *os = index->os;
    uint8_t head[HEAD_SIZE];
    memcpy(head, MAGIC, MAGIC_SIZE);
    etw_store_u64(head + MAGIC_SIZE, XXH3_64bits(index->made.data, index->made.size));
    etw_status status = etw_os_write_full(os, file, head, sizeof head, NULL, error);
    if (!etw_failed(status)) {
        status = etw_os_write_full(os, file, index->made.data, index->made.size, NULL, error);
    }
    const int closed = os->close(os->context, file);
    return etw_failed(status) || closed >= 0 ? status : etw_error_set_os(error, -closed, "closing");
}

static void save(etw_folder_index *index, etw_error *error)
{
    etw_part_file part = {0};
    int file;
    make_folders(index->os);
    etw_status status = etw_part_create(index->os, index->path, &part, &file, error);
    if (!etw_failed(status)) {
        status = write_part(index, file, error);
        status = etw_failed(status) ? etw_error_wrap(error, status, "%s", index->path)
                                    : etw_part_settle(index->os, &part, index->path, true, error);
    }
    if (etw_failed(status)) {
        etw_part_remove(index->os, &part);
    }
    etw_part_free(&part);
}

void etw_folder_index_finish(etw_folder_index *index,
                             void (*note)(void *context, const char *message), void *context)
{
    if (index == NULL) {
        return;
    }
    etw_error failure = {0};
    const bool is_news = index->has_news || index->made_count != index->old_count;
    if (is_news && index->made_count >= ETW_FOLDER_INDEX_LEAST_FILES) {
        save(index, &failure);
    }
    const etw_error *told = index->fault.message[0] != '\0' ? &index->fault : &failure;
    if (told->message[0] != '\0' && note != NULL) {
        etw_text text = {0};
        etw_text_printf(&text, "without the index of a folder of schemas: %s", told->message);
        note(context, etw_text_z(&text));
        etw_text_free(&text);
    }
    etw_table_free(&index->known);
    etw_buffer_free(&index->made);
    free(index->old);
    free(index->path);
    free(index);
}
