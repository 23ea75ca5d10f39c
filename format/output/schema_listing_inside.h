/* What both forms of a listed schema share. */
#ifndef ETW_FORMAT_OUTPUT_SCHEMA_LISTING_INSIDE_H
#define ETW_FORMAT_OUTPUT_SCHEMA_LISTING_INSIDE_H

#include "format/output/schema_listing.h"

typedef struct etw_schema_listing {
    const etw_schema *schema;
    etw_schema_choice choice;
    etw_text *text;
    etw_tei tei;
    const etw_plan *plan;
    const char *problem; /* why no plan could be made of it; NULL: it could */
    bool is_damaged;     /* there is no tei */
    uint32_t listed;
} etw_schema_listing;

/* ETW_ERROR_NO_MEMORY where no plan could be looked for. */
etw_status etw_schema_listing_begin(etw_schema_listing *l, const etw_schema *schema,
                                    etw_plan_cache *plans);
/* Whether the blob has a string there, other than "". */
bool etw_schema_listing_has(const etw_schema_listing *l, uint32_t offset);
/* Whether one more property is to be listed: structs may share their members, so a hostile schema
 * could list far more than it holds. */
bool etw_schema_listing_may(etw_schema_listing *l, uint32_t index);
const char *etw_schema_map_kind(uint32_t flags);

#endif
