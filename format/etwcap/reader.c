#include "format/etwcap/reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "format/etwcap/block_filter.h"
#include "format/etwcap/block_offer.h"
#include "format/etwcap/damage.h"
#include "format/etwcap/events_block.h"
#include "format/etwcap/file_counts.h"
#include "format/etwcap/file_schemas.h"
#include "format/etwcap/index_chain.h"
#include "format/etwcap/scan.h"
#include "format/etwcap/trace_table.h"
#include "format/etwcap/unfold.h"

typedef struct reader {
    etw_source source;
    const etw_os *os;
    int file;
    bool owns_file;
    bool seekable;
    bool cut_head; /* the file ends inside its head */
    etw_reader_options options;
    etw_block_filter filter;
    uint64_t file_bytes;
    etw_unfolded unfolded; /* of a folded file, which scan and side then read */
    etw_scan scan;
    etw_scan side; /* for blocks out of order: summary, index, schemas */
    etw_index_chain index;
    etw_file_schemas schemas;
    bool schemas_loaded; /* all of them, by the index */
    etw_trace_table traces;
    etw_decoder *decoder;
    uint32_t event_count, event_next; /* of the block in decoder */
    uint64_t first_number;            /* of its events in the file */
    uint64_t numbered;                /* events of all blocks met so far */
    etw_block_offer offer;
    etw_buffer losses;      /* a loss block's body ... */
    etw_cursor loss_cursor; /* ... and where in it */
    uint32_t losses_left;
    etw_loss loss;
    bool has_pending; /* pending was met while opening */
    etw_scan_item pending;
    bool ended;
    uint32_t version_major, version_minor;
    /* Pairs of the file info, of one size: */
    char application[256], redacted[256], builds[256];
    etw_file_counts held; /* what the file holds in all */
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

/* ---- Damage ---- */

static etw_status deliver_loss(reader *self, etw_item *item)
{
    item->kind = ETW_ITEM_LOSS;
    item->trace_index = self->loss.trace_index;
    item->loss = &self->loss;
    return ETW_OK;
}

static etw_status report_block(reader *self, const etw_scan_item *block, const etw_error *failure,
                               etw_item *item)
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
static void count_missing(reader *self, const etw_scan_item *gap)
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

static etw_status report_gap(reader *self, const etw_scan_item *gap, etw_item *item)
{
    etw_damage_of_gap(gap, &self->loss);
    count_missing(self, gap);
    self->counts.blocks_damaged += gap->missing;
    self->numbered += self->loss.events == ETW_LOSS_COUNT_UNKNOWN ? 0 : self->loss.events;
    return deliver_loss(self, item);
}

static etw_status report_truncated(reader *self, etw_item *item)
{
    etw_damage_of_end(&self->scan, &self->loss);
    return deliver_loss(self, item);
}

/* ---- What blocks hold ---- */

static etw_status ensure_trace(reader *self, uint16_t trace_index, etw_error *error)
{
    return etw_trace_table_ensure(&self->traces, trace_index, self->seekable ? &self->side : NULL,
                                  error);
}

static etw_status load_losses(reader *self, etw_bytes body, uint32_t count, etw_error *error)
{
    etw_buffer_clear(&self->losses);
    etw_buffer_append(&self->losses, body.data, body.size);
    if (self->losses.failed) {
        return no_memory(error);
    }
    const etw_bytes kept = etw_buffer_bytes(&self->losses);
    self->loss_cursor = etw_cursor_over(kept);
    self->losses_left = count;
    return ETW_OK;
}

static etw_status check_events_head(reader *self, const etw_scan_item *block, etw_bytes body,
                                    etw_error *error)
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
static etw_status offer_block(reader *self, const etw_scan_item *block, etw_bytes body, bool *taken,
                              etw_error *error)
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
    reader *self = reader_of(source);
    self->offer.take = take;
    self->offer.context = context;
}

static etw_status decode_events(reader *self, const etw_scan_item *block, etw_bytes body,
                                etw_error *error)
{
    const uint32_t parts = self->options.headers_only ? 0 : ETW_DECODE_ALL;
    etw_status status = check_events_head(self, block, body, error);
    if (status != ETW_OK) {
        return status;
    }
    if (self->decoder == NULL) {
        self->decoder = etw_decoder_new();
    }
    if (self->decoder == NULL) {
        return no_memory(error);
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
            return no_memory(error);
        }
        self->decoder = next;
    }
    etw_decoder_choose(self->decoder, &(etw_kind_choice){self->options.wants_kind,
                                                         self->options.wants_kind_context,
                                                         self->options.bare_events});
    status = etw_events_block_decode(self->decoder, &block->header, body, parts, error);
    if (status == ETW_OK) {
        self->event_count = block->header.count;
        self->event_next = 0;
    }
    return status;
}

static etw_status use_file_info(reader *self, etw_bytes body, etw_error *error)
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

static etw_status use_body(reader *self, const etw_scan_item *block, etw_bytes body,
                           etw_error *error)
{
    const uint16_t kind = block->header.kind;
    switch (kind) {
    case ETW_BLOCK_FILE_INFO:
        return use_file_info(self, body, error);
    case ETW_BLOCK_TRACE:
        return etw_trace_table_load(&self->traces, body, error);
    case ETW_BLOCK_SCHEMAS:
        return self->schemas_loaded ? ETW_OK : etw_file_schemas_load(&self->schemas, body, error);
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

static bool wants_range(const reader *self, uint32_t count, int64_t first_time_100ns,
                        int64_t last_time_100ns)
{
    const etw_block_range range = {self->numbered, count, first_time_100ns, last_time_100ns};
    return self->options.wants == NULL || self->options.wants(self->options.wants_context, &range);
}

/* Whether the block can be passed over; else its events have their numbers. */
static etw_status look_at_events(reader *self, const etw_scan_item *block, bool *excluded,
                                 etw_error *error)
{
    const etw_block_header *header = &block->header;
    etw_status status = ETW_OK;
    *excluded =
        !wants_range(self, header->count, header->first_time_100ns, header->last_time_100ns);
    if (!*excluded) {
        status = etw_block_filter_look(&self->filter, &self->scan, block, excluded, error);
    }
    self->first_number = self->numbered;
    self->numbered += header->count;
    return status;
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
        status = look_at_events(self, block, &excluded, &local);
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
            etw_file_counts_add(&self->held, &block->header, (etw_bytes){NULL, 0});
        }
    }
    if (etw_scan_is_damage(status)) {
        *reported = true;
        local.status = status; /* whoever takes blocks may have said nothing */
        return report_block(self, block, &local, item);
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
    item->schema_id = etw_file_schemas_id(&self->schemas, item->schema_id);
    return ensure_trace(self, item->trace_index, error);
}

static etw_status next_loss(reader *self, etw_item *item, etw_error *error)
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

static bool is_excluded(const reader *self, const etw_index_entry *entry, uint32_t first_ref)
{
    return entry->kind == ETW_BLOCK_EVENTS &&
           (!wants_range(self, entry->count, entry->first_time_100ns, entry->last_time_100ns) ||
            etw_block_filter_excludes_entry(&self->filter, &self->index.view, entry, first_ref));
}

/* Passes over blocks that the index says hold nothing wanted. */
static void skip_by_index(reader *self)
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

static etw_status next_block(reader *self, etw_scan_item *block, etw_error *error)
{
    if (self->event_count > 0 && self->options.drained != NULL) {
        self->options.drained(self->options.exchange_context);
    }
    self->event_count = self->event_next = 0;
    if (self->has_pending) {
        self->has_pending = false;
        *block = self->pending;
        return ETW_OK;
    }
    skip_by_index(self);
    return etw_scan_next(&self->scan, block, error);
}

/* What only reading events needs: a merge has many readers that are at their end. */
static void release(reader *self)
{
    if (self->seekable && self->options.exchange == NULL) {
        etw_scan_release(&self->scan);
        etw_scan_release(&self->side);
        etw_decoder_free(self->decoder);
        self->decoder = NULL;
    }
}

static etw_status at_end(reader *self, etw_item *item)
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
static void pass_unwanted(reader *self)
{
    while (self->event_next < self->event_count &&
           !etw_decoder_has(self->decoder, self->event_next)) {
        self->event_next++;
        self->counts.events_passed++;
    }
}

static etw_status reader_next(etw_source *source, etw_item *item, etw_error *error)
{
    reader *self = reader_of(source);
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
        etw_scan_item block;
        bool reported = false;
        etw_status status = next_block(self, &block, error);
        if (self->side.out_of_memory) {
            return no_memory(error);
        }
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
    return etw_trace_table_get(&const_reader_of(source)->traces, trace_index);
}

static uint16_t reader_trace_count(const etw_source *source)
{
    return const_reader_of(source)->traces.count;
}

static void reader_close(etw_source *source)
{
    reader *self = reader_of(source);
    if (self->owns_file) {
        (void)self->os->close(self->os->context, self->file);
    }
    etw_trace_table_free(&self->traces);
    etw_index_chain_free(&self->index);
    etw_scan_free(&self->scan);
    etw_scan_free(&self->side);
    etw_unfolded_free(&self->unfolded);
    etw_decoder_free(self->decoder);
    etw_file_schemas_free(&self->schemas);
    etw_block_offer_free(&self->offer);
    etw_buffer_free(&self->losses);
    etw_file_counts_free(&self->held);
    etw_block_filter_free(&self->filter);
    free(self);
}

/* ---- Opening ---- */

static const etw_source_ops reader_ops = {reader_next, reader_trace, reader_trace_count,
                                          reader_close};

static etw_status allocate(reader *self, etw_error *error)
{
    const etw_reader_options *options = &self->options;
    self->filter = (etw_block_filter){.has_time_range = options->has_time_range,
                                      .from_time_100ns = options->from_time_100ns,
                                      .to_time_100ns = options->to_time_100ns};
    return etw_file_schemas_init(&self->schemas) &&
                   etw_block_filter_set_providers(&self->filter, options->providers,
                                                  options->provider_count)
               ? ETW_OK
               : no_memory(error);
}

/* A folded file is there as a whole: nobody follows it while it grows. */
static etw_status unfold(reader *self, etw_error *error)
{
    const etw_status status = etw_unfold(&self->scan.input, &self->unfolded, error);
    if (status == ETW_OK) {
        const etw_bytes image = etw_buffer_bytes(&self->unfolded.image);
        etw_input_use_image(&self->side.input, image);
        self->file_bytes = image.size;
        self->seekable = true;
        self->scan.follow = false;
        self->options.follow = false;
    }
    return status;
}

static etw_status read_head(reader *self, etw_error *error)
{
    etw_bytes head = {0};
    etw_status status =
        etw_input_need(&self->scan.input, 0, ETW_HEAD_SIZE, ETW_BLOCK_HEADER_SIZE, &head, error);
    if (status != ETW_OK) {
        return status;
    }
    status = etw_head_load(head, &self->version_major, &self->version_minor, error);
    self->cut_head = status == ETW_END;
    self->scan.end_offset = self->cut_head ? head.size : 0;
    if (status == ETW_OK && self->version_major == ETW_FORMAT_FOLDED) {
        return unfold(self, error);
    }
    return status == ETW_END ? ETW_OK : status;
}

/* What may stand before the first event: a live recording's list of processes is there before the
 * session has begun. */
static bool is_of_start(uint16_t kind)
{
    return kind == ETW_BLOCK_FILE_INFO || kind == ETW_BLOCK_TRACE || kind == ETW_BLOCK_RUNDOWN;
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
        self->has_pending =
            self->pending.kind == ETW_SCAN_GAP || !is_of_start(self->pending.header.kind);
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

/* A broken block is reported in its place, by being read again: only then are all not loaded. */
static void load_by_entry(void *context, const etw_index_entry *entry)
{
    reader *self = context;
    etw_scan_item block;
    etw_bytes body;
    if (entry->kind != ETW_BLOCK_SCHEMAS) {
        return;
    }
    if (etw_scan_at(&self->side, entry->offset, &block, NULL) != ETW_OK ||
        block.header.kind != ETW_BLOCK_SCHEMAS ||
        etw_scan_body(&self->side, &body, NULL) != ETW_OK) {
        self->schemas_loaded = false;
        return;
    }
    const etw_status status = etw_file_schemas_load(&self->schemas, body, NULL);
    self->schemas_loaded = self->schemas_loaded && status == ETW_OK;
    self->side.out_of_memory = self->side.out_of_memory || status == ETW_ERROR_NO_MEMORY;
}

/* Summary and index, with all schemas at once: consumers see the whole of them from the first event
 * on. */
static void use_index(reader *self)
{
    if (!self->seekable || self->options.ignore_index || self->cut_head ||
        !etw_file_counts_load(&self->held, &self->side, self->file_bytes) ||
        self->options.summary_only) {
        return;
    }
    self->schemas_loaded = true;
    if (!etw_index_chain_open(&self->index, &self->side, &self->held.totals, self->file_bytes) ||
        !etw_index_chain_each(&self->index, load_by_entry, self)) {
        self->schemas_loaded = false;
    }
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
    return self->seekable ? ETW_OK : etw_file_counts_start(&self->held, error);
}

etw_status etw_reader_open(const etw_os *os, const char *path, const etw_reader_options *options,
                           etw_source **source, etw_error *error)
{
    if (source != NULL) {
        *source = NULL;
    }
    if (path == NULL || source == NULL) {
        return etw_error_set_missing(error, "path and source");
    }
    os = os == NULL ? etw_os_default() : os;
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
        status = self->side.out_of_memory ? no_memory(error) : read_start(self, error);
    }
    if (status != ETW_OK) {
        reader_close(&self->source);
        return etw_error_wrap(error, status, "%s", path);
    }
    *source = &self->source;
    return ETW_OK;
}

etw_status etw_reader_seek(etw_source *source, int64_t time_100ns, etw_error *error)
{
    reader *self = reader_of(source);
    const etw_reader_options *options = &self->options;
    if (!self->seekable) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED, "a pipe has no earlier or later");
    }
    const bool has_range = options->has_time_range;
    self->filter.has_time_range = true;
    self->filter.from_time_100ns =
        has_range && options->from_time_100ns > time_100ns ? options->from_time_100ns : time_100ns;
    self->filter.to_time_100ns = has_range ? options->to_time_100ns : INT64_MAX;
    self->event_next = self->event_count;
    self->losses_left = 0;
    self->has_pending = false;
    self->ended = false;
    self->numbered = 0;
    etw_scan_jump(&self->scan, ETW_HEAD_SIZE, 0);
    return ETW_OK;
}

/* ---- Asking ---- */

uint64_t etw_reader_event_number(const etw_source *source)
{
    const reader *self = const_reader_of(source);
    return self->first_number + self->event_next - (self->event_next > 0 ? 1 : 0);
}

const etw_schema *etw_reader_schema_of_file(const etw_source *source, uint32_t file_id)
{
    const etw_file_schemas *schemas = &const_reader_of(source)->schemas;
    return etw_schema_store_get(schemas->store, etw_file_schemas_id(schemas, file_id));
}

const etw_schema_store *etw_reader_schemas(const etw_source *source)
{
    return const_reader_of(source)->schemas.store;
}

bool etw_reader_is_complete(const etw_source *source)
{
    return const_reader_of(source)->scan.complete;
}

void etw_reader_get_counts(const etw_source *source, etw_reader_counts *counts)
{
    const reader *self = const_reader_of(source);
    *counts = self->counts;
    counts->bytes_read = self->scan.input.bytes_read + self->side.input.bytes_read;
}

static void fill_summary(const reader *self, etw_file_summary *summary)
{
    const etw_totals *totals = &self->held.totals;
    *summary = (etw_file_summary){.complete = self->held.complete,
                                  .has_index = self->held.has_summary,
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
                                  .provider_count = self->held.provider_count,
                                  .providers_cut = totals->providers_cut};
    if (self->unfolded.bytes > 0) { /* what the image takes is nobody's business */
        summary->file_bytes = summary->stored_bytes = self->unfolded.bytes;
    }
    (void)snprintf(summary->application, sizeof summary->application, "%s", self->application);
    (void)snprintf(summary->redacted, sizeof summary->redacted, "%s", self->redacted);
    (void)snprintf(summary->builds, sizeof summary->builds, "%s", self->builds);
}

etw_status etw_reader_summary(etw_source *source, etw_file_summary *summary, etw_error *error)
{
    reader *self = reader_of(source);
    etw_status status = ETW_OK;
    if (!self->held.has_summary) {
        if (self->seekable && !self->cut_head) {
            status = etw_file_counts_scan(&self->held, &self->side, error);
        } else {
            self->file_bytes = self->scan.input.bytes_read;
        }
        if (status == ETW_OK) {
            status = etw_file_counts_list(&self->held, self->schemas.store, error);
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
    const etw_file_counts *held = &const_reader_of(source)->held;
    if (index >= held->provider_count) {
        return false;
    }
    *provider = held->providers[index].provider;
    *events = held->providers[index].events;
    *name = held->providers[index].name;
    return true;
}
