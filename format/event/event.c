#include "format/event/event.h"

#include <stdlib.h>

struct etw_event {
    bool live;
    bool raw_time;
    etw_event_record record;
    int64_t time_100ns;
    uint32_t pointer_size;
    uint16_t trace_number;
    const char *file;
    const etw_trace *trace;
    const etw_schema *schema;
    const etw_plan *plan;
    const char *provider_name;
    const etw_event_process *process;
    const etw_event_stack *stack;
};

/* Two events take turns, so that one kept past its callback is seen to be expired while the next
 * one is in use. */
struct etw_event_maker {
    etw_event events[2];
    uint32_t current;
    bool raw_time;
    etw_plan_cache *plans;
};

etw_event_maker *etw_event_maker_new(bool raw_time)
{
    etw_event_maker *maker = calloc(1, sizeof *maker);
    if (maker == NULL) {
        return NULL;
    }
    maker->raw_time = raw_time;
    maker->plans = etw_plan_cache_new();
    if (maker->plans == NULL) {
        free(maker);
        return NULL;
    }
    return maker;
}

void etw_event_maker_free(etw_event_maker *maker)
{
    if (maker != NULL) {
        etw_plan_cache_free(maker->plans);
        free(maker);
    }
}

/* False where memory is out. */
static bool find_plan(etw_event_maker *maker, etw_event *event)
{
    const char *problem;
    if (event->schema == NULL) {
        const bool string_only = (event->record.EventHeader.Flags & ETW_FLAG_STRING_ONLY) != 0;
        event->plan = string_only ? etw_plan_string_only() : NULL;
        return true;
    }
    return etw_plan_cache_find(maker->plans, event->schema, &event->plan, &problem) == ETW_OK;
}

const etw_event *etw_event_make(etw_event_maker *maker, const etw_event_record *record,
                                const etw_trace *trace, const etw_schema *schema,
                                const char *provider_name)
{
    etw_event_expire(maker);
    maker->current ^= 1u;
    etw_event *event = &maker->events[maker->current];
    event->record = *record;
    event->time_100ns = etw_clock_to_filetime(&trace->clock, record->EventHeader.TimeStamp);
    if (!maker->raw_time) {
        event->record.EventHeader.TimeStamp = event->time_100ns;
    }
    event->pointer_size = etw_record_pointer_size(record, trace->pointer_size);
    event->trace = trace;
    event->trace_number = 0;
    event->file = NULL;
    event->process = NULL;
    event->stack = NULL;
    event->schema = schema;
    if (!find_plan(maker, event)) {
        return NULL;
    }
    event->live = true;
    /* the event's own schema names its provider; the GUID may have other names, and later ones */
    const etw_name *name = event->plan == NULL ? NULL : etw_plan_provider_name(event->plan);
    event->provider_name = name == NULL || name->utf8_size == 0 ? provider_name : name->utf8;
    return event;
}

void etw_event_set_trace_number(etw_event_maker *maker, uint16_t trace_number)
{
    maker->events[maker->current].trace_number = trace_number;
}

void etw_event_set_process(etw_event_maker *maker, const etw_event_process *process)
{
    maker->events[maker->current].process = process;
}

const etw_event_process *etw_event_process_of(const etw_event *event)
{
    return event->live ? event->process : NULL;
}

void etw_event_set_stack(etw_event_maker *maker, const etw_event_stack *stack)
{
    maker->events[maker->current].stack = stack;
}

const etw_event_stack *etw_event_stack_of(const etw_event *event)
{
    return event->live ? event->stack : NULL;
}

void etw_event_set_file(etw_event_maker *maker, const char *file)
{
    maker->events[maker->current].file = file;
}

const char *etw_event_file(const etw_event *event)
{
    return event->live ? event->file : NULL;
}

void etw_event_expire(etw_event_maker *maker)
{
    maker->events[maker->current].live = false;
}

const etw_event_record *etw_event_record_of(const etw_event *event)
{
    return event->live ? &event->record : NULL;
}

int64_t etw_event_time_100ns(const etw_event *event)
{
    return event->live ? event->time_100ns : INT64_MIN;
}

const etw_trace *etw_event_trace(const etw_event *event)
{
    return event->live ? event->trace : NULL;
}

uint16_t etw_event_trace_number(const etw_event *event)
{
    return event->live ? event->trace_number : 0;
}

const etw_schema *etw_event_schema(const etw_event *event)
{
    return event->live ? event->schema : NULL;
}

const etw_plan *etw_event_plan(const etw_event *event)
{
    return event->live ? event->plan : NULL;
}

const char *etw_event_provider_name(const etw_event *event)
{
    return event->live ? event->provider_name : NULL;
}

etw_status etw_event_walk(const etw_event *event, const etw_visitor *visitor, void *context,
                          etw_walk_end *end)
{
    if (!event->live) {
        return ETW_ERROR_EXPIRED;
    }
    if (event->plan == NULL) {
        return ETW_ERROR_NOT_FOUND;
    }
    return etw_plan_walk(event->plan, &event->record, event->pointer_size, visitor, context, end);
}

etw_status etw_event_properties(const etw_event *event, etw_property_iterator *iterator)
{
    if (!event->live) {
        return ETW_ERROR_EXPIRED;
    }
    if (event->plan == NULL) {
        return ETW_ERROR_NOT_FOUND;
    }
    etw_property_iterator_start(iterator, event->plan, &event->record, event->pointer_size);
    return ETW_OK;
}

/* Follows a path through the walk. Names may contain dots ("Items.Count"), so each property's whole
 * name is compared with what is left of the path. */
typedef struct search {
    const char *path;
    size_t size;
    size_t matched[ETW_MAX_STRUCT_DEPTH + 1]; /* of the path, at each depth; NO_MATCH */
    uint32_t depth;
    uint32_t arrays_open;
    bool found;
    etw_text *text;         /* where all texts go, or NULL: */
    etw_typed_value *typed; /* where the first value goes */
} search;

#define NO_MATCH SIZE_MAX

/* How far the path is matched behind name (and "[element]" where the path has one); NO_MATCH where
 * it names something else. */
static size_t match(const search *s, const etw_property *property, uint32_t element)
{
    const size_t start = s->matched[s->depth];
    const etw_name *name = etw_property_name(property);
    if (start == NO_MATCH || s->size - start < name->utf8_size ||
        memcmp(s->path + start, name->utf8, name->utf8_size) != 0) {
        return NO_MATCH;
    }
    size_t at = start + name->utf8_size;
    if (at == s->size || s->path[at] != '[') {
        return at;
    }
    uint32_t wanted = 0;
    for (at++; at < s->size && s->path[at] >= '0' && s->path[at] <= '9' && wanted < 100000; at++) {
        wanted = wanted * 10 + (uint32_t)(s->path[at] - '0');
    }
    const bool closed = at < s->size && s->path[at] == ']';
    return closed && wanted == element ? at + 1 : NO_MATCH;
}

static etw_status search_value(void *context, const etw_value *value)
{
    search *s = context;
    if (match(s, value->property, value->element) != s->size) {
        return ETW_OK;
    }
    if (s->typed != NULL) {
        s->found = true;
        etw_value_get(value, s->typed);
        return ETW_END;
    }
    if (s->found) {
        etw_text_append(s->text, ", ", 2);
    }
    s->found = true;
    (void)etw_value_append_text(value, 0, ETW_ESCAPE_NONE, s->text);
    return s->arrays_open != 0 ? ETW_OK : ETW_END;
}

static etw_status search_open_struct(void *context, const etw_property *property, uint32_t element)
{
    search *s = context;
    const size_t at = match(s, property, element);
    const bool goes_on = at != NO_MATCH && at < s->size && s->path[at] == '.';
    s->matched[++s->depth] = goes_on ? at + 1 : NO_MATCH;
    return ETW_OK;
}

static etw_status search_close_struct(void *context, const etw_property *property)
{
    (void)property;
    search *s = context;
    s->depth--;
    return ETW_OK;
}

/* A name without an index takes all elements of its array, but not those of a later namesake. */
static etw_status search_open_array(void *context, const etw_property *property, uint32_t count)
{
    (void)property;
    (void)count;
    search *s = context;
    s->arrays_open++;
    return ETW_OK;
}

static etw_status search_close_array(void *context, const etw_property *property)
{
    (void)property;
    search *s = context;
    s->arrays_open--;
    return s->found && s->arrays_open == 0 ? ETW_END : ETW_OK;
}

static etw_status find_property(const etw_event *event, search *s)
{
    static const etw_visitor visitor = {search_value, search_open_struct, search_close_struct,
                                        search_open_array, search_close_array};
    const etw_status status = etw_event_walk(event, &visitor, s, NULL);
    if (status != ETW_OK && status != ETW_END) {
        return status;
    }
    return s->found ? ETW_OK : ETW_ERROR_NOT_FOUND;
}

etw_status etw_event_property_text(const etw_event *event, const char *name, etw_text *text)
{
    search s = {.path = name, .size = strlen(name), .text = text};
    return find_property(event, &s);
}

etw_status etw_event_property_value(const etw_event *event, const char *name,
                                    etw_typed_value *typed)
{
    search s = {.path = name, .size = strlen(name), .typed = typed};
    memset(typed, 0, sizeof *typed);
    return find_property(event, &s);
}
