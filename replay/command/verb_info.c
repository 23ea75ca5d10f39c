/* info: where a trace comes from, what it holds and what it lacks. */
#include "format/output/json.h"
#include "format/output/json_writer.h"
#include "format/schema/unexplained_report.h"
#include "replay/command/trace_report.h"
#include "replay/command/verbs.h"

/* Providers, and kinds of events, that a text lists without --all; --json lists all. */
#define LISTED 20u

typedef etw_trace_report report;

/* Text. */

static void append_line_text(etw_text *text, const char *utf8)
{
    etw_text_append_utf8(text, (const uint8_t *)utf8, strlen(utf8), ETW_ESCAPE_LINE);
}

static void text_member(etw_text *text, const char *label, const char *utf8)
{
    if (utf8[0] != '\0') {
        etw_text_printf(text, "  %-14s", label);
        append_line_text(text, utf8);
        etw_text_append_char(text, '\n');
    }
}

static void text_time(etw_text *text, const char *label, int64_t time_100ns)
{
    if (time_100ns != 0) {
        etw_text_printf(text, "  %-14s", label);
        etw_text_append_time(text, time_100ns);
        etw_text_append_char(text, '\n');
    }
}

static const char *clock_name(uint32_t type)
{
    static const char *const names[] = {"unknown", "QPC", "system time", "CPU cycles"};
    return type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

static void text_host(const etw_trace *trace, etw_text *text)
{
    etw_text_printf(text, "  %-14sWindows %u.%u", "host", trace->os_version & 0xFFu,
                    trace->os_version >> 8 & 0xFFu);
    if (trace->os_build != 0) {
        etw_text_printf(text, " build %u", trace->os_build);
    }
    etw_text_printf(text, ", %u bit, %u processors", 8 * trace->pointer_size,
                    trace->processor_count);
    if (trace->cpu_mhz != 0) {
        etw_text_printf(text, " of %u MHz", trace->cpu_mhz);
    }
    if (trace->host_name[0] != '\0') {
        etw_text_append_z(text, ", ");
        append_line_text(text, trace->host_name);
    }
    etw_text_append_char(text, '\n');
}

static void text_clock(const etw_trace *trace, etw_text *text)
{
    etw_text_printf(text, "  %-14s%s", "clock", clock_name(trace->clock.type));
    if (trace->clock.frequency_hz != 0) {
        etw_text_append_z(text, ", ");
        etw_text_append_count(text, trace->clock.frequency_hz);
        etw_text_append_z(text, " Hz");
    }
    etw_text_append_char(text, '\n');
}

static void text_session(const etw_trace *trace, etw_text *text)
{
    etw_text_printf(text, "  %-14smode 0x%X, buffers of %u bytes, %u written", "session",
                    trace->log_file_mode, trace->buffer_size_bytes, trace->buffers_written);
    if (trace->events_lost != 0 || trace->buffers_lost != 0) {
        etw_text_printf(text, ", %u events and %u buffers lost", trace->events_lost,
                        trace->buffers_lost);
    }
    etw_text_append_char(text, '\n');
}

static void text_trace(const etw_trace *trace, uint16_t index, uint16_t count, etw_text *text)
{
    if (count > 1) {
        etw_text_printf(text, "  trace %u of %u\n", index + 1u, count);
    }
    text_member(text, "session name", trace->session_name);
    text_member(text, "source", trace->source_path);
    text_member(text, "log file", trace->log_file_name);
    text_host(trace, text);
    text_session(trace, text);
    text_clock(trace, text);
    text_time(text, "booted", trace->boot_time_100ns);
    text_time(text, "started", trace->start_time_100ns);
    text_time(text, "ended", trace->end_time_100ns);
}

static void text_coverage(const report *r, etw_text *text)
{
    const etw_file_summary *s = &r->summary;
    etw_text_printf(text, "  %-14s", "coverage");
    if (etw_trace_report_is_whole(r)) {
        etw_text_append_z(text, "complete: nothing is known to be missing\n");
        return;
    }
    etw_text_append_z(text,
                      s->complete ? "something is missing: " : "incomplete, it was not closed: ");
    etw_text_append_count(text, s->lost_events);
    etw_text_append_z(text, " events known to be lost");
    if (s->lost_unknown) {
        etw_text_append_z(text, " and an unknown number more");
    }
    etw_text_append_z(text, ", in ");
    etw_text_append_count(text, s->loss_records);
    etw_text_append_z(text, s->loss_records == 1 ? " place" : " places");
    if (s->dropped != 0) {
        etw_text_append_z(text, "; ");
        etw_text_append_count(text, s->dropped);
        etw_text_append_z(text, " of ");
        etw_text_append_count(text, s->received);
        etw_text_append_z(text, " received were dropped");
    }
    etw_text_append_char(text, '\n');
}

static void text_losses(const report *r, etw_text *text)
{
    if (r->listed_losses > 0) {
        etw_text_append_z(text, "  missing\n");
    }
    for (uint32_t i = 0; i < r->listed_losses; i++) {
        const etw_loss *loss = &r->losses[i];
        if (loss->events == ETW_LOSS_COUNT_UNKNOWN) {
            etw_text_printf(text, "  %12s  ", "?");
        } else {
            etw_text_printf(text, "  %12llu  ", (unsigned long long)loss->events);
        }
        etw_text_append_z(text, etw_loss_cause_name(loss->cause));
        if (loss->from_time_100ns != 0) {
            etw_text_append_z(text, ", ");
            etw_text_append_time(text, loss->from_time_100ns);
        }
        if (loss->detail[0] != '\0') {
            etw_text_append_z(text, ": ");
            append_line_text(text, loss->detail);
        }
        etw_text_append_char(text, '\n');
    }
    if (r->summary.loss_records > r->listed_losses && r->listed_losses > 0) {
        etw_text_printf(text, "  %12s  %llu more\n", "...",
                        (unsigned long long)(r->summary.loss_records - r->listed_losses));
    }
}

/* A made-up file may have any times: the difference need not fit 64 bits, and may be negative. */
static void text_duration(int64_t first_100ns, int64_t last_100ns, etw_text *text)
{
    int64_t duration_100ns;
    if (__builtin_sub_overflow(last_100ns, first_100ns, &duration_100ns) || duration_100ns < 0) {
        etw_text_append_z(text, " (of unknown length)\n");
        return;
    }
    etw_text_printf(text, " (%.3f s)\n", (double)duration_100ns / 1e7);
}

static void text_counts(const report *r, etw_text *text)
{
    const etw_file_summary *s = &r->summary;
    etw_text_printf(text, "  %-14s", "events");
    etw_text_append_count(text, s->events);
    if (s->events != 0) {
        etw_text_append_z(text, ", ");
        etw_text_append_time(text, s->first_time_100ns);
        etw_text_append_z(text, " to ");
        etw_text_append_time(text, s->last_time_100ns);
        text_duration(s->first_time_100ns, s->last_time_100ns, text);
    } else {
        etw_text_append_char(text, '\n');
    }
    if (r->is_etl) {
        etw_text_printf(text, "  %-14s%llu, %llu compressed, %llu damaged\n", "buffers",
                        (unsigned long long)r->etl.buffers,
                        (unsigned long long)r->etl.compressed_buffers,
                        (unsigned long long)r->etl.damaged_buffers);
        return;
    }
    etw_text_printf(text, "  %-14s%llu of events, %llu of schemas (%llu schemas)\n", "blocks",
                    (unsigned long long)s->event_blocks, (unsigned long long)s->schema_blocks,
                    (unsigned long long)s->schemas);
    if (s->stored_bytes != 0) {
        etw_text_printf(text, "  %-14s", "compressed");
        etw_text_append_count(text, s->raw_bytes);
        etw_text_append_z(text, " bytes of events to ");
        etw_text_append_count(text, s->stored_bytes);
        etw_text_printf(text, " (%.1f to 1)\n", (double)s->raw_bytes / (double)s->stored_bytes);
    }
}

static uint32_t listed(const report *r)
{
    return r->arguments->all ? UINT32_MAX : LISTED;
}

static void text_more(uint32_t count, const report *r, etw_text *text)
{
    if (count > listed(r)) {
        etw_text_printf(text, "  %12s  %u more, --all lists them\n", "...", count - listed(r));
    }
}

static void text_providers(const report *r, etw_text *text)
{
    etw_provider_count row;
    const uint32_t count = etw_event_counts_provider_count(r->counts);
    if (count > 0) {
        etw_text_append_z(text, "  providers\n");
    }
    for (uint32_t i = 0; i < listed(r) && etw_event_counts_provider(r->counts, i, &row); i++) {
        etw_text_printf(text, "  %12llu  ", (unsigned long long)row.events);
        etw_text_append_guid(text, &row.provider);
        etw_text_append_char(text, ' ');
        append_line_text(text, row.name);
        etw_text_append_char(text, '\n');
    }
    text_more(count, r, text);
}

static void text_kind(const etw_kind_count *row, etw_text *text)
{
    etw_text_printf(text, "  %12llu  ", (unsigned long long)row->events);
    etw_text_append_guid(text, &row->provider);
    etw_text_printf(text, row->is_classic ? " opcode %u" : " id %u", row->id);
    if (row->version != 0) {
        etw_text_printf(text, " version %u", row->version);
    }
    etw_text_append_char(text, ' ');
    append_line_text(text, row->name);
    etw_text_append_char(text, '\n');
}

static void text_kinds(const report *r, etw_text *text)
{
    etw_kind_count row;
    uint32_t count = 0;
    for (; etw_event_counts_kind(r->counts, count, &row); count++) {
        if (count == 0) {
            etw_text_append_z(text, "  kinds of events\n");
        }
        if (count < listed(r)) {
            text_kind(&row, text);
        }
    }
    text_more(count, r, text);
    if (etw_event_counts_others(r->counts) > 0) {
        etw_text_printf(text, "  %12llu  others, of which there are too many\n",
                        (unsigned long long)etw_event_counts_others(r->counts));
    }
}

/* What the events of a rundown say of a process in its list; NULL where there are none. */
static const etw_state_process *told_process(const report *r, uint32_t process_id)
{
    return etw_state_process_at(r->state, 0, process_id, r->summary.first_time_100ns);
}

static void text_told(const etw_state_process *told, etw_text *text)
{
    if (told == NULL) {
        return;
    }
    if (told->user[0] != '\0') {
        etw_text_printf(text, "  %s", told->user);
    }
    if (told->command_line[0] != '\0') {
        etw_text_append_z(text, "  ");
        append_line_text(text, told->command_line);
    }
}

static void text_processes(const report *r, etw_text *text)
{
    if (r->rundown == NULL) {
        return;
    }
    etw_text_printf(text, "processes %u, when the recording began\n",
                    (unsigned)etw_rundown_count(r->rundown));
    const etw_process *process;
    for (uint32_t i = 0; (process = etw_rundown_at(r->rundown, i)) != NULL; i++) {
        etw_text_printf(text, "  %6u of %6u  %4u images  ", (unsigned)process->process_id,
                        (unsigned)process->parent_id, (unsigned)process->image_count);
        etw_text_append_utf8(text, process->path.data, process->path.size, ETW_ESCAPE_LINE);
        text_told(told_process(r, process->process_id), text);
        etw_text_append_char(text, '\n');
    }
}

static void append_hash(const report *r, etw_text *text)
{
    for (size_t i = 0; i < sizeof r->hash; i++) {
        etw_text_printf(text, "%02x", r->hash[i]);
    }
}

/* --brief: one line of each file. */
static void line_report(const report *r, etw_text *text)
{
    const etw_file_summary *s = &r->summary;
    append_line_text(text, etw_tool_name(r->path));
    etw_text_printf(text, ": %s, ", r->format);
    etw_text_append_count(text, s->file_bytes);
    etw_text_append_z(text, " bytes, ");
    etw_text_append_count(text, s->events);
    etw_text_printf(text, " events of %u providers",
                    (unsigned)etw_event_counts_provider_count(r->counts));
    if (s->events != 0) {
        etw_text_append_z(text, ", ");
        etw_text_append_time(text, s->first_time_100ns);
        etw_text_append_z(text, " to ");
        etw_text_append_time(text, s->last_time_100ns);
    }
    etw_text_append_z(text, etw_trace_report_is_whole(r) ? ", complete"
                            : s->complete                ? ", something is missing"
                                                         : ", not closed");
    if (r->arguments->hash) {
        etw_text_append_z(text, ", sha1 ");
        append_hash(r, text);
    }
    etw_text_append_char(text, '\n');
}

static void text_line(void *context, const char *line)
{
    etw_text_printf(context, "  %s\n", line);
}

static etw_unexplained *unexplained_of(const report *r)
{
    return r->looked_at == NULL ? NULL : etw_replay_unexplained(r->looked_at);
}

static void text_unexplained(const report *r, etw_text *text)
{
    if (unexplained_of(r) != NULL) {
        etw_unexplained_report(unexplained_of(r), etw_replay_schemas(r->looked_at), "--schemas",
                               text_line, text);
    }
}

static void text_report(const report *r, etw_text *text)
{
    append_line_text(text, etw_tool_name(r->path));
    etw_text_append_z(text, ": ");
    etw_text_append_count(text, r->summary.file_bytes);
    etw_text_printf(text, " bytes, %s", r->format);
    if (!r->is_etl) {
        etw_text_printf(text, " %u.%u", r->summary.version_major, r->summary.version_minor);
    }
    etw_text_append_char(text, '\n');
    if (r->arguments->hash) {
        etw_text_printf(text, "  %-14s", "sha1");
        append_hash(r, text);
        etw_text_append_char(text, '\n');
    }
    text_member(text, "written by", r->summary.application);
    text_member(text, "redacted", r->summary.redacted);
    text_member(text, "schemas of", r->summary.builds);
    const uint16_t traces = etw_source_trace_count(r->source);
    for (uint16_t i = 0; i < traces; i++) {
        text_trace(etw_source_trace(r->source, i), i, traces, text);
    }
    text_counts(r, text);
    text_coverage(r, text);
    text_losses(r, text);
    text_unexplained(r, text);
    text_providers(r, text);
    text_kinds(r, text);
    text_processes(r, text);
}

/* JSON. */

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
    etw_json_string_if_any(text, "Clock", clock_name(trace->clock.type));
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
        append_hash(r, &hash);
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
    etw_json_string_if_any(text, "user", told->user);
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
        json_told(told_process(r, process->process_id), text);
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
    const etw_unexplained_row *row =
        unexplained_of(r) == NULL ? NULL : etw_unexplained_rows(unexplained_of(r), &count);
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

static void json_report(const report *r, etw_text *text)
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

typedef struct reporting {
    const etw_replay_arguments *arguments;
    etw_stream *stream;
    etw_exit result;
} reporting;

static etw_exit report_one(etw_input *input, const etw_replay_arguments *arguments,
                           etw_stream *stream)
{
    etw_error error = {0};
    report r;
    const etw_status status = etw_trace_report_gather(input, arguments, &r, &error);
    etw_exit result = ETW_EXIT_FAILED;
    if (etw_failed(status)) {
        (void)etw_tool_fail(&error);
    } else {
        (arguments->json    ? json_report
         : arguments->brief ? line_report
                            : text_report)(&r, &stream->text);
        result = etw_trace_report_is_whole(&r) ? ETW_EXIT_WELL : ETW_EXIT_MISSING;
    }
    etw_trace_report_free(&r);
    return result;
}

static etw_status take(void *context, etw_input *input, etw_error *error)
{
    reporting *to = context;
    (void)error;
    to->result = etw_tool_worse(to->result, report_one(input, to->arguments, to->stream));
    etw_input_close(input);
    return ETW_OK;
}

etw_exit etw_verb_info(const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    etw_stream stream;
    reporting to = {.arguments = arguments, .stream = &stream, .result = ETW_EXIT_WELL};
    etw_status status = etw_stream_open(&stream, etw_os_default(), NULL, false, &error);
    to.result = etw_tool_worse(to.result, etw_tool_each_input(arguments, take, &to));
    status = etw_stream_close(&stream, status, &error);
    return etw_failed(status) ? etw_tool_fail(&error) : to.result;
}
