#include "replay/query/stacks.h"

#include "replay/query/stack_entries.h"
#include "replay/query/state_lives.h"

#include <stdlib.h>

enum { OPCODE_STACK = 32, OPCODE_KEY_DELETE = 35, OPCODE_KEY_RUNDOWN = 36 };
enum { OPCODE_KERNEL_KEY = 37, OPCODE_USER_KEY = 38 };
#define ID_CLR_STACK_WALK    82u
#define ID_CLR_PRIVATE_STACK 151u
#define USER_SPACE_END_64    UINT64_C(0x800000000000)
#define USER_SPACE_END_32    UINT64_C(0x80000000)

typedef etw_stack_frames frames;
typedef etw_stack_entry entry;
typedef etw_stack_event key;

/* An entry that has no user part yet. */
typedef struct waiting {
    entry *entry;
    struct waiting *next; /* the thread's next older one */
    uint32_t epoch;       /* at which it began to wait */
} waiting;

typedef struct thread {
    uint32_t thread_id;
    bool has_clr_event;
    uint32_t clr_process_id;
    int64_t clr_ticks;
    waiting *waiting; /* newest first */
} thread;

/* What was logged in one stretch of the trace. It points to itself and to later ones, never back.
 */
typedef struct generation {
    etw_stack_entries entries;
    etw_table frames; /* addresses -> frames */
    etw_arena arena;  /* of frames */
    uint32_t number;
    int64_t end_100ns; /* when the next one begins, once it does */
} generation;

struct etw_stacks {
    generation generations[ETW_STACKS_GENERATIONS]; /* oldest first */
    uint32_t generation_count;
    etw_stacks_limits limits;
    etw_stack_keys keys;
    etw_table ahead;         /* addresses -> frames that keys stand for, told ahead */
    etw_arena ahead_arena;   /* of these */
    etw_table threads;       /* thread id -> thread */
    etw_arena threads_arena; /* of these, and of what waits */
    waiting *spare;
    uint32_t epoch;
    etw_stack_failures failures;
    uint64_t scratch[ETW_STACKS_MAX_DEPTH];
};

static generation *newest(etw_stacks *stacks)
{
    return &stacks->generations[stacks->generation_count - 1];
}

static bool is_clr(etw_kernel_group group)
{
    return group == ETW_CLR || group == ETW_CLR_PRIVATE;
}

static bool is_clr_stack(const etw_event_header *header)
{
    const bool is_private = etw_kernel_group_of(&header->ProviderId) == ETW_CLR_PRIVATE;
    return header->EventDescriptor.Id == (is_private ? ID_CLR_PRIVATE_STACK : ID_CLR_STACK_WALK);
}

/* What one event may take: an entry or two, and frames. */
#define MOST_ENTRIES 2u
#define MOST_BYTES   (sizeof(frames) + ETW_STACKS_MAX_DEPTH * sizeof(uint64_t) + 1024)

static bool generation_is_full(const etw_stacks *stacks, const generation *g)
{
    return g->entries.count + MOST_ENTRIES > stacks->limits.stacks ||
           etw_arena_full(&g->arena, MOST_BYTES);
}

static void begin_generation(etw_stacks *stacks)
{
    const uint32_t number = stacks->generation_count == 0 ? 0 : newest(stacks)->number + 1;
    stacks->generation_count++;
    *newest(stacks) = (generation){
        .arena = {.limit_bytes = stacks->limits.bytes}, .number = number, .end_100ns = INT64_MAX};
}

static void free_generation(generation *g)
{
    etw_stack_entries_free(&g->entries);
    etw_table_free(&g->frames);
    etw_arena_free(&g->arena);
}

etw_stacks *etw_stacks_new(const etw_stacks_limits *limits)
{
    etw_stacks *stacks = calloc(1, sizeof *stacks);
    if (stacks != NULL) {
        stacks->limits = limits == NULL ? (etw_stacks_limits){0} : *limits;
        stacks->limits.stacks = stacks->limits.stacks == 0 ? ETW_STACKS_MAX : stacks->limits.stacks;
        stacks->limits.bytes =
            stacks->limits.bytes == 0 ? ETW_STACKS_MAX_BYTES : stacks->limits.bytes;
        const size_t shared_bytes = ETW_STACKS_MAX_SHARES * stacks->limits.bytes;
        stacks->threads_arena.limit_bytes = shared_bytes;
        stacks->ahead_arena.limit_bytes = shared_bytes;
        stacks->keys.arena.limit_bytes = shared_bytes;
        stacks->keys.failures = &stacks->failures;
        begin_generation(stacks);
    }
    return stacks;
}

void etw_stacks_free(etw_stacks *stacks)
{
    if (stacks == NULL) {
        return;
    }
    for (uint32_t i = 0; i < stacks->generation_count; i++) {
        free_generation(&stacks->generations[i]);
    }
    etw_stack_keys_free(&stacks->keys);
    etw_table_free(&stacks->ahead);
    etw_arena_free(&stacks->ahead_arena);
    etw_table_free(&stacks->threads);
    etw_arena_free(&stacks->threads_arena);
    free(stacks);
}

/* Frames. */

/* The addresses that are left, those at the end without the zeros there, into scratch. */
static size_t read_addresses(etw_stacks *stacks, etw_cursor *cursor, uint32_t pointer_size)
{
    size_t count = etw_cursor_left(cursor) / pointer_size;
    count = count < ETW_STACKS_MAX_DEPTH ? count : ETW_STACKS_MAX_DEPTH;
    for (size_t i = 0; i < count; i++) {
        stacks->scratch[i] = pointer_size == 8 ? etw_cursor_u64(cursor) : etw_cursor_u32(cursor);
    }
    while (count > 0 && stacks->scratch[count - 1] == 0) {
        count--;
    }
    return count;
}

static uint64_t user_space_end(uint32_t pointer_size)
{
    return pointer_size == 8 ? USER_SPACE_END_64 : USER_SPACE_END_32;
}

/* The addresses of scratch, kept once. NULL: there are none, or there is no room. */
static const frames *keep_frames(etw_stacks *stacks, size_t count, uint32_t pointer_size,
                                 etw_table *table, etw_arena *arena)
{
    const size_t size = count * sizeof *stacks->scratch;
    const frames *known = count == 0 ? NULL : etw_table_get(table, stacks->scratch, size);
    if (known != NULL || count == 0) {
        return known;
    }
    frames *kept = etw_stack_allocate(&stacks->failures, arena, sizeof *kept + size);
    if (kept == NULL) {
        return NULL;
    }
    kept->count = (uint32_t)count;
    kept->is_kernel = stacks->scratch[count - 1] >= user_space_end(pointer_size);
    memcpy(kept->addresses, stacks->scratch, size);
    etw_stack_set(&stacks->failures, table, kept->addresses, size, kept);
    return kept;
}

static const frames *take_frames(etw_stacks *stacks, etw_cursor *cursor, uint32_t pointer_size)
{
    generation *g = newest(stacks);
    const size_t count = read_addresses(stacks, cursor, pointer_size);
    return keep_frames(stacks, count, pointer_size, &g->frames, &g->arena);
}

/* Entries. */

static key key_of(int64_t ticks, uint32_t thread_id, uint16_t processor, etw_stack_domain of)
{
    return (key){ticks, thread_id, thread_id == 0 ? processor : 0, (uint16_t)of};
}

static entry *find_entry(etw_stacks *stacks, const key *wanted)
{
    entry *found = NULL;
    for (uint32_t i = 0; found == NULL && i < stacks->generation_count; i++) {
        found = etw_stack_entries_find(&stacks->generations[i].entries, wanted);
    }
    return found;
}

static entry *entry_for(etw_stacks *stacks, key wanted, uint32_t process_id)
{
    generation *g = newest(stacks);
    entry *e = find_entry(stacks, &wanted);
    if (e != NULL) {
        return e;
    }
    if (g->entries.count >= stacks->limits.stacks) {
        stacks->failures.dropped++;
        return NULL;
    }
    e = etw_stack_entries_add(&g->entries, &wanted);
    if (e == NULL) {
        stacks->failures.is_out_of_memory = true;
        return NULL;
    }
    e->process_id = process_id;
    e->generation = g->number & 0x7FFFFFFFu; /* generations are few */
    return e;
}

static thread *thread_for(etw_stacks *stacks, uint32_t thread_id)
{
    thread *t = etw_table_get(&stacks->threads, &thread_id, sizeof thread_id);
    if (t == NULL) {
        t = etw_stack_allocate(&stacks->failures, &stacks->threads_arena, sizeof *t);
        if (t != NULL) {
            t->thread_id = thread_id;
            etw_stack_set(&stacks->failures, &stacks->threads, &t->thread_id, sizeof t->thread_id,
                          t);
        }
    }
    return t;
}

static waiting *new_waiting(etw_stacks *stacks)
{
    waiting *w = stacks->spare;
    if (w == NULL) {
        return etw_stack_allocate(&stacks->failures, &stacks->threads_arena, sizeof *w);
    }
    stacks->spare = w->next;
    return w;
}

/* The next one. */
static waiting *free_waiting(etw_stacks *stacks, waiting *w)
{
    waiting *next = w->next;
    w->next = stacks->spare;
    stacks->spare = w;
    return next;
}

/* The processes Idle and System have no user part. */
static void wait_for_user_part(etw_stacks *stacks, entry *e)
{
    thread *t =
        e->process_id == 0 || e->process_id == 4 ? NULL : thread_for(stacks, e->event.thread_id);
    if (t == NULL || e->parts[ETW_STACK_USER] != NULL || e->is_waiting) {
        return;
    }
    waiting *w = new_waiting(stacks);
    if (w != NULL) {
        *w = (waiting){.entry = e, .next = t->waiting, .epoch = stacks->epoch};
        t->waiting = w;
        e->is_waiting = true;
    }
}

/* A user part: of its own event, and of all that the thread logged since in the same stay. Keys are
 * not yet known then: refer is called instead of setting frames. */
static void serve(etw_stacks *stacks, entry *own,
                  void (*give)(etw_stacks *stacks, entry *to, const void *what), const void *what,
                  bool is_shared)
{
    const uint32_t thread_id = own->event.thread_id;
    thread *t = etw_table_get(&stacks->threads, &thread_id, sizeof thread_id);
    give(stacks, own, what);
    for (waiting *w = t == NULL ? NULL : t->waiting; w != NULL; w = free_waiting(stacks, w)) {
        entry *e = w->entry;
        e->is_waiting = false;
        if (is_shared && e != own && w->epoch == stacks->epoch &&
            e->event.ticks >= own->event.ticks) {
            give(stacks, e, what);
        }
    }
    if (t != NULL) {
        t->waiting = NULL; /* older ones belong to a stay that ended without one */
    }
}

static void give_frames(etw_stacks *stacks, entry *to, const void *what)
{
    (void)stacks;
    to->parts[ETW_STACK_USER] = what;
}

static void give_key(etw_stacks *stacks, entry *to, const void *what)
{
    const uint64_t *of = what;
    etw_stack_keys_refer(&stacks->keys, *of, ETW_STACK_USER, &to->parts[ETW_STACK_USER],
                         to->generation);
}

/* Events. */

static void feed_key(etw_stacks *stacks, entry *e, uint64_t of, etw_stack_part part)
{
    if (part == ETW_STACK_KERNEL) {
        etw_stack_keys_refer(&stacks->keys, of, part, &e->parts[part], e->generation);
        wait_for_user_part(stacks, e);
    } else {
        serve(stacks, e, give_key, &of, true);
    }
}

static void feed_frames(etw_stacks *stacks, entry *e, const frames *as, bool begins_in_kernel)
{
    if (as->is_kernel) {
        e->parts[ETW_STACK_KERNEL] = as;
        wait_for_user_part(stacks, e);
    } else {
        serve(stacks, e, give_frames, as, !begins_in_kernel);
    }
}

static uint64_t read_key(etw_cursor *cursor, uint32_t pointer_size)
{
    return pointer_size == 8 ? etw_cursor_u64(cursor) : etw_cursor_u32(cursor);
}

static bool is_definition(uint8_t opcode)
{
    return opcode == OPCODE_KEY_DELETE || opcode == OPCODE_KEY_RUNDOWN;
}

static void feed_definition(etw_stacks *stacks, etw_cursor *cursor, uint32_t pointer_size)
{
    const uint64_t of = read_key(cursor, pointer_size);
    if (!cursor->failed) {
        const bool waits = etw_stack_keys_waits(&stacks->keys, of);
        etw_stack_keys_define(&stacks->keys, of,
                              waits ? take_frames(stacks, cursor, pointer_size) : NULL);
    }
}

static void feed_stack_walk(etw_stacks *stacks, const etw_event_record *record,
                            uint32_t pointer_size)
{
    etw_cursor cursor = etw_cursor_over(etw_record_user_data(record));
    const uint8_t opcode = record->EventHeader.EventDescriptor.Opcode;
    if (is_definition(opcode)) {
        feed_definition(stacks, &cursor, pointer_size);
        return;
    }
    if (opcode != OPCODE_STACK && opcode != OPCODE_KERNEL_KEY && opcode != OPCODE_USER_KEY) {
        return;
    }
    const int64_t ticks = (int64_t)etw_cursor_u64(&cursor);
    const uint32_t process_id = etw_cursor_u32(&cursor), thread_id = etw_cursor_u32(&cursor);
    if (cursor.failed) {
        return;
    }
    entry *e =
        entry_for(stacks, key_of(ticks, thread_id, etw_record_processor(record), ETW_STACK_CLASSIC),
                  process_id);
    if (e == NULL) {
        return;
    }
    if (opcode != OPCODE_STACK) {
        const uint64_t of = read_key(&cursor, pointer_size);
        if (!cursor.failed) {
            feed_key(stacks, e, of,
                     opcode == OPCODE_KERNEL_KEY ? ETW_STACK_KERNEL : ETW_STACK_USER);
        }
        return;
    }
    const frames *as = take_frames(stacks, &cursor, pointer_size);
    if (as != NULL) {
        feed_frames(stacks, e, as, as->addresses[0] >= user_space_end(pointer_size));
    }
}

/* u16 runtime, two bytes, u32 count, addresses. */
static void feed_clr_stack(etw_stacks *stacks, const etw_event_record *record, thread *t,
                           uint32_t pointer_size)
{
    etw_cursor cursor = etw_cursor_over(etw_record_user_data(record));
    (void)etw_cursor_take(&cursor, 8);
    const frames *as = cursor.failed ? NULL : take_frames(stacks, &cursor, pointer_size);
    const etw_event_header *header = &record->EventHeader;
    if (as == NULL) {
        return;
    }
    entry *own =
        entry_for(stacks, key_of(header->TimeStamp, header->ThreadId, 0, ETW_STACK_CLR_STACK),
                  header->ProcessId);
    if (own != NULL) {
        own->parts[ETW_STACK_USER] = as;
    }
    if (!t->has_clr_event || t->clr_process_id != header->ProcessId) {
        return;
    }
    t->has_clr_event = false; /* a second stack is not this event's */
    entry *e = entry_for(stacks, key_of(t->clr_ticks, header->ThreadId, 0, ETW_STACK_CLR),
                         header->ProcessId);
    if (e != NULL) {
        e->parts[ETW_STACK_USER] = as;
    }
}

static void feed_clr(etw_stacks *stacks, const etw_event_record *record, uint32_t pointer_size)
{
    const etw_event_header *header = &record->EventHeader;
    thread *t = thread_for(stacks, header->ThreadId);
    if (t == NULL) {
        return;
    }
    if (is_clr_stack(header)) {
        feed_clr_stack(stacks, record, t, pointer_size);
        return;
    }
    t->has_clr_event = true;
    t->clr_process_id = header->ProcessId;
    t->clr_ticks = header->TimeStamp;
}

/* The next event goes to a new generation where this one may have no room for it. */
static void make_room(etw_stacks *stacks, const etw_event_record *record, const etw_trace *trace)
{
    generation *g = newest(stacks);
    if (stacks->generation_count < ETW_STACKS_GENERATIONS && generation_is_full(stacks, g)) {
        g->end_100ns = etw_clock_to_filetime(&trace->clock, record->EventHeader.TimeStamp);
        begin_generation(stacks);
    }
}

bool etw_stacks_feed(etw_stacks *stacks, const etw_event_record *record, const etw_trace *trace)
{
    const etw_event_header *header = &record->EventHeader;
    const bool is_classic = (header->Flags & ETW_FLAG_CLASSIC_HEADER) != 0;
    const uint32_t pointer_size = etw_record_pointer_size(record, trace->pointer_size);
    const etw_kernel_group group = etw_kernel_group_of(&header->ProviderId);
    make_room(stacks, record, trace);
    if (is_classic && group == ETW_KERNEL_STACK_WALK) {
        feed_stack_walk(stacks, record, pointer_size);
    } else if (!is_classic && is_clr(group)) {
        feed_clr(stacks, record, pointer_size);
    }
    return !stacks->failures.is_out_of_memory;
}

bool etw_stacks_wants_ahead(const etw_event_header *header)
{
    return (header->Flags & ETW_FLAG_CLASSIC_HEADER) != 0 &&
           is_definition(header->EventDescriptor.Opcode) &&
           etw_kernel_group_of(&header->ProviderId) == ETW_KERNEL_STACK_WALK;
}

bool etw_stacks_tell_ahead(etw_stacks *stacks, const etw_event_record *record,
                           const etw_trace *trace)
{
    if (!etw_stacks_wants_ahead(&record->EventHeader)) {
        return true;
    }
    etw_cursor cursor = etw_cursor_over(etw_record_user_data(record));
    const uint32_t pointer_size = etw_record_pointer_size(record, trace->pointer_size);
    const uint64_t of = read_key(&cursor, pointer_size);
    if (!cursor.failed) {
        const size_t count = read_addresses(stacks, &cursor, pointer_size);
        const bool has_room = !etw_arena_full(&stacks->ahead_arena, MOST_BYTES);
        etw_stack_keys_tell_ahead(&stacks->keys, of,
                                  has_room ? keep_frames(stacks, count, pointer_size,
                                                         &stacks->ahead, &stacks->ahead_arena)
                                           : NULL);
    }
    return !stacks->failures.is_out_of_memory;
}

void etw_stacks_told_ahead(etw_stacks *stacks)
{
    etw_stack_keys_settle(&stacks->keys);
}

void etw_stacks_lost(etw_stacks *stacks)
{
    stacks->epoch++;
}

/* Forgetting. */

bool etw_stacks_is_full(const etw_stacks *stacks)
{
    return stacks->generation_count == ETW_STACKS_GENERATIONS &&
           generation_is_full(stacks, &stacks->generations[ETW_STACKS_GENERATIONS - 1]);
}

/* How much of a span has passed at that time, from 0 to 1. */
static double part_of(int64_t from_100ns, int64_t to_100ns, int64_t time_100ns)
{
    return time_100ns >= to_100ns     ? 1
           : time_100ns <= from_100ns ? 0
                                      : ((double)time_100ns - (double)from_100ns) /
                                            ((double)to_100ns - (double)from_100ns);
}

/* The newest is filled twice as fast as the second passes. */
bool etw_stacks_is_behind(const etw_stacks *stacks, int64_t time_100ns)
{
    const generation *all = stacks->generations;
    if (stacks->generation_count < ETW_STACKS_GENERATIONS) {
        return true;
    }
    const double passed = part_of(all[0].end_100ns, all[1].end_100ns, time_100ns);
    return !etw_stacks_is_full(stacks) &&
           all[ETW_STACKS_GENERATIONS - 1].entries.count < 2 * passed * stacks->limits.stacks;
}

static void stop_waiting(etw_stacks *stacks, uint32_t number)
{
    for (uint32_t i = 0; i < stacks->threads.probe.used; i++) {
        thread *t = stacks->threads.entries[i].value;
        for (waiting **at = &t->waiting; *at != NULL;) {
            if ((*at)->entry->generation <= number) {
                *at = free_waiting(stacks, *at);
            } else {
                at = &(*at)->next;
            }
        }
    }
}

bool etw_stacks_has_passed(const etw_stacks *stacks, int64_t time_100ns)
{
    return stacks->generation_count == ETW_STACKS_GENERATIONS &&
           stacks->generations[1].end_100ns < time_100ns;
}

bool etw_stacks_forget(etw_stacks *stacks, int64_t time_100ns)
{
    generation *oldest = &stacks->generations[0];
    if (!etw_stacks_has_passed(stacks, time_100ns)) {
        return false;
    }
    stop_waiting(stacks, oldest->number);
    etw_stack_keys_forget(&stacks->keys, oldest->number);
    free_generation(oldest);
    stacks->generation_count--;
    memmove(oldest, oldest + 1, stacks->generation_count * sizeof *oldest);
    return true;
}

/* Finding. */

/* Events of the kernel that can share a stack's time and thread by chance, and never have one: what
 * a merge adds, and disk transfers that are complete (their beginning has the stack). */
static bool may_have_stack(const etw_event_record *record)
{
    const uint8_t opcode = record->EventHeader.EventDescriptor.Opcode;
    switch (etw_kernel_group_of(&record->EventHeader.ProviderId)) {
    case ETW_KERNEL_IMAGE_ID:
    case ETW_KERNEL_STACK_WALK:
    case ETW_KERNEL_CONFIG:
        return false;
    case ETW_KERNEL_DISK_IO:
        return opcode != 10 && opcode != 11 && opcode != 14;
    default:
        return true;
    }
}

static const entry *find(etw_stacks *stacks, const etw_event_record *record, uint32_t thread_id,
                         etw_stack_domain of)
{
    const key wanted =
        key_of(record->EventHeader.TimeStamp, thread_id, etw_record_processor(record), of);
    return find_entry(stacks, &wanted);
}

static const entry *find_any(etw_stacks *stacks, const etw_event_record *record,
                             const etw_trace *trace)
{
    const etw_event_header *header = &record->EventHeader;
    const bool is_classic = (header->Flags & ETW_FLAG_CLASSIC_HEADER) != 0;
    if (!is_classic) {
        return !is_clr(etw_kernel_group_of(&header->ProviderId))
                   ? NULL
                   : find(stacks, record, header->ThreadId,
                          is_clr_stack(header) ? ETW_STACK_CLR_STACK : ETW_STACK_CLR);
    }
    if (!may_have_stack(record)) {
        return NULL;
    }
    const entry *e = find(stacks, record, header->ThreadId, ETW_STACK_CLASSIC);
    etw_owner owner;
    if (e != NULL) {
        return e;
    }
    etw_owner_of_payload(record, trace, &owner);
    if (owner.has_thread && owner.thread_id != header->ThreadId) {
        e = find(stacks, record, owner.thread_id, ETW_STACK_CLASSIC);
    }
    return e;
}

bool etw_stacks_find(etw_stacks *stacks, const etw_event_record *record, const etw_trace *trace,
                     etw_event_stack *stack)
{
    const bool is_empty =
        stacks->generation_count == 1 && stacks->generations[0].entries.count == 0;
    const entry *e = is_empty ? NULL : find_any(stacks, record, trace);
    if (e == NULL || (e->parts[ETW_STACK_KERNEL] == NULL && e->parts[ETW_STACK_USER] == NULL)) {
        return false;
    }
    const frames *kernel = e->parts[ETW_STACK_KERNEL], *user = e->parts[ETW_STACK_USER];
    *stack = (etw_event_stack){.process_id = e->process_id,
                               .kernel = kernel == NULL ? NULL : kernel->addresses,
                               .kernel_count = kernel == NULL ? 0 : kernel->count,
                               .user = user == NULL ? NULL : user->addresses,
                               .user_count = user == NULL ? 0 : user->count};
    return true;
}

uint64_t etw_stacks_dropped(const etw_stacks *stacks)
{
    return stacks->failures.dropped;
}
