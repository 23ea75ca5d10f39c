#include "replay/query/stack_entries.h"

#include <stdlib.h>

#define CHUNK 4096u

/* Events come in nearly the order of their stacks: a look around spares the table, of which each
 * slot is far from the one before. */
#define NEAR_BEHIND 4u
#define NEAR_AHEAD  8u

void etw_stack_entries_free(etw_stack_entries *entries)
{
    for (uint32_t i = 0; i < entries->chunk_capacity; i++) {
        free(entries->chunks[i]);
    }
    free(entries->chunks);
    etw_probe_free(&entries->probe);
    *entries = (etw_stack_entries){0};
}

static etw_stack_entry *entry_at(const etw_stack_entries *entries, uint32_t number)
{
    return &entries->chunks[number / CHUNK][number % CHUNK];
}

static bool is_of(const etw_stack_entry *entry, const etw_stack_event *event)
{
    return entry->event.ticks == event->ticks && memcmp(&entry->event, event, sizeof *event) == 0;
}

static uint32_t hash_of(const etw_stack_entries *entries, const etw_stack_event *event)
{
    const uint64_t who =
        (uint64_t)event->thread_id << 32 | (uint32_t)event->processor << 16 | event->domain;
    return (uint32_t)etw_hash_pair(entries->probe.seed, (uint64_t)event->ticks, who);
}

/* Number of the entry; count: there is none. */
static uint32_t search_near(const etw_stack_entries *entries, const etw_stack_event *event)
{
    const uint32_t count = entries->count, next = entries->next;
    const uint32_t end = count - next < NEAR_AHEAD ? count : next + NEAR_AHEAD;
    for (uint32_t i = next < NEAR_BEHIND ? 0 : next - NEAR_BEHIND; i < end; i++) {
        if (is_of(entry_at(entries, i), event)) {
            return i;
        }
    }
    return count;
}

static uint32_t search_table(const etw_stack_entries *entries, const etw_stack_event *event)
{
    const etw_probe *probe = &entries->probe;
    const uint32_t hash = hash_of(entries, event);
    uint32_t at = etw_probe_home(probe, hash);
    for (; probe->slots[at].id_plus_1 != 0; at = etw_probe_next(probe, at)) {
        const etw_probe_slot slot = probe->slots[at];
        if (slot.hash == hash && is_of(entry_at(entries, slot.id_plus_1 - 1), event)) {
            return slot.id_plus_1 - 1;
        }
    }
    return entries->count;
}

etw_stack_entry *etw_stack_entries_find(etw_stack_entries *entries, const etw_stack_event *event)
{
    if (entries->count == 0 || event->ticks < entries->first_ticks ||
        event->ticks > entries->last_ticks) {
        return NULL;
    }
    uint32_t found = search_near(entries, event);
    if (found == entries->count) {
        found = search_table(entries, event);
    }
    if (found == entries->count) {
        return NULL;
    }
    entries->next = found + 1;
    return entry_at(entries, found);
}

/* Room for one more. */
static bool reserve(etw_stack_entries *entries)
{
    const uint32_t chunk = entries->count / CHUNK;
    if (chunk == entries->chunk_capacity) {
        const uint32_t capacity = chunk == 0 ? 8 : 2 * chunk;
        etw_stack_entry **wider = realloc(entries->chunks, capacity * sizeof *wider);
        if (wider == NULL) {
            return false;
        }
        memset(wider + chunk, 0, (capacity - chunk) * sizeof *wider);
        entries->chunks = wider;
        entries->chunk_capacity = capacity;
    }
    if (entries->chunks[chunk] == NULL) {
        entries->chunks[chunk] = malloc(CHUNK * sizeof **entries->chunks);
    }
    return entries->chunks[chunk] != NULL && etw_probe_reserve(&entries->probe);
}

etw_stack_entry *etw_stack_entries_add(etw_stack_entries *entries, const etw_stack_event *event)
{
    if (!reserve(entries)) {
        return NULL;
    }
    const int64_t ticks = event->ticks;
    const bool is_first = entries->count == 0;
    entries->first_ticks = is_first || ticks < entries->first_ticks ? ticks : entries->first_ticks;
    entries->last_ticks = is_first || ticks > entries->last_ticks ? ticks : entries->last_ticks;
    const uint32_t hash = hash_of(entries, event);
    uint32_t at = etw_probe_home(&entries->probe, hash);
    while (entries->probe.slots[at].id_plus_1 != 0) {
        at = etw_probe_next(&entries->probe, at);
    }
    etw_stack_entry *entry = entry_at(entries, entries->count);
    *entry = (etw_stack_entry){.event = *event};
    etw_probe_put(&entries->probe, at, hash, entries->count++);
    return entry;
}
