/* Reading on: block by block, event by event. */
#include "format/etwcap/reader_inside.h"

#include <stdlib.h>

/* ---- Damage ---- */

static etw_status deliver_loss(etw_reader *self, etw_item *item)
{
    item->kind = ETW_ITEM_LOSS;
    item->trace_index = self->loss.trace_index;
    item->loss = &self->loss;
    return ETW_OK;
}

static etw_status report_block(etw_reader *self, const etw_scan_item *block,
                               const etw_error *failure, etw_item *item)
{
    etw_damage_of_block(block, failure->status, failure->message, &self->loss);
    self->counts.blocks_damaged++;
    return deliver_loss(self, item);
}

static void add_missing(etw_loss *loss, const etw_index_entry *entry)
{
    if (entry->kind != ETW_BLOCK_EVENTS || entry->count == 0) {
        return;
    }
    if (loss->events == 0 || entry->first_time_100ns < loss->from_time_100ns) {
        loss->from_time_100ns = entry->first_time_100ns;
    }
    if (loss->events == 0 || entry->last_time_100ns > loss->to_time_100ns) {
        loss->to_time_100ns = entry->last_time_100ns;
    }
    loss->events += entry->count;
}

/* Events of blocks that are missing altogether; the index may know. */
static void count_missing(etw_reader *self, const etw_scan_item *gap)
{
    etw_index_entry entry;
    uint32_t first_ref;
    self->loss.events = 0;
    for (uint64_t i = 0; i < gap->missing; i++) {
        if (!etw_index_chain_find(&self->index, gap->first_missing + i, &entry, &first_ref)) {
            self->loss.events = ETW_LOSS_COUNT_UNKNOWN;
            return;
        }
        add_missing(&self->loss, &entry);
    }
}

static etw_status report_gap(etw_reader *self, const etw_scan_item *gap, etw_item *item)
{
    etw_damage_of_gap(gap, &self->loss);
    count_missing(self, gap);
    self->counts.blocks_damaged += gap->missing;
    self->numbered += self->loss.events == ETW_LOSS_COUNT_UNKNOWN ? 0 : self->loss.events;
    return deliver_loss(self, item);
}

static etw_status report_truncated(etw_reader *self, etw_item *item)
{
    etw_damage_of_end(&self->scan, &self->loss);
    return deliver_loss(self, item);
}

/* ---- What blocks hold ---- */

static etw_status ensure_trace(etw_reader *self, uint16_t trace_index, etw_error *error)
{
    return etw_trace_table_ensure(&self->traces, trace_index, self->seekable ? &self->side : NULL,
                                  error);
}

static etw_status load_losses(etw_reader *self, etw_bytes body, uint32_t count, etw_error *error)
{
    etw_buffer_clear(&self->losses);
    etw_buffer_append(&self->losses, body.data, body.size);
    if (self->losses.failed) {
        return etw_reader_no_memory(error);
    }
    const etw_bytes kept = etw_buffer_bytes(&self->losses);
    self->loss_cursor = etw_cursor_over(kept);
    self->losses_left = count;
    return ETW_OK;
}

etw_status etw_reader_check_events_head(etw_reader *self, const etw_scan_item *block,
                                        etw_bytes body, etw_error *error)
{
    etw_events_head head;
    etw_status status = etw_events_block_head(&block->header, body, &head, error);
    for (uint32_t i = 0; status == ETW_OK && i < head.trace_count; i++) {
        status = ensure_trace(self, etw_events_head_trace(&head, i).trace_index, error);
    }
    if (status == ETW_OK && !self->seekable) {
        etw_file_counts_add(&self->held, &block->header, head.bytes);
    }
    return status;
}

/* *taken: its events are not to be delivered. */
static etw_status offer_block(etw_reader *self, const etw_scan_item *block, etw_bytes body,
                              bool *taken, etw_error *error)
{
    etw_whole_block whole = etw_whole_block_of(&block->header, body);
    etw_status status =
        etw_block_offer_make(&self->offer, self->decoder, &self->schemas, &whole, error);
    for (uint32_t i = 0; status == ETW_OK && i < whole.kind_count; i++) {
        status = ensure_trace(self, whole.kinds[i].trace_index, error);
    }
    return status == ETW_OK ? self->offer.take(self->offer.context, &whole, taken, error) : status;
}

void etw_reader_offer_blocks(etw_source *source, etw_whole_block_taker take, void *context)
{
    etw_reader *self = etw_reader_of(source);
    self->offer.take = take;
    self->offer.context = context;
}

etw_status etw_reader_count_kinds(etw_source *source, const uint32_t **counts, etw_error *error)
{
    etw_reader *self = etw_reader_of(source);
    return etw_block_offer_count(&self->offer, self->decoder, counts, error);
}

void etw_reader_pass_events(etw_source *source, uint64_t number)
{
    etw_reader_of(source)->wanted_from = number;
}

/* The first that is wanted of the block, which has count events. */
static uint32_t first_event(const etw_reader *self, uint32_t count)
{
    const uint64_t before =
        self->wanted_from > self->first_number ? self->wanted_from - self->first_number : 0;
    return before < count ? (uint32_t)before : count;
}

static etw_status decode_events(etw_reader *self, const etw_scan_item *block, etw_bytes body,
                                etw_error *error)
{
    const uint32_t parts = self->options.headers_only ? 0 : ETW_DECODE_ALL;
    etw_status status = etw_reader_check_events_head(self, block, body, error);
    if (status != ETW_OK) {
        return status;
    }
    if (self->decoder == NULL) {
        self->decoder = etw_decoder_new();
    }
    if (self->decoder == NULL) {
        return etw_reader_no_memory(error);
    }
    bool taken = false;
    if (self->offer.take != NULL) {
        status = offer_block(self, block, body, &taken, error);
    }
    if (status != ETW_OK || taken) {
        return status;
    }
    if (self->options.exchange != NULL) {
        etw_decoder *next = self->options.exchange(self->options.exchange_context, self->decoder);
        if (next == NULL) {
            return etw_reader_no_memory(error);
        }
        self->decoder = next;
    }
    const uint32_t first = first_event(self, block->header.count);
    etw_decoder_choose(self->decoder, &(etw_kind_choice){self->options.wants_kind,
                                                         self->options.wants_kind_context,
                                                         self->options.bare_events, first});
    status = etw_events_block_decode(self->decoder, &block->header, body, parts, error);
    if (status == ETW_OK) {
        self->event_count = block->header.count;
        self->event_next = first;
        self->counts.events_passed += first;
    }
    return status;
}

static etw_status use_file_info(etw_reader *self, etw_bytes body, etw_error *error)
{
    const struct {
        const char *key;
        char *value;
    } pairs[] = {
        {"application", self->application}, {"redacted", self->redacted}, {"builds", self->builds}};
    etw_status status = ETW_OK;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0] && status == ETW_OK; i++) {
        status = etw_file_info_get(body, pairs[i].key, pairs[i].value, sizeof self->builds, error);
    }
    return status;
}

static etw_status use_body(etw_reader *self, const etw_scan_item *block, etw_bytes body,
                           etw_error *error)
{
    const uint16_t kind = block->header.kind;
    switch (kind) {
    case ETW_BLOCK_FILE_INFO:
        return use_file_info(self, body, error);
    case ETW_BLOCK_TRACE:
        return etw_trace_table_load(&self->traces, body, error);
    case ETW_BLOCK_SCHEMAS:
        return etw_file_schemas_load(&self->schemas, body, error);
    case ETW_BLOCK_EVENTS:
        return decode_events(self, block, body, error);
    case ETW_BLOCK_LOSS:
        return load_losses(self, body, block->header.count, error);
    case ETW_BLOCK_INDEX:
    case ETW_BLOCK_SUMMARY:
        return ETW_OK;
    default: {
        const etw_side_block side = {kind, block->header.count, body};
        return self->options.block == NULL
                   ? ETW_OK
                   : self->options.block(self->options.block_context, &side, error);
    }
    }
}

/* ---- Reading on ---- */

bool etw_reader_wants_range(const etw_reader *self, uint32_t count, int64_t first_time_100ns,
                            int64_t last_time_100ns)
{
    const etw_block_range range = {self->numbered, count, first_time_100ns, last_time_100ns};
    return self->options.wants == NULL || self->options.wants(self->options.wants_context, &range);
}

/* Whether the block can be passed over; else its events have their numbers. */
static etw_status look_at_events(etw_reader *self, const etw_scan_item *block, bool *excluded,
                                 etw_error *error)
{
    const etw_block_header *header = &block->header;
    etw_status status = ETW_OK;
    *excluded = !etw_reader_wants_range(self, header->count, header->first_time_100ns,
                                        header->last_time_100ns);
    if (!*excluded) {
        status = etw_block_filter_look(&self->filter, &self->scan, block, excluded, error);
    }
    self->first_number = self->numbered;
    self->numbered += header->count;
    return status;
}

etw_status etw_reader_conclude_block(etw_reader *self, const etw_scan_item *block,
                                     etw_error *failure, etw_item *item, bool *reported,
                                     etw_error *error)
{
    const etw_status status = failure->status;
    if (etw_scan_is_damage(status)) {
        *reported = true;
        return report_block(self, block, failure, item);
    }
    if (status != ETW_OK && error != NULL) {
        *error = *failure;
        (void)etw_error_wrap(error, status, "offset %llu", (unsigned long long)block->offset);
    }
    return status;
}

etw_status etw_reader_read_block(etw_reader *self, const etw_scan_item *block, etw_item *item,
                                 bool *reported, etw_error *error)
{
    etw_bytes body;
    etw_error local = {ETW_OK, 0, ""};
    bool excluded = false;
    etw_status status = ETW_OK;
    if (block->header.kind == ETW_BLOCK_EVENTS) {
        status = look_at_events(self, block, &excluded, &local);
    }
    if (excluded) {
        self->counts.blocks_skipped++;
        return ETW_OK;
    }
    if (block->header.kind == ETW_BLOCK_SCHEMAS && self->schemas_loaded) {
        return ETW_OK; /* by the index they were read, and their hashes were right */
    }
    if (status == ETW_OK) {
        status = etw_scan_body(&self->scan, &body, &local);
    }
    if (status == ETW_OK) {
        self->counts.blocks_read++;
        status = use_body(self, block, body, &local);
        if (status == ETW_OK && !self->seekable && block->header.kind != ETW_BLOCK_EVENTS) {
            etw_file_counts_add(&self->held, &block->header, (etw_bytes){NULL, 0});
        }
    }
    local.status = status; /* whoever takes blocks may have said nothing */
    return etw_reader_conclude_block(self, block, &local, item, reported, error);
}

/* Delivers the next event of the block, or reports that the block is not what its head says. */
static etw_status next_event(etw_reader *self, etw_item *item, etw_error *error)
{
    etw_decoder_item(self->decoder, self->event_next++, item);
    item->schema_id = etw_file_schemas_id(&self->schemas, item->schema_id);
    return ensure_trace(self, item->trace_index, error);
}

static etw_status next_loss(etw_reader *self, etw_item *item, etw_error *error)
{
    bool own;
    const etw_status status = etw_loss_load(&self->loss_cursor, &self->loss, &own, error);
    self->losses_left--;
    if (status != ETW_OK) {
        self->losses_left = 0;
        self->loss =
            (etw_loss){.cause = ETW_LOSS_DAMAGE, .events = ETW_LOSS_COUNT_UNKNOWN, .buffers = 1};
        etw_loss_set_detail(&self->loss, "a loss block ends inside an entry");
    } else if (!self->seekable) {
        etw_totals_add_loss(&self->held.totals, self->loss.cause, self->loss.events);
    }
    return deliver_loss(self, item);
}

static bool is_excluded(const etw_reader *self, const etw_index_entry *entry, uint32_t first_ref)
{
    return entry->kind == ETW_BLOCK_EVENTS &&
           (!etw_reader_wants_range(self, entry->count, entry->first_time_100ns,
                                    entry->last_time_100ns) ||
            etw_block_filter_excludes_entry(&self->filter, &self->index.view, entry, first_ref));
}

void etw_reader_skip_by_index(etw_reader *self)
{
    const bool filtered = self->filter.has_time_range || self->filter.provider_count > 0 ||
                          self->options.wants != NULL;
    etw_index_entry entry;
    uint32_t first_ref;
    etw_scan *scan = &self->scan;
    if (!filtered || !etw_scan_leave(scan)) {
        return;
    }
    while (etw_index_chain_find(&self->index, scan->next_sequence, &entry, &first_ref) &&
           entry.offset == scan->position && is_excluded(self, &entry, first_ref)) {
        const uint64_t size = ETW_BLOCK_HEADER_SIZE + (uint64_t)entry.stored_size;
        etw_scan_jump(scan, entry.offset + size, scan->next_sequence + 1);
        self->counts.blocks_skipped++;
        self->numbered += entry.count;
    }
}

static etw_status next_block(etw_reader *self, etw_scan_item *block, etw_error *error)
{
    if (self->has_pending) {
        self->has_pending = false;
        *block = self->pending;
        return ETW_OK;
    }
    if (self->has_stopped) {
        self->has_stopped = false;
        if (error != NULL) {
            *error = self->stop;
        }
        return self->stop.status;
    }
    etw_reader_skip_by_index(self);
    return etw_scan_next(&self->scan, block, error);
}

/* What only reading events needs: a merge has many readers that are at their end. */
static void release(etw_reader *self)
{
    if (self->seekable && self->options.exchange == NULL) {
        etw_scan_release(&self->scan);
        etw_scan_release(&self->side);
        etw_decoder_free(self->decoder);
        self->decoder = NULL;
        etw_decode_ahead_free(self->ahead);
        self->ahead = NULL;
    }
}

static etw_status at_end(etw_reader *self, etw_item *item)
{
    const bool complete = self->scan.complete;
    self->held.complete = self->held.complete || complete;
    if (self->options.follow && !complete) {
        return ETW_END;
    }
    self->ended = true;
    release(self);
    return complete ? ETW_END : report_truncated(self, item);
}

/* Events of kinds that are not wanted. */
static void pass_unwanted(etw_reader *self)
{
    while (self->event_next < self->event_count &&
           !etw_decoder_has(self->decoder, self->event_next)) {
        self->event_next++;
        self->counts.events_passed++;
    }
}

/* A block, as far as it is to be delivered; *has_item: item is a loss. */
static etw_status read_next(etw_reader *self, etw_item *item, bool *has_item, etw_error *error)
{
    etw_scan_item block;
    const etw_status status = next_block(self, &block, error);
    if (self->side.out_of_memory) {
        return etw_reader_no_memory(error);
    }
    if (status == ETW_END) {
        *has_item = true;
        return at_end(self, item);
    }
    if (status == ETW_OK && block.kind == ETW_SCAN_GAP) {
        *has_item = true;
        return report_gap(self, &block, item);
    }
    return status == ETW_OK ? etw_reader_read_block(self, &block, item, has_item, error) : status;
}

static void leave_block(etw_reader *self)
{
    if (self->event_count > 0 && self->options.drained != NULL) {
        self->options.drained(self->options.exchange_context);
    }
    self->event_count = self->event_next = 0;
}

static etw_status reader_next(etw_source *source, etw_item *item, etw_error *error)
{
    etw_reader *self = etw_reader_of(source);
    memset(item, 0, sizeof *item);
    for (;;) {
        if (self->options.wants_kind != NULL) {
            pass_unwanted(self);
        }
        if (self->event_next < self->event_count) {
            return next_event(self, item, error);
        }
        if (self->losses_left > 0) {
            return next_loss(self, item, error);
        }
        if (self->ended || self->cut_head || self->options.summary_only) {
            const bool report = self->cut_head && !self->ended;
            self->ended = true;
            return report ? report_truncated(self, item) : ETW_END;
        }
        bool is_there = false, has_item = false;
        leave_block(self);
        etw_status status = self->ahead == NULL
                                ? ETW_OK
                                : etw_reader_take_ahead(self, item, &is_there, &has_item, error);
        if (self->side.out_of_memory) {
            return etw_reader_no_memory(error);
        }
        if (status == ETW_OK && !is_there) {
            status = read_next(self, item, &has_item, error);
        }
        if (status != ETW_OK || has_item) {
            return status;
        }
    }
}

static const etw_trace *reader_trace(const etw_source *source, uint16_t trace_index)
{
    return etw_trace_table_get(&etw_reader_of_const(source)->traces, trace_index);
}

static uint16_t reader_trace_count(const etw_source *source)
{
    return etw_reader_of_const(source)->traces.count;
}

static void reader_close(etw_source *source)
{
    etw_reader *self = etw_reader_of(source);
    if (self->owns_file) {
        (void)self->os->close(self->os->context, self->file);
    }
    etw_trace_table_free(&self->traces);
    etw_index_chain_free(&self->index);
    etw_scan_free(&self->scan);
    etw_scan_free(&self->side);
    etw_unfolded_free(&self->unfolded);
    etw_decoder_free(self->decoder);
    etw_decode_ahead_free(self->ahead);
    etw_file_schemas_free(&self->schemas);
    etw_block_offer_free(&self->offer);
    etw_buffer_free(&self->losses);
    etw_file_counts_free(&self->held);
    etw_block_filter_free(&self->filter);
    free(self);
}

const etw_source_ops etw_reader_ops = {reader_next, reader_trace, reader_trace_count, reader_close};
