#include "replay/replay_inside.h"

#include "format/etl/etl.h"
#include "format/input/input.h"
#include "replay/query/filter.h"
#include "replay/replay_input.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Schemas and names. */

static etw_status grow_map(etw_replay *replay, uint32_t count, etw_error *error)
{
    if (count <= replay->of_file_capacity) {
        return ETW_OK;
    }
    const uint32_t capacity = count < 64 ? 64 : 2 * count;
    const etw_schema **map = realloc(replay->of_file, capacity * sizeof *map);
    if (map == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for %u schemas", capacity);
    }
    replay->of_file = map;
    replay->of_file_capacity = capacity;
    return ETW_OK;
}

/* Takes over the schemas that the file told since the last time. */
static etw_status take_file_schemas(etw_replay *replay, etw_error *error)
{
    const etw_schema_store *theirs = etw_reader_schemas(replay->source);
    const uint32_t count = etw_schema_store_count(theirs);
    etw_status status = grow_map(replay, count, error);
    while (!etw_failed(status) && replay->of_file_count < count) {
        const etw_schema *schema = etw_schema_store_get(theirs, replay->of_file_count + 1);
        status = etw_schema_store_intern(replay->store, schema,
                                         &replay->of_file[replay->of_file_count], error);
        replay->of_file_count += etw_failed(status) ? 0 : 1;
    }
    return status;
}

static etw_status resolve(etw_replay *replay, const etw_item *item, const etw_trace *trace,
                          const etw_schema **schema, etw_error *error)
{
    const uint32_t pointer_size = etw_record_pointer_size(item->record, trace->pointer_size);
    etw_status status = ETW_OK;
    etw_resolver_set_build(replay->resolver, trace->os_build);
    if (!replay->is_etl) { /* the scan of an .etl has seen all of it */
        status = etw_resolver_observe(replay->resolver, item->record, error);
    }
    return etw_failed(status)
               ? status
               : etw_resolver_find(replay->resolver, item->record, pointer_size, schema, error);
}

etw_status etw_replay_find_schema(etw_replay *replay, const etw_item *item,
                                  const etw_schema **schema, etw_error *error)
{
    *schema = NULL;
    if (item->schema_id > replay->of_file_count) {
        const etw_status status = take_file_schemas(replay, error);
        if (etw_failed(status)) {
            return status;
        }
    }
    if (item->schema_id != 0 && item->schema_id <= replay->of_file_count) {
        *schema = replay->of_file[item->schema_id - 1];
        return ETW_OK;
    }
    const etw_trace *trace = etw_source_trace(replay->source, item->trace_index);
    return resolve(replay, item, trace, schema, error);
}

static const char *find_provider_name(const etw_replay *replay, const etw_guid *provider,
                                      bool *is_final)
{
    const char *name = etw_schema_store_provider_name(replay->store, provider);
    *is_final = name != NULL;
    if (name == NULL && !replay->is_etl) {
        name = etw_schema_store_provider_name(etw_reader_schemas(replay->source), provider);
    }
    return name;
}

static const char *provider_name(etw_replay *replay, const etw_guid *provider)
{
    etw_named_provider *named = &replay->named[provider->Data1 % ETW_NAMED_PROVIDERS];
    const uint32_t names = etw_schema_store_provider_count(replay->store);
    if (named->name == NULL || !etw_guid_equal(&named->provider, provider) ||
        (!named->is_final && named->names != names)) {
        named->provider = *provider;
        named->names = names;
        named->name = find_provider_name(replay, provider, &named->is_final);
    }
    return named->name;
}

/* Pacing: the first event is due at once, the others as long after it as they were recorded. A
 * sleep is short enough that a stop from outside is seen soon. */

#define LONGEST_SLEEP_NS INT64_C(50000000)

/* By the monotonic clock. */
static void wait_until(etw_replay *replay, double due_ns)
{
    const etw_os *os = replay->os;
    while (!atomic_load(&replay->stopped)) {
        const double left_ns = due_ns - (double)os->monotonic_ns(os->context);
        if (left_ns <= 0) {
            return;
        }
        const int64_t sleep_ns =
            left_ns < (double)LONGEST_SLEEP_NS ? (int64_t)left_ns : LONGEST_SLEEP_NS;
        const struct timespec sleep = {.tv_nsec = (long)sleep_ns};
        (void)nanosleep(&sleep, NULL);
    }
}

static void pace(etw_replay *replay, int64_t time_100ns)
{
    const etw_os *os = replay->os;
    if (!replay->is_paced) {
        replay->is_paced = true;
        replay->pace_time_100ns = time_100ns;
        replay->pace_start_ns = os->monotonic_ns(os->context);
    }
    const double due_ns =
        (double)(time_100ns - replay->pace_time_100ns) * 100.0 / replay->options.speed;
    wait_until(replay, (double)replay->pace_start_ns + due_ns);
}

static void wait_for(etw_replay *replay, int64_t ns)
{
    wait_until(replay, (double)replay->os->monotonic_ns(replay->os->context) + (double)ns);
}

/* The loop. */

static void note_loss(etw_replay *replay, const etw_loss *loss)
{
    if (loss->cause != ETW_LOSS_FILTERED) {
        replay->totals.losses++;
        if (loss->events == ETW_LOSS_COUNT_UNKNOWN) {
            replay->totals.lost_unknown = true;
        } else {
            replay->totals.lost_events += loss->events;
        }
    }
    if (replay->options.loss != NULL) {
        replay->options.loss(replay->options.loss_context, loss);
    }
}

static etw_status no_plan(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to compile a schema");
}

/* What only the event as a whole tells: names of providers may be known only from its plan. */
static etw_status is_wanted_whole(etw_replay *replay, const etw_replay_item *item, bool is_open,
                                  bool *is_wanted, etw_error *error)
{
    const etw_filter *filter = &replay->options.filter;
    const etw_event *made =
        etw_event_make(replay->maker, item->record, item->trace, item->schema, item->provider_name);
    if (made == NULL) {
        return no_plan(error);
    }
    etw_event_set_trace_number(replay->maker, item->trace_number);
    etw_event_set_process(replay->maker, item->has_process ? &item->process : NULL);
    *is_wanted = filter->provider_name_count == 0 ||
                 etw_filter_provider(filter, &item->record->EventHeader.ProviderId,
                                     etw_event_provider_name(made));
    return *is_wanted && is_open ? etw_where_event(filter->where, made, is_wanted, error) : ETW_OK;
}

static etw_verdict header_verdict(const etw_replay *replay, const etw_replay_item *item)
{
    const etw_filter *filter = &replay->options.filter;
    const etw_clock *clock = &item->trace->clock;
    if (!etw_filter_header(filter, item->record, clock)) {
        return ETW_VERDICT_NO;
    }
    return filter->where == NULL
               ? ETW_VERDICT_YES
               : etw_where_header(
                     filter->where, item->record,
                     replay->asks_time
                         ? etw_clock_to_filetime(clock, item->record->EventHeader.TimeStamp)
                         : 0);
}

static etw_status find_process(etw_replay *replay, etw_replay_item *item, etw_error *error)
{
    const etw_event_process *process;
    item->has_process =
        replay->names_processes && etw_state_describe_owner(replay->state, &replay->owners,
                                                            item->record, item->trace, &process);
    if (item->has_process) {
        item->process = *process;
    }
    item->has_stack = false;
    return replay->stacks == NULL ? ETW_OK
                                  : etw_stack_reader_find(replay->stacks, item->record, item->trace,
                                                          &item->stack, &item->has_stack, error);
}

/* *is_wanted: whether the pick has the event's place. */
static etw_status find_place(etw_replay *replay, const etw_item *from, bool *is_wanted,
                             etw_error *error)
{
    const etw_event_record *record = from->record;
    const etw_trace *trace = etw_source_trace(replay->source, from->trace_index);
    replay->place = (etw_place){
        .number = replay->is_etl ? replay->etl_events++ : etw_reader_event_number(replay->source),
        .thread = (uint64_t)from->trace_index << 32 | record->EventHeader.ThreadId,
        .time_100ns = etw_clock_to_filetime(&trace->clock, record->EventHeader.TimeStamp)};
    return etw_pick_wants(replay->options.pick, &replay->place, is_wanted, error);
}

/* *is_wanted: whether the filter lets the event pass. */
static etw_status look_at(etw_replay *replay, const etw_item *from, etw_replay_item *item,
                          bool *is_wanted, etw_error *error)
{
    const etw_filter *filter = &replay->options.filter;
    item->record = from->record;
    item->file = NULL;
    item->trace = etw_source_trace(replay->source, from->trace_index);
    const etw_verdict verdict = header_verdict(replay, item);
    *is_wanted = verdict != ETW_VERDICT_NO;
    if (!*is_wanted) {
        return ETW_OK;
    }
    etw_status status = etw_replay_find_schema(replay, from, &item->schema, error);
    if (etw_failed(status)) {
        return status;
    }
    item->provider_name = provider_name(replay, &item->record->EventHeader.ProviderId);
    replay->trace_index = from->trace_index;
    const bool is_alone = etw_source_trace_count(replay->source) <= 1;
    item->trace_number = is_alone ? 0 : (uint16_t)(from->trace_index + 1);
    status = find_process(replay, item, error);
    if (etw_failed(status)) {
        return status;
    }
    *is_wanted = true;
    const bool is_open = verdict == ETW_VERDICT_OPEN;
    return filter->provider_name_count > 0 || is_open
               ? is_wanted_whole(replay, item, is_open, is_wanted, error)
               : ETW_OK;
}

static bool is_over(const etw_replay *replay)
{
    return atomic_load_explicit(&replay->stopped, memory_order_relaxed) ||
           (replay->options.head != 0 && replay->totals.events >= replay->options.head);
}

void etw_replay_note_unexplained(etw_replay *replay, const etw_event_record *record,
                                 uint64_t events)
{
    if (replay->unexplained == NULL) {
        replay->unexplained = etw_unexplained_new();
    }
    if (replay->unexplained != NULL) {
        etw_unexplained_add(replay->unexplained, record, events);
    }
}

static etw_status read_wanted(etw_replay *replay, etw_replay_item *item, etw_error *error)
{
    bool is_wanted = false;
    while (!is_wanted) {
        etw_item from;
        if (is_over(replay)) {
            return ETW_END;
        }
        etw_status status = replay->sort != NULL ? etw_sort_next(replay->sort, &from, error)
                                                 : etw_source_next(replay->source, &from, error);
        if (status != ETW_OK) {
            return status;
        }
        if (from.kind == ETW_ITEM_LOSS) {
            note_loss(replay, from.loss);
            continue;
        }
        is_wanted = true;
        if (replay->learns && !etw_state_feed(replay->state, from.record,
                                              etw_source_trace(replay->source, from.trace_index))) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for processes");
        }
        if (replay->options.pick != NULL) {
            status = find_place(replay, &from, &is_wanted, error);
        }
        if (!etw_failed(status) && is_wanted) {
            status = look_at(replay, &from, item, &is_wanted, error);
        }
        if (etw_failed(status)) {
            return status;
        }
        replay->totals.passed_over += is_wanted ? 0 : 1;
    }
    return ETW_OK;
}

/* Events of kinds that the filter lets none pass of. */
static uint64_t passed_by_reader(const etw_replay *replay)
{
    etw_reader_counts counts = {0};
    if (!replay->is_etl && replay->source != NULL) {
        etw_reader_get_counts(replay->source, &counts);
    }
    return counts.events_passed;
}

/* The trace from its first event. Schemas that were found stay. */
static etw_status begin_again(etw_replay *replay, etw_error *error)
{
    if (is_over(replay)) {
        return ETW_END;
    }
    replay->totals.passed_over += passed_by_reader(replay);
    etw_sort_close(replay->sort);
    replay->sort = NULL;
    etw_source_close(replay->source);
    replay->source = NULL;
    /* Names of providers may have been the source's. */
    memset(replay->named, 0, sizeof replay->named);
    etw_guid_list_free(&replay->wanted);
    replay->of_file_count = 0;
    replay->etl_events = 0;
    replay->is_paced = false;
    const etw_status status =
        replay->stacks == NULL ? ETW_OK : etw_stack_reader_begin_again(replay->stacks, error);
    return etw_failed(status) ? status : etw_replay_open_source(replay, error);
}

etw_status etw_replay_next_item(etw_replay *replay, etw_replay_item *item, etw_error *error)
{
    if (is_over(replay)) {
        return ETW_END;
    }
    const etw_faults_source source = {.next = read_wanted,
                                      .again = begin_again,
                                      .loss = note_loss,
                                      .wait = wait_for,
                                      .replay = replay};
    const etw_status status = replay->faults == NULL
                                  ? read_wanted(replay, item, error)
                                  : etw_faults_next(replay->faults, &source, item, error);
    if (status != ETW_OK) {
        return status;
    }
    replay->totals.events++;
    if (item->schema == NULL) {
        etw_replay_note_unexplained(replay, item->record, 1);
    }
    if (replay->options.speed > 0) {
        pace(replay,
             etw_clock_to_filetime(&item->trace->clock, item->record->EventHeader.TimeStamp));
    }
    return ETW_OK;
}

void etw_replay_get_faults(const etw_replay *replay, etw_fault_counts *counts)
{
    *counts = (etw_fault_counts){0};
    if (replay->faults != NULL) {
        etw_faults_get_counts(replay->faults, counts);
    }
}

etw_status etw_replay_next(etw_replay *replay, const etw_event **event, etw_error *error)
{
    etw_replay_item item;
    *event = NULL;
    etw_event_expire(replay->maker);
    const etw_status status = etw_replay_next_item(replay, &item, error);
    if (status != ETW_OK) {
        return status;
    }
    *event =
        etw_event_make(replay->maker, item.record, item.trace, item.schema, item.provider_name);
    if (*event == NULL) {
        return no_plan(error);
    }
    etw_event_set_trace_number(replay->maker, item.trace_number);
    replay->process = item.process;
    etw_event_set_process(replay->maker, item.has_process ? &replay->process : NULL);
    replay->stack = item.stack;
    etw_event_set_stack(replay->maker, item.has_stack ? &replay->stack : NULL);
    return ETW_OK;
}

etw_status etw_replay_process(etw_replay *replay, etw_event_callback callback, void *context,
                              etw_error *error)
{
    const etw_event *event;
    etw_status status;
    while ((status = etw_replay_next(replay, &event, error)) == ETW_OK) {
        status = callback(event, context);
        etw_event_expire(replay->maker);
        if (status != ETW_OK) {
            break;
        }
    }
    return status == ETW_END ? ETW_OK : status;
}

etw_status etw_replay_seek(etw_replay *replay, int64_t time_100ns, etw_error *error)
{
    etw_filter *filter = &replay->options.filter;
    if (replay->is_etl) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED, "an .etl file has no index to seek by");
    }
    if (replay->sort != NULL) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED, "sorted events cannot be sought in");
    }
    const etw_status status = etw_reader_seek(replay->source, time_100ns, error);
    if (etw_failed(status)) {
        return status;
    }
    filter->has_since = true;
    filter->since_100ns = replay->has_first_since && replay->first_since_100ns > time_100ns
                              ? replay->first_since_100ns
                              : time_100ns;
    replay->is_paced = false;
    return ETW_OK;
}

uint16_t etw_replay_trace_index(const etw_replay *replay)
{
    return replay->trace_index;
}

void etw_replay_stop(etw_replay *replay)
{
    atomic_store(&replay->stopped, true);
}

void etw_replay_get_totals(const etw_replay *replay, etw_replay_totals *totals)
{
    *totals = replay->totals;
    totals->passed_over += passed_by_reader(replay);
    if (replay->stacks != NULL) {
        totals->dropped_stacks = etw_stack_reader_dropped(replay->stacks);
    }
}

etw_unexplained *etw_replay_unexplained(const etw_replay *replay)
{
    return replay->unexplained;
}

const etw_candidates *etw_replay_candidates(const etw_replay *replay, const etw_schema *schema,
                                            uint32_t *place)
{
    return etw_resolver_candidates(replay->resolver, schema, place);
}

uint64_t etw_replay_schema_errors(const etw_replay *replay, const char **first)
{
    *first = etw_resolver_first_error(replay->resolver);
    return etw_resolver_error_count(replay->resolver);
}

const char *etw_replay_provider_name_at(const etw_replay *replay, size_t index)
{
    const etw_guid *provider;
    const char *name;
    if (etw_schema_store_provider_at(replay->store, (uint32_t)index, &provider, &name)) {
        return name;
    }
    const size_t ours = etw_schema_store_provider_count(replay->store);
    return !replay->is_etl &&
                   etw_schema_store_provider_at(etw_reader_schemas(replay->source),
                                                (uint32_t)(index - ours), &provider, &name)
               ? name
               : NULL;
}

etw_source *etw_replay_source(etw_replay *replay)
{
    return replay->source;
}

void etw_replay_get_place(const etw_replay *replay, etw_place *place)
{
    *place = replay->place;
}

etw_where *etw_replay_take_where(etw_replay *replay)
{
    etw_where *where = replay->where;
    replay->where = NULL;
    replay->options.filter.where = NULL;
    return where;
}

const etw_where *etw_replay_where(const etw_replay *replay)
{
    return replay->where;
}

etw_input *etw_replay_input(const etw_replay *replay)
{
    return replay->input;
}

void etw_replay_own_input(etw_replay *replay)
{
    replay->owns_input = true;
}

bool etw_replay_is_complete(const etw_replay *replay)
{
    return replay->is_etl ? etw_etl_is_closed(replay->source)
                          : etw_reader_is_complete(replay->source);
}

bool etw_replay_is_etl(const etw_replay *replay)
{
    return replay->is_etl;
}

const etw_state *etw_replay_state(const etw_replay *replay)
{
    return replay->state;
}

const etw_schema_store *etw_replay_schemas(const etw_replay *replay)
{
    return replay->store;
}
