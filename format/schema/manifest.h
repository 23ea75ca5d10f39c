/* Instrumentation manifests: the XML from which mc.exe compiles a provider, read here instead.
 *
 * A set holds the providers of any number of manifests and makes TRACE_EVENT_INFO and
 * EVENT_MAP_INFO blobs of their events as TDH makes them from the compiled form (SCHEMAS.md tells
 * rule by rule, and what was compared with Windows' own blobs). Also reads the dialect that
 * EventSource sends through a trace. */
#ifndef ETW_FORMAT_SCHEMA_MANIFEST_H
#define ETW_FORMAT_SCHEMA_MANIFEST_H

#include "format/schema/resolver.h"

/* One manifest, as XML. The largest ones of Windows stay below 2 MiB. */
#define ETW_MANIFEST_MAX_XML_BYTES ((size_t)64 << 20)
/* One attribute that is kept: a name, a message. FormatMessage takes no more than 64 KiB either. */
#define ETW_MANIFEST_MAX_TEXT_BYTES ((size_t)64 << 10)
/* Elements inside elements. */
#define ETW_MANIFEST_MAX_XML_DEPTH 64u
/* What the manifests that a user names may take in memory. */
#define ETW_MANIFESTS_MAX_BYTES ((size_t)512 << 20)

typedef struct etw_manifest_set etw_manifest_set;

/* origin: an etw_schema_origin for the schemas it makes. max_bytes bounds what is kept of all
 * manifests together. NULL where memory is out. */
etw_manifest_set *etw_manifest_set_new(uint32_t origin, size_t max_bytes);
void etw_manifest_set_free(etw_manifest_set *set);
/* What it keeps, of the max_bytes that it may. */
size_t etw_manifest_set_bytes(const etw_manifest_set *set);

/* Adds the providers in xml (UTF-8, or UTF-16 with a byte order mark) and gives their names to
 * store. An event that is known already stays as it is. *added, if not NULL, is the number of new
 * events. What was read before an error stays. A document type declaration is refused: manifests
 * have none, and entities are how XML attacks its readers. */
etw_status etw_manifest_set_add(etw_manifest_set *set, etw_bytes xml, etw_schema_store *store,
                                uint32_t *added, etw_error *error);

/* The same of a compiled manifest. */
struct etw_wevt;
etw_status etw_manifest_set_add_compiled(etw_manifest_set *set, const struct etw_wevt *wevt,
                                         etw_schema_store *store, uint32_t *added,
                                         etw_error *error);

/* Calls take with each provider in it; one may come twice. */
void etw_manifest_set_names(const etw_manifest_set *set,
                            void (*take)(void *into, const etw_guid *provider, const char *name),
                            void *into);
void etw_manifest_set_providers(const etw_manifest_set *set,
                                void (*take)(void *into, const etw_guid *provider), void *into);

/* Calls the visitor with the schema of each event, as if a 64-bit record with the event's own
 * descriptor asked for it. An event of which none can be made is passed over; the first such
 * failure is returned at the end. from, build: told to the visitor. */
etw_status etw_manifest_set_each(etw_manifest_set *set, etw_schema_store *store,
                                 const etw_definition_visitor *visitor, const char *from,
                                 uint32_t build, etw_error *error);

/* As etw_schema_source.find. One set is always asked with one store. */
etw_status etw_manifest_set_find(etw_manifest_set *set, etw_schema_store *store,
                                 const etw_event_record *record, uint32_t pointer_size,
                                 const etw_schema **schema, etw_error *error);

#endif
