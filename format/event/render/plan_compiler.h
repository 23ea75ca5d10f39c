/* What is needed while a plan is compiled, and only then; for plan.c, plan_names.c and plan_map.c.
 */
#ifndef ETW_FORMAT_EVENT_PLAN_COMPILER_H
#define ETW_FORMAT_EVENT_PLAN_COMPILER_H

#include "format/base/table.h"
#include "format/event/render/plan_internal.h"

/* A string that was compiled: many properties may name the same one. */
typedef struct etw_known_name {
    etw_name name;
    uint32_t offset;
    uint32_t id; /* the same for equal texts; from 1 */
} etw_known_name;

typedef struct etw_plan_compiler {
    etw_plan *plan;
    const etw_schema *schema;
    etw_tei tei;
    etw_text utf8; /* the name at hand, in both forms */
    etw_text json;
    size_t name_bytes;  /* read for names, and copied: bounds what overlapping strings cost */
    etw_table offsets;  /* of strings in the TRACE_EVENT_INFO, to an etw_known_name each */
    etw_table contents; /* the same, by UTF-8 */
    etw_arena known;    /* what the tables point to */
    size_t map_entries;
    uint32_t *name_ids;     /* of each property's name */
    etw_plan_map **maps;    /* by index of schema->maps; NULL: not compiled yet */
    uint8_t *struct_depths; /* of the structs below and including each property */
    etw_error *error;
} etw_plan_compiler;

/* plan_names.c: all names of the schema but those of properties and maps. */
etw_status etw_plan_compile_names(etw_plan_compiler *c);
/* The string at offset; what says in a message what it is ("property name"). */
etw_status etw_plan_compile_name(etw_plan_compiler *c, const char *what, uint32_t offset,
                                 etw_name *name);
/* The same for the name of property index, whose name_ids it sets. */
etw_status etw_plan_compile_property_name(etw_plan_compiler *c, uint32_t index, uint32_t offset);
/* The id of a text that some name has; 0: none has it. */
uint32_t etw_plan_name_id(const etw_plan_compiler *c, const char *utf8, size_t size);
etw_status etw_plan_name_from_units(etw_plan_compiler *c, etw_bytes units, etw_name *name);
etw_status etw_plan_string_outside(etw_plan_compiler *c, const char *what, uint32_t offset);
/* False where names take too much with this one. */
bool etw_plan_take_name_bytes(etw_plan_compiler *c, size_t size);
etw_status etw_plan_too_many_names(etw_plan_compiler *c);
etw_status etw_plan_no_memory(etw_plan_compiler *c);

/* plan_namesakes.c: sets nth of all properties. */
etw_status etw_plan_number_namesakes(etw_plan_compiler *c);

/* plan_map.c: the map of that name, compiled at its first use. A map that is missing, or a pattern
 * map, is no error (*found is NULL): TDH then shows numbers. */
etw_status etw_plan_find_map(etw_plan_compiler *c, etw_bytes name, const etw_plan_map **found);

#endif
