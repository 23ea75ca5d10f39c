/* Lives: kept by id, looked up by id and time. Here the state itself and its indexes. */
#include "replay/query/state_lives.h"
#include "replay/query/symbols.h"

#include <stdlib.h>

/* Indexes. */

void *etw_life_newest(const etw_life_index *index, uint64_t key)
{
    if (index->count == 0) {
        return NULL;
    }
    const uint32_t hash = (uint32_t)etw_hash_pair(index->probe.seed, key, key >> 32);
    uint32_t at = etw_probe_home(&index->probe, hash);
    while (index->probe.slots[at].id_plus_1 != 0) {
        const etw_probe_slot slot = index->probe.slots[at];
        if (slot.hash == hash && index->keys[slot.id_plus_1 - 1] == key) {
            return index->newest[slot.id_plus_1 - 1];
        }
        at = etw_probe_next(&index->probe, at);
    }
    return NULL;
}

static bool grow_index(etw_life_index *index)
{
    if (index->capacity == 0 && !etw_probe_begin(&index->probe, ETW_PROBE_LEAST, ETW_PROBE_LEAST)) {
        return false;
    }
    if (!etw_probe_reserve(&index->probe)) {
        return false;
    }
    if (index->count < index->capacity) {
        return true;
    }
    const uint32_t capacity = index->capacity == 0 ? 64 : 2 * index->capacity;
    void **newest = realloc(index->newest, capacity * sizeof *newest);
    index->newest = newest != NULL ? newest : index->newest;
    uint64_t *keys = realloc(index->keys, capacity * sizeof *keys);
    index->keys = keys != NULL ? keys : index->keys;
    index->capacity = newest != NULL && keys != NULL ? capacity : index->capacity;
    return newest != NULL && keys != NULL;
}

bool etw_life_put(etw_life_index *index, uint64_t key, void *newest)
{
    if (!grow_index(index)) {
        return false;
    }
    const uint32_t hash = (uint32_t)etw_hash_pair(index->probe.seed, key, key >> 32);
    uint32_t at = etw_probe_home(&index->probe, hash);
    while (index->probe.slots[at].id_plus_1 != 0) {
        const etw_probe_slot slot = index->probe.slots[at];
        if (slot.hash == hash && index->keys[slot.id_plus_1 - 1] == key) {
            index->newest[slot.id_plus_1 - 1] = newest;
            return true;
        }
        at = etw_probe_next(&index->probe, at);
    }
    index->newest[index->count] = newest;
    index->keys[index->count] = key;
    etw_probe_put(&index->probe, at, hash, index->count++);
    return true;
}

void etw_life_index_free(etw_life_index *index)
{
    etw_probe_free(&index->probe);
    free(index->newest);
    free(index->keys);
}

/* The state. */

etw_state *etw_state_new(void)
{
    etw_state *state = calloc(1, sizeof *state);
    if (state != NULL) {
        state->text_arena.limit_bytes = ETW_STATE_MAX_TEXT;
    }
    return state;
}

void etw_state_free(etw_state *state)
{
    if (state == NULL) {
        return;
    }
    for (uint32_t i = 0; i < state->images.count; i++) {
        free(((etw_image_list *)state->images.newest[i])->images);
    }
    etw_method_list_free(&state->methods);
    etw_life_index_free(&state->processes);
    etw_life_index_free(&state->threads);
    etw_life_index_free(&state->images);
    etw_table_free(&state->texts);
    etw_arena_free(&state->text_arena);
    etw_arena_free(&state->life_arena);
    free(state);
}

const char *etw_state_text(etw_state *state, const char *text, size_t size)
{
    if (size == 0) {
        return "";
    }
    const char *known = etw_table_get(&state->texts, text, size);
    if (known != NULL) {
        return known;
    }
    char *copy = etw_arena_copy(&state->text_arena, text, size);
    const bool is_full =
        copy == NULL && etw_arena_full(&state->text_arena, size + 1 + sizeof(max_align_t));
    if (copy == NULL || !etw_table_set(&state->texts, copy, size, copy)) {
        state->totals.dropped += is_full;
        state->is_out_of_memory = state->is_out_of_memory || !is_full;
        return "";
    }
    return copy;
}

/* Traces of one boot are of one host; one that does not tell its boot is with the first. The clock
 * that the boot time comes from is set now and then, by less than this. */
#define SAME_BOOT_100NS (5000 * ETW_STATE_MS_100NS)

static bool is_same_boot(int64_t a_100ns, int64_t b_100ns)
{
    return etw_time_apart(a_100ns, b_100ns) < SAME_BOOT_100NS &&
           etw_time_apart(b_100ns, a_100ns) < SAME_BOOT_100NS;
}

uint16_t etw_state_host(const etw_state *state, const etw_trace *trace)
{
    if (trace->boot_time_100ns == 0 || state->host_count == 0) {
        return 0; /* what a rundown alone tells is of the first, too */
    }
    for (uint16_t i = 0; i < state->host_count; i++) {
        const int64_t boot_100ns = state->boot_times_100ns[i];
        if (boot_100ns == 0 || is_same_boot(boot_100ns, trace->boot_time_100ns)) {
            return i;
        }
    }
    return UINT16_MAX;
}

uint16_t etw_state_host_of(etw_state *state, const etw_trace *trace)
{
    uint16_t host = etw_state_host(state, trace);
    if (state->host_count == 0 || (host == UINT16_MAX && state->host_count < ETW_STATE_MAX_HOSTS)) {
        host = state->host_count;
        state->boot_times_100ns[state->host_count++] = trace->boot_time_100ns;
    }
    return host;
}

void *etw_state_new_life(etw_state *state, size_t size, uint64_t count, uint64_t limit)
{
    if (count >= limit) {
        state->totals.dropped++;
        return NULL;
    }
    void *life = etw_arena_alloc(&state->life_arena, size);
    state->is_out_of_memory = state->is_out_of_memory || life == NULL;
    return life;
}

bool etw_state_is_same(int64_t a_100ns, int64_t b_100ns)
{
    return etw_time_apart(a_100ns, b_100ns) <= ETW_STATE_SAME_100NS &&
           etw_time_apart(b_100ns, a_100ns) <= ETW_STATE_SAME_100NS;
}

void etw_state_take_text(const char **known, const char *told)
{
    if (told != NULL && strlen(told) > strlen(*known)) {
        *known = told;
    }
}

/* What is known. */

const etw_state_process *etw_state_first_process(const etw_state *state)
{
    return state->first_process;
}

const etw_state_image *etw_state_first_image(const etw_state *state)
{
    return state->first_image;
}

uint32_t etw_state_sample_100ns(const etw_state *state)
{
    return state->sample_100ns;
}

void etw_state_get_totals(const etw_state *state, etw_state_totals *totals)
{
    *totals = state->totals;
}

const char *etw_path_last_part(const char *path)
{
    const char *last = path + strlen(path); /* from the end: it is asked for each address */
    last -= last > path ? 1 : 0;
    while (last > path && last[-1] != '\\' && last[-1] != '/') {
        last--;
    }
    return last;
}
