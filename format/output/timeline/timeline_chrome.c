/* Chrome's trace events as JSON, which Perfetto, chrome://tracing and speedscope open. Times are
 * microseconds, with one decimal. The phase T, a thread's state, is Perfetto's own. */
#include "format/output/timeline/timeline_writer.h"

static void append_string(etw_text *out, const char *member, etw_bytes text)
{
    etw_text_append_z(out, member);
    etw_text_append_char(out, '"');
    etw_text_append_utf8(out, text.data, text.size, ETW_ESCAPE_JSON);
    etw_text_append_char(out, '"');
}

static void append_time(etw_text *out, const char *member, int64_t time)
{
    const uint64_t whole = time < 0 ? 0u - (uint64_t)time : (uint64_t)time;
    etw_text_append_z(out, member);
    etw_text_append_z(out, time < 0 ? "-" : "");
    etw_text_append_u64(out, whole / 10);
    if (whole % 10 != 0) {
        etw_text_append_char(out, '.');
        etw_text_append_char(out, (char)('0' + whole % 10));
    }
}

static void begin_event(etw_text *out, const char *phase, const etw_timeline_slice *s)
{
    etw_text_printf(out, ",\n{\"ph\":\"%s\",\"pid\":%u,\"tid\":%u", phase, s->process_id,
                    s->thread_id);
    append_time(out, ",\"ts\":", s->start);
    append_string(out, ",\"name\":", s->name);
    append_string(out, ",\"cat\":", s->category);
}

static void append_args(etw_text *out, const etw_timeline_slice *s)
{
    if (s->args.size == 0 && !s->is_open) {
        return;
    }
    etw_text_append_z(out, ",\"args\":{");
    etw_text_append_z(out, s->is_open ? "\"unfinished\":true" : "");
    if (s->args.size > 0) {
        etw_text_append_z(out, s->is_open ? ",\"properties\":" : "\"properties\":");
        etw_text_append(out, (const char *)s->args.data, s->args.size);
    }
    etw_text_append_char(out, '}');
}

/* The first element of the list, so that all others begin with a comma. */
static void chrome_begin(etw_text *out, int64_t first_100ns)
{
    etw_text_append_z(out, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"start\":\"");
    etw_text_append_time(out, first_100ns);
    etw_text_append_z(out, "\"},\"traceEvents\":[\n"
                           "{\"ph\":\"M\",\"pid\":0,\"tid\":0,\"name\":\"process_name\","
                           "\"args\":{\"name\":\"Idle\"}}");
}

static void chrome_end(etw_text *out)
{
    etw_text_append_z(out, "\n]}\n");
}

static void chrome_process(etw_text *out, uint32_t process_id, etw_bytes name)
{
    etw_text_printf(out, ",\n{\"ph\":\"M\",\"pid\":%u,\"tid\":0,\"name\":\"process_name\"",
                    process_id);
    append_string(out, ",\"args\":{\"name\":", name);
    etw_text_append_z(out, "}}");
}

static void chrome_thread(etw_text *out, uint32_t process_id, uint32_t thread_id, etw_bytes name)
{
    if (name.size > 0) {
        etw_text_printf(out, ",\n{\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"name\":\"thread_name\"",
                        process_id, thread_id);
        append_string(out, ",\"args\":{\"name\":", name);
        etw_text_append_z(out, "}}");
    }
}

static void chrome_slice(etw_text *out, const etw_timeline_slice *s)
{
    begin_event(out, s->lane == 0 ? "X" : "b", s);
    if (s->lane == 0) {
        append_time(out, ",\"dur\":", s->end - s->start);
    } else {
        etw_text_printf(out, ",\"id2\":{\"local\":\"0x%llx\"}", (unsigned long long)s->lane);
    }
    append_args(out, s);
    etw_text_append_char(out, '}');
    if (s->lane != 0) {
        etw_timeline_slice end = *s;
        end.start = s->end;
        begin_event(out, "e", &end);
        etw_text_printf(out, ",\"id2\":{\"local\":\"0x%llx\"}}", (unsigned long long)s->lane);
    }
}

static void chrome_instant(etw_text *out, const etw_timeline_slice *s)
{
    begin_event(out, "i", s);
    etw_text_append_z(out, ",\"s\":\"t\"");
    append_args(out, s);
    etw_text_append_char(out, '}');
}

static void chrome_counter(etw_text *out, const etw_timeline_slice *s, double value)
{
    begin_event(out, "C", s);
    etw_text_printf(out, ",\"args\":{\"value\":%.17g}}", value);
}

static void chrome_state(etw_text *out, const etw_timeline_slice *s, uint32_t processor)
{
    begin_event(out, "T", s);
    append_time(out, ",\"dur\":", s->end - s->start);
    if (processor != UINT32_MAX) {
        etw_text_printf(out, ",\"args\":{\"cpu\":%u}", processor);
    }
    etw_text_append_char(out, '}');
}

const etw_timeline_writer etw_timeline_chrome = {
    chrome_begin,   chrome_end,     chrome_process, chrome_thread, chrome_slice,
    chrome_instant, chrome_counter, chrome_state,   NULL,
};
