#include "replay/command/comparison.h"

#include "replay/command/comparison_side.h"
#include "replay/command/doubts.h"
#include "replay/command/tool.h"

#include <stdlib.h>

/* What is kept of one side: the first `count` of its entries were read and not yet told. */
typedef struct window {
    etw_entry *entries[ETW_ALIGN_MAX]; /* owned; the others are spare */
    uint32_t count;
    size_t bytes;
    bool is_whole; /* nothing follows */
} window;

typedef struct comparison {
    const etw_comparison_options *options;
    etw_comparison_result *result;
    etw_side sides[2];
    window windows[2];
    etw_alignment alignment;
    bool is_moved[ETW_ALIGN_MAX]; /* of the left: its pair stands elsewhere */
} comparison;

const char *etw_difference_name(etw_difference_kind kind)
{
    static const char *const names[ETW_DIFFERENCE_KINDS] = {"changed", "moved", "removed", "added"};
    return names[kind];
}

bool etw_comparison_is_text(const char *input)
{
    char first[8];
    size_t got = 0;
    const etw_os *os = etw_os_default();
    if (strcmp(input, "-") == 0 || os->kind(os->context, input) != ETW_PATH_FILE) {
        return false;
    }
    const int file = os->open(os->context, input, ETW_OPEN_READ);
    if (file < 0) {
        return false; /* opening it as a trace says why */
    }
    etw_ignore(etw_os_read_full(os, file, first, sizeof first, &got, NULL));
    (void)os->close(os->context, file);
    const size_t mark = got >= 3 && memcmp(first, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    return got > mark && first[mark] == '{';
}

etw_status etw_comparison_rules(const etw_replay_arguments *arguments, etw_rules *rules,
                                etw_error *error)
{
    const etw_compare_arguments *wanted = &arguments->compare;
    etw_status status = ETW_OK;
    if (wanted->only_schemas) { /* where they came from does not count */
        status = etw_rules_add_names(rules, &rules->ignored,
                                     "SchemaHash,Origin,Source,Alternatives,NotCompared", error);
    }
    for (uint32_t i = 0; i < wanted->ignored_count && !etw_failed(status); i++) {
        status = etw_rules_add_names(rules, &rules->ignored, wanted->ignored[i], error);
    }
    for (uint32_t i = 0; i < wanted->key_count && !etw_failed(status); i++) {
        status = etw_rules_add_names(rules, &rules->keys, wanted->keys[i], error);
    }
    for (uint32_t i = 0; i < wanted->normalized_count && !etw_failed(status); i++) {
        status = etw_rules_add_normalized(rules, wanted->normalized[i], error);
    }
    return status;
}

/* Windows. */

static etw_status fill(comparison *c, size_t which, uint32_t wanted, etw_error *error)
{
    window *w = &c->windows[which];
    while (w->count < wanted && !w->is_whole && w->bytes < ETW_COMPARISON_MAX_BYTES) {
        etw_entry **place = &w->entries[w->count];
        if (*place == NULL && (*place = calloc(1, sizeof **place)) == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for events");
        }
        const etw_status status = etw_side_next(&c->sides[which], *place, NULL, error);
        if (etw_failed(status)) {
            return status;
        }
        w->is_whole = status == ETW_END;
        if (status == ETW_OK) {
            w->bytes += (*place)->text.size;
            w->count++;
            c->result->events[which]++;
        }
    }
    return ETW_OK;
}

/* The first ones were told: they are spare now. */
static void pass(window *w, uint32_t passed)
{
    etw_entry *spare[ETW_ALIGN_MAX];
    memcpy(spare, w->entries, passed * sizeof *spare);
    for (uint32_t i = 0; i < passed; i++) {
        w->bytes -= spare[i]->text.size;
    }
    memmove(w->entries, w->entries + passed, (w->count - passed) * sizeof *spare);
    w->count -= passed;
    memcpy(w->entries + w->count, spare, passed * sizeof *spare);
}

static bool is_same(const etw_entry *left, const etw_entry *right)
{
    return left->hash == right->hash && memcmp(left->parts, right->parts, sizeof left->parts) == 0;
}

/* What both begin with. */
static etw_status pass_same(comparison *c, etw_error *error)
{
    for (;;) {
        for (size_t i = 0; i < 2; i++) {
            const etw_status status = fill(c, i, 1, error);
            if (etw_failed(status)) {
                return status;
            }
        }
        if (c->windows[0].count == 0 || c->windows[1].count == 0 ||
            !is_same(c->windows[0].entries[0], c->windows[1].entries[0])) {
            return ETW_OK;
        }
        c->result->same++;
        pass(&c->windows[0], 1);
        pass(&c->windows[1], 1);
    }
}

/* Telling. */

static etw_status tell(comparison *c, etw_difference_kind kind, const etw_entry *left,
                       const etw_entry *right, etw_error *error)
{
    const etw_difference difference = {kind, left, right};
    c->result->differences[kind]++;
    return c->options->tell(c->options->context, &difference, error);
}

/* Index of an entry of the right without a counterpart that has the content. */
static uint32_t find_content(const comparison *c, const etw_entry *left, uint32_t right_count)
{
    for (uint32_t j = 0; j < right_count; j++) {
        const etw_entry *right = c->windows[1].entries[j];
        if (c->alignment.of_right[j] == ETW_ALIGN_NONE && right->content == left->content &&
            right->key == left->key) {
            return j;
        }
    }
    return ETW_ALIGN_NONE;
}

/* Pairs what stands elsewhere on the right: such pairs cross others. */
static void find_moved(comparison *c, uint32_t left_count, uint32_t right_count)
{
    memset(c->is_moved, 0, sizeof c->is_moved);
    for (uint32_t i = 0; i < left_count; i++) {
        if (c->alignment.of_left[i] == ETW_ALIGN_NONE) {
            const uint32_t j = find_content(c, c->windows[0].entries[i], right_count);
            if (j != ETW_ALIGN_NONE) {
                c->alignment.of_left[i] = j;
                c->alignment.of_right[j] = i;
                c->is_moved[i] = true;
            }
        }
    }
}

/* What the right has added before a place; what moved is told at its place on the left. */
static etw_status tell_added(comparison *c, uint32_t *from, uint32_t to, etw_error *error)
{
    etw_status status = ETW_OK;
    for (; *from < to && !etw_failed(status); (*from)++) {
        if (c->alignment.of_right[*from] == ETW_ALIGN_NONE) {
            status = tell(c, ETW_DIFFERENCE_ADDED, NULL, c->windows[1].entries[*from], error);
        }
    }
    return status;
}

static etw_status tell_left(comparison *c, uint32_t i, uint32_t *next_right, etw_error *error)
{
    const etw_entry *left = c->windows[0].entries[i];
    const uint32_t pair = c->alignment.of_left[i];
    if (pair == ETW_ALIGN_NONE) {
        return tell(c, ETW_DIFFERENCE_REMOVED, left, NULL, error);
    }
    const etw_entry *right = c->windows[1].entries[pair];
    if (c->is_moved[i]) {
        return tell(c, ETW_DIFFERENCE_MOVED, left, right, error);
    }
    const etw_status status = tell_added(c, next_right, pair, error);
    *next_right = pair + 1;
    if (etw_failed(status)) {
        return status;
    }
    if (is_same(left, right)) {
        c->result->same++;
        return ETW_OK;
    }
    return tell(c, ETW_DIFFERENCE_CHANGED, left, right, error);
}

/* All of the left up to left_count and of the right up to right_count, in the order of both. */
static etw_status tell_both(comparison *c, uint32_t left_count, uint32_t right_count,
                            etw_error *error)
{
    etw_status status = ETW_OK;
    uint32_t next_right = 0;
    find_moved(c, left_count, right_count);
    for (uint32_t i = 0; i < left_count && !etw_failed(status); i++) {
        status = tell_left(c, i, &next_right, error);
    }
    return etw_failed(status) ? status : tell_added(c, &next_right, right_count, error);
}

/* How much of both may be told: all where nothing follows, else up to a pair that lies well within
 * both, as what follows may say more about the ends; where there is none, half. */
static void choose_end(const comparison *c, uint32_t *left_end, uint32_t *right_end)
{
    const window *l = &c->windows[0];
    const window *r = &c->windows[1];
    const uint32_t left_most = l->is_whole ? l->count : l->count - l->count / 4;
    const uint32_t right_most = r->is_whole ? r->count : r->count - r->count / 4;
    *left_end = l->count;
    *right_end = r->count;
    if (l->is_whole && r->is_whole) {
        return;
    }
    for (uint32_t i = left_most; i-- > 0;) {
        const uint32_t pair = c->alignment.of_left[i];
        if (pair != ETW_ALIGN_NONE && pair < right_most) {
            *left_end = i + 1;
            *right_end = pair + 1;
            return;
        }
    }
    *left_end = l->count - l->count / 2;
    *right_end = r->count - r->count / 2;
    for (uint32_t i = *left_end; i < l->count; i++) {
        const uint32_t pair = c->alignment.of_left[i];
        *right_end = pair < *right_end ? pair : *right_end;
    }
    for (uint32_t j = *right_end; j < r->count; j++) {
        const uint32_t pair = c->alignment.of_right[j];
        *left_end = pair < *left_end ? pair : *left_end;
    }
}

static etw_status compare_windows(comparison *c, etw_error *error)
{
    window *l = &c->windows[0];
    window *r = &c->windows[1];
    uint32_t left_end;
    uint32_t right_end;
    const etw_status status = etw_align(&c->alignment, (const etw_entry *const *)l->entries,
                                        l->count, (const etw_entry *const *)r->entries, r->count);
    if (etw_failed(status)) {
        return etw_error_set(error, status, "no memory to compare events");
    }
    choose_end(c, &left_end, &right_end);
    const etw_status told = tell_both(c, left_end, right_end, error);
    pass(l, left_end);
    pass(r, right_end);
    return told;
}

static etw_status run(comparison *c, etw_error *error)
{
    for (;;) {
        etw_status status = pass_same(c, error);
        for (size_t i = 0; i < 2 && !etw_failed(status); i++) {
            status = fill(c, i, ETW_ALIGN_MAX, error);
        }
        if (etw_failed(status) || c->windows[0].count + c->windows[1].count == 0) {
            return status;
        }
        status = compare_windows(c, error);
        if (etw_failed(status)) {
            return status;
        }
    }
}

static etw_status open_sides(comparison *c, const etw_replay_arguments *arguments, etw_error *error)
{
    const etw_comparison_options *o = c->options;
    const bool are_traces = !o->is_text[0] && !o->is_text[1];
    const bool has_rules = o->rules->ignored.count > 0 || o->rules->normalized != 0;
    for (size_t i = 0; i < 2; i++) {
        const etw_side_options how = {.input = o->names[i],
                                      .is_text = o->is_text[i],
                                      .passes_first_line = i == 0 && o->passes_first_line,
                                      .gives_losses = o->compares_losses,
                                      .has_names = !are_traces && !arguments->no_process_names,
                                      .only_schemas = arguments->compare.only_schemas,
                                      .counts_bytes = are_traces && !has_rules,
                                      .rules = o->rules};
        const etw_status status = etw_side_open(&c->sides[i], arguments, &how, error);
        if (etw_failed(status)) {
            return status;
        }
    }
    return ETW_OK;
}

static void close_all(comparison *c)
{
    for (size_t i = 0; i < 2; i++) {
        etw_side_close(&c->sides[i]);
        for (size_t j = 0; j < ETW_ALIGN_MAX; j++) {
            if (c->windows[i].entries[j] != NULL) {
                etw_entry_free(c->windows[i].entries[j]);
                free(c->windows[i].entries[j]);
            }
        }
    }
    etw_alignment_free(&c->alignment);
    free(c);
}

etw_status etw_compare(const etw_replay_arguments *arguments, const etw_comparison_options *options,
                       etw_comparison_result *result, etw_error *error)
{
    comparison *c = calloc(1, sizeof *c);
    *result = (etw_comparison_result){0};
    if (c == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to compare");
    }
    c->options = options;
    c->result = result;
    etw_status status = open_sides(c, arguments, error);
    status = etw_failed(status) ? status : run(c, error);
    for (size_t i = 0; i < 2 && !etw_failed(status); i++) {
        etw_side_get_totals(&c->sides[i], &result->totals[i]);
        if (c->sides[i].replay != NULL) {
            etw_tool_say_unseen_names(c->sides[i].replay);
        }
    }
    close_all(c);
    return status;
}
