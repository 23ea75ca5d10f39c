#include "format/etwcap/index_chain.h"

#include <stdlib.h>

/* The body of the index block at offset, lent as a scan's bodies are. */
static bool read_block(etw_scan *scan, uint64_t offset, etw_bytes *body)
{
    etw_scan_item block;
    return etw_scan_at(scan, offset, &block, NULL) == ETW_OK &&
           block.header.kind == ETW_BLOCK_INDEX && etw_scan_body(scan, body, NULL) == ETW_OK;
}

/* False where a block is broken, or the chain does not end at the first one. */
static bool follow(etw_index_chain *chain, uint64_t last_offset, uint32_t count)
{
    etw_bytes body;
    etw_index_view view;
    uint64_t offset = last_offset;
    for (uint32_t left = count; left > 0; left--) {
        chain->offsets[left - 1] = offset;
        if (!read_block(chain->scan, offset, &body) ||
            etw_index_load(body, &view, NULL) != ETW_OK || view.previous_offset >= offset) {
            return false;
        }
        offset = view.previous_offset;
    }
    return offset == 0;
}

bool etw_index_chain_open(etw_index_chain *chain, etw_scan *scan, const etw_totals *summary,
                          uint64_t file_bytes)
{
    const uint32_t count = summary->index_blocks;
    *chain = (etw_index_chain){.scan = scan};
    if (count == 0 || count > file_bytes / ETW_BLOCK_HEADER_SIZE) {
        return false;
    }
    chain->offsets = malloc(count * sizeof *chain->offsets);
    scan->out_of_memory = scan->out_of_memory || chain->offsets == NULL;
    if (chain->offsets == NULL || !follow(chain, summary->last_index_offset, count)) {
        return false;
    }
    chain->count = count;
    return true;
}

void etw_index_chain_free(etw_index_chain *chain)
{
    etw_buffer_free(&chain->body);
    free(chain->offsets);
    *chain = (etw_index_chain){.scan = NULL};
}

static bool load(etw_index_chain *chain, uint32_t number)
{
    etw_bytes body;
    chain->loaded = false;
    if (!read_block(chain->scan, chain->offsets[number], &body)) {
        return false;
    }
    etw_buffer_clear(&chain->body);
    etw_buffer_append(&chain->body, body.data, body.size);
    if (chain->body.failed) {
        chain->scan->out_of_memory = true;
        return false;
    }
    const etw_bytes kept = etw_buffer_bytes(&chain->body);
    chain->loaded = etw_index_load(kept, &chain->view, NULL) == ETW_OK;
    return chain->loaded;
}

bool etw_index_chain_each(etw_index_chain *chain,
                          void (*visit)(void *context, const etw_index_entry *entry), void *context)
{
    bool good = true;
    for (uint32_t i = 0; i < chain->count && good; i++) {
        good = load(chain, i);
        for (uint32_t e = 0; good && e < chain->view.entry_count; e++) {
            const etw_index_entry entry = etw_index_entry_at(&chain->view, e);
            visit(context, &entry);
        }
    }
    chain->loaded = false;
    chain->next = 0;
    chain->count = good ? chain->count : 0;
    return good;
}

/* Where the references of an entry begin: behind those of the entries before it. */
static uint32_t first_ref_of(const etw_index_view *view, uint32_t index)
{
    uint32_t refs = 0;
    for (uint32_t i = 0; i < index; i++) {
        const uint32_t count = etw_index_entry_at(view, i).ref_count;
        refs += count == ETW_INDEX_ANY_PROVIDER ? 0 : count;
    }
    return refs;
}

bool etw_index_chain_find(etw_index_chain *chain, uint64_t sequence, etw_index_entry *entry,
                          uint32_t *first_ref)
{
    const etw_index_view *view = &chain->view;
    while (chain->count > 0) {
        if (chain->loaded && sequence < view->first_sequence) {
            return false;
        }
        if (chain->loaded && sequence - view->first_sequence < view->entry_count) {
            const uint32_t at = (uint32_t)(sequence - view->first_sequence);
            *first_ref = first_ref_of(view, at);
            *entry = etw_index_entry_at(view, at);
            return true;
        }
        if (chain->next == chain->count || !load(chain, chain->next++)) {
            return false;
        }
    }
    return false;
}
