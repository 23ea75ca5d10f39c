#include "format/output/stack_texts.h"

#include "format/base/probe.h"

#include <stdlib.h>

/* The cache forgets on collision, never grows. */
#define SLOT_COUNT 8192u

etw_stack_addresses etw_stack_addresses_of_item(const etw_stack *item, uint32_t process_id)
{
    return (etw_stack_addresses){
        .runs = {{item->addresses, (size_t)item->count * item->address_size}},
        .address_size = item->address_size,
        .count = item->count,
        .process_id = process_id};
}

etw_stack_addresses etw_stack_addresses_joined(const etw_event_stack *stack)
{
    const size_t size = sizeof *stack->kernel;
    return (etw_stack_addresses){
        .runs = {{(const uint8_t *)stack->kernel, stack->kernel_count * size},
                 {(const uint8_t *)stack->user, stack->user_count * size}},
        .address_size = (uint32_t)size,
        .count = stack->kernel_count + stack->user_count,
        .process_id = stack->process_id,
        .is_joined = true};
}

uint64_t etw_stack_addresses_at(const etw_stack_addresses *stack, uint32_t index)
{
    const size_t at = (size_t)index * stack->address_size;
    const etw_bytes *first = &stack->runs[0];
    const uint8_t *from =
        at < first->size ? first->data + at : stack->runs[1].data + (at - first->size);
    return stack->address_size == 8 ? etw_load_u64(from) : etw_load_u32(from);
}

/* What a text depends on, beside the addresses and the output's options. */
typedef struct identity {
    const etw_trace *trace;
    uint32_t sizes[2]; /* of the runs */
    uint32_t address_size;
    uint32_t process_id;
    uint32_t trace_number;
    uint32_t is_joined;
} identity;

_Static_assert(sizeof(identity) == sizeof(void *) + 24, "compared as bytes: no padding");

typedef struct slot {
    uint64_t hash;
    etw_time_span same;
    uint32_t at;        /* in memory: identity, addresses, text */
    uint32_t text_size; /* 0: the slot is empty */
} slot;

struct etw_stack_texts {
    etw_seed seed;
    identity asked; /* last, with its hash */
    uint64_t hash;
    etw_buffer memory;
    slot slots[SLOT_COUNT];
};

etw_stack_texts *etw_stack_texts_new(void)
{
    etw_stack_texts *texts = calloc(1, sizeof *texts);
    if (texts != NULL) {
        texts->seed = etw_seed_new();
    }
    return texts;
}

void etw_stack_texts_free(etw_stack_texts *texts)
{
    if (texts != NULL) {
        etw_buffer_free(&texts->memory);
        free(texts);
    }
}

static void ask(etw_stack_texts *texts, const etw_stack_addresses *stack, const etw_event *event)
{
    texts->asked =
        (identity){.trace = etw_event_trace(event),
                   .sizes = {(uint32_t)stack->runs[0].size, (uint32_t)stack->runs[1].size},
                   .address_size = stack->address_size,
                   .process_id = stack->process_id,
                   .trace_number = etw_event_trace_number(event),
                   .is_joined = stack->is_joined};
    texts->hash = etw_hash_bytes(texts->seed, &texts->asked, sizeof texts->asked);
    for (size_t i = 0; i < 2; i++) {
        const etw_bytes *run = &stack->runs[i];
        texts->hash = etw_hash_pair(texts->seed, texts->hash,
                                    etw_hash_bytes(texts->seed, run->data, run->size));
    }
}

static bool is_equal(const char *kept, const etw_bytes *run)
{
    return run->size == 0 || memcmp(kept, run->data, run->size) == 0;
}

bool etw_stack_texts_append(etw_stack_texts *texts, const etw_stack_addresses *stack,
                            const etw_event *event, etw_text *text)
{
    if (texts == NULL) {
        return false;
    }
    ask(texts, stack, event);
    const slot *s = &texts->slots[texts->hash % SLOT_COUNT];
    const int64_t time_100ns = etw_event_time_100ns(event);
    if (s->text_size == 0 || s->hash != texts->hash || time_100ns < s->same.from_100ns ||
        time_100ns > s->same.to_100ns) {
        return false;
    }
    const char *kept = texts->memory.data + s->at;
    const char *addresses = kept + sizeof texts->asked;
    const size_t first = stack->runs[0].size, second = stack->runs[1].size;
    if (memcmp(kept, &texts->asked, sizeof texts->asked) != 0 ||
        !is_equal(addresses, &stack->runs[0]) || !is_equal(addresses + first, &stack->runs[1])) {
        return false;
    }
    etw_text_append(text, addresses + first + second, s->text_size);
    return true;
}

static void forget_all(etw_stack_texts *texts)
{
    etw_buffer_clear(&texts->memory);
    memset(texts->slots, 0, sizeof texts->slots);
}

void etw_stack_texts_keep(etw_stack_texts *texts, const etw_stack_addresses *stack,
                          const etw_time_span *same, const etw_text *text, size_t start)
{
    if (texts == NULL || text->failed || same->from_100ns > same->to_100ns) {
        return;
    }
    const size_t text_size = text->size - start;
    const size_t size = sizeof texts->asked + stack->runs[0].size + stack->runs[1].size + text_size;
    if (size > ETW_STACK_TEXTS_BYTES || text_size == 0) {
        return;
    }
    if (texts->memory.size + size > ETW_STACK_TEXTS_BYTES || texts->memory.failed) {
        forget_all(texts);
    }
    const uint32_t at = (uint32_t)texts->memory.size;
    etw_buffer_append(&texts->memory, &texts->asked, sizeof texts->asked);
    etw_buffer_append(&texts->memory, stack->runs[0].data, stack->runs[0].size);
    etw_buffer_append(&texts->memory, stack->runs[1].data, stack->runs[1].size);
    etw_buffer_append(&texts->memory, text->data + start, text_size);
    if (!texts->memory.failed) {
        texts->slots[texts->hash % SLOT_COUNT] =
            (slot){.hash = texts->hash, .same = *same, .at = at, .text_size = (uint32_t)text_size};
    }
}
