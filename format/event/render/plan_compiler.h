/* What is needed while a plan is compiled, and only then; for plan.c, plan_names.c and plan_map.c.
 */
#ifndef ETW_FORMAT_EVENT_PLAN_COMPILER_H
#define ETW_FORMAT_EVENT_PLAN_COMPILER_H

#include "format/event/render/plan_internal.h"

typedef struct etw_plan_compiler {
    etw_plan *plan;
    const etw_schema *schema;
    etw_tei tei;
    etw_text utf8; /* the name at hand, in both forms */
    etw_text json;
    size_t name_bytes;
    size_t map_entries;
    etw_plan_map **maps;    /* by index of schema->maps; NULL: not compiled yet */
    uint8_t *struct_depths; /* of the structs below and including each property */
    etw_error *error;
} etw_plan_compiler;

/* plan_names.c: all names of the schema but those of properties and maps. */
etw_status etw_plan_compile_names(etw_plan_compiler *c);
/* The string at offset; what says in a message what it is ("property name"). */
etw_status etw_plan_compile_name(etw_plan_compiler *c, const char *what, uint32_t offset,
                                 etw_name *name);
etw_status etw_plan_name_from_units(etw_plan_compiler *c, etw_bytes units, etw_name *name);
etw_status etw_plan_string_outside(etw_plan_compiler *c, const char *what, uint32_t offset);
etw_status etw_plan_no_memory(etw_plan_compiler *c);

/* plan_map.c: the map of that name, compiled at its first use. A map that is missing, or a pattern
 * map, is no error (*found is NULL): TDH then shows numbers. */
etw_status etw_plan_find_map(etw_plan_compiler *c, etw_bytes name, const etw_plan_map **found);

#endif
