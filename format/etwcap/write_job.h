/* One batch on its way from the caller to the file, with what stands before it, and how it becomes
 * blocks. Encoding is a pure function of the job, on any thread. */
#ifndef ETW_FORMAT_ETWCAP_WRITE_JOB_H
#define ETW_FORMAT_ETWCAP_WRITE_JOB_H

#include "format/etwcap/body.h"
#include "format/etwcap/codec/codec.h"
#include "format/etwcap/index.h"
#include "format/etwcap/sink.h"

typedef struct etw_write_job {
    etw_batch *batch;
    etw_buffer before;  /* an etw_sink_block and its body, again and again */
    etw_buffer schemas; /* of etw_schema_entry: first used in this batch */
    etw_buffer names;   /* entries of a schemas block */
    etw_buffer out;     /* what the sink gets, in the form of before */
    bool encoded;
    bool releases; /* the sink holds nothing back from it on */
} etw_write_job;

bool etw_write_job_is_empty(const etw_write_job *job);
void etw_write_job_clear(etw_write_job *job);
/* What it holds, not the job itself. */
void etw_write_job_free(etw_write_job *job);

/* What one encoding thread needs. */
typedef struct etw_job_encoder {
    const etw_clock *clocks; /* by trace index; lent */
    etw_encoder *encoder;
    etw_guid_table providers;
    etw_buffer scratch;
    etw_trace_count traces[ETW_MAX_TRACES];
    int64_t first_ticks[ETW_MAX_TRACES], last_ticks[ETW_MAX_TRACES];
    uint32_t trace_slots[ETW_MAX_TRACES]; /* by trace index: its place in traces + 1, or 0 */
} etw_job_encoder;

/* Of zeroed memory. False where memory ran out; to be freed also then. */
bool etw_job_encoder_init(etw_job_encoder *encoder, int level, const etw_clock *clocks);
void etw_job_encoder_free(etw_job_encoder *encoder);

/* Fills current->out. What cannot be encoded becomes a loss; where there is no memory even for
 * that, out.failed is set. */
void etw_write_job_encode(etw_job_encoder *self, etw_write_job *current);
/* There was no memory for the job's blocks: out becomes the loss of what they would have held. */
void etw_write_job_give_up(etw_write_job *current);

/* A loss without events yet. */
void etw_write_loss_start(etw_loss *loss, uint32_t cause, const char *detail);
/* Puts a block that tells what this writer itself lost. */
void etw_write_own_loss(etw_buffer *to, etw_buffer *scratch, const etw_loss *loss);

#endif
