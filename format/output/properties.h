/* What all formats do alike around an event's properties: walk them, and say what could not be
 * shown. */
#ifndef ETW_FORMAT_OUTPUT_PROPERTIES_H
#define ETW_FORMAT_OUTPUT_PROPERTIES_H

#include "format/event/event.h"
#include "format/event/render/found_strings.h"

#define ETW_PROPERTY_PROBLEM_SIZE 256u

/* Text of one event's properties; the property that crosses it is the last. With SECURITY.md. */
#define ETW_PROPERTIES_MAX_TEXT ((size_t)4 << 20)

/* What a visitor returns that has appended to a text: start is the text's size before the first
 * property. */
static inline etw_status etw_properties_room(const etw_text *text, size_t start)
{
    return text->size - start > ETW_PROPERTIES_MAX_TEXT ? ETW_ERROR_LIMIT : ETW_OK;
}

typedef struct etw_property_outcome {
    char problem[ETW_PROPERTY_PROBLEM_SIZE]; /* "" where everything was shown */
    etw_bytes undecoded;                     /* the user data that no property shows */
} etw_property_outcome;

/* Walks the properties of an event that has a plan. */
void etw_properties_walk(const etw_event *event, const etw_visitor *visitor, void *context,
                         etw_property_outcome *outcome);

/* The outcome of an event that has no plan: why, and all of its user data. */
void etw_properties_unknown(const etw_event *event, etw_property_outcome *outcome);

/* Appends a string found in undecoded user data. */
void etw_properties_append_found(const etw_found_string *found, etw_escape escape, etw_text *text);

/* Appends the event's message, nothing where it has none. */
void etw_properties_append_message(const etw_event *event, uint32_t form, etw_escape escape,
                                   etw_text *text);

#endif
