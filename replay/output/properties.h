/* What all formats do alike around an event's properties: walk them, and say what could not be
 * shown. */
#ifndef ETW_REPLAY_OUTPUT_PROPERTIES_H
#define ETW_REPLAY_OUTPUT_PROPERTIES_H

#include "format/event/event.h"

#define PROPERTY_PROBLEM_SIZE 256u

typedef struct property_outcome {
    char problem[PROPERTY_PROBLEM_SIZE]; /* "" where everything was shown */
    etw_bytes undecoded;                 /* the user data that no property shows */
} property_outcome;

/* Walks the properties of an event that has a plan. */
void properties_walk(const etw_event *event, const etw_visitor *visitor, void *context,
                     property_outcome *outcome);

/* The outcome of an event that has no plan: why, and all of its user data. */
void properties_unknown(const etw_event *event, property_outcome *outcome);

/* Appends the event's message, nothing where it has none. */
void properties_append_message(const etw_event *event, uint32_t form, etw_escape escape,
                               etw_text *text);

#endif
