/* The schemas of the traces that this process plays, found again by an event: consumers call TDH
 * with copies of records, later, and from other threads. */
#ifndef ETW_REPLAY_ETWAPI_KNOWN_SCHEMAS_H
#define ETW_REPLAY_ETWAPI_KNOWN_SCHEMAS_H

#include "format/event/event.h"
#include "format/event/render/plan.h"

/* Remembers the schema of the event's kind and its provider's name; quick where both are known
 * already. */
void etwapi_learn(const etw_event *event);

/* An event of a running provider, which may bring a manifest (EventSource). */
void etwapi_observe(const etw_event_record *record);

/* The schema of an event: a learnt one, or by what every system knows (TraceLogging metadata, the
 * classic classes, manifests of ETWAPI_MANIFESTS and TdhLoadManifest). NULL where none explains it.
 * Valid until the process ends. */
const etw_schema *etwapi_find_schema(const etw_event_record *record);

/* The plan of that schema, compiled once; NULL where there is none. Valid until the process ends.
 */
const etw_plan *etwapi_find_plan(const etw_event_record *record);

/* Adds a manifest file to what etwapi_find_schema knows. */
etw_status etwapi_load_manifest(const char *path, etw_error *error);
/* Whether that path was added. */
bool etwapi_has_manifest(const char *path);

/* Calls visit for each provider with a known name, those that every Windows has among them, and for
 * each known schema. The table is locked: visit must not call back into this module. */
void etwapi_visit_providers(void (*visit)(void *context, const etw_guid *provider,
                                          const char *utf8_name),
                            void *context);
void etwapi_visit_schemas(void (*visit)(void *context, const etw_schema *schema), void *context);

#endif
