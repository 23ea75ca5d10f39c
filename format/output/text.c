/* One line per event, for people: control characters of the trace never reach the terminal. */
#include "format/output/extended_info.h"
#include "format/output/nesting.h"
#include "format/output/output.h"
#include "format/output/properties.h"
#include "format/output/put.h"
#include "format/output/terminal.h"
#include "format/output/time_stamp.h"

typedef struct text_output {
    etw_output base;
    etw_put_time_cache time;
} text_output;

static etw_output *text_open(const etw_output_options *options)
{
    return etw_output_new(sizeof(text_output), options);
}

static void append_safe(etw_text *text, const char *utf8)
{
    etw_text_append_utf8(text, (const uint8_t *)utf8, strlen(utf8), ETW_ESCAPE_LINE);
}

static void append_level(etw_text *text, uint8_t level)
{
    static const char *const names[] = {"Always",  "Critical", "Error",
                                        "Warning", "Info",     "Verbose"};
    if (level < sizeof names / sizeof names[0]) {
        etw_text_append_z(text, names[level]);
    } else {
        etw_text_printf(text, "Level%u", level);
    }
}

static void append_names(const etw_event *event, etw_text *text)
{
    const etw_event_header *header = &etw_event_record_of(event)->EventHeader;
    const etw_plan *plan = etw_event_plan(event);
    const char *provider = etw_event_provider_name(event);
    if (provider != NULL) {
        append_safe(text, provider);
    } else {
        etw_text_append_guid(text, &header->ProviderId);
    }
    if (plan != NULL && etw_plan_event_name(plan)->utf8_size > 0) {
        etw_text_append_char(text, '/');
        append_safe(text, etw_plan_event_name(plan)->utf8);
    } else if ((header->Flags & ETW_FLAG_CLASSIC_HEADER) != 0) {
        etw_text_printf(text, "/Opcode(%u)", header->EventDescriptor.Opcode);
        return;
    }
    if (header->EventDescriptor.Id != 0) {
        etw_text_printf(text, "(%u)", header->EventDescriptor.Id);
    }
}

/* Puts quotes around what was appended from start on, where a reader could not see its end, and a
 * backslash before those inside. */
static void quote_from(etw_text *text, size_t start)
{
    const size_t size = text->size - start;
    if (text->failed || (size > 0 && memchr(text->data + start, ' ', size) == NULL &&
                         memchr(text->data + start, '"', size) == NULL)) {
        return;
    }
    size_t inside = 0;
    for (size_t i = start; i < text->size; i++) {
        inside += text->data[i] == '"';
    }
    if (etw_text_reserve(text, 2 + inside) == NULL) {
        return;
    }
    size_t to = text->size + 1 + inside;
    text->data[to] = '"';
    for (size_t i = text->size; i-- > start;) {
        text->data[--to] = text->data[i];
        if (text->data[i] == '"') {
            text->data[--to] = '\\';
        }
    }
    text->data[start] = '"';
    text->size += 2 + inside;
}

static void append_name(etw_text *text, const char *label, const etw_name *name)
{
    if (name->utf8_size > 0) {
        etw_text_append_z(text, label);
        const size_t start = text->size;
        append_safe(text, name->utf8);
        quote_from(text, start);
    }
}

/* Whether the event's name has it at its start or its end. */
static bool shows_name(const etw_plan *plan, const etw_name *part)
{
    const etw_name *whole = etw_plan_event_name(plan);
    return part->utf8_size <= whole->utf8_size &&
           (memcmp(whole->utf8, part->utf8, part->utf8_size) == 0 ||
            memcmp(whole->utf8 + whole->utf8_size - part->utf8_size, part->utf8, part->utf8_size) ==
                0);
}

/* What the schema calls them, without what the event's name shows. */
static void append_schema_names(const etw_plan *plan, etw_text *text)
{
    if (!shows_name(plan, etw_plan_task_name(plan))) {
        append_name(text, " task=", etw_plan_task_name(plan));
    }
    if (!shows_name(plan, etw_plan_opcode_name(plan))) {
        append_name(text, " opcode=", etw_plan_opcode_name(plan));
    }
    append_name(text, " channel=", etw_plan_channel_name(plan));
    for (uint32_t i = 0; i < etw_plan_keyword_count(plan); i++) {
        append_name(text, i == 0 ? " keywords=" : ",", etw_plan_keyword_name(plan, i));
    }
}

/* The properties: Name=value, lists in [], structs in {}. */

typedef struct text_walk {
    etw_nesting nesting; /* first: the visitor knows no more */
    uint32_t form;
} text_walk;

static void begin_item(etw_nesting *n, const etw_property *property)
{
    etw_nesting_next(n);
    if (!n->in_list) {
        append_safe(n->text, etw_property_name(property)->utf8);
        etw_text_append_char(n->text, '=');
    }
}

static etw_status on_value(void *context, const etw_value *value)
{
    text_walk *w = context;
    etw_text *text = w->nesting.text;
    begin_item(&w->nesting, value->property);
    const size_t start = text->size;
    (void)etw_value_append_text(value, w->form, ETW_ESCAPE_LINE, text);
    quote_from(text, start);
    return etw_properties_room(text, w->nesting.start);
}

/* Strings=[...], in the form of a property that is a list. */
static void append_strings(etw_bytes undecoded, etw_text *text)
{
    etw_string_search search = {.bytes = undecoded};
    etw_found_string found;
    const size_t start = text->size;
    while (etw_found_string_next(&search, &found)) {
        etw_text_append_z(text, text->size == start ? " Strings=[" : " ");
        const size_t value = text->size;
        etw_properties_append_found(&found, ETW_ESCAPE_LINE, text);
        quote_from(text, value);
    }
    if (text->size != start) {
        etw_text_append_char(text, ']');
    }
}

static void append_undecoded(const etw_property_outcome *outcome, etw_text *text)
{
    if (outcome->problem[0] != '\0') {
        etw_text_append_z(text, " !(");
        append_safe(text, outcome->problem);
        etw_text_append_char(text, ')');
    }
    if (outcome->undecoded.size > 0) {
        etw_text_append_z(text, " UserData=");
        etw_text_append_hex_bytes(text, outcome->undecoded.data, outcome->undecoded.size);
        append_strings(outcome->undecoded, text);
    }
}

static void append_properties(const etw_event *event, uint32_t form, etw_text *text)
{
    static const etw_visitor visitor = {on_value, etw_nesting_on_open_struct,
                                        etw_nesting_on_close_struct, etw_nesting_on_open_array,
                                        etw_nesting_on_close_array};
    etw_property_outcome outcome;
    if (etw_event_plan(event) != NULL) {
        text_walk walk = {
            .nesting = {.text = text, .start = text->size, .separator = ' ', .begin = begin_item},
            .form = form};
        etw_properties_walk(event, &visitor, &walk, &outcome);
    } else {
        etw_properties_unknown(event, &outcome);
    }
    append_undecoded(&outcome, text);
}

/* Extended items, in the same form. */

static void info_name(etw_nesting *info, const char *name)
{
    etw_nesting_next(info);
    etw_text_append_z(info->text, name);
    etw_text_append_char(info->text, '=');
}

static void info_text(void *context, const char *name, const char *value, size_t size)
{
    etw_nesting *info = context;
    info_name(info, name);
    etw_text_append(info->text, value, size);
}

static void info_number(void *context, const char *name, uint64_t value)
{
    etw_nesting *info = context;
    info_name(info, name);
    etw_text_append_u64(info->text, value);
}

static void info_open(void *context, const char *name)
{
    info_name(context, name);
    etw_nesting_open_struct(context);
}

static void info_close(void *context, const char *name)
{
    (void)name;
    etw_nesting_close_struct(context);
}

static void info_list_item(void *context, const char *value, size_t size)
{
    etw_nesting *info = context;
    etw_nesting_next(info);
    etw_text_append(info->text, value, size);
}

static void append_extended_info(const etw_event *event, const etw_output_options *options,
                                 etw_text *text)
{
    static const etw_info_sink sink = {info_text, info_number,    info_open, info_close,
                                       info_open, info_list_item, info_close};
    if (etw_extended_info_any(event, options)) {
        etw_nesting info = {.text = text, .separator = ' ', .is_first = true};
        const etw_info_target target = {&sink, &info, text};
        etw_text_append_z(text, " + {");
        text->failed = !etw_extended_info_tell(event, options, &target) || text->failed;
        etw_text_append_char(text, '}');
    }
}

static void text_event(etw_output *output, const etw_event *event, etw_text *text)
{
    const etw_event_record *record = etw_event_record_of(event);
    const uint32_t form = output->options.exact ? ETW_TEXT_EXACT : 0;
    const size_t start = text->size;
    if (etw_event_file(event) != NULL) {
        append_safe(text, etw_event_file(event));
        etw_text_append_z(text, ": ");
    }
    etw_text_append_time_stamp(text, &((text_output *)output)->time, &output->options, event);
    etw_text_printf(text, " %u.%u", record->EventHeader.ProcessId, record->EventHeader.ThreadId);
    const etw_event_process *process = etw_event_process_of(event);
    if (process != NULL && process->name[0] != '\0') {
        etw_text_append_char(text, ' ');
        append_safe(text, process->name);
    }
    etw_text_printf(text, " [%u] ", etw_record_processor(record));
    append_level(text, record->EventHeader.EventDescriptor.Level);
    etw_text_append_char(text, ' ');
    append_names(event, text);
    if (output->options.schema_hash && etw_event_schema(event) != NULL) {
        etw_text_printf(text, " schema=%016llx", (unsigned long long)etw_event_schema(event)->hash);
    }
    const etw_plan *plan = etw_event_plan(event);
    if (plan != NULL) {
        append_schema_names(plan, text);
    }
    if (output->options.message && plan != NULL && etw_plan_event_message(plan)->utf8_size > 0) {
        etw_text_append_char(text, ' ');
        etw_properties_append_message(event, form, ETW_ESCAPE_LINE, text);
    } else {
        append_properties(event, form, text);
    }
    append_extended_info(event, &output->options, text);
    etw_terminal_finish_line(&output->options, record->EventHeader.EventDescriptor.Level, start,
                             text);
}

static void text_loss(etw_output *output, const etw_loss *loss, etw_text *text)
{
    const size_t start = text->size;
    etw_text_append_z(text, "-- ");
    if (loss->events != ETW_LOSS_COUNT_UNKNOWN && loss->events != 0) {
        etw_text_printf(text, "%llu ", (unsigned long long)loss->events);
    }
    etw_text_append_z(text, etw_loss_cause_name(loss->cause));
    if (loss->detail[0] != '\0') {
        etw_text_append_z(text, ": ");
        append_safe(text, loss->detail);
    }
    etw_text_append_z(text, " --");
    etw_terminal_finish_line(&output->options, ETW_TERMINAL_LOSS, start, text);
}

const etw_output_format etw_output_text = {
    .name = "text",
    .help = "one line per event, for people",
    .open = text_open,
    .close = etw_output_free,
    .event = text_event,
    .with_columns = &etw_output_text_columns,
    .tells_filtered = true,
    .loss = text_loss,
};
