#include "format/output/timeline/timeline_rows.h"

#include "format/base/probe.h"
#include "format/output/json.h"

/* Keys go into what is written, by which pairs they make: they must be the same in each run. */
static const etw_seed key_seed = {{UINT64_C(0xA0761D6478BD642F), UINT64_C(0xE7037ED1A0B428DB)}};

#define OPCODE_START 1u
#define OPCODE_STOP  2u

/* What tells the stop that belongs to a start, beside the rule. */
typedef enum pair_by { BY_THREAD, BY_PROCESS, BY_PROPERTY } pair_by;

/* Pairs that are not told by their opcodes. Of classic events start and stop are opcodes. */
typedef struct pair_rule {
    etw_guid provider;
    uint16_t start, stop;
    bool is_classic;
    bool is_single;
    pair_by by;
    const char *property;
    const char *name;
} pair_rule;

#define DOT_NET                                                                                    \
    {                                                                                              \
        0xe13c0d23, 0xccbc, 0x4e12,                                                                \
        {                                                                                          \
            0x93, 0x1b, 0xd9, 0xcc, 0x2e, 0xee, 0x27, 0xe4                                         \
        }                                                                                          \
    }
#define DISK_IO                                                                                    \
    {                                                                                              \
        0x3d6fa8d4, 0xfe05, 0x11d0,                                                                \
        {                                                                                          \
            0x9d, 0xda, 0x00, 0xc0, 0x4f, 0xd7, 0xba, 0x7c                                         \
        }                                                                                          \
    }

/* Measured on real traces: all of them find their other half. */
static const pair_rule rules[] = {
    {DOT_NET, 1, 2, false, true, BY_PROPERTY, "Count", "GC"},
    {DOT_NET, 9, 3, false, false, BY_PROCESS, NULL, "GC pause"},
    {DOT_NET, 145, 143, false, false, BY_THREAD, NULL, "JIT"},
    {DISK_IO, 0x0C, 0x0A, true, false, BY_PROPERTY, "Irp", "Disk read"},
    {DISK_IO, 0x0D, 0x0B, true, false, BY_PROPERTY, "Irp", "Disk write"},
    {DISK_IO, 0x0F, 0x0E, true, false, BY_PROPERTY, "Irp", "Disk flush"},
};

static const etw_guid thread_class = {
    0x3d6fa8d1, 0xfe05, 0x11d0, {0x9d, 0xda, 0x00, 0xc0, 0x4f, 0xd7, 0xba, 0x7c}};
#define OPCODE_CONTEXT_SWITCH 36u
#define OPCODE_SET_NAME       72u

typedef struct making {
    const etw_output_options *options;
    const etw_event *event;
    const etw_event_header *header;
    etw_timeline_row row;
} making;

static uint64_t hash_guid(const etw_guid *guid, uint64_t other)
{
    return etw_hash_pair(key_seed, etw_hash_bytes(key_seed, guid, sizeof *guid), other);
}

/* Pairs. */

static bool rule_matches(const pair_rule *rule, const making *m, uint8_t *kind)
{
    const etw_event_header *h = m->header;
    const bool is_classic = (h->Flags & ETW_FLAG_CLASSIC_HEADER) != 0;
    const uint16_t id = is_classic ? h->EventDescriptor.Opcode : h->EventDescriptor.Id;
    if (rule->is_classic != is_classic || (id != rule->start && id != rule->stop) ||
        !etw_guid_equal(&rule->provider, &h->ProviderId)) {
        return false;
    }
    *kind = id == rule->start ? ETW_TIMELINE_START : ETW_TIMELINE_STOP;
    return true;
}

static uint64_t rule_key(const pair_rule *rule, const making *m)
{
    const uint64_t number = (uint64_t)(rule - rules);
    etw_typed_value typed;
    switch (rule->by) {
    case BY_PROPERTY:
        if (etw_event_property_value(m->event, rule->property, &typed) == ETW_OK &&
            (typed.kind == ETW_VALUE_UINT64 || typed.kind == ETW_VALUE_INT64)) {
            return etw_hash_pair(
                key_seed, number + ((uint64_t)m->row.process_id << 8) * (rule->is_classic ? 0 : 1),
                typed.as.uint64);
        }
        return etw_hash_pair(key_seed, number, m->row.process_id);
    case BY_PROCESS:
        return etw_hash_pair(key_seed, number, m->row.process_id);
    case BY_THREAD:
    default:
        return etw_hash_pair(key_seed, number,
                             (uint64_t)m->row.process_id << 32 | m->row.thread_id);
    }
}

static void set_name(making *m, const char *name, size_t size)
{
    m->row.name = (etw_bytes){(const uint8_t *)name, size};
}

static bool apply_rule(making *m)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rule_matches(&rules[i], m, &m->row.kind)) {
            m->row.key = rule_key(&rules[i], m);
            m->row.is_single = rules[i].is_single;
            set_name(m, rules[i].name, strlen(rules[i].name));
            return true;
        }
    }
    return false;
}

/* By activity where the event has one, else by thread. */
static void apply_opcodes(making *m)
{
    const etw_event_header *h = m->header;
    const uint8_t opcode = h->EventDescriptor.Opcode;
    if ((h->Flags & ETW_FLAG_CLASSIC_HEADER) != 0 ||
        (opcode != OPCODE_START && opcode != OPCODE_STOP)) {
        return;
    }
    const bool has_activity = !etw_guid_is_zero(&h->ActivityId);
    const uint64_t who = has_activity ? hash_guid(&h->ActivityId, 1)
                                      : etw_hash_pair(key_seed, m->row.process_id, h->ThreadId);
    m->row.kind = opcode == OPCODE_START ? ETW_TIMELINE_START : ETW_TIMELINE_STOP;
    m->row.key = etw_hash_pair(key_seed, who, hash_guid(&h->ProviderId, h->EventDescriptor.Task));
}

/* Names. */

static void name_event(making *m)
{
    const etw_plan *plan = etw_event_plan(m->event);
    const etw_name *name = plan == NULL ? NULL : etw_plan_event_name(plan);
    if (name == NULL || name->utf8_size == 0) {
        return;
    }
    static const char *const ends[] = {"/Start", "Start", "/Stop", "Stop"};
    size_t size = name->utf8_size;
    for (size_t i = 0; m->row.kind != ETW_TIMELINE_INSTANT && i < 4; i++) {
        const size_t end = strlen(ends[i]);
        if (size > end && memcmp(name->utf8 + size - end, ends[i], end) == 0) {
            size -= end;
            break;
        }
    }
    set_name(m, name->utf8, size);
}

/* Context switches, and names of threads. */

/* Fields of version 2 to 4 in order: NewThreadId, OldThreadId, two priorities, PreviousCState,
 * SpareByte, OldThreadWaitReason, OldThreadWaitMode, OldThreadState. */
static void apply_switch(making *m)
{
    etw_cursor cursor = etw_cursor_over(etw_record_user_data(etw_event_record_of(m->event)));
    const uint32_t thread = etw_cursor_u32(&cursor);
    const uint32_t old = etw_cursor_u32(&cursor);
    (void)etw_cursor_take(&cursor, 4);
    const uint8_t reason = etw_cursor_u8(&cursor);
    (void)etw_cursor_u8(&cursor);
    const uint8_t state = etw_cursor_u8(&cursor);
    if (!cursor.failed) {
        m->row.kind = ETW_TIMELINE_SWITCH;
        m->row.thread_id = thread;
        m->row.old_thread = old;
        m->row.wait_reason = reason;
        m->row.old_state = state;
    }
}

static void apply_thread_event(making *m, etw_text *name)
{
    if ((m->header->Flags & ETW_FLAG_CLASSIC_HEADER) == 0 ||
        !etw_guid_equal(&m->header->ProviderId, &thread_class)) {
        return;
    }
    if (m->header->EventDescriptor.Opcode == OPCODE_CONTEXT_SWITCH) {
        apply_switch(m);
    } else if (m->header->EventDescriptor.Opcode == OPCODE_SET_NAME) {
        etw_typed_value thread;
        if (etw_event_property_text(m->event, "ThreadName", name) == ETW_OK &&
            etw_event_property_value(m->event, "ThreadId", &thread) == ETW_OK) {
            m->row.kind = ETW_TIMELINE_NAME;
            m->row.thread_id = (uint32_t)thread.as.uint64;
            set_name(m, name->data, name->size);
        }
    }
}

/* Rows. */

static etw_bytes take_bytes(const uint8_t **at, size_t size)
{
    const etw_bytes bytes = {*at, size};
    *at += size;
    return bytes;
}

static void append_row(const etw_timeline_row *row, etw_text *rows)
{
    etw_text_append(rows, (const char *)row, sizeof *row);
    etw_text_append(rows, (const char *)row->name.data, row->name.size);
    etw_text_append(rows, (const char *)row->category.data, row->category.size);
    etw_text_append(rows, (const char *)row->process.data, row->process.size);
    etw_text_append(rows, (const char *)row->args.data, row->args.size);
}

static void append_counters(const making *m, etw_text *rows)
{
    for (uint32_t i = 0; i < m->options->counter_count; i++) {
        const char *name = m->options->counters[i];
        etw_typed_value typed;
        if (etw_event_property_value(m->event, name, &typed) != ETW_OK) {
            continue;
        }
        etw_timeline_row row = m->row;
        row.kind = ETW_TIMELINE_COUNTER;
        row.name = (etw_bytes){(const uint8_t *)name, strlen(name)};
        row.args = (etw_bytes){NULL, 0};
        if (typed.kind == ETW_VALUE_UINT64) {
            row.value = (double)typed.as.uint64;
        } else if (typed.kind == ETW_VALUE_INT64) {
            row.value = (double)typed.as.int64;
        } else if (typed.kind == ETW_VALUE_DOUBLE && typed.as.real - typed.as.real == 0) {
            row.value = typed.as.real;
        } else {
            continue;
        }
        append_row(&row, rows);
    }
}

static void set_category(making *m, etw_text *text)
{
    const char *provider = etw_event_provider_name(m->event);
    if (provider != NULL && provider[0] != '\0') {
        etw_text_append_utf8(text, (const uint8_t *)provider, strlen(provider), ETW_ESCAPE_NONE);
    } else {
        etw_text_append_guid(text, &m->header->ProviderId);
    }
    m->row.category = etw_text_bytes(text);
}

static void set_args(making *m, etw_text *text)
{
    etw_property_outcome outcome;
    if (etw_event_plan(m->event) != NULL) {
        etw_json_append_properties(m->options, m->event, text, &outcome);
        m->row.args = etw_text_bytes(text);
    }
}

static void set_process(making *m)
{
    const etw_event_process *process = etw_event_process_of(m->event);
    if (process != NULL) {
        m->row.process_id = process->process_id;
        m->row.process = (etw_bytes){(const uint8_t *)process->name, strlen(process->name)};
    }
}

void etw_timeline_row_append(const etw_output_options *options, const etw_event *event,
                             etw_text *rows)
{
    const etw_event_record *record = etw_event_record_of(event);
    etw_text category = {0};
    etw_text args = {0};
    etw_text name = {0};
    making m = {.options = options, .event = event, .header = &record->EventHeader};
    m.row = (etw_timeline_row){.time_100ns = etw_event_time_100ns(event),
                               .process_id = record->EventHeader.ProcessId,
                               .thread_id = record->EventHeader.ThreadId,
                               .processor = etw_record_processor(record)};
    set_process(&m);
    if (!apply_rule(&m)) {
        apply_opcodes(&m);
        name_event(&m);
        apply_thread_event(&m, &name);
    }
    if (m.row.name.size == 0) {
        etw_text_printf(&name, "event %u", record->EventHeader.EventDescriptor.Id);
        set_name(&m, name.data, name.size);
    }
    set_category(&m, &category);
    if (m.row.kind != ETW_TIMELINE_SWITCH) {
        set_args(&m, &args);
    }
    append_row(&m.row, rows);
    append_counters(&m, rows);
    rows->failed |= category.failed || args.failed || name.failed;
    etw_text_free(&category);
    etw_text_free(&args);
    etw_text_free(&name);
}

bool etw_timeline_row_next(etw_bytes *rows, etw_timeline_row *row)
{
    if (rows->size == 0) {
        return false;
    }
    const uint8_t *at = rows->data + sizeof *row;
    memcpy(row, rows->data, sizeof *row);
    row->name = take_bytes(&at, row->name.size);
    row->category = take_bytes(&at, row->category.size);
    row->process = take_bytes(&at, row->process.size);
    row->args = take_bytes(&at, row->args.size);
    rows->size -= (size_t)(at - rows->data);
    rows->data = at;
    return true;
}
