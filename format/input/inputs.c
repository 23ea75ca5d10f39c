/* The inputs that a path stands for: files of a folder or a pattern, traces in an archive. */
#include "format/base/name_list.h"
#include "format/base/names.h"
#include "format/input/opening.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the inputs");
}

typedef struct giving {
    const etw_os *os;
    etw_input_options options;
    etw_status (*take)(void *context, etw_input *input, etw_error *error);
    void *context;
} giving;

/* One file of those that a path stands for, with all that is in it. */
typedef struct one_file {
    const giving *to;
    etw_input_spool spool;
} one_file;

static etw_status give_input(one_file *file, etw_input *input, uint32_t wrappings,
                             etw_error *error);

/* By its name, as in a folder or an archive nothing else is a promise. */
static bool is_trace_name(const char *name)
{
    static const char *const traces[] = {".etl", ".etwcap"};
    static const char *const wrappings[] = {"",     ".gz", ".zst", ".xz",  ".bz2",
                                            ".lz4", ".lz", ".zip", ".cab", ".7z"};
    char ending[16];
    for (size_t t = 0; t < sizeof traces / sizeof traces[0]; t++) {
        for (size_t w = 0; w < sizeof wrappings / sizeof wrappings[0]; w++) {
            (void)snprintf(ending, sizeof ending, "%s%s", traces[t], wrappings[w]);
            if (etw_name_ends_with(name, ending)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_wanted_member(const giving *to, const char *name)
{
    return to->options.member == NULL
               ? is_trace_name(name)
               : strcmp(to->options.member, name) == 0 ||
                     strcmp(to->options.member, etw_name_last_part(name)) == 0;
}

/* An archive while its files are given. */
typedef struct unpacking {
    one_file *file;
    const char *name; /* of the archive */
    uint32_t wrappings;
    uint32_t given;
    bool was_given; /* the failure is of what took a file, and says so */
} unpacking;

static bool is_wanted(void *context, const char *name)
{
    const unpacking *u = context;
    return is_wanted_member(u->file->to, name);
}

static etw_status give_member(void *context, const char *name, int file, etw_error *error)
{
    unpacking *u = context;
    const giving *to = u->file->to;
    etw_input *input;
    etw_status status = etw_input_new(to->os, u->name, name, &input, error);
    u->given++;
    u->was_given = status == ETW_OK;
    if (status != ETW_OK) {
        (void)to->os->close(to->os->context, file);
        etw_input_close(input);
        return status;
    }
    etw_input_use_file(input, file);
    status = give_input(u->file, input, u->wrappings, error);
    u->was_given = status != ETW_OK;
    return status;
}

static etw_status give_members(one_file *file, etw_input *input, const etw_file_kind *archive,
                               uint32_t wrappings, etw_error *error)
{
    const etw_os *os = file->to->os;
    const int handle = etw_input_file(input);
    const int64_t size = os->size(os->context, handle);
    unpacking u = {.file = file, .name = etw_input_name(input), .wrappings = wrappings};
    const etw_archive from = {.os = os,
                              .file = handle,
                              .size = size < 0 ? 0 : (uint64_t)size,
                              .spool = &file->spool,
                              .is_wanted = is_wanted,
                              .take = give_member,
                              .context = &u};
    const char *member = file->to->options.member;
    const etw_status status = archive->each(&from, error);
    if (status != ETW_OK) {
        return u.was_given ? status : etw_error_wrap(error, status, "%s", u.name);
    }
    if (u.given > 0) {
        return ETW_OK;
    }
    return member == NULL
               ? etw_error_set(error, ETW_ERROR_NOT_THIS,
                               "%s: no file in it has a name that ends in .etl or .etwcap", u.name)
               : etw_error_set(error, ETW_ERROR_NOT_FOUND, "%s: no file in it is named %s", u.name,
                               member);
}

/* Takes over input. */
static etw_status give_input(one_file *file, etw_input *input, uint32_t wrappings, etw_error *error)
{
    const giving *to = file->to;
    const etw_file_kind *archive;
    etw_status status =
        etw_input_take_off(input, &to->options, &wrappings, &file->spool, &archive, error);
    if (status != ETW_OK) {
        (void)etw_error_wrap(error, status, "%s", etw_input_name(input));
    } else if (archive == NULL) {
        return to->take(to->context, input, error);
    } else {
        status = give_members(file, input, archive, wrappings, error);
    }
    etw_input_close(input);
    return status;
}

static etw_status give_file(const giving *to, const char *path, etw_error *error)
{
    etw_input *input;
    etw_status status =
        etw_input_new(to->os, strcmp(path, "-") == 0 ? "stdin" : path, NULL, &input, error);
    if (status == ETW_OK) {
        status = etw_input_open_path(input, path, error);
    }
    if (status != ETW_OK) {
        etw_input_close(input);
        return etw_error_wrap(error, status, "%s", path);
    }
    one_file file = {.to = to};
    return give_input(&file, input, 0, error);
}

/* Folders and patterns. */

static bool is_input_name(const void *pattern, const char *name)
{
    return pattern == NULL ? is_trace_name(name)
                           : name[0] != '.' && etw_name_fits(pattern, name, strlen(name), false);
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
    etw_name_list list = {.limit = ETW_INPUT_MAX_FILES, .wants = is_input_name, .context = pattern};
    const int listed = etw_name_list_read(&list, to->os, *folder == '\0' ? "." : folder);
    *is_folder = listed == 0;
    etw_status status = list.status;
    if (status != ETW_OK) {
        (void)etw_error_set(error, status, "%s: %s", folder,
                            status == ETW_ERROR_LIMIT ? "more than 4096 traces" : "no memory");
    } else if (*is_folder && list.count == 0) {
        status = etw_error_set(error, ETW_ERROR_NOT_FOUND, "%s%s: no trace is there", folder,
                               pattern == NULL ? "" : pattern);
    }
    for (uint32_t i = 0; i < list.count && status == ETW_OK && *is_folder; i++) {
        status = give_name(to, folder, list.names[i], error);
    }
    etw_name_list_free(&list);
    return status;
}

static etw_status give_pattern(const giving *to, const char *path, bool *is_folder,
                               etw_error *error)
{
    const char *pattern = etw_name_last_part(path);
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
    } else if (kind != ETW_PATH_FILE && strpbrk(etw_name_last_part(path), "*?") != NULL) {
        status = give_pattern(to, path, &is_folder, error);
    }
    return status != ETW_OK || is_folder ? status : give_file(to, path, error);
}

etw_status etw_inputs_each(const etw_os *os, const char *const *paths, uint32_t count,
                           const etw_input_options *options, const etw_input_taker *taker,
                           etw_error *error)
{
    giving to = {.os = os, .take = taker->take, .context = taker->context};
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
                      "%s: not the only trace there; name one of them", etw_input_name(input));
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
