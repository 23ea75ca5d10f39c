#include "format/input/input.h"

#include "format/base/names.h"
#include "format/etl/trace_buffer.h"
#include "format/etwcap/block.h"
#include "format/input/unwrap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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
    bool can_seek;
    uint8_t *kept; /* the first bytes, where it cannot seek */
    size_t kept_size;
    uint64_t taken; /* bytes that were read, where it cannot seek */
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

static int64_t read_file_at(etw_input *input, void *into, size_t size, uint64_t offset)
{
    const etw_os *inner = input->inner;
    return inner->read_at(inner->context, input->file, into, size, offset);
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
    return input->can_seek ? read_file_at(input, into, size, offset) : -ESPIPE;
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
    return input->inner->size(input->inner->context, is_own ? input->file : file);
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

/* From now on the input is this file, which can seek. */
static void use_file(etw_input *input, int file)
{
    close_file(input);
    free(input->kept);
    input->kept = NULL;
    input->kept_size = 0;
    input->file = file;
    input->owns_file = true;
    input->can_seek = true;
}

static etw_status new_input(const etw_os *os, const char *name, const char *member,
                            etw_input **made, etw_error *error)
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

static etw_status open_path(etw_input *input, const char *path, etw_error *error)
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
    if (!input->can_seek) {
        input->kept = malloc(ETW_INPUT_KEPT_BYTES);
    }
    return input->can_seek || input->kept != NULL ? ETW_OK : no_memory(error);
}

/* The beginning; head has room for ETW_UNWRAP_HEAD bytes. */
static etw_status look(etw_input *input, uint8_t *head, size_t *size, etw_error *error)
{
    const int file = input_open(input, input->name, ETW_OPEN_READ);
    const etw_status status =
        etw_os_read_full(&input->os, file, head, ETW_UNWRAP_HEAD, size, error);
    (void)input_close(input, file);
    return status;
}

/* A temporary file with what take_off makes of the input. */
static etw_status take_off(etw_input *input,
                           etw_status (*function)(etw_unwrap *unwrap, etw_error *error), int *file,
                           etw_error *error)
{
    const etw_os *os = input->inner;
    *file = os->open_temporary(os->context);
    if (*file < 0) {
        return etw_error_set_os(error, -*file, "a temporary file for it");
    }
    const int from = input_open(input, input->name, ETW_OPEN_READ);
    etw_unwrap unwrap = {.os = &input->os,
                         .from = from,
                         .can_seek = input->can_seek,
                         .end = UINT64_MAX,
                         .to = *file};
    const etw_status status = function(&unwrap, error);
    (void)input_close(input, from);
    if (status != ETW_OK) {
        (void)os->close(os->context, *file);
    }
    return status;
}

static etw_status replace_by(etw_input *input,
                             etw_status (*function)(etw_unwrap *unwrap, etw_error *error),
                             etw_error *error)
{
    int file;
    const etw_status status = take_off(input, function, &file, error);
    if (status == ETW_OK) {
        use_file(input, file);
    }
    return status;
}

static etw_status cannot_unwrap(const etw_wrapping *wrapping, etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                         "a %s file, which this build cannot read: unwrap it first",
                         wrapping->name);
}

/* One that never ends, or is no trace, must not fill the disk. */
static etw_status copy_all(etw_input *input, const etw_input_options *options, etw_bytes head,
                           etw_error *error)
{
    bool is_trace = options->any_bytes;
    if (head.size >= ETW_BUFFER_HEADER_SIZE) {
        const etw_buffer_header first = etw_buffer_header_read(head.data);
        is_trace = is_trace || etw_buffer_header_problem(&first) == NULL;
    }
    uint32_t major, minor;
    is_trace = is_trace || etw_head_load(head, &major, &minor, NULL) != ETW_ERROR_NOT_THIS;
    return is_trace
               ? replace_by(input, etw_unwrap_copy, error)
               : etw_error_set(error, ETW_ERROR_NOT_THIS, "neither an .etwcap nor an .etl file");
}

/* Takes off all that is wrapped around it; *archive: it is one, and can seek. */
static etw_status unwrap_all(etw_input *input, const etw_input_options *options,
                             uint32_t *wrappings, bool *archive, etw_error *error)
{
    uint8_t head[ETW_UNWRAP_HEAD];
    size_t size;
    etw_status status = look(input, head, &size, error);
    const etw_wrapping *wrapping = NULL;
    *archive = false;
    while (status == ETW_OK && (wrapping = etw_wrapping_find((etw_bytes){head, size})) != NULL) {
        if (!wrapping->is_known) {
            return cannot_unwrap(wrapping, error);
        }
        if ((*wrappings)++ == ETW_INPUT_MAX_WRAPPINGS) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "wrapped more than %u times",
                                 ETW_INPUT_MAX_WRAPPINGS);
        }
        *archive = wrapping->take_off == NULL;
        if (*archive) {
            break;
        }
        status = replace_by(input, wrapping->take_off, error);
        if (status == ETW_OK) {
            status = look(input, head, &size, error);
        }
    }
    if (status == ETW_OK && size == 0) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "the file is empty");
    }
    if (status != ETW_OK || input->can_seek) {
        return status;
    }
    return *archive           ? replace_by(input, etw_unwrap_copy, error)
           : options->rereads ? copy_all(input, options, (etw_bytes){head, size}, error)
                              : ETW_OK;
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

const etw_os *etw_input_os(const etw_input *input)
{
    return &input->os;
}

const char *etw_input_name(const etw_input *input)
{
    return input->name;
}

bool etw_input_can_seek(const etw_input *input)
{
    return input->can_seek;
}

/* Several. */

typedef struct giving {
    const etw_os *os;
    etw_input_options options;
    etw_status (*take)(void *context, etw_input *input, etw_error *error);
    void *context;
} giving;

static etw_status give_input(const giving *to, etw_input *input, uint32_t wrappings,
                             etw_error *error);

static const char *last_part(const char *path)
{
    const char *part = path;
    for (const char *at = path; *at != '\0'; at++) {
        part = *at == '/' || *at == '\\' ? at + 1 : part;
    }
    return part;
}

/* By its name, as in a folder or an archive nothing else is a promise. */
static bool is_trace_name(const char *name)
{
    static const char *const endings[] = {".etl",     ".etwcap",     ".etl.gz",  ".etwcap.gz",
                                          ".etl.zst", ".etwcap.zst", ".etl.zip", ".etwcap.zip"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (etw_name_ends_with(name, endings[i])) {
            return true;
        }
    }
    return false;
}

static bool is_wanted_member(const giving *to, const char *name)
{
    return to->options.member == NULL ? is_trace_name(name)
                                      : strcmp(to->options.member, name) == 0 ||
                                            strcmp(to->options.member, last_part(name)) == 0;
}

static etw_status give_member(const giving *to, etw_input *archive, const etw_member *member,
                              uint32_t wrappings, etw_error *error)
{
    etw_input *input;
    etw_status status = new_input(to->os, archive->name, member->name, &input, error);
    const int file = status == ETW_OK ? to->os->open_temporary(to->os->context) : -1;
    if (status == ETW_OK && file < 0) {
        status = etw_error_set_os(error, -file, "a temporary file for %s", member->name);
    }
    if (status == ETW_OK) {
        use_file(input, file);
        etw_unwrap unwrap = {.os = to->os, .from = archive->file, .can_seek = true, .to = file};
        status = etw_zip_extract(&unwrap, member, error);
    }
    if (status != ETW_OK) {
        etw_input_close(input);
        return etw_error_wrap(error, status, "%s", archive->name);
    }
    return give_input(to, input, wrappings, error);
}

static etw_status give_members(const giving *to, etw_input *archive, uint32_t wrappings,
                               etw_error *error)
{
    etw_member_list list;
    const int64_t size = to->os->size(to->os->context, archive->file);
    etw_status status =
        etw_zip_list(to->os, archive->file, size < 0 ? 0 : (uint64_t)size, &list, error);
    if (status != ETW_OK) {
        return etw_error_wrap(error, status, "%s", archive->name);
    }
    uint32_t given = 0;
    for (uint32_t i = 0; i < list.count && status == ETW_OK; i++) {
        if (is_wanted_member(to, list.members[i].name)) {
            status = give_member(to, archive, &list.members[i], wrappings, error);
            given++;
        }
    }
    etw_member_list_free(&list);
    if (status == ETW_OK && given == 0) {
        return to->options.member == NULL
                   ? etw_error_set(error, ETW_ERROR_NOT_THIS,
                                   "%s: no file in it has a name that ends in .etl or .etwcap",
                                   archive->name)
                   : etw_error_set(error, ETW_ERROR_NOT_FOUND, "%s: no file in it is named %s",
                                   archive->name, to->options.member);
    }
    return status;
}

/* Takes over input. */
static etw_status give_input(const giving *to, etw_input *input, uint32_t wrappings,
                             etw_error *error)
{
    bool is_archive;
    etw_status status = unwrap_all(input, &to->options, &wrappings, &is_archive, error);
    if (status != ETW_OK) {
        (void)etw_error_wrap(error, status, "%s", input->name);
    } else if (!is_archive) {
        return to->take(to->context, input, error);
    } else {
        status = give_members(to, input, wrappings, error);
    }
    etw_input_close(input);
    return status;
}

static etw_status give_file(const giving *to, const char *path, etw_error *error)
{
    etw_input *input;
    etw_status status =
        new_input(to->os, strcmp(path, "-") == 0 ? "stdin" : path, NULL, &input, error);
    if (status == ETW_OK) {
        status = open_path(input, path, error);
    }
    if (status != ETW_OK) {
        etw_input_close(input);
        return etw_error_wrap(error, status, "%s", path);
    }
    return give_input(to, input, 0, error);
}

/* Folders and patterns. */

typedef struct name_list {
    const char *pattern;
    char **names;
    uint32_t count;
    etw_status status;
} name_list;

/* * is any number of characters, ? is one. No recursion: the last * takes one more each time. */
static bool matches(const char *pattern, const char *name)
{
    const char *star = NULL, *from = NULL;
    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

static void take_name(void *into, const char *name)
{
    name_list *list = into;
    const bool is_wanted = list->pattern == NULL ? is_trace_name(name)
                                                 : name[0] != '.' && matches(list->pattern, name);
    if (!is_wanted || list->status != ETW_OK) {
        return;
    }
    if (list->count == ETW_INPUT_MAX_FILES) {
        list->status = ETW_ERROR_LIMIT;
        return;
    }
    list->names[list->count] = strdup(name);
    if (list->names[list->count] == NULL) {
        list->status = ETW_ERROR_NO_MEMORY;
        return;
    }
    list->count++;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static etw_status give_name(const giving *to, const char *folder, const char *name,
                            etw_error *error)
{
    const size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path == NULL) {
        return no_memory(error);
    }
    const char end = *folder == '\0' ? '/' : folder[strlen(folder) - 1];
    (void)snprintf(path, size, "%s%s%s", folder, end == '/' || end == '\\' ? "" : "/", name);
    const etw_status status = give_file(to, path, error);
    free(path);
    return status;
}

/* *is_folder false: there is no such folder. */
static etw_status give_folder(const giving *to, const char *folder, const char *pattern,
                              bool *is_folder, etw_error *error)
{
    name_list list = {.pattern = pattern, .names = calloc(ETW_INPUT_MAX_FILES, sizeof *list.names)};
    if (list.names == NULL) {
        return no_memory(error);
    }
    const int listed =
        to->os->list == NULL
            ? -ENOTDIR
            : to->os->list(to->os->context, *folder == '\0' ? "." : folder, take_name, &list);
    *is_folder = listed == 0;
    etw_status status = list.status;
    if (status != ETW_OK) {
        (void)etw_error_set(error, status, "%s: %s", folder,
                            status == ETW_ERROR_LIMIT ? "more than 4096 traces" : "no memory");
    } else if (*is_folder && list.count == 0) {
        status = etw_error_set(error, ETW_ERROR_NOT_FOUND, "%s%s: no trace is there", folder,
                               pattern == NULL ? "" : pattern);
    }
    qsort(list.names, list.count, sizeof *list.names, compare_names);
    for (uint32_t i = 0; i < list.count; i++) {
        if (status == ETW_OK && *is_folder) {
            status = give_name(to, folder, list.names[i], error);
        }
        free(list.names[i]);
    }
    free(list.names);
    return status;
}

static etw_status give_pattern(const giving *to, const char *path, bool *is_folder,
                               etw_error *error)
{
    const char *pattern = last_part(path);
    char *folder = etw_name_copy(path, (size_t)(pattern - path));
    if (folder == NULL) {
        return no_memory(error);
    }
    const etw_status status = give_folder(to, folder, pattern, is_folder, error);
    free(folder);
    return status;
}

static etw_status give_path(const giving *to, const char *path, etw_error *error)
{
    bool is_folder = false;
    etw_status status = ETW_OK;
    const int kind = strcmp(path, "-") == 0 ? ETW_PATH_FILE : to->os->kind(to->os->context, path);
    if (kind == ETW_PATH_OTHER || kind == ETW_PATH_FOLDER) {
        status = give_folder(to, path, NULL, &is_folder, error);
    } else if (kind != ETW_PATH_FILE && strpbrk(last_part(path), "*?") != NULL) {
        status = give_pattern(to, path, &is_folder, error);
    }
    return status != ETW_OK || is_folder ? status : give_file(to, path, error);
}

etw_status etw_inputs_each(const etw_os *os, const char *const *paths, uint32_t count,
                           const etw_input_options *options,
                           etw_status (*take)(void *context, etw_input *input, etw_error *error),
                           void *context, etw_error *error)
{
    giving to = {.os = os, .take = take, .context = context};
    if (options != NULL) {
        to.options = *options;
    }
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < count && status == ETW_OK; i++) {
        status = give_path(&to, paths[i], error);
    }
    return status;
}

/* One. */

static etw_status take_only(void *context, etw_input *input, etw_error *error)
{
    etw_input **only = context;
    if (*only == NULL) {
        *only = input;
        return ETW_OK;
    }
    const etw_status status =
        etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                      "%s: not the only trace there; name one of them", input->name);
    etw_input_close(input);
    return status;
}

etw_status etw_input_open(const etw_os *os, const char *path, const etw_input_options *options,
                          etw_input **input, etw_error *error)
{
    giving to = {.os = os, .take = take_only, .context = input};
    *input = NULL;
    if (options != NULL) {
        to.options = *options;
    }
    const etw_status status = give_file(&to, path, error);
    if (status != ETW_OK) {
        etw_input_close(*input);
        *input = NULL;
    }
    return status;
}
