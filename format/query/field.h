/* The value of one field, by the names of the filter language (where.h), in event after event. */
#ifndef ETW_FORMAT_QUERY_FIELD_H
#define ETW_FORMAT_QUERY_FIELD_H

#include "format/event/event.h"

typedef struct etw_field etw_field;

/* ETW_ERROR_INVALID_ARGUMENT where the text is no name. Used by one thread at a time. */
ETW_API_CHECKED etw_status etw_field_open(const char *name, etw_field **field, etw_error *error);
ETW_API void etw_field_close(etw_field *field);

/* Whether it is of the event's process (etw_event_set_process). */
ETW_API bool etw_field_wants_processes(const etw_field *field);

typedef struct etw_field_value {
    bool is_there;
    bool has_number;
    double number;
    const char *text; /* as cat shows it, not NUL terminated; lent until the next call */
    size_t text_size;
    const etw_value *property; /* it is the value of a property; lent as the text */
} etw_field_value;

/* Of an array the first element, or the one that the name asks for. */
ETW_API_CHECKED etw_status etw_field_get(etw_field *field, const etw_event *event,
                                         etw_field_value *value, etw_error *error);

#endif
