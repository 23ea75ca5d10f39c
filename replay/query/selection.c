#include "replay/query/selection.h"

#include "format/base/arena.h"
#include "format/input/input.h"
#include "replay/query/state_lives.h"

#include <stdlib.h>

/* Events looked at first for each that is wanted of the end. */
#define FIRST_WINDOW 64u
#define WINDOW_LEAST 65536u

/* Counting the events of threads. */

struct etw_thread_counts {
    etw_life_index index; /* thread -> uint64_t */
    etw_arena arena;
    uint32_t count;
};

static void free_threads(etw_thread_counts *threads)
{
    if (threads != NULL) {
        etw_life_index_free(&threads->index);
        etw_arena_free(&threads->arena);
        free(threads);
    }
}

static etw_status count_event(etw_pick *pick, etw_place *place, etw_error *error)
{
    if (pick->threads == NULL) {
        pick->threads = calloc(1, sizeof *pick->threads);
    }
    etw_thread_counts *threads = pick->threads;
    uint64_t *count = threads == NULL ? NULL : etw_life_newest(&threads->index, place->thread);
    if (threads != NULL && count == NULL) {
        if (threads->count == ETW_PICK_MAX_THREADS) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "events of more than %u threads",
                                 ETW_PICK_MAX_THREADS);
        }
        count = etw_arena_alloc(&threads->arena, sizeof *count);
        threads->count++;
        count = count != NULL && etw_life_put(&threads->index, place->thread, count) ? count : NULL;
    }
    if (count == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a selection");
    }
    place->sequence = (*count)++;
    return ETW_OK;
}

/* Asking. */

bool etw_pick_wants_block(void *context, const etw_block_range *range)
{
    const etw_pick *pick = context;
    if (pick->has_sequence || range->count == 0) {
        return true;
    }
    const uint64_t last = range->first_number + range->count - 1;
    if (!pick->is_made) {
        return last >= pick->from;
    }
    return etw_spans_meet(&pick->numbers, 0, (int64_t)range->first_number, (int64_t)last) ||
           etw_spans_meet(&pick->times, 0, range->first_time_100ns, range->last_time_100ns);
}

bool etw_pick_has_block(const etw_pick *pick, const etw_block_range *range)
{
    const uint64_t last = range->first_number + range->count - 1;
    return pick->is_made && !pick->has_sequence && range->count > 0 &&
           etw_spans_hold(&pick->numbers, 0, (int64_t)range->first_number, (int64_t)last);
}

static bool has(const etw_spans *set, uint64_t key, int64_t value)
{
    return etw_spans_meet(set, key, value, value);
}

etw_status etw_pick_wants(etw_pick *pick, etw_place *place, bool *wants, etw_error *error)
{
    const etw_status status = pick->has_sequence ? count_event(pick, place, error) : ETW_OK;
    *wants = pick->is_made ? has(&pick->numbers, 0, (int64_t)place->number) ||
                                 (pick->same_thread
                                      ? has(&pick->thread_times, place->thread, place->time_100ns)
                                      : has(&pick->times, 0, place->time_100ns)) ||
                                 (pick->has_sequence &&
                                  has(&pick->sequences, place->thread, (int64_t)place->sequence))
                           : place->number >= pick->from;
    return status;
}

uint64_t etw_pick_first_number(const etw_pick *pick)
{
    if (!pick->is_made) {
        return pick->has_sequence ? 0 : pick->from;
    }
    const bool by_number_alone = !pick->has_sequence && pick->times.count == 0 &&
                                 pick->thread_times.count == 0 && pick->numbers.count > 0;
    return by_number_alone ? (uint64_t)pick->numbers.spans[0].from : 0;
}

void etw_pick_free(etw_pick *pick)
{
    if (pick == NULL) {
        return;
    }
    free_threads(pick->threads);
    etw_spans_free(&pick->numbers);
    etw_spans_free(&pick->times);
    etw_spans_free(&pick->thread_times);
    etw_spans_free(&pick->sequences);
    free(pick);
}

/* Making. */

typedef struct maker {
    const etw_replay_options *options;
    const etw_selection *wanted;
    etw_input *input;
    etw_pick *pick;
    etw_place *last; /* of the last matches, in turn; NULL: all are wanted */
    uint64_t matches;
    etw_where *where; /* of the last scout */
    uint64_t seen;
} maker;

static int64_t back(uint64_t from, uint64_t by)
{
    return from > by ? (int64_t)(from - by) : 0;
}

static etw_status add_times(const maker *m, const etw_place *place, etw_error *error)
{
    const int64_t from = place->time_100ns - m->wanted->before_100ns;
    const int64_t to = place->time_100ns + m->wanted->after_100ns;
    const etw_status status = etw_spans_add(&m->pick->times, 0, from, to, error);
    return etw_failed(status) || !m->pick->same_thread
               ? status
               : etw_spans_add(&m->pick->thread_times, place->thread, from, to, error);
}

/* One match and what stands around it. */
static etw_status add_match(const maker *m, const etw_place *place, etw_error *error)
{
    const etw_selection *wanted = m->wanted;
    etw_pick *pick = m->pick;
    const bool is_apart = pick->has_sequence;
    etw_status status =
        etw_spans_add(&pick->numbers, 0, back(place->number, is_apart ? 0 : wanted->before_events),
                      (int64_t)(place->number + (is_apart ? 0 : wanted->after_events)), error);
    if (!etw_failed(status) && is_apart) {
        status = etw_spans_add(&pick->sequences, place->thread,
                               back(place->sequence, wanted->before_events),
                               (int64_t)(place->sequence + wanted->after_events), error);
    }
    const bool has_times = wanted->before_100ns > 0 || wanted->after_100ns > 0;
    return etw_failed(status) || !has_times ? status : add_times(m, place, error);
}

static etw_status take_match(maker *m, const etw_place *place, etw_error *error)
{
    if (m->last == NULL) {
        return add_match(m, place, error);
    }
    m->last[m->matches++ % m->wanted->tail] = *place;
    return ETW_OK;
}

/* Reads from number from on and takes what passes the filter. m->seen becomes the number behind the
 * last event that was looked at: what stands behind that does not pass, or is not there yet. */
static etw_status scout(maker *m, uint64_t from, etw_error *error)
{
    etw_pick pick = {
        .from = from, .same_thread = m->pick->same_thread, .has_sequence = m->pick->has_sequence};
    const etw_replay_options options = {
        .os = m->options->os,
        .filter = m->options->filter,
        .manifest_paths = m->options->manifest_paths,
        .manifest_path_count = m->options->manifest_path_count,
        .use_default_schemas = m->options->use_default_schemas,
        .language = m->options->language,
        .progress = m->options->progress,
        .progress_context = m->options->progress_context,
        .input = m->input,
        .pick = &pick,
    };
    etw_replay *replay;
    etw_replay_item item;
    etw_place place;
    etw_status status = etw_replay_open(NULL, &options, &replay, error);
    if (etw_failed(status)) {
        return status;
    }
    m->matches = 0;
    while (status == ETW_OK) {
        status = etw_replay_next_item(replay, &item, error);
        if (status == ETW_OK) {
            etw_replay_get_place(replay, &place);
            status = take_match(m, &place, error);
        }
    }
    etw_replay_totals totals;
    etw_replay_get_totals(replay, &totals);
    etw_replay_get_place(replay, &place);
    m->seen = totals.events + totals.passed_over > 0 ? place.number + 1 : 0;
    etw_where_free(m->where);
    m->where = etw_replay_take_where(replay);
    etw_replay_close(replay);
    free_threads(pick.threads);
    return status == ETW_END ? ETW_OK : status;
}

/* How many events the file has; 0: that is not known without reading it. */
static uint64_t events_of(const etw_input *input)
{
    etw_source *source;
    etw_file_summary summary;
    uint64_t events = 0;
    const etw_reader_options options = {.summary_only = true};
    if (!etw_failed(
            etw_reader_open(etw_input_os(input), etw_input_name(input), &options, &source, NULL))) {
        if (!etw_failed(etw_reader_summary(source, &summary, NULL)) && summary.complete) {
            events = summary.events;
        }
        etw_source_close(source);
    }
    return events;
}

/* From ever farther before the end, until enough have passed. */
static etw_status find_last(maker *m, uint64_t events, etw_error *error)
{
    const uint64_t tail = m->wanted->tail;
    uint64_t window = tail > UINT64_MAX / FIRST_WINDOW ? UINT64_MAX : tail * FIRST_WINDOW;
    window = window < WINDOW_LEAST ? WINDOW_LEAST : window;
    for (;;) {
        const uint64_t from = m->pick->has_sequence || events < window ? 0 : events - window;
        const etw_status status = scout(m, from, error);
        if (etw_failed(status) || from == 0 || m->matches >= tail) {
            return status;
        }
        window = window > UINT64_MAX / 8 ? UINT64_MAX : window * 8;
    }
}

static etw_status add_last(maker *m, etw_error *error)
{
    const uint64_t count = m->matches < m->wanted->tail ? m->matches : m->wanted->tail;
    etw_status status = ETW_OK;
    for (uint64_t i = 0; i < count && !etw_failed(status); i++) {
        status = add_match(m, &m->last[(m->matches - count + i) % m->wanted->tail], error);
    }
    return status;
}

static bool has_context(const etw_selection *wanted)
{
    return wanted->before_events > 0 || wanted->after_events > 0 || wanted->before_100ns > 0 ||
           wanted->after_100ns > 0;
}

static bool has_filter(const etw_filter *filter)
{
    return etw_filter_has_provider(filter) || filter->id_count > 0 || filter->has_level ||
           filter->no_level_0 || filter->process_id_count > 0 || filter->has_since ||
           filter->has_until || filter->where != NULL;
}

static etw_status find(maker *m, etw_error *error)
{
    const etw_selection *wanted = m->wanted;
    if (m->options->follow && has_context(wanted)) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "what stands around events is not found in a file that grows");
    }
    if (wanted->tail == 0) {
        return scout(m, 0, error);
    }
    const uint64_t events = events_of(m->input);
    if (events > 0 && !has_context(wanted) && !has_filter(&m->options->filter)) {
        return etw_spans_add(&m->pick->numbers, 0, back(events, wanted->tail), INT64_MAX, error);
    }
    m->last = wanted->tail > ETW_SPANS_MOST ? NULL : calloc((size_t)wanted->tail, sizeof *m->last);
    if (m->last == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the last %llu events",
                             (unsigned long long)wanted->tail);
    }
    etw_status status = find_last(m, events, error);
    if (!etw_failed(status)) {
        status = add_last(m, error);
    }
    return etw_failed(status) || !m->options->follow
               ? status
               : etw_spans_add(&m->pick->numbers, 0, (int64_t)m->seen, INT64_MAX, error);
}

etw_status etw_pick_make(const etw_replay_options *options, etw_input *input, etw_pick **pick,
                         etw_where **where, etw_error *error)
{
    const etw_selection *wanted = &options->selection;
    maker m = {.options = options, .wanted = wanted, .input = input};
    *pick = NULL;
    *where = NULL;
    if (!etw_input_can_seek(input)) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "%s: what stands around events, and the last of them, is found in "
                             "files, not in pipes",
                             etw_input_name(input));
    }
    m.pick = calloc(1, sizeof *m.pick);
    if (m.pick == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a selection");
    }
    m.pick->same_thread = wanted->same_thread;
    m.pick->has_sequence =
        wanted->same_thread && (wanted->before_events > 0 || wanted->after_events > 0);
    const etw_status status = find(&m, error);
    free(m.last);
    if (etw_failed(status)) {
        etw_where_free(m.where);
        etw_pick_free(m.pick);
        return status;
    }
    etw_spans_settle(&m.pick->numbers);
    etw_spans_settle(&m.pick->times);
    etw_spans_settle(&m.pick->thread_times);
    etw_spans_settle(&m.pick->sequences);
    m.pick->is_made = true;
    *pick = m.pick;
    *where = m.where;
    return ETW_OK;
}

static int64_t time_of(const etw_source *source, const etw_item *item)
{
    return etw_clock_to_filetime(&etw_source_trace(source, item->trace_index)->clock,
                                 item->record->EventHeader.TimeStamp);
}

etw_status etw_pick_first_time(etw_pick *pick, const etw_input *input, int64_t *time_100ns,
                               etw_error *error)
{
    const etw_reader_options options = {
        .headers_only = true, .wants = etw_pick_wants_block, .wants_context = pick};
    etw_source *source = NULL;
    etw_status status =
        etw_reader_open(etw_input_os(input), etw_input_name(input), &options, &source, error);
    *time_100ns = status == ETW_ERROR_NOT_THIS ? INT64_MIN : INT64_MAX;
    if (status == ETW_ERROR_NOT_THIS) {
        return ETW_OK;
    }
    if (status == ETW_OK) {
        etw_reader_pass_events(source, etw_pick_first_number(pick));
    }
    while (status == ETW_OK) {
        etw_item item;
        status = etw_source_next(source, &item, error);
        if (status == ETW_OK && item.kind == ETW_ITEM_EVENT &&
            has(&pick->numbers, 0, (int64_t)etw_reader_event_number(source))) {
            const int64_t time = time_of(source, &item);
            *time_100ns = time < *time_100ns ? time : *time_100ns;
        }
    }
    etw_source_close(source);
    return status == ETW_END ? ETW_OK : status;
}
