/* Whom an event is about. The header says who logged it, which for many of the kernel's events is
 * nobody, or whoever was interrupted; their payload tells. The rules are those of PerfView's
 * TraceEvent, but for disk flushes, whose issuing thread is the last member (measured). */
#include "replay/query/state_lives.h"

#define NOBODY UINT32_MAX

/* Where the ids are in the payload: a number of bytes and one of pointers. */
typedef struct place {
    uint8_t bytes, pointers;
} place;

typedef struct rule {
    etw_kernel_group group;
    uint8_t first_opcode, last_opcode;
    uint8_t first_version, last_version;
    bool only_without_header; /* the header is right where it has a thread */
    bool has_process, has_thread;
    place process, thread;
} rule;

#define ANY 0, 255
static const rule rules[] = {
    {ETW_KERNEL_PROCESS, 1, 4, 0, 0, false, true, false, {0, 0}, {0, 0}},
    {ETW_KERNEL_PROCESS, 1, 4, 1, 255, false, true, false, {0, 1}, {0, 0}},
    {ETW_KERNEL_PROCESS, 11, 11, ANY, false, true, false, {0, 0}, {0, 0}},
    {ETW_KERNEL_PROCESS, 32, 33, ANY, false, true, false, {0, 0}, {0, 0}},
    {ETW_KERNEL_PROCESS, 39, 39, ANY, false, true, false, {0, 1}, {0, 0}},
    {ETW_KERNEL_THREAD, 1, 4, 0, 0, false, true, true, {4, 0}, {0, 0}},
    {ETW_KERNEL_THREAD, 1, 4, 1, 255, false, true, true, {0, 0}, {4, 0}},
    {ETW_KERNEL_THREAD, 36, 36, ANY, false, false, true, {0, 0}, {0, 0}},
    {ETW_KERNEL_THREAD, 72, 72, ANY, false, true, true, {0, 0}, {4, 0}},
    {ETW_KERNEL_IMAGE, 2, 4, 1, 255, false, true, false, {0, 2}, {0, 0}},
    {ETW_KERNEL_IMAGE, 10, 10, 1, 255, false, true, false, {0, 2}, {0, 0}},
    {ETW_KERNEL_IMAGE_ID, 0, 0, ANY, false, true, false, {0, 2}, {0, 0}},
    {ETW_KERNEL_IMAGE_ID, 32, 41, ANY, false, true, false, {0, 1}, {0, 0}},
    {ETW_KERNEL_PERF_INFO, 46, 47, ANY, false, false, true, {0, 0}, {0, 1}},
    {ETW_KERNEL_STACK_WALK, 32, 32, ANY, false, true, true, {8, 0}, {12, 0}},
    {ETW_KERNEL_STACK_WALK, 37, 38, ANY, false, true, true, {8, 0}, {12, 0}},
    {ETW_KERNEL_DISK_IO, 10, 11, 3, 255, false, false, true, {0, 0}, {32, 2}},
    {ETW_KERNEL_DISK_IO, 14, 14, 3, 255, false, false, true, {0, 0}, {16, 1}},
    {ETW_KERNEL_PAGE_FAULT, 32, 32, ANY, false, false, true, {0, 0}, {16, 2}},
    {ETW_KERNEL_PAGE_FAULT, 98, 99, ANY, false, true, false, {0, 2}, {0, 0}},
    {ETW_KERNEL_FILE_IO, 64, 66, 2, 2, true, false, true, {0, 0}, {0, 1}},
    {ETW_KERNEL_FILE_IO, 69, 75, 2, 2, true, false, true, {0, 0}, {0, 1}},
    {ETW_KERNEL_FILE_IO, 67, 68, 2, 2, true, false, true, {0, 0}, {8, 1}},
    {ETW_KERNEL_FILE_IO, 77, 77, 2, 2, true, false, true, {0, 0}, {0, 1}},
    {ETW_KERNEL_FILE_IO, 64, 64, 3, 255, true, false, true, {0, 0}, {0, 2}},
    {ETW_KERNEL_FILE_IO, 65, 66, 3, 255, true, false, true, {0, 0}, {0, 3}},
    {ETW_KERNEL_FILE_IO, 67, 68, 3, 255, true, false, true, {0, 0}, {8, 3}},
    {ETW_KERNEL_FILE_IO, 69, 71, 3, 255, true, false, true, {0, 0}, {0, 4}},
    {ETW_KERNEL_FILE_IO, 72, 73, 3, 255, true, false, true, {0, 0}, {0, 3}},
    {ETW_KERNEL_FILE_IO, 74, 75, 3, 255, true, false, true, {0, 0}, {0, 4}},
    {ETW_KERNEL_FILE_IO, 77, 77, 3, 255, true, false, true, {0, 0}, {0, 3}},
    {ETW_KERNEL_TCP_IP, ANY, ANY, false, true, false, {0, 0}, {0, 0}},
    {ETW_KERNEL_UDP_IP, ANY, ANY, false, true, false, {0, 0}, {0, 0}},
    {ETW_KERNEL_CONFIG, 15, 15, 2, 255, false, true, false, {0, 0}, {0, 0}},
};

/* Rules of a group stand together. */
static const rule *rule_of(etw_kernel_group group, const etw_event_descriptor *d)
{
    const size_t count = sizeof rules / sizeof rules[0];
    size_t i = 0;
    while (i < count && rules[i].group != group) {
        i++;
    }
    for (; i < count && rules[i].group == group; i++) {
        const rule *r = &rules[i];
        if (d->Opcode >= r->first_opcode && d->Opcode <= r->last_opcode &&
            d->Version >= r->first_version && d->Version <= r->last_version) {
            return r;
        }
    }
    return NULL;
}

static bool load(const etw_event_record *record, uint32_t pointer_size, place from, uint32_t *id)
{
    const size_t at = from.bytes + (size_t)from.pointers * pointer_size;
    if (record->UserDataLength < at + sizeof *id) {
        return false;
    }
    *id = etw_load_u32((const uint8_t *)record->UserData + at);
    return true;
}

static void take_payload(const etw_event_record *record, const etw_trace *trace, etw_owner *owner)
{
    const etw_kernel_group group = etw_kernel_group_of(&record->EventHeader.ProviderId);
    if (group == ETW_KERNEL_OTHER) {
        return;
    }
    const rule *r = rule_of(group, &record->EventHeader.EventDescriptor);
    if (r == NULL || (r->only_without_header && owner->has_thread)) {
        return;
    }
    const uint32_t pointer_size = etw_record_pointer_size(record, trace->pointer_size);
    if (r->has_thread) {
        owner->has_process = false;
        owner->has_thread = load(record, pointer_size, r->thread, &owner->thread_id);
    }
    if (r->has_process) {
        owner->has_process = load(record, pointer_size, r->process, &owner->process_id);
    }
}

void etw_owner_of_payload(const etw_event_record *record, const etw_trace *trace, etw_owner *owner)
{
    const etw_event_header *header = &record->EventHeader;
    *owner = (etw_owner){.has_process = header->ProcessId != NOBODY,
                         .has_thread = header->ThreadId != NOBODY,
                         .process_id = header->ProcessId,
                         .thread_id = header->ThreadId};
    if ((header->Flags & ETW_FLAG_CLASSIC_HEADER) != 0) {
        take_payload(record, trace, owner);
    }
}

/* By the thread, where only that is known. */
static void find_process_id(const etw_state *state, uint16_t host, int64_t time_100ns,
                            etw_owner *owner)
{
    if (!owner->has_process && owner->has_thread) {
        owner->has_process =
            owner->thread_id == 0 ||
            etw_state_thread_at(state, host, owner->thread_id, time_100ns, &owner->process_id);
        owner->process_id = owner->thread_id == 0 ? 0 : owner->process_id;
    }
}

void etw_state_owner(const etw_state *state, const etw_event_record *record, const etw_trace *trace,
                     etw_owner *owner)
{
    const uint16_t host = etw_state_host(state, trace);
    etw_owner_of_payload(record, trace, owner);
    if (host == UINT16_MAX || state->processes.count == 0) {
        return;
    }
    const int64_t time_100ns = etw_clock_to_filetime(&trace->clock, record->EventHeader.TimeStamp);
    find_process_id(state, host, time_100ns, owner);
    if (owner->has_process) {
        owner->process = etw_state_process_at(state, host, owner->process_id, time_100ns);
    }
}

/* When the id is that process', whatever lives it had besides. False: others overlap with it. */
static bool find_reign(const etw_state *state, const etw_state_process *process,
                       int64_t *from_100ns, int64_t *to_100ns)
{
    const etw_state_process *newer =
        etw_life_newest(&state->processes, etw_life_key(process->host, process->process_id));
    *from_100ns = process->start_100ns;
    *to_100ns = process->end_100ns;
    for (uint32_t i = 0; newer != process; i++, newer = newer->older) {
        if (newer == NULL || i == ETW_STATE_MAX_WALK || newer->start_100ns <= *to_100ns) {
            return false;
        }
    }
    return true;
}

bool etw_state_describe_owner(const etw_state *state, etw_owner_memory *memory,
                              const etw_event_record *record, const etw_trace *trace,
                              const etw_event_process **description)
{
    const uint16_t host = etw_state_host(state, trace);
    etw_owner owner;
    etw_owner_of_payload(record, trace, &owner);
    if (host == UINT16_MAX || state->processes.count == 0) {
        return false;
    }
    const int64_t time_100ns = etw_clock_to_filetime(&trace->clock, record->EventHeader.TimeStamp);
    find_process_id(state, host, time_100ns, &owner);
    if (!owner.has_process) {
        return false;
    }
    /* Ids are multiples of 4. */
    etw_kept_owner *kept = &memory->kept[(owner.process_id >> 2 ^ host) % ETW_OWNERS_KEPT];
    const uint64_t key = etw_life_key(host, owner.process_id) + 1;
    *description = &kept->description;
    if (kept->key == key && kept->from_100ns <= time_100ns && time_100ns <= kept->to_100ns) {
        return true;
    }
    const etw_state_process *process =
        etw_state_process_at(state, host, owner.process_id, time_100ns);
    if (process == NULL) {
        return false;
    }
    etw_state_describe(state, process, &kept->description);
    const bool is_kept =
        !memory->is_off && find_reign(state, process, &kept->from_100ns, &kept->to_100ns);
    kept->key = is_kept ? key : 0;
    return true;
}

#define OPCODE_SAMPLE 46u

void etw_state_count(etw_state *state, const etw_event_record *record, const etw_trace *trace)
{
    etw_owner owner;
    etw_state_owner(state, record, trace, &owner);
    if (owner.process == NULL) {
        return;
    }
    /* The state's own: it gives them away as const. */
    etw_state_process *process = (etw_state_process *)(uintptr_t)owner.process;
    process->events++;
    process->samples +=
        record->EventHeader.EventDescriptor.Opcode == OPCODE_SAMPLE &&
                etw_kernel_group_of(&record->EventHeader.ProviderId) == ETW_KERNEL_PERF_INFO
            ? 1
            : 0;
}
