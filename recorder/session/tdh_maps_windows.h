/* The value maps that a schema of TDH's names. */
#ifndef ETW_RECORDER_TDH_MAPS_WINDOWS_H
#define ETW_RECORDER_TDH_MAPS_WINDOWS_H

#include "format/event/schema.h"

/* Asks TdhGetEventMapInformation for each map that a property of tei names, once. Of the record
 * only its provider and descriptor count. maps: room for ETW_MAX_MAPS_PER_SCHEMA; their bytes are
 * to be freed with etw_tdh_maps_free. Returns how many there are. */
uint32_t etw_tdh_maps_get(const etw_event_record *record, etw_bytes tei, etw_bytes *maps);
void etw_tdh_maps_free(etw_bytes *maps, uint32_t count);

#endif
