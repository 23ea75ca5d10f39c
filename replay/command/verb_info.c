/* info: where a trace comes from, what it holds and what it lacks. For an .etwcap file with an
 * index the answer takes a few reads, whatever the file's size; other files are read through. */
#include "format/etl/etl.h"
#include "format/input/input.h"
#include "format/output/json.h"
#include "format/output/json_writer.h"
#include "replay/command/rundown_file.h"
#include "replay/command/tool.h"
#include "replay/command/verbs.h"
#include "replay/query/state_pass.h"

#include <stdlib.h>

/* Providers that a text lists; --json lists all. */
#define LISTED_PROVIDERS 20u

/* Losses that are listed one by one; the coverage line counts them all. */
#define LISTED_LOSSES 100u

typedef struct report {
    const char *path;
    const char *format; /* "etwcap" or "etl" */
    const etw_os *os;
    etw_source *source;
    etw_file_summary summary; /* of an .etl: what reading it gave */
    etw_etl_statistics etl;
    bool is_etl;
    etw_loss *losses; /* the first LISTED_LOSSES */
    uint32_t listed_losses;
    bool has_missing;     /* a loss that nobody asked for, if only of a block without events */
    etw_rundown *rundown; /* where it was asked for and is there */
    etw_state *state;     /* with it: what the events tell of the same processes */
} report;

/* Gathering. */

static void list_loss(report *r, const etw_loss *loss)
{
    r->has_missing = r->has_missing || loss->cause != ETW_LOSS_FILTERED;
    if (r->losses == NULL) {
        r->losses = calloc(LISTED_LOSSES, sizeof *r->losses);
    }
    if (r->losses != NULL && r->listed_losses < LISTED_LOSSES) {
        r->losses[r->listed_losses++] = *loss;
    }
}

/* The losses of an .etwcap file alone: no block of events can hold the provider that nobody has, so
 * none is read. */
static etw_status list_losses(report *r, etw_error *error)
{
    static const etw_guid nobody = {
        0xFFFFFFFFu, 0xFFFF, 0xFFFF, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
    const etw_reader_options options = {.providers = &nobody, .provider_count = 1};
    etw_source *source = NULL;
    etw_status status = etw_reader_open(r->os, r->path, &options, &source, error);
    while (status == ETW_OK && r->listed_losses < LISTED_LOSSES) {
        etw_item item;
        status = etw_source_next(source, &item, error);
        if (status == ETW_OK && item.kind == ETW_ITEM_LOSS) {
            list_loss(r, item.loss);
        }
    }
    etw_source_close(source);
    return status == ETW_END ? ETW_OK : status;
}

static etw_status read_all(report *r, etw_error *error)
{
    etw_source *source = r->source;
    etw_file_summary *summary = &r->summary;
    etw_item item;
    etw_status status;
    summary->complete = true;
    while ((status = etw_source_next(source, &item, error)) == ETW_OK) {
        if (item.kind == ETW_ITEM_LOSS) {
            list_loss(r, item.loss);
            summary->loss_records++;
            summary->lost_unknown |= item.loss->events == ETW_LOSS_COUNT_UNKNOWN;
            summary->lost_events +=
                item.loss->events == ETW_LOSS_COUNT_UNKNOWN ? 0 : item.loss->events;
            summary->complete &= item.loss->cause != ETW_LOSS_TRUNCATED;
            continue;
        }
        const etw_trace *trace = etw_source_trace(source, item.trace_index);
        const int64_t time =
            etw_clock_to_filetime(&trace->clock, item.record->EventHeader.TimeStamp);
        if (summary->events == 0 || time < summary->first_time_100ns) {
            summary->first_time_100ns = time;
        }
        if (summary->events == 0 || time > summary->last_time_100ns) {
            summary->last_time_100ns = time;
        }
        summary->events++;
    }
    return status == ETW_END ? ETW_OK : status;
}

static etw_status open_etl(report *r, const etw_replay_arguments *arguments, etw_error *error)
{
    etw_progress progress;
    etw_progress_begin(&progress, arguments, "reading", "B");
    const etw_etl_options options = {.progress = etw_progress_show, .progress_context = &progress};
    etw_status status = etw_etl_open(r->os, r->path, &options, &r->source, error);
    if (!etw_failed(status)) {
        status = read_all(r, error);
        r->etl = *etw_etl_statistics_of(r->source);
        r->summary.received = r->summary.events;
        r->summary.file_bytes = r->etl.file_bytes;
        r->summary.raw_bytes = r->etl.expanded_bytes;
        r->format = "etl";
        r->is_etl = true;
    }
    etw_progress_end(&progress);
    return status;
}

static etw_status summarize_file(report *r, etw_error *error)
{
    const etw_status status = etw_reader_summary(r->source, &r->summary, error);
    return status == ETW_OK && r->summary.loss_records > 0 ? list_losses(r, error) : status;
}

static etw_status open_report(report *r, const etw_replay_arguments *arguments, etw_error *error)
{
    const etw_reader_options options = {.summary_only = true};
    r->format = "etwcap";
    etw_status status = etw_reader_open(r->os, r->path, &options, &r->source, error);
    if (!etw_failed(status)) {
        return summarize_file(r, error);
    }
    if (status != ETW_ERROR_NOT_THIS) {
        return status;
    }
    status = open_etl(r, arguments, error);
    return status == ETW_ERROR_NOT_THIS
               ? etw_error_set(error, status, "%s: " ETW_INPUT_UNKNOWN, r->path)
               : status;
}

static bool is_whole(const report *r)
{
    return r->summary.complete && r->summary.lost_events == 0 && !r->summary.lost_unknown &&
           r->summary.dropped == 0 && !r->has_missing;
}

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

static void append_count(etw_text *text, uint64_t value)
{
    char digits[32];
    size_t at = sizeof digits;
    unsigned written = 0;
    do {
        if (written != 0 && written % 3 == 0) {
            digits[--at] = ',';
        }
        digits[--at] = (char)('0' + (char)(value % 10));
        value /= 10;
        written++;
    } while (value != 0);
    etw_text_append(text, digits + at, sizeof digits - at);
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
        append_count(text, trace->clock.frequency_hz);
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
    if (is_whole(r)) {
        etw_text_append_z(text, "complete: nothing is known to be missing\n");
        return;
    }
    etw_text_append_z(text,
                      s->complete ? "something is missing: " : "incomplete, it was not closed: ");
    append_count(text, s->lost_events);
    etw_text_append_z(text, " events known to be lost");
    if (s->lost_unknown) {
        etw_text_append_z(text, " and an unknown number more");
    }
    etw_text_append_z(text, ", in ");
    append_count(text, s->loss_records);
    etw_text_append_z(text, s->loss_records == 1 ? " place" : " places");
    if (s->dropped != 0) {
        etw_text_append_z(text, "; ");
        append_count(text, s->dropped);
        etw_text_append_z(text, " of ");
        append_count(text, s->received);
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
    append_count(text, s->events);
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
        append_count(text, s->raw_bytes);
        etw_text_append_z(text, " bytes of events to ");
        append_count(text, s->stored_bytes);
        etw_text_printf(text, " (%.1f to 1)\n", (double)s->raw_bytes / (double)s->stored_bytes);
    }
}

static void text_providers(const report *r, etw_text *text)
{
    etw_guid provider;
    uint64_t events;
    const char *name;
    if (r->is_etl || r->summary.provider_count == 0) {
        return;
    }
    etw_text_printf(text, "  providers\n");
    for (uint32_t i = 0;
         i < LISTED_PROVIDERS && etw_reader_provider(r->source, i, &provider, &events, &name);
         i++) {
        etw_text_printf(text, "  %12llu  ", (unsigned long long)events);
        etw_text_append_guid(text, &provider);
        etw_text_append_char(text, ' ');
        append_line_text(text, name);
        etw_text_append_char(text, '\n');
    }
    if (r->summary.provider_count > LISTED_PROVIDERS) {
        etw_text_printf(text, "  %12s  %u more, --json lists them\n", "...",
                        r->summary.provider_count - LISTED_PROVIDERS);
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

static void text_report(const report *r, etw_text *text)
{
    append_line_text(text, etw_tool_name(r->path));
    etw_text_append_z(text, ": ");
    append_count(text, r->summary.file_bytes);
    etw_text_printf(text, " bytes, %s", r->format);
    if (!r->is_etl) {
        etw_text_printf(text, " %u.%u", r->summary.version_major, r->summary.version_minor);
    }
    etw_text_append_char(text, '\n');
    text_member(text, "written by", r->summary.application);
    text_member(text, "redacted", r->summary.redacted);
    const uint16_t traces = etw_source_trace_count(r->source);
    for (uint16_t i = 0; i < traces; i++) {
        text_trace(etw_source_trace(r->source, i), i, traces, text);
    }
    text_counts(r, text);
    text_coverage(r, text);
    text_losses(r, text);
    text_providers(r, text);
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
    etw_guid provider;
    uint64_t events;
    const char *name;
    etw_json_open(text, "Providers", '[');
    for (uint32_t i = 0; !r->is_etl && etw_reader_provider(r->source, i, &provider, &events, &name);
         i++) {
        etw_json_open(text, NULL, '{');
        etw_json_guid(text, "ProviderId", &provider);
        etw_json_string_if_any(text, "ProviderName", name);
        etw_json_u64(text, "Events", events);
        etw_json_close(text, '}');
    }
    etw_json_close(text, ']');
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
    etw_json_u64(text, "Bytes", s->file_bytes);
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
    report r = {.path = etw_input_name(input), .os = etw_input_os(input)};
    etw_status status = open_report(&r, arguments, &error);
    if (!etw_failed(status) && arguments->processes) {
        status = etw_rundown_file_read(input, &r.rundown, &error);
    }
    if (!etw_failed(status) && r.rundown != NULL) {
        status = etw_state_read(input, false, &r.state, NULL, &error);
    }
    etw_exit result = ETW_EXIT_FAILED;
    if (etw_failed(status)) {
        (void)etw_tool_fail(&error);
    } else {
        (arguments->json ? json_report : text_report)(&r, &stream->text);
        result = is_whole(&r) ? ETW_EXIT_WELL : ETW_EXIT_MISSING;
    }
    etw_source_close(r.source);
    free(r.losses);
    etw_rundown_free(r.rundown);
    etw_state_free(r.state);
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
