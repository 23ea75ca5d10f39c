#include "replay/command/coverage.h"

#include "format/input/input.h"
#include "format/output/json_writer.h"
#include "replay/command/progress.h"
#include "replay/command/tool.h"

#include <inttypes.h>

/* Of one origin of schemas, or of all. */
typedef struct tally {
    uint64_t explained;
    uint64_t whole; /* of these, shown to the last byte of their user data */
} tally;

typedef struct coverage {
    uint64_t events;
    uint64_t need_none; /* texts and forwarded XML */
    tally all;
    tally of[ETW_SCHEMA_ORIGINS];
} coverage;

static void add_tally(tally *to, const tally *from)
{
    to->explained += from->explained;
    to->whole += from->whole;
}

static void add(coverage *to, const coverage *from)
{
    to->events += from->events;
    to->need_none += from->need_none;
    add_tally(&to->all, &from->all);
    for (uint32_t i = 0; i < ETW_SCHEMA_ORIGINS; i++) {
        add_tally(&to->of[i], &from->of[i]);
    }
}

/* Counting. */

static etw_status count(coverage *into, const etw_event *event, etw_error *error)
{
    static const etw_visitor nothing = {0};
    const etw_schema *schema = etw_event_schema(event);
    etw_walk_end end = {0};
    into->events++;
    if (schema == NULL) {
        into->need_none += !etw_record_needs_schema(etw_event_record_of(event));
        return ETW_OK;
    }
    const etw_status status = etw_event_walk(event, &nothing, NULL, &end);
    if (status == ETW_ERROR_NO_MEMORY) {
        return etw_error_set(error, status, "no memory to read an event");
    }
    const bool is_whole =
        status == ETW_OK && !end.short_payload && end.reason == NULL && end.left_bytes == 0;
    const tally one = {.explained = 1, .whole = is_whole};
    const uint32_t origin = schema->origin < ETW_SCHEMA_ORIGINS ? schema->origin : 0;
    add_tally(&into->all, &one);
    add_tally(&into->of[origin], &one);
    return ETW_OK;
}

static etw_status count_all(etw_replay *replay, coverage *into, etw_error *error)
{
    for (;;) {
        const etw_event *event;
        const etw_status read = etw_replay_next(replay, &event, error);
        if (read != ETW_OK) {
            return read == ETW_END ? ETW_OK : read;
        }
        const etw_status counted = count(into, event, error);
        if (counted != ETW_OK) {
            return counted;
        }
    }
}

/* Printing. */

static void append_row(etw_text *text, const char *name, uint64_t events, const tally *counts)
{
    etw_text_printf(text, "%12" PRIu64 " %12" PRIu64 " %12" PRIu64 "  %s\n", events,
                    counts->explained, counts->whole, name);
}

static void append_text(etw_text *text, const char *name, const coverage *c)
{
    append_row(text, name, c->events, &c->all);
    for (uint32_t i = 0; i < ETW_SCHEMA_ORIGINS; i++) {
        if (c->of[i].explained > 0) {
            etw_text_printf(text, "%12s %12" PRIu64 " %12" PRIu64 "    %s\n", "",
                            c->of[i].explained, c->of[i].whole, etw_schema_origin_name(i));
        }
    }
    if (c->need_none > 0) {
        etw_text_printf(text, "%12" PRIu64 " %12s %12s    need none\n", c->need_none, "", "");
    }
}

static void append_tally(etw_text *text, const tally *counts)
{
    etw_json_u64(text, "Explained", counts->explained);
    etw_json_u64(text, "Whole", counts->whole);
}

static void append_json(etw_text *text, const char *name, const coverage *c)
{
    etw_json_open(text, NULL, '{');
    etw_json_string(text, "File", name);
    etw_json_u64(text, "Events", c->events);
    etw_json_u64(text, "NeedNone", c->need_none);
    append_tally(text, &c->all);
    etw_json_open(text, "Sources", '[');
    for (uint32_t i = 0; i < ETW_SCHEMA_ORIGINS; i++) {
        if (c->of[i].explained > 0) {
            etw_json_open(text, NULL, '{');
            etw_json_string(text, "Source", etw_schema_origin_name(i));
            append_tally(text, &c->of[i]);
            etw_json_close(text, '}');
        }
    }
    etw_json_close(text, ']');
    etw_json_close(text, '}');
    etw_text_append_char(text, '\n');
}

/* All inputs. */

typedef struct covering {
    const etw_replay_arguments *arguments;
    etw_text text;
    coverage total;
    uint32_t traces;
    etw_exit result;
} covering;

static etw_exit cover_one(covering *to, etw_input *input)
{
    const etw_replay_arguments *arguments = to->arguments;
    etw_replay_options options = arguments->replay;
    etw_replay_totals totals = {0};
    etw_replay *replay;
    etw_error error = {0};
    coverage counts = {0};
    etw_status status = etw_tool_open_input(arguments, input, &options, &replay, &error);
    if (!etw_failed(status)) {
        etw_progress progress;
        etw_progress_begin(&progress, arguments, "reading", "B");
        etw_progress_watch(&progress, &input, 1);
        status = count_all(replay, &counts, &error);
        etw_progress_end(&progress);
        etw_replay_get_totals(replay, &totals);
        (arguments->json ? append_json : append_text)(&to->text, etw_input_name(input), &counts);
        add(&to->total, &counts);
        to->traces++;
    }
    etw_replay_close(replay);
    return etw_failed(status) ? etw_tool_fail(&error) : etw_tool_conclude(arguments, &totals);
}

static etw_status take(void *context, etw_input *input, etw_error *error)
{
    covering *to = context;
    (void)error;
    to->result = etw_tool_worse(to->result, cover_one(to, input));
    return ETW_OK;
}

etw_exit etw_coverage_print(const etw_replay_arguments *arguments)
{
    covering to = {.arguments = arguments};
    if (!arguments->json) {
        etw_text_printf(&to.text, "%12s %12s %12s\n", "events", "explained", "to last byte");
    }
    const etw_exit read = etw_tool_each_input(arguments, take, &to);
    if (to.traces > 1 && !arguments->json) {
        append_text(&to.text, "all", &to.total);
    }
    to.result = etw_tool_worse(to.result, read);
    return etw_tool_worse(to.result, etw_tool_print(&to.text));
}
