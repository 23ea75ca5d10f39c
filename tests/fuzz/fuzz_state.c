/* Processes, threads, images, methods and stacks, learnt from records of any content. Input: a
 * piece for each event: which of the providers that are learnt from (8 bits), opcode or id (8),
 * version (8), pointer size and whether something was lost (8), process and thread (8 each), time
 * since the last event (16); then its user data. */
#include "replay/query/stacks.h"
#include "replay/query/state.h"
#include "replay/query/state_lives.h"
#include "tests/fuzz/fuzz.h"

#define MAX_EVENTS 4096u

typedef struct event {
    etw_event_record record;
    bool is_loss;
} event;

static bool take_event(etw_cursor *cursor, int64_t *ticks, event *taken)
{
    etw_bytes piece = fuzz_piece(cursor);
    etw_cursor head = etw_cursor_over(piece);
    uint32_t count;
    const etw_guid *providers = etw_state_providers(ETW_STATE_STACKS, &count);
    etw_event_header *header = &taken->record.EventHeader;
    *taken = (event){0};
    header->ProviderId = providers[etw_cursor_u8(&head) % count];
    header->EventDescriptor.Opcode = etw_cursor_u8(&head);
    header->EventDescriptor.Id = header->EventDescriptor.Opcode;
    header->EventDescriptor.Version = etw_cursor_u8(&head);
    const uint8_t how = etw_cursor_u8(&head);
    header->Flags = (how & 1) != 0 ? ETW_FLAG_64_BIT_HEADER : ETW_FLAG_32_BIT_HEADER;
    taken->is_loss = (how & 2) != 0;
    header->ProcessId = etw_cursor_u8(&head);
    header->ThreadId = etw_cursor_u8(&head);
    *ticks += etw_cursor_u16(&head);
    header->TimeStamp = *ticks;
    const size_t size = head.failed ? 0 : etw_cursor_left(&head);
    taken->record.UserData = size == 0 ? NULL : (void *)(uintptr_t)etw_cursor_take(&head, size);
    taken->record.UserDataLength = (uint16_t)size;
    return !head.failed;
}

static bool is_utf8(const char *text)
{
    const size_t size = strlen(text);
    size_t at = 0;
    while (at < size) {
        uint32_t code_point;
        const size_t length = etw_utf8_decode((const uint8_t *)text + at, size - at, &code_point);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

/* Whatever was learnt: lives begin before they end, texts are UTF-8, lists end. */
static void check_state(const etw_state *state)
{
    uint32_t count = 0;
    for (const etw_state_process *p = etw_state_first_process(state); p != NULL; p = p->next) {
        etw_event_process described;
        FUZZ_CHECK(p->start_100ns <= p->end_100ns);
        FUZZ_CHECK(is_utf8(p->name) && is_utf8(p->path) && is_utf8(p->command_line));
        etw_state_describe(state, p, &described);
        (void)etw_state_parent(state, p);
        FUZZ_CHECK(++count <= MAX_EVENTS);
    }
    count = 0;
    for (const etw_state_image *i = etw_state_first_image(state); i != NULL; i = i->next) {
        FUZZ_CHECK(i->load_100ns <= i->unload_100ns);
        FUZZ_CHECK(is_utf8(i->path) && strlen(etw_path_last_part(i->path)) <= strlen(i->path));
        FUZZ_CHECK(++count <= MAX_EVENTS);
    }
}

static void ask(const etw_state *state, etw_stacks *stacks, const event *of, const etw_trace *trace)
{
    etw_owner owner;
    etw_event_stack stack;
    bool is_timely;
    const char *method;
    uint64_t offset;
    etw_state_owner(state, &of->record, trace, &owner);
    FUZZ_CHECK(owner.process == NULL || owner.process->process_id == owner.process_id);
    if (!etw_stacks_find(stacks, &of->record, trace, &stack)) {
        return;
    }
    (void)fuzz_touch(stack.kernel, stack.kernel_count * sizeof *stack.kernel);
    (void)fuzz_touch(stack.user, stack.user_count * sizeof *stack.user);
    for (uint32_t i = 0; i < stack.user_count && i < 16; i++) {
        (void)etw_state_image_at(state, 0, stack.process_id, stack.user[i],
                                 of->record.EventHeader.TimeStamp, &is_timely);
        const etw_state_place place = {0, stack.process_id, stack.user[i],
                                       of->record.EventHeader.TimeStamp};
        (void)etw_state_method_at(state, &place, &method, &offset);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    const etw_bytes input = {copy, size};
    const etw_trace trace = {.pointer_size = 8, .clock = {.type = ETW_CLOCK_SYSTEM_TIME}};
    etw_state *state = etw_state_new();
    etw_stacks *stacks = etw_stacks_new(&(etw_stacks_limits){.stacks = 8, .bytes = 1 << 20});
    FUZZ_CHECK(state != NULL && stacks != NULL);
    for (int pass = 0; pass < 2; pass++) {
        etw_cursor cursor = etw_cursor_over(input);
        int64_t ticks = 132000000000000000;
        event next;
        for (uint32_t i = 0; i < MAX_EVENTS && take_event(&cursor, &ticks, &next); i++) {
            if (pass == 1) {
                ask(state, stacks, &next, &trace);
                continue;
            }
            if (next.is_loss) {
                etw_stacks_lost(stacks);
            }
            FUZZ_CHECK(etw_state_feed(state, &next.record, &trace));
            FUZZ_CHECK(etw_stacks_feed(stacks, &next.record, &trace));
            etw_state_count(state, &next.record, &trace);
        }
        if (pass == 0) {
            etw_state_settle(state);
            check_state(state);
        }
    }
    etw_stacks_free(stacks);
    etw_state_free(state);
    free(copy);
    return 0;
}
