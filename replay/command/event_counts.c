#include "replay/command/event_counts.h"

#include "format/base/arena.h"
#include "format/schema/classic.h"
#include "replay/query/statistics.h"

#include <stdio.h>
#include <stdlib.h>

/* The key of a kind of event; its name follows, with its NUL. */
typedef struct kind_key {
    etw_guid provider;
    uint16_t id;
    uint8_t version;
    uint8_t is_classic;
} kind_key;

#define NAME_BYTES 255u

/* One row of either table, for sorting. */
typedef struct place {
    const etw_group *group;
    uint32_t provider_place; /* of a kind */
    uint32_t index;          /* in the order of first events */
} place;

/* Of classes that Windows has: the longest is a third of it. */
#define MAX_CLASS_NAME 128u

struct etw_event_counts {
    etw_statistics *providers; /* by GUID */
    etw_statistics *kinds;     /* by kind_key; NULL: not wanted */
    etw_arena names;
    const char **provider_names; /* by the number of the row; NULL where unknown so far */
    uint32_t name_capacity;
    place *provider_places, *kind_places;
    char class_name[MAX_CLASS_NAME]; /* that is put together */
};

etw_event_counts *etw_event_counts_new(bool by_kind)
{
    etw_event_counts *counts = calloc(1, sizeof *counts);
    if (counts == NULL) {
        return NULL;
    }
    counts->providers = etw_statistics_new(0, false, 0);
    counts->kinds = by_kind ? etw_statistics_new(0, false, 0) : NULL;
    if (counts->providers == NULL || (by_kind && counts->kinds == NULL)) {
        etw_event_counts_free(counts);
        return NULL;
    }
    return counts;
}

void etw_event_counts_free(etw_event_counts *counts)
{
    if (counts == NULL) {
        return;
    }
    etw_statistics_free(counts->providers);
    etw_statistics_free(counts->kinds);
    etw_arena_free(&counts->names);
    free(counts->provider_names);
    free(counts->provider_places);
    free(counts->kind_places);
    free(counts);
}

/* Counting. */

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to count events");
}

static etw_status keep_name(etw_event_counts *counts, uint32_t row, const char *name,
                            etw_error *error)
{
    if (row >= counts->name_capacity) {
        const uint32_t capacity = 2 * row + 64;
        const char **names = realloc(counts->provider_names, capacity * sizeof *names);
        if (names == NULL) {
            return no_memory(error);
        }
        memset(names + counts->name_capacity, 0,
               (capacity - counts->name_capacity) * sizeof *names);
        counts->provider_names = names;
        counts->name_capacity = capacity;
    }
    if (name != NULL && name[0] != '\0' && counts->provider_names[row] == NULL) {
        counts->provider_names[row] = etw_arena_copy(&counts->names, name, strlen(name));
        return counts->provider_names[row] != NULL ? ETW_OK : no_memory(error);
    }
    return ETW_OK;
}

/* The name that the first event of a provider comes with. */
static etw_status count_provider(etw_event_counts *counts, const etw_guid *provider,
                                 uint64_t events, const char *name, etw_error *error)
{
    etw_group *group;
    const uint32_t before = etw_statistics_count(counts->providers);
    const etw_status status =
        etw_statistics_group(counts->providers, provider, sizeof *provider, &group, error);
    if (etw_failed(status)) {
        return status;
    }
    group->events += events;
    return etw_statistics_count(counts->providers) > before ? keep_name(counts, before, name, error)
                                                            : ETW_OK;
}

etw_status etw_event_counts_learn_names(etw_event_counts *counts, const etw_schema_store *store,
                                        etw_error *error)
{
    etw_status status = ETW_OK;
    const uint32_t rows = etw_statistics_count(counts->providers);
    for (uint32_t i = 0; i < rows && !etw_failed(status); i++) {
        etw_guid provider;
        memcpy(&provider, etw_statistics_at(counts->providers, i)->key, sizeof provider);
        status = keep_name(counts, i, etw_schema_store_provider_name(store, &provider), error);
    }
    return status;
}

etw_status etw_event_counts_add_provider(etw_event_counts *counts, const etw_guid *provider,
                                         uint64_t events, const char *name, etw_error *error)
{
    return count_provider(counts, provider, events, name, error);
}

static etw_status count_kind(etw_event_counts *counts, const etw_event *event, etw_error *error)
{
    const etw_event_header *header = &etw_event_record_of(event)->EventHeader;
    const etw_plan *plan = etw_event_plan(event);
    const char *name = plan == NULL ? "" : etw_plan_event_name(plan)->utf8;
    const size_t name_size = strlen(name) < NAME_BYTES ? strlen(name) : NAME_BYTES;
    uint8_t bytes[sizeof(kind_key) + NAME_BYTES + 1] = {0};
    const bool is_classic = (header->Flags & ETW_FLAG_CLASSIC_HEADER) != 0;
    const kind_key key = {.provider = header->ProviderId,
                          .id = is_classic ? header->EventDescriptor.Opcode
                                           : header->EventDescriptor.Id,
                          .version = header->EventDescriptor.Version,
                          .is_classic = is_classic};
    etw_group *group;
    memcpy(bytes, &key, sizeof key);
    memcpy(bytes + sizeof key, name, name_size);
    const etw_status status =
        etw_statistics_group(counts->kinds, bytes, sizeof key + name_size + 1, &group, error);
    if (!etw_failed(status)) {
        group->events++;
    }
    return status;
}

etw_status etw_event_counts_add(etw_event_counts *counts, const etw_event *event, etw_error *error)
{
    const etw_status status =
        count_provider(counts, &etw_event_record_of(event)->EventHeader.ProviderId, 1,
                       etw_event_provider_name(event), error);
    return etw_failed(status) || counts->kinds == NULL ? status : count_kind(counts, event, error);
}

/* Sorting. */

static int compare(const void *a, const void *b)
{
    const place *first = a, *second = b;
    if (first->provider_place != second->provider_place) {
        return first->provider_place < second->provider_place ? -1 : 1;
    }
    if (first->group->events != second->group->events) {
        return first->group->events > second->group->events ? -1 : 1;
    }
    return first->index < second->index ? -1 : 1;
}

static place *places_of(const etw_statistics *statistics)
{
    const uint32_t count = etw_statistics_count(statistics);
    place *places = calloc((size_t)count + 1, sizeof *places);
    for (uint32_t i = 0; places != NULL && i < count; i++) {
        places[i] = (place){.group = etw_statistics_at(statistics, i), .index = i};
    }
    return places;
}

/* A provider's row has no bytes: they hold its place. */
static bool sort_kinds(etw_event_counts *counts)
{
    const uint32_t count = etw_statistics_count(counts->kinds);
    const uint32_t providers = etw_statistics_count(counts->providers);
    counts->kind_places = places_of(counts->kinds);
    if (counts->kind_places == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < providers; i++) {
        etw_statistics_at(counts->providers, counts->provider_places[i].index)->bytes = i;
    }
    etw_statistics_others(counts->providers)->bytes = providers;
    for (uint32_t i = 0; i < count; i++) {
        place *at = &counts->kind_places[i];
        etw_group *provider; /* it is there, or the table was full */
        if (etw_failed(etw_statistics_group(counts->providers, at->group->key, sizeof(etw_guid),
                                            &provider, NULL))) {
            return false;
        }
        at->provider_place = (uint32_t)provider->bytes;
    }
    qsort(counts->kind_places, count, sizeof *counts->kind_places, compare);
    return true;
}

bool etw_event_counts_sort(etw_event_counts *counts)
{
    counts->provider_places = places_of(counts->providers);
    if (counts->provider_places == NULL) {
        return false;
    }
    qsort(counts->provider_places, etw_statistics_count(counts->providers),
          sizeof *counts->provider_places, compare);
    return counts->kinds == NULL || sort_kinds(counts);
}

/* What was counted. */

uint32_t etw_event_counts_provider_count(const etw_event_counts *counts)
{
    return etw_statistics_count(counts->providers);
}

bool etw_event_counts_provider(etw_event_counts *counts, uint32_t index, etw_provider_count *count)
{
    if (index >= etw_statistics_count(counts->providers)) {
        return false;
    }
    const place *at = &counts->provider_places[index];
    const char *name = at->index < counts->name_capacity ? counts->provider_names[at->index] : NULL;
    memcpy(&count->provider, at->group->key, sizeof count->provider);
    const char *provider_name, *class_name;
    count->events = at->group->events;
    count->name = name == NULL ? "" : name;
    if (etw_classic_class_find(&count->provider, &provider_name, &class_name)) {
        (void)snprintf(counts->class_name, sizeof counts->class_name, "%s/%s", provider_name,
                       class_name);
        count->name = counts->class_name;
    }
    return true;
}

bool etw_event_counts_kind(const etw_event_counts *counts, uint32_t index, etw_kind_count *count)
{
    if (counts->kinds == NULL || index >= etw_statistics_count(counts->kinds)) {
        return false;
    }
    const etw_group *group = counts->kind_places[index].group;
    kind_key key;
    memcpy(&key, group->key, sizeof key);
    *count = (etw_kind_count){.provider = key.provider,
                              .name = group->key + sizeof key,
                              .is_classic = key.is_classic != 0,
                              .id = key.id,
                              .version = key.version,
                              .events = group->events};
    return true;
}

uint64_t etw_event_counts_others(const etw_event_counts *counts)
{
    uint64_t events = etw_statistics_others(counts->providers)->events;
    events += counts->kinds == NULL ? 0 : etw_statistics_others(counts->kinds)->events;
    return events;
}
