/* A plan: a schema compiled once, so that rendering an event looks nothing up by name and allocates
 * nothing per property. The plan owns copies of all names it shows, in UTF-8 and ready for JSON. */
#ifndef ETW_FORMAT_EVENT_PLAN_H
#define ETW_FORMAT_EVENT_PLAN_H

#include "format/event/schema.h"

/* A name in the forms that outputs need; never NULL, "" where the schema has none. */
typedef struct etw_name {
    const char *utf8;
    uint32_t utf8_size;
    uint32_t json_size;
    const char *json; /* escaped for the inside of a JSON string */
} etw_name;

typedef struct etw_plan etw_plan;
typedef struct etw_property etw_property; /* one compiled EVENT_PROPERTY_INFO; accessors below */

/* Fails with DAMAGED where the TRACE_EVENT_INFO breaks its own bounds (offsets, indexes, cycles of
 * structs, limits of schema.h). The plan keeps no pointer into schema. */
ETW_API_CHECKED etw_status etw_plan_compile(const etw_schema *schema, etw_plan **plan,
                                            etw_error *error);
ETW_API void etw_plan_free(etw_plan *plan);

/* The plan of EventWriteString's events (header flag STRING_ONLY), which have no schema: the
 * payload is one UTF-16 string, shown as property "Message". Never freed. */
ETW_API const etw_plan *etw_plan_string_only(void);

/* Names of the schema. The event's name is, for TraceLogging, its task name; for manifests the
 * event name where there is one; else task name and opcode name joined by "/", the opcode left out
 * where it is "Info". So classic events read "Process/Start": their opcode names alone ("Start")
 * would not tell what started. */
ETW_API const etw_name *etw_plan_provider_name(const etw_plan *plan);
ETW_API const etw_name *etw_plan_event_name(const etw_plan *plan);
ETW_API const etw_name *etw_plan_task_name(const etw_plan *plan);
ETW_API const etw_name *etw_plan_opcode_name(const etw_plan *plan);
ETW_API const etw_name *etw_plan_level_name(const etw_plan *plan);
ETW_API const etw_name *etw_plan_channel_name(const etw_plan *plan);
ETW_API const etw_name *etw_plan_event_message(const etw_plan *plan);
ETW_API uint32_t etw_plan_keyword_count(const etw_plan *plan);
ETW_API const etw_name *etw_plan_keyword_name(const etw_plan *plan, uint32_t index);
ETW_API uint32_t etw_plan_decoding_source(const etw_plan *plan);

/* The properties of a schema: the event's own first (top_count of them), then the members of
 * structs. NULL past the last. */
ETW_API uint32_t etw_plan_top_count(const etw_plan *plan);
ETW_API const etw_property *etw_plan_property(const etw_plan *plan, uint32_t index);
/* Of a struct: how many members, and the index of the first; 0 for others. */
ETW_API uint32_t etw_property_member_count(const etw_property *property);
ETW_API uint32_t etw_property_first_member(const etw_property *property);

ETW_API const etw_name *etw_property_name(const etw_property *property);
/* Which one of its siblings (properties of one event or one struct) with this name it is, from 1:
 * names may repeat, and outputs that need them unique tell the second from the first by this. */
ETW_API uint32_t etw_property_nth(const etw_property *property);
ETW_API uint16_t etw_property_in_type(const etw_property *property);
ETW_API uint16_t etw_property_out_type(const etw_property *property);
/* Whether its texts are the names of bits, with commas between. */
ETW_API bool etw_property_has_bit_map(const etw_property *property);
/* Whether its texts may have words that are not in its bytes: of a map, an error code, true. */
ETW_API bool etw_property_shows_words(const etw_property *property);
/* Its values come between open_array and close_array, be they one or many. */
ETW_API bool etw_property_is_array(const etw_property *property);
/* A value map gives texts for its numbers. */
ETW_API bool etw_property_has_map(const etw_property *property);
/* Where the property stands in the schema's EVENT_PROPERTY_INFO array. */
ETW_API uint32_t etw_plan_property_index(const etw_plan *plan, const etw_property *property);

/* Where the property stands in the payload of every event of the plan, of records with pointers of
 * that size. False where that depends on the event: behind strings, arrays and structs, or where
 * its own size does. */
ETW_API bool etw_plan_property_offset(const etw_plan *plan, const etw_property *property,
                                      uint32_t pointer_size, size_t *offset, size_t *size);

/* One element of one property, located in the payload but not yet made text. */
typedef struct etw_value {
    const etw_property *property;
    etw_bytes bytes;       /* the element's content: without count prefix or terminator */
    etw_bytes whole;       /* all it takes of the payload: with them */
    uint32_t pointer_size; /* of the record */
    uint32_t element;      /* index within its array, 0 for a scalar */
} etw_value;

/* What the walk reports, in payload order. Any function may be NULL. Names of arrays and structs
 * come from the property; elements of a struct array open one struct each. Returning anything but
 * ETW_OK ends the walk with that status; ETW_ERROR_LIMIT ends it as a payload does that does not
 * fit: what is open is closed, and *end says that the text was cut off. */
typedef struct etw_visitor {
    etw_status (*value)(void *context, const etw_value *value);
    etw_status (*open_struct)(void *context, const etw_property *property, uint32_t element);
    etw_status (*close_struct)(void *context, const etw_property *property);
    etw_status (*open_array)(void *context, const etw_property *property, uint32_t count);
    etw_status (*close_array)(void *context, const etw_property *property);
} etw_visitor;

/* How a walk ended. */
typedef struct etw_walk_end {
    uint32_t consumed_bytes; /* of the user data */
    uint32_t left_bytes;     /* after the last property: more payload than the schema explains */
    bool short_payload;      /* the payload ended before the schema did */
    const char *reason;      /* NULL, or a fixed text of why the walk stopped early */
    const etw_property *at;  /* the property it stopped at, or NULL */
} etw_walk_end;

/* Elements that take no bytes (strings of length 0, arrays of count 0, structs of such) in one
 * event; with this bound a walk visits at most payload bytes * ETW_MAX_STRUCT_DEPTH + this many
 * elements. */
#define ETW_WALK_MAX_EMPTY_ELEMENTS 65536u

/* Walks the record's user data by the plan. Where the walk stops early, open arrays and structs are
 * closed; not so where the visitor itself ended it. Returns ETW_OK also for a payload that does not
 * fit the schema: *end (may be NULL) tells; else what the visitor returned.
 *
 * As TDH's own consumers do: a NUL-terminated string at the end of the payload is empty, one
 * without its NUL is all that is left; counts and lengths above 65535 are 65535. The payload of a
 * classic (MOF) event may end where a property or an element of a constant array would begin: what
 * follows is absent, and nothing is wrong. */
ETW_API_CHECKED etw_status etw_plan_walk(const etw_plan *plan, const etw_event_record *record,
                                         uint32_t pointer_size, const etw_visitor *visitor,
                                         void *context, etw_walk_end *end);

/* The same walk, asked for part by part: it allocates nothing.
 *
 *     etw_property_iterator iterator;
 *     etw_part part;
 *     if (etw_event_properties(event, &iterator) == ETW_OK)
 *         while (etw_property_iterator_next(&iterator, &part))
 *             ...
 */
typedef enum etw_part_kind {
    ETW_PART_VALUE,
    ETW_PART_OPEN_STRUCT,
    ETW_PART_CLOSE_STRUCT,
    ETW_PART_OPEN_ARRAY,
    ETW_PART_CLOSE_ARRAY
} etw_part_kind;

typedef struct etw_part {
    etw_part_kind kind;
    uint32_t count;  /* of an OPEN_ARRAY: its elements */
    etw_value value; /* property of all kinds; element of values and OPEN_STRUCT; the rest of
                        values */
} etw_part;

/* What is open: the event, an array or a struct. */
typedef struct etw_walk_frame {
    const etw_property *property;
    const uint8_t *start;
    uint32_t next, end; /* elements of an array, indexes of properties else */
    bool is_array;
} etw_walk_frame;

/* Owned by the caller, some 10 KB; what is in it is the walk's own. Valid as long as the plan and
 * the record are. */
typedef struct etw_property_iterator {
    const etw_plan *plan;
    const uint8_t *start, *at, *end;
    uint32_t pointer_size;
    uint32_t empty_left;
    bool stopped;       /* what is open is closed, then it ends */
    bool short_payload; /* the rest as in etw_walk_end */
    const char *reason;
    const etw_property *stopped_at;
    uint32_t depth;
    etw_walk_frame frames[2 * ETW_MAX_STRUCT_DEPTH + 2]; /* the event; a struct, its array; ... */
    uint16_t slots[ETW_MAX_PROPERTIES]; /* integers so far that are counts or lengths of others */
} etw_property_iterator;

ETW_API void etw_property_iterator_start(etw_property_iterator *iterator, const etw_plan *plan,
                                         const etw_event_record *record, uint32_t pointer_size);
/* False at the end. */
ETW_API bool etw_property_iterator_next(etw_property_iterator *iterator, etw_part *part);
/* How the walk ended, once next gave false. */
ETW_API void etw_property_iterator_end(const etw_property_iterator *iterator, etw_walk_end *end);

/* The two forms of a value's text: TDH's, unit for unit, and the clean default (TEXT.md). */
enum {
    ETW_TEXT_EXACT = 0x1, /* keep the trailing space of map strings and U+200E marks of times */
    ETW_JSON_HEX_NUMBERS = 0x2 /* of typed JSON: hexadecimal integers and pointers are numbers */
};

/* Appends the text that TdhFormatProperty gives for the element (TEXT.md), escaped.
 * A value that does not fit its type (15005) is appended as "0x" hex of its bytes; returns false.
 */
ETW_API bool etw_value_append_text(const etw_value *value, uint32_t form, etw_escape escape,
                                   etw_text *text);

/* What a value is, beyond its bytes. */
typedef enum etw_value_kind {
    ETW_VALUE_NONE,           /* no value: in type NULL, a SID that is not there */
    ETW_VALUE_INT64,          /* as.int64 */
    ETW_VALUE_UINT64,         /* as.uint64: also pointers, error codes, ports */
    ETW_VALUE_DOUBLE,         /* as.real: also FLOAT */
    ETW_VALUE_BOOL,           /* as.boolean */
    ETW_VALUE_GUID,           /* as.guid */
    ETW_VALUE_FILETIME,       /* as.time_100ns: since 1601 */
    ETW_VALUE_SYSTEMTIME,     /* bytes: SYSTEMTIME, 16 bytes */
    ETW_VALUE_SID,            /* bytes: SID */
    ETW_VALUE_IPV4,           /* bytes: 4, network order */
    ETW_VALUE_IPV6,           /* bytes: 16, network order */
    ETW_VALUE_SOCKET_ADDRESS, /* bytes: SOCKADDR_STORAGE, as much of it as there is */
    ETW_VALUE_UTF16,          /* bytes: UTF-16LE without its NUL */
    ETW_VALUE_ANSI,           /* bytes: of the recording machine's code page, without NUL */
    ETW_VALUE_UTF8,           /* bytes: UTF-8 (not checked), without NUL */
    ETW_VALUE_BINARY          /* bytes: also what does not fit its type */
} etw_value_kind;

typedef struct etw_typed_value {
    etw_value value; /* where it is; also for its text (etw_value_append_text) */
    etw_value_kind kind;
    bool shown_as_hex; /* an integer that the provider wants in hexadecimal */
    bool is_mapped;    /* the property's map has a text for it */
    union {
        int64_t int64;
        uint64_t uint64;
        double real;
        bool boolean;
        etw_guid guid;
        int64_t time_100ns;
    } as;
    etw_bytes bytes; /* of all kinds but NONE: the content, lent by the event */
    /* The map's text, UTF-8, not NUL terminated, lent by the plan; NULL where there is none, or
     * several bits are joined (is_mapped is then true: etw_value_append_text joins them). */
    const char *map_text;
    uint32_t map_text_size;
} etw_typed_value;

ETW_API void etw_value_get(const etw_value *value, etw_typed_value *typed);
/* The kind that the property's values have, but for those that do not fit their type (BINARY) or
 * are not there (NONE). */
ETW_API etw_value_kind etw_property_value_kind(const etw_property *property);

/* Appends a typed JSON value: numbers and booleans bare (integers beyond 2^53 too: JSON has no
 * limit), the rest as a quoted string. */
ETW_API void etw_value_append_json(const etw_value *value, uint32_t form, etw_text *text);

/* Appends the event message with %1..%n replaced by the top-level properties' texts, as Event
 * Viewer does; nothing where the schema has no message. */
ETW_API_CHECKED etw_status etw_plan_append_message(const etw_plan *plan,
                                                   const etw_event_record *record,
                                                   uint32_t pointer_size, uint32_t form,
                                                   etw_escape escape, etw_text *text);

/* Plans by schema id, compiled at first use. A schema that cannot be compiled is remembered with
 * its message. Plans of more than this in all are forgotten, and compiled anew when asked for: a
 * plan is lent until the next one is asked for. Not thread safe: one per thread. */
#define ETW_PLAN_CACHE_MAX_BYTES ((size_t)32 << 20)
typedef struct etw_plan_cache etw_plan_cache;
ETW_API etw_plan_cache *etw_plan_cache_new(void);
ETW_API void etw_plan_cache_free(etw_plan_cache *cache);
/* *plan: NULL where schema is NULL or cannot be compiled (then *problem says why). Fails only for
 * lack of memory, which is not remembered. */
ETW_API_CHECKED etw_status etw_plan_cache_find(etw_plan_cache *cache, const etw_schema *schema,
                                               const etw_plan **plan, const char **problem);
/* For tools that only look: NULL where schema is NULL or cannot be compiled (then *problem, if not
 * NULL, says why). */
ETW_API const etw_plan *etw_plan_cache_get(etw_plan_cache *cache, const etw_schema *schema,
                                           const char **problem);

#endif
