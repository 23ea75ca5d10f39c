/* Makes TRACE_EVENT_INFO and EVENT_MAP_INFO blobs laid out as TDH lays them out: header, properties
 * (top level first, then the members of each struct as one block), then the strings.
 *
 * Order of the strings, as in the blobs that Windows merges into traces: each property's name
 * followed by its map's name; provider, level, channel, keywords, task, opcode, message, provider
 * message, event name, event attributes. Of maps: entries, name, strings.
 *
 *     etw_tei_builder *builder = etw_tei_builder_new();
 *     uint32_t count = etw_tei_builder_add(builder, 0, &(etw_tei_property_spec){
 *         .name = "N", .in_type = ETW_IN_UINT16, .out_type = ETW_OUT_UNSIGNEDSHORT, .length = 2});
 *     uint32_t peers = etw_tei_builder_add(builder, 0, &(etw_tei_property_spec){
 *         .name = "Peers", .is_struct = true, .count_from = count});
 *     etw_tei_builder_add(builder, peers, &(etw_tei_property_spec){
 *         .name = "Port", .in_type = ETW_IN_UINT16, .out_type = ETW_OUT_PORT, .length = 2});
 *     etw_tei_builder_finish(builder, &event, &blob, &error);
 *
 * Adding never fails in the caller's face: the first failure is kept and finish reports it. */
#ifndef ETW_FORMAT_EVENT_TEI_BUILDER_H
#define ETW_FORMAT_EVENT_TEI_BUILDER_H

#include "format/base/arena.h"
#include "format/event/tei.h"

/* One property. Zeroed fields mean: plain, scalar, no map, no references. Texts are UTF-8, copied.
 */
typedef struct etw_tei_property_spec {
    const char *name;
    const char *map_name; /* NULL: none */
    bool is_struct;       /* members are added with this property's handle as parent */
    uint16_t in_type;
    uint16_t out_type;
    uint16_t count;       /* 0 and 1: a scalar, stored as 1; ignored with count_from */
    uint16_t length;      /* in characters for wide strings, else bytes; ignored with length_from */
    uint32_t count_from;  /* handle of the property that holds the count; 0: none */
    uint32_t length_from; /* handle of the property that holds the length; 0: none */
    uint32_t flags;       /* further ETW_PROP_...: WBEM_XML_FRAGMENT, PARAM_FIXED_LENGTH,
                             PARAM_FIXED_COUNT;       the others follow from the fields */
    uint32_t tags;        /* 28 bits; HAS_TAGS is set unless 0 */
    /* Of the provider, for HAS_CUSTOM_SCHEMA; empty: none. Stored behind {protocol, size}. Not
     * together with map_name. */
    etw_bytes custom_schema;
    uint16_t custom_protocol;
} etw_tei_property_spec;

/* The event's own part. Texts are UTF-8; NULL: absent. */
typedef struct etw_tei_event_spec {
    etw_guid provider_guid;
    etw_guid event_guid;
    etw_event_descriptor descriptor;
    uint32_t decoding_source;
    uint32_t template_flags; /* ETW_TEMPLATE_... */
    uint32_t tags;           /* 28 bits */
    const char *provider_name;
    const char *level_name;
    const char *channel_name;
    const char *const *keyword_names; /* NULL entries and empty ones are left out */
    uint32_t keyword_count;
    const char *task_name;
    const char *opcode_name;
    /* Messages as the manifest has them: the one space that TDH shows at their end is added here.
     */
    const char *event_message;
    const char *provider_message;
    const char *event_name;
    const char *event_attributes;
} etw_tei_event_spec;

typedef struct etw_tei_builder etw_tei_builder;

/* NULL where memory is out. A builder makes any number of blobs, one after the other. */
etw_tei_builder *etw_tei_builder_new(void);
void etw_tei_builder_free(etw_tei_builder *builder);

/* Adds a property behind the others of its parent; parent 0: the top level. Returns its handle,
 * which is never 0, except after a failure. */
uint32_t etw_tei_builder_add(etw_tei_builder *builder, uint32_t parent,
                             const etw_tei_property_spec *property);
/* For references to properties that are added later. */
void etw_tei_builder_count_from(etw_tei_builder *builder, uint32_t handle, uint32_t from);
void etw_tei_builder_length_from(etw_tei_builder *builder, uint32_t handle, uint32_t from);

/* *blob is lent until the next call on the builder, which then starts an empty event.
 * ETW_ERROR_LIMIT where the limits of schema.h are met; ETW_ERROR_INVALID_ARGUMENT for a handle
 * that does not exist. */
etw_status etw_tei_builder_finish(etw_tei_builder *builder, const etw_tei_event_spec *event,
                                  etw_bytes *blob, etw_error *error);

typedef struct etw_map_entry_spec {
    uint32_t value;
    const char *text; /* UTF-8; the one space that TDH shows at the end of manifest maps' strings is
                         added here, for flags VALUEMAP and BITMAP of manifests */
} etw_map_entry_spec;

typedef struct etw_map_spec {
    const char *name;
    uint32_t flag; /* ETW_MAP_... */
    const etw_map_entry_spec *entries;
    uint32_t entry_count;
} etw_map_spec;

/* *blob is lent until the next call on the builder; an event that is being built is left alone. */
etw_status etw_tei_builder_map(etw_tei_builder *builder, const etw_map_spec *map, etw_bytes *blob,
                               etw_error *error);
/* The same, copied into the arena; *kept lives as long as that, and stays as it was after a
 * failure.
 */
etw_status etw_tei_builder_keep_map(etw_tei_builder *builder, const etw_map_spec *map,
                                    etw_arena *arena, etw_bytes *kept, etw_error *error);

#endif
