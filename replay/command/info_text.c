#include "replay/command/info.h"

#include "format/schema/unexplained_report.h"

/* Providers, and kinds of events, that a text lists without --all; --json lists all. */
#define LISTED 20u

typedef etw_trace_report report;

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
    etw_text_printf(text, "  %-14s%s", "clock", etw_info_clock_name(trace->clock.type));
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
static void text_told(const etw_state_process *told, etw_text *text)
{
    if (told == NULL) {
        return;
    }
    if (told->user[0] != '\0') {
        etw_text_printf(text, "  %s", told->user);
    }
    if (told->services[0] != '\0') {
        etw_text_append_z(text, "  [");
        append_line_text(text, told->services);
        etw_text_append_char(text, ']');
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
        text_told(etw_info_told(r, process->process_id), text);
        etw_text_append_char(text, '\n');
    }
}

void etw_info_line(const report *r, etw_text *text)
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
        etw_info_append_hash(r, text);
    }
    etw_text_append_char(text, '\n');
}

static void text_line(void *context, const char *line)
{
    etw_text_printf(context, "  %s\n", line);
}

static void text_unexplained(const report *r, etw_text *text)
{
    if (etw_info_unexplained(r) != NULL) {
        etw_unexplained_report(etw_info_unexplained(r), etw_replay_schemas(r->looked_at),
                               "--schemas", text_line, text);
    }
}

void etw_info_text(const report *r, etw_text *text)
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
        etw_info_append_hash(r, text);
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
