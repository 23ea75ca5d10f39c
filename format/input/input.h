/* A trace opened once: its handle, the bytes already read, whether it can be read at any place, and
 * what is wrapped in it.
 *
 * Readers open files by name, some several times. etw_input_os gives them a table in which the
 * input's name leads to the one handle: each open starts at the first byte again. Nothing else
 * opens the name, so a pipe, a FIFO and a process substitution give what the file gives.
 *
 * Wrapped traces (gzip, zstd, zip; where the build has libarchive also xz, bzip2, lz4, lzip, cab,
 * 7z, tar) are unwrapped into a temporary file without a name. So is an input that cannot seek
 * where options.rereads asks for it; otherwise it is read as it comes. Files of other kinds that
 * are known by how they begin (file_kind.c) are refused with what they are. */
#ifndef ETW_FORMAT_INPUT_INPUT_H
#define ETW_FORMAT_INPUT_INPUT_H

#include "format/base/os.h"

/* Bytes kept of an input that cannot seek: a second open may begin within them. */
#define ETW_INPUT_KEPT_BYTES ((size_t)1 << 20)
/* Opens of one input at one time. */
#define ETW_INPUT_MAX_OPENS 8u
/* What the temporary files of one input may take, those of all files in an archive together: an
 * input without an end must not fill the disk. */
#define ETW_INPUT_MAX_BYTES ((uint64_t)64 << 30)
/* Beyond the first bytes, unwrapped data may be at most so many times as large as the wrapped; all
 * files in an archive count together. */
#define ETW_INPUT_FREE_BYTES ((uint64_t)256 << 20)
#define ETW_INPUT_MAX_RATIO  250u
/* A wrapping within a wrapping, and so on. */
#define ETW_INPUT_MAX_WRAPPINGS 3u
/* Files that a folder, a pattern or an archive may give. */
#define ETW_INPUT_MAX_FILES 4096u

/* What is said of a file that is no trace and nothing else that is known. */
#define ETW_INPUT_UNKNOWN "neither an .etwcap nor an .etl file"

typedef struct etw_input etw_input;

typedef struct etw_input_options {
    bool rereads;       /* the input will be read more than once, or at any place */
    bool any_bytes;     /* rereads: also what does not begin as a trace */
    const char *member; /* of an archive: only files with this name; NULL: all traces */
} etw_input_options;

/* path "-": standard input. options may be NULL. An archive must hold one trace (or one with the
 * name of options.member). ETW_ERROR_NOT_THIS for an empty file. */
ETW_API_CHECKED etw_status etw_input_open(const etw_os *os, const char *path,
                                          const etw_input_options *options, etw_input **input,
                                          etw_error *error);
ETW_API void etw_input_close(etw_input *input);
/* From now on the file is opened for each read and closed again, where that is possible: processes
 * may have few files open. Reads fail where another file has its name by then. Whoever opens many
 * inputs keeps so many of them open, and spares the rest. */
#define ETW_INPUTS_KEPT_OPEN 8u
ETW_API void etw_input_spare(etw_input *input);

/* Who gets the inputs: take owns each. Its failure ends the loop. */
typedef struct etw_input_taker {
    etw_status (*take)(void *context, etw_input *input, etw_error *error);
    void *context;
} etw_input_taker;

/* Opens the inputs that the paths stand for, one after the other, and gives each to the taker: a
 * file, the files of a folder (by name; not of folders within it), what a pattern with * and ? in
 * its last part finds where no file has that name, the traces in an archive. It is the first
 * failure, of it or of an open, that ends and is returned. */
ETW_API_CHECKED etw_status etw_inputs_each(const etw_os *os, const char *const *paths,
                                           uint32_t count, const etw_input_options *options,
                                           const etw_input_taker *taker, etw_error *error);

/* For readers; lives as long as the input. */
ETW_API const etw_os *etw_input_os(const etw_input *input);
/* What readers open, and messages say: the path, "stdin", or "archive/member". */
ETW_API const char *etw_input_name(const etw_input *input);
ETW_API bool etw_input_can_seek(const etw_input *input);
/* Whether it is a file under its own name, which somebody may still write: nothing unwrapped. */
ETW_API bool etw_input_can_grow(const etw_input *input);
/* While it is held readers are told the size that it has now, so that several of them read the same
 * of a file that grows. */
ETW_API void etw_input_hold_size(etw_input *input, bool is_held);
/* All bytes that were read from it so far, those that were read again included. */
ETW_API uint64_t etw_input_bytes_read(const etw_input *input);
/* Calls watch with each read; NULL: no longer. */
ETW_API void etw_input_watch(etw_input *input, void (*watch)(void *context), void *context);
/* 0 where it cannot seek. */
ETW_API uint64_t etw_input_size(etw_input *input);

#endif
