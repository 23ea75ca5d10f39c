/* What stands between the events: traces, losses, anchors, blocks of the caller and whole blocks of
 * another file. */
#include "format/etwcap/side_body.h"
#include "format/etwcap/whole_block.h"
#include "format/etwcap/writer_inside.h"

/* With the lock. Puts a small block between the events before and after it. */
static etw_status put_before(etw_writer *writer, const etw_sink_block *block, etw_error *error)
{
    etw_write_job *current = NULL;
    if (etw_write_queue_has_room(&writer->queue, 1)) {
        current = etw_write_queue_job(&writer->queue, writer->queue.filled);
    }
    if (current != NULL &&
        (etw_batch_count(current->batch) > 0 || current->before.size > ETW_WRITER_MAX_BEFORE)) {
        etw_writer_hand_over(writer, current);
    }
    /* Blocks that are not events are few, and are never dropped: this waits whatever the policy. */
    etw_write_queue_wait(&writer->queue, writer->queue.job_count - 1);
    current = etw_writer_current_job(writer);
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
    etw_write_job *current = etw_writer_current_job(writer);
    *written = true;
    for (uint32_t i = 0; i < block->kind_count && *written; i++) {
        uint32_t id;
        if (!etw_writer_note_schema(writer, current, block->kinds[i].file_schema_id, &id)) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a schema");
        }
        *written = id == block->kinds[i].file_schema_id;
    }
    if (*written && current->schemas.size > 0) {
        etw_writer_hand_over(writer, current);
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
        etw_writer_count_received(writer, whole->count);
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

void etw_writer_submit(etw_writer *writer)
{
    etw_write_queue_lock(&writer->queue);
    etw_write_queue_wait(&writer->queue, writer->queue.job_count - 1);
    etw_write_job *current = etw_writer_current_job(writer);
    if (!etw_write_job_is_empty(current)) {
        etw_writer_hand_over(writer, current);
    }
    etw_write_queue_unlock(&writer->queue);
}
