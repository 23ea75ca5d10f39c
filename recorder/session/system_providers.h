/* The kernel's events by system providers, which Windows has from build 20348 on (Server 2022,
 * Windows 11): "System Providers" of Microsoft's pages, keywords of evntrace.h. */
#ifndef ETW_RECORDER_SYSTEM_PROVIDERS_H
#define ETW_RECORDER_SYSTEM_PROVIDERS_H

#include "recorder/session/session.h"

/* As many as the flags below have providers. */
#define ETW_MAX_SYSTEM_PROVIDERS 16u

/* This Windows has them. */
ETW_API bool etw_has_system_providers(void);

/* The providers and keywords for EVENT_TRACE_FLAG_... flags; gives their count. Works everywhere.
 */
ETW_API uint32_t etw_system_providers(uint32_t flags,
                                      etw_provider_options providers[ETW_MAX_SYSTEM_PROVIDERS]);

#endif
