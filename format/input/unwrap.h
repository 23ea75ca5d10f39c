/* Wrappings that are taken off a trace, as a table: how each begins, and how it is read. */
#ifndef ETW_FORMAT_INPUT_UNWRAP_H
#define ETW_FORMAT_INPUT_UNWRAP_H

#include "format/base/os.h"

/* Bytes of a file's beginning that tell what it is. */
#define ETW_UNWRAP_HEAD 128u

/* Where wrapped bytes come from and unwrapped ones go. */
typedef struct etw_unwrap {
    const etw_os *os;
    int from; /* read at an offset if can_seek, else as it comes */
    bool can_seek;
    uint64_t at;      /* of the next byte */
    uint64_t end;     /* no byte from there on is read; UINT64_MAX: the file's end */
    uint64_t read;    /* wrapped bytes so far ... */
    uint64_t written; /* ... and unwrapped ones; at most ETW_INPUT_MAX_RATIO times as many */
    int to;
} etw_unwrap;

/* At most size bytes; *got 0 at the end. */
etw_status etw_unwrap_pull(etw_unwrap *unwrap, void *into, size_t size, size_t *got,
                           etw_error *error);
/* ETW_ERROR_LIMIT where it becomes too much. */
etw_status etw_unwrap_push(etw_unwrap *unwrap, const void *from, size_t size, etw_error *error);

etw_status etw_unwrap_copy(etw_unwrap *unwrap, etw_error *error); /* as it is */
etw_status etw_unwrap_gzip(etw_unwrap *unwrap, etw_error *error);
etw_status etw_unwrap_deflate(etw_unwrap *unwrap, etw_error *error); /* without a header */
etw_status etw_unwrap_zstd(etw_unwrap *unwrap, etw_error *error);

/* A file in an archive. */
typedef struct etw_member {
    char *name; /* owned by the list */
    uint64_t offset;
    uint64_t stored_size;
    uint32_t crc;
    uint16_t method;
    uint16_t flags;
} etw_member;

typedef struct etw_member_list {
    etw_member *members;
    uint32_t count;
} etw_member_list;

/* All files of a zip archive of size bytes that can seek. */
etw_status etw_zip_list(const etw_os *os, int file, uint64_t size, etw_member_list *list,
                        etw_error *error);
void etw_member_list_free(etw_member_list *list);
/* unwrap->from is the archive. */
etw_status etw_zip_extract(etw_unwrap *unwrap, const etw_member *member, etw_error *error);

typedef struct etw_wrapping {
    const char *name;
    const char *begin;
    size_t begin_size;
    /* NULL: an archive. */
    etw_status (*take_off)(etw_unwrap *unwrap, etw_error *error);
    bool is_known; /* this build can read it */
} etw_wrapping;

/* NULL: none that is known. */
const etw_wrapping *etw_wrapping_find(etw_bytes head);

#endif
