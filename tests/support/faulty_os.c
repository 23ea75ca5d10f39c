#include "tests/support/faulty_os.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define MAX_FILES   128
#define MAX_HANDLES 32
#define NAME_SIZE   128
/* File numbers of this table; the real system's stay below. */
#define FIRST_HANDLE 1000

typedef struct memory_file {
    char name[NAME_SIZE]; /* "" where the place is free */
    uint8_t *data;
    size_t size, capacity;
} memory_file;

typedef struct handle {
    bool used;
    int real;  /* of the real system, or -1 */
    int entry; /* in files */
    bool is_pipe;
    size_t position;
} handle;

struct faulty_os {
    etw_os table;
    pthread_mutex_t lock;
    faulty_faults faults;
    uint64_t calls[FAULTY_CALLS];
    uint64_t written;
    int64_t now_ns;
    memory_file files[MAX_FILES];
    handle handles[MAX_HANDLES];
};

static void lock(faulty_os *self)
{
    (void)pthread_mutex_lock(&self->lock);
}

static void unlock(faulty_os *self)
{
    (void)pthread_mutex_unlock(&self->lock);
}

/* 0, or the negated errno that this call has to give. */
static int fault(faulty_os *self, faulty_call call)
{
    const uint64_t at = self->faults.fail_at[call];
    const uint64_t number = ++self->calls[call];
    const bool fails = at != 0 && (number == at || (number > at && self->faults.keep_failing));
    return fails ? -(self->faults.error == 0 ? EIO : self->faults.error) : 0;
}

static int find_file(const faulty_os *self, const char *name)
{
    for (int i = 0; i < MAX_FILES; i++) {
        if (strcmp(self->files[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static int make_file(faulty_os *self, const char *name)
{
    const int entry = find_file(self, "");
    if (entry < 0 || name[0] == '\0' || strlen(name) >= NAME_SIZE) {
        return -ENFILE;
    }
    memcpy(self->files[entry].name, name, strlen(name) + 1);
    self->files[entry].size = 0;
    return entry;
}

static int open_memory(faulty_os *self, const char *name, etw_open_mode mode)
{
    int entry = find_file(self, name);
    if (mode == ETW_OPEN_READ) {
        return entry < 0 ? -ENOENT : entry;
    }
    if (entry >= 0 && mode == ETW_OPEN_CREATE) {
        return -EEXIST;
    }
    entry = entry < 0 ? make_file(self, name) : entry;
    if (entry >= 0) {
        self->files[entry].size = 0;
    }
    return entry;
}

static const char *memory_name(const char *path, bool *is_pipe)
{
    *is_pipe = strncmp(path, "pipe:", 5) == 0;
    if (*is_pipe) {
        return path + 5;
    }
    return strncmp(path, "mem:", 4) == 0 ? path + 4 : NULL;
}

static int open_unlocked(faulty_os *self, const char *path, etw_open_mode mode)
{
    bool is_pipe;
    const char *name = memory_name(path, &is_pipe);
    int slot = 0;
    while (slot < MAX_HANDLES && self->handles[slot].used) {
        slot++;
    }
    if (slot == MAX_HANDLES) {
        return -EMFILE;
    }
    handle *opened = &self->handles[slot];
    *opened = (handle){.used = true, .real = -1, .is_pipe = is_pipe};
    int result;
    if (name == NULL) {
        const etw_os *real = etw_os_default();
        result = real->open(real->context, path, mode);
        opened->real = result;
    } else {
        result = open_memory(self, name, mode);
        opened->entry = result;
    }
    opened->used = result >= 0;
    return result < 0 ? result : FIRST_HANDLE + slot;
}

static int os_open(void *context, const char *path, etw_open_mode mode)
{
    faulty_os *self = context;
    lock(self);
    int result = fault(self, FAULTY_OPEN);
    if (result == 0) {
        result = open_unlocked(self, path, mode);
    }
    unlock(self);
    return result;
}

/* A real one, in which faults strike as in others. */
static int os_open_temporary(void *context)
{
    faulty_os *self = context;
    const etw_os *real = etw_os_default();
    lock(self);
    int result = fault(self, FAULTY_OPEN);
    for (int slot = 0; result == 0 && slot < MAX_HANDLES; slot++) {
        if (!self->handles[slot].used) {
            const int file = real->open_temporary(real->context);
            self->handles[slot] = (handle){.used = file >= 0, .real = file};
            result = file < 0 ? file : FIRST_HANDLE + slot;
        }
    }
    unlock(self);
    return result == 0 ? -EMFILE : result;
}

static handle *handle_of(faulty_os *self, int file)
{
    return &self->handles[file - FIRST_HANDLE];
}

static size_t limited(const faulty_os *self, size_t size)
{
    return self->faults.most_bytes != 0 && size > self->faults.most_bytes ? self->faults.most_bytes
                                                                          : size;
}

static int64_t read_memory(faulty_os *self, const handle *from, void *into, size_t size,
                           uint64_t offset)
{
    const memory_file *file = &self->files[from->entry];
    if (offset >= file->size) {
        return 0;
    }
    const size_t left = file->size - (size_t)offset;
    const size_t got = size < left ? size : left;
    const faulty_faults *faults = &self->faults;
    if (faults->bad_name != NULL && strcmp(faults->bad_name, file->name) == 0 &&
        offset < faults->bad_to && offset + got > faults->bad_from) {
        return -EIO;
    }
    memcpy(into, file->data + offset, got);
    return (int64_t)got;
}

static int64_t os_read_at(void *context, int file, void *into, size_t size, uint64_t offset)
{
    faulty_os *self = context;
    const etw_os *real = etw_os_default();
    lock(self);
    handle *from = handle_of(self, file);
    int64_t result = fault(self, FAULTY_READ);
    if (result == 0 && from->is_pipe) {
        result = -ESPIPE;
    } else if (result == 0) {
        size = limited(self, size);
        result = from->real >= 0 ? real->read_at(real->context, from->real, into, size, offset)
                                 : read_memory(self, from, into, size, offset);
    }
    unlock(self);
    return result;
}

static int64_t os_read(void *context, int file, void *into, size_t size)
{
    faulty_os *self = context;
    const etw_os *real = etw_os_default();
    lock(self);
    handle *from = handle_of(self, file);
    int64_t result = fault(self, FAULTY_READ);
    if (result == 0) {
        size = limited(self, size);
        result = from->real >= 0 ? real->read(real->context, from->real, into, size)
                                 : read_memory(self, from, into, size, from->position);
        from->position += result > 0 ? (size_t)result : 0;
    }
    unlock(self);
    return result;
}

static int64_t write_memory(memory_file *file, const void *from, size_t size)
{
    if (file->size + size > file->capacity) {
        const size_t wider = (file->size + size) * 2;
        uint8_t *data = realloc(file->data, wider);
        if (data == NULL) {
            return -ENOMEM;
        }
        file->data = data;
        file->capacity = wider;
    }
    if (size > 0) {
        memcpy(file->data + file->size, from, size);
    }
    file->size += size;
    return (int64_t)size;
}

static int64_t os_write(void *context, int file, const void *from, size_t size)
{
    faulty_os *self = context;
    const etw_os *real = etw_os_default();
    lock(self);
    const handle *to = handle_of(self, file);
    const uint64_t room =
        self->faults.capacity > self->written ? self->faults.capacity - self->written : 0;
    int64_t result = fault(self, FAULTY_WRITE);
    if (result == 0 && room == 0) {
        result = -ENOSPC;
    } else if (result == 0) {
        size = limited(self, size < room ? size : (size_t)room);
        result = to->real >= 0 ? real->write(real->context, to->real, from, size)
                               : write_memory(&self->files[to->entry], from, size);
        self->written += result > 0 ? (uint64_t)result : 0;
    }
    unlock(self);
    return result;
}

static int os_sync(void *context, int file)
{
    faulty_os *self = context;
    const etw_os *real = etw_os_default();
    lock(self);
    const handle *which = handle_of(self, file);
    int result = fault(self, FAULTY_SYNC);
    if (result == 0 && which->real >= 0) {
        result = real->sync(real->context, which->real);
    }
    unlock(self);
    return result;
}

static int64_t os_size(void *context, int file)
{
    faulty_os *self = context;
    const etw_os *real = etw_os_default();
    lock(self);
    const handle *which = handle_of(self, file);
    int64_t result = fault(self, FAULTY_SIZE);
    if (result == 0 && which->is_pipe) {
        result = -ESPIPE;
    } else if (result == 0) {
        result = which->real >= 0 ? real->size(real->context, which->real)
                                  : (int64_t)self->files[which->entry].size;
    }
    unlock(self);
    return result;
}

static int os_close(void *context, int file)
{
    faulty_os *self = context;
    const etw_os *real = etw_os_default();
    lock(self);
    handle *which = handle_of(self, file);
    int result = fault(self, FAULTY_CLOSE);
    if (which->real >= 0) {
        const int closed = real->close(real->context, which->real);
        result = result == 0 ? closed : result;
    }
    which->used = false;
    unlock(self);
    return result;
}

static void remove_file(memory_file *file)
{
    free(file->data);
    memset(file, 0, sizeof *file);
}

static int os_rename(void *context, const char *from, const char *to)
{
    faulty_os *self = context;
    const etw_os *real = etw_os_default();
    bool is_pipe;
    const char *old_name = memory_name(from, &is_pipe);
    const char *new_name = memory_name(to, &is_pipe);
    lock(self);
    int result = fault(self, FAULTY_RENAME);
    if (result == 0 && (old_name == NULL || new_name == NULL)) {
        result = real->rename(real->context, from, to);
    } else if (result == 0) {
        const int entry = find_file(self, old_name);
        const int replaced = find_file(self, new_name);
        result = entry < 0 ? -ENOENT : 0;
        if (entry >= 0 && replaced >= 0 && replaced != entry) {
            remove_file(&self->files[replaced]);
        }
        if (entry >= 0) {
            memcpy(self->files[entry].name, new_name, strlen(new_name) + 1);
        }
    }
    unlock(self);
    return result;
}

static int os_remove(void *context, const char *path)
{
    faulty_os *self = context;
    const etw_os *real = etw_os_default();
    bool is_pipe;
    const char *name = memory_name(path, &is_pipe);
    lock(self);
    int result = fault(self, FAULTY_REMOVE);
    if (result == 0 && name == NULL) {
        result = real->remove(real->context, path);
    } else if (result == 0) {
        const int entry = find_file(self, name);
        result = entry < 0 ? -ENOENT : 0;
        if (entry >= 0) {
            remove_file(&self->files[entry]);
        }
    }
    unlock(self);
    return result;
}

static int os_kind(void *context, const char *path)
{
    faulty_os *self = context;
    const etw_os *real = etw_os_default();
    bool is_pipe;
    const char *name = memory_name(path, &is_pipe);
    lock(self);
    int result = fault(self, FAULTY_KIND);
    if (result == 0 && name == NULL) {
        result = real->kind(real->context, path);
    } else if (result == 0 && find_file(self, name) >= 0) {
        result = is_pipe ? ETW_PATH_OTHER : ETW_PATH_FILE;
    }
    unlock(self);
    return result;
}

static int64_t os_free_space(void *context, const char *path)
{
    faulty_os *self = context;
    (void)path;
    lock(self);
    const uint64_t room =
        self->faults.capacity > self->written ? self->faults.capacity - self->written : 0;
    unlock(self);
    return room > INT64_MAX ? INT64_MAX : (int64_t)room;
}

static int64_t os_filetime_now(void *context)
{
    faulty_os *self = context;
    lock(self);
    const int64_t now = self->now_ns / 100;
    unlock(self);
    return now;
}

static int64_t os_monotonic_ns(void *context)
{
    faulty_os *self = context;
    lock(self);
    const int64_t now = self->now_ns;
    unlock(self);
    return now;
}

faulty_os *faulty_os_new(void)
{
    faulty_os *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    (void)pthread_mutex_init(&self->lock, NULL);
    self->faults.capacity = UINT64_MAX;
    self->now_ns = 1000000000;
    self->table = (etw_os){.context = self,
                           .open = os_open,
                           .open_temporary = os_open_temporary,
                           .read = os_read,
                           .read_at = os_read_at,
                           .write = os_write,
                           .sync = os_sync,
                           .size = os_size,
                           .close = os_close,
                           .rename = os_rename,
                           .remove = os_remove,
                           .kind = os_kind,
                           .free_space = os_free_space,
                           .filetime_now = os_filetime_now,
                           .monotonic_ns = os_monotonic_ns};
    return self;
}

void faulty_os_free(faulty_os *self)
{
    if (self == NULL) {
        return;
    }
    for (int i = 0; i < MAX_FILES; i++) {
        free(self->files[i].data);
    }
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
}

int faulty_os_set_up(void **state)
{
    *state = faulty_os_new();
    return *state == NULL ? -1 : 0;
}

int faulty_os_tear_down(void **state)
{
    const uint32_t open_files = faulty_os_open_files(*state);
    faulty_os_free(*state);
    return open_files == 0 ? 0 : -1;
}

const etw_os *faulty_os_table(faulty_os *self)
{
    return &self->table;
}

void faulty_os_set(faulty_os *self, const faulty_faults *faults)
{
    lock(self);
    self->faults = *faults;
    unlock(self);
}

uint64_t faulty_os_calls(faulty_os *self, faulty_call call)
{
    lock(self);
    const uint64_t calls = self->calls[call];
    unlock(self);
    return calls;
}

void faulty_os_reset_calls(faulty_os *self)
{
    lock(self);
    memset(self->calls, 0, sizeof self->calls);
    self->written = 0;
    unlock(self);
}

uint32_t faulty_os_open_files(faulty_os *self)
{
    uint32_t count = 0;
    lock(self);
    for (int i = 0; i < MAX_HANDLES; i++) {
        count += self->handles[i].used ? 1u : 0u;
    }
    unlock(self);
    return count;
}

void faulty_os_advance_ms(faulty_os *self, int64_t milliseconds)
{
    lock(self);
    self->now_ns += milliseconds * 1000000;
    unlock(self);
}

etw_bytes faulty_os_get(faulty_os *self, const char *name)
{
    const int entry = find_file(self, name);
    etw_bytes bytes = {NULL, 0};
    if (entry >= 0) {
        bytes = (etw_bytes){self->files[entry].data, self->files[entry].size};
    }
    return bytes;
}

bool faulty_os_put(faulty_os *self, const char *name, etw_bytes bytes)
{
    int entry = find_file(self, name);
    if (entry < 0) {
        entry = make_file(self, name);
    }
    if (entry < 0) {
        return false;
    }
    self->files[entry].size = 0;
    return write_memory(&self->files[entry], bytes.data, bytes.size) >= 0;
}
