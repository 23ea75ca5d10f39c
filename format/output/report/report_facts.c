#include "format/output/report/report_facts.h"

#include "format/base/grown.h"

#include <stdlib.h>

#define LEVEL_ERROR 2u /* and the more severe; 0 is none */

void etw_report_append_string(etw_text *text, const void *utf8, size_t size)
{
    const size_t start = text->size + 1;
    etw_text_append_char(text, '"');
    etw_text_append_utf8(text, utf8, size, ETW_ESCAPE_JSON);
    for (size_t i = start; i < text->size; i++) {
        const char c = text->data[i];
        if (c != '<' && c != '>' && c != '&') {
            continue;
        }
        static const char zeros[5] = "u0000";
        etw_text_append(text, zeros, sizeof zeros);
        if (text->failed) {
            return;
        }
        memmove(text->data + i + 6, text->data + i + 1, text->size - i - 6);
        memcpy(text->data + i, c == '<' ? "\\u003c" : c == '>' ? "\\u003e" : "\\u0026", 6);
        i += 5;
    }
    etw_text_append_char(text, '"');
}

/* Counts. */

void etw_report_counts_free(etw_report_counts *counts)
{
    etw_table_free(&counts->table);
    etw_arena_free(&counts->memory);
    free(counts->list);
}

bool etw_report_count_add(etw_report_counts *counts, etw_bytes key)
{
    etw_report_count *found = etw_table_get(&counts->table, key.data, key.size);
    if (found != NULL) {
        found->count++;
        return true;
    }
    if (counts->count == ETW_REPORT_MAX_COUNTS) {
        counts->others++;
        return true;
    }
    etw_report_count **longer =
        etw_grown(counts->list, &counts->capacity, counts->count, 64, sizeof *longer);
    if (longer == NULL) {
        return false;
    }
    counts->list = longer;
    etw_report_count *made = etw_arena_alloc(&counts->memory, sizeof *made);
    const char *copy = etw_arena_copy(&counts->memory, key.data, key.size);
    if (made == NULL || copy == NULL || !etw_table_set(&counts->table, copy, key.size, made)) {
        return false;
    }
    made->key = (etw_bytes){(const uint8_t *)copy, key.size};
    made->count = 1;
    counts->list[counts->count++] = made;
    return true;
}

static int by_count(const void *one, const void *other)
{
    const etw_report_count *a = *(const etw_report_count *const *)one;
    const etw_report_count *b = *(const etw_report_count *const *)other;
    if (a->count != b->count) {
        return a->count < b->count ? 1 : -1;
    }
    const size_t size = a->key.size < b->key.size ? a->key.size : b->key.size;
    const int order = memcmp(a->key.data, b->key.data, size);
    return order != 0 ? order : (a->key.size > b->key.size) - (a->key.size < b->key.size);
}

void etw_report_counts_sort(etw_report_counts *counts)
{
    if (counts->count > 0) {
        qsort(counts->list, counts->count, sizeof(*counts->list), by_count);
    }
}

/* Events. */

void etw_report_facts_free(etw_report_facts *facts)
{
    etw_report_counts_free(&facts->kinds);
    etw_report_counts_free(&facts->processes);
    etw_text_free(&facts->sample.lines);
    etw_text_free(&facts->errors);
    etw_text_free(&facts->losses);
    etw_text_free(&facts->traces);
    etw_text_free(&facts->key);
    etw_text_free(&facts->line);
}

/* Two bins become one until the time fits. */
static void count_time(etw_report_facts *f, int64_t time_100ns)
{
    if (!f->has_times) {
        f->has_times = true;
        f->first_100ns = time_100ns;
        f->last_100ns = time_100ns;
        f->bin_100ns = 10000;
    }
    if (time_100ns > f->last_100ns) {
        f->last_100ns = time_100ns;
    }
    const int64_t since = time_100ns > f->first_100ns ? time_100ns - f->first_100ns : 0;
    while (since / f->bin_100ns >= ETW_REPORT_BINS) {
        for (uint32_t i = 0; i < ETW_REPORT_BINS; i++) {
            f->bins[i] = i < ETW_REPORT_BINS / 2 ? f->bins[2 * i] + f->bins[2 * i + 1] : 0;
        }
        f->bin_100ns *= 2;
    }
    f->bins[since / f->bin_100ns]++;
}

static void append_key(etw_text *key, etw_bytes text, const char *unknown)
{
    if (text.size > 0) {
        etw_text_append(key, (const char *)text.data, text.size);
    } else {
        etw_text_append_z(key, unknown);
    }
}

static bool count_event(etw_report_facts *f, const etw_row *row)
{
    etw_text *key = &f->key;
    etw_text_clear(key);
    if (row->fields[ETW_ROW_PROVIDER_NAME].size > 0) {
        append_key(key, row->fields[ETW_ROW_PROVIDER_NAME], "");
    } else {
        etw_text_append_guid(key, &row->fixed.provider_id);
    }
    etw_text_append_char(key, '\t');
    append_key(key, row->fields[ETW_ROW_EVENT_NAME], "");
    etw_text_printf(key, "\t%u", row->fixed.id);
    if (key->failed || !etw_report_count_add(&f->kinds, etw_text_bytes(key))) {
        return false;
    }
    etw_text_clear(key);
    append_key(key, row->fields[ETW_ROW_PROCESS_NAME], "");
    etw_text_printf(key, "\t%u\t%u", row->fixed.parent_id, row->fixed.owner_id);
    return !key->failed && etw_report_count_add(&f->processes, etw_text_bytes(key));
}

static void append_properties(etw_text *line, etw_row *row)
{
    etw_bytes name;
    etw_bytes text;
    etw_text joined = {0};
    while (joined.size < ETW_REPORT_TEXT_BYTES && etw_row_next_property(row, &name, &text)) {
        etw_text_append_z(&joined, joined.size == 0 ? "" : ", ");
        etw_text_append(&joined, (const char *)name.data, name.size);
        etw_text_append_char(&joined, '=');
        etw_text_append(&joined, (const char *)text.data, text.size);
    }
    size_t size = joined.size < ETW_REPORT_TEXT_BYTES ? joined.size : ETW_REPORT_TEXT_BYTES;
    while (size > 0 && size < joined.size && ((uint8_t)joined.data[size] & 0xC0u) == 0x80u) {
        size--;
    }
    etw_report_append_string(line, joined.data, size);
    line->failed = line->failed || joined.failed;
    etw_text_free(&joined);
}

/* [microseconds since the first event, provider, name, id, level, process, process id, thread,
 * text] */
static void make_line(etw_report_facts *f, etw_row *row)
{
    const etw_row_fixed *x = &row->fixed;
    etw_text *line = &f->line;
    const etw_bytes message = row->fields[ETW_ROW_MESSAGE];
    etw_text_clear(line);
    etw_text_append_char(line, '[');
    etw_text_append_i64(line, (x->time_100ns - f->first_100ns) / 10);
    for (int i = 0; i < 2; i++) {
        const etw_bytes name = row->fields[i == 0 ? ETW_ROW_PROVIDER_NAME : ETW_ROW_EVENT_NAME];
        etw_text_append_char(line, ',');
        etw_report_append_string(line, name.data, name.size);
    }
    etw_text_printf(line, ",%u,%u,", x->id, x->level);
    etw_report_append_string(line, row->fields[ETW_ROW_PROCESS_NAME].data,
                             row->fields[ETW_ROW_PROCESS_NAME].size);
    etw_text_printf(line, ",%u,%u,", x->owner_id, x->thread_id);
    if (message.size > 0) {
        etw_report_append_string(line, message.data, message.size < 4096 ? message.size : 4096);
    } else {
        append_properties(line, row);
    }
    etw_text_append_z(line, "]\n");
}

/* Keeps every other line. */
static void halve(etw_report_sample *sample)
{
    size_t to = 0;
    bool is_kept = true;
    for (size_t from = 0; from < sample->lines.size;) {
        const char *end = memchr(sample->lines.data + from, '\n', sample->lines.size - from);
        const size_t next = (size_t)(end - sample->lines.data) + 1;
        if (is_kept) {
            memmove(sample->lines.data + to, sample->lines.data + from, next - from);
            to += next - from;
        }
        is_kept = !is_kept;
        from = next;
    }
    sample->lines.size = to;
    sample->step *= 2;
}

static void add_to_sample(etw_report_sample *sample, const etw_text *line)
{
    sample->step = sample->step == 0 ? 1 : sample->step;
    if (sample->seen++ % sample->step == 0) {
        etw_text_append(&sample->lines, line->data, line->size);
    }
    while (sample->lines.size > ETW_REPORT_EVENTS_BYTES) {
        halve(sample);
    }
}

static bool is_error(const etw_row *row)
{
    return row->fixed.level != 0 && row->fixed.level <= LEVEL_ERROR;
}

static void add_loss(etw_report_facts *f, const etw_row *row)
{
    if (f->loss_count++ < ETW_REPORT_MAX_LOSSES) {
        const etw_bytes cause = row->fields[ETW_ROW_PROBLEM];
        const etw_bytes about = row->fields[ETW_ROW_EXTENDED_INFO];
        etw_text_append_char(&f->losses, '[');
        etw_report_append_string(&f->losses, cause.data, cause.size);
        etw_text_append_char(&f->losses, ',');
        etw_report_append_string(&f->losses, about.data, about.size);
        etw_text_append_z(&f->losses, "]\n");
    }
}

/* [file, session, host, system] */
static void add_trace(etw_report_facts *f, const etw_trace *trace)
{
    const char *const names[] = {trace->source_path, trace->session_name, trace->host_name};
    f->latest = trace;
    for (uint32_t i = 0; i < f->trace_count; i++) {
        if (f->seen[i] == trace) {
            return;
        }
    }
    if (f->trace_count == ETW_REPORT_MAX_TRACES) {
        return;
    }
    f->seen[f->trace_count++] = trace;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        etw_text_append_char(&f->traces, i == 0 ? '[' : ',');
        etw_report_append_string(&f->traces, names[i], strlen(names[i]));
    }
    etw_text_printf(&f->traces, ",\"Windows %u.%u build %u, %u bit, %u processors\"]\n",
                    trace->os_version & 0xFFu, trace->os_version >> 8 & 0xFFu, trace->os_build,
                    trace->pointer_size * 8, trace->processor_count);
}

bool etw_report_facts_add(etw_report_facts *facts, etw_row *row)
{
    if (row->fixed.is_loss) {
        add_loss(facts, row);
        return !facts->losses.failed;
    }
    if (row->fixed.trace != facts->latest) {
        add_trace(facts, row->fixed.trace);
    }
    facts->events++;
    facts->unexplained += row->fixed.property_count == ETW_ROW_NONE ? 1 : 0;
    count_time(facts, row->fixed.time_100ns);
    const bool is_sampled = facts->sample.step == 0 || facts->sample.seen % facts->sample.step == 0;
    const bool is_bad = is_error(row) && facts->error_count < ETW_REPORT_MAX_ERRORS;
    facts->error_count += is_error(row) ? 1 : 0;
    if (is_sampled || is_bad) {
        make_line(facts, row);
    }
    add_to_sample(&facts->sample, &facts->line);
    if (is_bad) {
        etw_text_append(&facts->errors, facts->line.data, facts->line.size);
    }
    return count_event(facts, row) && !facts->line.failed && !facts->errors.failed &&
           !facts->sample.lines.failed && !facts->traces.failed;
}
