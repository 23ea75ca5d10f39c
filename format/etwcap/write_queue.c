#include "format/etwcap/write_queue.h"

#include <stdlib.h>
#include <string.h>

#include "format/base/wait.h"

/* The clock is looked at so many times in an interval, and what waits is handed over one look
 * before the interval is over: it is not to be longer. */
#define LOOKS_PER_INTERVAL 4u

void etw_write_queue_lock(etw_write_queue *queue)
{
    if (queue->has_lock) {
        (void)pthread_mutex_lock(&queue->lock);
    }
}

void etw_write_queue_unlock(etw_write_queue *queue)
{
    if (queue->has_lock) {
        (void)pthread_mutex_unlock(&queue->lock);
    }
}

etw_write_job *etw_write_queue_job(const etw_write_queue *queue, uint64_t number)
{
    return &queue->jobs[number % queue->job_count];
}

bool etw_write_queue_has_room(const etw_write_queue *queue, uint32_t jobs)
{
    return queue->filled - queue->written + jobs <= queue->job_count;
}

/* ---- Writing: one thread, in order ---- */

/* Without the lock. */
static etw_status write_job(etw_write_queue *queue, etw_write_job *current, etw_error *failure)
{
    size_t at = 0;
    if (current->releases) {
        etw_sink_release(queue->sink);
    }
    etw_status status = etw_sink_tick(queue->sink, failure);
    if (current->out.failed) {
        queue->has_lost_blocks |= current->before.size + current->schemas.size > 0;
        etw_write_job_give_up(current);
    }
    while (at < current->out.size) {
        const etw_sink_block block = etw_sink_block_take(&current->out, &at);
        status = etw_sink_put(queue->sink, &block, failure);
    }
    return status;
}

void etw_write_queue_publish(etw_write_queue *queue, etw_status status, const etw_error *failure)
{
    const etw_totals *totals = etw_sink_totals(queue->sink);
    queue->counts.written = etw_sink_written(queue->sink);
    queue->counts.blocks = totals->blocks;
    queue->counts.bytes = etw_sink_size(queue->sink);
    if (status == ETW_OK) {
        queue->failure.status = ETW_OK;
    } else {
        queue->failure = *failure;
        atomic_store_explicit(&queue->attention, true, memory_order_relaxed);
    }
}

static int64_t now_ns(const etw_write_queue *queue)
{
    return queue->os->monotonic_ns(queue->os->context);
}

void etw_write_queue_submit(etw_write_queue *queue)
{
    queue->flush_at_ns = 0;
    queue->filled++;
    if (queue->threaded) {
        (void)pthread_cond_signal(&queue->work);
        return;
    }
    etw_write_job *current = etw_write_queue_job(queue, queue->written);
    etw_error failure;
    etw_write_job_encode(&queue->workers[0].encoder, current);
    etw_write_queue_publish(queue, write_job(queue, current, &failure), &failure);
    etw_write_job_clear(current);
    queue->encoding++;
    queue->written++;
}

bool etw_write_queue_is_flush_due(const etw_write_queue *queue)
{
    return queue->flush_at_ns != 0 && now_ns(queue) >= queue->flush_at_ns;
}

/* With the lock, which it lets go meanwhile; a job waits for an encoder. */
static void encode_next(etw_write_queue *queue, etw_job_encoder *encoder)
{
    etw_write_job *current = etw_write_queue_job(queue, queue->encoding++);
    (void)pthread_mutex_unlock(&queue->lock);
    etw_write_job_encode(encoder, current);
    (void)pthread_mutex_lock(&queue->lock);
    current->encoded = true;
    (void)pthread_cond_signal(&queue->done);
}

static void *encoder_thread(void *context)
{
    etw_write_worker *self = context;
    etw_write_queue *queue = self->queue;
    (void)pthread_mutex_lock(&queue->lock);
    for (;;) {
        while (queue->encoding == queue->filled && !queue->stopping) {
            (void)pthread_cond_wait(&queue->work, &queue->lock);
        }
        if (queue->encoding == queue->filled) {
            break;
        }
        encode_next(queue, &self->encoder);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return NULL;
}

/* With the lock. How long the writing thread may sleep, in milliseconds; 0: until it is woken. */
static uint32_t sleep_ms(const etw_write_queue *queue)
{
    const uint32_t interval = queue->options->interval_ms;
    uint32_t wait = interval == 0 ? 0 : (interval + LOOKS_PER_INTERVAL - 1) / LOOKS_PER_INTERVAL;
    if (queue->options->sync == ETW_SYNC_INTERVAL && wait == 0) {
        wait = ETW_WRITE_QUEUE_SYNC_MS;
    }
    if (queue->failure.status != ETW_OK && (wait == 0 || wait > ETW_SINK_RETRY_MS)) {
        wait = ETW_SINK_RETRY_MS;
    }
    return wait;
}

static void sleep_until_done(etw_write_queue *queue)
{
    const uint32_t wait_ms = sleep_ms(queue);
    if (wait_ms == 0) {
        (void)pthread_cond_wait(&queue->done, &queue->lock);
        return;
    }
    etw_condition_wait(&queue->done, &queue->lock, (int64_t)wait_ms * 1000000);
}

/* With the lock, which it lets go meanwhile. */
static void write_next(etw_write_queue *queue, etw_write_job *current)
{
    etw_error failure;
    (void)pthread_mutex_unlock(&queue->lock);
    const etw_status status = current == NULL ? etw_sink_tick(queue->sink, &failure)
                                              : write_job(queue, current, &failure);
    (void)pthread_mutex_lock(&queue->lock);
    etw_write_queue_publish(queue, status, &failure);
    if (current != NULL) {
        etw_write_job_clear(current);
        queue->written++;
        (void)pthread_cond_signal(&queue->room);
    }
}

static void *writing_thread(void *context)
{
    etw_write_queue *queue = context;
    (void)pthread_mutex_lock(&queue->lock);
    for (;;) {
        etw_write_job *oldest = etw_write_queue_job(queue, queue->written);
        if (queue->written < queue->filled && oldest->encoded) {
            write_next(queue, oldest);
        } else if (queue->written == queue->filled && queue->stopping) {
            break;
        } else {
            sleep_until_done(queue);
            if (etw_write_queue_is_flush_due(queue)) {
                atomic_store_explicit(&queue->attention, true, memory_order_relaxed);
            }
            if (sleep_ms(queue) != 0) {
                write_next(queue, NULL);
            }
        }
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return NULL;
}

/* ---- The caller's side ---- */

/* Whether the caller can encode while it would wait. Without memory for that it waits. */
static bool can_help(etw_write_queue *queue)
{
    const etw_writer_options *options = queue->options;
    if (!options->caller_helps || options->level >= ETW_WRITER_ARCHIVE_LEVEL) {
        return false;
    }
    if (queue->own.encoder == NULL &&
        !etw_job_encoder_init(&queue->own, options->level, queue->clocks)) {
        etw_job_encoder_free(&queue->own);
        memset(&queue->own, 0, sizeof queue->own);
    }
    return queue->own.encoder != NULL;
}

void etw_write_queue_wait(etw_write_queue *queue, uint32_t jobs)
{
    while (queue->filled - queue->written > jobs) {
        if (queue->encoding < queue->filled && can_help(queue)) {
            encode_next(queue, &queue->own);
        } else {
            (void)pthread_cond_wait(&queue->room, &queue->lock);
        }
    }
}

void etw_write_queue_start_clock(etw_write_queue *queue)
{
    if (queue->options->interval_ms > 0 && queue->flush_at_ns == 0) {
        const int64_t interval_ns = (int64_t)queue->options->interval_ms * 1000000;
        queue->flush_at_ns = now_ns(queue) + interval_ns - interval_ns / LOOKS_PER_INTERVAL;
    }
}

bool etw_write_queue_wait_for_room(etw_write_queue *queue, uint32_t jobs, uint32_t wait_ms)
{
    const int64_t deadline_ns = now_ns(queue) + (int64_t)wait_ms * 1000000;
    int64_t wait_ns = (int64_t)wait_ms * 1000000;
    while (!etw_write_queue_has_room(queue, jobs) && wait_ns > 0) {
        etw_condition_wait(&queue->room, &queue->lock, wait_ns);
        wait_ns = deadline_ns - now_ns(queue);
    }
    return etw_write_queue_has_room(queue, jobs);
}

void etw_write_queue_retry(etw_write_queue *queue)
{
    etw_error failure;
    etw_write_queue_publish(queue, etw_sink_tick(queue->sink, &failure), &failure);
}

/* ---- Beginning and end ---- */

bool etw_write_queue_allocate(etw_write_queue *queue)
{
    const etw_writer_options *options = queue->options;
    queue->jobs = calloc(queue->job_count, sizeof *queue->jobs);
    queue->workers = calloc(queue->worker_count, sizeof *queue->workers);
    if (queue->jobs == NULL || queue->workers == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < queue->job_count; i++) {
        queue->jobs[i].batch =
            etw_batch_new(options->batch_bytes + ETW_BATCH_RECORD_ROOM, ETW_BATCH_MAX_EVENTS);
        if (queue->jobs[i].batch == NULL) {
            return false;
        }
    }
    if (!etw_job_encoder_init(&queue->workers[0].encoder, options->level, queue->clocks)) {
        return false;
    }
    if (options->threads > 0) {
        (void)pthread_mutex_init(&queue->lock, NULL);
        (void)pthread_cond_init(&queue->work, NULL);
        etw_condition_init(&queue->done);
        etw_condition_init(&queue->room);
        queue->has_lock = true;
    }
    return true;
}

/* With the lock, which it lets go meanwhile. */
static void join_threads(etw_write_queue *queue)
{
    queue->stopping = true;
    (void)pthread_cond_broadcast(&queue->work);
    (void)pthread_mutex_unlock(&queue->lock);
    while (queue->running > 0) {
        (void)pthread_join(queue->workers[--queue->running].thread, NULL);
    }
    (void)pthread_mutex_lock(&queue->lock);
    (void)pthread_cond_broadcast(&queue->done);
    (void)pthread_mutex_unlock(&queue->lock);
    (void)pthread_join(queue->thread, NULL);
    (void)pthread_mutex_lock(&queue->lock);
    queue->stopping = false;
    queue->threaded = false;
}

void etw_write_queue_stop(etw_write_queue *queue)
{
    if (!queue->has_lock) {
        return;
    }
    (void)pthread_mutex_lock(&queue->lock);
    if (queue->threaded) {
        join_threads(queue);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    queue->has_lock = false;
    (void)pthread_mutex_destroy(&queue->lock);
    (void)pthread_cond_destroy(&queue->work);
    (void)pthread_cond_destroy(&queue->done);
    (void)pthread_cond_destroy(&queue->room);
}

/* False: there is no memory for its encoder, or no thread to be had. */
static bool start_worker(etw_write_queue *queue, uint32_t index)
{
    etw_write_worker *mine = &queue->workers[index];
    mine->queue = queue;
    const bool has_encoder =
        mine->encoder.encoder != NULL ||
        etw_job_encoder_init(&mine->encoder, queue->options->level, queue->clocks);
    return has_encoder && pthread_create(&mine->thread, NULL, encoder_thread, mine) == 0;
}

void etw_write_queue_start(etw_write_queue *queue)
{
    if (!queue->has_lock || queue->has_started) {
        return;
    }
    queue->has_started = true;
    if (pthread_create(&queue->thread, NULL, writing_thread, queue) != 0) {
        return;
    }
    queue->threaded = true;
    while (queue->running < queue->worker_count && start_worker(queue, queue->running)) {
        queue->running++;
    }
    if (queue->running == 0) {
        join_threads(queue);
    }
}

static void free_workers(etw_write_queue *queue)
{
    etw_job_encoder_free(&queue->own);
    for (uint32_t i = 0; queue->workers != NULL && i < queue->worker_count; i++) {
        etw_job_encoder_free(&queue->workers[i].encoder);
    }
    free(queue->workers);
}

static void free_jobs(etw_write_queue *queue)
{
    for (uint32_t i = 0; queue->jobs != NULL && i < queue->job_count; i++) {
        etw_write_job *each = &queue->jobs[i];
        etw_write_job_free(each);
    }
    free(queue->jobs);
}

void etw_write_queue_free(etw_write_queue *queue)
{
    etw_sink_free(queue->sink);
    free_workers(queue);
    free_jobs(queue);
}
