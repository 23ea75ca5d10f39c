/* The schemas of all providers that this machine has manifests of. */
#ifndef ETW_RECORDER_PROVIDER_CATALOG_H
#define ETW_RECORDER_PROVIDER_CATALOG_H

#include "format/event/donor.h"

typedef struct etw_provider_catalog_counts {
    uint32_t providers; /* with a manifest */
    uint32_t events;
    uint32_t failed; /* providers and events that TDH could not tell of, though it has them */
} etw_provider_catalog_counts;

/* Gives the visitor what TDH tells of each event of this provider, with the build of this Windows;
 * of each registered provider, whose names go to names, where provider is NULL: that takes a minute
 * or so. UNSUPPORTED elsewhere than on Windows. */
ETW_API_CHECKED etw_status etw_provider_catalog(const etw_guid *provider,
                                                const etw_definition_visitor *visitor,
                                                etw_schema_store *names,
                                                etw_provider_catalog_counts *counts,
                                                etw_error *error);

#endif
