#include "replay/command/pipeline.h"

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

typedef struct job_event {
    etw_replay_item item; /* its record lent, or the job's copy */
    etw_loss *loss;       /* not NULL: a loss stands here instead of an event; owned */
} job_event;

typedef enum job_state { JOB_FILLING, JOB_READY, JOB_TAKEN, JOB_DONE } job_state;

/* Jobs are used in turn, as a ring: the caller fills one, threads take the oldest that is ready,
 * and who is done with the oldest of all writes it, and those behind it that are done. */
typedef struct job {
    job_state state;
    job_event events[ETW_PIPELINE_JOB_EVENTS];
    uint32_t count;
    etw_event_record *copies; /* of events that are not lent; their pointers go into bytes */
    uint8_t *bytes;
    size_t capacity;
    size_t size;
    lease *lease;  /* NULL: the records are copies */
    etw_text text; /* has memory from its rendering until it is written */
} job;

/* What one thread renders with. */
typedef struct pen {
    etw_output *output;
    etw_event_maker *maker;
} pen;

typedef struct renderer {
    etw_pipeline *pipeline;
    pen pen;
    pthread_t thread;
    bool is_running;
} renderer;

struct etw_pipeline {
    etw_pipeline_options options;
    pen own;                  /* the calling thread's */
    etw_collector *collector; /* NULL where the format has none; used by who writes */
    etw_text collected;       /* bytes of the file, from the collector */
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

/* NULL: no memory. */
static const etw_event *make_event(const pen *with, const etw_replay_item *item)
{
    const etw_event *event =
        etw_event_make(with->maker, item->record, item->trace, item->schema, item->provider_name);
    if (event != NULL) {
        etw_event_set_trace_number(with->maker, item->trace_number);
        etw_event_set_file(with->maker, item->file);
        etw_event_set_process(with->maker, item->has_process ? &item->process : NULL);
        etw_event_set_stack(with->maker, item->has_stack ? &item->stack : NULL);
    }
    return event;
}

static void render(etw_pipeline *p, const pen *with, job *j)
{
    const etw_output_format *format = p->options.format;
    for (uint32_t i = 0; i < j->count; i++) {
        job_event *e = &j->events[i];
        if (e->loss != NULL) {
            format->loss(with->output, e->loss, &j->text);
            continue;
        }
        const etw_event *event = make_event(with, &e->item);
        if (event == NULL) {
            j->text.failed = true;
            return;
        }
        format->event(with->output, event, &j->text);
        if (j->text.size > MAX_JOB_TEXT && !j->text.failed) {
            spill(p, j);
        }
    }
}

/* Empties a written job. With the mutex. */
static void clear(etw_pipeline *p, job *j)
{
    for (uint32_t i = 0; i < j->count; i++) {
        free(j->events[i].loss);
    }
    j->count = 0;
    j->size = 0;
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
static bool render_next(etw_pipeline *p, const pen *with)
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

static bool open_pen(const etw_pipeline *p, pen *opened)
{
    opened->output = p->options.format->open(&p->options.rendering);
    opened->maker = etw_event_maker_new(p->options.rendering.raw_time);
    return opened->output != NULL && opened->maker != NULL;
}

static void close_pen(const etw_pipeline *p, const pen *opened)
{
    if (opened->output != NULL) {
        p->options.format->close(opened->output);
    }
    etw_event_maker_free(opened->maker);
}

static bool start_renderer(etw_pipeline *p, renderer *r)
{
    r->pipeline = p;
    r->is_running = open_pen(p, &r->pen) && pthread_create(&r->thread, NULL, run_renderer, r) == 0;
    return r->is_running;
}

static bool start_threads(etw_pipeline *p)
{
    const uint32_t threads = p->options.threads;
    p->job_count = JOBS_AHEAD * (threads + 1);
    p->jobs = calloc(p->job_count, sizeof *p->jobs);
    p->leases = calloc(p->job_count + 1, sizeof *p->leases);
    p->spare = calloc(p->job_count, sizeof *p->spare);
    p->renderers = calloc(threads, sizeof *p->renderers);
    bool is_well = p->jobs != NULL && p->leases != NULL && p->spare != NULL && p->renderers != NULL;
    for (uint32_t i = 0; is_well && i < p->job_count; i++) {
        job *j = &p->jobs[i];
        j->bytes = malloc(ETW_PIPELINE_JOB_BYTES);
        j->copies = malloc(ETW_PIPELINE_JOB_EVENTS * sizeof *j->copies);
        j->capacity = ETW_PIPELINE_JOB_BYTES;
        is_well = j->bytes != NULL && j->copies != NULL;
    }
    for (uint32_t i = 0; is_well && i < threads; i++) {
        is_well = start_renderer(p, &p->renderers[i]);
    }
    return is_well;
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
    if (!open_pen(p, &p->own) || (options->threads > 0 && !start_threads(p))) {
        etw_pipeline_close(p);
        *pipeline = NULL;
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for %u threads",
                             options->threads);
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
    return ETW_OK;
}

static void stop_threads(etw_pipeline *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    p->is_closing = true;
    p->status = p->status == ETW_OK ? ETW_END : p->status; /* what is left is not written */
    (void)pthread_cond_broadcast(&p->work);
    (void)pthread_mutex_unlock(&p->mutex);
    for (uint32_t i = 0; p->renderers != NULL && i < p->options.threads; i++) {
        renderer *r = &p->renderers[i];
        if (r->is_running) {
            (void)pthread_join(r->thread, NULL);
        }
        close_pen(p, &r->pen);
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
        free(pipeline->jobs[i].bytes);
        free(pipeline->jobs[i].copies);
    }
    while (pipeline->spare_count > 0) {
        etw_text_free(&pipeline->spare[--pipeline->spare_count]);
    }
    free(pipeline->spare);
    close_pen(pipeline, &pipeline->own);
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

static size_t aligned(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static size_t size_of(const etw_event_record *record)
{
    size_t size =
        aligned(record->UserDataLength) + record->ExtendedDataCount * sizeof *record->ExtendedData;
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        size += aligned(record->ExtendedData[i].DataSize);
    }
    return size;
}

static void *take(job *j, size_t size)
{
    void *at = j->bytes + j->size;
    j->size += aligned(size);
    return at;
}

/* There is room: see make_room. */
static void copy_record(job *j, const etw_event_record *from, etw_event_record *to)
{
    *to = *from;
    if (from->UserDataLength > 0) {
        to->UserData = take(j, from->UserDataLength);
        memcpy(to->UserData, from->UserData, from->UserDataLength);
    }
    if (from->ExtendedDataCount == 0) {
        return;
    }
    const size_t items_size = from->ExtendedDataCount * sizeof *from->ExtendedData;
    to->ExtendedData = take(j, items_size);
    memcpy(to->ExtendedData, from->ExtendedData, items_size);
    for (uint16_t i = 0; i < from->ExtendedDataCount; i++) {
        const etw_bytes data = etw_item_bytes(&from->ExtendedData[i]);
        void *copy = take(j, data.size);
        if (data.size > 0) {
            memcpy(copy, data.data, data.size);
        }
        to->ExtendedData[i].DataPtr = (uint64_t)(uintptr_t)copy;
    }
}

/* A job to fill with room for one more entry of size bytes. */
static etw_status make_room(etw_pipeline *p, size_t size, job **filling, etw_error *error)
{
    job *j = &p->jobs[p->filling];
    if (j->count == ETW_PIPELINE_JOB_EVENTS || (j->count > 0 && size > j->capacity - j->size)) {
        const etw_status status = hand_over(p, error);
        if (status != ETW_OK) {
            return status;
        }
        j = &p->jobs[p->filling];
    }
    if (size > j->capacity) {
        uint8_t *bytes = realloc(j->bytes, size);
        if (bytes == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for an event");
        }
        j->bytes = bytes;
        j->capacity = size;
    }
    *filling = j;
    return ETW_OK;
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
    if (p->options.threads == 0) {
        return used;
    }
    if (p->jobs[p->filling].count > 0) {
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
    const size_t size = p->options.is_lent ? 0 : size_of(item->record);
    etw_status status = seen(p, error);
    if (status == ETW_OK) {
        status = make_room(p, size, &j, error);
    }
    if (status != ETW_OK) {
        return status;
    }
    job_event *e = &j->events[j->count];
    e->item = *item;
    if (p->options.is_lent) {
        if (j->lease == NULL) {
            lend(p, j);
        }
    } else {
        copy_record(j, item->record, &j->copies[j->count]);
        e->item.record = &j->copies[j->count];
    }
    e->loss = NULL;
    j->count++;
    return ETW_OK;
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

etw_status etw_pipeline_event(etw_pipeline *pipeline, const etw_replay_item *item, etw_error *error)
{
    etw_stream *stream = pipeline->options.stream;
    if (pipeline->options.threads > 0) {
        return queue_event(pipeline, item, error);
    }
    const etw_event *event = make_event(&pipeline->own, item);
    if (event == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to compile a schema");
    }
    pipeline->options.format->event(pipeline->own.output, event, &stream->text);
    if (pipeline->collector != NULL) {
        return collect_waiting(pipeline, COLLECT_BYTES, error);
    }
    const etw_status status = pipeline->options.is_live ? etw_stream_flush(stream, error)
                                                        : etw_stream_flush_chunks(stream, error);
    return status == ETW_OK && stream->is_closed ? ETW_END : status;
}

etw_status etw_pipeline_loss(etw_pipeline *pipeline, const etw_loss *loss, etw_error *error)
{
    if (pipeline->options.format->loss == NULL) {
        return ETW_OK;
    }
    if (pipeline->options.threads == 0) {
        pipeline->options.format->loss(pipeline->own.output, loss, &pipeline->options.stream->text);
        return ETW_OK;
    }
    job *j;
    const etw_status status = make_room(pipeline, 0, &j, error);
    if (status != ETW_OK) {
        return status;
    }
    etw_loss *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a loss");
    }
    *copy = *loss;
    j->events[j->count++].loss = copy;
    return ETW_OK;
}

etw_status etw_pipeline_flush(etw_pipeline *pipeline, etw_error *error)
{
    if (pipeline->options.threads == 0) {
        return pipeline->collector != NULL ? collect_waiting(pipeline, 0, error)
                                           : etw_stream_flush(pipeline->options.stream, error);
    }
    return pipeline->jobs[pipeline->filling].count > 0 ? hand_over(pipeline, error) : ETW_OK;
}

etw_status etw_pipeline_finish(etw_pipeline *pipeline, etw_error *error)
{
    etw_status status = ETW_OK;
    if (pipeline->options.threads > 0) {
        (void)hand_over(pipeline, NULL);
        (void)pthread_mutex_lock(&pipeline->mutex);
        help(pipeline, 0);
        pipeline->seen = pipeline->status;
        (void)pthread_mutex_unlock(&pipeline->mutex);
        status = seen(pipeline, error);
    }
    if (!etw_failed(status) && pipeline->collector != NULL) {
        if (pipeline->options.threads == 0) {
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
