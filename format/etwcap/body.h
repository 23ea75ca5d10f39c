/* The bodies of the small blocks: file info, trace, schemas, loss, and the head of an events block.
 * Encoders append to a buffer (check its failed); decoders check every length and give
 * ETW_ERROR_DAMAGED with what is wrong. */
#ifndef ETW_FORMAT_ETWCAP_BODY_H
#define ETW_FORMAT_ETWCAP_BODY_H

#include "format/event/schema.h"
#include "format/event/source.h"

/* Key and value of a file info pair, each. */
#define ETW_FILE_INFO_MAX_TEXT  255u
#define ETW_FILE_INFO_MAX_PAIRS 64u
/* One schema with its maps, in a file: must fit a block. */
#define ETW_FILE_MAX_SCHEMA_SIZE ((size_t)4 << 20)
/* Ids of schemas in a file; a hostile one cannot make a reader's table larger. */
#define ETW_FILE_MAX_SCHEMA_ID ETW_STORE_MAX_SCHEMAS

/* File info: pairs of UTF-8 texts. value: NUL terminated, cut to the buffer; "" where key is
 * absent. */
void etw_file_info_append(etw_buffer *body, uint32_t pair_count, const char *const *keys,
                          const char *const *values);
etw_status etw_file_info_get(etw_bytes body, const char *key, char *value, size_t value_size,
                             etw_error *error);

void etw_trace_append(etw_buffer *body, uint16_t trace_index, const etw_trace *trace);
/* trace->logfile_header points into body. */
etw_status etw_trace_load(etw_bytes body, uint16_t *trace_index, etw_trace *trace,
                          etw_error *error);

/* One loss entry; own: counted in this file's own dropped figure. */
void etw_loss_append(etw_buffer *body, const etw_loss *loss, bool own);
etw_status etw_loss_load(etw_cursor *cursor, etw_loss *loss, bool *own, etw_error *error);

/* Schemas: a block names nothing outside itself; equal maps of its schemas are stored once. */
typedef struct etw_schema_entry {
    uint32_t file_id;
    const etw_schema *schema;
} etw_schema_entry;

/* TEIs and maps in one block. */
#define ETW_SCHEMAS_MAX_BLOBS 0x10000u

/* As files store it: FORMAT.md, 6.3. */
uint64_t etw_schema_hash(const etw_schema *schema);
/* TEI and maps together. */
size_t etw_schema_size_bytes(const etw_schema *schema);
/* Appends as many entries as fit a block; *taken tells how many (at least 1 where each is within
 * ETW_FILE_MAX_SCHEMA_SIZE). */
void etw_schemas_append(etw_buffer *body, const etw_schema_entry *entries, uint32_t entry_count,
                        uint32_t *taken);
/* What etw_provider_name_append appends at most. */
#define ETW_PROVIDER_NAME_MAX_SIZE (19u + ETW_TRACE_NAME_SIZE)
void etw_provider_name_append(etw_buffer *body, const etw_guid *provider, const char *utf8_name);

/* Entries without a function are passed over. */
typedef struct etw_schemas_visitor {
    etw_status (*schema)(void *context, const etw_schema_entry *entry, etw_error *error);
    etw_status (*provider)(void *context, const etw_guid *provider, const char *utf8_name,
                           etw_error *error);
    void *context;
} etw_schemas_visitor;

/* Calls the visitor for each entry in order; stops at its first failure. */
etw_status etw_schemas_load(etw_bytes body, const etw_schemas_visitor *visitor, etw_error *error);

/* The head of an events block: whose events are in it, so that a reader can pass it over. */
typedef struct etw_provider_count {
    etw_guid provider;
    uint32_t events;
} etw_provider_count;

typedef struct etw_trace_count {
    uint16_t trace_index;
    uint32_t events;
} etw_trace_count;

/* Bytes of a head with so many entries; no block has more of either than events. */
#define ETW_EVENTS_HEAD_SIZE(providers, traces)                                                    \
    (16u + 20u * (uint64_t)(providers) + 8u * (uint64_t)(traces) + 8u)

void etw_events_head_append(etw_buffer *body, const etw_provider_count *providers,
                            uint32_t provider_count, const etw_trace_count *traces,
                            uint32_t trace_count);

/* A view of a head: entries are read by index. */
typedef struct etw_events_head {
    etw_bytes bytes; /* all of it */
    const uint8_t *providers, *traces;
    uint32_t provider_count, trace_count;
} etw_events_head;

/* Checks sizes, the head's own hash, and that the counts of each list add up to event_count. */
etw_status etw_events_head_load(etw_bytes head, uint32_t event_count, etw_events_head *loaded,
                                etw_error *error);
etw_provider_count etw_events_head_provider(const etw_events_head *head, uint32_t index);
etw_trace_count etw_events_head_trace(const etw_events_head *head, uint32_t index);

#endif
