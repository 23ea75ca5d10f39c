/* What both tools say about events without a schema, and what to do about them. */
#ifndef ETW_FORMAT_SCHEMA_UNEXPLAINED_REPORT_H
#define ETW_FORMAT_SCHEMA_UNEXPLAINED_REPORT_H

#include "format/event/unexplained.h"

/* Providers that are named; the others are summed up. */
#define ETW_UNEXPLAINED_NAMED 5u

/* Calls say with each line, none where all is explained. names: those of providers. option: what
 * takes sources of schemas ("--schemas"); NULL: no advice is given. */
ETW_API void etw_unexplained_report(etw_unexplained *unexplained, const etw_schema_store *names,
                                    const char *option,
                                    void (*say)(void *context, const char *line), void *context);

#endif
