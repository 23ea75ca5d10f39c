/* Which events blocks can hold no event that a reader wants, told without decoding them. */
#ifndef ETW_FORMAT_ETWCAP_BLOCK_FILTER_H
#define ETW_FORMAT_ETWCAP_BLOCK_FILTER_H

#include "format/etwcap/scan.h"

/* All zero: everything is wanted. */
typedef struct etw_block_filter {
    bool has_time_range;
    int64_t from_time_100ns, to_time_100ns; /* both included */
    etw_guid *providers;                    /* owned; any of these */
    uint32_t provider_count;                /* 0: all */
} etw_block_filter;

/* Copies the providers. False: no memory. */
bool etw_block_filter_set_providers(etw_block_filter *filter, const etw_guid *providers,
                                    uint32_t count);
void etw_block_filter_free(etw_block_filter *filter);

/* By an entry of the index, whose provider references begin at first_ref. Blocks of other kinds are
 * never excluded. */
bool etw_block_filter_excludes_entry(const etw_block_filter *filter, const etw_index_view *view,
                                     const etw_index_entry *entry, uint32_t first_ref);

/* By header and events head of the EVENTS block that the scan has just delivered. */
etw_status etw_block_filter_look(const etw_block_filter *filter, etw_scan *scan,
                                 const etw_scan_item *block, bool *excluded, etw_error *error);

#endif
