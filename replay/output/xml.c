/* Events in the XML vocabulary of Windows' event log (schema events/2004/08), not byte for byte as
 * tracerpt or Event Viewer write it: System, then EventData with one Data per value and ComplexData
 * per struct; what could not be decoded is ProcessingErrorData. Lists repeat their Data. Extended
 * items, which that vocabulary has no place for, are ExtendedInfo in a namespace of this project.
 */
#include "replay/output/extended_info.h"
#include "replay/output/output.h"
#include "replay/output/properties.h"
#include "replay/output/put.h"

#include "format/event/extended.h"

#define EVENT_NAMESPACE "http://schemas.microsoft.com/win/2004/08/events/event"
#define INFO_NAMESPACE  "urn:etwcap:extended-info"

typedef struct xml_output {
    etw_output base;
    etw_put_time_cache time;
} xml_output;

static etw_output *xml_open(const etw_output_options *options)
{
    return etw_output_new(sizeof(xml_output), options);
}

static void xml_begin(etw_output *output, etw_text *text)
{
    (void)output;
    etw_text_append_z(text, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Events>\n");
}

static void xml_end(etw_output *output, etw_text *text)
{
    (void)output;
    etw_text_append_z(text, "</Events>\n");
}

static void append_safe(etw_text *text, const char *utf8)
{
    etw_text_append_utf8(text, (const uint8_t *)utf8, strlen(utf8), ETW_ESCAPE_XML);
}

static void append_provider(const etw_event *event, etw_text *text)
{
    const char *name = etw_event_provider_name(event);
    etw_text_append_z(text, "<Provider");
    if (name != NULL) {
        etw_text_append_z(text, " Name=\"");
        append_safe(text, name);
        etw_text_append_char(text, '"');
    }
    etw_text_append_z(text, " Guid=\"");
    etw_text_append_guid(text, &etw_event_record_of(event)->EventHeader.ProviderId);
    etw_text_append_z(text, "\"/>");
}

static void append_time(xml_output *xml, const etw_event *event, etw_text *text)
{
    if (xml->base.options.raw_time) {
        etw_text_printf(text, "<TimeCreated RawTime=\"%lld\"/>",
                        (long long)etw_event_record_of(event)->EventHeader.TimeStamp);
        return;
    }
    char time[ETW_PUT_TIME_MAX];
    const char *end = etw_put_time(time, &xml->time, etw_event_time_100ns(event));
    etw_text_append_z(text, "<TimeCreated SystemTime=\"");
    etw_text_append(text, time, (size_t)(end - time));
    etw_text_append_z(text, "\"/>");
}

static void append_correlation(const etw_event_record *record, etw_text *text)
{
    etw_guid related;
    const bool has_activity = !etw_guid_is_zero(&record->EventHeader.ActivityId);
    const bool has_related = etw_record_related_activity_id(record, &related);
    if (!has_activity && !has_related) {
        return;
    }
    etw_text_append_z(text, "<Correlation");
    if (has_activity) {
        etw_text_append_z(text, " ActivityID=\"");
        etw_text_append_guid(text, &record->EventHeader.ActivityId);
        etw_text_append_char(text, '"');
    }
    if (has_related) {
        etw_text_append_z(text, " RelatedActivityID=\"");
        etw_text_append_guid(text, &related);
        etw_text_append_char(text, '"');
    }
    etw_text_append_z(text, "/>");
}

static void append_execution(const etw_trace *trace, const etw_event_record *record, etw_text *text)
{
    const etw_event_header *header = &record->EventHeader;
    etw_text_printf(text, "<Execution ProcessID=\"%u\" ThreadID=\"%u\" ProcessorID=\"%u\"",
                    header->ProcessId, header->ThreadId, etw_record_processor(record));
    if (etw_trace_has_cpu_times(trace, record)) {
        etw_text_printf(text, " KernelTime=\"%u\" UserTime=\"%u\"", header->KernelTime,
                        header->UserTime);
    } else if (header->ProcessorTime != 0) {
        etw_text_printf(text, " ProcessorTime=\"%llu\"", (unsigned long long)header->ProcessorTime);
    }
    etw_text_append_z(text, "/>");
}

static void append_system(xml_output *xml, const etw_event *event, etw_text *text)
{
    const etw_event_record *record = etw_event_record_of(event);
    const etw_event_descriptor *d = &record->EventHeader.EventDescriptor;
    etw_text_append_z(text, "<System>");
    append_provider(event, text);
    etw_text_printf(text,
                    "<EventID>%u</EventID><Version>%u</Version><Level>%u</Level><Task>%u</Task>"
                    "<Opcode>%u</Opcode><Keywords>0x%llx</Keywords>",
                    d->Id, d->Version, d->Level, d->Task, d->Opcode,
                    (unsigned long long)d->Keyword);
    append_time(xml, event, text);
    append_correlation(record, text);
    append_execution(etw_event_trace(event), record, text);
    etw_text_printf(text, "<Channel>%u</Channel>", d->Channel);
    if (xml->base.options.schema_hash && etw_event_schema(event) != NULL) {
        etw_text_printf(text, "<SchemaHash xmlns=\"" INFO_NAMESPACE "\">%016llx</SchemaHash>",
                        (unsigned long long)etw_event_schema(event)->hash);
    }
    etw_text_append_z(text, "</System>");
}

/* The properties. */

typedef struct xml_walk {
    etw_text *text;
    uint32_t form;
    size_t start; /* of the properties in text */
} xml_walk;

static void append_named(etw_text *text, const char *tag, const etw_property *property)
{
    etw_text_printf(text, "<%s Name=\"", tag);
    append_safe(text, etw_property_name(property)->utf8);
    etw_text_append_z(text, "\">");
}

static etw_status on_value(void *context, const etw_value *value)
{
    xml_walk *w = context;
    append_named(w->text, "Data", value->property);
    (void)etw_value_append_text(value, w->form, ETW_ESCAPE_XML, w->text);
    etw_text_append_z(w->text, "</Data>");
    return etw_properties_room(w->text, w->start);
}

static etw_status on_open_struct(void *context, const etw_property *property, uint32_t element)
{
    xml_walk *w = context;
    (void)element;
    append_named(w->text, "ComplexData", property);
    return etw_properties_room(w->text, w->start);
}

static etw_status on_close_struct(void *context, const etw_property *property)
{
    xml_walk *w = context;
    (void)property;
    etw_text_append_z(w->text, "</ComplexData>");
    return ETW_OK;
}

static void append_problem(const etw_property_outcome *outcome, etw_text *text)
{
    if (outcome->problem[0] == '\0') {
        return;
    }
    etw_text_append_z(text, "<ProcessingErrorData><Message>");
    append_safe(text, outcome->problem);
    etw_text_append_z(text, "</Message><EventPayload>");
    etw_text_append_hex_bytes(text, outcome->undecoded.data, outcome->undecoded.size);
    etw_text_append_z(text, "</EventPayload></ProcessingErrorData>");
}

static void append_properties(const etw_event *event, uint32_t form, etw_text *text)
{
    static const etw_visitor visitor = {on_value, on_open_struct, on_close_struct, NULL, NULL};
    etw_property_outcome outcome = {0};
    if (etw_event_plan(event) != NULL) {
        xml_walk walk = {text, form, text->size};
        etw_text_append_z(text, "<EventData>");
        etw_properties_walk(event, &visitor, &walk, &outcome);
        etw_text_append_z(text, "</EventData>");
    } else {
        etw_properties_unknown(event, &outcome);
    }
    append_problem(&outcome, text);
}

/* Names and message. */

static void append_element(etw_text *text, const char *tag, const char *utf8)
{
    if (utf8[0] != '\0') {
        etw_text_printf(text, "<%s>", tag);
        append_safe(text, utf8);
        etw_text_printf(text, "</%s>", tag);
    }
}

static void append_rendering_info(const etw_event *event, const etw_output_options *options,
                                  etw_text *text)
{
    const etw_plan *plan = etw_event_plan(event);
    if (plan == NULL) {
        return;
    }
    etw_text_append_z(text, "<RenderingInfo Culture=\"\">");
    if (options->message && etw_plan_event_message(plan)->utf8_size > 0) {
        etw_text_append_z(text, "<Message>");
        etw_properties_append_message(event, options->exact ? ETW_TEXT_EXACT : 0, ETW_ESCAPE_XML,
                                      text);
        etw_text_append_z(text, "</Message>");
    }
    append_element(text, "Level", etw_plan_level_name(plan)->utf8);
    append_element(text, "Task", etw_plan_task_name(plan)->utf8);
    append_element(text, "Opcode", etw_plan_opcode_name(plan)->utf8);
    append_element(text, "Channel", etw_plan_channel_name(plan)->utf8);
    append_element(text, "EventName", etw_plan_event_name(plan)->utf8);
    const uint32_t keywords = etw_plan_keyword_count(plan);
    if (keywords > 0) {
        etw_text_append_z(text, "<Keywords>");
        for (uint32_t i = 0; i < keywords; i++) {
            append_element(text, "Keyword", etw_plan_keyword_name(plan, i)->utf8);
        }
        etw_text_append_z(text, "</Keywords>");
    }
    etw_text_append_z(text, "</RenderingInfo>");
}

/* Extended items: an Item each, nested for groups and lists. */

static void info_text(void *context, const char *name, const char *value, size_t size)
{
    etw_text *text = context;
    etw_text_printf(text, "<Item Name=\"%s\">", name);
    etw_text_append(text, value, size);
    etw_text_append_z(text, "</Item>");
}

static void info_number(void *context, const char *name, uint64_t value)
{
    etw_text_printf(context, "<Item Name=\"%s\">%llu</Item>", name, (unsigned long long)value);
}

static void info_open(void *context, const char *name)
{
    etw_text_printf(context, "<Item Name=\"%s\">", name);
}

static void info_close(void *context, const char *name)
{
    (void)name;
    etw_text_append_z(context, "</Item>");
}

static void info_list_item(void *context, const char *value, size_t size)
{
    etw_text *text = context;
    etw_text_append_z(text, "<Item>");
    etw_text_append(text, value, size);
    etw_text_append_z(text, "</Item>");
}

static void append_extended_info(const etw_event *event, const etw_rundown *rundown, etw_text *text)
{
    static const etw_info_sink sink = {info_text, info_number,    info_open, info_close,
                                       info_open, info_list_item, info_close};
    const etw_event_record *record = etw_event_record_of(event);
    const bool has_schema = etw_event_schema(event) != NULL;
    if (record->ExtendedDataCount > 0 && etw_extended_info_any(record, has_schema)) {
        etw_text_append_z(text, "<ExtendedInfo xmlns=\"" INFO_NAMESPACE "\">");
        etw_extended_info_tell(record, has_schema, rundown, &sink, text);
        etw_text_append_z(text, "</ExtendedInfo>");
    }
}

static void xml_event(etw_output *output, const etw_event *event, etw_text *text)
{
    etw_text_append_z(text, "<Event xmlns=\"" EVENT_NAMESPACE "\">");
    append_system((xml_output *)output, event, text);
    append_properties(event, output->options.exact ? ETW_TEXT_EXACT : 0, text);
    append_rendering_info(event, &output->options, text);
    append_extended_info(event, output->options.rundown, text);
    etw_text_append_z(text, "</Event>\n");
}

static void xml_loss(etw_output *output, const etw_loss *loss, etw_text *text)
{
    (void)output;
    etw_text_append_z(text, "<Loss xmlns=\"" INFO_NAMESPACE "\" Cause=\"");
    append_safe(text, etw_loss_cause_name(loss->cause));
    etw_text_append_char(text, '"');
    if (loss->events != ETW_LOSS_COUNT_UNKNOWN) {
        etw_text_printf(text, " Events=\"%llu\"", (unsigned long long)loss->events);
    }
    etw_text_append_char(text, '>');
    append_safe(text, loss->detail);
    etw_text_append_z(text, "</Loss>\n");
}

const etw_output_format etw_output_xml = {
    .name = "xml",
    .help = "events in the vocabulary of Windows' event log",
    .open = xml_open,
    .close = etw_output_free,
    .begin = xml_begin,
    .end = xml_end,
    .event = xml_event,
    .loss = xml_loss,
};
