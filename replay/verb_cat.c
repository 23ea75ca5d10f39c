/* cat and export: events as text, packets, ... */
#include "replay/tool.h"
#include "replay/verbs.h"

#include <unistd.h>

typedef struct cat {
    const etw_output_format *format;
    etw_output *output;
    etw_stream stream;
    etw_replay *replay;
} cat;

/* The format of --format, else of the output's name, else JSON. */
static const etw_output_format *choose_format(const etw_replay_arguments *arguments)
{
    static const struct {
        const char *ending;
        const char *name;
    } endings[] = {{".json", "json"}, {".ndjson", "json"},  {".jsonl", "json"},
                   {".txt", "text"},  {".log", "text"},     {".xml", "xml"},
                   {".csv", "csv"},   {".pcapng", "pcapng"}};
    if (arguments->format != NULL) {
        return etw_output_find(arguments->format);
    }
    const size_t size = arguments->output == NULL ? 0 : strlen(arguments->output);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const size_t length = strlen(endings[i].ending);
        if (size > length && strcmp(arguments->output + size - length, endings[i].ending) == 0) {
            return etw_output_find(endings[i].name);
        }
    }
    return &etw_output_json;
}

static void on_loss(void *context, const etw_loss *loss)
{
    cat *c = context;
    if (loss->cause != ETW_LOSS_FILTERED && c->format->loss != NULL) {
        c->format->loss(c->output, loss, &c->stream.text);
    }
}

static etw_status print_events(cat *c, bool is_live, etw_error *error)
{
    const etw_event *event;
    etw_status status = ETW_OK;
    if (c->format->begin != NULL) {
        c->format->begin(c->output, &c->stream.text);
    }
    while (status == ETW_OK && !c->stream.is_closed) {
        status = etw_replay_next(c->replay, &event, error);
        if (status == ETW_OK) {
            c->format->event(c->output, event, &c->stream.text);
            status = is_live ? etw_stream_write(&c->stream, c->stream.text.data,
                                                c->stream.text.size, error)
                             : etw_stream_flush_chunks(&c->stream, error);
            if (is_live) {
                etw_text_clear(&c->stream.text);
            }
        }
    }
    if (c->format->end != NULL) {
        c->format->end(c->output, &c->stream.text);
    }
    return status == ETW_END ? ETW_OK : status;
}

static etw_status run(cat *c, const etw_replay_arguments *arguments, etw_error *error)
{
    etw_replay_options options = arguments->replay;
    options.raw_time = arguments->rendering.raw_time;
    options.loss = on_loss;
    options.loss_context = c;
    etw_status status = etw_tool_open(arguments, arguments->inputs[0], &options, &c->replay, error);
    if (etw_failed(status)) {
        return status;
    }
    status = etw_stream_open(&c->stream, etw_os_default(), arguments->output,
                             arguments->writer.replace, error);
    if (etw_failed(status)) {
        return status;
    }
    if (c->format->binary && c->stream.file == ETW_FILE_STDOUT && isatty(ETW_FILE_STDOUT) != 0) {
        status = etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                               "%s is not for a terminal: give a file with -o", c->format->name);
    } else {
        status = print_events(c, options.speed > 0, error);
    }
    return etw_stream_close(&c->stream, status, error);
}

etw_exit etw_verb_cat(const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    cat c = {.format = choose_format(arguments)};
    c.output = c.format->open(&arguments->rendering);
    if (c.output == NULL) {
        etw_tool_say("out of memory");
        return ETW_EXIT_FAILED;
    }
    const etw_status status = run(&c, arguments, &error);
    etw_replay_totals totals = {0};
    if (c.replay != NULL) {
        etw_replay_get_totals(c.replay, &totals);
    }
    c.format->close(c.output);
    etw_replay_close(c.replay);
    return etw_failed(status) ? etw_tool_fail(&error) : etw_tool_conclude(arguments, &totals);
}
