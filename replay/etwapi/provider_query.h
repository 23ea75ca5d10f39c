/* EnumerateTraceGuidsEx about the providers of this process. */
#ifndef ETW_REPLAY_ETWAPI_PROVIDER_QUERY_H
#define ETW_REPLAY_ETWAPI_PROVIDER_QUERY_H

#include "replay/etwapi/etw_headers.h"

/* TraceGuidQueryInfo: TRACE_GUID_INFO, one TRACE_PROVIDER_INSTANCE_INFO for each registration, each
 * with the sessions that want it. *returned is the size needed. */
ULONG etwapi_query_provider(const GUID *provider, void *out, ULONG size, ULONG *returned);

#endif
