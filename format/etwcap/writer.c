#include "format/etwcap/writer.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "format/etwcap/fold.h"
#include "format/etwcap/side_body.h"
#include "format/etwcap/whole_block.h"
#include "format/etwcap/write_queue.h"

#define MAX_BATCH_BYTES ((size_t)14 << 20)
/* Blocks that wait before a batch; more, and the batch goes out. */
#define MAX_BEFORE ((size_t)1 << 20)
/* Items up to this number cannot be above ETW_MAX_EXTENDED_BYTES together. */
#define SURELY_SMALL_ITEMS 15u

_Static_assert(MAX_BATCH_BYTES + ETW_BATCH_RECORD_ROOM <= ETW_BATCH_MAX_BYTES,
               "a batch takes any record");

enum drop { DROP_QUEUE_FULL, DROP_LIMIT, DROP_DISK, DROP_MEMORY, DROP_END };

struct etw_writer {
    etw_writer_options options;
    etw_write_queue queue;
    etw_clock clocks[ETW_MAX_TRACES]; /* of the queue */
    uint16_t trace_count;
    uint8_t *seen; /* by schema id: an enum schema_state */
    uint32_t names_seen;
    etw_loss drops[DROP_END]; /* not yet in a loss record: by an enum drop */
    /* The job that events go into without the lock: it is the caller's until it is handed over.
     * NULL, or the queue asks for attention: the caller looks at everything under the lock first.
     */
    etw_write_job *open;
    atomic_uint_fast64_t received; /* written by the caller alone */
    uint64_t dropped;
};

enum schema_state { SCHEMA_UNSEEN, SCHEMA_KEPT, SCHEMA_LEFT_OUT };

void etw_writer_free(etw_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    etw_write_queue_stop(&writer->queue);
    etw_write_queue_free(&writer->queue);
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
    writer->queue.job_count = mine->threads == 0 ? 1 : (jobs < 2 ? 2 : jobs);
    writer->queue.worker_count = mine->threads == 0 ? 1 : mine->threads;
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
                    : etw_sink_put(writer->queue.sink, &block, error);
    etw_buffer_free(&body);
    return status;
}

/* Where the caller must not wait, or the clock does not, they are needed from the start; else they
 * begin with the first batch that is full: a small file is encoded before a thread would be. */
static void start_threads_if_live(etw_writer *writer)
{
    if (writer->options.interval_ms > 0 || writer->options.overload == ETW_OVERLOAD_DROP) {
        etw_write_queue_lock(&writer->queue);
        etw_write_queue_start(&writer->queue);
        etw_write_queue_unlock(&writer->queue);
    }
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
    writer->queue.os = os;
    writer->queue.options = &writer->options;
    writer->queue.clocks = writer->clocks;
    set_defaults(writer, options);
    const uint32_t interval = writer->options.interval_ms;
    const bool holds = writer->options.format == ETW_FORMAT_2_0 && interval == 0 &&
                       writer->options.sync != ETW_SYNC_BLOCK;
    const bool is_archive = writer->options.level >= ETW_WRITER_ARCHIVE_LEVEL;
    const etw_sink_options sink_options = {.replace = writer->options.replace,
                                           .sync = writer->options.sync,
                                           .sync_interval_ms =
                                               interval == 0 ? ETW_WRITE_QUEUE_SYNC_MS : interval,
                                           .hold_bytes = !holds       ? 0
                                                         : is_archive ? ETW_FOLD_MAX_ARCHIVE
                                                                      : ETW_FOLD_MAX_FILE,
                                           .is_archive = is_archive};
    etw_status status = ETW_OK;
    writer->seen = calloc((size_t)ETW_FILE_MAX_SCHEMA_ID + 1, 1);
    if (writer->seen == NULL || !etw_write_queue_allocate(&writer->queue)) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a writer");
    }
    if (status == ETW_OK) {
        status = etw_sink_open(os, path, &sink_options, &writer->queue.sink, error);
    }
    if (status == ETW_OK) {
        status = put_file_info(writer, error);
    }
    if (status == ETW_OK) {
        etw_error none;
        etw_write_queue_publish(&writer->queue, ETW_OK, &none);
        start_threads_if_live(writer);
    }
    if (status != ETW_OK) {
        etw_writer_free(writer);
        return status;
    }
    *created = writer;
    return ETW_OK;
}

/* With the lock. The job that the caller may fill; NULL where all are on their way and the policy
 * says drop. What was dropped before goes first into it. */
static etw_write_job *current_job(etw_writer *writer)
{
    if (!etw_write_queue_has_room(&writer->queue, 1) &&
        writer->options.overload == ETW_OVERLOAD_DROP) {
        return NULL;
    }
    etw_write_queue_wait(&writer->queue, writer->queue.job_count - 1);
    etw_write_job *current = etw_write_queue_job(&writer->queue, writer->queue.filled);
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

/* With the lock. */
static void submit(etw_writer *writer)
{
    writer->open = NULL;
    etw_write_queue_submit(&writer->queue);
}

static void hand_over(etw_writer *writer, etw_write_job *current)
{
    note_names(writer, current);
    if (is_full(writer, current)) {
        etw_write_queue_start(&writer->queue);
    }
    submit(writer);
}

static void submit_if_due(etw_writer *writer)
{
    if (etw_write_queue_is_flush_due(&writer->queue) &&
        etw_write_queue_has_room(&writer->queue, 1)) {
        submit(writer);
    }
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
    etw_write_queue_start_clock(&writer->queue);
    if (is_full(writer, current)) {
        hand_over(writer, current);
    }
    return ETW_OK;
}

static void count_received(etw_writer *writer, uint32_t events)
{
    /* One thread writes it: no need for the cost of an atomic addition. */
    const uint_fast64_t received = atomic_load_explicit(&writer->received, memory_order_relaxed);
    atomic_store_explicit(&writer->received, received + events, memory_order_relaxed);
}

/* With the lock: all that an event may meet. */
static etw_status add_carefully(etw_writer *writer, const etw_event_record *record,
                                uint16_t trace_index, uint32_t schema_id, etw_error *error)
{
    etw_status status;
    if (!writer->queue.threaded && writer->queue.failure.status != ETW_OK) {
        etw_write_queue_retry(&writer->queue);
    }
    if (writer->queue.failure.status != ETW_OK) {
        note_drop(writer, DROP_DISK, record, trace_index, writer->queue.failure.message);
        status = writer->queue.failure.status;
        if (error != NULL) {
            *error = writer->queue.failure;
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
    const bool by_clock = !writer->queue.threaded && writer->options.interval_ms > 0;
    etw_write_job *current = etw_write_queue_job(&writer->queue, writer->queue.filled);
    const bool is_free = etw_write_queue_has_room(&writer->queue, 1);
    writer->open = writer->queue.failure.status == ETW_OK && !by_clock && is_free &&
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
    if (writer->open == NULL ||
        atomic_load_explicit(&writer->queue.attention, memory_order_relaxed)) {
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
    count_received(writer, 1);
    if (add_quickly(writer, record, trace_index, schema_id)) {
        return ETW_OK;
    }
    etw_write_queue_lock(&writer->queue);
    atomic_store_explicit(&writer->queue.attention, false, memory_order_relaxed);
    if (writer->open != NULL && is_full(writer, writer->open)) {
        hand_over(writer, writer->open);
    }
    const etw_status status = add_carefully(writer, record, trace_index, schema_id, error);
    open_quick_way(writer);
    etw_write_queue_unlock(&writer->queue);
    return status;
}

bool etw_writer_has_room(etw_writer *writer, uint32_t wait_ms)
{
    if (!writer->queue.threaded || (writer->open != NULL && !is_full(writer, writer->open))) {
        return true;
    }
    etw_write_queue_lock(&writer->queue);
    /* An open batch that is full is handed over with the next event, which needs another. */
    const uint32_t needed = writer->open == NULL ? 1 : 2;
    const bool room = etw_write_queue_wait_for_room(&writer->queue, needed, wait_ms);
    etw_write_queue_unlock(&writer->queue);
    return room;
}

void etw_writer_tick(etw_writer *writer)
{
    etw_write_queue_lock(&writer->queue);
    submit_if_due(writer);
    etw_write_queue_unlock(&writer->queue);
}

/* With the lock. Puts a small block between the events before and after it. */
static etw_status put_before(etw_writer *writer, const etw_sink_block *block, etw_error *error)
{
    etw_write_job *current = NULL;
    if (etw_write_queue_has_room(&writer->queue, 1)) {
        current = etw_write_queue_job(&writer->queue, writer->queue.filled);
    }
    if (current != NULL &&
        (etw_batch_count(current->batch) > 0 || current->before.size > MAX_BEFORE)) {
        hand_over(writer, current);
    }
    /* Blocks that are not events are few, and are never dropped: this waits whatever the policy. */
    etw_write_queue_wait(&writer->queue, writer->queue.job_count - 1);
    current = current_job(writer);
    const size_t size = current->before.size;
    etw_sink_block_put(&current->before, block);
    if (current->before.failed) {
        current->before.size = size;
        current->before.failed = false;
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a block");
    }
    etw_write_queue_start_clock(&writer->queue);
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
        etw_write_queue_lock(&writer->queue);
        status = put_before(writer, block, error);
        etw_write_queue_unlock(&writer->queue);
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

/* With the lock. Its schemas stand in a job before its own: those of a job come behind such
 * blocks. False: there is one that the file cannot hold. */
static etw_status put_schemas_of(etw_writer *writer, const etw_whole_block *block, bool *written,
                                 etw_error *error)
{
    etw_write_queue_wait(&writer->queue, writer->queue.job_count - 1);
    etw_write_job *current = current_job(writer);
    *written = true;
    for (uint32_t i = 0; i < block->kind_count && *written; i++) {
        uint32_t id;
        if (!note_schema(writer, current, block->kinds[i].file_schema_id, &id)) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a schema");
        }
        *written = id == block->kinds[i].file_schema_id;
    }
    if (*written && current->schemas.size > 0) {
        hand_over(writer, current);
    }
    return ETW_OK;
}

etw_status etw_writer_add_whole_block(etw_writer *writer, const etw_whole_block *whole,
                                      bool *written, etw_error *error)
{
    const etw_sink_block block = {.kind = ETW_BLOCK_EVENTS,
                                  .raw_size = whole->raw_size,
                                  .count = whole->count,
                                  .head_size = whole->head_size,
                                  .first_time_100ns = whole->first_time_100ns,
                                  .last_time_100ns = whole->last_time_100ns,
                                  .body = whole->body};
    etw_write_queue_lock(&writer->queue);
    etw_status status = put_schemas_of(writer, whole, written, error);
    if (status == ETW_OK && *written) {
        status = put_before(writer, &block, error);
        *written = status == ETW_OK;
    }
    if (*written) {
        count_received(writer, whole->count);
    }
    if (*written && writer->queue.failure.status != ETW_OK) {
        status = writer->queue.failure.status;
        if (error != NULL) {
            *error = writer->queue.failure;
        }
    }
    etw_write_queue_unlock(&writer->queue);
    return status;
}

static bool has_drops(const etw_writer *writer)
{
    bool any = false;
    for (uint32_t i = 0; i < sizeof writer->drops / sizeof writer->drops[0]; i++) {
        any = any || writer->drops[i].events > 0;
    }
    return any;
}

/* With the lock: hands over what waits, and waits until it is written or has failed. releases:
 * until the system has it. */
static void drain(etw_writer *writer, bool releases)
{
    for (int round = 0; round < 2; round++) {
        etw_write_queue_wait(&writer->queue, writer->queue.job_count - 1);
        etw_write_job *current = current_job(writer);
        note_names(writer, current);
        current->releases = releases;
        if (!etw_write_job_is_empty(current)) {
            submit(writer);
        }
        if (!has_drops(writer)) {
            break;
        }
    }
    etw_write_queue_wait(&writer->queue, 0);
}

etw_status etw_writer_flush(etw_writer *writer, etw_error *error)
{
    etw_write_queue_lock(&writer->queue);
    drain(writer, true);
    const etw_status status = writer->queue.failure.status;
    if (status != ETW_OK && error != NULL) {
        *error = writer->queue.failure;
    }
    etw_write_queue_unlock(&writer->queue);
    return status;
}

void etw_writer_get_counts(const etw_writer *writer, etw_writer_counts *counts)
{
    etw_writer *mine = (etw_writer *)(uintptr_t)writer; /* for its lock only */
    etw_write_queue_lock(&mine->queue);
    *counts = writer->queue.counts;
    counts->received = atomic_load_explicit(&mine->received, memory_order_relaxed);
    counts->dropped = writer->dropped;
    etw_write_queue_unlock(&mine->queue);
}

void etw_writer_use_store(etw_writer *writer, const etw_schema_store *store)
{
    etw_write_queue_lock(&writer->queue);
    writer->options.store = store;
    etw_write_queue_unlock(&writer->queue);
}

etw_status etw_writer_finish(etw_writer *writer, etw_error *error)
{
    etw_write_queue_lock(&writer->queue);
    drain(writer, false);
    etw_write_queue_unlock(&writer->queue);
    etw_write_queue_stop(&writer->queue);
    etw_status status =
        etw_sink_finish(writer->queue.sink, writer->received, writer->options.store, error);
    if (status == ETW_OK && writer->queue.has_lost_blocks) { /* which no count tells */
        status =
            etw_error_set(error, ETW_ERROR_NO_MEMORY,
                          "out of memory for a block: the file lacks traces, schemas or losses");
    }
    etw_error none = {ETW_OK, 0, ""};
    etw_write_queue_publish(&writer->queue, ETW_OK, &none);
    writer->dropped = writer->received - writer->queue.counts.written;
    return status;
}
