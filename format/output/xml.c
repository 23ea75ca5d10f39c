/* Events in the XML vocabulary of Windows' event log (schema events/2004/08), in the order and form
 * of two tools. Format xml follows tracerpt: local time with nine digits, thread times in
 * milliseconds, a zero activity where there is none, of classic events the provider of their class
 * with the class itself in ExtendedTracingInfo, NOPRINT values left out. Format eventviewer follows
 * Event Viewer: UTC, channel and computer by name, and raw values (mapped values and error codes in
 * decimal, hexadecimal in lower case, FILETIMEs with seven digits). TEXT.md has the sources. White
 * space is ours. What could not be decoded is ProcessingErrorData. Lists repeat their Data.
 * Extended items, which that vocabulary has no place for, are ExtendedInfo in a namespace of this
 * project.
 */
#include "format/output/extended_info.h"
#include "format/output/output.h"
#include "format/output/properties.h"
#include "format/output/put.h"

#include "format/event/extended.h"
#include "format/event/tei.h"

#define EVENT_NAMESPACE "http://schemas.microsoft.com/win/2004/08/events/event"
#define TRACE_NAMESPACE "http://schemas.microsoft.com/win/2004/08/events/trace"
#define INFO_NAMESPACE  "urn:etwcap:extended-info"

typedef struct xml_output {
    etw_output base;
    bool is_raw; /* as Event Viewer; else as tracerpt */
} xml_output;

static etw_output *xml_open(const etw_output_options *options)
{
    return etw_output_new(sizeof(xml_output), options);
}

static etw_output *eventviewer_open(const etw_output_options *options)
{
    etw_output *output = xml_open(options);
    if (output != NULL) {
        ((xml_output *)output)->is_raw = true;
    }
    return output;
}

/* Of a class that MOF describes: the event's GUID is its class, the provider's stands in the
 * schema.
 */
static bool is_classic(const etw_event *event)
{
    const etw_plan *plan = etw_event_plan(event);
    return plan != NULL && etw_plan_decoding_source(plan) == ETW_DECODING_WBEM;
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

static etw_guid provider_of(const etw_event *event)
{
    const etw_schema *schema = etw_event_schema(event);
    etw_tei tei;
    const bool has_provider = is_classic(event) && schema != NULL &&
                              !etw_failed(etw_tei_open(schema->tei, &tei, NULL)) &&
                              !etw_guid_is_zero(&tei.info.ProviderGuid);
    return has_provider ? tei.info.ProviderGuid
                        : etw_event_record_of(event)->EventHeader.ProviderId;
}

static void append_provider(const xml_output *xml, const etw_event *event, etw_text *text)
{
    const char *name = etw_event_provider_name(event);
    const etw_guid id = provider_of(event);
    etw_text_append_z(text, "<Provider");
    if (name != NULL && (xml->is_raw || !is_classic(event))) {
        etw_text_append_z(text, " Name=\"");
        append_safe(text, name);
        etw_text_append_char(text, '"');
    }
    etw_text_append_z(text, " Guid=\"");
    etw_text_append_guid(text, &id);
    etw_text_append_z(text, "\"/>");
}

/* Nine digits of which two are always zero; the offset as far from UTC as the recording host was.
 */
static void append_local_time(const etw_trace *trace, int64_t time_100ns, etw_text *text)
{
    const int32_t offset = trace->utc_bias_minutes > -24 * 60 && trace->utc_bias_minutes < 24 * 60
                               ? -trace->utc_bias_minutes
                               : 0;
    const int32_t size = offset < 0 ? -offset : offset;
    int64_t local = time_100ns;
    if (__builtin_add_overflow(time_100ns, (int64_t)offset * INT64_C(600000000), &local)) {
        local = time_100ns;
    }
    etw_text_append_time(text, local);
    if (text->size > 0 && text->data[text->size - 1] == 'Z') {
        text->size--;
        etw_text_printf(text, "00%c%02d:%02d", offset < 0 ? '-' : '+', size / 60, size % 60);
    }
}

static void append_time(const xml_output *xml, const etw_event *event, etw_text *text)
{
    if (xml->base.options.raw_time) {
        etw_text_printf(text, "<TimeCreated RawTime=\"%lld\"/>",
                        (long long)etw_event_record_of(event)->EventHeader.TimeStamp);
        return;
    }
    etw_text_append_z(text, "<TimeCreated SystemTime=\"");
    if (!xml->is_raw) {
        append_local_time(etw_event_trace(event), etw_event_time_100ns(event), text);
    } else {
        etw_text_append_time(text, etw_event_time_100ns(event));
    }
    etw_text_append_z(text, "\"/>");
}

static void append_correlation(const xml_output *xml, const etw_event_record *record,
                               etw_text *text)
{
    etw_guid related;
    const bool has_activity = !xml->is_raw || !etw_guid_is_zero(&record->EventHeader.ActivityId);
    const bool has_related = etw_record_related_activity_id(record, &related);
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

/* Of the header's ticks of the timer. */
static uint64_t milliseconds(const etw_trace *trace, uint32_t ticks)
{
    return (uint64_t)ticks * trace->timer_resolution_100ns / 10000;
}

static void append_execution(const xml_output *xml, const etw_trace *trace,
                             const etw_event_record *record, etw_text *text)
{
    const etw_event_header *header = &record->EventHeader;
    etw_text_printf(text, "<Execution ProcessID=\"%u\" ThreadID=\"%u\"", header->ProcessId,
                    header->ThreadId);
    if (!xml->is_raw) {
        etw_text_printf(text, " ProcessorID=\"%u\"", etw_record_processor(record));
    }
    if (!xml->is_raw && etw_trace_has_cpu_times(trace, record)) {
        etw_text_printf(text, " KernelTime=\"%llu\" UserTime=\"%llu\"",
                        (unsigned long long)milliseconds(trace, header->KernelTime),
                        (unsigned long long)milliseconds(trace, header->UserTime));
    } else if (!xml->is_raw && header->ProcessorTime != 0) {
        etw_text_printf(text, " ProcessorTime=\"%llu\"", (unsigned long long)header->ProcessorTime);
    }
    etw_text_append_z(text, "/>");
}

static void append_element(etw_text *text, const char *tag, const char *utf8)
{
    if (utf8[0] != '\0') {
        etw_text_printf(text, "<%s>", tag);
        append_safe(text, utf8);
        etw_text_printf(text, "</%s>", tag);
    }
}

/* Event Viewer names the channel, tracerpt leaves it empty; the number stays where no name is
 * known.
 */
static void append_channel(const xml_output *xml, const etw_event *event, etw_text *text)
{
    const etw_plan *plan = etw_event_plan(event);
    const char *name = plan != NULL ? etw_plan_channel_name(plan)->utf8 : "";
    const uint8_t number = etw_event_record_of(event)->EventHeader.EventDescriptor.Channel;
    if (!xml->is_raw || (name[0] == '\0' && number == 0)) {
        etw_text_append_z(text, "<Channel/>");
    } else if (name[0] != '\0') {
        append_element(text, "Channel", name);
    } else {
        etw_text_printf(text, "<Channel>%u</Channel>", number);
    }
}

static void append_computer(const xml_output *xml, const etw_event *event, etw_text *text)
{
    const char *host = etw_event_trace(event)->host_name;
    if (xml->is_raw && host[0] != '\0') {
        append_element(text, "Computer", host);
    } else {
        etw_text_append_z(text, "<Computer/>");
    }
}

static void append_security(const etw_event_record *record, etw_text *text)
{
    etw_bytes sid;
    const size_t start = text->size;
    etw_text_append_z(text, "<Security UserID=\"");
    if (etw_record_user_sid(record, &sid) && etw_text_append_sid(text, sid)) {
        etw_text_append_z(text, "\"/>");
    } else if (!text->failed) {
        text->size = start;
    }
}

static void append_system(const xml_output *xml, const etw_event *event, etw_text *text)
{
    const etw_event_record *record = etw_event_record_of(event);
    const etw_event_descriptor *d = &record->EventHeader.EventDescriptor;
    etw_text_append_z(text, "<System>");
    append_provider(xml, event, text);
    etw_text_printf(text,
                    "<EventID>%u</EventID><Version>%u</Version><Level>%u</Level><Task>%u</Task>"
                    "<Opcode>%u</Opcode><Keywords>0x%llx</Keywords>",
                    d->Id, d->Version, d->Level, d->Task, d->Opcode,
                    (unsigned long long)d->Keyword);
    append_time(xml, event, text);
    append_correlation(xml, record, text);
    append_execution(xml, etw_event_trace(event), record, text);
    append_channel(xml, event, text);
    append_computer(xml, event, text);
    append_security(record, text);
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
    bool is_raw;
    bool is_nameless; /* the string of an event that has nothing else */
} xml_walk;

static void append_named(etw_text *text, const char *tag, const etw_property *property)
{
    etw_text_printf(text, "<%s Name=\"", tag);
    append_safe(text, etw_property_name(property)->utf8);
    etw_text_append_z(text, "\">");
}

static bool is_code(const etw_property *property)
{
    switch (etw_property_out_type(property)) {
    case ETW_OUT_WIN32ERROR:
    case ETW_OUT_NTSTATUS:
    case ETW_OUT_HRESULT:
    case ETW_OUT_ERRORCODE:
        return true;
    default:
        return false;
    }
}

/* As Event Viewer shows values that it does not translate. */
static void append_raw(const etw_value *value, uint32_t form, etw_text *text)
{
    etw_typed_value typed;
    etw_value_get(value, &typed);
    if (typed.kind == ETW_VALUE_FILETIME) {
        etw_text_append_time(text, typed.as.time_100ns);
    } else if (typed.kind == ETW_VALUE_UINT64 && typed.shown_as_hex && !is_code(value->property)) {
        etw_text_printf(text, "0x%llx", (unsigned long long)typed.as.uint64);
    } else if (typed.kind == ETW_VALUE_UINT64) {
        etw_text_append_u64(text, typed.as.uint64);
    } else if (typed.kind == ETW_VALUE_INT64) {
        etw_text_append_i64(text, typed.as.int64);
    } else {
        (void)etw_value_append_text(value, form, ETW_ESCAPE_XML, text);
    }
}

static etw_status on_value(void *context, const etw_value *value)
{
    xml_walk *w = context;
    if (!w->is_raw && etw_property_out_type(value->property) == ETW_OUT_NOPRINT) {
        return ETW_OK;
    }
    if (w->is_nameless) {
        etw_text_append_z(w->text, "<Data>");
    } else {
        append_named(w->text, "Data", value->property);
    }
    if (w->is_raw) {
        append_raw(value, w->form, w->text);
    } else {
        (void)etw_value_append_text(value, w->form, ETW_ESCAPE_XML, w->text);
    }
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

static void append_properties(const xml_output *xml, const etw_event *event, etw_text *text)
{
    static const etw_visitor visitor = {on_value, on_open_struct, on_close_struct, NULL, NULL};
    etw_property_outcome outcome = {0};
    if (etw_event_plan(event) != NULL) {
        xml_walk walk = {.text = text,
                         .form = xml->base.options.exact ? ETW_TEXT_EXACT : 0,
                         .start = text->size,
                         .is_raw = xml->is_raw,
                         .is_nameless = etw_event_plan(event) == etw_plan_string_only()};
        etw_text_append_z(text, "<EventData>");
        etw_properties_walk(event, &visitor, &walk, &outcome);
        etw_text_append_z(text, "</EventData>");
    } else {
        etw_properties_unknown(event, &outcome);
    }
    append_problem(&outcome, text);
}

/* Names and message. */

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
    append_element(text, "Provider", etw_plan_provider_name(plan)->utf8);
    const uint32_t keywords = etw_plan_keyword_count(plan);
    if (keywords > 0) {
        etw_text_append_z(text, "<Keywords>");
        for (uint32_t i = 0; i < keywords; i++) {
            append_element(text, "Keyword", etw_plan_keyword_name(plan, i)->utf8);
        }
        etw_text_append_z(text, "</Keywords>");
    }
    const etw_name *name = is_classic(event) ? etw_plan_task_name(plan) : etw_plan_event_name(plan);
    if (name->utf8_size > 0) {
        etw_text_append_z(text, "<EventName xmlns=\"" TRACE_NAMESPACE "\">");
        append_safe(text, name->utf8);
        etw_text_append_z(text, "</EventName>");
    }
    etw_text_append_z(text, "</RenderingInfo>");
}

/* The class of a classic event, and the file where that is to be told, which is ours. */
static void append_tracing_info(const etw_event *event, etw_text *text)
{
    const char *file = etw_event_file(event);
    if (!is_classic(event) && file == NULL) {
        return;
    }
    etw_text_append_z(text, "<ExtendedTracingInfo xmlns=\"" TRACE_NAMESPACE "\">");
    if (is_classic(event)) {
        etw_text_append_z(text, "<EventGuid>");
        etw_text_append_guid(text, &etw_event_record_of(event)->EventHeader.ProviderId);
        etw_text_append_z(text, "</EventGuid>");
    }
    append_element(text, "File", file == NULL ? "" : file);
    etw_text_append_z(text, "</ExtendedTracingInfo>");
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

static void append_extended_info(const etw_event *event, const etw_output_options *options,
                                 etw_text *text)
{
    static const etw_info_sink sink = {info_text, info_number,    info_open, info_close,
                                       info_open, info_list_item, info_close};
    if (etw_extended_info_any(event, options)) {
        const etw_info_target target = {&sink, text, text};
        etw_text_append_z(text, "<ExtendedInfo xmlns=\"" INFO_NAMESPACE "\">");
        text->failed = !etw_extended_info_tell(event, options, &target) || text->failed;
        etw_text_append_z(text, "</ExtendedInfo>");
    }
}

static void xml_event(etw_output *output, const etw_event *event, etw_text *text)
{
    etw_text_append_z(text, "<Event xmlns=\"" EVENT_NAMESPACE "\">");
    const xml_output *xml = (const xml_output *)output;
    append_system(xml, event, text);
    append_properties(xml, event, text);
    append_rendering_info(event, &output->options, text);
    append_tracing_info(event, text);
    append_extended_info(event, &output->options, text);
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
    .help = "XML as tracerpt writes it",
    .open = xml_open,
    .close = etw_output_free,
    .begin = xml_begin,
    .end = xml_end,
    .event = xml_event,
    .loss = xml_loss,
};

const etw_output_format etw_output_eventviewer = {
    .name = "eventviewer",
    .help = "XML as Event Viewer shows it, with raw values",
    .open = eventviewer_open,
    .close = etw_output_free,
    .begin = xml_begin,
    .end = xml_end,
    .event = xml_event,
    .loss = xml_loss,
};
