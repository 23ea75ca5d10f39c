/* Some events in a row and the text that they become, for a thread that renders while others do. */
#ifndef ETW_REPLAY_RENDER_JOB_H
#define ETW_REPLAY_RENDER_JOB_H

#include "format/output/output.h"
#include "replay/replay.h"

#define ETW_RENDER_JOB_BYTES  ((size_t)128 << 10)
#define ETW_RENDER_JOB_EVENTS 512u

/* What one thread renders with. */
typedef struct etw_pen {
    const etw_output_format *format;
    etw_output *output;
    etw_event_maker *maker;
} etw_pen;

/* False where memory is out; to be closed also then. */
bool etw_pen_open(etw_pen *pen, const etw_output_format *format, const etw_output_options *options);
void etw_pen_close(etw_pen *pen);
/* Appends the event's text. False: there is no memory to compile its schema. */
bool etw_pen_event(const etw_pen *pen, const etw_replay_item *item, etw_text *text);

typedef struct etw_render_entry {
    etw_replay_item item; /* its record lent, or the job's copy */
    etw_loss *loss;       /* not NULL: a loss stands here instead of an event; owned */
} etw_render_entry;

/* All zeros is an empty one. */
typedef struct etw_render_job {
    etw_render_entry entries[ETW_RENDER_JOB_EVENTS];
    uint32_t count;
    etw_event_record *copies; /* of events that are not lent; their pointers go into bytes */
    uint8_t *bytes;
    size_t capacity;
    size_t size;
} etw_render_job;

/* Bytes that an event takes in a job that copies it. */
size_t etw_render_job_size_of(const etw_event_record *record);
/* Whether an entry of size bytes finds room; an event above ETW_RENDER_JOB_BYTES does in an empty
 * job. */
bool etw_render_job_has_room(const etw_render_job *job, size_t size);
/* There is room. is_lent: the record outlives the job. False where memory is out. */
bool etw_render_job_add(etw_render_job *job, const etw_replay_item *item, bool is_lent);
bool etw_render_job_add_loss(etw_render_job *job, const etw_loss *loss);
void etw_render_job_clear(etw_render_job *job);
/* What it holds, not the job itself. */
void etw_render_job_free(etw_render_job *job);

#endif
