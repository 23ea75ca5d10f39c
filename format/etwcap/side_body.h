/* The bodies of blocks that no reader needs for the events, as etw_side_block gives them: clock
 * anchors, rendered texts, rundown. */
#ifndef ETW_FORMAT_ETWCAP_SIDE_BODY_H
#define ETW_FORMAT_ETWCAP_SIDE_BODY_H

#include "format/base/buffer.h"
#include "format/base/status.h"

/* The same moment by two clocks. */
typedef struct etw_clock_anchor {
    uint16_t trace_index;
    int64_t ticks;      /* raw, of the trace's clock */
    int64_t time_100ns; /* FILETIME */
} etw_clock_anchor;

ETW_API void etw_clock_anchor_append(etw_buffer *body, const etw_clock_anchor *anchor);
/* The next one of a body. ETW_ERROR_DAMAGED where the body ends inside it. */
ETW_API_CHECKED etw_status etw_clock_anchor_load(etw_cursor *cursor, etw_clock_anchor *anchor,
                                                 etw_error *error);

/* Whether the sizes in a body agree. kind: ETW_BLOCK_...; ETW_OK for all other kinds. count: of the
 * block's header, of which only clock anchors need it. */
ETW_API_CHECKED etw_status etw_side_body_check(uint16_t kind, uint32_t count, etw_bytes body,
                                               etw_error *error);

#endif
