#include "replay/query/stack_keys.h"

#include <stdlib.h>

typedef struct etw_stack_reference {
    const etw_stack_frames **slot;
    struct etw_stack_reference *next;
    uint32_t generation;
} reference;

typedef struct definition {
    const etw_stack_frames *frames;
    struct definition *next;
    uint32_t number; /* of all definitions of the trace */
} definition;

typedef struct cached {
    uint64_t key;
    reference *references[ETW_STACK_PARTS];
    definition *next[ETW_STACK_PARTS]; /* told ahead; from the first that may still count on */
    definition *last[ETW_STACK_PARTS];
} cached;

void *etw_stack_allocate(etw_stack_failures *failures, etw_arena *arena, size_t size)
{
    void *memory = etw_arena_alloc(arena, size);
    if (memory == NULL && etw_arena_full(arena, size + sizeof(max_align_t))) {
        failures->dropped++;
    } else if (memory == NULL) {
        failures->is_out_of_memory = true;
    }
    return memory;
}

void etw_stack_set(etw_stack_failures *failures, etw_table *table, const void *key, size_t size,
                   void *value)
{
    if (!etw_table_set(table, key, size, value)) {
        failures->is_out_of_memory = true;
    }
}

void etw_stack_keys_free(etw_stack_keys *keys)
{
    etw_table_free(&keys->keys);
    etw_arena_free(&keys->arena);
}

static cached *find(const etw_stack_keys *keys, uint64_t key)
{
    return etw_table_get(&keys->keys, &key, sizeof key);
}

static cached *find_or_add(etw_stack_keys *keys, uint64_t key)
{
    cached *c = find(keys, key);
    if (c == NULL) {
        c = etw_stack_allocate(keys->failures, &keys->arena, sizeof *c);
        if (c != NULL) {
            c->key = key;
            etw_stack_set(keys->failures, &keys->keys, &c->key, sizeof c->key, c);
        }
    }
    return c;
}

/* What the key stands for from here on, as far as that was told ahead. */
static const etw_stack_frames *known_frames(const etw_stack_keys *keys, cached *c,
                                            etw_stack_part part)
{
    while (c->next[part] != NULL && c->next[part]->number < keys->defined) {
        c->next[part] = c->next[part]->next;
    }
    return c->next[part] == NULL ? NULL : c->next[part]->frames;
}

void etw_stack_keys_refer(etw_stack_keys *keys, uint64_t key, etw_stack_part part,
                          const etw_stack_frames **slot, uint32_t generation)
{
    cached *c = find_or_add(keys, key);
    if (c == NULL) {
        return;
    }
    const etw_stack_frames *known = known_frames(keys, c, part);
    if (known != NULL) {
        *slot = known;
        return;
    }
    reference *r = keys->spare;
    if (r != NULL) {
        keys->spare = r->next;
    } else {
        r = etw_stack_allocate(keys->failures, &keys->arena, sizeof *r);
    }
    if (r != NULL) {
        *r = (reference){slot, c->references[part], generation};
        c->references[part] = r;
    }
}

bool etw_stack_keys_waits(const etw_stack_keys *keys, uint64_t key)
{
    const cached *c = find(keys, key);
    return c != NULL &&
           (c->references[ETW_STACK_KERNEL] != NULL || c->references[ETW_STACK_USER] != NULL);
}

static void give(etw_stack_keys *keys, cached *c, etw_stack_part part,
                 const etw_stack_frames *frames)
{
    while (c->references[part] != NULL) {
        reference *r = c->references[part];
        c->references[part] = r->next;
        *r->slot = frames;
        r->next = keys->spare;
        keys->spare = r;
    }
}

void etw_stack_keys_define(etw_stack_keys *keys, uint64_t key, const etw_stack_frames *frames)
{
    cached *c = frames == NULL ? NULL : find(keys, key);
    if (c != NULL) {
        give(keys, c, etw_stack_part_of(frames), frames);
    }
    keys->defined++;
}

void etw_stack_keys_tell_ahead(etw_stack_keys *keys, uint64_t key, const etw_stack_frames *frames)
{
    const uint32_t number = keys->known++;
    cached *c = frames == NULL || number < keys->defined ? NULL : find_or_add(keys, key);
    definition *d = c == NULL ? NULL : etw_arena_alloc(&keys->arena, sizeof *d);
    if (d == NULL) {
        return;
    }
    const etw_stack_part part = etw_stack_part_of(frames);
    *d = (definition){.frames = frames, .number = number};
    if (c->last[part] == NULL) {
        c->next[part] = d;
    } else {
        c->last[part]->next = d;
    }
    c->last[part] = d;
}

void etw_stack_keys_settle(etw_stack_keys *keys)
{
    for (uint32_t i = 0; i < keys->keys.probe.used; i++) {
        cached *c = keys->keys.entries[i].value;
        for (etw_stack_part part = 0; part < ETW_STACK_PARTS; part++) {
            if (c->next[part] != NULL) {
                give(keys, c, part, c->next[part]->frames);
            }
        }
    }
}

static void drop_references(etw_stack_keys *keys, reference **at, uint32_t generation)
{
    while (*at != NULL) {
        reference *r = *at;
        if (r->generation > generation) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        r->next = keys->spare;
        keys->spare = r;
    }
}

void etw_stack_keys_forget(etw_stack_keys *keys, uint32_t generation)
{
    for (uint32_t i = 0; i < keys->keys.probe.used; i++) {
        cached *c = keys->keys.entries[i].value;
        for (etw_stack_part part = 0; part < ETW_STACK_PARTS; part++) {
            drop_references(keys, &c->references[part], generation);
        }
    }
}
