/* --catalog: what the providers of this Windows define, written into a schema pack. */
#ifndef ETW_RECORDER_RECORD_CATALOG_H
#define ETW_RECORDER_RECORD_CATALOG_H

#include "recorder/command/arguments.h"

/* An exit status: MISSING where TDH could not tell all. */
int etw_record_catalog(const etw_record_arguments *arguments);

#endif
