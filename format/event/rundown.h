/* The rundown: which processes ran on the recording host, and which images each had loaded where.
 * It is kept at the start of each segment, so that any segment alone names processes and resolves
 * stack addresses to image and offset.
 *
 * Layout, little-endian; a blob holds any number of processes, a file any number of blobs:
 *
 *     u32 process_count
 *     process_count times:
 *         u32 process_id      0 holds the kernel's own images
 *         u32 parent_id
 *         i64 start_time      FILETIME; 0 where unknown
 *         u16 path_size, path UTF-8 of the executable; empty where it could not be asked
 *         u32 image_count
 *         image_count times:
 *             u64 base
 *             u64 size
 *             u16 path_size, path
 *
 * Paths repeat from process to process; the block is compressed, which costs next to nothing then.
 */
#ifndef ETW_FORMAT_EVENT_RUNDOWN_H
#define ETW_FORMAT_EVENT_RUNDOWN_H

#include "format/base/text.h"

#define ETW_RUNDOWN_MAX_PROCESSES ((uint32_t)1 << 16)
/* What is kept of all blobs of a file together, replaced processes included: more than a million
 * images. */
#define ETW_RUNDOWN_MAX_BYTES ((size_t)128 << 20)
/* A longer path is cut by whoever makes the rundown. */
#define ETW_RUNDOWN_MAX_PATH 1024u

typedef struct etw_image {
    uint64_t base, size;
    etw_bytes path;
} etw_image;

typedef struct etw_process {
    uint32_t process_id, parent_id;
    int64_t start_time_100ns;
    etw_bytes path;
    uint32_t image_count;
    etw_image *images; /* by base, lowest first */
} etw_process;

/* Making blobs: process after process, each followed by its images, appended to blob, whose failed
 * tells at the end whether memory was out. Paths are UTF-8. */
typedef struct etw_rundown_writer {
    etw_buffer *blob;
    size_t process_count_at, image_count_at; /* where the counts are kept */
    uint32_t process_count, image_count;
} etw_rundown_writer;

/* blob is lent until the last image. */
ETW_API void etw_rundown_begin(etw_rundown_writer *writer, etw_buffer *blob);
ETW_API void etw_rundown_process(etw_rundown_writer *writer, uint32_t process_id,
                                 uint32_t parent_id, int64_t start_time_100ns, const char *path);
/* Of the process begun last. */
ETW_API void etw_rundown_image(etw_rundown_writer *writer, uint64_t base, uint64_t size,
                               const char *path);

/* Reading: blobs of one file are added up. A process that is told of again replaces what was known.
 * Not thread safe. */
typedef struct etw_rundown etw_rundown;

ETW_API etw_rundown *etw_rundown_new(void); /* NULL where memory is out */
ETW_API void etw_rundown_free(etw_rundown *rundown);
/* The blob is copied. ETW_ERROR_DAMAGED where it breaks its own sizes, ETW_ERROR_LIMIT above the
 * limits; what was known before stays. */
ETW_API_CHECKED etw_status etw_rundown_add(etw_rundown *rundown, etw_bytes blob, etw_error *error);

/* Processes in the order in which they were first told of: index from 0; NULL past the last. */
ETW_API uint32_t etw_rundown_count(const etw_rundown *rundown);
ETW_API const etw_process *etw_rundown_at(const etw_rundown *rundown, uint32_t index);
/* NULL where it was not running. */
ETW_API const etw_process *etw_rundown_find(const etw_rundown *rundown, uint32_t process_id);
/* The image of the process (or of the kernel) that holds the address; NULL where none does. */
ETW_API const etw_image *etw_rundown_image_of(const etw_rundown *rundown, uint32_t process_id,
                                              uint64_t address);

/* "ntdll.dll+0x1234", the path's last part; nothing appended (false) where no image holds it. */
ETW_API bool etw_rundown_append_symbol(const etw_rundown *rundown, uint32_t process_id,
                                       uint64_t address, etw_escape escape, etw_text *text);

#endif
