#include "replay/command/info.h"

#include "format/output/json.h"
#include "format/output/json_writer.h"

typedef etw_trace_report report;

/* number: as in the events of a file that has several; else 0. */
static void json_trace(const etw_trace *trace, uint16_t number, etw_text *text)
{
    etw_json_open(text, NULL, '{');
    etw_json_u64(text, "PointerSize", trace->pointer_size);
    if (number != 0) {
        etw_json_u64(text, "Trace", number);
    }
    etw_json_string_if_any(text, "SessionName", trace->session_name);
    etw_json_string_if_any(text, "Source", trace->source_path);
    etw_json_string_if_any(text, "LogFileName", trace->log_file_name);
    etw_json_string_if_any(text, "HostName", trace->host_name);
    etw_json_printf(text, "OsVersion", "%u.%u", trace->os_version & 0xFFu,
                    trace->os_version >> 8 & 0xFFu);
    etw_json_u64(text, "OsBuild", trace->os_build);
    etw_json_u64(text, "ProcessorCount", trace->processor_count);
    etw_json_u64(text, "CpuMhz", trace->cpu_mhz);
    etw_json_u64(text, "TimerResolution", trace->timer_resolution_100ns);
    etw_json_u64(text, "LogFileMode", trace->log_file_mode);
    etw_json_u64(text, "BufferSize", trace->buffer_size_bytes);
    etw_json_u64(text, "BuffersWritten", trace->buffers_written);
    etw_json_u64(text, "EventsLost", trace->events_lost);
    etw_json_u64(text, "BuffersLost", trace->buffers_lost);
    etw_json_i64(text, "UtcBiasMinutes", trace->utc_bias_minutes);
    etw_json_string_if_any(text, "Clock", etw_info_clock_name(trace->clock.type));
    etw_json_u64(text, "ClockFrequency", trace->clock.frequency_hz);
    etw_json_time_if_any(text, "BootTime", trace->boot_time_100ns);
    etw_json_time_if_any(text, "StartTime", trace->start_time_100ns);
    etw_json_time_if_any(text, "EndTime", trace->end_time_100ns);
    etw_json_close(text, '}');
}

static void json_providers(const report *r, etw_text *text)
{
    etw_provider_count row;
    etw_json_open(text, "Providers", '[');
    for (uint32_t i = 0; etw_event_counts_provider(r->counts, i, &row); i++) {
        etw_json_open(text, NULL, '{');
        etw_json_guid(text, "ProviderId", &row.provider);
        etw_json_string_if_any(text, "ProviderName", row.name);
        etw_json_u64(text, "Events", row.events);
        etw_json_close(text, '}');
    }
    etw_json_close(text, ']');
}

static void json_kinds(const report *r, etw_text *text)
{
    etw_kind_count row;
    if (!r->arguments->events) {
        return;
    }
    etw_json_open(text, "Kinds", '[');
    for (uint32_t i = 0; etw_event_counts_kind(r->counts, i, &row); i++) {
        etw_json_open(text, NULL, '{');
        etw_json_guid(text, "ProviderId", &row.provider);
        etw_json_string_if_any(text, "EventName", row.name);
        etw_json_u64(text, row.is_classic ? "Opcode" : "Id", row.id);
        etw_json_u64(text, "Version", row.version);
        etw_json_u64(text, "Events", row.events);
        etw_json_close(text, '}');
    }
    etw_json_close(text, ']');
    if (etw_event_counts_others(r->counts) > 0) {
        etw_json_u64(text, "OtherEvents", etw_event_counts_others(r->counts));
    }
}

static void json_hash(const report *r, etw_text *text)
{
    etw_text hash = {0};
    if (r->arguments->hash) {
        etw_info_append_hash(r, &hash);
        etw_json_string(text, "Sha1", etw_text_z(&hash));
    }
    text->failed = text->failed || hash.failed;
    etw_text_free(&hash);
}

static void json_told(const etw_state_process *told, etw_text *text)
{
    if (told == NULL) {
        return;
    }
    if (told->session_id != UINT32_MAX) {
        etw_json_u64(text, "session_id", told->session_id);
    }
    if (told->start_key != 0) {
        etw_json_u64(text, "start_key", told->start_key);
    }
    etw_json_string_if_any(text, "user", told->user);
    etw_json_string_if_any(text, "services", told->services);
    etw_json_string_if_any(text, "command_line", told->command_line);
}

static void json_processes(const report *r, etw_text *text)
{
    const etw_process *process;
    if (r->rundown == NULL) {
        return;
    }
    etw_json_open(text, "processes", '[');
    for (uint32_t i = 0; (process = etw_rundown_at(r->rundown, i)) != NULL; i++) {
        etw_json_open(text, NULL, '{');
        etw_json_u64(text, "process_id", process->process_id);
        etw_json_u64(text, "parent_id", process->parent_id);
        etw_json_u64(text, "image_count", process->image_count);
        etw_json_time_if_any(text, "start_time", process->start_time_100ns);
        etw_json_utf8(text, "path", process->path.data, process->path.size);
        json_told(etw_info_told(r, process->process_id), text);
        etw_json_close(text, '}');
    }
    etw_json_close(text, ']');
}

/* Absent where it was not looked for. */
static void json_unexplained(const report *r, etw_text *text)
{
    static const char *const forms[] = {
        [ETW_KEY_EVENT] = "event", [ETW_KEY_CLASSIC] = "classic", [ETW_KEY_MESSAGE] = "WPP"};
    uint32_t count = 0;
    if (r->looked_at == NULL) {
        return;
    }
    const etw_unexplained_row *row = etw_info_unexplained(r) == NULL
                                         ? NULL
                                         : etw_unexplained_rows(etw_info_unexplained(r), &count);
    etw_json_open(text, "Unexplained", '[');
    for (; count > 0; row++, count--) {
        const char *name =
            etw_schema_store_provider_name(etw_replay_schemas(r->looked_at), &row->guid);
        etw_json_open(text, NULL, '{');
        etw_json_guid(text, "ProviderId", &row->guid);
        etw_json_string_if_any(text, "ProviderName", name == NULL ? "" : name);
        etw_json_string(text, "Kind", forms[row->form]);
        etw_json_u64(text, "Events", row->events);
        etw_json_close(text, '}');
    }
    etw_json_close(text, ']');
}

void etw_info_json(const report *r, etw_text *text)
{
    const etw_file_summary *s = &r->summary;
    etw_json_open(text, NULL, '{');
    etw_json_string(text, "File", r->path);
    etw_json_string(text, "Format", r->format);
    if (!r->is_etl) {
        etw_json_printf(text, "FormatVersion", "%u.%u", s->version_major, s->version_minor);
    }
    etw_json_string_if_any(text, "Application", s->application);
    etw_json_string_if_any(text, "Redacted", s->redacted);
    etw_json_string_if_any(text, "SchemaBuilds", s->builds);
    etw_json_u64(text, "Bytes", s->file_bytes);
    json_hash(r, text);
    etw_json_flag(text, "Complete", s->complete);
    etw_json_flag(text, "HasIndex", s->has_index);
    etw_json_u64(text, "Events", s->events);
    etw_json_u64(text, "Received", s->received);
    etw_json_u64(text, "Dropped", s->dropped);
    etw_json_u64(text, "LossRecords", s->loss_records);
    etw_json_u64(text, "LostEvents", s->lost_events);
    etw_json_flag(text, "LostUnknown", s->lost_unknown);
    etw_json_time_if_any(text, "FirstTime", s->first_time_100ns);
    etw_json_time_if_any(text, "LastTime", s->last_time_100ns);
    etw_json_u64(text, "RawBytes", s->raw_bytes);
    if (r->is_etl) {
        etw_json_u64(text, "Buffers", r->etl.buffers);
        etw_json_u64(text, "CompressedBuffers", r->etl.compressed_buffers);
        etw_json_u64(text, "DamagedBuffers", r->etl.damaged_buffers);
    } else {
        etw_json_u64(text, "StoredBytes", s->stored_bytes);
        etw_json_u64(text, "EventBlocks", s->event_blocks);
        etw_json_u64(text, "SchemaBlocks", s->schema_blocks);
        etw_json_u64(text, "Schemas", s->schemas);
    }
    etw_json_open(text, "Traces", '[');
    const uint16_t traces = etw_source_trace_count(r->source);
    for (uint16_t i = 0; i < traces; i++) {
        json_trace(etw_source_trace(r->source, i), traces == 1 ? 0 : (uint16_t)(i + 1u), text);
    }
    etw_json_close(text, ']');
    json_providers(r, text);
    json_unexplained(r, text);
    json_kinds(r, text);
    etw_json_open(text, "Losses", '[');
    for (uint32_t i = 0; i < r->listed_losses; i++) {
        etw_json_begin(text, NULL);
        etw_json_append_loss(&r->losses[i], text);
    }
    etw_json_close(text, ']');
    json_processes(r, text);
    etw_json_close(text, '}');
    etw_text_append_char(text, '\n');
}
