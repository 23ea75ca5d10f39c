/* The way of batches from the caller into the file: jobs that threads encode, and one thread
 * writes, in order. Without threads the caller does both when it submits a job. */
#ifndef ETW_FORMAT_ETWCAP_WRITE_QUEUE_H
#define ETW_FORMAT_ETWCAP_WRITE_QUEUE_H

#include "format/etwcap/write_job.h"
#include "format/etwcap/writer.h"

#include <pthread.h>
#include <stdatomic.h>

#define ETW_WRITE_QUEUE_SYNC_MS 1000u /* between syncs, where no interval says otherwise */

/* An encoding thread. */
typedef struct etw_write_worker {
    struct etw_write_queue *queue;
    pthread_t thread;
    etw_job_encoder encoder;
} etw_write_worker;

/* Jobs form a ring: those from written to encoding were encoded or are being encoded, those up to
 * filled wait for an encoder, and filled is the caller's own. All numbers only grow. What is not
 * the caller's alone is looked at with the lock. */
typedef struct etw_write_queue {
    const etw_os *os;
    const etw_writer_options *options;
    const etw_clock
        *clocks;    /* by trace index; set before the first event of a trace is handed over */
    etw_sink *sink; /* used by the writing thread, or by the caller where there is none */
    etw_write_job *jobs;
    uint32_t job_count;
    uint64_t filled, encoding, written;
    etw_write_worker *workers;
    uint32_t worker_count; /* the first encodes for the caller where there are no threads */
    uint32_t running;      /* of them, as threads */
    etw_job_encoder own;   /* the caller's, where it helps; has an encoder once it did */
    /* How the writing thread asks the caller to look under the lock: a failure, or a flush that is
     * due. */
    atomic_bool attention;
    int64_t flush_at_ns; /* 0: nothing waits for a flush */
    bool has_lock;       /* threads may be started, and others may ask for counts */
    bool has_started;    /* with as many threads as there were to be had */
    /* Other than events, for want of memory; to be looked at after stop. */
    bool has_lost_blocks;
    bool threaded, stopping;
    pthread_t thread; /* writes */
    pthread_mutex_t lock;
    pthread_cond_t work, done, room; /* for encoders, for the writing thread, for the caller */
    etw_writer_counts counts;        /* of the sink, as of the last block */
    etw_error failure;               /* of the sink, at present */
} etw_write_queue;

/* Of zeroed memory with os, options, clocks and the numbers of jobs and workers set. False where
 * memory ran out; to be freed also then. */
bool etw_write_queue_allocate(etw_write_queue *queue);
/* Lets the threads finish what they have, and joins them. */
void etw_write_queue_stop(etw_write_queue *queue);
/* What it holds, the sink included; after stop. */
void etw_write_queue_free(etw_write_queue *queue);

void etw_write_queue_lock(etw_write_queue *queue);
void etw_write_queue_unlock(etw_write_queue *queue);

/* All that follows: with the lock. */

/* Begins with the threads, where the options ask for any, while nothing is on its way; once, the
 * next call does nothing. Those that cannot be started are done without. */
void etw_write_queue_start(etw_write_queue *queue);
etw_write_job *etw_write_queue_job(const etw_write_queue *queue, uint64_t number);
bool etw_write_queue_has_room(const etw_write_queue *queue, uint32_t jobs);
/* Waits, at most so long, until so many jobs are free; false where they are not. */
bool etw_write_queue_wait_for_room(etw_write_queue *queue, uint32_t jobs, uint32_t wait_ms);
/* Until at most so many jobs are on their way. Lets the lock go meanwhile. */
void etw_write_queue_wait(etw_write_queue *queue, uint32_t jobs);
/* Hands the caller's job over, which has content. */
void etw_write_queue_submit(etw_write_queue *queue);
/* What has just come is to be written within the interval of the options. */
void etw_write_queue_start_clock(etw_write_queue *queue);
bool etw_write_queue_is_flush_due(const etw_write_queue *queue);
/* Where no thread writes: gives the disk another chance after a failure. */
void etw_write_queue_retry(etw_write_queue *queue);
/* What others see of the sink. */
void etw_write_queue_publish(etw_write_queue *queue, etw_status status, const etw_error *failure);

#endif
