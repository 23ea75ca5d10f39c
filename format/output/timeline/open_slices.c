#include "format/output/timeline/open_slices.h"

#include <stdlib.h>

/* Of open slices at most ETW_OPEN_SLICES_MAX have one: the others are dropped here. */
#define MAX_PLACES (4 * ETW_OPEN_SLICES_MAX)

/* A key's place in the table stays when all its slices have ended, and is used again. */
typedef struct key_place {
    uint64_t key;
    etw_open_slice *newest;
} key_place;

static void free_slice(etw_open_slice *slice)
{
    free(slice->texts);
    free(slice);
}

void etw_open_slices_free(etw_open_slices *slices)
{
    for (uint32_t i = 0; i < slices->by_key.probe.used; i++) {
        key_place *place = slices->by_key.entries[i].value;
        for (etw_open_slice *s = place == NULL ? NULL : place->newest; s != NULL;) {
            etw_open_slice *older = s->older;
            free_slice(s);
            s = older;
        }
        free(place);
    }
    etw_table_free(&slices->by_key);
}

static etw_bytes copy_into(char **at, etw_bytes from)
{
    const etw_bytes copy = {(const uint8_t *)*at, from.size};
    if (from.size > 0) {
        memcpy(*at, from.data, from.size);
    }
    *at += from.size;
    return copy;
}

static etw_open_slice *copy_slice(const etw_timeline_slice *slice, size_t bytes)
{
    etw_open_slice *made = calloc(1, sizeof *made);
    char *texts = malloc(bytes + 1);
    if (made == NULL || texts == NULL) {
        free(made);
        free(texts);
        return NULL;
    }
    made->texts = texts;
    made->slice = *slice;
    made->slice.name = copy_into(&texts, slice->name);
    made->slice.category = copy_into(&texts, slice->category);
    made->slice.args = copy_into(&texts, slice->args);
    return made;
}

/* Drops the places of keys that are not open. False where memory is out. */
static bool compact(etw_open_slices *slices)
{
    etw_table kept = {0};
    bool is_well = true;
    for (uint32_t i = 0; i < slices->by_key.probe.used; i++) {
        key_place *place = slices->by_key.entries[i].value;
        if (place->newest != NULL) {
            is_well = is_well && etw_table_set(&kept, &place->key, sizeof place->key, place);
        }
    }
    if (!is_well) {
        etw_table_free(&kept);
        return false;
    }
    for (uint32_t i = 0; i < slices->by_key.probe.used; i++) {
        key_place *place = slices->by_key.entries[i].value;
        if (place->newest == NULL) {
            free(place);
        }
    }
    etw_table_free(&slices->by_key);
    slices->by_key = kept;
    return true;
}

static key_place *place_of(etw_open_slices *slices, uint64_t key)
{
    key_place *place = etw_table_get(&slices->by_key, &key, sizeof key);
    if (place != NULL) {
        return place;
    }
    if (slices->by_key.probe.used >= MAX_PLACES && !compact(slices)) {
        return NULL;
    }
    place = calloc(1, sizeof *place);
    if (place == NULL) {
        return NULL;
    }
    place->key = key;
    if (!etw_table_set(&slices->by_key, &place->key, sizeof place->key, place)) {
        free(place);
        return NULL;
    }
    return place;
}

static size_t bytes_of(const etw_timeline_slice *slice)
{
    return slice->name.size + slice->category.size + slice->args.size;
}

bool etw_open_slices_add(etw_open_slices *slices, uint64_t key, const etw_timeline_slice *slice,
                         etw_open_slice **top)
{
    const size_t bytes = bytes_of(slice);
    if (slices->count == ETW_OPEN_SLICES_MAX || bytes > ETW_OPEN_SLICES_MAX_BYTES - slices->bytes) {
        return false;
    }
    key_place *place = place_of(slices, key);
    etw_open_slice *made = place == NULL ? NULL : copy_slice(slice, bytes);
    if (made == NULL) {
        slices->failed = true;
        return false;
    }
    made->key = key;
    made->number = ++slices->numbers;
    made->older = place->newest;
    place->newest = made;
    made->top = top;
    made->below = *top;
    if (made->below != NULL) {
        made->below->above = made;
    }
    *top = made;
    slices->count++;
    slices->bytes += bytes;
    return true;
}

etw_open_slice *etw_open_slices_find(const etw_open_slices *slices, uint64_t key)
{
    const key_place *place = etw_table_get(&slices->by_key, &key, sizeof key);
    return place == NULL ? NULL : place->newest;
}

void etw_open_slices_remove(etw_open_slices *slices, etw_open_slice *slice)
{
    key_place *place = etw_table_get(&slices->by_key, &slice->key, sizeof slice->key);
    place->newest = slice->older;
    if (slice->above != NULL) {
        slice->above->below = slice->below;
    } else {
        *slice->top = slice->below;
    }
    if (slice->below != NULL) {
        slice->below->above = slice->above;
    }
    slices->count--;
    slices->bytes -= bytes_of(&slice->slice);
    free_slice(slice);
}

static int by_number(const void *one, const void *other)
{
    const etw_open_slice *a = *(const etw_open_slice *const *)one;
    const etw_open_slice *b = *(const etw_open_slice *const *)other;
    return (a->number > b->number) - (a->number < b->number);
}

etw_open_slice **etw_open_slices_all(const etw_open_slices *slices, uint32_t *count)
{
    etw_open_slice **all = calloc((size_t)slices->count + 1, sizeof(*all));
    *count = 0;
    for (uint32_t i = 0; all != NULL && i < slices->by_key.probe.used; i++) {
        const key_place *place = slices->by_key.entries[i].value;
        for (etw_open_slice *s = place == NULL ? NULL : place->newest; s != NULL; s = s->older) {
            all[(*count)++] = s;
        }
    }
    if (all != NULL) {
        qsort(all, *count, sizeof(*all), by_number);
    }
    return all;
}
