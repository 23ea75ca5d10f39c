/* Properties back to a payload: what a walk shows, read again from a JSON object. */
#ifndef ETW_FORMAT_EVENT_PAYLOAD_BYTES_H
#define ETW_FORMAT_EVENT_PAYLOAD_BYTES_H

#include "format/base/json_reader.h"
#include "format/event/render/plan.h"

#define ETW_PAYLOAD_PROBLEM_SIZE 256u

typedef struct etw_payload_problem {
    uint32_t offset; /* where in the JSON text */
    char text[ETW_PAYLOAD_PROBLEM_SIZE];
} etw_payload_problem;

typedef struct etw_payload_request {
    const etw_plan *plan;
    uint32_t pointer_size; /* of the record: 4 or 8 */
    const etw_json_document *document;
    const etw_json_value *properties; /* the object "EventProperties" */
    bool may_end; /* the first property that is missing is where the payload ends; so it is always
                     for classic events */
} etw_payload_request;

/* Appends the user data. Where a payload of the same text had been different bytes (a string that
 * ended with the payload, digits of a float that the text has not), it is not the same.
 * ETW_ERROR_INVALID_ARGUMENT: a property is missing, is not of its type, or is none of the event;
 * *problem says which and where. ETW_ERROR_NO_MEMORY. */
etw_status etw_payload_from_json(const etw_payload_request *request, etw_buffer *payload,
                                 etw_payload_problem *problem);

#endif
