#include "format/output/properties.h"

#include <stdio.h>

static void say(etw_property_outcome *outcome, const char *reason, const etw_property *at)
{
    if (at == NULL) {
        (void)snprintf(outcome->problem, sizeof outcome->problem, "%s", reason);
        return;
    }
    const etw_name *name = etw_property_name(at);
    const int shown = name->utf8_size < 100 ? (int)name->utf8_size : 100;
    (void)snprintf(outcome->problem, sizeof outcome->problem, "%.*s: %s", shown, name->utf8,
                   reason);
}

static void outcome_of_walk(const etw_walk_end *end, etw_bytes user_data,
                            etw_property_outcome *outcome)
{
    const size_t consumed =
        end->consumed_bytes < user_data.size ? end->consumed_bytes : user_data.size;
    outcome->undecoded.data = consumed == 0 ? user_data.data : user_data.data + consumed;
    outcome->undecoded.size = user_data.size - consumed;
    if (end->reason != NULL) {
        say(outcome, end->reason, end->at);
    } else if (end->short_payload) {
        say(outcome, "the user data ends here", end->at);
    } else if (outcome->undecoded.size > 0) {
        (void)snprintf(outcome->problem, sizeof outcome->problem,
                       "%zu bytes more than the schema explains", outcome->undecoded.size);
    }
}

void etw_properties_walk(const etw_event *event, const etw_visitor *visitor, void *context,
                         etw_property_outcome *outcome)
{
    const etw_bytes user_data = etw_record_user_data(etw_event_record_of(event));
    etw_walk_end end = {0};
    outcome->problem[0] = '\0';
    outcome->undecoded = (etw_bytes){0};
    const etw_status status = etw_event_walk(event, visitor, context, &end);
    if (etw_failed(status) && end.reason == NULL) {
        end.reason = etw_status_name(status);
    }
    if (user_data.size > 0 || end.short_payload || end.reason != NULL) {
        outcome_of_walk(&end, user_data, outcome);
    }
}

void etw_properties_unknown(const etw_event *event, etw_property_outcome *outcome)
{
    const etw_event_record *record = etw_event_record_of(event);
    outcome->problem[0] = '\0';
    outcome->undecoded = etw_record_user_data(record);
    if (etw_event_schema(event) != NULL) {
        say(outcome, "the schema is damaged", NULL);
    } else if (outcome->undecoded.size == 0) {
        return;
    } else if ((record->EventHeader.Flags & ETW_FLAG_TRACE_MESSAGE) != 0) {
        say(outcome,
            "a WPP message: its format is in a TMF file or the program's symbols, not in the "
            "trace",
            NULL);
    } else {
        say(outcome, "no schema", NULL);
    }
}

void etw_properties_append_message(const etw_event *event, uint32_t form, etw_escape escape,
                                   etw_text *text)
{
    const etw_plan *plan = etw_event_plan(event);
    if (plan != NULL) {
        const etw_event_record *record = etw_event_record_of(event);
        const uint32_t fallback = etw_event_trace(event)->pointer_size;
        etw_ignore(etw_plan_append_message(plan, record, etw_record_pointer_size(record, fallback),
                                           form, escape, text));
    }
}

void etw_properties_append_found(const etw_found_string *found, etw_escape escape, etw_text *text)
{
    if (found->is_utf16) {
        etw_text_append_utf16(text, found->bytes.data, found->bytes.size, escape);
    } else {
        etw_text_append_utf8(text, found->bytes.data, found->bytes.size, escape);
    }
}
