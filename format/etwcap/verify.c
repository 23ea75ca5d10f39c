#include "format/etwcap/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/etwcap/events_block.h"
#include "format/etwcap/scan.h"
#include "format/etwcap/side_body.h"
#include "format/etwcap/unfold.h"

typedef struct verifier {
    const etw_os *os;
    etw_scan scan;
    etw_unfolded unfolded;
    etw_decoder *decoder;
    etw_guid_table counted;   /* of the file */
    etw_guid_table providers; /* of one block */
    etw_index_builder index;
    bool index_blind; /* blocks are missing: the index cannot be compared until the next one */
    etw_totals totals;
    uint64_t own_dropped;
    uint64_t last_index_offset;
    uint64_t event_number; /* of the next event */
    bool has_summary;
    bool damage_recorded;  /* a loss record says that something was damaged */
    uint8_t *schema_known; /* by file id */
    etw_clock clocks[ETW_MAX_TRACES];
    bool trace_known[ETW_MAX_TRACES];
    uint32_t trace_events[ETW_MAX_TRACES];
    void (*problem)(void *context, const etw_verify_problem *problem);
    void *context;
    etw_verify_report *report;
} verifier;

static void report_at(verifier *self, const etw_scan_item *block, uint64_t size, const char *format,
                      ...) ETW_PRINTF(4, 5);

static void report_at(verifier *self, const etw_scan_item *block, uint64_t size, const char *format,
                      ...)
{
    etw_verify_problem problem = {.offset = block->offset, .size = size};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(problem.text, sizeof problem.text, format, arguments);
    va_end(arguments);
    if (block->kind == ETW_SCAN_BLOCK) {
        problem.kind = block->header.kind;
        problem.first_time_100ns = block->header.first_time_100ns;
        problem.last_time_100ns = block->header.last_time_100ns;
        problem.has_events = block->header.kind == ETW_BLOCK_EVENTS;
        problem.first_event = self->event_number;
        problem.event_count = problem.has_events ? block->header.count : 0;
    }
    self->report->problems++;
    if (self->problem != NULL) {
        self->problem(self->context, &problem);
    }
}

static uint64_t whole_size(const etw_scan_item *block)
{
    return ETW_BLOCK_HEADER_SIZE + (uint64_t)block->header.stored_size;
}

/* ---- Events ---- */

typedef struct event_facts {
    uint64_t raw_bytes;
    int64_t first_time_100ns, last_time_100ns;
} event_facts;

/* False where the event names a trace that is not there. */
static bool check_event(verifier *self, const etw_item *item, event_facts *facts, bool first)
{
    const etw_event_header *header = &item->record->EventHeader;
    if (item->trace_index >= ETW_MAX_TRACES || !self->trace_known[item->trace_index]) {
        return false;
    }
    const int64_t time = etw_clock_to_filetime(&self->clocks[item->trace_index], header->TimeStamp);
    if (first || time < facts->first_time_100ns) {
        facts->first_time_100ns = time;
    }
    if (first || time > facts->last_time_100ns) {
        facts->last_time_100ns = time;
    }
    facts->raw_bytes += etw_record_bytes(item->record);
    self->providers.counts[etw_guid_table_put(&self->providers, &header->ProviderId)]++;
    self->trace_events[item->trace_index]++;
    if (item->schema_id > ETW_FILE_MAX_SCHEMA_ID ||
        (item->schema_id != 0 && self->schema_known[item->schema_id] == 0)) {
        self->report->schemaless_events++;
    }
    return true;
}

/* The head says whose events follow; the events themselves must agree. */
static bool head_agrees(verifier *self, const etw_events_head *head)
{
    bool agrees = head->provider_count == self->providers.count;
    for (uint32_t i = 0; agrees && i < head->provider_count; i++) {
        const etw_provider_count entry = etw_events_head_provider(head, i);
        agrees = etw_guid_equal(&entry.provider, &self->providers.guids[i]) &&
                 entry.events == self->providers.counts[i];
    }
    for (uint32_t i = 0; agrees && i < head->trace_count; i++) {
        const etw_trace_count entry = etw_events_head_trace(head, i);
        agrees = entry.trace_index < ETW_MAX_TRACES &&
                 entry.events == self->trace_events[entry.trace_index];
    }
    return agrees;
}

static etw_status check_events(verifier *self, const etw_scan_item *block, etw_bytes body,
                               etw_error *error)
{
    etw_events_head head;
    event_facts facts = {0};
    const uint32_t count = block->header.count;
    etw_status status = etw_events_block_head(&block->header, body, &head, error);
    if (status == ETW_OK) {
        status =
            etw_events_block_decode(self->decoder, &block->header, body, ETW_DECODE_ALL, error);
    }
    if (status != ETW_OK) {
        return status;
    }
    etw_guid_table_clear(&self->providers);
    memset(self->trace_events, 0, sizeof self->trace_events);
    for (uint32_t i = 0; i < count; i++) {
        etw_item item;
        etw_decoder_item(self->decoder, i, &item);
        if (!check_event(self, &item, &facts, i == 0)) {
            return etw_error_set(error, ETW_ERROR_DAMAGED, "event %u names trace %u, which is lost",
                                 i, item.trace_index);
        }
    }
    if (!head_agrees(self, &head)) {
        report_at(self, block, whole_size(block), "the events head does not agree with the events");
    }
    if (facts.raw_bytes != block->header.raw_size ||
        facts.first_time_100ns != block->header.first_time_100ns ||
        facts.last_time_100ns != block->header.last_time_100ns) {
        report_at(self, block, whole_size(block), "size or time range differ from the header's");
    }
    self->report->events += count;
    return ETW_OK;
}

/* ---- Other blocks ---- */

static etw_status note_schema(void *context, const etw_schema_entry *entry, etw_error *error)
{
    verifier *self = context;
    if (etw_schema_hash(entry->schema) != entry->schema->hash) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "schema %u: wrong hash", entry->file_id);
    }
    if (self->schema_known[entry->file_id] != 0) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "schema %u is there twice", entry->file_id);
    }
    self->schema_known[entry->file_id] = 1;
    self->report->schemas++;
    return ETW_OK;
}

static etw_status check_schemas(verifier *self, const etw_scan_item *block, etw_bytes body,
                                etw_error *error)
{
    const uint64_t before = self->report->schemas;
    const etw_schemas_visitor visitor = {.schema = note_schema, .context = self};
    const etw_status status = etw_schemas_load(body, &visitor, error);
    if (status == ETW_OK && self->report->schemas - before != block->header.count) {
        report_at(self, block, whole_size(block), "the number of schemas is not the header's");
    }
    return status;
}

static etw_status check_trace(verifier *self, etw_bytes body, etw_error *error)
{
    etw_trace trace;
    uint16_t trace_index;
    const etw_status status = etw_trace_load(body, &trace_index, &trace, error);
    if (status == ETW_OK) {
        self->trace_known[trace_index] = true;
        self->clocks[trace_index] = trace.clock;
    }
    return status;
}

static etw_status check_losses(verifier *self, const etw_scan_item *block, etw_bytes body,
                               etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(body);
    etw_loss loss;
    bool own;
    for (uint32_t i = 0; i < block->header.count; i++) {
        const etw_status status = etw_loss_load(&cursor, &loss, &own, error);
        if (status != ETW_OK) {
            return status;
        }
        etw_totals_add_loss(&self->totals, loss.cause, loss.events);
        self->own_dropped += own ? loss.events : 0;
        self->damage_recorded = self->damage_recorded || loss.cause == ETW_LOSS_DAMAGE;
        self->report->loss_records++;
        self->report->missing_records += loss.cause != ETW_LOSS_FILTERED;
    }
    return ETW_OK;
}

/* An index block is a function of the blocks before it, byte for byte. */
static etw_status check_index(verifier *self, const etw_scan_item *block, etw_bytes body,
                              etw_error *error)
{
    etw_index_view view;
    etw_buffer expected = {0};
    const etw_status status = etw_index_load(body, &view, error);
    etw_index_builder_take(&self->index, self->last_index_offset, &expected);
    if (expected.failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for verifying");
    }
    if (status == ETW_OK && !self->index_blind &&
        (expected.size != body.size || memcmp(expected.data, body.data, body.size) != 0)) {
        report_at(self, block, whole_size(block), "the index does not agree with the blocks");
    }
    etw_buffer_free(&expected);
    self->index_blind = false;
    self->last_index_offset = block->offset;
    self->report->index_blocks++;
    return status;
}

static bool totals_agree(const etw_totals *said, const etw_totals *found)
{
    return said->events == found->events && said->event_blocks == found->event_blocks &&
           said->schema_blocks == found->schema_blocks && said->schemas == found->schemas &&
           said->loss_records == found->loss_records && said->lost_events == found->lost_events &&
           said->lost_unknown == found->lost_unknown && said->raw_bytes == found->raw_bytes &&
           said->stored_bytes == found->stored_bytes &&
           said->first_time_100ns == found->first_time_100ns &&
           said->last_time_100ns == found->last_time_100ns && said->blocks == found->blocks;
}

static bool providers_agree(verifier *self, etw_summary_view *view)
{
    bool agree = view->provider_count == self->counted.count;
    for (uint32_t i = 0; agree && i < view->provider_count; i++) {
        etw_guid provider;
        uint64_t events;
        char name[ETW_SUMMARY_MAX_NAME + 1];
        agree = etw_summary_next_provider(view, &provider, &events, name, NULL) == ETW_OK &&
                etw_guid_equal(&provider, &self->counted.guids[i]) &&
                events == self->counted.counts[i];
    }
    return agree;
}

static bool is_whole(const verifier *self)
{
    return self->report->damaged_blocks == 0 && self->report->missing_blocks == 0;
}

static etw_status check_summary(verifier *self, const etw_scan_item *block, etw_bytes body,
                                etw_error *error)
{
    etw_summary_view view;
    const etw_status status = etw_summary_load(body, &view, error);
    if (status != ETW_OK) {
        return status;
    }
    const etw_totals *said = &view.totals;
    self->has_summary = true;
    self->report->received = said->received;
    self->report->dropped = said->dropped;
    if (said->received != said->events + said->dropped) {
        report_at(self, block, whole_size(block), "received is not written + dropped");
    }
    /* With damage the figures cannot agree: the damage was reported. */
    if (is_whole(self) && (!totals_agree(said, &self->totals) || !providers_agree(self, &view) ||
                           said->last_index_offset != self->last_index_offset ||
                           said->index_blocks != self->report->index_blocks)) {
        report_at(self, block, whole_size(block), "the summary does not agree with the blocks");
    }
    if (is_whole(self) && said->dropped != self->own_dropped) {
        report_at(self, block, whole_size(block),
                  "%llu events were dropped, but the loss records say %llu",
                  (unsigned long long)said->dropped, (unsigned long long)self->own_dropped);
    }
    return ETW_OK;
}

static etw_status check_body(verifier *self, const etw_scan_item *block, etw_bytes body,
                             etw_error *error)
{
    char application[ETW_FILE_INFO_MAX_TEXT + 1];
    switch (block->header.kind) {
    case ETW_BLOCK_FILE_INFO:
        return etw_file_info_get(body, "application", application, sizeof application, error);
    case ETW_BLOCK_TRACE:
        return check_trace(self, body, error);
    case ETW_BLOCK_SCHEMAS:
        return check_schemas(self, block, body, error);
    case ETW_BLOCK_EVENTS:
        return check_events(self, block, body, error);
    case ETW_BLOCK_LOSS:
        return check_losses(self, block, body, error);
    case ETW_BLOCK_INDEX:
        return check_index(self, block, body, error);
    case ETW_BLOCK_SUMMARY:
        return check_summary(self, block, body, error);
    default:
        return etw_side_body_check(block->header.kind, block->header.count, body, error);
    }
}

static void add_to_index(verifier *self, const etw_scan_item *block, etw_bytes head)
{
    if (!etw_index_builder_has_room(&self->index, &block->header, head)) {
        /* The writer would have put an index block before this one. */
        etw_buffer unused = {0};
        etw_index_builder_take(&self->index, 0, &unused);
        etw_buffer_free(&unused);
        self->index_blind = true;
    }
    etw_index_builder_add(&self->index, &block->header, block->offset, head);
}

/* Says something about the machine, not about the block: reading may fail in many ways, also for
 * lack of rights. */
static bool is_fatal(etw_status status)
{
    return etw_failed(status) && !etw_scan_is_damage(status);
}

static etw_status check_block(verifier *self, const etw_scan_item *block, etw_error *error)
{
    etw_bytes body = {NULL, 0};
    etw_error local = {ETW_OK, 0, ""};
    const bool events = block->header.kind == ETW_BLOCK_EVENTS;
    etw_status status = etw_scan_body(&self->scan, &body, &local);
    if (status == ETW_OK) {
        status = check_body(self, block, body, &local);
    }
    if (is_fatal(status)) {
        if (error != NULL) {
            *error = local;
        }
        return status;
    }
    self->report->blocks++;
    self->report->event_blocks += events ? 1 : 0;
    if (status != ETW_OK) {
        report_at(self, block, whole_size(block), "%s", local.message);
        self->report->damaged_blocks++;
        self->report->newer_blocks += status == ETW_ERROR_UNSUPPORTED;
        self->report->damaged_events += events ? block->header.count : 0;
        self->index_blind = true;
    } else if (block->header.kind != ETW_BLOCK_SUMMARY) {
        const etw_bytes head = {body.data, block->header.head_size};
        etw_totals_add(&self->totals, &block->header, head, &self->counted);
        add_to_index(self, block, head);
    }
    self->event_number += events ? block->header.count : 0;
    return ETW_OK;
}

static etw_status check_blocks(verifier *self, etw_error *error)
{
    etw_scan_item item;
    etw_status status;
    while ((status = etw_scan_next(&self->scan, &item, error)) == ETW_OK) {
        if (item.kind == ETW_SCAN_BLOCK) {
            status = check_block(self, &item, error);
            if (status != ETW_OK) {
                return status;
            }
        } else {
            report_at(self, &item, item.size, "%s; %llu blocks from number %llu on are missing",
                      item.what, (unsigned long long)item.missing,
                      (unsigned long long)item.first_missing);
            self->report->missing_blocks += item.missing;
            self->index_blind = true;
        }
    }
    return status == ETW_END ? ETW_OK : status;
}

static void check_end(verifier *self, uint64_t size, bool seekable)
{
    const etw_scan *scan = &self->scan;
    etw_verify_report *report = self->report;
    const etw_scan_item end = {.kind = ETW_SCAN_GAP, .offset = scan->end_offset};
    report->complete = scan->complete;
    report->torn_bytes = scan->torn_bytes;
    report->bytes = seekable ? size : scan->end_offset + scan->torn_bytes;
    if (!scan->complete) {
        report_at(self, &end, scan->torn_bytes,
                  "incomplete: the file ends without its end block; %llu bytes of a cut-off block",
                  (unsigned long long)scan->torn_bytes);
        return;
    }
    if (scan->end.file_size != scan->end_offset || scan->end.blocks != scan->next_sequence ||
        !self->has_summary) {
        report_at(self, &end, 0, "the end block does not agree with the file");
    }
    if (seekable && size > scan->end_offset) {
        report->trailing_bytes = size - scan->end_offset;
        report_at(self, &end, report->trailing_bytes,
                  "%llu bytes behind the end of the file's data",
                  (unsigned long long)report->trailing_bytes);
    }
}

static bool allocate(verifier *self)
{
    self->decoder = etw_decoder_new();
    self->schema_known = calloc((size_t)ETW_FILE_MAX_SCHEMA_ID + 1, 1);
    return self->decoder != NULL && self->schema_known != NULL &&
           etw_guid_table_init(&self->counted, ETW_MAX_COUNTED_PROVIDERS) &&
           etw_guid_table_init(&self->providers, ETW_BATCH_MAX_EVENTS) &&
           etw_index_builder_init(&self->index);
}

static void release(verifier *self)
{
    etw_scan_free(&self->scan);
    etw_unfolded_free(&self->unfolded);
    etw_decoder_free(self->decoder);
    etw_guid_table_free(&self->counted);
    etw_guid_table_free(&self->providers);
    etw_index_builder_free(&self->index);
    free(self->schema_known);
}

/* The file of blocks that a folded file stands for is checked in its place. */
static etw_status check_folded(verifier *self, int64_t size, etw_error *error)
{
    const etw_status status = etw_unfold(&self->scan.input, &self->unfolded, error);
    const etw_unfolded *unfolded = &self->unfolded;
    if (status != ETW_OK) {
        return status;
    }
    const etw_scan_item whole = {.kind = ETW_SCAN_GAP, .offset = unfolded->bytes};
    if (unfolded->damage.status != ETW_OK) {
        report_at(self, &whole, unfolded->bytes, "%s", unfolded->damage.message);
        self->report->damaged_blocks++;
        self->report->newer_blocks += unfolded->damage.status == ETW_ERROR_UNSUPPORTED;
    }
    if (size >= 0 && (uint64_t)size > unfolded->bytes) {
        self->report->trailing_bytes = (uint64_t)size - unfolded->bytes;
        report_at(self, &whole, self->report->trailing_bytes,
                  "%llu bytes behind the end of the file's data",
                  (unsigned long long)self->report->trailing_bytes);
    }
    return ETW_OK;
}

static etw_status check_file(verifier *self, int file, etw_error *error)
{
    etw_bytes head = {0};
    uint32_t major, minor;
    int64_t size = self->os->size(self->os->context, file);
    etw_scan_init(&self->scan, self->os, file, size >= 0);
    etw_status status = etw_input_need(&self->scan.input, 0, ETW_HEAD_SIZE, 0, &head, error);
    if (status == ETW_OK) {
        status = etw_head_load(head, &major, &minor, error);
    }
    if (status == ETW_OK && major == ETW_FORMAT_FOLDED) {
        status = check_folded(self, size, error);
        size = etw_input_content_size(&self->scan.input);
    }
    if (status == ETW_OK) {
        status = check_blocks(self, error);
    } else if (status == ETW_END) {
        self->scan.end_offset = head.size;
        status = ETW_OK;
    }
    if (status != ETW_OK) {
        return status;
    }
    check_end(self, size < 0 ? 0 : (uint64_t)size, size >= 0);
    etw_verify_report *report = self->report;
    report->bytes = self->unfolded.bytes > 0 ? self->unfolded.bytes : report->bytes;
    report->lost_events = self->totals.lost_events;
    report->lost_unknown = self->totals.lost_unknown;
    if (report->schemaless_events > 0 && is_whole(self) && !self->damage_recorded) {
        const etw_scan_item whole = {.kind = ETW_SCAN_GAP};
        report_at(self, &whole, 0, "%llu events name schemas that are not in the file",
                  (unsigned long long)report->schemaless_events);
    }
    report->good = report->problems == 0;
    return ETW_OK;
}

etw_status etw_verify(const etw_os *os, const char *path,
                      void (*problem)(void *context, const etw_verify_problem *problem),
                      void *context, etw_verify_report *report, etw_error *error)
{
    if (path == NULL || report == NULL) {
        return etw_error_set_missing(error, "path and report");
    }
    os = os == NULL ? etw_os_default() : os;
    memset(report, 0, sizeof *report);
    const bool is_stdin = strcmp(path, "-") == 0;
    const int file = is_stdin ? ETW_FILE_STDIN : os->open(os->context, path, ETW_OPEN_READ);
    if (file < 0) {
        return etw_error_set_os(error, -file, "%s: cannot open", path);
    }
    verifier *self = calloc(1, sizeof *self);
    etw_status status;
    if (self != NULL && allocate(self)) {
        self->os = os;
        self->problem = problem;
        self->context = context;
        self->report = report;
        status = check_file(self, file, error);
    } else {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for verifying");
    }
    if (self != NULL) {
        release(self);
        free(self);
    }
    if (!is_stdin) {
        (void)os->close(os->context, file);
    }
    return status == ETW_OK ? ETW_OK : etw_error_wrap(error, status, "%s", path);
}
