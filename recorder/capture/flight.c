#include "recorder/capture/flight.h"

#include "format/etwcap/reader.h"
#include "recorder/capture/memory_files.h"
#include "recorder/capture/segment_name.h"

#include <stdlib.h>

struct etw_flight {
    etw_flight_options options;
    etw_capture_options target; /* where dumps go */
    etw_memory_files *files;
    etw_capture *capture;
    uint32_t dumps;
    char *dump_path;
};

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the flight recorder");
}

etw_status etw_flight_open(const etw_flight_options *options, const etw_capture_options *capture,
                           etw_flight **opened, etw_error *error)
{
    if (options->max_bytes < ETW_FLIGHT_MIN_BYTES || options->max_bytes > ETW_FLIGHT_MAX_BYTES) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "a flight recorder keeps 1M to 4G of memory");
    }
    etw_flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL) {
        return no_memory(error);
    }
    flight->options = *options;
    flight->target = *capture;
    /* What is on its way to the segment at hand comes on top until the next tick removes the oldest
     * for it; it must not be refused: it is the newest. */
    flight->files = etw_memory_files_new(options->max_bytes + ETW_WRITER_MAX_QUEUE_BYTES);
    if (flight->files == NULL) {
        etw_flight_free(flight);
        return no_memory(error);
    }
    etw_capture_options in_memory = *capture;
    in_memory.os = etw_memory_files_os(flight->files);
    in_memory.path = "flight.etwcap";
    in_memory.expands_name = false;
    in_memory.writer.sync = ETW_SYNC_NONE;
    in_memory.segment_closed = NULL;
    in_memory.segment_opened = NULL;
    in_memory.segment_closing = NULL; /* dumps copy events; texts of TDH stay behind */
    in_memory.limits.rotate_bytes = options->max_bytes / ETW_FLIGHT_SEGMENTS;
    in_memory.limits.rotate_ms = options->max_age_ms / ETW_FLIGHT_SEGMENTS;
    in_memory.limits.ring_segments = ETW_FLIGHT_SEGMENTS;
    in_memory.limits.ring_bytes = options->max_bytes;
    in_memory.limits.max_age_ms = 0;
    in_memory.limits.max_total_bytes = 0;
    in_memory.limits.min_free_bytes = 0;
    const etw_status status = etw_capture_open(&in_memory, &flight->capture, error);
    if (status != ETW_OK) {
        etw_flight_free(flight);
        return status;
    }
    *opened = flight;
    return ETW_OK;
}

etw_capture *etw_flight_capture(etw_flight *flight)
{
    return flight->capture;
}

bool etw_flight_is_trigger(const etw_flight *flight, const etw_event_record *record)
{
    return flight->options.has_trigger &&
           record->EventHeader.EventDescriptor.Id == flight->options.trigger_id &&
           etw_guid_equal(&record->EventHeader.ProviderId, &flight->options.trigger_provider);
}

/* A dump being written, and what of it the segments share. */
typedef struct dump {
    etw_writer *writer;
    etw_schema_store *store;
    uint16_t trace_count; /* each segment starts with the same traces, in the same order */
} dump;

/* A segment has schema ids of its own; the store knows the same content under another id. */
static etw_status translate_schema(const dump *to, const etw_source *segment, uint32_t *schema_id,
                                   etw_error *error)
{
    const etw_schema *schema = etw_schema_store_get(etw_reader_schemas(segment), *schema_id);
    if (schema == NULL) {
        *schema_id = 0;
        return ETW_OK;
    }
    const etw_schema *kept = NULL;
    const etw_status status = etw_schema_store_intern(to->store, schema, &kept, error);
    *schema_id = status == ETW_OK ? kept->id : 0;
    return status;
}

static etw_status copy_item(dump *to, etw_source *segment, etw_item *item, etw_error *error)
{
    etw_status status = ETW_OK;
    while (status == ETW_OK && to->trace_count < etw_source_trace_count(segment)) {
        uint16_t index;
        status = etw_writer_add_trace(to->writer, etw_source_trace(segment, to->trace_count++),
                                      &index, error);
    }
    if (status == ETW_OK && item->kind == ETW_ITEM_LOSS) {
        return etw_writer_add_loss(to->writer, item->loss, error);
    }
    if (status == ETW_OK) {
        status = translate_schema(to, segment, &item->schema_id, error);
    }
    return status == ETW_OK ? etw_writer_add_event(to->writer, item->record, item->trace_index,
                                                   item->schema_id, error)
                            : status;
}

static etw_status copy_segment(dump *to, const etw_os *memory, const char *path, etw_error *error)
{
    etw_source *segment = NULL;
    etw_status status = etw_reader_open(memory, path, NULL, &segment, error);
    while (status == ETW_OK) {
        etw_item item;
        status = etw_source_next(segment, &item, error);
        if (status == ETW_OK) {
            status = copy_item(to, segment, &item, error);
        }
    }
    etw_source_close(segment);
    return status == ETW_END ? ETW_OK : status;
}

static const etw_os *disk_of(const etw_flight *flight)
{
    return flight->target.os != NULL ? flight->target.os : etw_os_default();
}

static etw_status write_dump(etw_flight *flight, etw_error *error)
{
    const etw_os *os = disk_of(flight);
    etw_writer_options options = flight->target.writer;
    options.store = flight->target.store;
    dump to = {.store = flight->target.store};
    etw_status status = etw_writer_create(os, flight->dump_path, &options, &to.writer, error);
    const etw_os *memory = etw_memory_files_os(flight->files);
    const char *path;
    for (uint32_t i = 0;
         status == ETW_OK && (path = etw_capture_kept_segment(flight->capture, i)) != NULL; i++) {
        status = copy_segment(&to, memory, path, error);
    }
    if (status == ETW_OK) {
        status = etw_writer_finish(to.writer, error);
    }
    etw_writer_free(to.writer);
    return status == ETW_OK ? ETW_OK : etw_error_wrap(error, status, "%s", flight->dump_path);
}

etw_status etw_flight_dump(etw_flight *flight, const char **path, etw_error *error)
{
    etw_status status = etw_capture_rotate(flight->capture, error);
    if (status != ETW_OK) {
        return status;
    }
    free(flight->dump_path);
    flight->dump_path = NULL;
    status =
        etw_segment_name_make(disk_of(flight), flight->target.path, flight->target.expands_name,
                              ++flight->dumps, &flight->dump_path, error);
    if (status == ETW_OK) {
        status = write_dump(flight, error);
    }
    if (status == ETW_OK && path != NULL) {
        *path = flight->dump_path;
    }
    return status;
}

void etw_flight_free(etw_flight *flight)
{
    if (flight == NULL) {
        return;
    }
    etw_capture_free(flight->capture);
    etw_memory_files_free(flight->files);
    free(flight->dump_path);
    free(flight);
}
