/* stats: how many events, by what, how often, how long. */
#include "format/base/arena.h"
#include "format/event/clock.h"
#include "format/query/field.h"
#include "replay/command/doubts.h"
#include "replay/command/stats.h"
#include "replay/command/stream.h"
#include "replay/command/verbs.h"
#include "replay/query/pairs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Groups that events were put into last, by what the default columns are made of. */
#define RECENT 1024u

typedef struct recent {
    const etw_schema *schema;
    const char *provider_name;
    etw_guid provider;
    uint16_t id;
    etw_group *group; /* NULL: empty */
} recent;

typedef struct stats {
    const etw_replay_arguments *arguments;
    etw_stats_table table;
    etw_arena names;
    etw_field *columns[ETW_STATS_MAX_COLUMNS]; /* empty: the default columns */
    etw_field *measured[ETW_STATISTICS_MAX_MEASURES];
    const char *measured_names[ETW_STATISTICS_MAX_MEASURES];
    uint32_t measured_count;
    bool has_percentiles;
    etw_statistics *groups;
    etw_statistics *files; /* one group each; shown where there are several and no --by */
    etw_pairs *pairs;      /* NULL: not asked for */
    bool wants_processes;
    etw_event_maker *maker;
    etw_text key;
    recent *recent;
    uint32_t file_count;
    const char *file;
    etw_group *of_file;
    etw_replay_totals totals;
} stats;

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for statistics");
}

/* What is asked for. */

static etw_status add_column(stats *s, const char *name, size_t size, etw_error *error)
{
    if (s->table.column_count == ETW_STATS_MAX_COLUMNS) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "--by takes %u fields at most",
                             ETW_STATS_MAX_COLUMNS);
    }
    const char *copy = etw_arena_copy(&s->names, name, size);
    if (copy == NULL) {
        return no_memory(error);
    }
    const etw_status status = etw_field_open(copy, &s->columns[s->table.column_count], error);
    if (!etw_failed(status)) {
        s->wants_processes |= etw_field_wants_processes(s->columns[s->table.column_count]);
        s->table.columns[s->table.column_count++] = copy;
    }
    return etw_failed(status) ? etw_error_wrap(error, status, "--by") : status;
}

static etw_status add_columns(stats *s, const char *list, etw_error *error)
{
    etw_status status = ETW_OK;
    for (const char *comma = list; comma != NULL && !etw_failed(status);) {
        comma = strchr(list, ',');
        status = add_column(s, list, comma == NULL ? strlen(list) : (size_t)(comma - list), error);
        list = comma == NULL ? list : comma + 1;
    }
    return status;
}

static etw_status find_measure(stats *s, const char *name, uint32_t *index, etw_error *error)
{
    for (*index = 0; *index < s->measured_count; (*index)++) {
        if (strcmp(s->measured_names[*index], name) == 0) {
            return ETW_OK;
        }
    }
    if (*index == ETW_STATISTICS_MAX_MEASURES) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "%u fields at most can be measured at one time",
                             ETW_STATISTICS_MAX_MEASURES);
    }
    s->measured_names[*index] = name;
    s->measured_count++;
    return s->pairs != NULL ? ETW_OK : etw_field_open(name, &s->measured[*index], error);
}

static etw_status add_calculation(stats *s, const etw_stats_wish *wish, etw_error *error)
{
    static const char *const names[] = {"sum", "min", "max", "avg"};
    etw_stats_table *table = &s->table;
    if (table->calculation_count == ETW_STATS_MAX_CALCULATIONS) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "%u sums, averages and the like at most", ETW_STATS_MAX_CALCULATIONS);
    }
    etw_calculation *calculation = &table->calculations[table->calculation_count++];
    calculation->kind =
        wish->percent != 0 ? ETW_CALCULATE_PERCENTILE : (etw_calculation_kind)wish->kind;
    calculation->percent = wish->percent;
    if (wish->percent != 0) {
        s->has_percentiles = true;
        (void)snprintf(calculation->name, sizeof calculation->name, "p%u(%s)", wish->percent,
                       wish->field);
    } else {
        (void)snprintf(calculation->name, sizeof calculation->name, "%s(%s)", names[wish->kind],
                       wish->field);
    }
    return find_measure(s, wish->field, &calculation->measure, error);
}

static etw_status open_pairs(stats *s, etw_error *error)
{
    static const etw_stats_wish wishes[] = {{ETW_CALCULATE_MIN, 0, "ms"},
                                            {ETW_CALCULATE_AVG, 0, "ms"},
                                            {0, 50, "ms"},
                                            {0, 95, "ms"},
                                            {0, 99, "ms"},
                                            {ETW_CALCULATE_MAX, 0, "ms"},
                                            {ETW_CALCULATE_SUM, 0, "ms"}};
    etw_status status = ETW_OK;
    if (s->arguments->stats.wish_count > 0) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "--pairs measures how long pairs took, not fields");
    }
    s->table.is_pairs = true;
    s->pairs = etw_pairs_new((etw_pairs_by)s->arguments->stats.pairs);
    if (s->pairs == NULL) {
        return no_memory(error);
    }
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0] && !etw_failed(status); i++) {
        status = add_calculation(s, &wishes[i], error);
    }
    return status;
}

static void take_default_columns(stats *s)
{
    static const char *const names[] = {"ProviderName", "EventName", "Id"};
    s->table.column_count = s->pairs != NULL ? 2 : 3;
    for (uint32_t i = 0; i < s->table.column_count; i++) {
        s->table.columns[i] = names[i];
    }
}

static etw_status open_stats(stats *s, etw_error *error)
{
    const etw_replay_arguments *arguments = s->arguments;
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < arguments->stats.by_count && !etw_failed(status); i++) {
        status = add_columns(s, arguments->stats.by[i], error);
    }
    if (!etw_failed(status) && arguments->stats.pairs != ETW_PAIRS_NONE) {
        status = open_pairs(s, error);
    }
    for (uint32_t i = 0; i < arguments->stats.wish_count && !etw_failed(status); i++) {
        status = add_calculation(s, &arguments->stats.wishes[i], error);
    }
    if (etw_failed(status)) {
        return status;
    }
    if (s->table.column_count == 0) {
        take_default_columns(s);
    }
    s->table.top = arguments->stats.top;
    s->table.has_interval = arguments->stats.interval_ms > 0;
    s->table.interval_s = (double)arguments->stats.interval_ms / 1000;
    s->maker = etw_event_maker_new(false);
    s->recent = calloc(RECENT, sizeof *s->recent);
    s->groups = etw_statistics_new(s->measured_count, s->has_percentiles, 0);
    s->files = etw_statistics_new(s->measured_count, s->has_percentiles, 0);
    return s->maker == NULL || s->recent == NULL || s->groups == NULL || s->files == NULL
               ? no_memory(error)
               : ETW_OK;
}

static void close_stats(stats *s)
{
    for (uint32_t i = 0; i < ETW_STATS_MAX_COLUMNS; i++) {
        etw_field_close(s->columns[i]);
    }
    for (uint32_t i = 0; i < ETW_STATISTICS_MAX_MEASURES; i++) {
        etw_field_close(s->measured[i]);
    }
    etw_statistics_free(s->groups);
    etw_statistics_free(s->files);
    etw_pairs_free(s->pairs);
    etw_event_maker_free(s->maker);
    etw_text_free(&s->key);
    etw_arena_free(&s->names);
    free(s->recent);
}

/* Keys. */

static void append_words(etw_text *key, const char *text)
{
    etw_stats_append_cell(key, text, text == NULL ? 0 : strlen(text));
}

static void append_default(stats *s, const etw_event *event)
{
    etw_text word = {0};
    const etw_event_header *header = &etw_event_record_of(event)->EventHeader;
    const etw_plan *plan = etw_event_plan(event);
    const char *provider = etw_event_provider_name(event);
    if (provider == NULL || provider[0] == '\0') {
        etw_text_append_guid(&word, &header->ProviderId);
        provider = etw_text_z(&word);
    }
    append_words(&s->key, provider);
    etw_text_clear(&word);
    if (s->pairs != NULL) {
        etw_pairs_append_name(event, &word);
        append_words(&s->key, etw_text_z(&word));
    } else {
        append_words(&s->key, plan == NULL ? NULL : etw_plan_event_name(plan)->utf8);
        etw_text_append_u64(&word, header->EventDescriptor.Id);
        append_words(&s->key, etw_text_z(&word));
    }
    s->key.failed |= word.failed;
    etw_text_free(&word);
}

/* Intervals begin at whole multiples of their length. */
static void append_interval(stats *s, int64_t time_100ns)
{
    etw_text word = {0};
    const int64_t length_100ns = (int64_t)s->arguments->stats.interval_ms * 10000;
    int64_t rest = time_100ns % length_100ns;
    rest += rest < 0 ? length_100ns : 0;
    etw_text_append_time(&word, time_100ns - rest);
    append_words(&s->key, etw_text_z(&word));
    s->key.failed |= word.failed;
    etw_text_free(&word);
}

static etw_status append_columns(stats *s, const etw_event *event, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < s->table.column_count && !etw_failed(status); i++) {
        etw_field_value value;
        status = etw_field_get(s->columns[i], event, &value, error);
        etw_stats_append_cell(&s->key, value.is_there ? value.text : NULL, value.text_size);
    }
    return status;
}

static etw_status find_group(stats *s, const etw_event *event, etw_group **group, etw_error *error)
{
    etw_status status = ETW_OK;
    etw_text_clear(&s->key);
    append_words(&s->key, s->file);
    if (s->table.has_interval) {
        append_interval(s, etw_event_time_100ns(event));
    }
    if (s->columns[0] == NULL) {
        append_default(s, event);
    } else {
        status = append_columns(s, event, error);
    }
    if (!etw_failed(status) && s->key.failed) {
        status = no_memory(error);
    }
    return etw_failed(status)
               ? status
               : etw_statistics_group(s->groups, s->key.data, s->key.size, group, error);
}

/* Events. */

static etw_status measure(stats *s, const etw_event *event, etw_group *group, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < s->measured_count && !etw_failed(status); i++) {
        etw_field_value value;
        status = etw_field_get(s->measured[i], event, &value, error);
        if (!etw_failed(status) && value.has_number) {
            status = etw_statistics_measure(s->groups, group, i, value.number, error);
        }
    }
    return status;
}

static etw_status take_event(stats *s, const etw_event *event, etw_group **group, etw_error *error)
{
    int64_t duration_100ns = 0;
    *group = NULL;
    if (s->pairs != NULL && !etw_pairs_take(s->pairs, event, &duration_100ns)) {
        return ETW_OK;
    }
    etw_status status = find_group(s, event, group, error);
    if (etw_failed(status)) {
        return status;
    }
    etw_group_count(*group, etw_record_bytes(etw_event_record_of(event)),
                    etw_event_time_100ns(event));
    if (s->pairs == NULL) {
        return measure(s, event, *group, error);
    }
    for (uint32_t i = 0; i < s->measured_count && !etw_failed(status); i++) {
        status = etw_statistics_measure(s->groups, *group, i, (double)duration_100ns / 1e4, error);
    }
    return status;
}

/* The default columns follow from few things, which most events share with others: those need not
 * even be made. */
static recent *recent_of(stats *s, const etw_replay_item *item)
{
    const uint64_t mixed =
        ((uint64_t)(uintptr_t)item->schema >> 4) * 31 +
        item->record->EventHeader.ProviderId.Data1 * UINT64_C(0x9E3779B97F4A7C15) +
        item->record->EventHeader.EventDescriptor.Id;
    return &s->recent[(mixed ^ mixed >> 32) % RECENT];
}

static bool is_recent(const recent *r, const etw_replay_item *item)
{
    const etw_event_header *header = &item->record->EventHeader;
    return r->group != NULL && r->schema == item->schema &&
           r->provider_name == item->provider_name && r->id == header->EventDescriptor.Id &&
           (header->Flags & ETW_FLAG_STRING_ONLY) == 0 &&
           etw_guid_equal(&r->provider, &header->ProviderId);
}

static etw_status take_item(stats *s, const etw_replay_item *item, etw_error *error)
{
    const bool is_plain = s->columns[0] == NULL && s->pairs == NULL && !s->table.has_interval &&
                          s->measured_count == 0;
    const etw_event_header *header = &item->record->EventHeader;
    recent *r = recent_of(s, item);
    if (is_plain && is_recent(r, item)) {
        etw_group_count(r->group, etw_record_bytes(item->record),
                        etw_clock_to_filetime(&item->trace->clock, header->TimeStamp));
        return ETW_OK;
    }
    etw_group *group;
    const etw_event *event =
        etw_event_make(s->maker, item->record, item->trace, item->schema, item->provider_name);
    if (event == NULL) {
        return no_memory(error);
    }
    etw_event_set_process(s->maker, item->has_process ? &item->process : NULL);
    const etw_status status = take_event(s, event, &group, error);
    if (!etw_failed(status) && is_plain) {
        *r = (recent){item->schema, item->provider_name, header->ProviderId,
                      header->EventDescriptor.Id, group};
    }
    return status;
}

/* Files. */

static etw_status read_events(stats *s, etw_replay *replay, etw_error *error)
{
    etw_replay_item item;
    etw_status status;
    memset(s->recent, 0, RECENT * sizeof *s->recent); /* schemas are the replay's */
    while ((status = etw_replay_next_item(replay, &item, error)) == ETW_OK) {
        status = take_item(s, &item, error);
        if (etw_failed(status)) {
            break;
        }
    }
    return status == ETW_END ? ETW_OK : status;
}

static void add_totals(stats *s, const etw_replay *replay)
{
    etw_replay_totals totals;
    etw_replay_get_totals(replay, &totals);
    s->totals.events += totals.events;
    s->totals.losses += totals.losses;
    s->totals.lost_events += totals.lost_events;
    s->totals.lost_unknown |= totals.lost_unknown;
}

static etw_status take_input(void *context, etw_input *input, etw_error *error)
{
    stats *s = context;
    etw_replay *replay;
    const char *name = etw_input_name(input);
    etw_replay_options options = s->arguments->replay;
    options.processes = s->wants_processes;
    s->file = etw_arena_copy(&s->names, name, strlen(name));
    if (s->file == NULL) {
        etw_input_close(input);
        return no_memory(error);
    }
    etw_status status = etw_tool_open_input(s->arguments, input, &options, &replay, error);
    if (etw_failed(status)) {
        return status;
    }
    s->file_count++;
    status = read_events(s, replay, error);
    add_totals(s, replay);
    if (!etw_failed(status)) {
        etw_tool_say_doubts(s->arguments, replay, false);
    }
    etw_replay_close(replay);
    return status;
}

/* What is shown. */

/* One group for each file, of the groups by provider and event. */
static etw_status sum_files(stats *s, etw_error *error)
{
    etw_status status = etw_statistics_join(s->files, etw_statistics_others(s->files),
                                            etw_statistics_others(s->groups), error);
    for (uint32_t i = 0; i < etw_statistics_count(s->groups) && !etw_failed(status); i++) {
        etw_group *to;
        const etw_group *group = etw_statistics_at(s->groups, i);
        const size_t key_size = etw_stats_key_prefix(&s->table, group->key);
        status = etw_statistics_group(s->files, group->key, key_size, &to, error);
        if (!etw_failed(status)) {
            status = etw_statistics_join(s->files, to, group, error);
        }
    }
    return status;
}

static void say_bounds(stats *s)
{
    const etw_group *others = etw_statistics_others(s->groups);
    if (others->events > 0) {
        etw_tool_say("more than %u groups: %" PRIu64 " events are summed as others",
                     etw_statistics_count(s->groups), others->events);
    }
    if (s->pairs != NULL && !s->arguments->quiet) {
        etw_pairs_counts counts;
        etw_pairs_get_counts(s->pairs, &counts);
        etw_tool_say("%" PRIu64 " pairs; %" PRIu64 " starts without a stop, %" PRIu64
                     " stops without a start",
                     counts.pairs, counts.lone_starts + counts.not_taken, counts.lone_stops);
    }
    for (uint32_t i = 0; i < s->measured_count && s->pairs == NULL; i++) {
        uint64_t values = others->measures[i].count;
        for (uint32_t g = 0; g < etw_statistics_count(s->groups); g++) {
            values += etw_statistics_at(s->groups, g)->measures[i].count;
        }
        if (values == 0) {
            etw_tool_say("no event has a number in '%s'", s->measured_names[i]);
        }
    }
}

static etw_status show(stats *s, etw_error *error)
{
    etw_stream stream;
    const etw_replay_arguments *arguments = s->arguments;
    const bool by_file = s->file_count > 1 && s->columns[0] == NULL;
    s->table.has_files = s->file_count > 1;
    etw_status status = by_file ? sum_files(s, error) : ETW_OK;
    if (etw_failed(status)) {
        return status;
    }
    s->table.column_count = by_file ? 0 : s->table.column_count;
    status = etw_stream_open(&stream, etw_os_default(), arguments->output,
                             arguments->writer.replace, error);
    if (!etw_failed(status)) {
        status = etw_stats_print(&s->table, by_file ? s->files : s->groups, arguments->json,
                                 arguments->stats.csv, &stream.text, error);
    }
    return etw_stream_close(&stream, status, error);
}

etw_exit etw_verb_stats(const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    stats s = {.arguments = arguments};
    if (etw_tool_writes_over_input(arguments)) {
        return ETW_EXIT_USAGE;
    }
    etw_exit result = ETW_EXIT_WELL;
    etw_status status = open_stats(&s, &error);
    if (!etw_failed(status)) {
        result = etw_tool_each_input(arguments, take_input, &s);
        say_bounds(&s);
        status = show(&s, &error);
    }
    if (etw_failed(status)) {
        (void)etw_tool_fail(&error);
        result = status == ETW_ERROR_INVALID_ARGUMENT ? ETW_EXIT_USAGE : ETW_EXIT_FAILED;
    } else {
        result = etw_tool_worse(result, etw_tool_conclude(arguments, &s.totals));
    }
    close_stats(&s);
    return result;
}
