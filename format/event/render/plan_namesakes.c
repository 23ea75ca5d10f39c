#include "format/event/render/plan_compiler.h"

#include <stdlib.h>

/* A name that a namesake must not be given, as a property has it already: "Name#3". */
typedef struct taken {
    uint32_t id; /* of "Name" */
    uint32_t nth;
} taken;

typedef struct numbering {
    etw_plan_compiler *c;
    uint32_t *seen; /* by name id: how often, within the group at hand */
    taken *all;
    etw_table table; /* of all, to themselves */
} numbering;

/* The number behind the last '#', and where that stands; 0: the name does not end so. */
static uint32_t number_of(const etw_name *name, uint32_t *base_size)
{
    uint32_t at = name->utf8_size, number = 0, unit = 1;
    while (at > 0 && name->utf8[at - 1] >= '0' && name->utf8[at - 1] <= '9' && unit < 1000000) {
        number += unit * (uint32_t)(name->utf8[--at] - '0');
        unit *= 10;
    }
    if (at == 0 || name->utf8[at - 1] != '#' || name->utf8[at] == '0') {
        return 0;
    }
    *base_size = at - 1;
    return number;
}

static bool is_taken(const numbering *n, taken wanted)
{
    return etw_table_get(&n->table, &wanted, sizeof wanted) != NULL;
}

static bool take_given_names(numbering *n)
{
    const etw_plan *plan = n->c->plan;
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->property_count; i++) {
        const etw_name *name = &plan->properties[i].name;
        uint32_t base_size = 0;
        const uint32_t nth = number_of(name, &base_size);
        const uint32_t id = nth == 0 ? 0 : etw_plan_name_id(n->c, name->utf8, base_size);
        if (id == 0) {
            continue;
        }
        n->all[count] = (taken){id, nth};
        if (!etw_table_set(&n->table, &n->all[count], sizeof n->all[count], &n->all[count])) {
            return false;
        }
        count++;
    }
    return true;
}

/* Properties that may stand in one object: those of one struct, and of structs that share some. */
static void number_group(const numbering *n, uint32_t first, uint32_t end)
{
    const uint32_t *ids = n->c->name_ids;
    for (uint32_t i = first; i < end; i++) {
        n->seen[ids[i]] = 0;
    }
    for (uint32_t i = first; i < end; i++) {
        uint32_t nth = n->seen[ids[i]] + 1;
        while (nth > 1 && is_taken(n, (taken){ids[i], nth})) {
            nth++;
        }
        n->seen[ids[i]] = nth;
        n->c->plan->properties[i].nth = (uint16_t)nth;
    }
}

static void join(int32_t *joined, uint32_t first, uint32_t count)
{
    if (count > 1) {
        joined[first]++;
        joined[first + count - 1]--;
    }
}

static void number_groups(const numbering *n, int32_t *joined)
{
    const etw_plan *plan = n->c->plan;
    join(joined, 0, plan->top_count);
    for (uint32_t i = 0; i < plan->property_count; i++) {
        const etw_property *property = &plan->properties[i];
        if (property->take == ETW_TAKE_STRUCT) {
            join(joined, property->first_member, property->member_count);
        }
    }
    int32_t open = 0;
    uint32_t first = 0;
    for (uint32_t i = 0; i < plan->property_count; i++) {
        open += joined[i];
        if (open == 0) {
            number_group(n, first, i + 1);
            first = i + 1;
        }
    }
}

etw_status etw_plan_number_namesakes(etw_plan_compiler *c)
{
    const uint32_t count = c->plan->property_count;
    numbering n = {.c = c};
    n.seen = calloc(c->contents.probe.used + (size_t)1, sizeof *n.seen);
    n.all = calloc(count + (size_t)1, sizeof *n.all);
    int32_t *joined = calloc(count + (size_t)1, sizeof *joined);
    const bool is_well = n.seen != NULL && n.all != NULL && joined != NULL && take_given_names(&n);
    if (is_well) {
        number_groups(&n, joined);
    }
    free(joined);
    free(n.all);
    free(n.seen);
    etw_table_free(&n.table);
    return is_well ? ETW_OK : etw_plan_no_memory(c);
}
