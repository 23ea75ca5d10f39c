#include "replay/query/methods.h"
#include "format/base/grown.h"
#include "replay/query/state_lives.h"

#include <stdlib.h>

void etw_method_list_free(etw_method_list *list)
{
    free(list->methods);
    *list = (etw_method_list){0};
}

bool etw_method_list_add(etw_method_list *list, const etw_method *method)
{
    if (list->count == ETW_METHODS_MAX) {
        list->dropped++;
        return true;
    }
    etw_method *wider = etw_grown(list->methods, &list->capacity, list->count, 256, sizeof *wider);
    if (wider == NULL) {
        return false;
    }
    list->methods = wider;
    list->methods[list->count++] = *method;
    return true;
}

static int order(const void *left, const void *right)
{
    const etw_method *a = left, *b = right;
    if (a->process != b->process) {
        return a->process < b->process ? -1 : 1;
    }
    if (a->start != b->start) {
        return a->start < b->start ? -1 : 1;
    }
    if (a->size != b->size && (a->size == ETW_METHOD_POINT || b->size == ETW_METHOD_POINT)) {
        return a->size == ETW_METHOD_POINT ? -1 : 1; /* what tells the size is found first */
    }
    if (a->from_100ns != b->from_100ns) {
        return a->from_100ns < b->from_100ns ? -1 : 1;
    }
    return a->event == b->event ? 0 : a->event < b->event ? -1 : 1;
}

static bool is_same_code(const etw_method *a, const etw_method *b)
{
    return a->process == b->process && a->start == b->start &&
           (a->size == ETW_METHOD_POINT) == (b->size == ETW_METHOD_POINT);
}

/* Whether the event tells of the life before it. */
static bool continues(const etw_method *life, const etw_method *event)
{
    return is_same_code(life, event) && life->to_100ns == INT64_MAX &&
           event->event != ETW_METHOD_LOAD;
}

/* Code that is told of without its load was there before. */
static etw_method begin_life(const etw_method *before, const etw_method *event)
{
    etw_method life = *event;
    const bool is_first = before == NULL || !is_same_code(before, event);
    life.to_100ns = event->event == ETW_METHOD_UNLOAD ? event->from_100ns : INT64_MAX;
    if (event->event != ETW_METHOD_LOAD) {
        life.from_100ns =
            is_first || before->to_100ns == INT64_MAX ? INT64_MIN : before->to_100ns + 1;
    }
    return life;
}

void etw_method_list_settle(etw_method_list *list)
{
    uint32_t lives = 0;
    if (list->count > 0) {
        qsort(list->methods, list->count, sizeof *list->methods, order);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const etw_method event = list->methods[i];
        etw_method *before = lives == 0 ? NULL : &list->methods[lives - 1];
        if (before != NULL && continues(before, &event)) {
            before->to_100ns = event.event == ETW_METHOD_UNLOAD ? event.from_100ns : INT64_MAX;
            continue;
        }
        const etw_method life = begin_life(before, &event);
        list->methods[lives++] = life;
    }
    list->count = lives;
}

/* Code of methods does not overlap: so many lives of one address are looked at. */
#define MAX_STEPS_BACK 64u

const etw_method *etw_method_list_find(const etw_method_list *list, uint64_t process,
                                       uint64_t address, int64_t time_100ns, etw_time_span *same)
{
    uint32_t low = 0, high = list->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const etw_method *m = &list->methods[middle];
        if (m->process < process || (m->process == process && m->start <= address)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const etw_method *untimely = NULL;
    for (uint32_t steps = 0; low > 0 && steps < MAX_STEPS_BACK; low--, steps++) {
        const etw_method *m = &list->methods[low - 1];
        const bool holds = m->process == process && address - m->start < m->size;
        if (m->process != process || (!holds && m->size > ETW_METHOD_POINT)) {
            break;
        }
        if (!holds) {
            continue;
        }
        if (etw_time_is_within(time_100ns, m->from_100ns, m->to_100ns, same)) {
            return m;
        }
        untimely = untimely == NULL ? m : untimely;
    }
    return untimely;
}
