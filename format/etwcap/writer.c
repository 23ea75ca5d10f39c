#include "format/etwcap/writer.h"

#include <stdlib.h>

#include "format/etwcap/fold.h"
#include "format/etwcap/side_body.h"
#include "format/etwcap/writer_inside.h"

#define MAX_BATCH_BYTES ((size_t)14 << 20)
/* Items up to this number cannot be above ETW_MAX_EXTENDED_BYTES together. */
#define SURELY_SMALL_ITEMS 15u

/* Of writer->seen. */
enum schema_state { SCHEMA_UNSEEN, SCHEMA_KEPT, SCHEMA_LEFT_OUT };

_Static_assert(MAX_BATCH_BYTES + ETW_BATCH_RECORD_ROOM <= ETW_BATCH_MAX_BYTES,
               "a batch takes any record");

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

etw_write_job *etw_writer_current_job(etw_writer *writer)
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

static void note_drop(etw_writer *writer, enum etw_writer_drop which,
                      const etw_event_record *record, uint16_t trace_index, const char *detail)
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

bool etw_writer_note_schema(etw_writer *writer, etw_write_job *current, uint32_t schema_id,
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
        writer->options.store != NULL && current->names.size < ETW_WRITER_MAX_BEFORE &&
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

void etw_writer_hand_over(etw_writer *writer, etw_write_job *current)
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
    etw_write_job *current = etw_writer_current_job(writer);
    if (current == NULL) {
        note_drop(writer, ETW_DROP_QUEUE_FULL, record, trace_index, "the writer's queue was full");
        return ETW_OK;
    }
    uint32_t id;
    if (!etw_writer_note_schema(writer, current, schema_id, &id)) {
        note_drop(writer, ETW_DROP_MEMORY, record, trace_index, "out of memory for a schema");
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a schema");
    }
    if (!is_within_limits(record) || !etw_batch_append(current->batch, record, trace_index, id)) {
        note_drop(writer, ETW_DROP_LIMIT, record, trace_index,
                  "an event was larger than the limit");
        return etw_error_set(error, ETW_ERROR_LIMIT, "an event is larger than the limit");
    }
    etw_write_queue_start_clock(&writer->queue);
    if (is_full(writer, current)) {
        etw_writer_hand_over(writer, current);
    }
    return ETW_OK;
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
        note_drop(writer, ETW_DROP_DISK, record, trace_index, writer->queue.failure.message);
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
    etw_writer_count_received(writer, 1);
    if (add_quickly(writer, record, trace_index, schema_id)) {
        return ETW_OK;
    }
    etw_write_queue_lock(&writer->queue);
    atomic_store_explicit(&writer->queue.attention, false, memory_order_relaxed);
    if (writer->open != NULL && is_full(writer, writer->open)) {
        etw_writer_hand_over(writer, writer->open);
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
        etw_write_job *current = etw_writer_current_job(writer);
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
