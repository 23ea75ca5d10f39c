/* TDH of this machine as a source of schemas; live recordings only. */
#ifndef ETW_RECORDER_TDH_SOURCE_H
#define ETW_RECORDER_TDH_SOURCE_H

#include "format/schema/resolver.h"

/* Asks TdhGetEventInformation, and TdhGetEventMapInformation for each map that a property names
 * (only where MapNameOffset is set: asking costs a millisecond). Takes milliseconds for a kind not
 * seen before; the resolver keeps the answer. NULL where memory is out. */
ETW_API etw_schema_source *etw_tdh_source_new(void);

#endif
