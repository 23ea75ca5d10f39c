#include "format/output/schema_listing_inside.h"

#define MAX_LISTED_PROPERTIES (8 * ETW_MAX_PROPERTIES)

etw_status etw_schema_listing_begin(etw_schema_listing *l, const etw_schema *schema,
                                    etw_plan_cache *plans)
{
    l->schema = schema;
    const etw_status status = etw_plan_cache_find(plans, schema, &l->plan, &l->problem);
    l->is_damaged = status == ETW_OK && etw_failed(etw_tei_open(schema->tei, &l->tei, NULL));
    return status;
}

bool etw_schema_listing_has(const etw_schema_listing *l, uint32_t offset)
{
    etw_bytes units;
    return offset != 0 && etw_tei_string(&l->tei, offset, &units) && units.size > 0;
}

bool etw_schema_listing_may(etw_schema_listing *l, uint32_t index)
{
    return index < l->tei.info.PropertyCount && l->listed++ < MAX_LISTED_PROPERTIES;
}

const char *etw_schema_map_kind(uint32_t flags)
{
    if ((flags & (ETW_MAP_MANIFEST_BITMAP | ETW_MAP_WBEM_BITMAP | ETW_MAP_WBEM_FLAG)) != 0) {
        return "bits";
    }
    return (flags & ETW_MAP_MANIFEST_PATTERNMAP) != 0 ? "patterns" : "values";
}
