/* Whether an event passes: the tree walked, properties found. */
#include "format/event/calendar.h"
#include "format/query/where_tree.h"

#include <stdlib.h>

/* Properties. */

static bool has_name(const etw_property *property, const etw_where_part *part)
{
    const etw_name *name = etw_property_name(property);
    return etw_property_nth(property) == part->nth &&
           etw_where_text_equal((etw_where_slice){name->utf8, name->utf8_size},
                                (etw_where_slice){part->name, strlen(part->name)});
}

/* A SYSTEMTIME as FILETIME; false where it is no date. */
static bool time_of_systemtime(etw_bytes bytes, int64_t *time_100ns)
{
    unsigned field[8]; /* year, month, day of week, day, hour, minute, second, milliseconds */
    for (size_t i = 0; bytes.size >= 16 && i < 8; i++) {
        field[i] = etw_load_u16(bytes.data + 2 * i);
    }
    if (bytes.size < 16 || field[0] < 1601 || field[1] < 1 || field[1] > 12 || field[3] < 1 ||
        field[3] > 31) {
        return false;
    }
    const etw_date date = {field[0], field[1], field[3]};
    const int64_t seconds =
        ((etw_days_of_date(&date) * 24 + field[4]) * 60 + field[5]) * 60 + field[6];
    *time_100ns = (seconds * 1000 + field[7]) * 10000;
    return true;
}

static void give_value(const etw_value *value, etw_operand *operand, etw_typed_value *typed)
{
    etw_value_get(value, typed);
    *operand = (etw_operand){.kind = ETW_OPERAND_TEXT, .value = &typed->value};
    switch (typed->kind) {
    case ETW_VALUE_INT64:
        operand->kind = ETW_OPERAND_SIGNED;
        operand->int64 = typed->as.int64;
        break;
    case ETW_VALUE_UINT64:
        operand->kind = ETW_OPERAND_UNSIGNED;
        operand->uint64 = typed->as.uint64;
        break;
    case ETW_VALUE_BOOL:
        operand->kind = ETW_OPERAND_UNSIGNED;
        operand->uint64 = typed->as.boolean ? 1 : 0;
        break;
    case ETW_VALUE_DOUBLE:
        operand->kind = ETW_OPERAND_REAL;
        operand->real = typed->as.real;
        break;
    case ETW_VALUE_GUID:
        operand->kind = ETW_OPERAND_GUID;
        operand->guid = typed->as.guid;
        break;
    case ETW_VALUE_FILETIME:
        operand->kind = ETW_OPERAND_TIME;
        operand->int64 = typed->as.time_100ns;
        break;
    case ETW_VALUE_SYSTEMTIME:
        if (time_of_systemtime(typed->bytes, &operand->int64)) {
            operand->kind = ETW_OPERAND_TIME;
        }
        break;
    case ETW_VALUE_IPV4:
    case ETW_VALUE_IPV6:
        operand->kind = ETW_OPERAND_IP;
        operand->ip_size = typed->kind == ETW_VALUE_IPV4 ? 4 : 16;
        memcpy(operand->ip, typed->bytes.data, operand->ip_size);
        break;
    case ETW_VALUE_UTF8: /* as it is: the text's own bytes, where no character needs mending */
    default:
        break;
    }
}

etw_status etw_where_test_value(etw_where *where, const etw_where_node *node,
                                const etw_value *value, bool *passes, etw_error *error)
{
    etw_typed_value typed;
    etw_operand operand;
    give_value(value, &operand, &typed);
    return etw_where_compare(where, node, &operand, passes, error);
}

/* A walk through a property's name: which part the walk is looking for at each depth. */
typedef struct search {
    etw_where *where;
    const etw_where_node *node;
    uint32_t matched; /* parts that the open structs match */
    uint32_t skipped; /* structs and arrays open within one that does not match */
    bool is_there;    /* a value of that name was met */
    bool passes;
} search;

static bool is_wanted(const search *s, const etw_value *value)
{
    const etw_where_part *part = &s->node->parts[s->matched];
    return s->skipped == 0 && has_name(value->property, part) &&
           (!part->has_element || part->element == value->element);
}

static etw_status take_part(search *s, const etw_part *part, etw_error *error)
{
    const bool is_last = s->matched + 1 == s->node->part_count;
    switch (part->kind) {
    case ETW_PART_OPEN_STRUCT:
        if (!is_wanted(s, &part->value)) {
            s->skipped++;
        } else if (is_last) { /* has Peer: a struct has no value but is there */
            s->is_there = true;
            s->passes |= s->node->operator_ == ETW_WHERE_IS_THERE;
            s->skipped++;
        } else {
            s->matched++;
        }
        break;
    case ETW_PART_CLOSE_STRUCT:
        if (s->skipped > 0) {
            s->skipped--;
        } else {
            s->matched--;
        }
        break;
    case ETW_PART_VALUE:
        if (is_last && is_wanted(s, &part->value)) {
            bool passes = false;
            s->is_there = true;
            const etw_status status =
                etw_where_test_value(s->where, s->node, &part->value, &passes, error);
            s->passes |= passes;
            return status;
        }
        break;
    case ETW_PART_OPEN_ARRAY:
    case ETW_PART_CLOSE_ARRAY:
        break;
    }
    return ETW_OK;
}

/* Any value of that name. Ends at the first that passes. */
static etw_status search_payload(search *s, const etw_event *event, etw_error *error)
{
    etw_property_iterator iterator;
    etw_part part;
    etw_status status = ETW_OK;
    if (etw_failed(etw_event_properties(event, &iterator))) {
        return ETW_OK; /* nothing explains the event */
    }
    while (!s->passes && !etw_failed(status) && etw_property_iterator_next(&iterator, &part)) {
        status = take_part(s, &part, error);
    }
    return status;
}

static bool find_top_property(const etw_plan *plan, const etw_where_part *part, uint32_t *index)
{
    for (*index = 0; *index < etw_plan_top_count(plan); (*index)++) {
        if (has_name(etw_plan_property(plan, *index), part)) {
            return true;
        }
    }
    return false;
}

static const etw_where_place *place_of(etw_where_node *node, const etw_event *event)
{
    const etw_schema *schema = etw_event_schema(event);
    const etw_plan *plan = etw_event_plan(event);
    if (schema == NULL || plan == NULL || schema->id == 0) {
        return NULL;
    }
    etw_where_place *place = &node->places[schema->id % ETW_WHERE_CACHE];
    if (place->schema_id != schema->id) {
        *place = (etw_where_place){.schema_id = schema->id};
        place->is_there = find_top_property(plan, &node->parts[0], &place->index);
        node->was_seen |= place->is_there;
        for (uint32_t i = 0; i < 2 && place->is_there; i++) {
            place->is_fixed[i] =
                etw_plan_property_offset(plan, etw_plan_property(plan, place->index),
                                         i == 0 ? 4 : 8, &place->offset[i], &place->size[i]);
        }
    }
    return place;
}

/* Reads the bytes at their place, without a walk. False where they are not at a fixed one. */
static bool take_fixed(const etw_where_node *node, const etw_where_place *place,
                       const etw_event *event, etw_value *value)
{
    const etw_event_record *record = etw_event_record_of(event);
    const uint32_t pointer_size =
        etw_record_pointer_size(record, etw_event_trace(event)->pointer_size);
    const uint32_t which = pointer_size == 8 ? 1 : 0;
    if (!place->is_fixed[which] || node->parts[0].has_element ||
        place->offset[which] + place->size[which] > record->UserDataLength) {
        return false;
    }
    const etw_bytes bytes = {(const uint8_t *)record->UserData + place->offset[which],
                             place->size[which]};
    *value = (etw_value){.property = etw_plan_property(etw_event_plan(event), place->index),
                         .bytes = bytes,
                         .whole = bytes,
                         .pointer_size = pointer_size};
    return true;
}

static etw_status test_property(etw_where *where, etw_where_node *node, const etw_event *event,
                                bool *passes, etw_error *error)
{
    search s = {.where = where, .node = node};
    etw_value value;
    etw_status status;
    const etw_where_place *place = node->places != NULL ? place_of(node, event) : NULL;
    node->was_asked |= etw_event_plan(event) != NULL;
    if (place != NULL && !place->is_there) {
        return ETW_OK;
    }
    if (place != NULL && take_fixed(node, place, event, &value)) {
        s.is_there = true;
        status = etw_where_test_value(where, node, &value, &s.passes, error);
    } else {
        status = search_payload(&s, event, error);
        node->was_seen |= s.is_there;
    }
    *passes = node->operator_ == ETW_WHERE_UNEQUAL ? s.is_there && !s.passes : s.passes;
    return status;
}

/* The tree. */

static etw_status test(etw_where *where, etw_where_node *node, const etw_event *event, bool *passes,
                       etw_error *error)
{
    *passes = false;
    return node->field == ETW_WHERE_PROPERTY ? test_property(where, node, event, passes, error)
           : node->field == ETW_WHERE_ANYTHING
               ? etw_where_test_any(where, node, event, passes, error)
               : etw_where_test_field(where, node, event, passes, error);
}

static etw_status evaluate(etw_where *where, uint32_t index, const etw_event *event, bool *passes,
                           etw_error *error)
{
    etw_where_node *node = &where->nodes[index];
    if (node->kind == ETW_WHERE_TEST) {
        return test(where, node, event, passes, error);
    }
    const etw_status status = evaluate(where, node->left, event, passes, error);
    if (etw_failed(status)) {
        return status;
    }
    if (node->kind == ETW_WHERE_NOT) {
        *passes = !*passes;
        return ETW_OK;
    }
    return *passes == (node->kind == ETW_WHERE_AND)
               ? evaluate(where, node->right, event, passes, error)
               : ETW_OK;
}

etw_status etw_where_event(etw_where *where, const etw_event *event, bool *passes, etw_error *error)
{
    return evaluate(where, where->root, event, passes, error);
}

/* What is known of an event before it is decoded: its record, or its provider alone. */
typedef struct known {
    const etw_event_record *record; /* NULL: only the provider is known */
    bool is_kind;                   /* of the record only what its kind says */
    int64_t time_100ns;
    const etw_guid *provider;
    const char *provider_name; /* NULL: not known */
} known;

/* False where the field is not known. *is_there: whether the event has it. */
static bool known_operand(const known *of, etw_where_field field, etw_operand *operand,
                          bool *is_there)
{
    *is_there = true;
    if (of->is_kind && !etw_where_is_kind_field(field)) {
        return false;
    }
    if (of->record != NULL) {
        *is_there = etw_where_header_operand(field, of->record, of->time_100ns, operand);
        return etw_where_is_header_field(field);
    }
    if (field == ETW_WHERE_PROVIDER_ID) {
        *operand = (etw_operand){.kind = ETW_OPERAND_GUID, .guid = *of->provider};
        return true;
    }
    if (field == ETW_WHERE_PROVIDER_NAME && of->provider_name != NULL) {
        *operand = (etw_operand){.kind = ETW_OPERAND_TEXT,
                                 .text = of->provider_name,
                                 .text_size = strlen(of->provider_name)};
        return true;
    }
    return false;
}

static etw_verdict known_test(etw_where *where, const etw_where_node *node, const known *of)
{
    etw_operand operand;
    bool is_there;
    bool passes = false;
    if (!known_operand(of, node->field, &operand, &is_there)) {
        return ETW_VERDICT_OPEN;
    }
    if (!is_there) {
        return ETW_VERDICT_NO;
    }
    if (etw_failed(etw_where_compare(where, node, &operand, &passes, NULL))) {
        return ETW_VERDICT_OPEN; /* the whole test meets and reports it */
    }
    passes = node->operator_ == ETW_WHERE_UNEQUAL ? !passes : passes;
    return passes ? ETW_VERDICT_YES : ETW_VERDICT_NO;
}

static etw_verdict known_verdict(etw_where *where, uint32_t index, const known *of)
{
    const etw_where_node *node = &where->nodes[index];
    if (node->kind == ETW_WHERE_TEST) {
        return known_test(where, node, of);
    }
    const etw_verdict left = known_verdict(where, node->left, of);
    if (node->kind == ETW_WHERE_NOT) {
        return left == ETW_VERDICT_OPEN ? left
               : left == ETW_VERDICT_NO ? ETW_VERDICT_YES
                                        : ETW_VERDICT_NO;
    }
    const etw_verdict decides = node->kind == ETW_WHERE_AND ? ETW_VERDICT_NO : ETW_VERDICT_YES;
    if (left == decides) {
        return left;
    }
    const etw_verdict right = known_verdict(where, node->right, of);
    return right == decides ? right : left == ETW_VERDICT_OPEN ? left : right;
}

etw_verdict etw_where_header(etw_where *where, const etw_event_record *record, int64_t time_100ns)
{
    const known of = {.record = record, .time_100ns = time_100ns};
    return known_verdict(where, where->root, &of);
}

etw_verdict etw_where_event_kind(etw_where *where, const etw_event_header *header)
{
    const etw_event_record record = {.EventHeader = *header};
    const known of = {.record = &record, .is_kind = true};
    return known_verdict(where, where->root, &of);
}

etw_verdict etw_where_provider(etw_where *where, const etw_guid *provider, const char *name)
{
    const known of = {.provider = provider, .provider_name = name};
    return known_verdict(where, where->root, &of);
}

/* Times, names, bounds. */

bool etw_where_wants_first_time(const etw_where *where)
{
    return where->wants_first;
}

bool etw_where_wants_last_time(const etw_where *where)
{
    return where->wants_last;
}

void etw_where_set_times(etw_where *where, int64_t first_100ns, int64_t last_100ns)
{
    where->first_100ns = first_100ns;
    where->last_100ns = last_100ns;
    where->has_first = where->has_last = true;
}

bool etw_where_asks_time(const etw_where *where)
{
    for (uint32_t i = 0; i < where->node_count; i++) {
        if (where->nodes[i].field == ETW_WHERE_TIME_STAMP) {
            return true;
        }
    }
    return false;
}

bool etw_where_asks_kind(const etw_where *where)
{
    for (uint32_t i = 0; i < where->node_count; i++) {
        const etw_where_node *node = &where->nodes[i];
        if (node->kind == ETW_WHERE_TEST && etw_where_is_kind_field(node->field)) {
            return true;
        }
    }
    return false;
}

bool etw_where_wants_processes(const etw_where *where)
{
    for (uint32_t i = 0; i < where->node_count; i++) {
        const etw_where_field field = where->nodes[i].field;
        if (field == ETW_WHERE_PROCESS_NAME || field == ETW_WHERE_PARENT_NAME) {
            return true;
        }
    }
    return false;
}

static const etw_where_node *unseen_node(const etw_where *where, uint32_t index)
{
    for (uint32_t i = 0; i < where->node_count; i++) {
        const etw_where_node *node = &where->nodes[i];
        if (node->kind == ETW_WHERE_TEST && node->field == ETW_WHERE_PROPERTY && node->was_asked &&
            !node->was_seen && index-- == 0) {
            return node;
        }
    }
    return NULL;
}

const char *etw_where_unseen_name(const etw_where *where, uint32_t index)
{
    const etw_where_node *node = unseen_node(where, index);
    return node == NULL ? NULL : node->name;
}

bool etw_where_plan_has_unseen(const etw_where *where, uint32_t index, const etw_plan *plan)
{
    const etw_where_node *node = unseen_node(where, index);
    uint32_t matched = 0;
    const etw_property *property;
    for (uint32_t i = 0; node != NULL && matched < node->part_count &&
                         (property = etw_plan_property(plan, i)) != NULL;
         i++) { /* members stand behind their structs */
        matched += has_name(property, &node->parts[matched]) ? 1 : 0;
    }
    return node != NULL && matched == node->part_count;
}

/* Absolute times that bound what passes; the relative ones are known later. */
static void bound_time(const etw_where *where, const etw_where_node *node, etw_where_bounds *bounds)
{
    int64_t time = node->literal_count == 1 ? node->literals[0].time_100ns : 0;
    const etw_where_time kind =
        node->literal_count == 1 ? node->literals[0].time_kind : ETW_WHERE_NO_TIME;
    if (kind == ETW_WHERE_NO_TIME || (kind == ETW_WHERE_AFTER_FIRST && !where->has_first) ||
        (kind == ETW_WHERE_BEFORE_LAST && !where->has_last)) {
        return;
    }
    if ((kind == ETW_WHERE_AFTER_FIRST &&
         __builtin_add_overflow(where->first_100ns, time, &time)) ||
        (kind == ETW_WHERE_BEFORE_LAST && __builtin_sub_overflow(where->last_100ns, time, &time))) {
        return;
    }
    const bool is_lower =
        node->operator_ == ETW_WHERE_GREATER || node->operator_ == ETW_WHERE_GREATER_EQUAL;
    const bool is_upper =
        node->operator_ == ETW_WHERE_LESS || node->operator_ == ETW_WHERE_LESS_EQUAL;
    if ((is_lower || node->operator_ == ETW_WHERE_EQUAL) && time > bounds->since_100ns) {
        bounds->since_100ns = time;
    }
    if ((is_upper || node->operator_ == ETW_WHERE_EQUAL) && time < INT64_MAX &&
        time + 1 < bounds->until_100ns) {
        bounds->until_100ns = time + 1;
    }
}

/* What every event keeps that passes: tests that are joined by and at the top. */
static void find_times(const etw_where *where, uint32_t index, etw_where_bounds *bounds)
{
    const etw_where_node *node = &where->nodes[index];
    if (node->kind == ETW_WHERE_AND) {
        find_times(where, node->left, bounds);
        find_times(where, node->right, bounds);
    } else if (node->kind == ETW_WHERE_TEST && node->field == ETW_WHERE_TIME_STAMP &&
               !node->has_mask) {
        bound_time(where, node, bounds);
    }
}

void etw_where_get_bounds(const etw_where *where, etw_where_bounds *bounds)
{
    *bounds = (etw_where_bounds){.since_100ns = INT64_MIN, .until_100ns = INT64_MAX};
    find_times(where, where->root, bounds);
}
