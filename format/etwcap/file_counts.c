#include "format/etwcap/file_counts.h"

#include <stdio.h>
#include <stdlib.h>

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for reading");
}

void etw_file_counts_free(etw_file_counts *counts)
{
    etw_guid_table_free(&counts->counting);
    free(counts->providers);
    *counts = (etw_file_counts){.providers = NULL};
}

static bool make_list(etw_file_counts *counts, uint32_t provider_count)
{
    free(counts->providers);
    counts->provider_count = 0;
    counts->providers = calloc((size_t)provider_count + 1, sizeof *counts->providers);
    return counts->providers != NULL;
}

/* ---- As the summary says ---- */

static bool load_providers(etw_file_counts *counts, etw_summary_view *view)
{
    if (!make_list(counts, view->provider_count)) {
        return false;
    }
    for (uint32_t i = 0; i < view->provider_count; i++) {
        etw_counted_provider *to = &counts->providers[i];
        if (etw_summary_next_provider(view, &to->provider, &to->events, to->name, NULL) != ETW_OK) {
            return false;
        }
    }
    counts->provider_count = view->provider_count;
    return true;
}

static bool read_at(etw_scan *scan, uint64_t offset, uint16_t kind, etw_bytes *body)
{
    etw_scan_item block;
    return etw_scan_at(scan, offset, &block, NULL) == ETW_OK && block.header.kind == kind &&
           etw_scan_body(scan, body, NULL) == ETW_OK;
}

bool etw_file_counts_load(etw_file_counts *counts, etw_scan *scan, uint64_t file_bytes)
{
    etw_bytes body;
    etw_end end;
    etw_summary_view view;
    if (file_bytes < ETW_HEAD_SIZE + ETW_TAIL_SIZE ||
        !read_at(scan, file_bytes - ETW_TAIL_SIZE, ETW_BLOCK_END, &body) ||
        etw_end_load(body, &end, NULL) != ETW_OK || end.file_size != file_bytes) {
        return false;
    }
    counts->complete = true;
    if (!read_at(scan, end.summary_offset, ETW_BLOCK_SUMMARY, &body) ||
        etw_summary_load(body, &view, NULL) != ETW_OK) {
        return false;
    }
    if (!load_providers(counts, &view)) {
        scan->out_of_memory = scan->out_of_memory || counts->providers == NULL;
        return false;
    }
    counts->totals = view.totals;
    counts->has_summary = true;
    return true;
}

/* ---- As they add up ---- */

etw_status etw_file_counts_start(etw_file_counts *counts, etw_error *error)
{
    etw_guid_table_free(&counts->counting);
    return etw_guid_table_init(&counts->counting, ETW_MAX_COUNTED_PROVIDERS) ? ETW_OK
                                                                             : no_memory(error);
}

void etw_file_counts_add(etw_file_counts *counts, const etw_block_header *header, etw_bytes head)
{
    etw_totals_add(&counts->totals, header, head, &counts->counting);
}

/* Adds the losses of a block; gives the events of those that the recorder itself dropped. */
static uint64_t add_losses(etw_file_counts *counts, etw_bytes body, uint32_t count)
{
    etw_cursor cursor = etw_cursor_over(body);
    etw_loss loss;
    bool is_own;
    uint64_t own = 0;
    for (uint32_t i = 0; i < count && etw_loss_load(&cursor, &loss, &is_own, NULL) == ETW_OK; i++) {
        etw_totals_add_loss(&counts->totals, loss.cause, loss.events);
        own += is_own ? loss.events : 0;
    }
    return own;
}

static uint64_t add_scanned(etw_file_counts *counts, etw_scan *scan, const etw_scan_item *block)
{
    const uint16_t kind = block->header.kind;
    etw_events_head head;
    etw_bytes plain_head = {NULL, 0};
    etw_bytes body;
    if (kind == ETW_BLOCK_EVENTS && etw_scan_events_head(scan, &head, NULL) == ETW_OK) {
        plain_head = head.bytes;
    }
    etw_file_counts_add(counts, &block->header, plain_head);
    return kind == ETW_BLOCK_LOSS && etw_scan_body(scan, &body, NULL) == ETW_OK
               ? add_losses(counts, body, block->header.count)
               : 0;
}

etw_status etw_file_counts_scan(etw_file_counts *counts, etw_scan *scan, etw_error *error)
{
    etw_scan_item block;
    uint64_t own = 0;
    memset(&counts->totals, 0, sizeof counts->totals);
    etw_status status = etw_file_counts_start(counts, error);
    if (status != ETW_OK) {
        return status;
    }
    etw_scan_jump(scan, ETW_HEAD_SIZE, 0);
    while ((status = etw_scan_next(scan, &block, error)) == ETW_OK) {
        if (block.kind == ETW_SCAN_GAP) { /* reading will tell of it as a loss */
            counts->totals.loss_records++;
            counts->totals.lost_unknown = counts->totals.lost_unknown || block.missing > 0;
        } else if (block.header.kind != ETW_BLOCK_SUMMARY) {
            own += add_scanned(counts, scan, &block);
        }
    }
    counts->totals.dropped = own;
    counts->totals.received = counts->totals.events + own;
    counts->complete = scan->complete;
    return status == ETW_END ? ETW_OK : status;
}

etw_status etw_file_counts_list(etw_file_counts *counts, const etw_schema_store *store,
                                etw_error *error)
{
    const etw_guid_table *counting = &counts->counting;
    if (!make_list(counts, counting->count)) {
        return no_memory(error);
    }
    for (uint32_t i = 0; i < counting->count; i++) {
        etw_counted_provider *to = &counts->providers[i];
        const char *name = etw_schema_store_provider_name(store, &counting->guids[i]);
        to->provider = counting->guids[i];
        to->events = counting->counts[i];
        (void)snprintf(to->name, sizeof to->name, "%s", name == NULL ? "" : name);
    }
    counts->provider_count = counting->count;
    return ETW_OK;
}
