/* A donor that keeps what it is given: the schemas of a trace. */
#ifndef ETW_FORMAT_SCHEMA_KEPT_DONOR_H
#define ETW_FORMAT_SCHEMA_KEPT_DONOR_H

#include "format/event/donor.h"

/* NULL where memory is out. */
etw_donor *etw_kept_donor_new(void);
/* Adds a definition unless its like is there, of whatever origin; TraceLogging's, which no other
 * event can use, are passed over. */
etw_status etw_kept_donor_add(etw_donor *donor, const etw_schema *schema, const char *from,
                              uint32_t build, etw_error *error);

#endif
