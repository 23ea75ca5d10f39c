/* Events rendered and written in order: in the calling thread, or by threads that render while the
 * caller reads on. The bytes are the same for any number of threads. Threads that cannot be started
 * are done without.
 *
 * Memory: each thread adds 16 jobs of at most ETW_RENDER_JOB_BYTES of events (a single larger event
 * has a job of its own); who is done with the oldest writes it, so that few texts wait. When all
 * jobs are taken the caller renders, too. */
#ifndef ETW_REPLAY_PIPELINE_H
#define ETW_REPLAY_PIPELINE_H

#include "format/output/output.h"
#include "replay/command/stream.h"
#include "replay/command/tool.h"

/* Events that are rendered before a thread would pay: 1 to 2 ms of work. */
#define ETW_PIPELINE_SMALL 4096u

typedef struct etw_pipeline etw_pipeline;

typedef struct etw_pipeline_options {
    const etw_output_format *format;
    etw_output_options rendering;
    uint32_t threads; /* 0: the caller renders */
    uint32_t alone;   /* it renders so many events before threads are started */
    bool is_live;     /* each event is written at once; needs threads 0 */
    bool is_lent;     /* etw_pipeline_exchange is in use */
    etw_stream *stream;
    const char *folder; /* of formats that write one; else NULL */
    /* What the output cannot tell; may be NULL. */
    void (*note)(void *context, const char *message);
    void *note_context;
    /* How far a collector's finish is (output.h); may be NULL. */
    void (*progress)(void *context, uint64_t done, uint64_t total, const char *unit);
    void *progress_context;
} etw_pipeline_options;

/* Writes the format's beginning. */
etw_status etw_pipeline_open(const etw_pipeline_options *options, etw_pipeline **pipeline,
                             etw_error *error);

/* For etw_replay_options.exchange, with the pipeline as context: records of .etwcap files are then
 * lent to the threads instead of copied. Each job in flight may keep one decoder. */
etw_decoder *etw_pipeline_exchange(void *pipeline, etw_decoder *used);

/* item is what etw_replay_next_item gave: its trace, schema and provider name must live until the
 * pipeline is closed. ETW_END: whoever read the output has gone. */
etw_status etw_pipeline_event(etw_pipeline *pipeline, const etw_replay_item *item,
                              etw_error *error);
/* In its place between events. */
etw_status etw_pipeline_loss(etw_pipeline *pipeline, const etw_loss *loss, etw_error *error);

/* Has all events so far written without another one to push them. */
etw_status etw_pipeline_flush(etw_pipeline *pipeline, etw_error *error);

/* Waits until all events so far are rendered and written: what they point to may go then. */
void etw_pipeline_settle(etw_pipeline *pipeline);

/* Writes what is left and the format's end. */
etw_status etw_pipeline_finish(etw_pipeline *pipeline, etw_error *error);
/* NULL is fine. Without a finish before it what is left is not written. */
void etw_pipeline_close(etw_pipeline *pipeline);

#endif
