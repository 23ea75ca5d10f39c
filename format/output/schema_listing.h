/* A schema as text and as JSON: what `etw-replay schemas` lists. */
#ifndef ETW_FORMAT_OUTPUT_SCHEMA_LISTING_H
#define ETW_FORMAT_OUTPUT_SCHEMA_LISTING_H

#include "format/event/candidates.h"
#include "format/event/render/plan.h"
#include "format/event/tei.h"

/* What was read from where, and what else there was. */
typedef struct etw_schema_choice {
    const etw_candidates *among; /* NULL: it came from no file */
    uint32_t place;              /* among them */
} etw_schema_choice;

/* Append one schema, JSON as one line with its line break; what a damaged one is, too. ETW_OK, or
 * ETW_ERROR_NO_MEMORY. */
ETW_API_CHECKED etw_status etw_schema_json(const etw_schema *schema, etw_schema_choice choice,
                                           etw_plan_cache *plans, etw_text *text);
ETW_API_CHECKED etw_status etw_schema_text(const etw_schema *schema, etw_schema_choice choice,
                                           etw_plan_cache *plans, etw_text *text);

#endif
