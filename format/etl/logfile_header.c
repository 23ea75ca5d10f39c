#include "format/base/text.h"
#include "format/etl/etl.h"

#define TIME_ZONE_SIZE 176u /* TIME_ZONE_INFORMATION, padded to 8 */

/* The next NUL-terminated UTF-16 string, as UTF-8 cut to fit name; the cursor moves past its NUL.
 * False where memory is out. */
static bool take_name(etw_cursor *cursor, char name[ETW_TRACE_NAME_SIZE])
{
    const size_t left = etw_cursor_left(cursor);
    const size_t size = etw_utf16_length_bytes(cursor->at, left);
    etw_text text = {NULL, 0, 0, false};
    etw_text_append_utf16(&text, cursor->at, size, ETW_ESCAPE_NONE);
    size_t kept = text.size < ETW_TRACE_NAME_SIZE ? text.size : ETW_TRACE_NAME_SIZE - 1;
    while (kept < text.size && kept > 0 && ((uint8_t)text.data[kept] & 0xC0u) == 0x80u) {
        kept--;
    }
    if (kept != 0) {
        memcpy(name, text.data, kept);
    }
    name[kept] = '\0';
    const bool is_well = !text.failed;
    etw_text_free(&text);
    (void)etw_cursor_take(cursor, size + 2 <= left ? size + 2 : left);
    return is_well;
}

/* The union at 0x28: a GUID of the log, or four numbers; each reader takes what it needs. */
static void take_instance(etw_cursor *cursor, etw_trace *trace)
{
    const uint8_t *instance = etw_cursor_take(cursor, sizeof trace->log_instance_id);
    if (instance != NULL) {
        trace->log_instance_id = etw_load_guid(instance);
        trace->start_buffers = etw_load_u32(instance);
        trace->pointer_size = etw_load_u32(instance + 4);
        trace->events_lost = etw_load_u32(instance + 8);
        trace->cpu_mhz = etw_load_u32(instance + 12);
    }
}

etw_status etw_trace_from_logfile_header(etw_bytes payload, uint32_t pointer_size,
                                         int64_t header_ticks, etw_trace *trace, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(payload);
    etw_trace read = *trace;
    read.buffer_size_bytes = etw_cursor_u32(&cursor);
    read.os_version = etw_cursor_u32(&cursor);
    read.os_build = etw_cursor_u32(&cursor);
    read.processor_count = etw_cursor_u32(&cursor);
    read.end_time_100ns = (int64_t)etw_cursor_u64(&cursor);
    read.timer_resolution_100ns = etw_cursor_u32(&cursor);
    read.maximum_file_size_mb = etw_cursor_u32(&cursor);
    read.log_file_mode = etw_cursor_u32(&cursor);
    read.buffers_written = etw_cursor_u32(&cursor);
    take_instance(&cursor, &read);
    (void)etw_cursor_take(&cursor, 2 * (size_t)pointer_size); /* LoggerName, LogFileName */
    const uint8_t *zone = etw_cursor_take(&cursor, TIME_ZONE_SIZE);
    read.boot_time_100ns = (int64_t)etw_cursor_u64(&cursor);
    read.clock.frequency_hz = etw_cursor_u64(&cursor);
    read.start_time_100ns = (int64_t)etw_cursor_u64(&cursor);
    read.clock.type = etw_cursor_u32(&cursor);
    read.buffers_lost = etw_cursor_u32(&cursor);
    if (cursor.failed) {
        return etw_error_set(error, ETW_ERROR_DAMAGED,
                             "the log-file header has %zu bytes, fewer than its fields need",
                             payload.size);
    }
    read.utc_bias_minutes = (int32_t)etw_load_u32(zone);
    if (read.pointer_size != 4 && read.pointer_size != 8) {
        read.pointer_size = pointer_size;
    }
    read.clock.cpu_mhz = read.cpu_mhz;
    read.clock.base_ticks = header_ticks;
    read.clock.base_time_100ns = read.start_time_100ns;
    if (!take_name(&cursor, read.session_name) || !take_name(&cursor, read.log_file_name)) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the log-file header");
    }
    read.logfile_header = payload;
    *trace = read;
    return ETW_OK;
}
