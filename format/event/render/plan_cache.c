#include "format/event/render/plan_internal.h"

#include <stdlib.h>

typedef struct cached {
    etw_plan *plan; /* NULL with a problem: not to be compiled */
    char *problem;
} cached;

/* By schema id: ids are dense, so this is the whole lookup. */
struct etw_plan_cache {
    cached *entries;
    uint32_t count;
    size_t bytes; /* of all plans */
};

etw_plan_cache *etw_plan_cache_new(void)
{
    return calloc(1, sizeof(etw_plan_cache));
}

static void forget(etw_plan_cache *cache)
{
    for (uint32_t i = 0; i < cache->count; i++) {
        etw_plan_free(cache->entries[i].plan);
        free(cache->entries[i].problem);
        cache->entries[i] = (cached){0};
    }
    cache->bytes = 0;
}

void etw_plan_cache_free(etw_plan_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    forget(cache);
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

/* Lack of memory is not remembered: it says nothing about the schema. */
static etw_status compile(etw_plan_cache *cache, const etw_schema *schema)
{
    etw_plan *plan;
    char *problem = NULL;
    etw_error error;
    const etw_status status = etw_plan_compile(schema, &plan, &error);
    if (status == ETW_ERROR_NO_MEMORY) {
        return status;
    }
    if (status != ETW_OK) {
        problem = strdup(error.message);
        if (problem == NULL) {
            return ETW_ERROR_NO_MEMORY;
        }
    }
    const size_t size = plan == NULL ? strlen(problem) + 1 : etw_plan_size_bytes(plan);
    if (cache->bytes + size > ETW_PLAN_CACHE_MAX_BYTES) {
        forget(cache);
    }
    cache->entries[schema->id] = (cached){plan, problem};
    cache->bytes += size;
    return ETW_OK;
}

etw_status etw_plan_cache_find(etw_plan_cache *cache, const etw_schema *schema,
                               const etw_plan **plan, const char **problem)
{
    *plan = NULL;
    *problem = NULL;
    if (schema == NULL) {
        return ETW_OK;
    }
    if (schema->id >= cache->count && !grow(cache, schema->id)) {
        return ETW_ERROR_NO_MEMORY;
    }
    const cached *entry = &cache->entries[schema->id];
    const bool is_known = entry->plan != NULL || entry->problem != NULL;
    const etw_status status = is_known ? ETW_OK : compile(cache, schema);
    *plan = entry->plan;
    *problem = entry->problem;
    return status;
}

const etw_plan *etw_plan_cache_get(etw_plan_cache *cache, const etw_schema *schema,
                                   const char **problem)
{
    const etw_plan *plan;
    const char *why;
    if (etw_plan_cache_find(cache, schema, &plan, &why) != ETW_OK) {
        why = "no memory to compile a schema";
    }
    if (problem != NULL) {
        *problem = why;
    }
    return plan;
}
