/* What libarchive reads for us. It is asked for one format or one compression at a time, by name:
 * left to itself it would take off wrappings within wrappings, and start other programs.
 *
 * It is loaded when the first file needs it: with all that it is linked with it would take more
 * memory, and more time at each start, than the tools themselves. */
#ifdef ETW_HAVE_LIBARCHIVE
#include "format/input/archive.h"
#include "format/input/input.h"

#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE ((size_t)256 << 10)
/* Of libarchive 3, whose interface does not change. */
#define SONAME "libarchive.so.13"

#define FUNCTIONS(X)                                                                               \
    X(archive_read_new)                                                                            \
    X(archive_read_free)                                                                           \
    X(archive_read_set_read_callback)                                                              \
    X(archive_read_set_seek_callback)                                                              \
    X(archive_read_set_callback_data)                                                              \
    X(archive_read_append_filter)                                                                  \
    X(archive_read_support_format_raw)                                                             \
    X(archive_read_support_format_cab)                                                             \
    X(archive_read_support_format_7zip)                                                            \
    X(archive_read_support_format_tar)                                                             \
    X(archive_read_open1)                                                                          \
    X(archive_read_next_header)                                                                    \
    X(archive_read_data)                                                                           \
    X(archive_error_string)                                                                        \
    X(archive_errno)                                                                               \
    X(archive_set_error)                                                                           \
    X(archive_entry_pathname)                                                                      \
    X(archive_entry_pathname_utf8)                                                                 \
    X(archive_entry_filetype)

typedef struct library {
#define MEMBER(name) __typeof__(&name) name;
    FUNCTIONS(MEMBER)
#undef MEMBER
} library;

/* It stays loaded, as it was not made to be unloaded. */
static bool load(library *to)
{
    void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    bool is_whole = handle != NULL;
    /* As dlsym's page does it: C has no cast from an object's pointer to a function's. */
#define FIND(name)                                                                                 \
    if (is_whole) {                                                                                \
        *(void **)(void *)&to->name = dlsym(handle, #name);                                        \
        is_whole = to->name != NULL;                                                               \
    }
    FUNCTIONS(FIND)
#undef FIND
    return is_whole;
}

typedef struct reading {
    library la;
    etw_unwrap *unwrap;
    uint64_t size; /* of the archive; 0: it is not to be read at any place */
    struct archive *archive;
    uint8_t *in, *out; /* PIECE each */
    etw_status status; /* of our own calls, with its text in error */
    etw_error error;
} reading;

static la_ssize_t pull(struct archive *archive, void *context, const void **buffer)
{
    reading *r = context;
    size_t got = 0;
    r->status = etw_unwrap_pull(r->unwrap, r->in, PIECE, &got, &r->error);
    *buffer = r->in;
    if (r->status != ETW_OK) {
        r->la.archive_set_error(archive, EIO, "reading failed");
        return -1;
    }
    return (la_ssize_t)got;
}

static la_int64_t seek(struct archive *archive, void *context, la_int64_t offset, int whence)
{
    reading *r = context;
    const uint64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? r->unwrap->at : r->size;
    la_int64_t to;
    if (__builtin_add_overflow((la_int64_t)from, offset, &to) || to < 0) {
        r->la.archive_set_error(archive, EINVAL, "a place outside the archive");
        return ARCHIVE_FATAL;
    }
    r->unwrap->at = (uint64_t)to;
    return to;
}

/* What went wrong last: our own failure, or what libarchive says. */
static etw_status failed(const reading *r, etw_error *error)
{
    if (r->status != ETW_OK) {
        if (error != NULL) {
            *error = r->error;
        }
        return r->status;
    }
    const char *text = r->la.archive_error_string(r->archive);
    return r->la.archive_errno(r->archive) == ENOMEM
               ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to unwrap the input")
               : etw_error_set(error, ETW_ERROR_DAMAGED, "it cannot be unwrapped: %s",
                               text == NULL ? "damaged" : text);
}

static etw_status begin(reading *r, etw_error *error)
{
    if (!load(&r->la)) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "it takes libarchive, which is not installed: unwrap it first");
    }
    r->archive = r->la.archive_read_new();
    r->in = malloc(PIECE);
    r->out = malloc(PIECE);
    if (r->archive == NULL || r->in == NULL || r->out == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to unwrap the input");
    }
    (void)r->la.archive_read_set_read_callback(r->archive, pull);
    if (r->size > 0) {
        (void)r->la.archive_read_set_seek_callback(r->archive, seek);
    }
    (void)r->la.archive_read_set_callback_data(r->archive, r);
    return ETW_OK;
}

static void end(reading *r)
{
    if (r->archive != NULL) {
        (void)r->la.archive_read_free(r->archive);
    }
    free(r->in);
    free(r->out);
}

/* The data of the entry at which the archive stands. is_kept false: is only counted, as skipping
 * may unpack it as well. */
static etw_status unwrap_entry(reading *r, bool is_kept, etw_error *error)
{
    for (;;) {
        const la_ssize_t got = r->la.archive_read_data(r->archive, r->out, PIECE);
        if (got == 0) {
            return ETW_OK;
        }
        if (got < 0 && got != ARCHIVE_RETRY && got != ARCHIVE_WARN) {
            return failed(r, error);
        }
        const size_t size = got < 0 ? 0 : (size_t)got;
        const etw_status status = is_kept ? etw_unwrap_push(r->unwrap, r->out, size, error)
                                          : etw_unwrap_pass(r->unwrap, size, error);
        if (status != ETW_OK) {
            return status;
        }
    }
}

/* Compressions. */

static etw_status unwrap_all(reading *r, int filter, etw_error *error)
{
    struct archive_entry *entry;
    if (r->la.archive_read_append_filter(r->archive, filter) != ARCHIVE_OK) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "this build's libarchive cannot read it: unwrap it first");
    }
    if (r->la.archive_read_support_format_raw(r->archive) != ARCHIVE_OK ||
        r->la.archive_read_open1(r->archive) != ARCHIVE_OK) {
        return failed(r, error);
    }
    /* A raw file's header comes with its first bytes: libarchive does not tell why there are none.
     */
    if (r->la.archive_read_next_header(r->archive, &entry) != ARCHIVE_OK) {
        return r->status != ETW_OK
                   ? failed(r, error)
                   : etw_error_set(error, ETW_ERROR_DAMAGED,
                                   "it cannot be unwrapped: empty, cut off or damaged");
    }
    return unwrap_entry(r, true, error);
}

static etw_status unwrap_by(etw_unwrap *unwrap, int filter, etw_error *error)
{
    reading r = {.unwrap = unwrap};
    etw_status status = begin(&r, error);
    if (status == ETW_OK) {
        status = unwrap_all(&r, filter, error);
    }
    end(&r);
    return status;
}

etw_status etw_unwrap_xz(etw_unwrap *unwrap, etw_error *error)
{
    return unwrap_by(unwrap, ARCHIVE_FILTER_XZ, error);
}

etw_status etw_unwrap_bzip2(etw_unwrap *unwrap, etw_error *error)
{
    return unwrap_by(unwrap, ARCHIVE_FILTER_BZIP2, error);
}

etw_status etw_unwrap_lz4(etw_unwrap *unwrap, etw_error *error)
{
    return unwrap_by(unwrap, ARCHIVE_FILTER_LZ4, error);
}

etw_status etw_unwrap_lzip(etw_unwrap *unwrap, etw_error *error)
{
    return unwrap_by(unwrap, ARCHIVE_FILTER_LZIP, error);
}

/* Archives. */

static const char *name_of(const reading *r, struct archive_entry *entry)
{
    const char *name = r->la.archive_entry_pathname_utf8(entry);
    name = name == NULL ? r->la.archive_entry_pathname(entry) : name;
    return name == NULL ? "" : name;
}

static etw_status take_entry(reading *r, const etw_archive *from, const char *name,
                             etw_error *error)
{
    const int file = from->os->open_temporary(from->os->context);
    if (file < 0) {
        return etw_error_set_os(error, -file, "a temporary file for %s", name);
    }
    r->unwrap->to = file;
    const etw_status status = unwrap_entry(r, true, error);
    if (status != ETW_OK) {
        (void)from->os->close(from->os->context, file);
        return etw_error_wrap(error, status, "%s", name);
    }
    return from->take(from->context, name, file, error);
}

static etw_status take_entries(reading *r, const etw_archive *from, etw_error *error)
{
    for (uint32_t count = 0;; count++) {
        struct archive_entry *entry;
        const int found = r->la.archive_read_next_header(r->archive, &entry);
        if (found == ARCHIVE_EOF) {
            return ETW_OK;
        }
        if (found != ARCHIVE_OK && found != ARCHIVE_WARN) {
            return failed(r, error);
        }
        if (count == ETW_INPUT_MAX_FILES) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "the archive has more than %u files",
                                 ETW_INPUT_MAX_FILES);
        }
        const char *name = name_of(r, entry);
        const bool is_wanted =
            r->la.archive_entry_filetype(entry) == AE_IFREG && from->is_wanted(from->context, name);
        const etw_status status =
            is_wanted ? take_entry(r, from, name, error) : unwrap_entry(r, false, error);
        if (status != ETW_OK) {
            return status;
        }
    }
}

typedef enum format { CAB, SEVEN_ZIP, TAR } format;

static int support(const reading *r, format which)
{
    return which == CAB         ? r->la.archive_read_support_format_cab(r->archive)
           : which == SEVEN_ZIP ? r->la.archive_read_support_format_7zip(r->archive)
                                : r->la.archive_read_support_format_tar(r->archive);
}

static etw_status each_by(const etw_archive *from, format which, etw_error *error)
{
    etw_unwrap unwrap = {.os = from->os,
                         .from = from->file,
                         .can_seek = true,
                         .end = UINT64_MAX,
                         .spool = from->spool};
    reading r = {.unwrap = &unwrap, .size = from->size};
    etw_status status = begin(&r, error);
    if (status == ETW_OK) {
        status =
            support(&r, which) == ARCHIVE_OK && r.la.archive_read_open1(r.archive) == ARCHIVE_OK
                ? take_entries(&r, from, error)
                : failed(&r, error);
    }
    end(&r);
    return status;
}

etw_status etw_archive_cab(const etw_archive *from, etw_error *error)
{
    return each_by(from, CAB, error);
}

etw_status etw_archive_7z(const etw_archive *from, etw_error *error)
{
    return each_by(from, SEVEN_ZIP, error);
}

etw_status etw_archive_tar(const etw_archive *from, etw_error *error)
{
    return each_by(from, TAR, error);
}
#endif
