/* Wrappings that are taken off a trace. */
#ifndef ETW_FORMAT_INPUT_UNWRAP_H
#define ETW_FORMAT_INPUT_UNWRAP_H

#include "format/base/os.h"

/* What one input has taken and given: what is wrapped within it, and all files of an archive, count
 * together. */
typedef struct etw_input_spool {
    uint64_t read;    /* wrapped bytes ... */
    uint64_t written; /* ... and unwrapped ones; at most ETW_INPUT_MAX_RATIO times as many */
    uint64_t passed;  /* unwrapped bytes of files in an archive that nobody wants */
} etw_input_spool;

/* Where wrapped bytes come from and unwrapped ones go. */
typedef struct etw_unwrap {
    const etw_os *os;
    int from; /* read at an offset if can_seek, else as it comes */
    bool can_seek;
    uint64_t at;  /* of the next byte */
    uint64_t end; /* no byte from there on is read; UINT64_MAX: the file's end */
    etw_input_spool *spool;
    int to;
} etw_unwrap;

/* At most size bytes; *got 0 at the end. */
etw_status etw_unwrap_pull(etw_unwrap *unwrap, void *into, size_t size, size_t *got,
                           etw_error *error);
/* ETW_ERROR_LIMIT where it becomes too much. */
etw_status etw_unwrap_push(etw_unwrap *unwrap, const void *from, size_t size, etw_error *error);
/* Counts bytes that are not written: unpacking them takes time. ETW_ERROR_LIMIT as above. */
etw_status etw_unwrap_pass(etw_unwrap *unwrap, size_t size, etw_error *error);

etw_status etw_unwrap_copy(etw_unwrap *unwrap, etw_error *error); /* as it is */
etw_status etw_unwrap_gzip(etw_unwrap *unwrap, etw_error *error);
etw_status etw_unwrap_deflate(etw_unwrap *unwrap, etw_error *error); /* without a header */
etw_status etw_unwrap_zstd(etw_unwrap *unwrap, etw_error *error);

/* By libarchive, where the build has it. */
etw_status etw_unwrap_xz(etw_unwrap *unwrap, etw_error *error);
etw_status etw_unwrap_bzip2(etw_unwrap *unwrap, etw_error *error);
etw_status etw_unwrap_lz4(etw_unwrap *unwrap, etw_error *error);
etw_status etw_unwrap_lzip(etw_unwrap *unwrap, etw_error *error);

#endif
