/* The parts of the JSON form that other formats put into a field of theirs. */
#ifndef ETW_FORMAT_OUTPUT_JSON_H
#define ETW_FORMAT_OUTPUT_JSON_H

#include "format/output/nesting.h"
#include "format/output/output.h"
#include "format/output/properties.h"

/* Appends "{...}" with the properties of an event that has a plan. */
void etw_json_append_properties(const etw_output_options *options, const etw_event *event,
                                etw_text *text, etw_property_outcome *outcome);

/* For walks that make JSON of parts of an event: nesting.begin is etw_json_begin_member, and the
 * visitor's value etw_json_on_value. */
typedef struct etw_json_walk {
    etw_nesting nesting; /* first: the visitor knows no more */
    uint32_t form;
    bool typed;
} etw_json_walk;
void etw_json_begin_member(etw_nesting *n, const etw_property *property);
etw_status etw_json_on_value(void *context, const etw_value *value);

/* Appends "{...}" with the extended items. */
void etw_json_append_extended_info(const etw_output_options *options, const etw_event *event,
                                   etw_text *text);

#endif
