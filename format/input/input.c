#include "format/input/input.h"

#include "format/input/opening.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Enough of a trace to know it: a live one may have no more yet. */
#define FIRST_LOOK 128u
/* Files of the table that readers get: above any of the system's. */
#define FIRST_OPEN (1 << 20)

typedef struct opened {
    bool is_used;
    uint64_t at; /* of the next byte to read */
} opened;

struct etw_input {
    etw_os os; /* inner's, but the name leads here */
    const etw_os *inner;
    char *name;
    int file;
    bool owns_file;
    bool is_named; /* the file has the input's name, so that it can be opened again */
    bool is_sparing;
    etw_file_identity identity; /* of a sparing one */
    bool can_seek;
    uint8_t *kept; /* the first bytes, where it cannot seek */
    size_t kept_size;
    uint64_t taken;      /* bytes that were read, where it cannot seek */
    uint64_t bytes_read; /* and where it can, some of them more than once */
    bool is_held;
    int64_t held_size; /* is_held: what readers are told of its size */
    void (*watch)(void *context);
    void *watch_context;
    opened opens[ETW_INPUT_MAX_OPENS];
};

/* The table for readers. */

static const etw_os *inner_of(void *context)
{
    return ((etw_input *)context)->inner;
}

static opened *open_of(etw_input *input, int file)
{
    return file >= FIRST_OPEN && file < FIRST_OPEN + (int)ETW_INPUT_MAX_OPENS
               ? &input->opens[file - FIRST_OPEN]
               : NULL;
}

static int input_open(void *context, const char *path, etw_open_mode mode)
{
    etw_input *input = context;
    if (mode != ETW_OPEN_READ || strcmp(path, input->name) != 0) {
        return input->inner->open(input->inner->context, path, mode);
    }
    for (int i = 0; i < (int)ETW_INPUT_MAX_OPENS; i++) {
        if (!input->opens[i].is_used) {
            input->opens[i] = (opened){.is_used = true};
            return FIRST_OPEN + i;
        }
    }
    return -EMFILE;
}

static int input_open_temporary(void *context)
{
    const etw_os *inner = inner_of(context);
    return inner->open_temporary(inner->context);
}

/* The file, of a sparing input opened anew; leave_file ends its use. Or the negated errno. */
static int enter_file(const etw_input *input)
{
    const etw_os *inner = input->inner;
    if (!input->is_sparing) {
        return input->file;
    }
    const int file = inner->open(inner->context, input->name, ETW_OPEN_READ);
    if (file >= 0 && !etw_os_is_still(inner, file, &input->identity)) {
        (void)inner->close(inner->context, file);
        return -ENOENT;
    }
    return file;
}

static void leave_file(const etw_input *input, int file)
{
    if (input->is_sparing) {
        (void)input->inner->close(input->inner->context, file);
    }
}

static int64_t read_file_at(etw_input *input, void *into, size_t size, uint64_t offset)
{
    const etw_os *inner = input->inner;
    const int file = enter_file(input);
    if (file < 0) {
        return file;
    }
    const int64_t got = inner->read_at(inner->context, file, into, size, offset);
    leave_file(input, file);
    input->bytes_read += got > 0 ? (uint64_t)got : 0;
    return got;
}

/* Reads on in an input that cannot seek, and keeps its first bytes. */
static int64_t read_on(etw_input *input, void *into, size_t size)
{
    const etw_os *inner = input->inner;
    const int64_t got = inner->read(inner->context, input->file, into, size);
    if (got > 0) {
        const size_t room = ETW_INPUT_KEPT_BYTES - input->kept_size;
        if (input->kept_size == input->taken && (size_t)got <= room) {
            memcpy(input->kept + input->kept_size, into, (size_t)got);
            input->kept_size += (size_t)got;
        }
        input->taken += (uint64_t)got;
    }
    return got;
}

static void tell_watch(const etw_input *input)
{
    if (input->watch != NULL) {
        input->watch(input->watch_context);
    }
}

static int64_t read_open(etw_input *input, opened *from, void *into, size_t size)
{
    int64_t got = -ESPIPE;
    if (input->can_seek) {
        got = read_file_at(input, into, size, from->at);
    } else if (from->at < input->kept_size) {
        const size_t left = input->kept_size - (size_t)from->at;
        got = (int64_t)(size < left ? size : left);
        memcpy(into, input->kept + from->at, (size_t)got);
    } else if (from->at == input->taken) {
        got = read_on(input, into, size);
    }
    from->at += got > 0 ? (uint64_t)got : 0;
    tell_watch(input);
    return got;
}

static int64_t input_read(void *context, int file, void *into, size_t size)
{
    opened *from = open_of(context, file);
    const etw_os *inner = inner_of(context);
    return from == NULL ? inner->read(inner->context, file, into, size)
                        : read_open(context, from, into, size);
}

static int64_t input_read_at(void *context, int file, void *into, size_t size, uint64_t offset)
{
    etw_input *input = context;
    const etw_os *inner = input->inner;
    if (open_of(input, file) == NULL) {
        return inner->read_at(inner->context, file, into, size, offset);
    }
    const int64_t got = input->can_seek ? read_file_at(input, into, size, offset) : -ESPIPE;
    tell_watch(input);
    return got;
}

static int64_t input_write(void *context, int file, const void *from, size_t size)
{
    const etw_os *inner = inner_of(context);
    return open_of(context, file) != NULL ? -EBADF : inner->write(inner->context, file, from, size);
}

static int input_sync(void *context, int file)
{
    const etw_os *inner = inner_of(context);
    return inner->sync(inner->context, file);
}

static int64_t input_size(void *context, int file)
{
    const etw_input *input = context;
    const bool is_own = open_of(context, file) != NULL;
    if (is_own && !input->can_seek) {
        return -ESPIPE;
    }
    if (!is_own) {
        return input->inner->size(input->inner->context, file);
    }
    if (input->is_held) {
        return input->held_size;
    }
    const int own = enter_file(input);
    const int64_t size = own < 0 ? own : input->inner->size(input->inner->context, own);
    if (own >= 0) {
        leave_file(input, own);
    }
    return size;
}

static int input_close(void *context, int file)
{
    const etw_os *inner = inner_of(context);
    opened *from = open_of(context, file);
    if (from == NULL) {
        return inner->close(inner->context, file);
    }
    from->is_used = false;
    return 0;
}

static int input_rename(void *context, const char *from, const char *to)
{
    const etw_os *inner = inner_of(context);
    return inner->rename(inner->context, from, to);
}

static int input_remove(void *context, const char *path)
{
    const etw_os *inner = inner_of(context);
    return inner->remove(inner->context, path);
}

static int input_kind(void *context, const char *path)
{
    const etw_os *inner = inner_of(context);
    return inner->kind(inner->context, path);
}

static int64_t input_free_space(void *context, const char *path)
{
    const etw_os *inner = inner_of(context);
    return inner->free_space(inner->context, path);
}

static int64_t input_filetime_now(void *context)
{
    const etw_os *inner = inner_of(context);
    return inner->filetime_now(inner->context);
}

static int64_t input_monotonic_ns(void *context)
{
    const etw_os *inner = inner_of(context);
    return inner->monotonic_ns(inner->context);
}

static int input_list(void *context, const char *path, void (*take)(void *into, const char *name),
                      void *into)
{
    const etw_os *inner = inner_of(context);
    return inner->list == NULL ? -ENOTDIR : inner->list(inner->context, path, take, into);
}

static etw_os table_for(etw_input *input)
{
    etw_os os = *input->inner; /* what is added to the table later is the inner one's */
    os.context = input;
    os.open = input_open;
    os.open_temporary = input_open_temporary;
    os.read = input_read;
    os.read_at = input_read_at;
    os.write = input_write;
    os.sync = input_sync;
    os.size = input_size;
    os.close = input_close;
    os.rename = input_rename;
    os.remove = input_remove;
    os.kind = input_kind;
    os.free_space = input_free_space;
    os.filetime_now = input_filetime_now;
    os.monotonic_ns = input_monotonic_ns;
    os.list = input_list;
    return os;
}

/* Opening. */

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for an input");
}

static etw_status set_name(etw_input *input, const char *name, const char *member, etw_error *error)
{
    const size_t size = strlen(name) + (member == NULL ? 0 : strlen(member)) + 2;
    char *made = malloc(size);
    if (made == NULL) {
        return no_memory(error);
    }
    (void)snprintf(made, size, "%s%s%s", name, member == NULL ? "" : "/",
                   member == NULL ? "" : member);
    free(input->name);
    input->name = made;
    return ETW_OK;
}

static void close_file(etw_input *input)
{
    if (input->owns_file) {
        (void)input->inner->close(input->inner->context, input->file);
    }
    input->owns_file = false;
}

void etw_input_use_file(etw_input *input, int file)
{
    close_file(input);
    free(input->kept);
    input->kept = NULL;
    input->kept_size = 0;
    input->file = file;
    input->owns_file = true;
    input->is_named = false;
    input->can_seek = true;
}

etw_status etw_input_new(const etw_os *os, const char *name, const char *member, etw_input **made,
                         etw_error *error)
{
    etw_input *input = calloc(1, sizeof *input);
    *made = input;
    if (input == NULL) {
        return no_memory(error);
    }
    input->inner = os;
    input->os = table_for(input);
    input->file = -1;
    return set_name(input, name, member, error);
}

etw_status etw_input_open_path(etw_input *input, const char *path, etw_error *error)
{
    const etw_os *os = input->inner;
    const bool is_stdin = strcmp(path, "-") == 0;
    input->file = is_stdin ? ETW_FILE_STDIN : os->open(os->context, path, ETW_OPEN_READ);
    if (input->file < 0) {
        return etw_error_set_os(error, -input->file, "cannot open");
    }
    input->owns_file = !is_stdin;
    /* Standard input may stand anywhere in its file. */
    const int64_t size = is_stdin ? -ESPIPE : os->size(os->context, input->file);
    if (size < 0 && size != -ESPIPE) {
        return etw_error_set_os(error, (int)-size, "cannot tell its size");
    }
    input->can_seek = size >= 0;
    input->is_named = input->can_seek;
    if (!input->can_seek) {
        input->kept = malloc(ETW_INPUT_KEPT_BYTES);
    }
    return input->can_seek || input->kept != NULL ? ETW_OK : no_memory(error);
}

/* The beginning; head has room for ETW_FILE_KIND_BYTES. */
static etw_status look(etw_input *input, uint8_t *head, size_t *size, etw_error *error)
{
    const int file = input_open(input, input->name, ETW_OPEN_READ);
    etw_status status = etw_os_read_full(&input->os, file, head, FIRST_LOOK, size, error);
    if (status == ETW_OK && *size == FIRST_LOOK && !etw_file_is_trace((etw_bytes){head, *size})) {
        size_t more;
        status = etw_os_read_full(&input->os, file, head + FIRST_LOOK,
                                  ETW_FILE_KIND_BYTES - FIRST_LOOK, &more, error);
        *size += status == ETW_OK ? more : 0;
    }
    (void)input_close(input, file);
    return status;
}

typedef etw_status (*unwrapping)(etw_unwrap *unwrap, etw_error *error);

/* A temporary file with what function makes of the input takes its place. */
static etw_status replace_by(etw_input *input, unwrapping function, etw_input_spool *spool,
                             etw_error *error)
{
    const etw_os *os = input->inner;
    const int file = os->open_temporary(os->context);
    if (file < 0) {
        return etw_error_set_os(error, -file, "a temporary file for it");
    }
    const int from = input_open(input, input->name, ETW_OPEN_READ);
    etw_unwrap unwrap = {.os = &input->os,
                         .from = from,
                         .can_seek = input->can_seek,
                         .end = UINT64_MAX,
                         .spool = spool,
                         .to = file};
    const etw_status status = function(&unwrap, error);
    (void)input_close(input, from);
    if (status == ETW_OK) {
        etw_input_use_file(input, file);
    } else {
        (void)os->close(os->context, file);
    }
    return status;
}

static etw_status refuse(const etw_file_kind *kind, etw_error *error)
{
    return kind->role == ETW_FILE_OTHER
               ? etw_error_set(error, ETW_ERROR_NOT_THIS, "this is %s, not an ETW trace; %s",
                               kind->name, kind->advice)
               : etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                               "this is %s, which this build cannot read: unwrap it first",
                               kind->name);
}

/* What it is, once nothing that can be taken off is left. */
static etw_status take_off_all(etw_input *input, uint32_t *wrappings, etw_input_spool *spool,
                               const etw_file_kind **found, etw_error *error)
{
    for (;;) {
        uint8_t head[ETW_FILE_KIND_BYTES];
        size_t size;
        etw_status status = look(input, head, &size, error);
        if (status != ETW_OK) {
            return status;
        }
        if (size == 0) {
            return etw_error_set(error, ETW_ERROR_NOT_THIS, "the file is empty");
        }
        const etw_file_kind *kind = etw_file_kind_find((etw_bytes){head, size});
        *found = kind;
        if (kind == NULL || (kind->take_off == NULL && kind->each == NULL)) {
            return ETW_OK;
        }
        if ((*wrappings)++ == ETW_INPUT_MAX_WRAPPINGS) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "wrapped more than %u times",
                                 ETW_INPUT_MAX_WRAPPINGS);
        }
        if (kind->each != NULL) {
            return ETW_OK;
        }
        status = replace_by(input, kind->take_off, spool, error);
        if (status != ETW_OK) {
            return status;
        }
    }
}

/* One that never ends, or is no trace, must not fill the disk. */
static etw_status copy_trace(etw_input *input, const etw_input_options *options,
                             etw_input_spool *spool, etw_error *error)
{
    uint8_t head[ETW_FILE_KIND_BYTES];
    size_t size = 0;
    const etw_status status = look(input, head, &size, error);
    if (status != ETW_OK) {
        return status;
    }
    return options->any_bytes || etw_file_is_trace((etw_bytes){head, size})
               ? replace_by(input, etw_unwrap_copy, spool, error)
               : etw_error_set(error, ETW_ERROR_NOT_THIS, ETW_INPUT_UNKNOWN);
}

etw_status etw_input_take_off(etw_input *input, const etw_input_options *options,
                              uint32_t *wrappings, etw_input_spool *spool,
                              const etw_file_kind **archive, etw_error *error)
{
    const etw_file_kind *found = NULL;
    *archive = NULL;
    etw_status status = take_off_all(input, wrappings, spool, &found, error);
    if (status != ETW_OK) {
        return status;
    }
    if (found != NULL && found->each != NULL) {
        *archive = found;
        return input->can_seek ? ETW_OK : replace_by(input, etw_unwrap_copy, spool, error);
    }
    if (found != NULL && !options->any_bytes) {
        return refuse(found, error);
    }
    return input->can_seek || !options->rereads ? ETW_OK : copy_trace(input, options, spool, error);
}

void etw_input_close(etw_input *input)
{
    if (input != NULL) {
        close_file(input);
        free(input->kept);
        free(input->name);
        free(input);
    }
}

int etw_input_file(const etw_input *input)
{
    return input->file;
}

void etw_input_spare(etw_input *input)
{
    const etw_os *os = input->inner;
    if (input->is_named && !input->is_sparing && os->identity != NULL &&
        os->identity(os->context, input->file, &input->identity) >= 0) {
        close_file(input);
        input->is_sparing = true;
    }
}

const etw_os *etw_input_os(const etw_input *input)
{
    return &input->os;
}

const char *etw_input_name(const etw_input *input)
{
    return input->name;
}

void etw_input_watch(etw_input *input, void (*watch)(void *context), void *context)
{
    input->watch = watch;
    input->watch_context = context;
}

uint64_t etw_input_bytes_read(const etw_input *input)
{
    return input->can_seek ? input->bytes_read : input->taken;
}

uint64_t etw_input_size(etw_input *input)
{
    const int64_t size = input->can_seek ? input_size(input, FIRST_OPEN) : 0;
    return size < 0 ? 0 : (uint64_t)size;
}

bool etw_input_can_seek(const etw_input *input)
{
    return input->can_seek;
}

bool etw_input_can_grow(const etw_input *input)
{
    return input->is_named;
}

void etw_input_hold_size(etw_input *input, bool is_held)
{
    input->is_held = false;
    input->held_size = is_held ? input_size(input, FIRST_OPEN) : 0;
    input->is_held = is_held;
}
