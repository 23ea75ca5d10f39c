/* Goes from block to block through a file or pipe; where bytes are broken, finds the next good
 * header.
 *
 * Nothing is believed before its hash was checked. Memory: one block as stored, and one expanded.
 */
#ifndef ETW_FORMAT_ETWCAP_SCAN_H
#define ETW_FORMAT_ETWCAP_SCAN_H

#include "format/base/os.h"
#include "format/etwcap/body.h"
#include "format/etwcap/index.h"

/* A window over a file. On a pipe offsets can only grow. */
typedef struct etw_input {
    const etw_os *os;
    int file;
    bool seekable;
    /* Where its data is not NULL: the whole content, in memory, which is read instead of the file
     * (unfold.h). Lent. */
    etw_bytes image;
    uint8_t *buffer;
    size_t capacity;
    uint64_t start; /* file offset of buffer[0] */
    size_t filled;
    uint64_t bytes_read;
    /* Where not 0, the file's size: places that cannot be read are then taken for zeros, and
     * counted. */
    uint64_t skip_unreadable_to;
    uint64_t unreadable_bytes;
} etw_input;

/* A failing read is narrowed down to places of this size: a disk's sectors and pages. */
#define ETW_INPUT_UNREADABLE_STEP 4096u

/* Gives up to size bytes at offset; fewer only where the file ends. They are lent until the next
 * call. ahead: that many bytes more are wanted soon. */
etw_status etw_input_need(etw_input *input, uint64_t offset, size_t size, size_t ahead,
                          etw_bytes *bytes, etw_error *error);

/* The content's size, or -1 for a pipe. */
int64_t etw_input_content_size(const etw_input *input);
/* From now on the content is image, which must outlive the input. */
void etw_input_use_image(etw_input *input, etw_bytes image);

typedef enum etw_scan_kind { ETW_SCAN_BLOCK, ETW_SCAN_GAP } etw_scan_kind;

typedef struct etw_scan_item {
    etw_scan_kind kind;
    uint64_t offset;
    etw_block_header header; /* of a BLOCK */
    uint64_t size;           /* of a GAP: bytes passed over, may be 0 */
    uint64_t first_missing;  /* of a GAP: sequence numbers that are missing ... */
    uint64_t missing;        /* ... and how many, 0 where none */
    const char *what;        /* of a GAP: what is wrong */
} etw_scan_item;

/* Bytes of broken bodies that are searched for headers, in all: a file made of headers that claim
 * each other as their bodies must not cost the square of its size. Beyond it such bodies are
 * skipped whole. */
#define ETW_SCAN_MAX_INSIDE ((uint64_t)256 << 20)

typedef struct etw_scan {
    etw_input input;
    uint64_t position;      /* of the next header */
    uint64_t next_sequence; /* that it must have */
    bool follow;            /* a file that is still growing: a cut-off block may become whole */
    bool has_current;       /* current was delivered and not yet left behind */
    bool body_bad;          /* its body was looked at, and is broken or cut off */
    etw_block_header current;
    bool out_of_memory; /* of any call, for callers that have no other use for failures */
    uint64_t searched_inside;
    etw_buffer expanded;
    struct ZSTD_DCtx_s *zstd; /* its state, or NULL */
    /* Once next gave ETW_END: */
    bool ended;          /* it stays so */
    bool complete;       /* there was a good end block */
    etw_end end;         /* what it says */
    uint64_t end_offset; /* just past the last block */
    uint64_t torn_bytes; /* of a block that is cut off, behind it */
    bool has_torn;       /* its header is there: */
    etw_block_header torn;
} etw_scan;

/* The file stays the caller's. Starts behind the head. */
void etw_scan_init(etw_scan *scan, const etw_os *os, int file, bool seekable);
void etw_scan_free(etw_scan *scan);
/* Gives back the memory; the next call takes it anew. Not for a pipe, whose bytes are gone then. */
void etw_scan_release(etw_scan *scan);

/* ETW_OK with *item; ETW_END (see above; in a growing file another call may give more); or a
 * failure to read. The end block is not delivered. */
etw_status etw_scan_next(etw_scan *scan, etw_scan_item *item, etw_error *error);

/* Whether a failure says something about the block, not about the machine. */
static inline bool etw_scan_is_damage(etw_status status)
{
    return status == ETW_ERROR_DAMAGED || status == ETW_ERROR_UNSUPPORTED ||
           status == ETW_ERROR_LIMIT;
}

/* The body of the block just delivered: hash checked, mask taken off, expanded. Lent until the next
 * call. DAMAGED, UNSUPPORTED, or a failure to read. */
etw_status etw_scan_body(etw_scan *scan, etw_bytes *body, etw_error *error);
/* The body as it is stored, but without its mask: to be written again. Lent as a body is. */
etw_status etw_scan_stored(etw_scan *scan, etw_bytes *stored, etw_error *error);
/* The events head of the EVENTS block just delivered, without reading the rest. Lent as a body is.
 */
etw_status etw_scan_events_head(etw_scan *scan, etw_events_head *head, etw_error *error);

/* Leaves the block just delivered behind. False where its body was bad: what follows it is to be
 * looked for. */
bool etw_scan_leave(etw_scan *scan);
/* Goes on at that place, which an index named. */
void etw_scan_jump(etw_scan *scan, uint64_t offset, uint64_t sequence);
/* Delivers the block at offset, out of order; DAMAGED where none is. Seekable files only. */
etw_status etw_scan_at(etw_scan *scan, uint64_t offset, etw_scan_item *item, etw_error *error);

#endif
