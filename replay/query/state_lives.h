/* How lives are kept; for state.c, state_records.c and owner.c. */
#ifndef ETW_REPLAY_QUERY_STATE_LIVES_H
#define ETW_REPLAY_QUERY_STATE_LIVES_H

#include "format/base/arena.h"
#include "format/base/probe.h"
#include "format/base/table.h"
#include "replay/query/methods.h"
#include "replay/query/state.h"

#define ETW_STATE_MS_100NS INT64_C(10000)
/* Two providers tell of one start or end within this (measured: 1 us). */
#define ETW_STATE_SAME_100NS (ETW_STATE_MS_100NS / 10)
/* Events of a process may come so long before its start or after its end (measured: 3 ms). */
#define ETW_STATE_NEAR_100NS (10 * ETW_STATE_MS_100NS)
/* A thread runs on after its end. */
#define ETW_STATE_GRACE_100NS (1000 * ETW_STATE_MS_100NS)
/* Lives of one id that are looked at, newest first: bounds what a hostile trace costs. */
#define ETW_STATE_MAX_WALK 256u

/* A trace may name any time, and the ends of the range stand for unknown ones: sums and differences
 * end there. */
static inline int64_t etw_time_apart(int64_t later_100ns, int64_t earlier_100ns)
{
    int64_t apart;
    return !__builtin_sub_overflow(later_100ns, earlier_100ns, &apart) ? apart
           : later_100ns < earlier_100ns                               ? INT64_MIN
                                                                       : INT64_MAX;
}
static inline int64_t etw_time_after(int64_t time_100ns, int64_t by_100ns)
{
    int64_t sum;
    return !__builtin_add_overflow(time_100ns, by_100ns, &sum) ? sum
           : by_100ns < 0                                      ? INT64_MIN
                                                               : INT64_MAX;
}

/* Whether a life holds that time; same is narrowed to the times for which this is so. */
static inline bool etw_time_is_within(int64_t time_100ns, int64_t from_100ns, int64_t to_100ns,
                                      etw_time_span *same)
{
    int64_t least = from_100ns, most = to_100ns;
    const bool is_within = from_100ns <= time_100ns && time_100ns <= to_100ns;
    if (!is_within) {
        const bool is_before = time_100ns < from_100ns;
        least = is_before ? INT64_MIN : etw_time_after(to_100ns, 1);
        most = is_before ? etw_time_after(from_100ns, -1) : INT64_MAX;
    }
    same->from_100ns = same->from_100ns > least ? same->from_100ns : least;
    same->to_100ns = same->to_100ns < most ? same->to_100ns : most;
    return is_within;
}

typedef struct etw_thread_life {
    uint32_t thread_id, process_id;
    uint16_t host;
    bool has_end;
    int64_t start_100ns, end_100ns;
    struct etw_thread_life *older; /* with the same id */
} etw_thread_life;

/* An id's newest life, found by host and id. */
typedef struct etw_life_index {
    etw_probe probe;
    void **newest; /* by number in the probe */
    uint64_t *keys;
    uint32_t count, capacity;
} etw_life_index;

/* The images of one process id, by base, lowest first; of equal ones the oldest. */
typedef struct etw_image_list {
    etw_state_image **images;
    uint32_t count, capacity;
} etw_image_list;

struct etw_state {
    int64_t boot_times_100ns[ETW_STATE_MAX_HOSTS]; /* of hosts */
    uint16_t host_count;
    etw_life_index processes, threads, images;
    etw_method_list methods;
    etw_symbols *symbols; /* lent; NULL: none */
    etw_state_process *first_process, *last_process;
    etw_state_image *first_image, *last_image;
    etw_table texts; /* each once */
    etw_arena text_arena, life_arena;
    etw_state_totals totals;
    uint32_t sample_100ns;
    bool has_idle_thread;
    bool is_settled;
    bool is_out_of_memory;
};

static inline uint64_t etw_life_key(uint16_t host, uint32_t id)
{
    return (uint64_t)host << 32 | id;
}

/* NULL where the key has no life. */
void *etw_life_newest(const etw_life_index *index, uint64_t key);
/* Sets it; false where memory is out. */
bool etw_life_put(etw_life_index *index, uint64_t key, void *newest);
void etw_life_index_free(etw_life_index *index);

/* No more will be fed. */
void etw_state_settle(etw_state *state);

/* The text, kept once; "" where room is out, or memory, which is noted. */
const char *etw_state_text(etw_state *state, const char *text, size_t size);

/* What an event says of a process. */
typedef struct etw_process_told {
    uint32_t process_id, parent_id, session_id, exit_status;
    bool has_parent, has_exit_status;
    uint64_t start_key; /* 0: not told */
    const char *name, *path, *command_line, *user;
    const char *service; /* one that runs in it; NULL: not told */
} etw_process_told;

typedef enum etw_life_event { ETW_LIFE_START, ETW_LIFE_END, ETW_LIFE_IS } etw_life_event;

void etw_state_process_told(etw_state *state, uint16_t host, int64_t time_100ns,
                            etw_life_event event, const etw_process_told *told);
void etw_state_thread_told(etw_state *state, uint16_t host, int64_t time_100ns,
                           etw_life_event event, uint32_t thread_id, uint32_t process_id);
/* image: what the event says; host and times are set here. NULL where there is no room. */
etw_state_image *etw_state_image_told(etw_state *state, uint16_t host, int64_t time_100ns,
                                      etw_life_event event, const etw_state_image *told);
/* What an ImageID event says of the image at a base: its PDB. */
void etw_state_image_identified(etw_state *state, uint16_t host, const etw_state_image *told);
uint16_t etw_state_host_of(etw_state *state, const etw_trace *trace);
/* A life's memory, or NULL with what that means noted. */
void *etw_state_new_life(etw_state *state, size_t size, uint64_t count, uint64_t limit);
/* Two providers tell of one start or end. */
bool etw_state_is_same(int64_t a_100ns, int64_t b_100ns);
/* The longer of what is known and what is told, which may be NULL. */
void etw_state_take_text(const char **known, const char *told);

/* The kernel's event classes, by the first 32 bits of their GUIDs. */
typedef enum etw_kernel_group {
    ETW_KERNEL_OTHER,
    ETW_KERNEL_PROCESS,
    ETW_KERNEL_THREAD,
    ETW_KERNEL_IMAGE,
    ETW_KERNEL_IMAGE_ID,
    ETW_KERNEL_PERF_INFO,
    ETW_KERNEL_STACK_WALK,
    ETW_KERNEL_DISK_IO,
    ETW_KERNEL_FILE_IO,
    ETW_KERNEL_PAGE_FAULT,
    ETW_KERNEL_TCP_IP,
    ETW_KERNEL_UDP_IP,
    ETW_KERNEL_CONFIG,
    ETW_KERNEL_PROCESS_PROVIDER,
    ETW_CLR,
    ETW_CLR_PRIVATE,
    ETW_CLR_RUNDOWN
} etw_kernel_group;
etw_kernel_group etw_kernel_group_of(const etw_guid *provider);
/* Whose events etw_state_feed learns from, to that depth; of ETW_STATE_STACKS, etw_stacks_feed,
 * too. */
const etw_guid *etw_state_providers(etw_state_depth depth, uint32_t *count);
/* Whether etw_state_feed learns from an event with that header. */
bool etw_state_wants(etw_state_depth depth, const etw_event_header *header);

/* Whom the payload says a classic event is about; where it says nothing, whoever logged it. */
void etw_owner_of_payload(const etw_event_record *record, const etw_trace *trace, etw_owner *owner);

#endif
