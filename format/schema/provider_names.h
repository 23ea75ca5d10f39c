/* Names of providers that are met often, for events that nothing else explains. */
#ifndef ETW_FORMAT_SCHEMA_PROVIDER_NAMES_H
#define ETW_FORMAT_SCHEMA_PROVIDER_NAMES_H

#include "format/base/guid.h"

#include <stdbool.h>
#include <stddef.h>

/* One of them, from index 0 on; false behind the last. Both stay for ever. */
bool etw_well_known_provider_at(size_t index, const etw_guid **provider, const char **name);

/* NULL where the provider is not among them. */
const char *etw_well_known_provider_name(const etw_guid *provider);

#endif
