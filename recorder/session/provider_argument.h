/* Providers as users name them, where no system needs to be asked. */
#ifndef ETW_RECORDER_PROVIDER_ARGUMENT_H
#define ETW_RECORDER_PROVIDER_ARGUMENT_H

#include "format/base/guid.h"

/* A GUID, or "*Name": the GUID that an EventSource or TraceLogging provider of that name has. */
bool etw_provider_parse(const char *text, etw_guid *id);

#endif
