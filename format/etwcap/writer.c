#include "format/etwcap/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "format/base/wait.h"
#include "format/etwcap/side_body.h"
#include "format/etwcap/write_job.h"

#define MAX_BATCH_BYTES ((size_t)14 << 20)
/* Blocks that wait before a batch; more, and the batch goes out. */
#define MAX_BEFORE ((size_t)1 << 20)
/* Items up to this number cannot be above ETW_MAX_EXTENDED_BYTES together. */
#define SURELY_SMALL_ITEMS       15u
#define DEFAULT_SYNC_INTERVAL_MS 1000u

_Static_assert(MAX_BATCH_BYTES + ETW_BATCH_RECORD_ROOM <= ETW_BATCH_MAX_BYTES,
               "a batch takes any record");

/* An encoding thread. */
typedef struct worker {
    struct etw_writer *writer;
    pthread_t thread;
    etw_job_encoder encoder;
} worker;

/* Jobs form a ring: those from written to encoding were encoded or are being encoded, those up to
 * filled wait for an encoder, and filled is the caller's own. All numbers only grow. */
enum drop { DROP_QUEUE_FULL, DROP_LIMIT, DROP_DISK, DROP_MEMORY, DROP_END };

struct etw_writer {
    const etw_os *os;
    etw_writer_options options;
    etw_sink *sink; /* used by the writing thread, or by the caller where there is none */
    etw_write_job *jobs;
    uint32_t job_count;
    uint64_t filled, encoding, written;
    worker *workers;
    uint32_t worker_count;
    etw_job_encoder own;              /* the caller's, where it helps; has an encoder once it did */
    etw_clock clocks[ETW_MAX_TRACES]; /* set before the first event of a trace is handed over */
    uint16_t trace_count;
    uint8_t *seen; /* by schema id: an enum schema_state */
    uint32_t names_seen;
    etw_loss drops[DROP_END]; /* not yet in a loss record: by an enum drop */
    /* The job that events go into without the lock: it is the caller's until it is handed over.
     * NULL: the caller looks at everything under the lock first. attention is how the writing
     * thread asks it to look: a failure, or a flush that is due. */
    etw_write_job *open;
    atomic_bool attention;
    atomic_uint_fast64_t received; /* written by the caller alone */
    uint64_t dropped;
    int64_t flush_at_ns; /* 0: nothing waits for a flush */
    bool threaded, stopping;
    pthread_t thread; /* writes */
    pthread_mutex_t lock;
    pthread_cond_t work, done, room; /* for encoders, for the writing thread, for the caller */
    etw_writer_counts counts;        /* of the sink, as of the last block */
    etw_error failure;               /* of the sink, at present */
};

enum schema_state { SCHEMA_UNSEEN, SCHEMA_KEPT, SCHEMA_LEFT_OUT };

static void lock(etw_writer *writer)
{
    if (writer->threaded) {
        (void)pthread_mutex_lock(&writer->lock);
    }
}

static void unlock(etw_writer *writer)
{
    if (writer->threaded) {
        (void)pthread_mutex_unlock(&writer->lock);
    }
}

static etw_write_job *job_at(etw_writer *writer, uint64_t number)
{
    return &writer->jobs[number % writer->job_count];
}

/* ---- Writing: one thread, in order ---- */

/* Without the lock. */
static etw_status write_job(etw_writer *writer, etw_write_job *current, etw_error *failure)
{
    size_t at = 0;
    etw_status status = etw_sink_tick(writer->sink, failure);
    if (current->out.failed) {
        etw_write_job_give_up(current);
    }
    while (at < current->out.size) {
        const etw_sink_block block = etw_sink_block_take(&current->out, &at);
        status = etw_sink_put(writer->sink, &block, failure);
    }
    return status;
}

/* With the lock: what others see of the sink. */
static void publish(etw_writer *writer, etw_status status, const etw_error *failure)
{
    const etw_totals *totals = etw_sink_totals(writer->sink);
    writer->counts.written = totals->events;
    writer->counts.blocks = totals->blocks;
    writer->counts.bytes = etw_sink_size(writer->sink);
    if (status == ETW_OK) {
        writer->failure.status = ETW_OK;
    } else {
        writer->failure = *failure;
        atomic_store_explicit(&writer->attention, true, memory_order_relaxed);
    }
}

static int64_t now_ns(const etw_writer *writer)
{
    return writer->os->monotonic_ns(writer->os->context);
}

/* With the lock; the caller's job has content. */
static void submit(etw_writer *writer)
{
    writer->open = NULL;
    writer->flush_at_ns = 0;
    writer->filled++;
    if (writer->threaded) {
        (void)pthread_cond_signal(&writer->work);
        return;
    }
    etw_write_job *current = job_at(writer, writer->written);
    etw_error failure;
    etw_write_job_encode(&writer->workers[0].encoder, current);
    publish(writer, write_job(writer, current, &failure), &failure);
    etw_write_job_clear(current);
    writer->encoding++;
    writer->written++;
}

static bool is_flush_due(const etw_writer *writer)
{
    return writer->flush_at_ns != 0 && now_ns(writer) >= writer->flush_at_ns;
}

static void submit_if_due(etw_writer *writer)
{
    if (is_flush_due(writer) && writer->filled - writer->written < writer->job_count) {
        submit(writer);
    }
}

/* With the lock, which it lets go meanwhile; a job waits for an encoder. */
static void encode_next(etw_writer *writer, etw_job_encoder *encoder)
{
    etw_write_job *current = job_at(writer, writer->encoding++);
    (void)pthread_mutex_unlock(&writer->lock);
    etw_write_job_encode(encoder, current);
    (void)pthread_mutex_lock(&writer->lock);
    current->encoded = true;
    (void)pthread_cond_signal(&writer->done);
}

static void *encoder_thread(void *context)
{
    worker *self = context;
    etw_writer *writer = self->writer;
    (void)pthread_mutex_lock(&writer->lock);
    for (;;) {
        while (writer->encoding == writer->filled && !writer->stopping) {
            (void)pthread_cond_wait(&writer->work, &writer->lock);
        }
        if (writer->encoding == writer->filled) {
            break;
        }
        encode_next(writer, &self->encoder);
    }
    (void)pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* The clock is looked at so many times in an interval, and what waits is handed over one look
 * before the interval is over: it is not to be longer. */
#define LOOKS_PER_INTERVAL 4u

/* With the lock. How long the writing thread may sleep, in milliseconds; 0: until it is woken. */
static uint32_t sleep_ms(const etw_writer *writer)
{
    const uint32_t interval = writer->options.interval_ms;
    uint32_t wait = interval == 0 ? 0 : (interval + LOOKS_PER_INTERVAL - 1) / LOOKS_PER_INTERVAL;
    if (writer->options.sync == ETW_SYNC_INTERVAL && wait == 0) {
        wait = DEFAULT_SYNC_INTERVAL_MS;
    }
    if (writer->failure.status != ETW_OK && (wait == 0 || wait > ETW_SINK_RETRY_MS)) {
        wait = ETW_SINK_RETRY_MS;
    }
    return wait;
}

static void sleep_until_done(etw_writer *writer)
{
    const uint32_t wait_ms = sleep_ms(writer);
    if (wait_ms == 0) {
        (void)pthread_cond_wait(&writer->done, &writer->lock);
        return;
    }
    etw_condition_wait(&writer->done, &writer->lock, (int64_t)wait_ms * 1000000);
}

/* With the lock, which it lets go meanwhile. */
static void write_next(etw_writer *writer, etw_write_job *current)
{
    etw_error failure;
    (void)pthread_mutex_unlock(&writer->lock);
    const etw_status status = current == NULL ? etw_sink_tick(writer->sink, &failure)
                                              : write_job(writer, current, &failure);
    (void)pthread_mutex_lock(&writer->lock);
    publish(writer, status, &failure);
    if (current != NULL) {
        etw_write_job_clear(current);
        writer->written++;
        (void)pthread_cond_signal(&writer->room);
    }
}

static void *writing_thread(void *context)
{
    etw_writer *writer = context;
    (void)pthread_mutex_lock(&writer->lock);
    for (;;) {
        etw_write_job *oldest = job_at(writer, writer->written);
        if (writer->written < writer->filled && oldest->encoded) {
            write_next(writer, oldest);
        } else if (writer->written == writer->filled && writer->stopping) {
            break;
        } else {
            sleep_until_done(writer);
            if (is_flush_due(writer)) {
                atomic_store_explicit(&writer->attention, true, memory_order_relaxed);
            }
            if (sleep_ms(writer) != 0) {
                write_next(writer, NULL);
            }
        }
    }
    (void)pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* ---- The caller's side ---- */

static void free_workers(etw_writer *writer)
{
    etw_job_encoder_free(&writer->own);
    for (uint32_t i = 0; writer->workers != NULL && i < writer->worker_count; i++) {
        etw_job_encoder_free(&writer->workers[i].encoder);
    }
    free(writer->workers);
}

static void free_jobs(etw_writer *writer)
{
    for (uint32_t i = 0; writer->jobs != NULL && i < writer->job_count; i++) {
        etw_write_job *each = &writer->jobs[i];
        etw_write_job_free(each);
    }
    free(writer->jobs);
}

/* Lets the threads finish what they have, and joins them. */
static void stop_threads(etw_writer *writer)
{
    if (!writer->threaded) {
        return;
    }
    (void)pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    (void)pthread_cond_broadcast(&writer->work);
    (void)pthread_cond_broadcast(&writer->done);
    (void)pthread_mutex_unlock(&writer->lock);
    for (uint32_t i = 0; i < writer->worker_count; i++) {
        (void)pthread_join(writer->workers[i].thread, NULL);
    }
    (void)pthread_mutex_lock(&writer->lock);
    (void)pthread_cond_broadcast(&writer->done);
    (void)pthread_mutex_unlock(&writer->lock);
    (void)pthread_join(writer->thread, NULL);
    writer->threaded = false;
    (void)pthread_mutex_destroy(&writer->lock);
    (void)pthread_cond_destroy(&writer->work);
    (void)pthread_cond_destroy(&writer->done);
    (void)pthread_cond_destroy(&writer->room);
}

void etw_writer_free(etw_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    stop_threads(writer);
    etw_sink_free(writer->sink);
    free_workers(writer);
    free_jobs(writer);
    free(writer->seen);
    free(writer);
}

static void set_defaults(etw_writer *writer, const etw_writer_options *options)
{
    etw_writer_options *mine = &writer->options;
    if (options != NULL) {
        *mine = *options;
    }
    mine->level = mine->level == 0 ? ETW_WRITER_DEFAULT_LEVEL : mine->level;
    if (mine->batch_bytes == 0) {
        mine->batch_bytes =
            mine->level >= ETW_WRITER_ARCHIVE_LEVEL ? MAX_BATCH_BYTES : ETW_WRITER_DEFAULT_BATCH;
    }
    if (mine->threads > ETW_WRITER_MAX_THREADS) {
        mine->threads = ETW_WRITER_MAX_THREADS;
    }
    if (mine->batch_bytes > MAX_BATCH_BYTES) {
        mine->batch_bytes = MAX_BATCH_BYTES;
    }
    const size_t most = ETW_WRITER_MAX_QUEUE_BYTES / (mine->batch_bytes + ETW_BATCH_RECORD_ROOM);
    uint32_t jobs = mine->queue_blocks == 0 ? 2 + 2 * mine->threads : mine->queue_blocks;
    jobs = jobs > ETW_WRITER_MAX_QUEUE ? ETW_WRITER_MAX_QUEUE : jobs;
    jobs = jobs > most ? (uint32_t)most : jobs;
    writer->job_count = mine->threads == 0 ? 1 : (jobs < 2 ? 2 : jobs);
    writer->worker_count = mine->threads == 0 ? 1 : mine->threads;
}

static bool allocate(etw_writer *writer)
{
    const etw_writer_options *options = &writer->options;
    writer->jobs = calloc(writer->job_count, sizeof *writer->jobs);
    writer->workers = calloc(writer->worker_count, sizeof *writer->workers);
    writer->seen = calloc((size_t)ETW_FILE_MAX_SCHEMA_ID + 1, 1);
    if (writer->jobs == NULL || writer->workers == NULL || writer->seen == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < writer->job_count; i++) {
        writer->jobs[i].batch =
            etw_batch_new(options->batch_bytes + ETW_BATCH_RECORD_ROOM, ETW_BATCH_MAX_EVENTS);
        if (writer->jobs[i].batch == NULL) {
            return false;
        }
    }
    for (uint32_t i = 0; i < writer->worker_count; i++) {
        worker *each = &writer->workers[i];
        each->writer = writer;
        if (!etw_job_encoder_init(&each->encoder, options->level, writer->clocks)) {
            return false;
        }
    }
    return true;
}

static etw_status put_file_info(etw_writer *writer, etw_error *error)
{
    const char *keys[2];
    const char *values[2];
    uint32_t count = 0;
    etw_buffer body = {0};
    if (writer->options.application != NULL) {
        keys[count] = "application";
        values[count++] = writer->options.application;
    }
    if (writer->options.redacted != NULL) {
        keys[count] = "redacted";
        values[count++] = writer->options.redacted;
    }
    etw_file_info_append(&body, count, keys, values);
    const etw_sink_block block = {.kind = ETW_BLOCK_FILE_INFO,
                                  .raw_size = (uint32_t)body.size,
                                  .count = count,
                                  .body = {(const uint8_t *)body.data, body.size}};
    const etw_status status =
        body.failed ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a writer")
                    : etw_sink_put(writer->sink, &block, error);
    etw_buffer_free(&body);
    return status;
}

static etw_status start_threads(etw_writer *writer, etw_error *error)
{
    if (writer->options.threads == 0) {
        return ETW_OK;
    }
    (void)pthread_mutex_init(&writer->lock, NULL);
    (void)pthread_cond_init(&writer->work, NULL);
    etw_condition_init(&writer->done);
    etw_condition_init(&writer->room);
    writer->threaded = true;
    int result = pthread_create(&writer->thread, NULL, writing_thread, writer);
    if (result != 0) {
        writer->threaded = false;
        return etw_error_set_os(error, result, "cannot start a thread");
    }
    const uint32_t wanted = writer->worker_count;
    for (uint32_t i = 0; i < wanted && result == 0; i++) {
        writer->worker_count = i;
        result =
            pthread_create(&writer->workers[i].thread, NULL, encoder_thread, &writer->workers[i]);
    }
    if (result != 0) {
        stop_threads(writer);
        writer->worker_count = wanted;
        return etw_error_set_os(error, result, "cannot start a thread");
    }
    writer->worker_count = wanted;
    return ETW_OK;
}

etw_status etw_writer_create(const etw_os *os, const char *path, const etw_writer_options *options,
                             etw_writer **created, etw_error *error)
{
    if (created != NULL) {
        *created = NULL;
    }
    if (path == NULL || created == NULL) {
        return etw_error_set_missing(error, "path and writer");
    }
    os = os == NULL ? etw_os_default() : os;
    etw_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a writer");
    }
    writer->os = os;
    set_defaults(writer, options);
    const uint32_t interval = writer->options.interval_ms;
    const etw_sink_options sink_options = {.replace = writer->options.replace,
                                           .sync = writer->options.sync,
                                           .sync_interval_ms =
                                               interval == 0 ? DEFAULT_SYNC_INTERVAL_MS : interval};
    etw_status status = ETW_OK;
    if (!allocate(writer)) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a writer");
    }
    if (status == ETW_OK) {
        status = etw_sink_open(os, path, &sink_options, &writer->sink, error);
    }
    if (status == ETW_OK) {
        status = put_file_info(writer, error);
    }
    if (status == ETW_OK) {
        etw_error none;
        publish(writer, ETW_OK, &none);
        status = start_threads(writer, error);
    }
    if (status != ETW_OK) {
        etw_writer_free(writer);
        return status;
    }
    *created = writer;
    return ETW_OK;
}

/* Whether the caller can encode while it would wait. Without memory for that it waits. */
static bool can_help(etw_writer *writer)
{
    const etw_writer_options *options = &writer->options;
    if (!options->caller_helps || options->level >= ETW_WRITER_ARCHIVE_LEVEL) {
        return false;
    }
    if (writer->own.encoder == NULL &&
        !etw_job_encoder_init(&writer->own, options->level, writer->clocks)) {
        etw_job_encoder_free(&writer->own);
        memset(&writer->own, 0, sizeof writer->own);
    }
    return writer->own.encoder != NULL;
}

/* With the lock, which it lets go meanwhile: until at most so many jobs are on their way. */
static void wait_for(etw_writer *writer, uint32_t jobs)
{
    while (writer->filled - writer->written > jobs) {
        if (writer->encoding < writer->filled && can_help(writer)) {
            encode_next(writer, &writer->own);
        } else {
            (void)pthread_cond_wait(&writer->room, &writer->lock);
        }
    }
}

/* With the lock. The job that the caller may fill; NULL where all are on their way and the policy
 * says drop. What was dropped before goes first into it. */
static etw_write_job *current_job(etw_writer *writer)
{
    if (writer->filled - writer->written == writer->job_count &&
        writer->options.overload == ETW_OVERLOAD_DROP) {
        return NULL;
    }
    wait_for(writer, writer->job_count - 1);
    etw_write_job *current = job_at(writer, writer->filled);
    for (uint32_t i = 0; i < sizeof writer->drops / sizeof writer->drops[0]; i++) {
        etw_loss *drop = &writer->drops[i];
        if (drop->events > 0 && etw_batch_count(current->batch) == 0) {
            etw_buffer scratch = {0};
            etw_write_own_loss(&current->before, &scratch, drop);
            etw_buffer_free(&scratch);
            drop->events = 0;
        }
    }
    return current;
}

static void start_flush_clock(etw_writer *writer)
{
    if (writer->options.interval_ms > 0 && writer->flush_at_ns == 0) {
        const int64_t interval_ns = (int64_t)writer->options.interval_ms * 1000000;
        writer->flush_at_ns = now_ns(writer) + interval_ns - interval_ns / LOOKS_PER_INTERVAL;
    }
}

static void note_drop(etw_writer *writer, enum drop which, const etw_event_record *record,
                      uint16_t trace_index, const char *detail)
{
    static const uint32_t causes[] = {ETW_LOSS_QUEUE_FULL, ETW_LOSS_LIMIT, ETW_LOSS_DISK,
                                      ETW_LOSS_LIMIT};
    etw_loss *drop = &writer->drops[which];
    const int64_t time =
        etw_clock_to_filetime(&writer->clocks[trace_index], record->EventHeader.TimeStamp);
    if (drop->events == 0) {
        etw_write_loss_start(drop, causes[which], detail);
        drop->trace_index = trace_index;
        drop->from_time_100ns = time;
    }
    drop->events++;
    drop->to_time_100ns = time;
    writer->dropped++;
}

/* False where memory is out; what the buffer holds stays whole. */
static bool has_room(etw_buffer *buffer, size_t size)
{
    const bool is_there = etw_buffer_reserve(buffer, size) != NULL;
    buffer->failed = false;
    return is_there;
}

/* Puts the schema into the job where it is new. *id: 0 for one that the file cannot hold. False
 * where memory is out; the schema is still new then. */
static bool note_schema(etw_writer *writer, etw_write_job *current, uint32_t schema_id,
                        uint32_t *id)
{
    *id = 0;
    if (schema_id == 0 || schema_id > ETW_FILE_MAX_SCHEMA_ID || writer->options.store == NULL) {
        return true;
    }
    uint8_t *state = &writer->seen[schema_id];
    if (*state == SCHEMA_UNSEEN) {
        const etw_schema_entry entry = {schema_id,
                                        etw_schema_store_get(writer->options.store, schema_id)};
        const bool is_kept =
            entry.schema != NULL && etw_schema_size_bytes(entry.schema) <= ETW_FILE_MAX_SCHEMA_SIZE;
        if (is_kept && !has_room(&current->schemas, sizeof entry)) {
            return false;
        }
        if (is_kept) {
            etw_buffer_append(&current->schemas, &entry, sizeof entry);
        }
        *state = is_kept ? SCHEMA_KEPT : SCHEMA_LEFT_OUT;
    }
    *id = *state == SCHEMA_KEPT ? schema_id : 0;
    return true;
}

/* Names that the store learnt since the last batch. */
static void note_names(etw_writer *writer, etw_write_job *current)
{
    const etw_guid *provider;
    const char *name;
    while (
        writer->options.store != NULL && current->names.size < MAX_BEFORE &&
        etw_schema_store_provider_at(writer->options.store, writer->names_seen, &provider, &name) &&
        has_room(&current->names, ETW_PROVIDER_NAME_MAX_SIZE)) { /* else with the next job */
        etw_provider_name_append(&current->names, provider, name);
        writer->names_seen++;
    }
}

static bool is_within_limits(const etw_event_record *record)
{
    size_t bytes = 0;
    if (record->ExtendedDataCount <= SURELY_SMALL_ITEMS) {
        return true;
    }
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        bytes += sizeof record->ExtendedData[i] + record->ExtendedData[i].DataSize;
    }
    return bytes <= ETW_MAX_EXTENDED_BYTES;
}

static bool is_full(const etw_writer *writer, const etw_write_job *current)
{
    return etw_batch_size_bytes(current->batch) >= writer->options.batch_bytes ||
           etw_batch_count(current->batch) == ETW_BATCH_MAX_EVENTS;
}

static void hand_over(etw_writer *writer, etw_write_job *current)
{
    note_names(writer, current);
    submit(writer);
}

static etw_status append_event(etw_writer *writer, const etw_event_record *record,
                               uint16_t trace_index, uint32_t schema_id, etw_error *error)
{
    etw_write_job *current = current_job(writer);
    if (current == NULL) {
        note_drop(writer, DROP_QUEUE_FULL, record, trace_index, "the writer's queue was full");
        return ETW_OK;
    }
    uint32_t id;
    if (!note_schema(writer, current, schema_id, &id)) {
        note_drop(writer, DROP_MEMORY, record, trace_index, "out of memory for a schema");
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a schema");
    }
    if (!is_within_limits(record) || !etw_batch_append(current->batch, record, trace_index, id)) {
        note_drop(writer, DROP_LIMIT, record, trace_index, "an event was larger than the limit");
        return etw_error_set(error, ETW_ERROR_LIMIT, "an event is larger than the limit");
    }
    start_flush_clock(writer);
    if (is_full(writer, current)) {
        hand_over(writer, current);
    }
    return ETW_OK;
}

static void count_received(etw_writer *writer)
{
    /* One thread writes it: no need for the cost of an atomic addition. */
    const uint_fast64_t received = atomic_load_explicit(&writer->received, memory_order_relaxed);
    atomic_store_explicit(&writer->received, received + 1, memory_order_relaxed);
}

/* With the lock: all that an event may meet. */
static etw_status add_carefully(etw_writer *writer, const etw_event_record *record,
                                uint16_t trace_index, uint32_t schema_id, etw_error *error)
{
    etw_status status;
    if (!writer->threaded && writer->failure.status != ETW_OK) {
        etw_error failure;
        publish(writer, etw_sink_tick(writer->sink, &failure), &failure);
    }
    if (writer->failure.status != ETW_OK) {
        note_drop(writer, DROP_DISK, record, trace_index, writer->failure.message);
        status = writer->failure.status;
        if (error != NULL) {
            *error = writer->failure;
        }
    } else {
        status = append_event(writer, record, trace_index, schema_id, error);
    }
    submit_if_due(writer);
    return status;
}

/* With the lock. Opens the way past it for the events to come, where nothing stands in it. */
static void open_quick_way(etw_writer *writer)
{
    const bool by_clock = !writer->threaded && writer->options.interval_ms > 0;
    etw_write_job *current = job_at(writer, writer->filled);
    const bool is_free = writer->filled - writer->written < writer->job_count;
    writer->open = writer->failure.status == ETW_OK && !by_clock && is_free &&
                           etw_batch_count(current->batch) > 0
                       ? current
                       : NULL;
}

/* Without the lock: a copy into the open batch, of a kind of event seen before. False: look first.
 * Every event comes this way: what it calls is inlined (1.2 % of all instructions of etw-record).
 */
__attribute__((flatten)) static bool add_quickly(etw_writer *writer, const etw_event_record *record,
                                                 uint16_t trace_index, uint32_t schema_id)
{
    if (writer->open == NULL || atomic_load_explicit(&writer->attention, memory_order_relaxed)) {
        return false;
    }
    const bool is_known =
        schema_id == 0 || (schema_id <= ETW_FILE_MAX_SCHEMA_ID && writer->options.store != NULL &&
                           writer->seen[schema_id] == SCHEMA_KEPT);
    return is_known && is_within_limits(record) && !is_full(writer, writer->open) &&
           etw_batch_append(writer->open->batch, record, trace_index, schema_id);
}

etw_status etw_writer_add_event(etw_writer *writer, const etw_event_record *record,
                                uint16_t trace_index, uint32_t schema_id, etw_error *error)
{
    if (trace_index >= writer->trace_count) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "trace %u was not added",
                             trace_index);
    }
    count_received(writer);
    if (add_quickly(writer, record, trace_index, schema_id)) {
        return ETW_OK;
    }
    lock(writer);
    atomic_store_explicit(&writer->attention, false, memory_order_relaxed);
    if (writer->open != NULL && is_full(writer, writer->open)) {
        hand_over(writer, writer->open);
    }
    const etw_status status = add_carefully(writer, record, trace_index, schema_id, error);
    open_quick_way(writer);
    unlock(writer);
    return status;
}

bool etw_writer_has_room(etw_writer *writer, uint32_t wait_ms)
{
    if (!writer->threaded || (writer->open != NULL && !is_full(writer, writer->open))) {
        return true;
    }
    (void)pthread_mutex_lock(&writer->lock);
    const int64_t deadline_ns = now_ns(writer) + (int64_t)wait_ms * 1000000;
    int64_t wait_ns = (int64_t)wait_ms * 1000000;
    /* An open batch that is full is handed over with the next event, which needs another. */
    const uint32_t needed = writer->open == NULL ? 1 : 2;
    while (writer->filled - writer->written + needed > writer->job_count && wait_ns > 0) {
        etw_condition_wait(&writer->room, &writer->lock, wait_ns);
        wait_ns = deadline_ns - now_ns(writer);
    }
    const bool room = writer->filled - writer->written + needed <= writer->job_count;
    (void)pthread_mutex_unlock(&writer->lock);
    return room;
}

void etw_writer_tick(etw_writer *writer)
{
    lock(writer);
    submit_if_due(writer);
    unlock(writer);
}

/* With the lock. Puts a small block between the events before and after it. */
static etw_status put_before(etw_writer *writer, const etw_sink_block *block, etw_error *error)
{
    etw_write_job *current = NULL;
    if (writer->filled - writer->written < writer->job_count) {
        current = job_at(writer, writer->filled);
    }
    if (current != NULL &&
        (etw_batch_count(current->batch) > 0 || current->before.size > MAX_BEFORE)) {
        hand_over(writer, current);
    }
    /* Blocks that are not events are few, and are never dropped: this waits whatever the policy. */
    wait_for(writer, writer->job_count - 1);
    current = current_job(writer);
    const size_t size = current->before.size;
    etw_sink_block_put(&current->before, block);
    if (current->before.failed) {
        current->before.size = size;
        current->before.failed = false;
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a block");
    }
    start_flush_clock(writer);
    return ETW_OK;
}

static etw_status add_small_block(etw_writer *writer, etw_sink_block *block, etw_buffer *body,
                                  etw_error *error)
{
    etw_status status;
    if (body->failed) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a block");
    } else {
        block->raw_size = (uint32_t)body->size;
        block->body = (etw_bytes){(const uint8_t *)body->data, body->size};
        lock(writer);
        status = put_before(writer, block, error);
        unlock(writer);
    }
    etw_buffer_free(body);
    return status;
}

etw_status etw_writer_add_trace(etw_writer *writer, const etw_trace *trace, uint16_t *trace_index,
                                etw_error *error)
{
    if (writer->trace_count == ETW_MAX_TRACES) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "a file holds at most %u traces",
                             ETW_MAX_TRACES);
    }
    etw_buffer body = {0};
    etw_sink_block block = {.kind = ETW_BLOCK_TRACE, .count = 1};
    etw_trace_append(&body, writer->trace_count, trace);
    const etw_status status = add_small_block(writer, &block, &body, error);
    if (status == ETW_OK) {
        writer->clocks[writer->trace_count] = trace->clock;
        *trace_index = writer->trace_count++;
    }
    return status;
}

etw_status etw_writer_add_loss(etw_writer *writer, const etw_loss *loss, etw_error *error)
{
    etw_buffer body = {0};
    etw_sink_block block = {.kind = ETW_BLOCK_LOSS,
                            .count = 1,
                            .first_time_100ns = loss->from_time_100ns,
                            .last_time_100ns = loss->to_time_100ns};
    etw_loss_append(&body, loss, false);
    return add_small_block(writer, &block, &body, error);
}

etw_status etw_writer_add_clock_anchor(etw_writer *writer, uint16_t trace_index, int64_t ticks,
                                       int64_t time_100ns, etw_error *error)
{
    const etw_clock_anchor anchor = {trace_index, ticks, time_100ns};
    etw_buffer body = {0};
    etw_sink_block block = {.kind = ETW_BLOCK_CLOCK_ANCHORS,
                            .count = 1,
                            .first_time_100ns = time_100ns,
                            .last_time_100ns = time_100ns};
    if (trace_index >= writer->trace_count) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "trace %u was not added",
                             trace_index);
    }
    etw_clock_anchor_append(&body, &anchor);
    return add_small_block(writer, &block, &body, error);
}

etw_status etw_writer_add_block(etw_writer *writer, uint16_t kind, uint32_t count, etw_bytes bytes,
                                etw_error *error)
{
    etw_buffer body = {0};
    etw_sink_block block = {.kind = kind, .count = count};
    const bool is_callers = kind == ETW_BLOCK_ORACLE || kind == ETW_BLOCK_RUNDOWN;
    if (!is_callers && kind < ETW_BLOCK_PRIVATE_FIRST) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "block kind %u is not free", kind);
    }
    if (bytes.size > ETW_WRITER_MAX_BLOCK) {
        return etw_error_set(error, ETW_ERROR_LIMIT,
                             "a block of %zu bytes is above the limit of %zu", bytes.size,
                             ETW_WRITER_MAX_BLOCK);
    }
    etw_buffer_append(&body, bytes.data, bytes.size);
    return add_small_block(writer, &block, &body, error);
}

static bool has_drops(const etw_writer *writer)
{
    bool any = false;
    for (uint32_t i = 0; i < sizeof writer->drops / sizeof writer->drops[0]; i++) {
        any = any || writer->drops[i].events > 0;
    }
    return any;
}

/* With the lock: hands over what waits, and waits until it is written or has failed. */
static void drain(etw_writer *writer)
{
    for (int round = 0; round < 2; round++) {
        wait_for(writer, writer->job_count - 1);
        etw_write_job *current = current_job(writer);
        note_names(writer, current);
        if (!etw_write_job_is_empty(current)) {
            submit(writer);
        }
        if (!has_drops(writer)) {
            break;
        }
    }
    wait_for(writer, 0);
}

etw_status etw_writer_flush(etw_writer *writer, etw_error *error)
{
    lock(writer);
    drain(writer);
    const etw_status status = writer->failure.status;
    if (status != ETW_OK && error != NULL) {
        *error = writer->failure;
    }
    unlock(writer);
    return status;
}

void etw_writer_get_counts(const etw_writer *writer, etw_writer_counts *counts)
{
    etw_writer *mine = (etw_writer *)(uintptr_t)writer; /* for its lock only */
    lock(mine);
    *counts = writer->counts;
    counts->received = atomic_load_explicit(&mine->received, memory_order_relaxed);
    counts->dropped = writer->dropped;
    unlock(mine);
}

void etw_writer_use_store(etw_writer *writer, const etw_schema_store *store)
{
    lock(writer);
    writer->options.store = store;
    unlock(writer);
}

etw_status etw_writer_finish(etw_writer *writer, etw_error *error)
{
    lock(writer);
    drain(writer);
    unlock(writer);
    stop_threads(writer);
    const etw_status status =
        etw_sink_finish(writer->sink, writer->received, writer->options.store, error);
    etw_error none = {ETW_OK, 0, ""};
    publish(writer, ETW_OK, &none);
    writer->dropped = writer->received - writer->counts.written;
    return status;
}
