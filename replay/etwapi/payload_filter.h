/* Payload filters: what TdhAggregatePayloadFilters makes, asked of an event. */
#ifndef ETW_REPLAY_ETWAPI_PAYLOAD_FILTER_H
#define ETW_REPLAY_ETWAPI_PAYLOAD_FILTER_H

#include "format/event/event.h"
#include "replay/etwapi/etw_headers.h"

#include <stdbool.h>

/* Whether the bytes are what TdhAggregatePayloadFilters makes. */
bool etwapi_is_payload_filter(const BYTE *data, size_t size);

/* Of several filters for one event, those that were flagged must all let it through, and one of the
 * others (TdhAggregatePayloadFilters' page). Events without a filter of their own pass. */
bool etwapi_payload_passes(const BYTE *data, size_t size, const etw_event *event);

#endif
