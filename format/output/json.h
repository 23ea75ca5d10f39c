/* The parts of the JSON form that other formats put into a field of theirs. */
#ifndef ETW_FORMAT_OUTPUT_JSON_H
#define ETW_FORMAT_OUTPUT_JSON_H

#include "format/output/output.h"
#include "format/output/properties.h"

/* Appends "{...}" with the properties of an event that has a plan. */
void etw_json_append_properties(const etw_output_options *options, const etw_event *event,
                                etw_text *text, etw_property_outcome *outcome);

/* Appends "{...}" with the extended items. */
void etw_json_append_extended_info(const etw_output_options *options, const etw_event *event,
                                   etw_text *text);

/* Appends "{...}" with what is known of a loss. */
void etw_json_append_loss(const etw_loss *loss, etw_text *text);

#endif
