#include "format/output/stacks/stack_rows.h"

#include "format/output/stack_texts.h"

/* PerfInfo, which logs samples of the CPUs: documented as SampledProfile. */
static const etw_guid perf_info = {
    0xce1dbfb4, 0x137e, 0x4da6, {0x87, 0xb0, 0x3f, 0x59, 0xaa, 0x10, 0x2c, 0xbc}};
#define OPCODE_SAMPLE 46u
/* Where the trace does not tell: Windows' own default, 1 ms. */
#define DEFAULT_SAMPLE_100NS 10000u

typedef struct sample {
    bool is_sample;
    bool is_idle; /* of the idle thread, and of nothing that interrupted it */
    uint64_t address;
    uint32_t count;
} sample;

/* Bits of a sample's flags, as PerfView reads them: the CPU was in a deferred procedure call, or
 * served an interrupt. */
#define SAMPLE_DPC 1u
#define SAMPLE_ISR 2u

/* Fields in order: InstructionPointer, ThreadId, Count (16 bits), flags (8 bits). */
static sample read_sample(const etw_event *event)
{
    const etw_event_record *record = etw_event_record_of(event);
    sample s = {0};
    if (record->EventHeader.EventDescriptor.Opcode != OPCODE_SAMPLE ||
        !etw_guid_equal(&record->EventHeader.ProviderId, &perf_info)) {
        return s;
    }
    etw_cursor cursor = etw_cursor_over(etw_record_user_data(record));
    const bool is_wide = etw_record_pointer_size(record, etw_event_trace(event)->pointer_size) == 8;
    s.address = is_wide ? etw_cursor_u64(&cursor) : etw_cursor_u32(&cursor);
    const uint32_t thread_id = etw_cursor_u32(&cursor);
    s.count = etw_cursor_u16(&cursor);
    s.is_sample = !cursor.failed;
    const uint8_t *flags = etw_cursor_take(&cursor, 1);
    s.is_idle = thread_id == 0 && (flags == NULL || (*flags & (SAMPLE_DPC | SAMPLE_ISR)) == 0);
    return s;
}

/* The addresses of an event's stack; false: it has none. */
static bool find_stack(const etw_output_options *options, const etw_event *event, const sample *s,
                       etw_stack_addresses *found)
{
    const etw_event_record *record = etw_event_record_of(event);
    const etw_event_process *process = etw_event_process_of(event);
    const etw_event_stack *joined = etw_event_stack_of(event);
    const uint32_t process_id =
        process != NULL ? process->process_id : record->EventHeader.ProcessId;
    etw_stack item;
    *found = (etw_stack_addresses){.process_id = process_id};
    if (options->stacks == ETW_STACK_NONE) {
        return false;
    }
    if (joined != NULL) {
        *found = etw_stack_addresses_joined(joined);
    } else if (etw_record_stack(record, &item)) {
        *found = etw_stack_addresses_of_item(&item, process_id);
    } else if (s->is_sample) {
        *found = etw_stack_addresses_of_item(&(etw_stack){.addresses = (const uint8_t *)&s->address,
                                                          .address_size = sizeof s->address,
                                                          .count = 1},
                                             process_id);
        return false;
    }
    return found->count > 0;
}

/* Names. */

/* What would be taken for the end of a frame, or of the line. */
static void make_safe(etw_text *rows, size_t start)
{
    for (size_t i = start; i < rows->size; i++) {
        const uint8_t c = (uint8_t)rows->data[i];
        if (c == ';') {
            rows->data[i] = ':';
        } else if (c < ' ' || c == 0x7F) {
            rows->data[i] = ' ';
        }
    }
}

/* "ntdll.dll+0x12" to "ntdll.dll", "a.dll!F+0x12" to "a.dll!F". */
static void drop_offset(etw_text *rows, size_t start)
{
    size_t at = rows->size;
    while (at > start && rows->data[at - 1] != '+') {
        at--;
    }
    if (at > start) {
        rows->size = at - 1;
    }
}

static void append_frame(const etw_output_options *options, const etw_address *address,
                         etw_time_span *same, etw_text *rows)
{
    const etw_address_namer *namer = options->namer;
    const size_t start = rows->size;
    if (namer == NULL || !namer->append(namer->context, address, same, rows)) {
        etw_text_append_hex(rows, address->value);
    } else if (options->stacks != ETW_STACK_ADDRESSES) {
        drop_offset(rows, start);
    }
    make_safe(rows, start);
}

/* Frames of one module that follow each other are one: which function it was is not known. */
static void drop_repetition(etw_text *rows, size_t before, size_t start)
{
    const size_t size = rows->size - start;
    if (!rows->failed && start - before == size + 1 &&
        memcmp(rows->data + before, rows->data + start, size) == 0) {
        rows->size = start - 1;
    }
}

static void append_frames(const etw_output_options *options, const etw_event *event,
                          const etw_stack_addresses *stack, etw_text *rows)
{
    const uint32_t count =
        stack->count < ETW_STACK_ROW_MAX_FRAMES ? stack->count : ETW_STACK_ROW_MAX_FRAMES;
    const size_t begin = rows->size;
    size_t before = begin + 1;
    etw_time_span same = {INT64_MIN, INT64_MAX};
    etw_address address = {.event = event,
                           .process_id = stack->process_id,
                           .with_methods = options->stacks == ETW_STACK_NAMES};
    if (etw_stack_texts_append(options->stack_texts, stack, event, rows)) {
        return;
    }
    for (uint32_t i = count; i-- > 0;) {
        etw_text_append_char(rows, ';');
        const size_t start = rows->size;
        address.value = etw_stack_addresses_at(stack, i);
        append_frame(options, &address, &same, rows);
        if (options->stacks == ETW_STACK_MODULES) {
            drop_repetition(rows, before, start);
        }
        before = rows->size >= start ? start : before;
    }
    etw_stack_texts_keep(options->stack_texts, stack, &same, rows, begin);
}

static void append_process(const etw_event *event, uint32_t process_id, etw_text *rows)
{
    const etw_event_process *process = etw_event_process_of(event);
    const size_t start = rows->size;
    if (process != NULL && process->name[0] != '\0') {
        etw_text_append_utf8(rows, (const uint8_t *)process->name, strlen(process->name),
                             ETW_ESCAPE_NONE);
        make_safe(rows, start);
        etw_text_printf(rows, " (%u)", process_id);
    } else {
        etw_text_printf(rows, "process %u", process_id);
    }
}

/* Weights. */

static bool number_of(const etw_event *event, const char *name, uint64_t *number)
{
    etw_typed_value typed;
    if (etw_event_property_value(event, name, &typed) != ETW_OK) {
        return false;
    }
    switch (typed.kind) {
    case ETW_VALUE_UINT64:
        *number = typed.as.uint64;
        return true;
    case ETW_VALUE_INT64:
        *number = (uint64_t)typed.as.int64;
        return typed.as.int64 >= 0;
    case ETW_VALUE_DOUBLE:
        *number = typed.as.real >= 0 && typed.as.real < 1e18 ? (uint64_t)(typed.as.real + 0.5) : 0;
        return typed.as.real >= 0 && typed.as.real < 1e18;
    default:
        return false;
    }
}

static bool weight_of(const etw_output_options *options, const etw_event *event, const sample *s,
                      uint64_t *weight)
{
    const uint64_t interval_100ns =
        options->sample_100ns == 0 ? DEFAULT_SAMPLE_100NS : options->sample_100ns;
    switch ((etw_stack_weight)options->stack_weight) {
    case ETW_STACK_WEIGHT_TIME:
        *weight = interval_100ns * 100 * (s->count == 0 ? 1 : s->count);
        return s->is_sample;
    case ETW_STACK_WEIGHT_PROPERTY:
        return number_of(event, options->stack_property, weight);
    case ETW_STACK_WEIGHT_COUNT:
    default:
        *weight = 1;
        return true;
    }
}

/* Rows. */

typedef struct row_head {
    uint32_t size; /* of the frames */
    uint32_t fault;
    uint64_t weight;
} row_head;

void etw_stack_row_append(const etw_output_options *options, const etw_event *event, etw_text *rows)
{
    const sample s = read_sample(event);
    row_head head = {.fault = ETW_STACK_ROW_WELL};
    etw_stack_addresses stack;
    if (!s.is_sample && !options->stack_events) {
        return;
    }
    const bool has_stack = find_stack(options, event, &s, &stack);
    if (!has_stack) {
        head.fault = ETW_STACK_ROW_NO_STACK;
    }
    if (!weight_of(options, event, &s, &head.weight)) {
        head.fault = ETW_STACK_ROW_NO_WEIGHT;
    }
    if (s.is_sample && s.is_idle) {
        head.fault = ETW_STACK_ROW_IDLE;
    }
    const size_t start = rows->size;
    etw_text_append(rows, (const char *)&head, sizeof head);
    if (head.fault <= ETW_STACK_ROW_NO_STACK && head.fault != ETW_STACK_ROW_IDLE) {
        append_process(event, stack.process_id, rows);
        append_frames(options, event, &stack, rows);
    }
    if (!rows->failed) {
        head.size = (uint32_t)(rows->size - start - sizeof head);
        memcpy(rows->data + start, &head, sizeof head);
    }
}

bool etw_stack_row_next(etw_bytes *rows, etw_stack_row *row)
{
    row_head head;
    if (rows->size == 0) {
        return false;
    }
    memcpy(&head, rows->data, sizeof head);
    *row = (etw_stack_row){.fault = (etw_stack_row_fault)head.fault,
                           .weight = head.weight,
                           .frames = {rows->data + sizeof head, head.size}};
    rows->data += sizeof head + head.size;
    rows->size -= sizeof head + head.size;
    return true;
}
