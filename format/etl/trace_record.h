/* Records as trace files hold them: where one ends, when it was, and what EVENT_RECORD it becomes.
 */
#ifndef ETW_FORMAT_ETL_TRACE_RECORD_H
#define ETW_FORMAT_ETL_TRACE_RECORD_H

#include "format/etl/trace_buffer.h"

/* Header types: byte 2 of a record whose byte 3 is 0xC0. */
enum {
    ETW_TYPE_SYSTEM32 = 1,
    ETW_TYPE_SYSTEM64 = 2,
    ETW_TYPE_COMPACT32 = 3,
    ETW_TYPE_COMPACT64 = 4,
    ETW_TYPE_FULL32 = 10,
    ETW_TYPE_INSTANCE32 = 11,
    ETW_TYPE_ERROR = 13,
    ETW_TYPE_MESSAGE = 15, /* never in a file: stands for records with byte 3 0x90 */
    ETW_TYPE_PERFINFO32 = 16,
    ETW_TYPE_PERFINFO64 = 17,
    ETW_TYPE_EVENT32 = 18,
    ETW_TYPE_EVENT64 = 19,
    ETW_TYPE_FULL64 = 20,
    ETW_TYPE_INSTANCE64 = 21,
    ETW_TYPE_COUNT = 22
};

/* What of a record must be there to frame it, at most: that far reach size and time. A WPP message
 * may need four bytes more. */
#define ETW_FRAME_BYTES 36u
/* Extended items one record can hold: each takes 8 bytes at least. */
#define ETW_MAX_RECORD_ITEMS (0xFFFFu / 8u)

/* How the records of a type are laid out; all zero for types that no file holds. */
typedef struct etw_record_form {
    uint8_t header_size;
    uint8_t size_at;
    uint8_t ticks_at;
    uint8_t flags; /* ETW_FLAG_... of the delivered event that fit a byte: 32 or 64 bit */
} etw_record_form;

extern const etw_record_form etw_record_forms[ETW_TYPE_COUNT];

typedef enum etw_frame_kind {
    ETW_FRAME_RECORD,
    ETW_FRAME_FILLER, /* the marker 0xFFFFFFFF: no more records in this buffer */
    ETW_FRAME_SHORT,  /* more bytes than given are needed to tell */
    ETW_FRAME_BAD
} etw_frame_kind;

typedef struct etw_frame {
    uint32_t size;       /* of the record; the next one starts at the next multiple of 8 */
    uint32_t type;       /* ETW_TYPE_... */
    int64_t ticks;       /* INT64_MIN where the record has none (WPP without time stamp) */
    const char *problem; /* of BAD, a fixed text */
} etw_frame;

/* Anything but a plain, known, 0xC0 record. */
etw_frame_kind etw_frame_read_slow(const uint8_t *at, size_t left, etw_frame *frame);

/* Frames the record at at, of which left bytes are there. Checks that size covers the header;
 * whether the record ends inside its buffer is the caller's to check. */
static inline etw_frame_kind etw_frame_read(const uint8_t *at, size_t left, etw_frame *frame)
{
    if (left < 24 || at[3] != 0xC0 || at[2] >= ETW_TYPE_COUNT) {
        return etw_frame_read_slow(at, left, frame);
    }
    const etw_record_form form = etw_record_forms[at[2]];
    frame->size = etw_load_u16(at + form.size_at);
    frame->type = at[2];
    frame->ticks = etw_load_i64(at + form.ticks_at);
    if (form.header_size == 0 || frame->size < form.header_size) {
        return etw_frame_read_slow(at, left, frame);
    }
    return ETW_FRAME_RECORD;
}

static inline uint32_t etw_record_span(uint32_t size)
{
    return (size + 7u) & ~7u;
}

/* Makes the EVENT_RECORD of the framed record at at, which stays there while the record is used.
 * items has room for ETW_MAX_RECORD_ITEMS. context and extra_flags (PROCESSOR_INDEX or 0) are the
 * buffer's. NULL, or a fixed text of what inside the record contradicts itself; the record is
 * usable also then: its user data begins where the contradiction does. */
const char *etw_trace_record_build(const uint8_t *at, const etw_frame *frame,
                                   etw_buffer_context context, uint16_t extra_flags,
                                   etw_extended_data_item *items, etw_event_record *record);

#endif
