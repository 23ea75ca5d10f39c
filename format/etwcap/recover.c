#include "format/etwcap/recover.h"

#include "format/base/part_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "format/etwcap/damage.h"
#include "format/etwcap/events_block.h"
#include "format/etwcap/scan.h"
#include "format/etwcap/side_body.h"
#include "format/etwcap/sink.h"
#include "format/etwcap/unfold.h"
#include "format/etwcap/verify.h"

typedef struct recovery {
    const etw_os *os;
    const etw_recover_options *options;
    etw_scan scan;
    etw_unfolded unfolded;
    etw_sink *sink;
    etw_decoder *decoder;
    uint64_t trace_offsets[ETW_MAX_TRACES]; /* of the first good block of each; 0: none */
    bool trace_named[ETW_MAX_TRACES];       /* by some events block */
    etw_clock clocks[ETW_MAX_TRACES];       /* all zero where the trace is lost */
    etw_schema_store *names;                /* of providers, for the summary */
    uint8_t *schema_known;                  /* by file id */
    etw_text body;                          /* of a loss record */
    uint64_t own_dropped;
    uint64_t size;      /* of the input */
    bool output_failed; /* an error is the output's, not the input's */
    etw_recover_report *report;
} recovery;

static etw_recover_count *count_of(recovery *self, uint16_t kind)
{
    return &self->report->kinds[kind <= ETW_BLOCK_END ? kind : 0];
}

static etw_status put(recovery *self, const etw_block_header *header, etw_bytes stored,
                      etw_error *error)
{
    const etw_sink_block block = {.kind = header->kind,
                                  .flags = (uint16_t)(header->flags & 0xFFu),
                                  .raw_size = header->raw_size,
                                  .count = header->count,
                                  .head_size = header->head_size,
                                  .first_time_100ns = header->first_time_100ns,
                                  .last_time_100ns = header->last_time_100ns,
                                  .body = stored};
    const etw_status status = etw_sink_put(self->sink, &block, error);
    self->output_failed = status != ETW_OK;
    return status;
}

static etw_status put_loss(recovery *self, const etw_loss *loss, etw_error *error)
{
    etw_text_clear(&self->body);
    etw_loss_append(&self->body, loss, false);
    if (self->body.failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for recovering");
    }
    const etw_bytes body = etw_text_bytes(&self->body);
    const etw_block_header header = {.kind = ETW_BLOCK_LOSS,
                                     .raw_size = (uint32_t)body.size,
                                     .count = 1,
                                     .first_time_100ns = loss->from_time_100ns,
                                     .last_time_100ns = loss->to_time_100ns};
    if (loss->events == ETW_LOSS_COUNT_UNKNOWN) {
        self->report->lost_unknown = true;
    } else {
        self->report->lost_events += loss->events;
    }
    return put(self, &header, body, error);
}

/* ---- What was not readable ---- */

static etw_status record_block(recovery *self, const etw_scan_item *block, const etw_error *failure,
                               etw_error *error)
{
    const uint16_t kind = block->header.kind;
    count_of(self, kind)->lost++;
    if (kind == ETW_BLOCK_INDEX || kind == ETW_BLOCK_SUMMARY) {
        return ETW_OK; /* made anew: nothing is lost */
    }
    etw_loss loss;
    etw_damage_of_block(block, failure->status, failure->message, &loss);
    return put_loss(self, &loss, error);
}

static etw_status record_gap(recovery *self, const etw_scan_item *gap, etw_error *error)
{
    etw_loss loss;
    etw_damage_of_gap(gap, &loss);
    self->report->missing_blocks += gap->missing;
    self->report->skipped_bytes += gap->size;
    return put_loss(self, &loss, error);
}

static etw_status record_end(recovery *self, etw_error *error)
{
    const etw_scan *scan = &self->scan;
    self->report->was_complete = scan->complete;
    if (scan->complete) {
        return ETW_OK;
    }
    etw_loss loss = {
        .cause = ETW_LOSS_TRUNCATED, .events = ETW_LOSS_COUNT_UNKNOWN, .bytes = scan->torn_bytes};
    self->report->skipped_bytes += scan->torn_bytes;
    etw_loss_set_detail(
        &loss,
        "the file ended at offset %llu without its end block; %llu bytes of a cut-off "
        "block",
        (unsigned long long)(scan->end_offset + scan->torn_bytes),
        (unsigned long long)scan->torn_bytes);
    return put_loss(self, &loss, error);
}

/* ---- What is ---- */

/* What a header says of its events, from the events: nothing that anyone wrote there is believed,
 * and events whose trace is lost have no clock any more, so that their raw ticks are the only
 * times. */
static void describe(recovery *self, etw_block_header *header)
{
    uint64_t raw_bytes = 0;
    for (uint32_t i = 0; i < header->count; i++) {
        etw_item item;
        etw_decoder_item(self->decoder, i, &item);
        const etw_clock *clock = &self->clocks[item.trace_index % ETW_MAX_TRACES];
        const int64_t time = etw_clock_to_filetime(clock, item.record->EventHeader.TimeStamp);
        if (i == 0 || time < header->first_time_100ns) {
            header->first_time_100ns = time;
        }
        if (i == 0 || time > header->last_time_100ns) {
            header->last_time_100ns = time;
        }
        raw_bytes += etw_record_bytes(item.record);
    }
    header->raw_size = (uint32_t)raw_bytes;
}

static etw_status check_events(recovery *self, etw_block_header *header, etw_bytes body,
                               etw_error *error)
{
    etw_events_head head;
    etw_status status = etw_events_block_head(header, body, &head, error);
    if (status == ETW_OK) {
        status = etw_events_block_decode(self->decoder, header, body, ETW_DECODE_ALL, error);
    }
    for (uint32_t i = 0; status == ETW_OK && i < head.trace_count; i++) {
        const uint16_t trace = etw_events_head_trace(&head, i).trace_index;
        if (trace >= ETW_MAX_TRACES) {
            return etw_error_set(error, ETW_ERROR_DAMAGED, "trace %u is above the limit", trace);
        }
    }
    if (status == ETW_OK) {
        describe(self, header);
        self->report->events += header->count;
    }
    return status;
}

static etw_status keep_schema(void *context, const etw_schema_entry *entry, etw_error *error)
{
    recovery *self = context;
    if (self->schema_known[entry->file_id] != 0) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "schema %u was there before",
                             entry->file_id);
    }
    self->schema_known[entry->file_id] = 1;
    return ETW_OK;
}

static etw_status keep_provider(void *context, const etw_guid *provider, const char *utf8_name,
                                etw_error *error)
{
    recovery *self = context;
    const etw_status status =
        etw_schema_store_set_provider_name(self->names, provider, utf8_name, error);
    return status == ETW_ERROR_LIMIT ? ETW_OK : status; /* the summary may lack a name */
}

static etw_status check_losses(recovery *self, const etw_scan_item *block, etw_bytes body,
                               etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(body);
    uint64_t own_dropped = 0;
    for (uint32_t i = 0; i < block->header.count; i++) {
        etw_loss loss;
        bool own;
        const etw_status status = etw_loss_load(&cursor, &loss, &own, error);
        if (status != ETW_OK) {
            return status;
        }
        own_dropped += own ? loss.events : 0;
    }
    self->own_dropped += own_dropped;
    return ETW_OK;
}

static etw_status check_body(recovery *self, etw_scan_item *block, etw_bytes body, etw_error *error)
{
    const etw_schemas_visitor visitor = {keep_schema, keep_provider, self};
    switch (block->header.kind) {
    case ETW_BLOCK_SCHEMAS:
        return etw_schemas_load(body, &visitor, error);
    case ETW_BLOCK_EVENTS:
        return check_events(self, &block->header, body, error);
    case ETW_BLOCK_LOSS:
        return check_losses(self, block, body, error);
    default:
        return etw_side_body_check(block->header.kind, block->header.count, body, error);
    }
}

/* Traces and file info are written before all else; the closing blocks are made anew. */
static bool is_copied(uint16_t kind)
{
    return kind != ETW_BLOCK_FILE_INFO && kind != ETW_BLOCK_TRACE && kind != ETW_BLOCK_INDEX &&
           kind != ETW_BLOCK_SUMMARY && kind != ETW_BLOCK_END;
}

static bool is_damage(etw_status status)
{
    return status == ETW_ERROR_DAMAGED || status == ETW_ERROR_LIMIT;
}

static etw_status copy_block(recovery *self, etw_scan_item *block, etw_error *error)
{
    etw_bytes body, stored;
    etw_error local = {ETW_OK, 0, ""};
    etw_status status = etw_scan_body(&self->scan, &body, &local);
    /* UNSUPPORTED: of a newer version; kept as it is. */
    if (status == ETW_OK && is_copied(block->header.kind)) {
        status = check_body(self, block, body, &local);
    }
    if (is_damage(status)) {
        return record_block(self, block, &local, error);
    }
    if (status != ETW_OK && status != ETW_ERROR_UNSUPPORTED) {
        if (error != NULL) {
            *error = local;
        }
        return status;
    }
    if (!is_copied(block->header.kind)) {
        return ETW_OK;
    }
    status = etw_scan_stored(&self->scan, &stored, error);
    if (status == ETW_OK) {
        status = put(self, &block->header, stored, error);
    }
    count_of(self, block->header.kind)->recovered += status == ETW_OK ? 1 : 0;
    return status;
}

static void show_progress(const recovery *self)
{
    if (self->options->progress != NULL) {
        self->options->progress(self->options->progress_context, self->scan.position, self->size);
    }
}

static etw_status copy_blocks(recovery *self, etw_error *error)
{
    etw_scan_item item;
    etw_status status;
    while ((status = etw_scan_next(&self->scan, &item, error)) == ETW_OK) {
        status = item.kind == ETW_SCAN_GAP ? record_gap(self, &item, error)
                                           : copy_block(self, &item, error);
        if (status != ETW_OK) {
            return status;
        }
        show_progress(self);
    }
    return status == ETW_END ? record_end(self, error) : status;
}

/* ---- The start of the file ---- */

static void restart(recovery *self)
{
    etw_scan_jump(&self->scan, self->report->head_damaged ? 0 : ETW_HEAD_SIZE, 0);
    self->scan.searched_inside = 0;
}

typedef struct start_blocks {
    uint64_t file_info_offset; /* 0: none */
    uint64_t good_blocks;
} start_blocks;

static void note_traces_named(recovery *self)
{
    etw_events_head head;
    if (etw_scan_events_head(&self->scan, &head, NULL) != ETW_OK) {
        return;
    }
    for (uint32_t i = 0; i < head.trace_count; i++) {
        self->trace_named[etw_events_head_trace(&head, i).trace_index % ETW_MAX_TRACES] = true;
    }
}

static void note_trace(recovery *self, uint64_t offset, etw_bytes body)
{
    etw_trace trace;
    uint16_t trace_index;
    if (etw_trace_load(body, &trace_index, &trace, NULL) == ETW_OK &&
        self->trace_offsets[trace_index] == 0) {
        self->trace_offsets[trace_index] = offset;
        self->clocks[trace_index] = trace.clock;
    }
}

static void note_start_block(recovery *self, start_blocks *start, const etw_scan_item *block)
{
    etw_bytes body;
    const uint16_t kind = block->header.kind;
    start->good_blocks++;
    if (kind == ETW_BLOCK_EVENTS) {
        note_traces_named(self);
    } else if (kind == ETW_BLOCK_TRACE && etw_scan_body(&self->scan, &body, NULL) == ETW_OK) {
        note_trace(self, block->offset, body);
    } else if (kind == ETW_BLOCK_FILE_INFO && start->file_info_offset == 0 &&
               etw_scan_body(&self->scan, &body, NULL) == ETW_OK) {
        start->file_info_offset = block->offset;
    }
}

static etw_status copy_at(recovery *self, uint64_t offset, etw_error *error)
{
    etw_scan_item block;
    etw_bytes stored;
    etw_status status = etw_scan_at(&self->scan, offset, &block, error);
    if (status == ETW_OK) {
        status = etw_scan_stored(&self->scan, &stored, error);
    }
    if (status == ETW_OK) {
        status = put(self, &block.header, stored, error);
    }
    if (status == ETW_OK) {
        count_of(self, block.header.kind)->recovered++;
    }
    return status;
}

static etw_status replace_trace(recovery *self, uint16_t trace_index, etw_error *error)
{
    const etw_trace unknown = {.pointer_size = 8};
    etw_loss loss = {.cause = ETW_LOSS_DAMAGE, .trace_index = trace_index};
    etw_text body = {0};
    etw_trace_append(&body, trace_index, &unknown);
    const etw_block_header header = {
        .kind = ETW_BLOCK_TRACE, .raw_size = (uint32_t)body.size, .count = 1};
    etw_status status =
        body.failed ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for recovering")
                    : put(self, &header, etw_text_bytes(&body), error);
    etw_text_free(&body);
    if (status == ETW_OK) {
        count_of(self, ETW_BLOCK_TRACE)->lost++;
        etw_loss_set_detail(
            &loss,
            "trace %u: its block and its copy are lost: times of its events are raw "
            "ticks",
            trace_index);
        status = put_loss(self, &loss, error);
    }
    return status;
}

static etw_status copy_traces(recovery *self, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; status == ETW_OK && i < ETW_MAX_TRACES; i++) {
        if (self->trace_offsets[i] != 0) {
            status = copy_at(self, self->trace_offsets[i], error);
        } else if (self->trace_named[i]) {
            status = replace_trace(self, (uint16_t)i, error);
        }
    }
    return status;
}

/* A first pass finds the file info and, anywhere in the file, the traces: they go first. */
static etw_status copy_start(recovery *self, etw_error *error)
{
    static const uint8_t no_pairs[4] = {0, 0, 0, 0};
    etw_scan_item item;
    etw_status status;
    start_blocks start = {0, 0};
    restart(self);
    while ((status = etw_scan_next(&self->scan, &item, error)) == ETW_OK) {
        if (item.kind == ETW_SCAN_BLOCK) {
            note_start_block(self, &start, &item);
        }
    }
    if (status != ETW_END) {
        return status;
    }
    if (start.good_blocks == 0 && self->scan.input.unreadable_bytes > 0) {
        return etw_error_set(error, ETW_ERROR_IO, "the file cannot be read");
    }
    if (start.good_blocks == 0 && self->report->head_damaged) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "not an .etwcap file: no block is found");
    }
    if (start.file_info_offset != 0) {
        status = copy_at(self, start.file_info_offset, error);
    } else {
        const etw_block_header header = {.kind = ETW_BLOCK_FILE_INFO, .raw_size = sizeof no_pairs};
        status = put(self, &header, (etw_bytes){no_pairs, sizeof no_pairs}, error);
    }
    return status == ETW_OK ? copy_traces(self, error) : status;
}

static etw_status check_head(recovery *self, etw_error *error)
{
    etw_bytes head = {0};
    uint32_t major, minor;
    etw_status status = etw_input_need(&self->scan.input, 0, ETW_HEAD_SIZE, 0, &head, error);
    if (status == ETW_OK) {
        status = etw_head_load(head, &major, &minor, error);
        self->report->head_damaged = status != ETW_OK && status != ETW_ERROR_VERSION;
    }
    if (status == ETW_OK && major == ETW_FORMAT_FOLDED) {
        status = etw_unfold(&self->scan.input, &self->unfolded, error);
        if (self->unfolded.damage.status != ETW_OK) {
            self->report->lost_unknown = true;
            self->report->skipped_bytes = self->unfolded.bytes;
        }
    }
    return self->report->head_damaged ? ETW_OK : status;
}

static etw_status recover_into_sink(recovery *self, etw_error *error)
{
    etw_status status = copy_start(self, error);
    if (status == ETW_OK) {
        restart(self);
        status = copy_blocks(self, error);
    }
    if (status == ETW_OK) {
        const uint64_t received = etw_sink_totals(self->sink)->events + self->own_dropped;
        status = etw_sink_finish(self->sink, received, self->names, error);
        self->output_failed = status != ETW_OK;
    }
    self->report->written_bytes = etw_sink_size(self->sink);
    self->report->unreadable = self->scan.input.unreadable_bytes > 0;
    return status;
}

/* ---- Files ---- */

static etw_status recover_to(recovery *self, const char *in, const char *part, etw_error *error)
{
    const etw_sink_options sink_options = {.replace = true /* it is reserved */,
                                           .sync = ETW_SYNC_INTERVAL,
                                           .sync_interval_ms = UINT32_MAX};
    const int file = self->os->open(self->os->context, in, ETW_OPEN_READ);
    if (file < 0) {
        return etw_error_set_os(error, -file, "%s: cannot open", in);
    }
    const int64_t size = self->os->size(self->os->context, file);
    etw_scan_init(&self->scan, self->os, file, true);
    self->size = size < 0 ? 0 : (uint64_t)size;
    self->scan.input.skip_unreadable_to = self->size;
    etw_status status = size < 0 ? etw_error_set_os(error, (int)-size, "needs a file, not a pipe")
                                 : check_head(self, error);
    if (status == ETW_OK) {
        status = etw_sink_open(self->os, part, &sink_options, &self->sink, error);
        if (status != ETW_OK) {
            (void)self->os->close(self->os->context, file);
            return status; /* it names the file */
        }
    }
    if (status == ETW_OK) {
        status = recover_into_sink(self, error);
    }
    (void)self->os->close(self->os->context, file);
    etw_sink_free(self->sink);
    return status == ETW_OK ? ETW_OK
                            : etw_error_wrap(error, status, "%s", self->output_failed ? part : in);
}

static etw_status verify_output(const recovery *self, const char *part, etw_error *error)
{
    etw_verify_report report;
    const etw_status status = etw_verify(self->os, part, NULL, NULL, &report, error);
    /* Blocks of a newer version were kept as they are, which is all that can be wrong. */
    const bool is_as_meant = report.complete && report.problems == report.newer_blocks;
    if (status == ETW_OK && (!is_as_meant || report.events != self->report->events)) {
        return etw_error_set(error, ETW_ERROR_INTERNAL,
                             "%s: the recovered file does not verify (%llu problems)", part,
                             (unsigned long long)report.problems);
    }
    return status;
}

static etw_status check_name(const recovery *self, const char *out, etw_error *error)
{
    if (*out == '\0') {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "the output has no name");
    }
    const int kind = self->os->kind(self->os->context, out);
    if (kind < 0) {
        return etw_error_set_os(error, -kind, "%s", out);
    }
    if (kind == ETW_PATH_OTHER || kind == ETW_PATH_FOLDER) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "%s is not a regular file, and a new file cannot take its place", out);
    }
    return kind == ETW_PATH_FILE && !self->options->replace
               ? etw_error_set(error, ETW_ERROR_EXISTS, "%s exists", out)
               : ETW_OK;
}

static etw_status recover_into(recovery *self, const char *in, const char *out, etw_part_file *part,
                               etw_error *error)
{
    etw_status status = recover_to(self, in, etw_text_z(&part->name), error);
    if (status == ETW_OK) {
        status = verify_output(self, etw_text_z(&part->name), error);
    }
    if (status == ETW_OK) {
        status = etw_part_settle(self->os, part, out, self->options->replace, error);
    }
    if (status != ETW_OK) {
        etw_part_remove(self->os, part);
    }
    return status;
}

static etw_status recover_files(recovery *self, const char *in, const char *out, etw_error *error)
{
    etw_part_file part = {0};
    etw_status status = check_name(self, out, error);
    if (status == ETW_OK) {
        status = etw_part_reserve(self->os, out, &part, error);
    }
    if (status == ETW_OK) {
        status = recover_into(self, in, out, &part, error);
    }
    etw_part_free(&part);
    return status;
}

etw_status etw_recover(const etw_os *os, const char *in, const char *out,
                       const etw_recover_options *options, etw_recover_report *report,
                       etw_error *error)
{
    if (in == NULL || out == NULL || report == NULL) {
        return etw_error_set_missing(error, "in, out and report");
    }
    os = os == NULL ? etw_os_default() : os;
    static const etw_recover_options defaults = {.replace = false};
    memset(report, 0, sizeof *report);
    recovery *self = calloc(1, sizeof *self);
    etw_status status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for recovering");
    if (self != NULL) {
        self->os = os;
        self->options = options == NULL ? &defaults : options;
        self->report = report;
        self->decoder = etw_decoder_new();
        self->schema_known = calloc((size_t)ETW_FILE_MAX_SCHEMA_ID + 1, 1);
        self->names = etw_schema_store_new();
        if (self->decoder != NULL && self->schema_known != NULL && self->names != NULL) {
            status = recover_files(self, in, out, error);
        }
        etw_scan_free(&self->scan);
        etw_unfolded_free(&self->unfolded);
        etw_decoder_free(self->decoder);
        etw_text_free(&self->body);
        etw_schema_store_free(self->names);
        free(self->schema_known);
    }
    free(self);
    return status;
}
