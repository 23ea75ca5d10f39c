/* What the kernel itself tells of what runs: the events Process/DCStart and Image/DCStart with
 * which each of its sessions begins, kept as they came. Protected processes have their images
 * there. */
#ifndef ETW_RECORDER_KERNEL_RUNDOWN_H
#define ETW_RECORDER_KERNEL_RUNDOWN_H

#include "format/base/text.h"
#include "format/event/record.h"

typedef struct etw_kernel_record {
    uint32_t process_id, parent_id;
    uint32_t number; /* in the order in which they came */
    bool is_image;
    bool is_taken;         /* the caller's */
    uint64_t base, size;   /* of an image */
    size_t at, size_bytes; /* of the event in bytes */
    size_t text_at;        /* in the event's user data: an image's path, UTF-16; a process' name */
} etw_kernel_record;

/* All zero: nothing was told. Memory is bounded by that of its two buffers (buffer.h). */
typedef struct etw_kernel_rundown {
    etw_buffer bytes;   /* EVENT_HEADER, ETW_BUFFER_CONTEXT and user data of each event */
    etw_buffer records; /* of etw_kernel_record */
} etw_kernel_rundown;

void etw_kernel_rundown_free(etw_kernel_rundown *rundown);

/* Keeps a copy where the record is of those events, whole and of a version that Windows 8.1 or
 * later writes (Process from 3 on, Image from 2 on); false else. */
bool etw_kernel_rundown_add(etw_kernel_rundown *rundown, const etw_event_record *record);

/* By process, which comes before its images. False where memory was out meanwhile. */
bool etw_kernel_rundown_sort(etw_kernel_rundown *rundown);

/* All of them; once sorted those of one process, of which count may be 0. */
etw_kernel_record *etw_kernel_rundown_all(const etw_kernel_rundown *rundown, size_t *count);
etw_kernel_record *etw_kernel_rundown_of(const etw_kernel_rundown *rundown, uint32_t process_id,
                                         size_t *count);

/* EVENT_HEADER, ETW_BUFFER_CONTEXT and user data, one behind the other; lent. */
etw_bytes etw_kernel_rundown_event(const etw_kernel_rundown *rundown,
                                   const etw_kernel_record *record);
/* The image's path, or the executable's name without its folder: appended, UTF-8. */
void etw_kernel_rundown_append_text(const etw_kernel_rundown *rundown,
                                    const etw_kernel_record *record, etw_text *text);

/* Windows only: starts a private system-logger session (Windows 8 and later) for some half a
 * second, takes what it tells, stops it and sorts. Fails as etw_session_open does, or where an
 * event was lost or none came: what was taken is then not whole. Times are FILETIME. */
etw_status etw_kernel_rundown_take(etw_kernel_rundown *rundown, etw_error *error);

#endif
