/* A report: one HTML file that opens from disk and asks nothing of a network. Its data are JSON
 * within it, which the page's script shows as text alone. */
#include "format/output/report/report_facts.h"
#include "format/output/report/report_page.h"

#include "format/base/version.h"
#include "format/output/stacks/stack_sums.h"
#include "format/output/timeline/open_slices.h"

#include <stdlib.h>

#define MAX_PAIRS       100u
#define MAX_STACKS      3000u
#define MAX_STACK_BYTES ((size_t)1 << 20)
#define MAX_COUNT_LINES 2000u

/* What a renderer's rows hold, by their first byte. */
enum { ROW_EVENT, ROW_TIMELINE, ROW_STACK };

typedef struct long_pair {
    int64_t length;
    etw_text line;
} long_pair;

struct etw_collector {
    etw_collector_target target;
    etw_report_facts facts;
    etw_stack_sums *stacks;
    etw_open_slices open;
    etw_open_slice *top; /* all threads in one: nesting is of no interest */
    long_pair pairs[MAX_PAIRS];
    uint32_t pair_count;
};

static void close_report(etw_collector *collector)
{
    if (collector != NULL) {
        etw_report_facts_free(&collector->facts);
        etw_stack_sums_free(collector->stacks);
        etw_open_slices_free(&collector->open);
        for (uint32_t i = 0; i < collector->pair_count; i++) {
            etw_text_free(&collector->pairs[i].line);
        }
        free(collector);
    }
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a report");
}

static etw_status open_report(const etw_output_options *options, const etw_collector_target *target,
                              etw_collector **collector, etw_error *error)
{
    (void)options;
    etw_collector *made = calloc(1, sizeof *made);
    *collector = NULL;
    if (made != NULL) {
        made->target = *target;
        made->stacks = etw_stack_sums_new();
    }
    if (made == NULL || made->stacks == NULL) {
        close_report(made);
        return no_memory(error);
    }
    *collector = made;
    return ETW_OK;
}

/* Pairs of start and stop: the longest. */

static void make_pair_line(etw_text *line, const etw_timeline_slice *slice, int64_t length)
{
    etw_text_append_char(line, '[');
    etw_text_append_i64(line, slice->start / 10);
    etw_text_append_char(line, ',');
    etw_text_append_i64(line, length / 10);
    etw_text_append_char(line, ',');
    etw_report_append_string(line, slice->category.data, slice->category.size);
    etw_text_append_char(line, ',');
    etw_report_append_string(line, slice->name.data, slice->name.size);
    etw_text_printf(line, ",%u,%u]", slice->process_id, slice->thread_id);
}

/* Keeps the list sorted, the longest first; of equal ones the first. */
static bool add_pair(etw_collector *c, const etw_timeline_slice *slice, int64_t length)
{
    uint32_t place = c->pair_count;
    while (place > 0 && c->pairs[place - 1].length < length) {
        place--;
    }
    if (place == MAX_PAIRS) {
        return true;
    }
    long_pair added = {.length = length};
    make_pair_line(&added.line, slice, length);
    if (c->pair_count == MAX_PAIRS) {
        etw_text_free(&c->pairs[--c->pair_count].line);
    }
    memmove(&c->pairs[place + 1], &c->pairs[place], (c->pair_count - place) * sizeof added);
    c->pairs[place] = added;
    c->pair_count++;
    return !added.line.failed;
}

static bool take_timeline(etw_collector *c, const etw_timeline_row *row)
{
    if (row->kind == ETW_TIMELINE_START) {
        const etw_timeline_slice slice = {.start = row->time_100ns - c->facts.first_100ns,
                                          .process_id = row->process_id,
                                          .thread_id = row->thread_id,
                                          .name = row->name,
                                          .category = row->category};
        if (!row->is_single || etw_open_slices_find(&c->open, row->key) == NULL) {
            (void)etw_open_slices_add(&c->open, row->key, &slice, &c->top);
        }
        return !c->open.failed;
    }
    etw_open_slice *open =
        row->kind == ETW_TIMELINE_STOP ? etw_open_slices_find(&c->open, row->key) : NULL;
    if (open == NULL) {
        return true;
    }
    const int64_t length = row->time_100ns - c->facts.first_100ns - open->slice.start;
    const bool is_well = add_pair(c, &open->slice, length < 0 ? 0 : length);
    etw_open_slices_remove(&c->open, open);
    return is_well;
}

static etw_status take_rows(etw_collector *collector, etw_bytes rows, etw_text *out,
                            etw_error *error)
{
    (void)out;
    while (rows.size > 0) {
        const uint8_t kind = rows.data[0];
        etw_bytes part = {rows.data + 5, etw_load_u32(rows.data + 1)};
        etw_row row;
        etw_timeline_row moment;
        etw_stack_row stack;
        rows.size -= 5 + part.size;
        rows.data = part.data + part.size;
        bool is_well = true;
        if (kind == ROW_EVENT && etw_row_next(&part, &row)) {
            is_well = etw_report_facts_add(&collector->facts, &row);
        } else if (kind == ROW_TIMELINE && etw_timeline_row_next(&part, &moment)) {
            is_well = take_timeline(collector, &moment);
        } else if (kind == ROW_STACK && etw_stack_row_next(&part, &stack)) {
            is_well = !etw_failed(etw_stack_sums_add(collector->stacks, &stack, error));
        }
        if (!is_well) {
            return no_memory(error);
        }
    }
    return ETW_OK;
}

/* The page. */

/* Lines, each an array, as members of a list. */
static void put_lines(etw_text *out, const char *name, const etw_text *lines)
{
    out->failed = out->failed || lines->failed;
    etw_text_printf(out, ",\n\"%s\":[", name);
    for (size_t from = 0; from < lines->size && !lines->failed;) {
        const char *end = memchr(lines->data + from, '\n', lines->size - from);
        const size_t next = (size_t)(end - lines->data) + 1;
        etw_text_append_z(out, from == 0 ? "" : ",");
        etw_text_append(out, lines->data + from, next - from - 1);
        from = next;
    }
    etw_text_append_char(out, ']');
}

/* A key's parts, with tabs between, are strings. */
static void put_counts(etw_text *out, const char *name, etw_report_counts *counts)
{
    etw_report_counts_sort(counts);
    etw_text_printf(out, ",\n\"%s\":[", name);
    for (uint32_t i = 0; i < counts->count && i < MAX_COUNT_LINES; i++) {
        etw_bytes rest = counts->list[i]->key;
        etw_text_append_z(out, i == 0 ? "[" : ",[");
        while (rest.size > 0) {
            const uint8_t *end = memchr(rest.data, '\t', rest.size);
            const size_t size = end == NULL ? rest.size : (size_t)(end - rest.data);
            etw_report_append_string(out, rest.data, size);
            etw_text_append_char(out, ',');
            rest.data += size + (end == NULL ? 0 : 1);
            rest.size -= size + (end == NULL ? 0 : 1);
        }
        etw_text_append_u64(out, counts->list[i]->count);
        etw_text_append_char(out, ']');
    }
    etw_text_append_char(out, ']');
}

static void put_bins(etw_text *out, const etw_report_facts *facts)
{
    etw_text_append_z(out, ",\n\"bins\":[");
    for (uint32_t i = 0; i < ETW_REPORT_BINS; i++) {
        etw_text_append_z(out, i == 0 ? "" : ",");
        etw_text_append_u64(out, facts->bins[i]);
    }
    etw_text_printf(out, "],\"bin\":%lld", (long long)facts->bin_100ns / 10);
}

static void put_pairs(etw_text *out, const etw_collector *c)
{
    etw_text_append_z(out, ",\n\"pairs\":[");
    for (uint32_t i = 0; i < c->pair_count; i++) {
        etw_text_append_z(out, i == 0 ? "" : ",");
        etw_text_append(out, c->pairs[i].line.data, c->pairs[i].line.size);
    }
    etw_text_append_char(out, ']');
}

static int by_weight(const void *one, const void *other)
{
    const etw_stack_sum *a = *(const etw_stack_sum *const *)one;
    const etw_stack_sum *b = *(const etw_stack_sum *const *)other;
    return (a->weight < b->weight) - (a->weight > b->weight);
}

/* The heaviest stacks; what they leave out is told as one number. */
static bool put_stacks(etw_text *out, etw_collector *c)
{
    uint32_t count;
    const etw_stack_sum *const *sorted = etw_stack_sums_sorted(c->stacks, &count);
    const etw_stack_sum **heavy = calloc((size_t)count + 1, sizeof(*heavy));
    uint64_t rest = 0;
    const size_t start = out->size;
    if (heavy == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        heavy[i] = sorted[i];
    }
    qsort(heavy, count, sizeof(*heavy), by_weight);
    etw_text_append_z(out, ",\n\"stacks\":[");
    for (uint32_t i = 0; i < count; i++) {
        if (i >= MAX_STACKS || out->size - start > MAX_STACK_BYTES) {
            rest += heavy[i]->weight;
            continue;
        }
        etw_text_append_z(out, i == 0 ? "[" : ",[");
        etw_report_append_string(out, heavy[i]->frames.data, heavy[i]->frames.size);
        etw_text_append_char(out, ',');
        etw_text_append_u64(out, heavy[i]->weight);
        etw_text_append_char(out, ']');
    }
    etw_text_append_z(out, "],\"otherStacks\":");
    etw_text_append_u64(out, rest);
    free(heavy);
    return true;
}

static etw_status finish_report(etw_collector *c, etw_text *out, etw_error *error)
{
    etw_report_facts *f = &c->facts;
    etw_text first = {0};
    etw_text last = {0};
    if (f->has_times) {
        etw_text_append_time(&first, f->first_100ns);
        etw_text_append_time(&last, f->last_100ns);
    }
    etw_text_append_z(out, etw_report_page_head);
    etw_text_printf(out,
                    "{\"made\":\"etwcap " ETW_VERSION
                    "\",\"events\":%llu,\"first\":\"%s\",\"last\":\"%s\",\"step\":%llu,"
                    "\"errorCount\":%u,\"lossCount\":%u,\"unexplained\":%llu",
                    (unsigned long long)f->events, etw_text_z(&first), etw_text_z(&last),
                    (unsigned long long)f->sample.step, f->error_count, f->loss_count,
                    (unsigned long long)f->unexplained);
    put_bins(out, f);
    put_lines(out, "traces", &f->traces);
    put_lines(out, "losses", &f->losses);
    put_counts(out, "kinds", &f->kinds);
    put_counts(out, "processes", &f->processes);
    put_lines(out, "errors", &f->errors);
    put_pairs(out, c);
    const bool is_well = put_stacks(out, c);
    put_lines(out, "sample", &f->sample.lines);
    etw_text_append_char(out, '}');
    etw_text_append_z(out, etw_report_page_tail);
    out->failed |= first.failed || last.failed;
    etw_text_free(&first);
    etw_text_free(&last);
    return is_well ? ETW_OK : no_memory(error);
}

/* The renderer's half. */

static size_t begin_part(etw_text *text, uint8_t kind)
{
    static const char size[4] = {0};
    etw_text_append_char(text, (char)kind);
    etw_text_append(text, size, sizeof size);
    return text->size;
}

static void end_part(etw_text *text, size_t start)
{
    const uint32_t size = (uint32_t)(text->size - start);
    if (text->failed) {
        return;
    }
    if (size == 0) {
        text->size = start - 5;
        return;
    }
    memcpy(text->data + start - 4, &size, sizeof size);
}

static void render_event(etw_output *output, const etw_event *event, etw_text *text)
{
    const uint8_t opcode = etw_event_record_of(event)->EventHeader.EventDescriptor.Opcode;
    size_t start = begin_part(text, ROW_EVENT);
    etw_row_append(&output->options, event, text);
    end_part(text, start);
    if (opcode != 0) { /* starts and stops have one */
        start = begin_part(text, ROW_TIMELINE);
        etw_timeline_row_append(&output->options, event, text);
        end_part(text, start);
    }
    start = begin_part(text, ROW_STACK);
    etw_stack_row_append(&output->options, event, text);
    end_part(text, start);
}

static void render_loss(etw_output *output, const etw_loss *loss, etw_text *text)
{
    (void)output;
    const size_t start = begin_part(text, ROW_EVENT);
    etw_row_append_loss(loss, text);
    end_part(text, start);
}

static const etw_collector_kind collector = {open_report, take_rows, finish_report, close_report};

const etw_output_format etw_output_html = {
    .name = "html",
    .help = "a report of one page, that opens from disk",
    .open = etw_output_open_plain,
    .close = etw_output_free,
    .event = render_event,
    .loss = render_loss,
    .collector = &collector,
};
