/* The rows of `stats`: a table for people, JSON, or CSV. */
#include "format/event/clock.h"
#include "format/output/json_writer.h"
#include "replay/command/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ABSENT UINT32_MAX
/* Columns that every table has, and those that are asked for. */
#define MAX_CELLS (2 + ETW_STATS_MAX_COLUMNS + 5 + ETW_STATS_MAX_CALCULATIONS)

void etw_stats_append_cell(etw_text *key, const char *text, size_t size)
{
    const uint32_t length = text == NULL ? ABSENT : (uint32_t)size;
    etw_text_append(key, (const char *)&length, sizeof length);
    etw_text_append(key, text == NULL ? "" : text, text == NULL ? 0 : size);
}

typedef struct cell {
    const char *text; /* NULL: not there */
    size_t size;
} cell;

static const char *next_cell(const char *at, cell *c)
{
    uint32_t length;
    memcpy(&length, at, sizeof length);
    at += sizeof length;
    *c = (cell){length == ABSENT ? NULL : at, length == ABSENT ? 0 : length};
    return at + c->size;
}

size_t etw_stats_key_prefix(const etw_stats_table *table, const char *key)
{
    cell ignored;
    const char *end = next_cell(key, &ignored);
    end = table->has_interval ? next_cell(end, &ignored) : end;
    return (size_t)(end - key);
}

/* One row being shown: its group, and the cells of its key. */
typedef struct row {
    const etw_group *group;
    bool is_others;
    cell file, time;
    cell columns[ETW_STATS_MAX_COLUMNS];
} row;

static void read_row(const etw_stats_table *table, const etw_group *group, row *r)
{
    const char *at = group->key;
    *r = (row){.group = group, .is_others = at == NULL};
    if (at == NULL) {
        return;
    }
    at = next_cell(at, &r->file);
    if (table->has_interval) {
        at = next_cell(at, &r->time);
    }
    for (uint32_t i = 0; i < table->column_count && at < group->key + group->key_size; i++) {
        at = next_cell(at, &r->columns[i]);
    }
}

static double rate_of(const etw_stats_table *table, const row *r, double span_s)
{
    const double own_s = ((double)r->group->last_100ns - (double)r->group->first_100ns) / 1e7;
    const double seconds = table->has_interval        ? table->interval_s
                           : table->column_count == 0 ? own_s /* a file's */
                                                      : span_s;
    return seconds > 0 ? (double)r->group->events / seconds : 0;
}

static double calculated(const etw_calculation *calculation, const etw_measure *m)
{
    switch (calculation->kind) {
    case ETW_CALCULATE_SUM:
        return m->sum;
    case ETW_CALCULATE_MIN:
        return m->least;
    case ETW_CALCULATE_MAX:
        return m->most;
    case ETW_CALCULATE_AVG:
        return m->sum / (double)m->count;
    case ETW_CALCULATE_PERCENTILE:
        break;
    }
    return etw_measure_percentile(m, calculation->percent);
}

/* Whole numbers as such, others with six digits; a point whatever the locale. */
static void append_number(etw_text *text, double value)
{
    if (value == floor(value) && fabs(value) < 1e15) {
        etw_text_append_i64(text, (int64_t)value);
        return;
    }
    char digits[40];
    (void)snprintf(digits, sizeof digits, "%.6g", value);
    for (char *at = digits; *at != '\0'; at++) {
        *at = *at == ',' ? '.' : *at;
    }
    etw_text_append_z(text, digits);
}

/* JSON. */

static bool is_number(const cell *c)
{
    bool is_digits = c->size > 0 && c->size <= 20 && (c->size == 1 || c->text[0] != '0');
    for (size_t i = 0; i < c->size; i++) {
        is_digits = is_digits && c->text[i] >= '0' && c->text[i] <= '9';
    }
    return is_digits;
}

/* Names are what users call fields: they may need escapes. */
static void json_name(etw_text *text, const char *name)
{
    etw_json_begin(text, NULL);
    etw_text_append_char(text, '"');
    etw_text_append_utf8(text, (const uint8_t *)name, strlen(name), ETW_ESCAPE_JSON);
    etw_text_append_z(text, "\":");
}

static void json_cell(etw_text *text, const char *name, const cell *c)
{
    if (c->text == NULL) {
        return;
    }
    json_name(text, name);
    if (is_number(c)) {
        etw_text_append(text, c->text, c->size);
        return;
    }
    etw_text_append_char(text, '"');
    etw_text_append_utf8(text, (const uint8_t *)c->text, c->size, ETW_ESCAPE_JSON);
    etw_text_append_char(text, '"');
}

static void json_row(const etw_stats_table *table, const row *r, double span_s, etw_text *text)
{
    const etw_group *group = r->group;
    etw_json_open(text, NULL, '{');
    if (table->has_files) {
        json_cell(text, "File", &r->file);
    }
    json_cell(text, "Time", &r->time);
    for (uint32_t i = 0; i < table->column_count; i++) {
        json_cell(text, table->columns[i], &r->columns[i]);
    }
    if (r->is_others) {
        etw_json_flag(text, "Others", true);
    }
    etw_json_u64(text, table->is_pairs ? "Pairs" : "Events", group->events);
    if (!table->is_pairs) {
        etw_json_u64(text, "Bytes", group->bytes);
    }
    etw_json_time(text, "First", group->first_100ns);
    etw_json_time(text, "Last", group->last_100ns);
    etw_json_begin(text, "Rate");
    append_number(text, rate_of(table, r, span_s));
    for (uint32_t i = 0; i < table->calculation_count; i++) {
        const etw_calculation *calculation = &table->calculations[i];
        const etw_measure *m = &group->measures[calculation->measure];
        if (m->count > 0) {
            json_name(text, calculation->name);
            append_number(text, calculated(calculation, m));
        }
    }
    etw_json_close(text, '}');
    etw_text_append_char(text, '\n');
}

/* Tables and CSV: the same cells as text. */

typedef struct cells {
    etw_text text;
    size_t ends[MAX_CELLS];
    bool is_left[MAX_CELLS]; /* a text, not a number */
    uint32_t count;
} cells;

static void end_cell(cells *to, bool is_left)
{
    to->is_left[to->count] = is_left;
    to->ends[to->count++] = to->text.size;
}

static cell cell_at(const cells *of, uint32_t index)
{
    const size_t start = index == 0 ? 0 : of->ends[index - 1];
    return (cell){of->text.data + start, of->ends[index] - start};
}

static void text_cell(cells *to, const cell *c)
{
    etw_text_append_utf8(&to->text, (const uint8_t *)c->text, c->size, ETW_ESCAPE_LINE);
    end_cell(to, !is_number(c));
}

static void word_cell(cells *to, const char *word, bool is_left)
{
    etw_text_append_z(&to->text, word);
    end_cell(to, is_left);
}

static void heading_cells(const etw_stats_table *table, cells *to)
{
    if (table->has_files) {
        word_cell(to, "File", true);
    }
    if (table->has_interval) {
        word_cell(to, "Time", true);
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        word_cell(to, table->columns[i], true);
    }
    word_cell(to, table->is_pairs ? "Pairs" : "Events", false);
    if (!table->is_pairs) {
        word_cell(to, "Bytes", false);
    }
    word_cell(to, "First", true);
    word_cell(to, "Last", true);
    word_cell(to, "Rate", false);
    for (uint32_t i = 0; i < table->calculation_count; i++) {
        word_cell(to, table->calculations[i].name, false);
    }
}

static void row_cells(const etw_stats_table *table, const row *r, double span_s, cells *to)
{
    static const cell others = {"others", 6};
    bool has_said = !r->is_others;
    if (table->has_files) {
        text_cell(to, &r->file);
    }
    if (table->has_interval) {
        text_cell(to, &r->time);
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        text_cell(to, has_said ? &r->columns[i] : &others);
        has_said = true; /* the word stands in the first column alone */
    }
    etw_text_append_u64(&to->text, r->group->events);
    end_cell(to, false);
    if (!table->is_pairs) {
        etw_text_append_u64(&to->text, r->group->bytes);
        end_cell(to, false);
    }
    etw_text_append_time(&to->text, r->group->first_100ns);
    end_cell(to, true);
    etw_text_append_time(&to->text, r->group->last_100ns);
    end_cell(to, true);
    append_number(&to->text, round(rate_of(table, r, span_s) * 100) / 100);
    end_cell(to, false);
    for (uint32_t i = 0; i < table->calculation_count; i++) {
        const etw_calculation *calculation = &table->calculations[i];
        const etw_measure *m = &r->group->measures[calculation->measure];
        if (m->count > 0) {
            append_number(&to->text, calculated(calculation, m));
        }
        end_cell(to, false);
    }
}

static void csv_cells(const cells *of, etw_text *text)
{
    for (uint32_t i = 0; i < of->count; i++) {
        const cell c = cell_at(of, i);
        const bool is_quoted = of->is_left[i] && c.size > 0;
        etw_text_append_z(text, i > 0 ? "," : "");
        etw_text_append_z(text, is_quoted ? "\"" : "");
        for (size_t k = 0; k < c.size; k++) {
            etw_text_append(text, "\"\"", c.text[k] == '"' ? 1 : 0);
            etw_text_append_char(text, c.text[k]);
        }
        etw_text_append_z(text, is_quoted ? "\"" : "");
    }
    etw_text_append_z(text, "\r\n");
}

/* Characters, not bytes: continuation bytes of UTF-8 take no place. */
static size_t width_of(const cell *c)
{
    size_t width = 0;
    for (size_t i = 0; i < c->size; i++) {
        width += ((uint8_t)c->text[i] & 0xC0) != 0x80;
    }
    return width;
}

static void padding(etw_text *text, size_t width)
{
    while (width-- > 0) {
        etw_text_append_char(text, ' ');
    }
}

static void table_cells(const cells *of, const size_t *widths, etw_text *text)
{
    for (uint32_t i = 0; i < of->count; i++) {
        const cell c = cell_at(of, i);
        const size_t left = widths[i] - width_of(&c);
        const bool is_last = i + 1 == of->count;
        etw_text_append_z(text, i > 0 ? "  " : "");
        padding(text, of->is_left[i] ? 0 : left);
        etw_text_append(text, c.text, c.size);
        padding(text, of->is_left[i] && !is_last ? left : 0);
    }
    etw_text_append_char(text, '\n');
}

/* The rows in their order. */

typedef struct rows {
    const etw_stats_table *table;
    row *list;
    size_t count;
    double span_s; /* from the first event of all to the last */
} rows;

static int order_of_cells(const cell *a, const cell *b)
{
    const size_t size = a->size < b->size ? a->size : b->size;
    const int order = size == 0 ? 0 : memcmp(a->text, b->text, size);
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

/* Which part of the table a row belongs to: one for each file and time. */
static int order_of_parts(const row *a, const row *b)
{
    const int order = order_of_cells(&a->file, &b->file);
    return order != 0 ? order : order_of_cells(&a->time, &b->time);
}

static int compare_rows(const void *a, const void *b)
{
    const row *x = a;
    const row *y = b;
    const int parts = order_of_parts(x, y);
    if (parts != 0) {
        return parts;
    }
    if (x->group->events != y->group->events) {
        return x->group->events > y->group->events ? -1 : 1;
    }
    for (uint32_t i = 0; i < ETW_STATS_MAX_COLUMNS; i++) {
        const int order = order_of_cells(&x->columns[i], &y->columns[i]);
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

/* Keeps top rows of each part and sums the others into the first of them. */
static etw_status cut_rows(rows *all, etw_statistics *statistics, etw_error *error)
{
    size_t kept = 0, in_part = 0;
    etw_status status = ETW_OK;
    for (size_t i = 0; i < all->count && !etw_failed(status); i++) {
        const bool is_new = i == 0 || order_of_parts(&all->list[i - 1], &all->list[i]) != 0;
        in_part = is_new ? 1 : in_part + 1;
        if (in_part <= all->table->top) {
            all->list[kept++] = all->list[i];
        } else if (in_part == all->table->top + 1) {
            all->list[kept] = all->list[i];
            all->list[kept].is_others = true;
            memset(all->list[kept++].columns, 0, sizeof all->list->columns);
        } else {
            status = etw_statistics_join(statistics, (etw_group *)all->list[kept - 1].group,
                                         all->list[i].group, error);
        }
    }
    all->count = kept;
    return status;
}

/* The cells of the heading, at 0, or of a row. False where memory is out. */
static bool make_cells(const rows *all, size_t line, cells *of)
{
    etw_text_clear(&of->text);
    of->count = 0;
    if (line == 0) {
        heading_cells(all->table, of);
    } else {
        row_cells(all->table, &all->list[line - 1], all->span_s, of);
    }
    return !of->text.failed;
}

static bool measure_cells(const rows *all, size_t *widths)
{
    cells of = {0};
    bool is_well = true;
    for (size_t i = 0; i <= all->count && is_well; i++) {
        is_well = make_cells(all, i, &of);
        for (uint32_t c = 0; is_well && c < of.count; c++) {
            const cell its = cell_at(&of, c);
            const size_t width = width_of(&its);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    etw_text_free(&of.text);
    return is_well;
}

static void print_cells(const rows *all, bool csv, etw_text *text)
{
    size_t widths[MAX_CELLS] = {0};
    cells of = {0};
    bool is_well = csv || measure_cells(all, widths);
    for (size_t i = 0; i <= all->count && is_well; i++) {
        is_well = make_cells(all, i, &of);
        if (is_well && csv) {
            csv_cells(&of, text);
        } else if (is_well) {
            table_cells(&of, widths, text);
        }
    }
    text->failed = text->failed || !is_well;
    etw_text_free(&of.text);
}

static void print_rows(const rows *all, bool json, bool csv, etw_text *text)
{
    for (size_t i = 0; json && i < all->count; i++) {
        json_row(all->table, &all->list[i], all->span_s, text);
    }
    if (!json) {
        print_cells(all, csv, text);
    }
}

etw_status etw_stats_print(const etw_stats_table *table, etw_statistics *statistics, bool json,
                           bool csv, etw_text *text, etw_error *error)
{
    const uint32_t count = etw_statistics_count(statistics);
    const etw_group *others = etw_statistics_others(statistics);
    rows all = {.table = table, .list = calloc((size_t)count + 1, sizeof *all.list)};
    int64_t first_100ns = INT64_MAX, last_100ns = INT64_MIN;
    if (all.list == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for %u rows", count);
    }
    for (uint32_t i = 0; i <= count; i++) {
        const etw_group *group = i < count ? etw_statistics_at(statistics, i) : others;
        if (group->events == 0) {
            continue;
        }
        read_row(table, group, &all.list[all.count++]);
        first_100ns = group->first_100ns < first_100ns ? group->first_100ns : first_100ns;
        last_100ns = group->last_100ns > last_100ns ? group->last_100ns : last_100ns;
    }
    all.span_s = all.count > 0 ? ((double)last_100ns - (double)first_100ns) / 1e7 : 0;
    const size_t own = all.count - (others->events > 0 ? 1 : 0); /* the others stay last */
    qsort(all.list, own, sizeof *all.list, compare_rows);
    etw_status status = table->top > 0 ? cut_rows(&all, statistics, error) : ETW_OK;
    if (!etw_failed(status)) {
        print_rows(&all, json, csv, text);
    }
    free(all.list);
    return status;
}
