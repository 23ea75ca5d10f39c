/* Names of providers that are met often, for events that nothing else explains. */
#ifndef ETW_FORMAT_SCHEMA_PROVIDER_NAMES_H
#define ETW_FORMAT_SCHEMA_PROVIDER_NAMES_H

#include "format/base/guid.h"

/* NULL where the provider is not among them. */
const char *etw_well_known_provider_name(const etw_guid *provider);

#endif
