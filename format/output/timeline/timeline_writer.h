/* How the parts of a timeline are written down: Chrome's JSON, or Perfetto's packets. Times are in
 * 100 ns since the first event, whose FILETIME is first_100ns. */
#ifndef ETW_FORMAT_OUTPUT_TIMELINE_WRITER_H
#define ETW_FORMAT_OUTPUT_TIMELINE_WRITER_H

#include "format/output/timeline/timeline_rows.h"

typedef struct etw_timeline_slice {
    int64_t first_100ns;
    int64_t start, end; /* of what has no length: start alone */
    uint32_t process_id, thread_id;
    /* 0: within the others of its thread; else it stands alone, under this number. */
    uint64_t lane;
    bool is_open; /* its end was never told */
    etw_bytes name, category, args;
} etw_timeline_slice;

typedef struct etw_timeline_writer {
    void (*begin)(etw_text *out, int64_t first_100ns);
    void (*end)(etw_text *out);
    void (*process)(etw_text *out, uint32_t process_id, etw_bytes name);
    /* Before anything else of a thread; name may be empty, and told once more. */
    void (*thread)(etw_text *out, uint32_t process_id, uint32_t thread_id, etw_bytes name);
    void (*slice)(etw_text *out, const etw_timeline_slice *slice);
    void (*instant)(etw_text *out, const etw_timeline_slice *instant);
    void (*counter)(etw_text *out, const etw_timeline_slice *counter, double value);
    /* A thread is in that state; processor UINT32_MAX: on none. NULL where the next is there. */
    void (*state)(etw_text *out, const etw_timeline_slice *state, uint32_t processor);
    void (*context_switch)(etw_text *out, const etw_timeline_slice *at,
                           const etw_timeline_row *row);
} etw_timeline_writer;

extern const etw_timeline_writer etw_timeline_chrome, etw_timeline_perfetto;

#endif
