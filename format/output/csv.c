/* Comma-separated values as RFC 4180 has them: one row per event, the same columns for all.
 * Properties and extended items differ from event to event; each is one column, as JSON. */
#include "format/output/csv_field.h"
#include "format/output/json.h"
#include "format/output/put.h"
#include "format/output/time_stamp.h"

#include "format/output/extended_info.h"

typedef struct csv_output {
    etw_output base;
    etw_put_time_cache time;
    etw_text field; /* a field's text before it is quoted */
} csv_output;

static etw_output *csv_open(const etw_output_options *options)
{
    return etw_output_new(sizeof(csv_output), options);
}

static void csv_close(etw_output *output)
{
    etw_text_free(&((csv_output *)output)->field);
    etw_output_free(output);
}

static void csv_begin(etw_output *output, etw_text *text)
{
    etw_text_append_z(text,
                      "TimeStamp,ProviderName,ProviderId,EventName,Id,Version,Channel,Level,"
                      "Opcode,Task,Keyword,ProcessId,ThreadId,ProcessorIndex,ActivityId,"
                      "Flags,EventProperty,KernelTime,UserTime,SchemaHash,Message,"
                      "EventProperties,EventPropertiesError,UserData,ExtendedInfo,ProcessName");
    etw_text_append_z(text, output->options.file ? ",File\r\n" : "\r\n");
}

void etw_csv_append_quoted(etw_text *text, const char *utf8, size_t size)
{
    etw_text_append_char(text, ',');
    etw_csv_append_first(text, utf8, size);
}

void etw_csv_append_first(etw_text *text, const char *utf8, size_t size)
{
    if (size == 0) {
        return;
    }
    etw_text_append_char(text, '"');
    while (size > 0) {
        const char *quote = memchr(utf8, '"', size);
        const size_t run = quote == NULL ? size : (size_t)(quote - utf8) + 1;
        etw_text_append(text, utf8, run);
        if (quote != NULL) {
            etw_text_append_char(text, '"');
        }
        utf8 += run;
        size -= run;
    }
    etw_text_append_char(text, '"');
}

static void append_field(csv_output *csv, etw_text *text)
{
    etw_csv_append_quoted(text, csv->field.data, csv->field.size);
    text->failed = text->failed || csv->field.failed;
    etw_text_clear(&csv->field);
}

static void append_guid(etw_text *text, const etw_guid *guid)
{
    etw_text_append_char(text, ',');
    if (!etw_guid_is_zero(guid)) {
        etw_text_append_guid(text, guid);
    }
}

static void append_name(csv_output *csv, const char *utf8, etw_text *text)
{
    if (utf8 != NULL) {
        etw_text_append_utf8(&csv->field, (const uint8_t *)utf8, strlen(utf8), ETW_ESCAPE_LINE);
    }
    append_field(csv, text);
}

static void append_header(csv_output *csv, const etw_event *event, etw_text *text)
{
    const etw_event_record *record = etw_event_record_of(event);
    const etw_event_header *header = &record->EventHeader;
    const etw_event_descriptor *d = &header->EventDescriptor;
    const etw_plan *plan = etw_event_plan(event);
    etw_text_append_time_stamp(text, &csv->time, &csv->base.options, event);
    append_name(csv, etw_event_provider_name(event), text);
    append_guid(text, &header->ProviderId);
    append_name(csv, plan == NULL ? NULL : etw_plan_event_name(plan)->utf8, text);
    etw_text_printf(text, ",%u,%u,%u,%u,%u,%u,0x%llX,%u,%u,%u", d->Id, d->Version, d->Channel,
                    d->Level, d->Opcode, d->Task, (unsigned long long)d->Keyword, header->ProcessId,
                    header->ThreadId, etw_record_processor(record));
    append_guid(text, &header->ActivityId);
    etw_text_printf(text, ",%u,%u,", header->Flags, header->EventProperty);
    if (etw_trace_has_cpu_times(etw_event_trace(event), record)) {
        etw_text_printf(text, "%u,%u", header->KernelTime, header->UserTime);
    } else {
        etw_text_append_char(text, ',');
    }
}

static void append_schema_and_message(csv_output *csv, const etw_event *event, etw_text *text)
{
    const etw_schema *schema = etw_event_schema(event);
    etw_text_append_char(text, ',');
    if (csv->base.options.schema_hash && schema != NULL) {
        etw_text_printf(text, "%016llx", (unsigned long long)schema->hash);
    }
    if (csv->base.options.message) {
        etw_properties_append_message(event, csv->base.options.exact ? ETW_TEXT_EXACT : 0,
                                      ETW_ESCAPE_LINE, &csv->field);
    }
    append_field(csv, text);
}

static void append_properties(csv_output *csv, const etw_event *event, etw_text *text)
{
    etw_property_outcome outcome = {0};
    if (etw_event_plan(event) != NULL) {
        etw_json_append_properties(&csv->base.options, event, &csv->field, &outcome);
    } else {
        etw_properties_unknown(event, &outcome);
    }
    append_field(csv, text);
    append_name(csv, outcome.problem, text);
    etw_text_append_char(text, ',');
    etw_text_append_hex_bytes(text, outcome.undecoded.data, outcome.undecoded.size);
}

static void csv_event(etw_output *output, const etw_event *event, etw_text *text)
{
    csv_output *csv = (csv_output *)output;
    append_header(csv, event, text);
    append_schema_and_message(csv, event, text);
    append_properties(csv, event, text);
    if (etw_extended_info_any(event, &output->options)) {
        etw_json_append_extended_info(&output->options, event, &csv->field);
    }
    append_field(csv, text);
    const etw_event_process *process = etw_event_process_of(event);
    append_name(csv, process == NULL ? NULL : process->name, text);
    if (output->options.file) {
        append_name(csv, etw_event_file(event), text);
    }
    etw_text_append(text, "\r\n", 2);
}

const etw_output_format etw_output_csv = {
    .name = "csv",
    .help = "one row per event; properties and extended items are JSON",
    .open = csv_open,
    .close = csv_close,
    .begin = csv_begin,
    .event = csv_event,
    .with_columns = &etw_output_csv_columns,
};
