/* Opening a file, and what a reader knows of it. */
#include "format/etwcap/reader_inside.h"

#include <stdio.h>
#include <stdlib.h>

static etw_status allocate(etw_reader *self, etw_error *error)
{
    const etw_reader_options *options = &self->options;
    self->filter = (etw_block_filter){.has_time_range = options->has_time_range,
                                      .from_time_100ns = options->from_time_100ns,
                                      .to_time_100ns = options->to_time_100ns};
    return etw_file_schemas_init(&self->schemas) &&
                   etw_block_filter_set_providers(&self->filter, options->providers,
                                                  options->provider_count)
               ? ETW_OK
               : etw_reader_no_memory(error);
}

/* Without memory for it blocks are decoded when they are met. */
static void open_ahead(etw_reader *self)
{
    const etw_reader_options *options = &self->options;
    if (options->decode_threads == 0 || !self->seekable || options->follow ||
        options->exchange != NULL) {
        return;
    }
    const etw_kind_choice choice = {options->wants_kind, options->wants_kind_context,
                                    options->bare_events, 0};
    self->ahead = etw_decode_ahead_new(options->decode_threads, &choice,
                                       options->headers_only ? 0 : ETW_DECODE_ALL);
}

/* A folded file is there as a whole: nobody follows it while it grows. */
static etw_status unfold(etw_reader *self, etw_error *error)
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

static etw_status read_head(etw_reader *self, etw_error *error)
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
static etw_status read_start(etw_reader *self, etw_error *error)
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
            status = etw_reader_read_block(self, &block, &item, &reported, error);
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
    etw_reader *self = context;
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
static void use_index(etw_reader *self)
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

static etw_status open_file(etw_reader *self, const char *path, etw_error *error)
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
    etw_reader *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return etw_reader_no_memory(error);
    }
    self->source.ops = &etw_reader_ops;
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
        status = self->side.out_of_memory ? etw_reader_no_memory(error) : read_start(self, error);
    }
    if (status != ETW_OK) {
        etw_source_close(&self->source);
        return etw_error_wrap(error, status, "%s", path);
    }
    open_ahead(self);
    *source = &self->source;
    return ETW_OK;
}

etw_status etw_reader_seek(etw_source *source, int64_t time_100ns, etw_error *error)
{
    etw_reader *self = etw_reader_of(source);
    const etw_reader_options *options = &self->options;
    if (!self->seekable) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED, "a pipe has no earlier or later");
    }
    const bool has_range = options->has_time_range;
    etw_decode_ahead_free(self->ahead);
    self->ahead = NULL;
    self->has_stopped = false;
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
    const etw_reader *self = etw_reader_of_const(source);
    return self->first_number + self->event_next - (self->event_next > 0 ? 1 : 0);
}

const etw_schema *etw_reader_schema_of_file(const etw_source *source, uint32_t file_id)
{
    const etw_file_schemas *schemas = &etw_reader_of_const(source)->schemas;
    return etw_schema_store_get(schemas->store, etw_file_schemas_id(schemas, file_id));
}

const etw_schema_store *etw_reader_schemas(const etw_source *source)
{
    return etw_reader_of_const(source)->schemas.store;
}

bool etw_reader_is_complete(const etw_source *source)
{
    return etw_reader_of_const(source)->scan.complete;
}

void etw_reader_get_counts(const etw_source *source, etw_reader_counts *counts)
{
    const etw_reader *self = etw_reader_of_const(source);
    *counts = self->counts;
    counts->bytes_read = self->scan.input.bytes_read + self->side.input.bytes_read;
}

static void fill_summary(const etw_reader *self, etw_file_summary *summary)
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
    etw_reader *self = etw_reader_of(source);
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
    const etw_file_counts *held = &etw_reader_of_const(source)->held;
    if (index >= held->provider_count) {
        return false;
    }
    *provider = held->providers[index].provider;
    *events = held->providers[index].events;
    *name = held->providers[index].name;
    return true;
}
