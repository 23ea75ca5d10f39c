#include "format/output/stacks/stack_sums.h"

#include "format/base/arena.h"
#include "format/base/grown.h"
#include "format/base/table.h"

#include <stdlib.h>

#define FAULTS 4u

struct etw_stack_sums {
    etw_table table;
    etw_arena memory;
    etw_stack_sum **list;
    uint32_t count, capacity;
    uint64_t faults[FAULTS];
    uint64_t crowded_out;
};

etw_stack_sums *etw_stack_sums_new(void)
{
    etw_stack_sums *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->memory.limit_bytes = ETW_STACK_SUMS_MAX_BYTES;
    }
    return made;
}

void etw_stack_sums_free(etw_stack_sums *sums)
{
    if (sums != NULL) {
        etw_table_free(&sums->table);
        etw_arena_free(&sums->memory);
        free(sums->list);
        free(sums);
    }
}

uint64_t etw_stack_sums_faults(const etw_stack_sums *sums, etw_stack_row_fault fault)
{
    return sums->faults[fault];
}

uint64_t etw_stack_sums_crowded_out(const etw_stack_sums *sums)
{
    return sums->crowded_out;
}

static bool grow(etw_stack_sums *sums)
{
    etw_stack_sum **longer =
        etw_grown(sums->list, &sums->capacity, sums->count, 256, sizeof(*longer));
    sums->list = longer == NULL ? sums->list : longer;
    return longer != NULL;
}

static uint32_t process_size(etw_bytes frames)
{
    const void *end = frames.size == 0 ? NULL : memchr(frames.data, ';', frames.size);
    return (uint32_t)(end == NULL ? frames.size : (size_t)((const uint8_t *)end - frames.data));
}

/* NULL where memory is out. */
static etw_stack_sum *add_sum(etw_stack_sums *sums, etw_bytes frames)
{
    etw_stack_sum *sum = etw_arena_alloc(&sums->memory, sizeof *sum);
    const char *copy = etw_arena_copy(&sums->memory, frames.data, frames.size);
    if (sum == NULL || copy == NULL || !grow(sums) ||
        !etw_table_set(&sums->table, copy, frames.size, sum)) {
        return NULL;
    }
    sum->frames = (etw_bytes){(const uint8_t *)copy, frames.size};
    sum->process_size = process_size(frames);
    sums->list[sums->count++] = sum;
    return sum;
}

etw_status etw_stack_sums_add(etw_stack_sums *sums, const etw_stack_row *row, etw_error *error)
{
    etw_bytes frames = row->frames;
    sums->faults[row->fault]++;
    if (frames.size == 0 || row->fault > ETW_STACK_ROW_NO_STACK ||
        row->fault == ETW_STACK_ROW_IDLE) {
        return ETW_OK;
    }
    etw_stack_sum *sum = etw_table_get(&sums->table, frames.data, frames.size);
    if (sum == NULL && etw_arena_full(&sums->memory, frames.size + 2 * sizeof *sum + 64)) {
        sums->crowded_out++;
        frames.size = process_size(frames);
        sum = etw_table_get(&sums->table, frames.data, frames.size);
        sums->memory.limit_bytes = 0; /* a line for each process more */
    }
    if (sum == NULL) {
        sum = add_sum(sums, frames);
    }
    if (sums->memory.limit_bytes == 0) {
        sums->memory.limit_bytes = ETW_STACK_SUMS_MAX_BYTES;
    }
    if (sum == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for sums of stacks");
    }
    sum->weight = sum->weight > UINT64_MAX - row->weight ? UINT64_MAX : sum->weight + row->weight;
    return ETW_OK;
}

static int compare(const void *one, const void *other)
{
    const etw_stack_sum *a = *(const etw_stack_sum *const *)one;
    const etw_stack_sum *b = *(const etw_stack_sum *const *)other;
    const size_t size = a->frames.size < b->frames.size ? a->frames.size : b->frames.size;
    const int order = memcmp(a->frames.data, b->frames.data, size);
    return order != 0 ? order
                      : (a->frames.size > b->frames.size) - (a->frames.size < b->frames.size);
}

const etw_stack_sum *const *etw_stack_sums_sorted(etw_stack_sums *sums, uint32_t *count)
{
    if (sums->count > 0) {
        qsort(sums->list, sums->count, sizeof(*sums->list), compare);
    }
    *count = sums->count;
    return (const etw_stack_sum *const *)sums->list;
}
