#include "replay/command/pipeline.h"

#include "replay/command/render_job.h"

#include <pthread.h>
#include <stdlib.h>

/* Jobs for each thread and for the caller: so many that the threads have work while the caller
 * decodes a whole block. */
#define JOBS_AHEAD 16u
/* Text of one job that is kept; a job may have one event of any size more. */
#define MAX_JOB_TEXT ((size_t)1 << 20)
/* Rows that a collector gets at once. */
#define COLLECT_BYTES ((size_t)64 << 10)

/* The decoder of one events block, whose records jobs point to. It is kept until the last of them
 * was written; then another block is decoded with it. */
typedef struct lease {
    etw_decoder *decoder; /* NULL while the reader has it */
    uint32_t jobs;        /* with the mutex */
} lease;

typedef enum job_state { JOB_FILLING, JOB_READY, JOB_TAKEN, JOB_DONE } job_state;

/* Jobs are used in turn, as a ring: the caller fills one, threads take the oldest that is ready,
 * and who is done with the oldest of all writes it, and those behind it that are done. */
typedef struct job {
    job_state state;
    etw_render_job events;
    lease *lease;  /* NULL: the records are copies */
    etw_text text; /* has memory from its rendering until it is written */
} job;

typedef struct renderer {
    etw_pipeline *pipeline;
    etw_pen pen;
    pthread_t thread;
} renderer;

struct etw_pipeline {
    etw_pipeline_options options;
    etw_pen own;              /* the calling thread's */
    etw_collector *collector; /* NULL where the format has none; used by who writes */
    etw_text collected;       /* bytes of the file, from the collector */
    uint32_t alone;           /* events that the caller rendered, before threads */
    uint32_t running;         /* threads; 0: the caller renders into the stream's text */
    renderer *renderers;
    job *jobs;
    uint32_t job_count;
    lease *leases;         /* one for each job, and one for the block being read */
    lease *current;        /* of that block; the caller's alone, as the next two */
    uint32_t filling;      /* index of the job that the caller fills */
    etw_status seen;       /* the status below, when the last job was handed over */
    pthread_mutex_t mutex; /* for what follows, and the states and leases of jobs */
    pthread_cond_t work;   /* a job is ready, or closing */
    pthread_cond_t room;   /* a job was written */
    uint32_t oldest;       /* index of the job to be written next */
    uint32_t next;         /* of the job that a thread takes next */
    uint32_t used;         /* jobs from oldest to the one before filling */
    bool is_writing;       /* one thread at a time, so that the order stays */
    bool is_closing;
    /* Memory for texts: fewer jobs are rendered and not yet written than there are jobs. */
    etw_text *spare;
    uint32_t spare_count;
    etw_status status; /* ETW_END: whom the stream is for has gone */
    etw_error error;
};

/* The threads. */

static etw_status write_text(etw_pipeline *p, const etw_text *text, etw_error *error);

/* Writes a text unless something has failed before. With the mutex, which it lets go meanwhile. */
static void put_text(etw_pipeline *p, const etw_text *text)
{
    if (p->status != ETW_OK) {
        return;
    }
    etw_error error = {0};
    p->is_writing = true;
    (void)pthread_mutex_unlock(&p->mutex);
    const etw_status status = write_text(p, text, &error);
    (void)pthread_mutex_lock(&p->mutex);
    p->is_writing = false;
    p->status = status;
    p->error = error;
}

/* Large texts are not kept until the job is done: waits until it is the oldest, and writes. */
static void spill(etw_pipeline *p, job *j)
{
    (void)pthread_mutex_lock(&p->mutex);
    while (&p->jobs[p->oldest] != j || p->is_writing) {
        (void)pthread_cond_wait(&p->room, &p->mutex);
    }
    put_text(p, &j->text);
    (void)pthread_cond_broadcast(&p->room);
    (void)pthread_mutex_unlock(&p->mutex);
    etw_text_clear(&j->text);
}

static void render(etw_pipeline *p, const etw_pen *with, job *j)
{
    for (uint32_t i = 0; i < j->events.count; i++) {
        const etw_render_entry *e = &j->events.entries[i];
        if (e->loss != NULL) {
            p->options.format->loss(with->output, e->loss, &j->text);
            continue;
        }
        if (!etw_pen_event(with, &e->item, &j->text)) {
            j->text.failed = true;
            return;
        }
        if (j->text.size > MAX_JOB_TEXT && !j->text.failed) {
            spill(p, j);
        }
    }
}

/* Empties a written job. With the mutex. */
static void clear(etw_pipeline *p, job *j)
{
    etw_render_job_clear(&j->events);
    if (j->lease != NULL) {
        j->lease->jobs--;
        j->lease = NULL;
    }
    if (j->text.capacity > 4 * MAX_JOB_TEXT) {
        etw_text_free(&j->text);
    }
    etw_text_clear(&j->text);
    if (j->text.data != NULL) {
        p->spare[p->spare_count++] = j->text;
        j->text = (etw_text){0};
    }
    j->state = JOB_FILLING;
}

/* Writes what of the file is ready. */
static etw_status write_collected(etw_pipeline *p, etw_status status, etw_error *error)
{
    etw_stream *stream = p->options.stream;
    if (!etw_failed(status) && p->collected.failed) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the output");
    }
    if (!etw_failed(status) && p->collected.size > 0) {
        status = etw_stream_write(stream, p->collected.data, p->collected.size, error);
    }
    etw_text_clear(&p->collected);
    return status == ETW_OK && stream->is_closed ? ETW_END : status;
}

static etw_status collect(etw_pipeline *p, const etw_text *rows, etw_error *error)
{
    const etw_status status = p->options.format->collector->take(p->collector, etw_text_bytes(rows),
                                                                 &p->collected, error);
    return write_collected(p, status, error);
}

static etw_status write_text(etw_pipeline *p, const etw_text *text, etw_error *error)
{
    etw_stream *stream = p->options.stream;
    etw_status status = etw_stream_flush(stream, error); /* the format's beginning */
    if (etw_failed(status)) {
        return status;
    }
    if (text->failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the text of events");
    }
    if (p->collector != NULL) {
        return collect(p, text, error);
    }
    status = etw_stream_write(stream, text->data, text->size, error);
    return status == ETW_OK && stream->is_closed ? ETW_END : status;
}

/* Writes the oldest jobs as far as they are done; after a failure they are only emptied. With the
 * mutex, which it lets go meanwhile. */
static void write_done(etw_pipeline *p)
{
    while (!p->is_writing && p->used > 0 && p->jobs[p->oldest].state == JOB_DONE) {
        job *j = &p->jobs[p->oldest];
        put_text(p, &j->text);
        clear(p, j);
        p->oldest = (p->oldest + 1) % p->job_count;
        p->used--;
        (void)pthread_cond_broadcast(&p->room);
    }
}

/* With the mutex, which it lets go meanwhile. False: no job is ready. */
static bool render_next(etw_pipeline *p, const etw_pen *with)
{
    job *j = &p->jobs[p->next];
    if (j->state != JOB_READY) {
        return false;
    }
    j->state = JOB_TAKEN;
    p->next = (p->next + 1) % p->job_count;
    if (p->spare_count > 0) {
        j->text = p->spare[--p->spare_count];
    }
    (void)pthread_mutex_unlock(&p->mutex);
    render(p, with, j);
    (void)pthread_mutex_lock(&p->mutex);
    j->state = JOB_DONE;
    write_done(p);
    return true;
}

static void *run_renderer(void *context)
{
    renderer *r = context;
    etw_pipeline *p = r->pipeline;
    (void)pthread_mutex_lock(&p->mutex);
    for (;;) {
        if (render_next(p, &r->pen)) {
            continue;
        }
        if (p->is_closing) {
            break;
        }
        (void)pthread_cond_wait(&p->work, &p->mutex);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return NULL;
}

/* Opening and closing. */

static bool start_renderer(etw_pipeline *p, renderer *r)
{
    r->pipeline = p;
    return etw_pen_open(&r->pen, p->options.format, &p->options.rendering) &&
           pthread_create(&r->thread, NULL, run_renderer, r) == 0;
}

/* Those that cannot be started, for want of memory or of threads, are done without. */
static void start_threads(etw_pipeline *p)
{
    const uint32_t threads = p->options.threads;
    p->job_count = JOBS_AHEAD * (threads + 1);
    p->jobs = calloc(p->job_count, sizeof *p->jobs);
    p->leases = calloc(p->job_count + 1, sizeof *p->leases);
    p->spare = calloc(p->job_count, sizeof *p->spare);
    p->renderers = calloc(threads, sizeof *p->renderers);
    if (p->jobs == NULL || p->leases == NULL || p->spare == NULL || p->renderers == NULL) {
        return;
    }
    while (p->running < threads && start_renderer(p, &p->renderers[p->running])) {
        p->running++;
    }
}

static etw_status write_for_collector(void *context, etw_bytes bytes, etw_error *error)
{
    etw_stream *stream = context;
    const etw_status status = etw_stream_write(stream, (const char *)bytes.data, bytes.size, error);
    return status == ETW_OK && stream->is_closed ? ETW_END : status;
}

static etw_status open_collector(etw_pipeline *p, etw_error *error)
{
    etw_stream *stream = p->options.stream;
    const char *path = stream->part.name.size > 0 ? etw_text_z(&stream->part.name) : NULL;
    const etw_collector_target target = {.os = stream->os,
                                         .path =
                                             p->options.folder != NULL ? p->options.folder : path,
                                         .note = p->options.note,
                                         .note_context = p->options.note_context,
                                         .progress = p->options.progress,
                                         .progress_context = p->options.progress_context,
                                         .write = write_for_collector,
                                         .write_context = stream};
    return p->options.format->collector == NULL
               ? ETW_OK
               : p->options.format->collector->open(&p->options.rendering, &target, &p->collector,
                                                    error);
}

etw_status etw_pipeline_open(const etw_pipeline_options *options, etw_pipeline **pipeline,
                             etw_error *error)
{
    etw_pipeline *p = calloc(1, sizeof *p);
    *pipeline = p;
    if (p == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory");
    }
    p->options = *options;
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_cond_init(&p->work, NULL);
    (void)pthread_cond_init(&p->room, NULL);
    if (!etw_pen_open(&p->own, options->format, &options->rendering)) {
        etw_pipeline_close(p);
        *pipeline = NULL;
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to render events");
    }
    const etw_status status = open_collector(p, error);
    if (etw_failed(status)) {
        etw_pipeline_close(p);
        *pipeline = NULL;
        return status;
    }
    if (options->format->begin != NULL) {
        options->format->begin(p->own.output, &options->stream->text);
    }
    if (options->threads > 0 && options->alone == 0) {
        start_threads(p);
    }
    return ETW_OK;
}

static void stop_threads(etw_pipeline *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    p->is_closing = true;
    p->status = p->status == ETW_OK ? ETW_END : p->status; /* what is left is not written */
    (void)pthread_cond_broadcast(&p->work);
    (void)pthread_mutex_unlock(&p->mutex);
    for (uint32_t i = 0; i < p->running; i++) {
        (void)pthread_join(p->renderers[i].thread, NULL);
    }
    for (uint32_t i = 0; p->renderers != NULL && i < p->options.threads; i++) {
        etw_pen_close(&p->renderers[i].pen);
    }
}

void etw_pipeline_close(etw_pipeline *pipeline)
{
    if (pipeline == NULL) {
        return;
    }
    stop_threads(pipeline);
    for (uint32_t i = 0; pipeline->jobs != NULL && i < pipeline->job_count; i++) {
        clear(pipeline, &pipeline->jobs[i]);
        etw_render_job_free(&pipeline->jobs[i].events);
    }
    while (pipeline->spare_count > 0) {
        etw_text_free(&pipeline->spare[--pipeline->spare_count]);
    }
    free(pipeline->spare);
    etw_pen_close(&pipeline->own);
    if (pipeline->collector != NULL) {
        pipeline->options.format->collector->close(pipeline->collector);
    }
    etw_text_free(&pipeline->collected);
    for (uint32_t i = 0; pipeline->leases != NULL && i <= pipeline->job_count; i++) {
        etw_decoder_free(pipeline->leases[i].decoder);
    }
    free(pipeline->leases);
    (void)pthread_cond_destroy(&pipeline->room);
    (void)pthread_cond_destroy(&pipeline->work);
    (void)pthread_mutex_destroy(&pipeline->mutex);
    free(pipeline->renderers);
    free(pipeline->jobs);
    free(pipeline);
}

/* Handing jobs over. */

/* Helps until at most so many jobs are left. With the mutex. */
static void help(etw_pipeline *p, uint32_t left)
{
    while (p->used > left) {
        /* While it would wait, the caller is one thread more. */
        if (!render_next(p, &p->own)) {
            (void)pthread_cond_wait(&p->room, &p->mutex);
        }
    }
}

/* What became of the jobs so far; a failure stays. */
static etw_status seen(const etw_pipeline *p, etw_error *error)
{
    if (etw_failed(p->seen) && error != NULL) {
        *error = p->error;
    }
    return p->seen;
}

/* The job at filling is ready; afterwards filling is an empty one. */
static etw_status hand_over(etw_pipeline *p, etw_error *error)
{
    (void)pthread_mutex_lock(&p->mutex);
    p->jobs[p->filling].state = JOB_READY;
    (void)pthread_cond_signal(&p->work);
    p->filling = (p->filling + 1) % p->job_count;
    p->used++;
    help(p, p->job_count - 1);
    p->seen = p->status;
    (void)pthread_mutex_unlock(&p->mutex);
    return seen(p, error);
}

/* A job to fill with room for one more entry of size bytes. */
static etw_status make_room(etw_pipeline *p, size_t size, job **filling, etw_error *error)
{
    etw_status status = ETW_OK;
    if (!etw_render_job_has_room(&p->jobs[p->filling].events, size)) {
        status = hand_over(p, error);
    }
    *filling = &p->jobs[p->filling];
    return status;
}

/* A decoder that no job points to; NULL where all are in use. With the mutex. */
static etw_decoder *spare_decoder(etw_pipeline *p)
{
    for (uint32_t i = 0; i <= p->job_count; i++) {
        lease *l = &p->leases[i];
        if (l != p->current && l->jobs == 0 && l->decoder != NULL) {
            etw_decoder *spare = l->decoder;
            l->decoder = NULL;
            return spare;
        }
    }
    return NULL;
}

/* There are more leases than jobs. With the mutex. */
static lease *free_lease(etw_pipeline *p)
{
    lease *l = p->leases;
    while (l->jobs != 0 || l->decoder != NULL) {
        l++;
    }
    return l;
}

etw_decoder *etw_pipeline_exchange(void *pipeline, etw_decoder *used)
{
    etw_pipeline *p = pipeline;
    if (p->running == 0) {
        return used;
    }
    if (p->jobs[p->filling].events.count > 0) {
        (void)hand_over(p, NULL); /* a failure is seen at the next event */
    }
    (void)pthread_mutex_lock(&p->mutex);
    const bool is_in_use = p->current != NULL && p->current->jobs > 0;
    etw_decoder *next = is_in_use ? spare_decoder(p) : used;
    (void)pthread_mutex_unlock(&p->mutex);
    if (next == NULL) {
        next = etw_decoder_new();
    }
    if (is_in_use && next != NULL) {
        p->current->decoder = used;
        p->current = NULL;
    }
    return next;
}

/* The first event of a job that points into the block being read. */
static void lend(etw_pipeline *p, job *j)
{
    (void)pthread_mutex_lock(&p->mutex);
    if (p->current == NULL) {
        p->current = free_lease(p);
    }
    j->lease = p->current;
    j->lease->jobs++;
    (void)pthread_mutex_unlock(&p->mutex);
}

static etw_status queue_event(etw_pipeline *p, const etw_replay_item *item, etw_error *error)
{
    job *j = NULL;
    const bool is_lent = p->options.is_lent;
    const size_t size = is_lent ? 0 : etw_render_job_size_of(item->record);
    etw_status status = seen(p, error);
    if (status == ETW_OK) {
        status = make_room(p, size, &j, error);
    }
    if (status != ETW_OK) {
        return status;
    }
    if (is_lent && j->lease == NULL) {
        lend(p, j);
    }
    return etw_render_job_add(&j->events, item, is_lent)
               ? ETW_OK
               : etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for an event");
}

/* Without threads rows wait in the stream's text, which is never written as it is. */
static etw_status collect_waiting(etw_pipeline *p, size_t least, etw_error *error)
{
    etw_text *rows = &p->options.stream->text;
    if (rows->failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the text of events");
    }
    if (rows->size < least) {
        return ETW_OK;
    }
    const etw_status status = collect(p, rows, error);
    etw_text_clear(rows);
    return status;
}

/* What the caller rendered goes out before what threads do. */
static etw_status begin_threads(etw_pipeline *p, etw_error *error)
{
    start_threads(p);
    return p->running > 0 && p->collector != NULL ? collect_waiting(p, 0, error) : ETW_OK;
}

static etw_status render_alone(etw_pipeline *p, const etw_replay_item *item, etw_error *error)
{
    etw_stream *stream = p->options.stream;
    etw_status status;
    if (!etw_pen_event(&p->own, item, &stream->text)) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to compile a schema");
    }
    if (p->collector != NULL) {
        status = collect_waiting(p, COLLECT_BYTES, error);
    } else {
        status = p->options.is_live ? etw_stream_flush(stream, error)
                                    : etw_stream_flush_chunks(stream, error);
    }
    if (status == ETW_OK && p->alone < p->options.alone && ++p->alone == p->options.alone) {
        status = begin_threads(p, error);
    }
    return status == ETW_OK && stream->is_closed ? ETW_END : status;
}

etw_status etw_pipeline_event(etw_pipeline *pipeline, const etw_replay_item *item, etw_error *error)
{
    return pipeline->running > 0 ? queue_event(pipeline, item, error)
                                 : render_alone(pipeline, item, error);
}

etw_status etw_pipeline_loss(etw_pipeline *pipeline, const etw_loss *loss, etw_error *error)
{
    if (pipeline->options.format->loss == NULL) {
        return ETW_OK;
    }
    if (pipeline->running == 0) {
        pipeline->options.format->loss(pipeline->own.output, loss, &pipeline->options.stream->text);
        return ETW_OK;
    }
    job *j;
    const etw_status status = make_room(pipeline, 0, &j, error);
    if (status != ETW_OK) {
        return status;
    }
    return etw_render_job_add_loss(&j->events, loss)
               ? ETW_OK
               : etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a loss");
}

etw_status etw_pipeline_flush(etw_pipeline *pipeline, etw_error *error)
{
    if (pipeline->running == 0) {
        return pipeline->collector != NULL ? collect_waiting(pipeline, 0, error)
                                           : etw_stream_flush(pipeline->options.stream, error);
    }
    return pipeline->jobs[pipeline->filling].events.count > 0 ? hand_over(pipeline, error) : ETW_OK;
}

/* A failure is seen at the next event. */
void etw_pipeline_settle(etw_pipeline *pipeline)
{
    if (pipeline->running == 0) {
        return;
    }
    (void)etw_pipeline_flush(pipeline, NULL);
    (void)pthread_mutex_lock(&pipeline->mutex);
    help(pipeline, 0);
    pipeline->seen = pipeline->status;
    (void)pthread_mutex_unlock(&pipeline->mutex);
}

etw_status etw_pipeline_finish(etw_pipeline *pipeline, etw_error *error)
{
    etw_status status = ETW_OK;
    if (pipeline->running > 0) {
        (void)hand_over(pipeline, NULL);
        (void)pthread_mutex_lock(&pipeline->mutex);
        help(pipeline, 0);
        pipeline->seen = pipeline->status;
        (void)pthread_mutex_unlock(&pipeline->mutex);
        status = seen(pipeline, error);
    }
    if (!etw_failed(status) && pipeline->collector != NULL) {
        if (pipeline->running == 0) {
            status = collect_waiting(pipeline, 0, error);
        }
        if (!etw_failed(status)) {
            status = pipeline->options.format->collector->finish(pipeline->collector,
                                                                 &pipeline->collected, error);
            status = write_collected(pipeline, status, error);
        }
    }
    if (!etw_failed(status) && pipeline->options.format->end != NULL) {
        pipeline->options.format->end(pipeline->own.output, &pipeline->options.stream->text);
    }
    return status;
}
