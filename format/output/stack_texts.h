/* Call stacks, and what an output has written of them: a trace has few stacks, each of many events,
 * and the names of their addresses are dear. */
#ifndef ETW_FORMAT_OUTPUT_STACK_TEXTS_H
#define ETW_FORMAT_OUTPUT_STACK_TEXTS_H

#include "format/event/extended.h"
#include "format/output/event_json.h"

/* Texts that are kept, with their stacks; when they are more, all are forgotten. */
#define ETW_STACK_TEXTS_BYTES ((size_t)4 << 20)

/* The addresses of a stack, the leaf first: those of its first run, then those of the second. Lent.
 */
typedef struct etw_stack_addresses {
    etw_bytes runs[2];
    uint32_t address_size; /* 4 or 8 bytes */
    uint32_t count;
    uint32_t process_id;
    bool is_joined; /* came in events of its own */
} etw_stack_addresses;

etw_stack_addresses etw_stack_addresses_of_item(const etw_stack *item, uint32_t process_id);
etw_stack_addresses etw_stack_addresses_joined(const etw_event_stack *stack);
uint64_t etw_stack_addresses_at(const etw_stack_addresses *stack, uint32_t index);

typedef struct etw_stack_texts etw_stack_texts;

etw_stack_texts *etw_stack_texts_new(void); /* NULL: no memory */
void etw_stack_texts_free(etw_stack_texts *texts);

/* Appends what was kept of that stack for the event's trace and time; false where there is nothing.
 * texts may be NULL. */
bool etw_stack_texts_append(etw_stack_texts *texts, const etw_stack_addresses *stack,
                            const etw_event *event, etw_text *text);
/* Keeps what stands in text from start on, of the stack that was asked for last, and is the same at
 * those times. */
void etw_stack_texts_keep(etw_stack_texts *texts, const etw_stack_addresses *stack,
                          const etw_time_span *same, const etw_text *text, size_t start);

#endif
