/* EVENT_TRACE_PROPERTIES with room for the names that Windows writes behind it. */
#ifndef ETW_RECORDER_SESSION_PROPERTIES_WINDOWS_H
#define ETW_RECORDER_SESSION_PROPERTIES_WINDOWS_H

#include "recorder/session/session.h"

#include <windows.h>

#include <evntrace.h>

/* Names of sessions and files have at most 1024 units, the NUL included (EVENT_TRACE_PROPERTIES).
 */
#define ETW_SESSION_NAME_UNITS 1024u

typedef struct etw_session_properties {
    EVENT_TRACE_PROPERTIES head;
    wchar_t session_name[ETW_SESSION_NAME_UNITS];
    wchar_t file_name[ETW_SESSION_NAME_UNITS];
} etw_session_properties;

/* For queries and stops: sizes and offsets only. */
void etw_session_properties_clear(etw_session_properties *properties);

void etw_session_properties_for_start(const etw_session_options *options,
                                      etw_session_properties *properties);

#endif
