#include "replay/command/doubts.h"

#include <stdlib.h>

#include "format/query/where.h"
#include "format/schema/unexplained_report.h"
#include "replay/command/advice.h"
#include "replay/command/tool.h"

static const char *provider_at(const void *context, size_t index)
{
    return etw_replay_provider_name_at(context, index);
}

static void say_no_such_provider(const etw_replay *replay, const char *wanted)
{
    size_t count = 0;
    while (etw_replay_provider_name_at(replay, count) != NULL) {
        count++;
    }
    const char *nearest = etw_nearest_name(wanted, count, provider_at, replay);
    if (nearest != NULL) {
        etw_tool_say("no event of provider '%s'; did you mean '%s'?", wanted, nearest);
    } else {
        etw_tool_say("no event of provider '%s'; 'stats' lists those of the trace", wanted);
    }
}

static bool has_filter(const etw_replay_arguments *arguments)
{
    const etw_filter *filter = &arguments->replay.filter;
    return filter->provider_count > 0 || filter->provider_name_count > 0 || filter->id_count > 0 ||
           filter->process_id_count > 0 || filter->has_level || filter->no_level_0 ||
           filter->where != NULL || arguments->since != NULL || arguments->until != NULL ||
           arguments->around != NULL;
}

/* The names that the plan gives its properties, of the schemas of a replay one after another. */
typedef struct property_names {
    const char **names; /* owned list of names lent by plans */
    uint32_t count;
} property_names;

static const char *name_in_list(const void *context, size_t index)
{
    const property_names *list = context;
    return list->names[index];
}

/* Beyond so many names the nearest is not looked for. */
#define MOST_NAMES 100000u

static void add_property_names(property_names *list, const etw_plan *plan)
{
    const etw_property *property;
    for (uint32_t i = 0;
         list->count < MOST_NAMES && (property = etw_plan_property(plan, i)) != NULL; i++) {
        etw_ignore(etw_arguments_add_string(&list->names, &list->count,
                                            etw_property_name(property)->utf8, NULL));
    }
}

/* Plans of all schemas of a store; what cannot be compiled is NULL. */
typedef struct plans {
    etw_plan **rows;
    uint32_t count;
} plans;

static void plans_open(plans *p, const etw_schema_store *store)
{
    p->count = etw_schema_store_count(store);
    p->rows = calloc((size_t)p->count + 1, sizeof *p->rows);
    for (uint32_t i = 0; p->rows != NULL && i < p->count; i++) {
        etw_ignore(etw_plan_compile(etw_schema_store_get(store, i + 1), &p->rows[i], NULL));
    }
    p->count = p->rows == NULL ? 0 : p->count;
}

static void plans_close(plans *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        etw_plan_free(p->rows[i]);
    }
    free(p->rows);
}

static void say_unseen_name(const plans *p, const etw_where *where, uint32_t index)
{
    property_names list = {0};
    const char *name = etw_where_unseen_name(where, index);
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->rows[i] == NULL) {
            continue;
        }
        if (etw_where_plan_has_unseen(where, index, p->rows[i])) {
            free(list.names);
            return;
        }
        add_property_names(&list, p->rows[i]);
    }
    const char *nearest = etw_nearest_name(name, list.count, name_in_list, &list);
    if (nearest != NULL) {
        etw_tool_say("no schema of these events has a property '%s'; did you mean '%s'?", name,
                     nearest);
    } else {
        etw_tool_say("no schema of these events has a property '%s'; 'schemas' lists them", name);
    }
    free(list.names);
}

void etw_tool_say_unseen_names(const etw_replay *replay)
{
    plans p = {0};
    const etw_where *where = etw_replay_where(replay);
    if (where == NULL || etw_where_unseen_name(where, 0) == NULL) {
        return;
    }
    plans_open(&p, etw_replay_schemas(replay));
    for (uint32_t i = 0; etw_where_unseen_name(where, i) != NULL; i++) {
        say_unseen_name(&p, where, i);
    }
    plans_close(&p);
}

void etw_tool_say_doubts(const etw_replay_arguments *arguments, const etw_replay *replay,
                         bool others_match)
{
    const char *first;
    const uint64_t errors = etw_replay_schema_errors(replay, &first);
    etw_replay_totals totals;
    etw_replay_get_totals(replay, &totals);
    if (errors > 0) {
        etw_tool_say("%llu schema%s of the trace could not be read; first: %s",
                     (unsigned long long)errors, errors == 1 ? "" : "s", first);
    }
    if (others_match) {
        return;
    }
    etw_tool_say_unseen_names(replay);
    if (totals.events > 0 || etw_tool_say_pack(arguments) || !has_filter(arguments)) {
        return;
    }
    const etw_filter *filter = &arguments->replay.filter;
    for (uint32_t i = 0; i < filter->provider_name_count; i++) {
        say_no_such_provider(replay, arguments->provider_names[i]);
    }
    if (filter->provider_name_count == 0) {
        etw_tool_say("no event matches the options that choose events");
    }
}

static void say_line(void *context, const char *line)
{
    (void)context;
    etw_tool_say("%s", line);
}

void etw_tool_say_unexplained(const etw_replay_arguments *arguments, const etw_replay *replay)
{
    etw_unexplained *unexplained = etw_replay_unexplained(replay);
    if (unexplained != NULL && !arguments->quiet) {
        etw_unexplained_report(unexplained, etw_replay_schemas(replay), "--schemas", say_line,
                               NULL);
    }
}
