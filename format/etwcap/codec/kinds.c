#include "format/etwcap/codec/kinds.h"

#include <stdlib.h>

enum { LEAST_SLOTS = 1 << 10, MOST_SLOTS = 1 << 17 };

_Static_assert(MOST_SLOTS >= 2 * ETW_BATCH_MAX_EVENTS, "at most half of the slots are taken");

bool etw_kinds_init(etw_kinds *kinds)
{
    kinds->kinds = malloc(ETW_BATCH_MAX_EVENTS * sizeof *kinds->kinds);
    if (kinds->kinds == NULL || !etw_probe_begin(&kinds->probe, MOST_SLOTS, LEAST_SLOTS)) {
        return false;
    }
    etw_kinds_clear(kinds);
    return true;
}

void etw_kinds_free(etw_kinds *kinds)
{
    free(kinds->kinds);
    etw_probe_free(&kinds->probe);
}

void etw_kinds_clear(etw_kinds *kinds)
{
    (void)etw_probe_begin(&kinds->probe, MOST_SLOTS, LEAST_SLOTS);
    kinds->count = 0;
    kinds->found = 0;
    kinds->raw_bytes = 0;
}

/* Size, the first two bytes, is no part of it. */
static uint64_t flags_of(const uint8_t *header)
{
    return etw_load_u64(header) >> 16;
}

static uint64_t ids_of(const etw_staged *event)
{
    return (uint64_t)event->schema_id << 32 | (uint64_t)event->trace_index << 16 |
           event->record.BufferContext.LoggerId;
}

/* Provider and descriptor are bytes 24 to 55 of the header. */
static etw_kind_key key_of(const etw_staged *event)
{
    const uint8_t *header = (const uint8_t *)&event->record.EventHeader;
    return (etw_kind_key){.words = {flags_of(header), etw_load_u64(header + 24),
                                    etw_load_u64(header + 32), etw_load_u64(header + 40),
                                    etw_load_u64(header + 48), ids_of(event)},
                          .item_count = event->record.ExtendedDataCount};
}

/* Compares with the event where it stands: a key that was just put together would have to reach
 * memory first. */
static bool has_key(const etw_kind *kind, const etw_staged *event)
{
    const uint8_t *header = (const uint8_t *)&event->record.EventHeader;
    const uint64_t *words = kind->key.words;
    return ((flags_of(header) ^ words[0]) | (etw_load_u64(header + 24) ^ words[1]) |
            (etw_load_u64(header + 32) ^ words[2]) | (etw_load_u64(header + 40) ^ words[3]) |
            (etw_load_u64(header + 48) ^ words[4]) | (ids_of(event) ^ words[5]) |
            (event->record.ExtendedDataCount ^ kind->key.item_count)) == 0;
}

/* Reserved1, ExtType, and Linkage with its reserved bits. */
static uint64_t item_type(const etw_extended_data_item *item)
{
    return etw_load_u64(item) & UINT64_C(0xFFFFFFFFFFFF);
}

static bool is_of_kind(const etw_kind *kind, const etw_staged *event)
{
    if (!has_key(kind, event)) {
        return false;
    }
    for (uint32_t i = 0; i < kind->key.item_count; i++) {
        if (item_type(&kind->first->record.ExtendedData[i]) !=
            item_type(&event->record.ExtendedData[i])) {
            return false;
        }
    }
    return true;
}

static uint32_t hash_of(const etw_kinds *kinds, const etw_kind_key *key, const etw_staged *event)
{
    const etw_seed seed = kinds->probe.seed;
    uint64_t hash = key->item_count;
    for (int i = 0; i < 6; i += 2) {
        hash = etw_hash_pair(seed, key->words[i] ^ hash, key->words[i + 1]);
    }
    for (uint32_t i = 0; i < key->item_count; i++) {
        hash = etw_hash_pair(seed, item_type(&event->record.ExtendedData[i]), hash);
    }
    return (uint32_t)hash;
}

uint16_t etw_size_excess(const etw_event_record *record)
{
    uint32_t explained = record->UserDataLength;
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        explained += 8 + ((record->ExtendedData[i].DataSize + 7u) & ~7u);
    }
    return (uint16_t)(record->EventHeader.Size - explained);
}

/* The event's kind, added where it is new. */
static uint32_t look_up(etw_kinds *kinds, const etw_staged *event)
{
    const etw_kind_key key = key_of(event);
    const uint32_t hash = hash_of(kinds, &key, event);
    etw_probe *probe = &kinds->probe;
    uint32_t at = etw_probe_home(probe, hash);
    for (; probe->slots[at].id_plus_1 != 0; at = etw_probe_next(probe, at)) {
        const uint32_t known = probe->slots[at].id_plus_1 - 1;
        if (probe->slots[at].hash == hash && is_of_kind(&kinds->kinds[known], event)) {
            return known;
        }
    }
    const int64_t ticks = event->record.EventHeader.TimeStamp;
    const uint32_t added = kinds->count++;
    etw_probe_put(probe, at, hash, added);
    kinds->kinds[added] = (etw_kind){.key = key,
                                     .first = event,
                                     .first_ticks = ticks,
                                     .last_ticks = ticks,
                                     .next = added,
                                     .size_excess = etw_size_excess(&event->record)};
    if (2 * kinds->count > probe->mask + 1) {
        (void)etw_probe_widen(probe); /* there is memory for all: see init */
    }
    return added;
}

uint32_t etw_kinds_find(etw_kinds *kinds, const etw_staged *event)
{
    uint32_t found = kinds->count == 0 ? 0 : kinds->kinds[kinds->found].next;
    if (kinds->count == 0 || !is_of_kind(&kinds->kinds[found], event)) {
        found = look_up(kinds, event);
        kinds->kinds[kinds->found].next = found;
    }
    kinds->found = found;
    etw_kind *kind = &kinds->kinds[found];
    const int64_t ticks = event->record.EventHeader.TimeStamp;
    kind->first_ticks = ticks < kind->first_ticks ? ticks : kind->first_ticks;
    kind->last_ticks = ticks > kind->last_ticks ? ticks : kind->last_ticks;
    kind->count++;
    kinds->raw_bytes += etw_record_bytes(&event->record);
    return found;
}
