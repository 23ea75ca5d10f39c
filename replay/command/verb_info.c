/* info: where a trace comes from, what it holds and what it lacks. */
#include "replay/command/info.h"
#include "replay/command/stream.h"
#include "replay/command/verbs.h"

const char *etw_info_clock_name(uint32_t type)
{
    static const char *const names[] = {"unknown", "QPC", "system time", "CPU cycles"};
    return type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

void etw_info_append_hash(const etw_trace_report *r, etw_text *text)
{
    for (size_t i = 0; i < sizeof r->hash; i++) {
        etw_text_printf(text, "%02x", r->hash[i]);
    }
}

const etw_state_process *etw_info_told(const etw_trace_report *r, uint32_t process_id)
{
    return etw_state_process_at(r->state, 0, process_id, r->summary.first_time_100ns);
}

etw_unexplained *etw_info_unexplained(const etw_trace_report *r)
{
    return r->looked_at == NULL ? NULL : etw_replay_unexplained(r->looked_at);
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
    etw_trace_report r;
    const etw_status status = etw_trace_report_gather(input, arguments, &r, &error);
    etw_exit result = ETW_EXIT_FAILED;
    if (etw_failed(status)) {
        (void)etw_tool_fail(&error);
    } else {
        (arguments->json    ? etw_info_json
         : arguments->brief ? etw_info_line
                            : etw_info_text)(&r, &stream->text);
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
