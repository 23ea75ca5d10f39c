#include "replay/command/oracle_check.h"

#include "format/etwcap/block.h"
#include "format/etwcap/body.h"
#include "format/etwcap/side_body.h"

#include <stdlib.h>

typedef struct entry {
    etw_oracle_event event; /* its texts point into the blobs */
    uint64_t order;         /* as found: for a stable sort */
} entry;

typedef struct check {
    const etw_os *os;
    const char *path;
    etw_oracle_check_report report;
    void *context;
    etw_oracle_check_counts *counts;
    etw_text blobs; /* one behind the other */
    entry *entries;
    size_t entry_count;
    /* The entry at hand, for the report. */
    const etw_schema *schema;
    uint64_t event_number;
} check;

/* First pass: the blobs. They stand anywhere among the events. */

static etw_status take_block(void *context, const etw_side_block *block, etw_error *error)
{
    check *c = context;
    const etw_bytes body = block->body;
    if (block->kind != ETW_BLOCK_ORACLE) {
        return ETW_OK;
    }
    c->counts->blocks++;
    const etw_status status = etw_side_body_check(block->kind, 0, body, error);
    if (status == ETW_ERROR_NO_MEMORY) {
        return status;
    }
    if (status != ETW_OK || body.size > ETW_ORACLE_CHECK_MAX_BYTES - c->blobs.size) {
        c->counts->skipped_bytes += body.size;
        return ETW_OK;
    }
    etw_text_append(&c->blobs, (const char *)body.data, body.size);
    return ETW_OK;
}

static etw_status collect(check *c, etw_error *error)
{
    const etw_reader_options options = {
        .headers_only = true, .ignore_index = true, .block = take_block, .block_context = c};
    etw_source *source;
    etw_item item;
    etw_status status = etw_reader_open(c->os, c->path, &options, &source, error);
    if (etw_failed(status)) {
        return status;
    }
    do {
        status = etw_source_next(source, &item, error);
    } while (status == ETW_OK);
    etw_source_close(source);
    if (status == ETW_END && c->blobs.failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for oracle texts");
    }
    return status == ETW_END ? ETW_OK : status;
}

/* Entries by event number. */

static int by_event(const void *left, const void *right)
{
    const entry *a = left;
    const entry *b = right;
    if (a->event.event_number != b->event.event_number) {
        return a->event.event_number < b->event.event_number ? -1 : 1;
    }
    return a->order < b->order ? -1 : 1;
}

static etw_status list_entries(check *c, etw_error *error)
{
    const etw_bytes bytes = etw_text_bytes(&c->blobs);
    etw_oracle_event event;
    etw_status status;
    size_t count = 0;
    etw_cursor cursor = etw_cursor_over(bytes);
    while ((status = etw_oracle_next(&cursor, &event, error)) == ETW_OK) {
        count++;
    }
    if (status != ETW_END || count == 0) {
        return status == ETW_END ? ETW_OK : status;
    }
    c->entries = calloc(count, sizeof *c->entries);
    if (c->entries == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for oracle texts");
    }
    cursor = etw_cursor_over(bytes);
    while (c->entry_count < count &&
           etw_oracle_next(&cursor, &c->entries[c->entry_count].event, error) == ETW_OK) {
        c->entries[c->entry_count].order = c->entry_count;
        c->entry_count++;
    }
    qsort(c->entries, c->entry_count, sizeof *c->entries, by_event);
    return ETW_OK;
}

/* Second pass: the events. */

static void pass_on(void *context, const etw_oracle_difference *difference)
{
    const check *c = context;
    c->report(c->context, c->schema, c->event_number, difference);
}

static void compare(check *c, const entry *e, const etw_item *item, const etw_source *source,
                    etw_plan_cache *plans)
{
    const etw_schema *schema = etw_reader_schema_of_file(source, e->event.schema_id);
    const etw_plan *plan = etw_plan_cache_get(plans, schema, NULL);
    c->schema = schema;
    c->event_number = e->event.event_number;
    const etw_oracle_result result = {pass_on, c, &c->counts->compared};
    if (plan == NULL ||
        etw_failed(etw_oracle_compare(&e->event, plan, item->record, result, NULL))) {
        c->counts->unmatched++;
    }
}

static etw_status compare_events(check *c, etw_source *source, etw_plan_cache *plans,
                                 etw_error *error)
{
    size_t next = 0;
    uint64_t number = 0;
    etw_status status = ETW_OK;
    while (status == ETW_OK && next < c->entry_count) {
        etw_item item;
        status = etw_source_next(source, &item, error);
        if (status != ETW_OK || item.kind != ETW_ITEM_EVENT) {
            continue;
        }
        for (; next < c->entry_count && c->entries[next].event.event_number <= number; next++) {
            if (c->entries[next].event.event_number == number) {
                compare(c, &c->entries[next], &item, source, plans);
            }
        }
        number++;
    }
    c->counts->unmatched += c->entry_count - next;
    return status == ETW_END ? ETW_OK : status;
}

static etw_status second_pass(check *c, etw_error *error)
{
    etw_source *source = NULL;
    etw_plan_cache *plans = etw_plan_cache_new();
    if (plans == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory");
    }
    etw_status status = etw_reader_open(c->os, c->path, NULL, &source, error);
    if (!etw_failed(status)) {
        status = compare_events(c, source, plans, error);
        etw_source_close(source);
    }
    etw_plan_cache_free(plans);
    return status;
}

etw_status etw_oracle_check(const etw_os *os, const char *path, etw_oracle_check_report report,
                            void *context, etw_oracle_check_counts *counts, etw_error *error)
{
    check c = {.os = os, .path = path, .report = report, .context = context, .counts = counts};
    *counts = (etw_oracle_check_counts){0};
    etw_status status = collect(&c, error);
    if (!etw_failed(status)) {
        status = list_entries(&c, error);
    }
    if (!etw_failed(status) && c.entry_count > 0) {
        status = second_pass(&c, error);
    }
    free(c.entries);
    etw_text_free(&c.blobs);
    return status;
}
