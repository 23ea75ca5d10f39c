/* A schema: one TRACE_EVENT_INFO with the EVENT_MAP_INFOs that its properties name.
 *
 * Every schema source (format/schema, TDH on Windows, an .etwcap file) yields this one form; the
 * plan that renders events is compiled from it (plan.h). */
#ifndef ETW_FORMAT_EVENT_SCHEMA_H
#define ETW_FORMAT_EVENT_SCHEMA_H

#include "format/event/error_texts.h"
#include "format/event/record.h"

/* Where a schema came from. Values are stored in files and never change. */
typedef enum etw_schema_origin {
    ETW_SCHEMA_TRACELOGGING = 1, /* the event's own metadata */
    ETW_SCHEMA_METADATA_EVENT,   /* TRACE_EVENT_INFO events that a merge put into the trace */
    ETW_SCHEMA_EVENTSOURCE,      /* manifest sent by an EventSource through the trace (id 0xFFFE) */
    ETW_SCHEMA_MANIFEST,         /* instrumentation manifest file given by the user */
    ETW_SCHEMA_CLASSIC,          /* the built-in table of classic kernel classes */
    ETW_SCHEMA_TDH,              /* TDH of the recording machine */
    ETW_SCHEMA_WPP = 8,          /* TMF file or symbols that the user gave */
    ETW_SCHEMA_MOF = 9           /* MOF file that the user gave */
} etw_schema_origin;
/* Above all of them. */
#define ETW_SCHEMA_ORIGINS 10u

/* A fixed word such as "manifest"; never NULL. */
ETW_API const char *etw_schema_origin_name(uint32_t origin);

/* Limits of what is accepted from anywhere. TDH's own blobs in the corpus stay below 9 KiB. */
#define ETW_MAX_TEI_SIZE        ((uint32_t)1 << 20)
#define ETW_MAX_MAP_SIZE        ((uint32_t)1 << 20)
#define ETW_MAX_MAPS_PER_SCHEMA 256u
#define ETW_MAX_PROPERTIES      4096u
#define ETW_MAX_STRUCT_DEPTH    32u

typedef struct etw_schema {
    uint32_t id;     /* dense from 1 within its store; 0 while it is in no store */
    uint32_t origin; /* an etw_schema_origin */
    uint64_t hash;   /* XXH3-64 over TEI and maps; set by the store */
    etw_bytes tei;   /* TRACE_EVENT_INFO; untrusted until a plan or view was made of it */
    uint32_t map_count;
    const etw_bytes *maps;          /* EVENT_MAP_INFO blobs; each carries its own name */
    etw_error_texts *const *errors; /* the store's, which may get some; NULL while it is in none */
} etw_schema;

/* Keeps schemas, each content once; owns all it keeps until it is freed. Not thread safe. */
typedef struct etw_schema_store etw_schema_store;

/* A store takes at most this many schemas and bytes, then ETW_ERROR_LIMIT. */
#define ETW_STORE_MAX_SCHEMAS ((uint32_t)1 << 20)
#define ETW_STORE_MAX_BYTES   ((size_t)256 << 20)
/* The names of providers, and what it takes to find them again. */
#define ETW_STORE_MAX_NAME_BYTES ((size_t)64 << 20)

/* NULL where memory is out. */
ETW_API etw_schema_store *etw_schema_store_new(void);
ETW_API void etw_schema_store_free(etw_schema_store *store);

/* Copies schema (id and hash are ignored) unless an equal content is there already; *kept is the
 * one in the store, valid until the store is freed. Checks sizes against the limits, not the
 * content. */
ETW_API_CHECKED etw_status etw_schema_store_intern(etw_schema_store *store,
                                                   const etw_schema *schema,
                                                   const etw_schema **kept, etw_error *error);

/* NULL for an id that is not in the store. Ids run from 1 to the count. */
ETW_API const etw_schema *etw_schema_store_get(const etw_schema_store *store, uint32_t id);
/* The first schema behind the one with the id `after` (0: from the start) that describes this kind
 * of event: its provider, or for classic events their class, and Id (of classic events the opcode)
 * and Version; ETW_ANY_ID stands for any. NULL where there is none. Several may: TraceLogging's
 * events all have the id 0, and a file may have a schema from more than one origin. */
#define ETW_ANY_ID UINT32_MAX
ETW_API const etw_schema *etw_schema_store_find(const etw_schema_store *store,
                                                const etw_guid *provider, uint32_t id,
                                                uint32_t version, uint32_t after);
ETW_API uint32_t etw_schema_store_count(const etw_schema_store *store);

/* What error codes say in its schemas' events; the store takes it over. The first that is given
 * stays. */
ETW_API void etw_schema_store_set_error_texts(etw_schema_store *store, etw_error_texts *texts);

/* Names of providers, for events whose own schema is unknown. The first name stays. */
ETW_API_CHECKED etw_status etw_schema_store_set_provider_name(etw_schema_store *store,
                                                              const etw_guid *provider,
                                                              const char *utf8_name,
                                                              etw_error *error);
/* NULL where unknown; valid until the store is freed. */
ETW_API const char *etw_schema_store_provider_name(const etw_schema_store *store,
                                                   const etw_guid *provider);
/* Walks the names in the order they were set: index from 0; false past the last. */
ETW_API uint32_t etw_schema_store_provider_count(const etw_schema_store *store);
ETW_API bool etw_schema_store_provider_at(const etw_schema_store *store, uint32_t index,
                                          const etw_guid **provider, const char **utf8_name);

#endif
