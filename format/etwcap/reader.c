#include "format/etwcap/reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "format/etwcap/codec.h"
#include "format/etwcap/scan.h"

/* A provider of the summary. */
typedef struct counted_provider {
    etw_guid provider;
    uint64_t events;
    char name[ETW_SUMMARY_MAX_NAME + 1];
} counted_provider;

/* One index block at a time, looked up by sequence number. */
typedef struct index_cursor {
    uint64_t *offsets; /* of all index blocks, in file order */
    uint32_t count, next;
    etw_text body;
    etw_index_view view;
    bool loaded;
} index_cursor;

typedef struct reader {
    etw_source source;
    const etw_os *os;
    int file;
    bool owns_file;
    bool seekable;
    bool cut_head; /* the file ends inside its head */
    etw_reader_options options;
    etw_guid *providers;
    etw_scan scan;
    etw_scan side; /* for blocks out of order: summary, index, schemas */
    etw_decoder *decoder;
    etw_schema_store *store;
    uint32_t *ids; /* by schema id of the file: id in store, or 0 */
    uint32_t id_count;
    etw_trace *traces[ETW_MAX_TRACES];
    uint16_t trace_count;
    bool searched_traces;
    uint32_t event_count, event_next; /* of the block in decoder */
    etw_text losses;                  /* a loss block's body ... */
    etw_cursor loss_cursor;           /* ... and where in it */
    uint32_t losses_left;
    etw_loss loss;
    bool has_pending; /* pending was met while opening */
    etw_scan_item pending;
    bool schemas_loaded; /* all of them, by the index */
    bool ended;
    uint32_t version_major, version_minor;
    char application[256];
    bool has_summary;
    etw_totals totals; /* of the summary, or of what was read or scanned */
    etw_guid_table counted;
    counted_provider *counted_names;
    uint32_t counted_count;
    uint64_t file_bytes;
    bool complete;
    index_cursor index;
    etw_reader_counts counts;
} reader;

static reader *reader_of(etw_source *source)
{
    return (reader *)source;
}

static const reader *const_reader_of(const etw_source *source)
{
    return (const reader *)source;
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for reading");
}

/* ---- What blocks hold ---- */

/* What takes the place of a trace that the file does not describe. */
static const etw_trace unknown_trace = {.pointer_size = 8};

static etw_status keep_trace(reader *self, uint16_t trace_index, const etw_trace *trace,
                             etw_error *error)
{
    const size_t header_size = trace->logfile_header.size;
    if (self->traces[trace_index] != NULL) {
        return ETW_OK; /* the copy at the file's end */
    }
    uint8_t *memory = malloc(sizeof *trace + header_size);
    if (memory == NULL) {
        return no_memory(error);
    }
    etw_trace *kept = (etw_trace *)(void *)memory;
    *kept = *trace;
    if (header_size > 0) {
        memcpy(memory + sizeof *kept, trace->logfile_header.data, header_size);
        kept->logfile_header.data = memory + sizeof *kept;
    }
    self->traces[trace_index] = kept;
    if (trace_index >= self->trace_count) {
        self->trace_count = (uint16_t)(trace_index + 1);
    }
    return ETW_OK;
}

static etw_status load_trace(reader *self, etw_bytes body, etw_error *error)
{
    etw_trace trace;
    uint16_t trace_index;
    const etw_status status = etw_trace_load(body, &trace_index, &trace, error);
    return status == ETW_OK ? keep_trace(self, trace_index, &trace, error) : status;
}

static bool reserve_id(reader *self, uint32_t file_id)
{
    if (file_id < self->id_count) {
        return true;
    }
    uint32_t wider = self->id_count == 0 ? 256 : self->id_count;
    while (wider <= file_id) {
        wider *= 2;
    }
    uint32_t *ids = realloc(self->ids, wider * sizeof *ids);
    if (ids == NULL) {
        return false;
    }
    memset(ids + self->id_count, 0, (wider - self->id_count) * sizeof *ids);
    self->ids = ids;
    self->id_count = wider;
    return true;
}

static etw_status keep_schema(void *context, const etw_schema_entry *entry, etw_error *error)
{
    reader *self = context;
    const etw_schema *kept = NULL;
    if (!reserve_id(self, entry->file_id)) {
        return no_memory(error);
    }
    const etw_status status = etw_schema_store_intern(self->store, entry->schema, &kept, error);
    if (status != ETW_OK) {
        return status;
    }
    if (kept->hash != entry->schema->hash) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "schema %u: wrong hash", entry->file_id);
    }
    if (self->ids[entry->file_id] == 0) {
        self->ids[entry->file_id] = kept->id;
    }
    return ETW_OK;
}

static etw_status keep_provider(void *context, const etw_guid *provider, const char *utf8_name,
                                etw_error *error)
{
    reader *self = context;
    return etw_schema_store_set_provider_name(self->store, provider, utf8_name, error);
}

static etw_status load_schemas(reader *self, etw_bytes body, etw_error *error)
{
    const etw_schemas_visitor visitor = {keep_schema, keep_provider, self};
    return etw_schemas_load(body, &visitor, error);
}

static etw_status load_losses(reader *self, etw_bytes body, uint32_t count, etw_error *error)
{
    etw_text_clear(&self->losses);
    etw_bytes_append(&self->losses, body.data, body.size);
    if (self->losses.failed) {
        return no_memory(error);
    }
    const etw_bytes kept = {(const uint8_t *)self->losses.data, self->losses.size};
    self->loss_cursor = etw_cursor_over(kept);
    self->losses_left = count;
    return ETW_OK;
}

/* ---- Damage ---- */

static void set_loss(reader *self, uint32_t cause, uint64_t events, uint64_t buffers,
                     uint64_t bytes)
{
    memset(&self->loss, 0, sizeof self->loss);
    self->loss.cause = cause;
    self->loss.events = events;
    self->loss.buffers = buffers;
    self->loss.bytes = bytes;
}

/* The block under scan cannot be used: what that loses, its header tells. */
static etw_status report_block(reader *self, const etw_scan_item *block, const char *why,
                               etw_item *item)
{
    const bool events = block->header.kind == ETW_BLOCK_EVENTS;
    set_loss(self, ETW_LOSS_DAMAGE, events ? block->header.count : 0, 1,
             ETW_BLOCK_HEADER_SIZE + (uint64_t)block->header.stored_size);
    self->loss.from_time_100ns = block->header.first_time_100ns;
    self->loss.to_time_100ns = block->header.last_time_100ns;
    etw_loss_set_detail(
        &self->loss, "%s block %llu at offset %llu: %s", etw_block_kind_name(block->header.kind),
        (unsigned long long)block->header.sequence, (unsigned long long)block->offset, why);
    self->counts.blocks_damaged++;
    item->kind = ETW_ITEM_LOSS;
    item->loss = &self->loss;
    return ETW_OK;
}

static bool find_entry(reader *self, uint64_t sequence, etw_index_entry *entry, uint32_t *refs);

/* Events of blocks that are missing altogether; the index may know. */
static void count_missing(reader *self, const etw_scan_item *gap)
{
    etw_index_entry entry;
    uint32_t refs;
    etw_loss *loss = &self->loss;
    loss->events = 0;
    for (uint64_t i = 0; i < gap->missing; i++) {
        if (!find_entry(self, gap->first_missing + i, &entry, &refs)) {
            loss->events = ETW_LOSS_COUNT_UNKNOWN;
            return;
        }
        if (entry.kind == ETW_BLOCK_EVENTS && entry.count > 0) {
            if (loss->events == 0 || entry.first_time_100ns < loss->from_time_100ns) {
                loss->from_time_100ns = entry.first_time_100ns;
            }
            if (loss->events == 0 || entry.last_time_100ns > loss->to_time_100ns) {
                loss->to_time_100ns = entry.last_time_100ns;
            }
            loss->events += entry.count;
        }
    }
}

static etw_status report_gap(reader *self, const etw_scan_item *gap, etw_item *item)
{
    set_loss(self, ETW_LOSS_DAMAGE, 0, gap->missing, gap->size);
    count_missing(self, gap);
    etw_loss_set_detail(
        &self->loss, "%llu bytes at offset %llu: %s; %llu blocks from number %llu on are missing",
        (unsigned long long)gap->size, (unsigned long long)gap->offset, gap->what,
        (unsigned long long)gap->missing, (unsigned long long)gap->first_missing);
    self->counts.blocks_damaged += gap->missing;
    item->kind = ETW_ITEM_LOSS;
    item->loss = &self->loss;
    return ETW_OK;
}

static etw_status report_truncated(reader *self, etw_item *item)
{
    const etw_scan *scan = &self->scan;
    const bool torn_events = scan->has_torn && scan->torn.kind == ETW_BLOCK_EVENTS;
    set_loss(self, ETW_LOSS_TRUNCATED, ETW_LOSS_COUNT_UNKNOWN, 0, scan->torn_bytes);
    if (torn_events) {
        self->loss.from_time_100ns = scan->torn.first_time_100ns;
        self->loss.to_time_100ns = scan->torn.last_time_100ns;
    }
    etw_loss_set_detail(
        &self->loss,
        "the file ends at offset %llu without its end block; %llu bytes of a cut-off "
        "block of %u events",
        (unsigned long long)(scan->end_offset + scan->torn_bytes),
        (unsigned long long)scan->torn_bytes, torn_events ? scan->torn.count : 0);
    item->kind = ETW_ITEM_LOSS;
    item->loss = &self->loss;
    return ETW_OK;
}

/* ---- Which blocks to read ---- */

static bool outside_time(const reader *self, int64_t first, int64_t last)
{
    return self->options.has_time_range &&
           (last < self->options.from_time_100ns || first > self->options.to_time_100ns);
}

static bool wants_provider(const reader *self, const etw_guid *provider)
{
    for (uint32_t i = 0; i < self->options.provider_count; i++) {
        if (etw_guid_equal(&self->providers[i], provider)) {
            return true;
        }
    }
    return self->options.provider_count == 0;
}

static bool entry_excluded(const reader *self, const etw_index_entry *entry, uint32_t first_ref)
{
    if (entry->kind != ETW_BLOCK_EVENTS) {
        return false;
    }
    if (outside_time(self, entry->first_time_100ns, entry->last_time_100ns)) {
        return true;
    }
    bool wanted = self->options.provider_count == 0 || entry->ref_count == ETW_INDEX_ANY_PROVIDER;
    for (uint32_t i = 0; !wanted && i < entry->ref_count; i++) {
        const etw_guid provider = etw_index_provider(&self->index.view, first_ref + i);
        wanted = wants_provider(self, &provider);
    }
    return !wanted;
}

static etw_status block_excluded(reader *self, const etw_scan_item *block, bool *excluded,
                                 etw_error *error)
{
    etw_events_head head;
    *excluded = outside_time(self, block->header.first_time_100ns, block->header.last_time_100ns);
    if (*excluded || self->options.provider_count == 0) {
        return ETW_OK;
    }
    const etw_status status = etw_scan_events_head(&self->scan, &head, error);
    bool wanted = status != ETW_OK;
    for (uint32_t i = 0; !wanted && i < head.provider_count; i++) {
        const etw_guid provider = etw_events_head_provider(&head, i).provider;
        wanted = wants_provider(self, &provider);
    }
    *excluded = !wanted;
    /* A broken head is found out when the body is read. */
    return status == ETW_ERROR_IO || status == ETW_ERROR_NO_MEMORY ? status : ETW_OK;
}

static bool load_index_block(reader *self, uint32_t number)
{
    etw_scan_item block;
    etw_bytes body;
    index_cursor *index = &self->index;
    index->loaded = false;
    if (etw_scan_at(&self->side, index->offsets[number], &block, NULL) != ETW_OK ||
        block.header.kind != ETW_BLOCK_INDEX || etw_scan_body(&self->side, &body, NULL) != ETW_OK) {
        return false;
    }
    etw_text_clear(&index->body);
    etw_bytes_append(&index->body, body.data, body.size);
    if (index->body.failed) {
        return false;
    }
    const etw_bytes kept = {(const uint8_t *)index->body.data, index->body.size};
    index->loaded = etw_index_load(kept, &index->view, NULL) == ETW_OK;
    return index->loaded;
}

/* The entry of the block with that number; *refs: its first provider reference. Numbers are asked
 * for in growing order, mostly. */
static bool find_entry(reader *self, uint64_t sequence, etw_index_entry *entry, uint32_t *refs)
{
    index_cursor *index = &self->index;
    while (index->count > 0) {
        if (index->loaded && sequence >= index->view.first_sequence &&
            sequence - index->view.first_sequence < index->view.entry_count) {
            const uint32_t at = (uint32_t)(sequence - index->view.first_sequence);
            *refs = 0;
            for (uint32_t i = 0; i < at; i++) {
                const uint32_t count = etw_index_entry_at(&index->view, i).ref_count;
                *refs += count == ETW_INDEX_ANY_PROVIDER ? 0 : count;
            }
            *entry = etw_index_entry_at(&index->view, at);
            return true;
        }
        if (index->loaded && sequence < index->view.first_sequence) {
            return false;
        }
        if (index->next == index->count || !load_index_block(self, index->next++)) {
            return false;
        }
    }
    return false;
}

/* Passes over blocks that the index says hold nothing wanted. */
static void skip_by_index(reader *self)
{
    const bool filtered = self->options.has_time_range || self->options.provider_count > 0;
    etw_index_entry entry;
    uint32_t refs;
    etw_scan *scan = &self->scan;
    if (!filtered || scan->has_current) {
        return;
    }
    while (find_entry(self, scan->next_sequence, &entry, &refs) && entry.offset == scan->position &&
           entry_excluded(self, &entry, refs)) {
        const uint64_t size = ETW_BLOCK_HEADER_SIZE + (uint64_t)entry.stored_size;
        etw_scan_jump(scan, entry.offset + size, scan->next_sequence + 1);
        self->counts.blocks_skipped++;
    }
}

/* ---- Reading on ---- */

/* A trace whose block is lost may have its copy at the end of the file. */
static void search_traces(reader *self)
{
    etw_scan_item block;
    etw_bytes body;
    if (self->searched_traces || !self->seekable) {
        return;
    }
    self->searched_traces = true;
    etw_scan_jump(&self->side, ETW_HEAD_SIZE, 0);
    while (etw_scan_next(&self->side, &block, NULL) == ETW_OK) {
        if (block.kind == ETW_SCAN_BLOCK && block.header.kind == ETW_BLOCK_TRACE &&
            etw_scan_body(&self->side, &body, NULL) == ETW_OK) {
            (void)load_trace(self, body, NULL);
        }
    }
}

/* Events name traces by number: each must be there, if only as a place holder without a clock. */
static etw_status ensure_trace(reader *self, uint16_t trace_index, etw_error *error)
{
    if (trace_index >= ETW_MAX_TRACES) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "trace %u is above the limit", trace_index);
    }
    if (self->traces[trace_index] == NULL) {
        search_traces(self);
    }
    if (self->traces[trace_index] == NULL) {
        return keep_trace(self, trace_index, &unknown_trace, error);
    }
    return ETW_OK;
}

static etw_status check_events_head(reader *self, const etw_scan_item *block, etw_bytes body,
                                    etw_error *error)
{
    etw_events_head head;
    const etw_bytes bytes = {body.data, block->header.head_size};
    etw_status status = etw_events_head_load(bytes, block->header.count, &head, error);
    for (uint32_t i = 0; status == ETW_OK && i < head.trace_count; i++) {
        status = ensure_trace(self, etw_events_head_trace(&head, i).trace_index, error);
    }
    if (status == ETW_OK && !self->seekable) {
        etw_totals_add(&self->totals, &block->header, bytes, &self->counted);
    }
    return status;
}

static etw_status decode_events(reader *self, const etw_scan_item *block, etw_bytes body,
                                etw_error *error)
{
    uint32_t count = 0;
    const uint32_t head_size = block->header.head_size;
    const uint32_t parts = self->options.headers_only ? 0 : ETW_DECODE_ALL;
    etw_status status = check_events_head(self, block, body, error);
    if (status != ETW_OK) {
        return status;
    }
    if (self->options.exchange != NULL) {
        etw_decoder *next = self->options.exchange(self->options.exchange_context, self->decoder);
        if (next == NULL) {
            return no_memory(error);
        }
        self->decoder = next;
    }
    const etw_bytes coded = {body.data + head_size, body.size - head_size};
    status = etw_decoder_decode(self->decoder, coded, parts, &count, error);
    if (status == ETW_OK && count != block->header.count) {
        status = etw_error_set(error, ETW_ERROR_DAMAGED, "%u events instead of %u", count,
                               block->header.count);
    }
    if (status == ETW_OK) {
        self->event_count = count;
        self->event_next = 0;
    }
    return status;
}

static etw_status use_body(reader *self, const etw_scan_item *block, etw_bytes body,
                           etw_error *error)
{
    const uint16_t kind = block->header.kind;
    switch (kind) {
    case ETW_BLOCK_FILE_INFO:
        return etw_file_info_get(body, "application", self->application, sizeof self->application,
                                 error);
    case ETW_BLOCK_TRACE:
        return load_trace(self, body, error);
    case ETW_BLOCK_SCHEMAS:
        return self->schemas_loaded ? ETW_OK : load_schemas(self, body, error);
    case ETW_BLOCK_EVENTS:
        return decode_events(self, block, body, error);
    case ETW_BLOCK_LOSS:
        return load_losses(self, body, block->header.count, error);
    case ETW_BLOCK_INDEX:
    case ETW_BLOCK_SUMMARY:
        return ETW_OK;
    default:
        return self->options.block == NULL
                   ? ETW_OK
                   : self->options.block(self->options.block_context, kind, body, error);
    }
}

/* Failures that say something about the block, not about the machine. */
static bool is_damage(etw_status status)
{
    return status == ETW_ERROR_DAMAGED || status == ETW_ERROR_UNSUPPORTED ||
           status == ETW_ERROR_LIMIT;
}

/* *reported: item is a loss. */
static etw_status read_block(reader *self, const etw_scan_item *block, etw_item *item,
                             bool *reported, etw_error *error)
{
    etw_bytes body;
    etw_error local = {ETW_OK, 0, ""};
    bool excluded = false;
    etw_status status = ETW_OK;
    if (block->header.kind == ETW_BLOCK_EVENTS) {
        status = block_excluded(self, block, &excluded, &local);
    }
    if (excluded) {
        self->counts.blocks_skipped++;
        return ETW_OK;
    }
    if (status == ETW_OK) {
        status = etw_scan_body(&self->scan, &body, &local);
    }
    if (status == ETW_OK) {
        self->counts.blocks_read++;
        status = use_body(self, block, body, &local);
        if (status == ETW_OK && !self->seekable && block->header.kind != ETW_BLOCK_EVENTS) {
            etw_totals_add(&self->totals, &block->header, (etw_bytes){NULL, 0}, NULL);
        }
    }
    if (is_damage(status)) {
        *reported = true;
        return report_block(self, block, local.message, item);
    }
    if (status != ETW_OK && error != NULL) {
        *error = local;
        (void)etw_error_wrap(error, status, "offset %llu", (unsigned long long)block->offset);
    }
    return status;
}

/* Delivers the next event of the block, or reports that the block is not what its head says. */
static etw_status next_event(reader *self, etw_item *item, etw_error *error)
{
    etw_decoder_item(self->decoder, self->event_next++, item);
    const uint32_t id = item->schema_id;
    item->schema_id = id < self->id_count ? self->ids[id] : 0;
    return ensure_trace(self, item->trace_index, error);
}

static etw_status next_loss(reader *self, etw_item *item, etw_error *error)
{
    bool own;
    const etw_status status = etw_loss_load(&self->loss_cursor, &self->loss, &own, error);
    self->losses_left--;
    if (status != ETW_OK) {
        self->losses_left = 0;
        set_loss(self, ETW_LOSS_DAMAGE, ETW_LOSS_COUNT_UNKNOWN, 1, 0);
        etw_loss_set_detail(&self->loss, "a loss block ends inside an entry");
    } else if (!self->seekable) {
        etw_totals_add_loss(&self->totals, self->loss.cause, self->loss.events);
    }
    item->kind = ETW_ITEM_LOSS;
    item->trace_index = self->loss.trace_index;
    item->loss = &self->loss;
    return ETW_OK;
}

static etw_status next_block(reader *self, etw_scan_item *block, etw_error *error)
{
    if (self->has_pending) {
        self->has_pending = false;
        *block = self->pending;
        return ETW_OK;
    }
    skip_by_index(self);
    return etw_scan_next(&self->scan, block, error);
}

static etw_status at_end(reader *self, etw_item *item)
{
    const bool complete = self->scan.complete;
    self->complete = self->complete || complete;
    if (self->options.follow && !complete) {
        return ETW_END;
    }
    self->ended = true;
    return complete ? ETW_END : report_truncated(self, item);
}

static etw_status reader_next(etw_source *source, etw_item *item, etw_error *error)
{
    reader *self = reader_of(source);
    memset(item, 0, sizeof *item);
    for (;;) {
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
        etw_scan_item block;
        bool reported = false;
        etw_status status = next_block(self, &block, error);
        if (status == ETW_END) {
            return at_end(self, item);
        }
        if (status == ETW_OK && block.kind == ETW_SCAN_GAP) {
            return report_gap(self, &block, item);
        }
        if (status == ETW_OK) {
            status = read_block(self, &block, item, &reported, error);
        }
        if (status != ETW_OK || reported) {
            return status;
        }
    }
}

static const etw_trace *reader_trace(const etw_source *source, uint16_t trace_index)
{
    const reader *self = const_reader_of(source);
    if (trace_index >= self->trace_count) {
        return NULL;
    }
    /* Blocks of others may be lost, or never have been there. */
    return self->traces[trace_index] != NULL ? self->traces[trace_index] : &unknown_trace;
}

static uint16_t reader_trace_count(const etw_source *source)
{
    return const_reader_of(source)->trace_count;
}

static void reader_close(etw_source *source)
{
    reader *self = reader_of(source);
    if (self->owns_file) {
        (void)self->os->close(self->os->context, self->file);
    }
    for (uint32_t i = 0; i < ETW_MAX_TRACES; i++) {
        free(self->traces[i]);
    }
    etw_scan_free(&self->scan);
    etw_scan_free(&self->side);
    etw_decoder_free(self->decoder);
    etw_schema_store_free(self->store);
    etw_text_free(&self->losses);
    etw_text_free(&self->index.body);
    etw_guid_table_free(&self->counted);
    free(self->index.offsets);
    free(self->counted_names);
    free(self->providers);
    free(self->ids);
    free(self);
}

/* ---- Opening ---- */

static const etw_source_ops reader_ops = {reader_next, reader_trace, reader_trace_count,
                                          reader_close};

static etw_status allocate(reader *self, etw_error *error)
{
    self->decoder = etw_decoder_new();
    self->store = etw_schema_store_new();
    const uint32_t count = self->options.provider_count;
    if (count > 0) {
        self->providers = malloc(count * sizeof *self->providers);
        if (self->providers == NULL) {
            return no_memory(error);
        }
        memcpy(self->providers, self->options.providers, count * sizeof *self->providers);
    }
    return self->decoder == NULL || self->store == NULL ? no_memory(error) : ETW_OK;
}

static etw_status read_head(reader *self, etw_error *error)
{
    const uint8_t *head;
    size_t got = 0;
    etw_status status = etw_input_need(&self->scan.input, 0, ETW_HEAD_SIZE, ETW_BLOCK_HEADER_SIZE,
                                       &head, &got, error);
    if (status != ETW_OK) {
        return status;
    }
    status = etw_head_load(head, got, &self->version_major, &self->version_minor, error);
    self->cut_head = status == ETW_END;
    self->scan.end_offset = self->cut_head ? got : 0;
    return status == ETW_END ? ETW_OK : status;
}

/* File info and traces stand at the start: consumers may ask for them before the first event. */
static etw_status read_start(reader *self, etw_error *error)
{
    etw_item item;
    while (!self->cut_head && !self->has_pending) {
        bool reported = false;
        etw_status status = etw_scan_next(&self->scan, &self->pending, error);
        if (status != ETW_OK) {
            /* The end is met again by the first next. */
            return status == ETW_END ? ETW_OK : status;
        }
        const uint16_t kind = self->pending.header.kind;
        self->has_pending = self->pending.kind == ETW_SCAN_GAP ||
                            (kind != ETW_BLOCK_FILE_INFO && kind != ETW_BLOCK_TRACE);
        if (!self->has_pending) {
            const etw_scan_item block = self->pending;
            status = read_block(self, &block, &item, &reported, error);
            if (status != ETW_OK) {
                return status;
            }
            /* A broken block is reported in its place: by being read again. */
            self->has_pending = reported;
            self->counts.blocks_damaged -= reported ? 1 : 0;
        }
    }
    return ETW_OK;
}

static etw_status keep_counted(reader *self, etw_summary_view *view, etw_error *error)
{
    self->counted_names = calloc((size_t)view->provider_count + 1, sizeof *self->counted_names);
    if (self->counted_names == NULL) {
        return no_memory(error);
    }
    for (uint32_t i = 0; i < view->provider_count; i++) {
        counted_provider *to = &self->counted_names[i];
        const etw_status status =
            etw_summary_next_provider(view, &to->provider, &to->events, to->name, error);
        if (status != ETW_OK) {
            return status;
        }
    }
    self->counted_count = view->provider_count;
    return ETW_OK;
}

/* The tail names the summary; false where there is none, or it is broken: then the file is scanned.
 */
static bool read_summary(reader *self)
{
    etw_scan_item block;
    etw_bytes body;
    etw_end end;
    etw_summary_view view;
    const uint64_t tail = self->file_bytes - ETW_TAIL_SIZE;
    if (self->file_bytes < ETW_HEAD_SIZE + ETW_TAIL_SIZE ||
        etw_scan_at(&self->side, tail, &block, NULL) != ETW_OK ||
        block.header.kind != ETW_BLOCK_END || etw_scan_body(&self->side, &body, NULL) != ETW_OK ||
        etw_end_load(body, &end, NULL) != ETW_OK || end.file_size != self->file_bytes) {
        return false;
    }
    self->complete = true;
    if (etw_scan_at(&self->side, end.summary_offset, &block, NULL) != ETW_OK ||
        block.header.kind != ETW_BLOCK_SUMMARY ||
        etw_scan_body(&self->side, &body, NULL) != ETW_OK ||
        etw_summary_load(body, &view, NULL) != ETW_OK ||
        keep_counted(self, &view, NULL) != ETW_OK) {
        return false;
    }
    self->totals = view.totals;
    return true;
}

/* Index blocks form a chain from the last to the first. */
static bool find_index_blocks(reader *self)
{
    etw_scan_item block;
    etw_bytes body;
    etw_index_view view;
    const uint32_t count = self->totals.index_blocks;
    uint64_t offset = self->totals.last_index_offset;
    if (count == 0 || count > self->file_bytes / ETW_BLOCK_HEADER_SIZE) {
        return false;
    }
    self->index.offsets = malloc(count * sizeof *self->index.offsets);
    if (self->index.offsets == NULL) {
        return false;
    }
    for (uint32_t left = count; left > 0; left--) {
        self->index.offsets[left - 1] = offset;
        if (etw_scan_at(&self->side, offset, &block, NULL) != ETW_OK ||
            block.header.kind != ETW_BLOCK_INDEX ||
            etw_scan_body(&self->side, &body, NULL) != ETW_OK ||
            etw_index_load(body, &view, NULL) != ETW_OK || view.previous_offset >= offset) {
            return false;
        }
        offset = view.previous_offset;
    }
    self->index.count = count;
    return offset == 0;
}

static bool load_by_entry(reader *self, const etw_index_entry *entry)
{
    etw_scan_item block;
    etw_bytes body;
    return etw_scan_at(&self->side, entry->offset, &block, NULL) == ETW_OK &&
           block.header.kind == ETW_BLOCK_SCHEMAS &&
           etw_scan_body(&self->side, &body, NULL) == ETW_OK &&
           load_schemas(self, body, NULL) == ETW_OK;
}

/* All schemas at once: consumers see the whole of them from the first event on. */
static bool load_all_schemas(reader *self)
{
    bool good = true;
    for (uint32_t i = 0; i < self->index.count && good; i++) {
        good = load_index_block(self, i);
        for (uint32_t e = 0; good && e < self->index.view.entry_count; e++) {
            const etw_index_entry entry = etw_index_entry_at(&self->index.view, e);
            if (entry.kind == ETW_BLOCK_SCHEMAS) {
                /* A broken one is reported in its place. */
                self->schemas_loaded = load_by_entry(self, &entry) && self->schemas_loaded;
            }
        }
    }
    self->index.loaded = false;
    self->index.next = 0;
    return good;
}

static void use_index(reader *self)
{
    if (!self->seekable || self->options.ignore_index || self->cut_head) {
        return;
    }
    self->has_summary = read_summary(self);
    if (!self->has_summary) {
        memset(&self->totals, 0, sizeof self->totals);
        return;
    }
    if (!self->options.summary_only) {
        self->schemas_loaded = true;
        if (!find_index_blocks(self) || !load_all_schemas(self)) {
            self->schemas_loaded = false;
            self->index.count = 0;
        }
    }
}

/* Only where no summary tells the counts: the table is not small. */
static etw_status start_counting(reader *self, etw_error *error)
{
    etw_guid_table_free(&self->counted);
    return etw_guid_table_init(&self->counted, ETW_MAX_COUNTED_PROVIDERS) ? ETW_OK
                                                                          : no_memory(error);
}

static etw_status open_file(reader *self, const char *path, etw_error *error)
{
    if (strcmp(path, "-") == 0) {
        self->file = ETW_FILE_STDIN;
    } else {
        self->file = self->os->open(self->os->context, path, ETW_OPEN_READ);
        if (self->file < 0) {
            return etw_error_set_os(error, -self->file, "cannot open");
        }
        self->owns_file = true;
    }
    const int64_t size = self->os->size(self->os->context, self->file);
    self->seekable = size >= 0;
    self->file_bytes = size >= 0 ? (uint64_t)size : 0;
    etw_scan_init(&self->scan, self->os, self->file, self->seekable);
    etw_scan_init(&self->side, self->os, self->file, self->seekable);
    self->scan.follow = self->options.follow;
    return self->seekable ? ETW_OK : start_counting(self, error);
}

etw_status etw_reader_open(const etw_os *os, const char *path, const etw_reader_options *options,
                           etw_source **source, etw_error *error)
{
    reader *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return no_memory(error);
    }
    self->source.ops = &reader_ops;
    self->os = os;
    if (options != NULL) {
        self->options = *options;
    }
    etw_status status = allocate(self, error);
    if (status == ETW_OK) {
        status = open_file(self, path, error);
    }
    if (status == ETW_OK) {
        status = read_head(self, error);
    }
    if (status == ETW_OK) {
        use_index(self);
        status = read_start(self, error);
    }
    if (status != ETW_OK) {
        reader_close(&self->source);
        return etw_error_wrap(error, status, "%s", path);
    }
    *source = &self->source;
    return ETW_OK;
}

/* ---- Asking ---- */

const etw_schema *etw_reader_schema_of_file(const etw_source *source, uint32_t file_id)
{
    const reader *self = (const reader *)(const void *)source;
    return file_id < self->id_count ? etw_schema_store_get(self->store, self->ids[file_id]) : NULL;
}

const etw_schema_store *etw_reader_schemas(const etw_source *source)
{
    return const_reader_of(source)->store;
}

void etw_reader_get_counts(const etw_source *source, etw_reader_counts *counts)
{
    const reader *self = const_reader_of(source);
    *counts = self->counts;
    counts->bytes_read = self->scan.input.bytes_read + self->side.input.bytes_read;
}

/* What a scan of block headers tells; losses are read for their counts. */
static etw_status scan_totals(reader *self, etw_error *error)
{
    etw_scan_item block;
    etw_bytes body;
    etw_events_head head;
    etw_status status = ETW_OK;
    uint64_t own = 0;
    etw_scan *scan = &self->side;
    memset(&self->totals, 0, sizeof self->totals);
    status = start_counting(self, error);
    if (status != ETW_OK) {
        return status;
    }
    etw_scan_jump(scan, ETW_HEAD_SIZE, 0);
    while ((status = etw_scan_next(scan, &block, error)) == ETW_OK) {
        if (block.kind == ETW_SCAN_GAP) {
            self->totals.loss_records++; /* that reading will tell */
            self->totals.lost_unknown = self->totals.lost_unknown || block.missing > 0;
            continue;
        }
        if (block.header.kind == ETW_BLOCK_SUMMARY) {
            continue;
        }
        etw_bytes plain_head = {NULL, 0};
        if (block.header.kind == ETW_BLOCK_EVENTS &&
            etw_scan_events_head(scan, &head, NULL) == ETW_OK) {
            plain_head = head.bytes;
        }
        etw_totals_add(&self->totals, &block.header, plain_head, &self->counted);
        if (block.header.kind == ETW_BLOCK_LOSS && etw_scan_body(scan, &body, NULL) == ETW_OK) {
            etw_cursor cursor = etw_cursor_over(body);
            etw_loss loss;
            bool is_own;
            for (uint32_t i = 0; i < block.header.count; i++) {
                if (etw_loss_load(&cursor, &loss, &is_own, NULL) != ETW_OK) {
                    break;
                }
                etw_totals_add_loss(&self->totals, loss.cause, loss.events);
                own += is_own ? loss.events : 0;
            }
        }
    }
    self->totals.dropped = own;
    self->totals.received = self->totals.events + own;
    self->complete = scan->complete;
    return status == ETW_END ? ETW_OK : status;
}

static etw_status keep_scanned(reader *self, etw_error *error)
{
    const etw_guid_table *counted = &self->counted;
    free(self->counted_names);
    self->counted_count = 0;
    self->counted_names = calloc((size_t)counted->count + 1, sizeof *self->counted_names);
    if (self->counted_names == NULL) {
        return no_memory(error);
    }
    for (uint32_t i = 0; i < counted->count; i++) {
        counted_provider *to = &self->counted_names[i];
        const char *name = etw_schema_store_provider_name(self->store, &counted->guids[i]);
        to->provider = counted->guids[i];
        to->events = counted->counts[i];
        (void)snprintf(to->name, sizeof to->name, "%s", name == NULL ? "" : name);
    }
    self->counted_count = counted->count;
    return ETW_OK;
}

static void fill_summary(const reader *self, etw_file_summary *summary)
{
    const etw_totals *totals = &self->totals;
    *summary = (etw_file_summary){.complete = self->complete,
                                  .has_index = self->has_summary,
                                  .version_major = self->version_major,
                                  .version_minor = self->version_minor,
                                  .file_bytes = self->file_bytes,
                                  .events = totals->events,
                                  .received = totals->received,
                                  .dropped = totals->dropped,
                                  .event_blocks = totals->event_blocks,
                                  .schema_blocks = totals->schema_blocks,
                                  .loss_records = totals->loss_records,
                                  .lost_events = totals->lost_events,
                                  .lost_unknown = totals->lost_unknown,
                                  .first_time_100ns = totals->first_time_100ns,
                                  .last_time_100ns = totals->last_time_100ns,
                                  .blocks = totals->blocks,
                                  .schemas = totals->schemas,
                                  .raw_bytes = totals->raw_bytes,
                                  .stored_bytes = totals->stored_bytes,
                                  .provider_count = self->counted_count,
                                  .providers_cut = totals->providers_cut};
    (void)snprintf(summary->application, sizeof summary->application, "%s", self->application);
}

etw_status etw_reader_summary(etw_source *source, etw_file_summary *summary, etw_error *error)
{
    reader *self = reader_of(source);
    etw_status status = ETW_OK;
    if (!self->has_summary) {
        if (self->seekable && !self->cut_head) {
            status = scan_totals(self, error);
        } else {
            self->file_bytes = self->scan.input.bytes_read;
        }
        if (status == ETW_OK) {
            status = keep_scanned(self, error);
        }
    }
    if (status == ETW_OK) {
        fill_summary(self, summary);
    }
    return status;
}

bool etw_reader_provider(const etw_source *source, uint32_t index, etw_guid *provider,
                         uint64_t *events, const char **name)
{
    const reader *self = const_reader_of(source);
    if (index >= self->counted_count) {
        return false;
    }
    *provider = self->counted_names[index].provider;
    *events = self->counted_names[index].events;
    *name = self->counted_names[index].name;
    return true;
}
