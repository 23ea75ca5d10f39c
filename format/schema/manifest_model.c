#include "format/schema/manifest_model.h"

void etw_manifest_add_keyword(etw_manifest_provider *provider, uint64_t mask, const char *name)
{
    if (mask == 0 || name == NULL || provider->keyword_count == ETW_MANIFEST_MAX_KEYWORDS) {
        return;
    }
    uint32_t at = 0;
    while (at < provider->keyword_count && provider->keywords[at].mask < mask) {
        at++;
    }
    if (at < provider->keyword_count && provider->keywords[at].mask == mask) {
        return;
    }
    for (uint32_t i = provider->keyword_count++; i > at; i--) {
        provider->keywords[i] = provider->keywords[i - 1];
    }
    provider->keywords[at] = (etw_manifest_keyword){mask, name};
}

void etw_manifest_add_map_entry(etw_manifest_map *map, etw_manifest_map_entry *entry)
{
    if (map->last == NULL) {
        map->first = entry;
    } else {
        map->last->next = entry;
    }
    map->last = entry;
    map->entry_count++;
}
