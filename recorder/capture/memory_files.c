#include "recorder/capture/memory_files.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

typedef struct memory_file {
    char *path; /* NULL: the slot is free */
    uint8_t *bytes;
    size_t size, capacity;
} memory_file;

/* An open file: which one, and where reading stands. Writing always appends. */
typedef struct handle {
    bool used;
    size_t file;
    size_t position;
} handle;

struct etw_memory_files {
    etw_os os;
    pthread_mutex_t mutex; /* the writer's thread writes while a dump reads */
    uint64_t max_bytes, bytes;
    memory_file files[ETW_MEMORY_MAX_FILES];
    handle handles[ETW_MEMORY_MAX_FILES];
};

static memory_file *find(etw_memory_files *files, const char *path)
{
    for (size_t i = 0; i < ETW_MEMORY_MAX_FILES; i++) {
        if (files->files[i].path != NULL && strcmp(files->files[i].path, path) == 0) {
            return &files->files[i];
        }
    }
    return NULL;
}

static void drop(etw_memory_files *files, memory_file *file)
{
    files->bytes -= file->size;
    free(file->path);
    free(file->bytes);
    *file = (memory_file){0};
}

static int create(etw_memory_files *files, const char *path, etw_open_mode mode,
                  memory_file **created)
{
    memory_file *there = find(files, path);
    if (there != NULL && mode == ETW_OPEN_CREATE) {
        return -EEXIST;
    }
    if (there != NULL) {
        files->bytes -= there->size;
        there->size = 0;
        *created = there;
        return 0;
    }
    for (size_t i = 0; i < ETW_MEMORY_MAX_FILES; i++) {
        if (files->files[i].path == NULL) {
            files->files[i].path = strdup(path);
            *created = &files->files[i];
            return files->files[i].path == NULL ? -ENOMEM : 0;
        }
    }
    return -EMFILE;
}

static int memory_open(void *context, const char *path, etw_open_mode mode)
{
    etw_memory_files *files = context;
    (void)pthread_mutex_lock(&files->mutex);
    memory_file *file = mode == ETW_OPEN_READ ? find(files, path) : NULL;
    int result =
        mode == ETW_OPEN_READ ? (file == NULL ? -ENOENT : 0) : create(files, path, mode, &file);
    for (size_t i = 0; result == 0 && i <= ETW_MEMORY_MAX_FILES; i++) {
        if (i == ETW_MEMORY_MAX_FILES) {
            result = -EMFILE;
        } else if (!files->handles[i].used) {
            files->handles[i] = (handle){true, (size_t)(file - files->files), 0};
            result = (int)i;
            break;
        }
    }
    (void)pthread_mutex_unlock(&files->mutex);
    return result;
}

static size_t copy_out(const memory_file *file, void *into, size_t size, uint64_t offset)
{
    if (offset >= file->size) {
        return 0;
    }
    const size_t left = file->size - (size_t)offset;
    const size_t count = size < left ? size : left;
    memcpy(into, file->bytes + offset, count);
    return count;
}

static int64_t memory_read_at(void *context, int number, void *into, size_t size, uint64_t offset)
{
    etw_memory_files *files = context;
    (void)pthread_mutex_lock(&files->mutex);
    const size_t count = copy_out(&files->files[files->handles[number].file], into, size, offset);
    (void)pthread_mutex_unlock(&files->mutex);
    return (int64_t)count;
}

static int64_t memory_read(void *context, int number, void *into, size_t size)
{
    etw_memory_files *files = context;
    handle *open = &files->handles[number];
    const int64_t count = memory_read_at(context, number, into, size, open->position);
    open->position += (size_t)count;
    return count;
}

static bool reserve(memory_file *file, size_t size)
{
    if (size <= file->capacity) {
        return true;
    }
    size_t capacity = file->capacity == 0 ? (size_t)64 << 10 : file->capacity;
    while (capacity < size) {
        capacity += capacity / 2;
    }
    uint8_t *bytes = realloc(file->bytes, capacity);
    if (bytes == NULL) {
        return false;
    }
    file->bytes = bytes;
    file->capacity = capacity;
    return true;
}

static int64_t memory_write(void *context, int number, const void *from, size_t size)
{
    etw_memory_files *files = context;
    (void)pthread_mutex_lock(&files->mutex);
    memory_file *file = &files->files[files->handles[number].file];
    int64_t result = -ENOSPC;
    if (size <= files->max_bytes - files->bytes && reserve(file, file->size + size)) {
        memcpy(file->bytes + file->size, from, size);
        file->size += size;
        files->bytes += size;
        result = (int64_t)size;
    }
    (void)pthread_mutex_unlock(&files->mutex);
    return result;
}

static int memory_sync(void *context, int number)
{
    (void)context;
    (void)number;
    return 0;
}

static int64_t memory_size(void *context, int number)
{
    etw_memory_files *files = context;
    (void)pthread_mutex_lock(&files->mutex);
    const size_t size = files->files[files->handles[number].file].size;
    (void)pthread_mutex_unlock(&files->mutex);
    return (int64_t)size;
}

static int memory_close(void *context, int number)
{
    etw_memory_files *files = context;
    (void)pthread_mutex_lock(&files->mutex);
    files->handles[number].used = false;
    (void)pthread_mutex_unlock(&files->mutex);
    return 0;
}

static int memory_rename(void *context, const char *from, const char *to)
{
    etw_memory_files *files = context;
    (void)pthread_mutex_lock(&files->mutex);
    memory_file *file = find(files, from);
    char *path = file == NULL ? NULL : strdup(to);
    if (path != NULL) {
        memory_file *replaced = find(files, to);
        if (replaced != NULL && replaced != file) {
            drop(files, replaced);
        }
        free(file->path);
        file->path = path;
    }
    (void)pthread_mutex_unlock(&files->mutex);
    return file == NULL ? -ENOENT : path == NULL ? -ENOMEM : 0;
}

static int memory_remove(void *context, const char *path)
{
    etw_memory_files *files = context;
    (void)pthread_mutex_lock(&files->mutex);
    memory_file *file = find(files, path);
    if (file != NULL) {
        drop(files, file);
    }
    (void)pthread_mutex_unlock(&files->mutex);
    return file == NULL ? -ENOENT : 0;
}

static int memory_kind(void *context, const char *path)
{
    etw_memory_files *files = context;
    (void)pthread_mutex_lock(&files->mutex);
    const bool is_there = find(files, path) != NULL;
    (void)pthread_mutex_unlock(&files->mutex);
    return is_there ? ETW_PATH_FILE : ETW_PATH_NOTHING;
}

static int64_t memory_free_space(void *context, const char *path)
{
    (void)path;
    const etw_memory_files *files = context;
    return (int64_t)(files->max_bytes - files->bytes);
}

static int64_t memory_filetime_now(void *context)
{
    (void)context;
    const etw_os *real = etw_os_default();
    return real->filetime_now(real->context);
}

static int64_t memory_monotonic_ns(void *context)
{
    (void)context;
    const etw_os *real = etw_os_default();
    return real->monotonic_ns(real->context);
}

etw_memory_files *etw_memory_files_new(uint64_t max_bytes)
{
    etw_memory_files *files = calloc(1, sizeof *files);
    if (files == NULL) {
        return NULL;
    }
    (void)pthread_mutex_init(&files->mutex, NULL);
    files->max_bytes = max_bytes;
    files->os = (etw_os){.context = files,
                         .open = memory_open,
                         .read = memory_read,
                         .read_at = memory_read_at,
                         .write = memory_write,
                         .sync = memory_sync,
                         .size = memory_size,
                         .close = memory_close,
                         .rename = memory_rename,
                         .remove = memory_remove,
                         .kind = memory_kind,
                         .free_space = memory_free_space,
                         .filetime_now = memory_filetime_now,
                         .monotonic_ns = memory_monotonic_ns};
    return files;
}

const etw_os *etw_memory_files_os(etw_memory_files *files)
{
    return &files->os;
}

void etw_memory_files_free(etw_memory_files *files)
{
    if (files == NULL) {
        return;
    }
    for (size_t i = 0; i < ETW_MEMORY_MAX_FILES; i++) {
        if (files->files[i].path != NULL) {
            drop(files, &files->files[i]);
        }
    }
    (void)pthread_mutex_destroy(&files->mutex);
    free(files);
}
