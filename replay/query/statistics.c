#include "replay/query/statistics.h"

#include "format/base/arena.h"
#include "format/base/probe.h"

#include <math.h>
#include <stdlib.h>

/* Classes of values: class i holds those from GAMMA^(i-1) to GAMMA^i, of either sign. Those nearer
 * to 0 than SMALLEST are 0. They are counted in pages, made when a value falls into one. */
#define GAMMA       1.02
#define SMALLEST    1e-9
#define CLASSES     3328u /* up to 1e19 */
#define PAGE        64u
#define PAGES       (CLASSES / PAGE)
#define CHUNK_SHIFT 8u /* groups are made in chunks that stay where they are */
#define CHUNK       (1u << CHUNK_SHIFT)

struct etw_sketch {
    uint64_t zeros;
    uint64_t *pages[2][PAGES]; /* below and above 0 */
};

struct etw_statistics {
    uint32_t measures;
    bool sketches;
    uint32_t most_groups;
    etw_arena keys;
    size_t key_bytes;
    etw_group *chunks[ETW_STATISTICS_MAX_GROUPS / CHUNK + 1];
    uint32_t count;
    etw_probe probe;
    etw_group others;
};

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for statistics");
}

/* Sketches. */

static void sketch_free(etw_sketch *sketch)
{
    for (uint32_t i = 0; sketch != NULL && i < PAGES; i++) {
        free(sketch->pages[0][i]);
        free(sketch->pages[1][i]);
    }
    free(sketch);
}

static uint64_t *class_of(etw_sketch *sketch, uint32_t side, uint32_t class_)
{
    uint64_t **page = &sketch->pages[side][class_ / PAGE];
    if (*page == NULL) {
        *page = calloc(PAGE, sizeof **page);
    }
    return *page == NULL ? NULL : *page + class_ % PAGE;
}

static bool sketch_add(etw_sketch *sketch, double value)
{
    const double size = fabs(value);
    if (size < SMALLEST) {
        sketch->zeros++;
        return true;
    }
    const double class_ = ceil(log(size / SMALLEST) / log(GAMMA));
    uint64_t *count =
        class_of(sketch, value > 0 ? 1 : 0, class_ < CLASSES - 1 ? (uint32_t)class_ : CLASSES - 1);
    if (count == NULL) {
        return false;
    }
    ++*count;
    return true;
}

static bool sketch_join(etw_sketch *to, const etw_sketch *from)
{
    to->zeros += from->zeros;
    for (uint32_t i = 0; i < 2 * CLASSES; i++) {
        const uint64_t *page = from->pages[i / CLASSES][i % CLASSES / PAGE];
        if (page == NULL || page[i % PAGE] == 0) {
            continue;
        }
        uint64_t *count = class_of(to, i / CLASSES, i % CLASSES);
        if (count == NULL) {
            return false;
        }
        *count += page[i % PAGE];
    }
    return true;
}

static uint64_t count_in(const etw_sketch *sketch, uint32_t side, uint32_t class_)
{
    const uint64_t *page = sketch->pages[side][class_ / PAGE];
    return page == NULL ? 0 : page[class_ % PAGE];
}

/* The middle of a class, by ratio. */
static double value_of(uint32_t class_)
{
    return SMALLEST * pow(GAMMA, class_) * 2 / (1 + GAMMA);
}

static double sketch_rank(const etw_sketch *sketch, uint64_t rank)
{
    for (uint32_t i = CLASSES; i-- > 0;) {
        const uint64_t count = count_in(sketch, 0, i);
        if (rank < count) {
            return -value_of(i);
        }
        rank -= count;
    }
    if (rank < sketch->zeros) {
        return 0;
    }
    rank -= sketch->zeros;
    for (uint32_t i = 0; i < CLASSES; i++) {
        const uint64_t count = count_in(sketch, 1, i);
        if (rank < count) {
            return value_of(i);
        }
        rank -= count;
    }
    return 0;
}

double etw_measure_percentile(const etw_measure *measure, double percent)
{
    if (measure->count == 0 || measure->sketch == NULL) {
        return 0;
    }
    const double last = (double)(measure->count - 1);
    const double value = sketch_rank(measure->sketch, (uint64_t)(last * percent / 100 + 0.5));
    return fmin(fmax(value, measure->least), measure->most);
}

/* Groups. */

etw_statistics *etw_statistics_new(uint32_t measures, bool sketches, uint32_t most_groups)
{
    etw_statistics *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    const uint32_t most = sketches ? ETW_STATISTICS_MAX_SKETCHED : ETW_STATISTICS_MAX_GROUPS;
    s->measures = measures;
    s->sketches = sketches;
    s->most_groups = most_groups == 0 || most_groups > most ? most : most_groups;
    s->others.measures = calloc((size_t)measures + 1, sizeof *s->others.measures);
    if (s->others.measures == NULL ||
        !etw_probe_begin(&s->probe, ETW_PROBE_LEAST, ETW_PROBE_LEAST)) {
        etw_statistics_free(s);
        return NULL;
    }
    return s;
}

static void free_measures(const etw_statistics *s, etw_group *group)
{
    for (uint32_t i = 0; group->measures != NULL && i < s->measures; i++) {
        sketch_free(group->measures[i].sketch);
    }
    free(group->measures);
}

void etw_statistics_free(etw_statistics *statistics)
{
    if (statistics == NULL) {
        return;
    }
    for (uint32_t i = 0; i < statistics->count; i++) {
        free_measures(statistics, etw_statistics_at(statistics, i));
    }
    for (uint32_t i = 0; i < sizeof statistics->chunks / sizeof statistics->chunks[0]; i++) {
        free(statistics->chunks[i]);
    }
    free_measures(statistics, &statistics->others);
    etw_probe_free(&statistics->probe);
    etw_arena_free(&statistics->keys);
    free(statistics);
}

uint32_t etw_statistics_count(const etw_statistics *statistics)
{
    return statistics->count;
}

etw_group *etw_statistics_at(const etw_statistics *statistics, uint32_t index)
{
    return &statistics->chunks[index >> CHUNK_SHIFT][index % CHUNK];
}

etw_group *etw_statistics_others(etw_statistics *statistics)
{
    return &statistics->others;
}

static etw_group *new_group(etw_statistics *s, const void *key, size_t key_size)
{
    etw_group **chunk = &s->chunks[s->count >> CHUNK_SHIFT];
    if (*chunk == NULL) {
        *chunk = calloc(CHUNK, sizeof **chunk);
    }
    char *copy = etw_arena_copy(&s->keys, key, key_size);
    etw_measure *measures = calloc((size_t)s->measures + 1, sizeof *measures);
    if (*chunk == NULL || copy == NULL || measures == NULL) {
        free(measures);
        return NULL;
    }
    etw_group *group = &(*chunk)[s->count % CHUNK];
    *group = (etw_group){.key = copy, .key_size = key_size, .measures = measures};
    s->key_bytes += key_size;
    return group;
}

etw_status etw_statistics_group(etw_statistics *statistics, const void *key, size_t key_size,
                                etw_group **group, etw_error *error)
{
    etw_statistics *s = statistics;
    const uint32_t hash = (uint32_t)etw_hash_bytes(s->probe.seed, key, key_size);
    uint32_t at = etw_probe_home(&s->probe, hash);
    for (; s->probe.slots[at].id_plus_1 != 0; at = etw_probe_next(&s->probe, at)) {
        if (s->probe.slots[at].hash != hash) {
            continue;
        }
        *group = etw_statistics_at(s, s->probe.slots[at].id_plus_1 - 1);
        if ((*group)->key_size == key_size && memcmp((*group)->key, key, key_size) == 0) {
            return ETW_OK;
        }
    }
    if (s->count == s->most_groups || key_size > ETW_STATISTICS_MAX_KEY_BYTES - s->key_bytes) {
        *group = &s->others;
        return ETW_OK;
    }
    if (!etw_probe_reserve(&s->probe)) {
        return no_memory(error);
    }
    *group = new_group(s, key, key_size);
    if (*group == NULL) {
        return no_memory(error);
    }
    at = etw_probe_home(&s->probe, hash); /* it may have been widened */
    while (s->probe.slots[at].id_plus_1 != 0) {
        at = etw_probe_next(&s->probe, at);
    }
    etw_probe_put(&s->probe, at, hash, s->count++);
    return ETW_OK;
}

static void widen(etw_group *group, int64_t first_100ns, int64_t last_100ns)
{
    if (group->events == 0 || first_100ns < group->first_100ns) {
        group->first_100ns = first_100ns;
    }
    if (group->events == 0 || last_100ns > group->last_100ns) {
        group->last_100ns = last_100ns;
    }
}

void etw_group_count(etw_group *group, uint64_t bytes, int64_t time_100ns)
{
    widen(group, time_100ns, time_100ns);
    group->events++;
    group->bytes += bytes;
}

static bool has_sketch(etw_measure *measure)
{
    if (measure->sketch == NULL) {
        measure->sketch = calloc(1, sizeof *measure->sketch);
    }
    return measure->sketch != NULL;
}

static void include(etw_measure *measure, double least, double most)
{
    measure->least = measure->count == 0 ? least : fmin(measure->least, least);
    measure->most = measure->count == 0 ? most : fmax(measure->most, most);
}

etw_status etw_statistics_measure(etw_statistics *statistics, etw_group *group, uint32_t measure,
                                  double value, etw_error *error)
{
    etw_measure *m = &group->measures[measure];
    if (value != value) {
        return ETW_OK; /* no number */
    }
    if (statistics->sketches && (!has_sketch(m) || !sketch_add(m->sketch, value))) {
        return no_memory(error);
    }
    include(m, value, value);
    m->count++;
    m->sum += value;
    return ETW_OK;
}

etw_status etw_statistics_join(etw_statistics *statistics, etw_group *to, const etw_group *from,
                               etw_error *error)
{
    if (from->events == 0) {
        return ETW_OK;
    }
    widen(to, from->first_100ns, from->last_100ns);
    to->events += from->events;
    to->bytes += from->bytes;
    for (uint32_t i = 0; i < statistics->measures; i++) {
        const etw_measure *of = &from->measures[i];
        etw_measure *m = &to->measures[i];
        if (of->count == 0) {
            continue;
        }
        if (of->sketch != NULL && (!has_sketch(m) || !sketch_join(m->sketch, of->sketch))) {
            return no_memory(error);
        }
        include(m, of->least, of->most);
        m->count += of->count;
        m->sum += of->sum;
    }
    return ETW_OK;
}
