#include "format/event/render/plan.h"

#include <stdlib.h>

typedef struct cached {
    etw_plan *plan; /* NULL with a problem: not to be compiled */
    char *problem;
} cached;

/* By schema id: ids are dense, so this is the whole lookup. */
struct etw_plan_cache {
    cached *entries;
    uint32_t count;
};

etw_plan_cache *etw_plan_cache_new(void)
{
    return calloc(1, sizeof(etw_plan_cache));
}

void etw_plan_cache_free(etw_plan_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (uint32_t i = 0; i < cache->count; i++) {
        etw_plan_free(cache->entries[i].plan);
        free(cache->entries[i].problem);
    }
    free(cache->entries);
    free(cache);
}

static bool grow(etw_plan_cache *cache, uint32_t id)
{
    if (id > ETW_STORE_MAX_SCHEMAS) {
        return false;
    }
    uint32_t count = cache->count == 0 ? 64 : cache->count;
    while (count <= id) {
        count *= 2;
    }
    cached *entries = realloc(cache->entries, count * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    memset(entries + cache->count, 0, (count - cache->count) * sizeof *entries);
    cache->entries = entries;
    cache->count = count;
    return true;
}

static void compile(cached *entry, const etw_schema *schema)
{
    etw_error error;
    if (etw_plan_compile(schema, &entry->plan, &error) != ETW_OK) {
        entry->problem = strdup(error.message);
    }
}

const etw_plan *etw_plan_cache_get(etw_plan_cache *cache, const etw_schema *schema,
                                   const char **problem)
{
    if (problem != NULL) {
        *problem = NULL;
    }
    if (schema == NULL) {
        return NULL;
    }
    if (schema->id >= cache->count && !grow(cache, schema->id)) {
        if (problem != NULL) {
            *problem = "no memory to compile a schema";
        }
        return NULL;
    }
    cached *entry = &cache->entries[schema->id];
    if (entry->plan == NULL && entry->problem == NULL) {
        compile(entry, schema);
    }
    if (problem != NULL && entry->plan == NULL) {
        *problem = entry->problem == NULL ? "no memory to compile a schema" : entry->problem;
    }
    return entry->plan;
}
