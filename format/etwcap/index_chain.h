/* The index blocks of a file, which form a chain from the last to the first: entries of blocks,
 * looked up by their numbers. One index block at a time is in memory. */
#ifndef ETW_FORMAT_ETWCAP_INDEX_CHAIN_H
#define ETW_FORMAT_ETWCAP_INDEX_CHAIN_H

#include "format/etwcap/scan.h"

/* All zero: a chain without blocks. */
typedef struct etw_index_chain {
    etw_scan *scan;      /* lent; goes to index blocks out of order */
    uint64_t *offsets;   /* of all index blocks, in file order */
    uint32_t count;      /* of them */
    uint32_t next;       /* the one to load after that in view */
    etw_buffer body;     /* of the one in view */
    etw_index_view view; /* of the one loaded last */
    bool loaded;         /* and that it is good */
} etw_index_chain;

/* Where memory is out, the calls below fail, and the scan says out_of_memory.
 *
 * Follows the chain from the block that the summary names. False, with a chain without blocks,
 * where a block of it is broken. To be freed either way. */
bool etw_index_chain_open(etw_index_chain *chain, etw_scan *scan, const etw_totals *summary,
                          uint64_t file_bytes);
void etw_index_chain_free(etw_index_chain *chain);

/* Calls visit for each entry in file order. False, with a chain without blocks, where an index
 * block is broken. */
bool etw_index_chain_each(etw_index_chain *chain,
                          void (*visit)(void *context, const etw_index_entry *entry),
                          void *context);

/* The entry of the block with that number; *first_ref: its first provider reference in view. To be
 * asked in growing order; false where the index does not tell, or has passed the number. */
bool etw_index_chain_find(etw_index_chain *chain, uint64_t sequence, etw_index_entry *entry,
                          uint32_t *first_ref);

#endif
