/* Everything that can be made of one event, with what must hold of each output. */
#ifndef ETW_TESTS_FUZZ_RENDER_H
#define ETW_TESTS_FUZZ_RENDER_H

#include "format/event/render/plan.h"
#include "format/event/tei.h"
#include "format/output/output.h"
#include "tests/fuzz/fuzz.h"

/* One walk: elements visited and how deep, with each value's text in all forms. */
typedef struct fuzz_walk {
    etw_text text;
    uint64_t visited;
    int depth;
} fuzz_walk;

static inline etw_status fuzz_walk_value(void *context, const etw_value *value)
{
    static const etw_escape escapes[] = {ETW_ESCAPE_NONE, ETW_ESCAPE_JSON, ETW_ESCAPE_XML,
                                         ETW_ESCAPE_LINE};
    fuzz_walk *walk = context;
    walk->visited++;
    (void)fuzz_touch(value->bytes.data, value->bytes.size);
    const etw_escape escape = escapes[walk->visited % 4];
    etw_text_clear(&walk->text);
    (void)etw_value_append_text(value, walk->visited % 8 < 4 ? 0 : ETW_TEXT_EXACT, escape,
                                &walk->text);
    FUZZ_CHECK(escape == ETW_ESCAPE_NONE || escape == ETW_ESCAPE_XML ||
               fuzz_is_clean(walk->text.data, walk->text.size, ""));
    etw_text_clear(&walk->text);
    etw_value_append_json(value, 0, &walk->text);
    FUZZ_CHECK(walk->text.size > 0 && fuzz_is_clean(walk->text.data, walk->text.size, ""));
    return ETW_OK;
}

static inline etw_status fuzz_walk_open(void *context, const etw_property *property,
                                        uint32_t number)
{
    (void)number;
    fuzz_walk *walk = context;
    walk->visited++;
    walk->depth++;
    (void)fuzz_touch(etw_property_name(property)->json, etw_property_name(property)->json_size);
    return ETW_OK;
}

static inline etw_status fuzz_walk_close(void *context, const etw_property *property)
{
    (void)property;
    ((fuzz_walk *)context)->depth--;
    return ETW_OK;
}

static inline void fuzz_walk_plan(const etw_plan *plan, const etw_event_record *record,
                                  uint32_t pointer_size)
{
    static const etw_visitor visitor = {.value = fuzz_walk_value,
                                        .open_struct = fuzz_walk_open,
                                        .close_struct = fuzz_walk_close,
                                        .open_array = fuzz_walk_open,
                                        .close_array = fuzz_walk_close};
    fuzz_walk walk = {0};
    etw_walk_end end;
    FUZZ_CHECK(etw_plan_walk(plan, record, pointer_size, &visitor, &walk, &end) == ETW_OK);
    FUZZ_CHECK(walk.depth == 0);
    FUZZ_CHECK(end.consumed_bytes + end.left_bytes <= record->UserDataLength);
    FUZZ_CHECK(walk.visited <= 3 * ((uint64_t)record->UserDataLength * ETW_MAX_STRUCT_DEPTH +
                                    ETW_WALK_MAX_EMPTY_ELEMENTS + ETW_MAX_PROPERTIES));
    etw_text_clear(&walk.text);
    etw_ignore(etw_plan_append_message(plan, record, pointer_size, 0, ETW_ESCAPE_LINE, &walk.text));
    FUZZ_CHECK(fuzz_is_clean(walk.text.data, walk.text.size, ""));
    etw_text_free(&walk.text);
}

static inline etw_status fuzz_forget(void *context, etw_bytes bytes, etw_error *error)
{
    (void)context;
    (void)bytes;
    (void)error;
    return ETW_OK;
}

/* A whole file of what was rendered; databases need a file of their own, and are left out. */
static inline void fuzz_collect(const etw_collector_kind *kind, const etw_output_options *options,
                                etw_text *rows)
{
    const etw_collector_target target = {.os = etw_os_default(), .write = fuzz_forget};
    etw_collector *collector;
    etw_error error;
    if (kind->open(options, &target, &collector, &error) == ETW_OK) {
        etw_text file = {0};
        if (!etw_failed(kind->take(collector, etw_text_bytes(rows), &file, &error))) {
            etw_ignore(kind->finish(collector, &file, &error));
        }
        kind->close(collector);
        etw_text_free(&file);
    }
}

/* The event in every output format. */
static inline void fuzz_render(const etw_event *event, const etw_output_options *options)
{
    for (size_t i = 0; etw_output_at(i) != NULL; i++) {
        const etw_output_format *format = etw_output_at(i);
        etw_output *output = format->open(options);
        etw_text text = {0};
        FUZZ_CHECK(output != NULL);
        if (format->begin != NULL) {
            format->begin(output, &text);
        }
        format->event(output, event, &text);
        if (format->end != NULL) {
            format->end(output, &text);
        }
        /* An event of 64 KiB becomes no text that is larger than the stated maximum. */
        FUZZ_CHECK(!text.failed);
        if (format->collector != NULL) {
            fuzz_collect(format->collector, options, &text);
        } else if (!format->binary && !fuzz_is_clean(text.data, text.size, "\n\r\t")) {
            (void)fprintf(stderr, "%s: control characters in: %.*s\n", format->name, (int)text.size,
                          text.data);
            abort();
        }
        etw_text_free(&text);
        format->close(output);
    }
}

#endif
