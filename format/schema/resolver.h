/* Finds the schema of a record: asks each source in order, remembers the answer, also a negative
 * one.
 *
 * Order (first that explains the event wins): TraceLogging metadata, metadata events of the trace,
 * manifests given by the user, EventSource manifests of the trace, the classic kernel table, TDH
 * (Windows, live), MOF files given by the user. SCHEMAS.md gives the reasons, and the keys. */
#ifndef ETW_FORMAT_SCHEMA_RESOLVER_H
#define ETW_FORMAT_SCHEMA_RESOLVER_H

#include "format/base/os.h"
#include "format/event/candidates.h"
#include "format/event/donor.h"
#include "format/event/schema.h"

typedef struct etw_resolver etw_resolver;

/* What a source is asked for. */
typedef enum etw_explains {
    ETW_EXPLAINS_EVENTS, /* all but WPP messages */
    ETW_EXPLAINS_MESSAGES,
    ETW_EXPLAINS_BOTH
} etw_explains;

/* One place where schemas come from. Implementations put this first in their own structure. */
typedef struct etw_schema_source etw_schema_source;
struct etw_schema_source {
    const char *name; /* for messages: "manifests" */
    /* Raised by observe whenever find may now answer differently than before. */
    uint32_t learnt;
    etw_explains explains;
    uint32_t build; /* of the Windows that made the trace; 0: not known; set by the resolver */
    /* Set by find where it may answer differently for the next event of the kind. */
    bool is_undecided;
    /* Sets *schema to one of store's (interning it there as needed), or NULL where this source does
     * not know the event. pointer_size is 4 or 8, the record's own. An error (damaged metadata, no
     * memory) does not stop the resolver: it counts it, keeps the first message, and goes on. */
    etw_status (*find)(etw_schema_source *self, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error);
    /* Looks at a record that may carry schemas itself (metadata events, 0xFFFE manifests): may be
     * NULL. Called for every record of a pre-scan, and again in stream order. Must be quick to say
     * no. */
    etw_status (*observe)(etw_schema_source *self, etw_schema_store *store,
                          const etw_event_record *record, etw_error *error);
    /* Which of several descriptions of the record's provider holds for it: a number from 1 on, 0
     * where there is but one. NULL as long as no provider has several. */
    uint32_t (*variant)(const etw_schema_source *self, const etw_event_record *record);
    /* All that it could explain, for a pack; NULL where events bring their own. Schemas are
     * interned in store. */
    etw_status (*each)(etw_schema_source *self, etw_schema_store *store,
                       const etw_definition_visitor *visitor, etw_error *error);
    /* Among what definitions a schema of its was chosen, and its place; may be NULL. */
    const etw_candidates *(*candidates)(const etw_schema_source *self, const etw_schema *schema,
                                        uint32_t *place);
    void (*free)(etw_schema_source *self);
};

/* What is remembered before the whole cache is dropped and rebuilt: bounds a hostile trace. Keys,
 * and bytes of TraceLogging metadata, which are keys themselves. */
#define ETW_RESOLVER_MAX_KEYS      ((uint32_t)1 << 18)
#define ETW_RESOLVER_MAX_KEY_BYTES ((size_t)32 << 20)

typedef struct etw_resolver_options {
    const char *const *manifest_paths; /* files and folders with schemas, UTF-8 */
    uint32_t manifest_path_count;
    bool use_defaults;    /* look at what $ETWCAP_SCHEMAS names and the user's folder, too */
    bool no_classic;      /* leave out the built-in kernel table */
    const char *language; /* of texts in .mui files; NULL: en-US */
    const etw_os *os;     /* NULL: the real one */
    /* Opens traces and packs among the paths (format/input/donor_file.h); NULL: they are errors. */
    etw_open_donor *open_donor;
    /* Called with what is wrong with a file in a folder, which is then passed over; may be NULL. */
    void (*note)(void *context, const char *message);
    void *note_context;
} etw_resolver_options;

/* With the sources that need no Windows. options may be NULL. The store is the caller's and must
 * outlive the resolver. A manifest that cannot be read is an error here: the user named it. */
ETW_API_CHECKED etw_status etw_resolver_new(etw_schema_store *store,
                                            const etw_resolver_options *options,
                                            etw_resolver **resolver, etw_error *error);
ETW_API void etw_resolver_free(etw_resolver *resolver);

/* Takes ownership, also on failure. Sits before the user's MOF files and after all others. */
ETW_API_CHECKED etw_status etw_resolver_add_source(etw_resolver *resolver,
                                                   etw_schema_source *source, etw_error *error);

/* Feeds sources that learn from the trace itself. Cheap for other records. When something was
 * learnt, answers given before are asked for again, negative ones too: better maps or a better
 * source may have come. Fails only for lack of memory; what else goes wrong is counted. */
ETW_API_CHECKED etw_status etw_resolver_observe(etw_resolver *resolver,
                                                const etw_event_record *record, etw_error *error);

/* Tells the build of the Windows that made the trace whose records follow (etw_trace.os_build). */
ETW_API void etw_resolver_set_build(etw_resolver *resolver, uint32_t build);

/* *schema: one of the store's, or NULL where nothing explains the event: string-only events and
 * forwarded XML need no schema and never have one. Fails only for lack of memory. No
 * allocation for a key that was seen before. */
ETW_API_CHECKED etw_status etw_resolver_find(etw_resolver *resolver, const etw_event_record *record,
                                             uint32_t pointer_size, const etw_schema **schema,
                                             etw_error *error);

/* All that the sources could explain, in their order: what goes into a pack. The schemas are the
 * store's. What is wrong with a source is counted, and ends only that one. */
ETW_API_CHECKED etw_status etw_resolver_each(etw_resolver *resolver,
                                             const etw_definition_visitor *visitor,
                                             etw_error *error);

/* The definitions from files among which a schema was chosen, and its place among them; NULL where
 * it came from no file. */
ETW_API const etw_candidates *etw_resolver_candidates(const etw_resolver *resolver,
                                                      const etw_schema *schema, uint32_t *place);

/* How often a source failed on what it was given, and the first message ("" if none). */
ETW_API uint64_t etw_resolver_error_count(const etw_resolver *resolver);
ETW_API const char *etw_resolver_first_error(const etw_resolver *resolver);

#endif
