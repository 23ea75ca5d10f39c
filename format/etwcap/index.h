/* The index and the summary: what is where in a file, and what it holds in all. */
#ifndef ETW_FORMAT_ETWCAP_INDEX_H
#define ETW_FORMAT_ETWCAP_INDEX_H

#include "format/base/guid.h"
#include "format/base/probe.h"
#include "format/etwcap/block.h"

/* Entries of one index block: about one for 4 GiB of events, and small enough to hold in memory. */
#define ETW_INDEX_MAX_ENTRIES 4096u
/* References to providers in one index block, all entries together. */
#define ETW_INDEX_MAX_REFS 0x40000u
/* Providers that a file counts by name; events of further ones are counted in the total only. */
#define ETW_MAX_COUNTED_PROVIDERS 16384u
/* Bytes of a provider's name in the summary; schemas blocks have it in full. */
#define ETW_SUMMARY_MAX_NAME 127u
/* An entry whose providers are not listed: it may hold events of any. */
#define ETW_INDEX_ANY_PROVIDER UINT32_MAX

/* Distinct GUIDs, numbered in the order of their first appearance, with a count each. */
typedef struct etw_guid_table {
    etw_guid *guids;
    uint64_t *counts;
    uint32_t count, limit;
    etw_probe probe; /* over guids; has memory for all of them */
} etw_guid_table;

/* limit: entries at most. False: no memory. */
bool etw_guid_table_init(etw_guid_table *table, uint32_t limit);
void etw_guid_table_free(etw_guid_table *table);
void etw_guid_table_clear(etw_guid_table *table);
/* The GUID's number, added where new; the limit where the table is full. */
uint32_t etw_guid_table_put(etw_guid_table *table, const etw_guid *guid);

typedef struct etw_index_entry {
    uint64_t offset;
    uint32_t stored_size;
    uint16_t kind;
    uint16_t flags;
    int64_t first_time_100ns, last_time_100ns;
    uint32_t count;
    uint32_t raw_size;
    uint32_t ref_count; /* or ETW_INDEX_ANY_PROVIDER */
} etw_index_entry;

/* Gathers entries for the next index block. */
typedef struct etw_index_builder {
    etw_buffer entries, refs;
    etw_guid_table providers;
    uint32_t count, ref_count;
    uint64_t first_sequence;
} etw_index_builder;

bool etw_index_builder_init(etw_index_builder *builder);
void etw_index_builder_free(etw_index_builder *builder);
/* head: of an events block, else empty. Room for one more such block? If not: take first. */
bool etw_index_builder_has_room(const etw_index_builder *builder, const etw_block_header *header,
                                etw_bytes head);
/* To be called only where there is room. */
void etw_index_builder_add(etw_index_builder *builder, const etw_block_header *header,
                           uint64_t offset, etw_bytes head);
/* Appends the body of an index block and empties the builder. */
void etw_index_builder_take(etw_index_builder *builder, uint64_t previous_offset, etw_buffer *body);

/* A view of an index block's body. */
typedef struct etw_index_view {
    uint32_t entry_count, provider_count, ref_count;
    uint64_t previous_offset, first_sequence;
    const uint8_t *providers, *entries, *refs;
} etw_index_view;

/* Checks sizes and that every reference is in range. */
etw_status etw_index_load(etw_bytes body, etw_index_view *view, etw_error *error);
etw_index_entry etw_index_entry_at(const etw_index_view *view, uint32_t index);
/* ref < the view's ref_count. */
etw_guid etw_index_provider(const etw_index_view *view, uint32_t ref);

/* The summary's totals. */
typedef struct etw_totals {
    uint64_t events, received, dropped;
    uint64_t event_blocks, schema_blocks, schemas;
    uint64_t loss_records, lost_events;
    uint64_t raw_bytes, stored_bytes; /* of events blocks */
    int64_t first_time_100ns, last_time_100ns;
    uint64_t blocks; /* of all kinds, before the summary's own */
    bool lost_unknown;
    bool providers_cut; /* more than ETW_MAX_COUNTED_PROVIDERS */
    uint64_t last_index_offset;
    uint32_t index_blocks;
} etw_totals;

/* Counts one block; head is that of an events block. providers may be NULL. */
void etw_totals_add(etw_totals *totals, const etw_block_header *header, etw_bytes head,
                    etw_guid_table *providers);
/* Counts what a loss says; FILTERED is not counted. */
void etw_totals_add_loss(etw_totals *totals, uint32_t cause, uint64_t events);

/* What a summary tells. */
typedef struct etw_summary {
    const etw_totals *totals;
    const uint64_t *trace_offsets;
    uint32_t trace_count;
    const etw_guid_table *providers;
    /* A provider's name, or NULL. */
    const char *(*name)(const void *context, const etw_guid *guid);
    const void *context;
} etw_summary;

void etw_summary_append(etw_buffer *body, const etw_summary *summary);

typedef struct etw_summary_view {
    etw_totals totals;
    uint32_t trace_count, provider_count;
    const uint8_t *trace_offsets;
    etw_cursor providers; /* at the first provider */
} etw_summary_view;

etw_status etw_summary_load(etw_bytes body, etw_summary_view *view, etw_error *error);
/* Moves view->providers on; name is cut to its buffer. */
etw_status etw_summary_next_provider(etw_summary_view *view, etw_guid *provider, uint64_t *events,
                                     char name[ETW_SUMMARY_MAX_NAME + 1], etw_error *error);

#define ETW_END_BODY_SIZE 32u
/* The file's last bytes: the end block. */
#define ETW_TAIL_SIZE (ETW_BLOCK_HEADER_SIZE + ETW_END_BODY_SIZE)

typedef struct etw_end {
    uint64_t summary_offset, file_size, blocks;
} etw_end;

void etw_end_append(etw_buffer *body, const etw_end *end);
etw_status etw_end_load(etw_bytes body, etw_end *end, etw_error *error);

#endif
