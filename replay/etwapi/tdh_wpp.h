/* The properties that every WPP message has, by their names (PROPERTY_DATA_DESCRIPTOR's page). */
#ifndef ETW_REPLAY_ETWAPI_TDH_WPP_H
#define ETW_REPLAY_ETWAPI_TDH_WPP_H

#include "replay/etwapi/etw_headers.h"

/* *size: of the buffer, and of the value. ERROR_INSUFFICIENT_BUFFER, also for a buffer of NULL;
 * ERROR_NOT_FOUND for an event that is none, or has no format, and for a name that is none of
 * these. */
ULONG etwapi_wpp_property(const EVENT_RECORD *event, const wchar_t *name, ULONG *size,
                          BYTE *buffer);

#endif
