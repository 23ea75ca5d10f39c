#include "replay/command/trace_set.h"

#include "format/base/heap.h"
#include "format/event/sort.h"
#include "replay/command/doubts.h"
#include "replay/command/follow.h"
#include "replay/command/offsets.h"

#include <stdlib.h>

#define NO_MEMBER UINT32_MAX
/* EVENT_TRACE_FILE_MODE_NEWFILE: the session begins a new file where one is full. */
#define MODE_NEWFILE 0x00000008u

/* One trace. */
typedef struct member {
    etw_replay *replay;
    etw_replay_item item; /* it stands at */
    int64_t time_100ns;   /* of that */
    bool is_known;        /* what it stands at, its end among it */
    bool is_ended;
    bool is_pipe;
    int64_t offset_100ns; /* to be added to its times */
    uint16_t *numbers;    /* of its traces within the set, from 1; 0: none yet */
    uint16_t number_count;
} member;

struct etw_trace_set {
    etw_trace_set_options options;
    etw_tool_inputs inputs; /* not yet opened */
    member *members;
    uint32_t count;
    bool is_by_time; /* or one after the other */
    etw_spool *spool;
    etw_input **opened; /* the replays' inputs */
    etw_heap heap;      /* of members that have an item */
    bool is_started;
    uint32_t lent; /* whose item the caller has; NO_MEMBER */
    uint64_t delivered;
    uint16_t traces; /* numbered so far */
    etw_follow follow;
    etw_replay_totals followed; /* of the files before the one that is followed now */
};

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the inputs");
}

/* Opening. */

static etw_status collect(etw_trace_set *set, etw_error *error)
{
    if (set->options.input == NULL) {
        return etw_tool_collect_inputs(set->options.arguments, &set->inputs, error);
    }
    set->inputs.inputs = malloc(sizeof *set->inputs.inputs);
    if (set->inputs.inputs == NULL) {
        etw_input_close(set->options.input);
        return no_memory(error);
    }
    set->inputs.inputs[set->inputs.count++] = set->options.input;
    return ETW_OK;
}

static bool is_earlier(const void *context, uint32_t a, uint32_t b)
{
    const etw_trace_set *set = context;
    const int64_t time_a = set->is_by_time ? set->members[a].time_100ns : 0;
    const int64_t time_b = set->is_by_time ? set->members[b].time_100ns : 0;
    return time_a != time_b ? time_a < time_b : a < b;
}

static etw_status prepare(etw_trace_set *set, etw_error *error)
{
    set->count = set->inputs.count;
    set->members = calloc((size_t)set->count + 1, sizeof *set->members);
    set->heap = (etw_heap){.items = calloc((size_t)set->count + 1, sizeof *set->heap.items),
                           .is_before = is_earlier,
                           .context = set};
    set->opened = calloc((size_t)set->count + 1, sizeof *set->opened);
    set->is_by_time =
        set->options.sorts_one || (set->count > 1 && !set->options.arguments->in_order);
    set->spool = set->is_by_time ? etw_spool_new(set->options.replay.os) : NULL;
    return set->members != NULL && set->opened != NULL && set->heap.items != NULL &&
                   (!set->is_by_time || set->spool != NULL)
               ? ETW_OK
               : no_memory(error);
}

etw_status etw_trace_set_new(const etw_trace_set_options *options, etw_trace_set **set,
                             etw_error *error)
{
    etw_trace_set *made = calloc(1, sizeof *made);
    *set = NULL;
    if (made == NULL) {
        etw_input_close(options->input);
        return no_memory(error);
    }
    made->options = *options;
    made->lent = NO_MEMBER;
    etw_status status = collect(made, error);
    if (!etw_failed(status)) {
        status = prepare(made, error);
    }
    if (!etw_failed(status) && made->is_by_time &&
        etw_replay_is_selective(&options->replay.selection)) {
        status = etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                               "--tail and events around others are chosen from one trace, or from "
                               "each with --in-order");
    }
    if (!etw_failed(status) && made->count != 1 && options->replay.follow) {
        status = etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                               "--follow: only one trace can be followed");
    }
    if (!etw_failed(status) && made->count > 1 && options->replay.speed > 0) {
        status = etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                               "--speed: only one trace can be replayed at a speed");
    }
    if (etw_failed(status)) {
        etw_trace_set_close(made);
        return status;
    }
    *set = made;
    return ETW_OK;
}

uint32_t etw_trace_set_count(const etw_trace_set *set)
{
    return set->count;
}

static etw_status open_member(etw_trace_set *set, uint32_t index, etw_error *error)
{
    member *m = &set->members[index];
    etw_replay_options options = set->options.replay;
    set->opened[index] = set->inputs.inputs[index];
    m->offset_100ns = etw_offset_of(set->options.arguments, etw_input_name(set->opened[index]));
    options.head -= options.head > set->delivered ? set->delivered : 0;
    options.spool = set->spool;
    options.spools_all = set->count > ETW_TRACES_AT_ONCE;
    if (set->options.prepare != NULL) {
        set->options.prepare(set->options.context, index, &options);
    }
    set->inputs.inputs[index] = NULL;
    const etw_status status = etw_tool_open_input(set->options.arguments, set->opened[index],
                                                  &options, &m->replay, error);
    m->is_pipe = !etw_failed(status) && (options.follow || !etw_input_can_seek(set->opened[index]));
    return status;
}

static etw_status begin_following(etw_trace_set *set, etw_error *error)
{
    etw_input *input = etw_replay_input(set->members[0].replay);
    const etw_os *os = set->options.replay.os;
    if (!etw_input_can_seek(input)) {
        set->options.replay.follow = false; /* a pipe is waited for anyway */
        return ETW_OK;
    }
    return etw_input_can_grow(input)
               ? etw_follow_begin(&set->follow, os != NULL ? os : etw_os_default(),
                                  etw_input_name(input), error)
               : etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                               "--follow: %s was unwrapped or copied, and does not grow",
                               etw_input_name(input));
}

etw_status etw_trace_set_open(etw_trace_set *set, etw_error *error)
{
    etw_status status =
        etw_offsets_check(set->options.arguments, set->inputs.inputs, set->count, error);
    for (uint32_t i = 0; i < set->count && !etw_failed(status); i++) {
        status = open_member(set, i, error);
    }
    return etw_failed(status) || !set->options.replay.follow ? status : begin_following(set, error);
}

etw_replay *etw_trace_set_replay(const etw_trace_set *set, uint32_t index)
{
    return set->members[index].replay;
}

int64_t etw_trace_set_offset_100ns(const etw_trace_set *set, uint32_t index)
{
    return set->members[index].offset_100ns;
}

bool etw_trace_set_is_pipe(const etw_trace_set *set, uint32_t index)
{
    return set->members[index].is_pipe;
}

/* Reading. */

/* Numbers of traces are those of the set where it has several files. */
static etw_status number_trace(etw_trace_set *set, member *m, etw_error *error)
{
    const uint16_t index = etw_replay_trace_index(m->replay);
    if (set->count == 1) {
        return ETW_OK;
    }
    if (index >= m->number_count) {
        const uint16_t count = (uint16_t)(index + 1);
        uint16_t *numbers = realloc(m->numbers, count * sizeof *numbers);
        if (numbers == NULL) {
            return no_memory(error);
        }
        memset(numbers + m->number_count, 0, (count - m->number_count) * sizeof *numbers);
        m->numbers = numbers;
        m->number_count = count;
    }
    if (m->numbers[index] == 0 && set->traces == UINT16_MAX) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u traces", UINT16_MAX);
    }
    if (m->numbers[index] == 0) {
        m->numbers[index] = ++set->traces;
    }
    m->item.trace_number = m->numbers[index];
    return ETW_OK;
}

/* ETW_END: it has no more. */
static etw_status read_on(etw_trace_set *set, uint32_t index, etw_error *error)
{
    member *m = &set->members[index];
    etw_status status = etw_replay_next_item(m->replay, &m->item, error);
    m->is_known = true;
    m->is_ended = status == ETW_END;
    if (status == ETW_OK) {
        m->item.file = set->options.arguments->rendering.file
                           ? etw_input_name(etw_replay_input(m->replay))
                           : NULL;
        if (set->count > 1) {
            const int64_t time_100ns =
                etw_clock_to_filetime(&m->item.trace->clock, m->item.record->EventHeader.TimeStamp);
            m->time_100ns = etw_offset_add(time_100ns, m->offset_100ns);
        }
        status = number_trace(set, m, error);
    }
    return etw_failed(status)
               ? etw_error_wrap(error, status, "%s", etw_input_name(etw_replay_input(m->replay)))
               : status;
}

bool etw_trace_set_leads(const etw_trace_set *set, uint32_t index, int64_t until_100ns)
{
    bool leads = true;
    for (uint32_t i = 0; i < set->count && set->is_by_time && leads; i++) {
        const member *other = &set->members[i];
        const bool is_later =
            other->time_100ns > until_100ns || (other->time_100ns == until_100ns && i > index);
        leads = i == index || (other->is_known && (other->is_ended || is_later));
    }
    return leads;
}

static etw_status start(etw_trace_set *set, etw_error *error)
{
    set->is_started = true;
    for (uint32_t i = 0; i < set->count; i++) {
        const etw_status status = set->is_by_time ? read_on(set, i, error) : ETW_OK;
        if (etw_failed(status)) {
            return status;
        }
        if (status != ETW_END) {
            set->heap.items[set->heap.count++] = i;
        }
    }
    etw_heap_build(&set->heap);
    return ETW_OK;
}

static etw_status next_by_time(etw_trace_set *set, etw_error *error)
{
    if (set->lent == NO_MEMBER) {
        return ETW_OK;
    }
    const etw_status status = read_on(set, set->lent, error);
    if (etw_failed(status)) {
        return status;
    }
    if (status == ETW_END) {
        etw_heap_drop_first(&set->heap);
    } else {
        etw_heap_settle_first(&set->heap);
    }
    return ETW_OK;
}

static void add_totals(etw_replay_totals *sum, const etw_replay_totals *one)
{
    sum->events += one->events;
    sum->passed_over += one->passed_over;
    sum->losses += one->losses;
    sum->lost_events += one->lost_events;
    sum->lost_unknown |= one->lost_unknown;
    sum->dropped_stacks += one->dropped_stacks;
}

static etw_status open_next(etw_trace_set *set, etw_error *error)
{
    const etw_input_options how = etw_tool_input_options(set->options.arguments);
    const etw_status status = etw_input_open(set->follow.os, etw_text_z(&set->follow.path), &how,
                                             &set->inputs.inputs[0], error);
    return etw_failed(status) ? status : open_member(set, 0, error);
}

/* The file that is followed now takes the place of the one before. It may just be coming. */
static etw_status open_followed(etw_trace_set *set, etw_error *error)
{
    member *m = &set->members[0];
    etw_replay *before = m->replay;
    etw_replay_totals totals;
    set->options.replay.selection = (etw_selection){0}; /* all of it is new */
    etw_status status = open_next(set, error);
    for (uint32_t i = 1; status == ETW_ERROR_NOT_THIS && i < ETW_FOLLOW_OPENS; i++) {
        etw_follow_pause();
        status = etw_follow_is_interrupted() ? ETW_END : open_next(set, error);
    }
    if (status != ETW_OK) {
        m->replay = before;
        return status;
    }
    etw_replay_get_totals(before, &totals);
    add_totals(&set->followed, &totals);
    etw_tool_say_unexplained(set->options.arguments, before);
    etw_replay_close(before);
    return ETW_OK;
}

/* At the end of what is there now. ETW_END: no more is to be waited for. */
static etw_status wait_for_more(etw_trace_set *set, etw_error *error)
{
    const etw_replay *replay = set->members[0].replay;
    etw_source *source = etw_replay_source(set->members[0].replay);
    const uint32_t mode =
        etw_source_trace_count(source) > 0 ? etw_source_trace(source, 0)->log_file_mode : 0;
    const etw_follow_state state = {.is_complete = etw_replay_is_complete(replay),
                                    .is_etl = etw_replay_is_etl(replay),
                                    .is_series = (mode & MODE_NEWFILE) != 0};
    const etw_status status =
        set->options.waits == NULL ? ETW_OK : set->options.waits(set->options.context, error);
    if (status != ETW_OK) {
        return status;
    }
    const etw_follow_step step = etw_follow_wait(&set->follow, &state);
    if (step == ETW_FOLLOW_LOST) {
        set->followed.losses++;
        set->followed.lost_unknown = true;
    }
    return step == ETW_FOLLOW_OVER   ? ETW_END
           : step == ETW_FOLLOW_MORE ? ETW_OK
                                     : open_followed(set, error);
}

static etw_status next_followed(etw_trace_set *set, etw_error *error)
{
    const uint64_t head = set->options.replay.head;
    etw_status status = ETW_END;
    while (status == ETW_END && !etw_follow_is_interrupted()) {
        status = read_on(set, 0, error);
        if (status == ETW_END && head != 0 && set->delivered >= head) {
            break;
        }
        if (status == ETW_END) {
            const etw_status waited = wait_for_more(set, error);
            if (waited != ETW_OK) {
                return waited;
            }
        }
    }
    return status;
}

static etw_status next_in_order(etw_trace_set *set, etw_error *error)
{
    while (set->heap.count > 0) {
        const etw_status status = read_on(set, set->heap.items[0], error);
        if (status != ETW_END) {
            return status;
        }
        etw_heap_drop_first(&set->heap);
    }
    return ETW_OK;
}

etw_status etw_trace_set_next(etw_trace_set *set, uint32_t *index, const etw_replay_item **item,
                              etw_error *error)
{
    const uint64_t head = set->options.replay.head;
    etw_status status = set->is_started ? ETW_OK : start(set, error);
    if (head != 0 && set->delivered >= head) {
        return ETW_END;
    }
    if (!etw_failed(status)) {
        status = set->options.replay.follow ? next_followed(set, error)
                 : set->is_by_time          ? next_by_time(set, error)
                                            : next_in_order(set, error);
    }
    set->lent = NO_MEMBER;
    const bool is_over = set->options.replay.follow ? status == ETW_END : set->heap.count == 0;
    if (etw_failed(status) || is_over) {
        return etw_failed(status) ? status : ETW_END;
    }
    set->lent = *index = set->heap.items[0];
    *item = &set->members[*index].item;
    set->delivered++;
    return ETW_OK;
}

void etw_trace_set_watch(const etw_trace_set *set, etw_progress *progress)
{
    etw_progress_watch(progress, set->opened, set->count);
}

void etw_trace_set_say_doubts(const etw_trace_set *set)
{
    etw_replay_totals totals, own;
    etw_trace_set_get_totals(set, &totals);
    for (uint32_t i = 0; i < set->count; i++) {
        const etw_replay *replay = set->members[i].replay;
        etw_replay_get_totals(replay, &own);
        etw_tool_say_doubts(set->options.arguments, replay, totals.events > own.events);
    }
}

void etw_trace_set_get_totals(const etw_trace_set *set, etw_replay_totals *totals)
{
    *totals = set->followed;
    for (uint32_t i = 0; i < set->count && set->members[i].replay != NULL; i++) {
        etw_replay_totals one;
        etw_replay_get_totals(set->members[i].replay, &one);
        add_totals(totals, &one);
    }
}

void etw_trace_set_close(etw_trace_set *set)
{
    if (set == NULL) {
        return;
    }
    for (uint32_t i = 0; set->members != NULL && i < set->count; i++) {
        etw_replay_close(set->members[i].replay);
        free(set->members[i].numbers);
    }
    free(set->members);
    free(set->opened);
    free(set->heap.items);
    etw_tool_inputs_free(&set->inputs);
    etw_spool_free(set->spool);
    etw_follow_free(&set->follow);
    free(set);
}
