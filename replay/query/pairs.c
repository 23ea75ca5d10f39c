#include "replay/query/pairs.h"

#include "format/base/probe.h"

#include <stdlib.h>

#define HEADS 131072u /* lists of open starts, by hash */
#define NONE  UINT32_MAX

typedef struct pair_key {
    etw_guid provider;
    etw_guid activity; /* or zero */
    uint64_t thread;   /* or 0 */
    uint64_t name;     /* its hash, or the task where there is none */
} pair_key;

/* A start that waits for its stop. */
typedef struct open_start {
    pair_key key;
    int64_t time_100ns;
    uint32_t next; /* in its list, older; or in that of the free ones */
} open_start;

struct etw_pairs {
    etw_pairs_by by;
    etw_seed seed;
    uint32_t *heads;
    open_start *starts;
    uint32_t made; /* of starts, that were used so far */
    uint32_t free;
    etw_pairs_counts counts;
};

etw_pairs *etw_pairs_new(etw_pairs_by by)
{
    etw_pairs *pairs = calloc(1, sizeof *pairs);
    if (pairs == NULL) {
        return NULL;
    }
    pairs->by = by;
    pairs->seed = etw_seed_new();
    pairs->free = NONE;
    pairs->heads = malloc(HEADS * sizeof *pairs->heads);
    pairs->starts = malloc(ETW_PAIRS_MAX_OPEN * sizeof *pairs->starts);
    if (pairs->heads == NULL || pairs->starts == NULL) {
        etw_pairs_free(pairs);
        return NULL;
    }
    memset(pairs->heads, 0xFF, HEADS * sizeof *pairs->heads);
    return pairs;
}

void etw_pairs_free(etw_pairs *pairs)
{
    if (pairs != NULL) {
        free(pairs->heads);
        free(pairs->starts);
        free(pairs);
    }
}

void etw_pairs_get_counts(const etw_pairs *pairs, etw_pairs_counts *counts)
{
    *counts = pairs->counts;
}

/* The name without its last word, which is taken off with a slash before it. */
static size_t without(const char *name, size_t size, const char *word)
{
    const size_t length = strlen(word);
    if (size < length || memcmp(name + size - length, word, length) != 0) {
        return size;
    }
    size -= length;
    return size > 0 && name[size - 1] == '/' ? size - 1 : size;
}

static const etw_name *name_of(const etw_event *event)
{
    const etw_plan *plan = etw_event_plan(event);
    return plan == NULL ? NULL : etw_plan_event_name(plan);
}

static size_t size_of_pair(const etw_name *name)
{
    const size_t size = without(name->utf8, name->utf8_size, "Start");
    return size < name->utf8_size ? size : without(name->utf8, name->utf8_size, "Stop");
}

void etw_pairs_append_name(const etw_event *event, etw_text *text)
{
    const etw_name *name = name_of(event);
    if (name != NULL) {
        etw_text_append(text, name->utf8, size_of_pair(name));
    }
}

static bool ends_with(const etw_name *name, const char *word)
{
    return name != NULL && without(name->utf8, name->utf8_size, word) < name->utf8_size;
}

static bool is_one(const etw_event *event, uint8_t opcode, const char *word)
{
    const uint8_t its = etw_event_record_of(event)->EventHeader.EventDescriptor.Opcode;
    return its == opcode || (its == 0 && ends_with(name_of(event), word));
}

/* False where the event has no activity and only activities are wanted. */
static bool key_of(const etw_pairs *pairs, const etw_event *event, pair_key *key)
{
    const etw_event_header *header = &etw_event_record_of(event)->EventHeader;
    const etw_name *name = name_of(event);
    const bool has_activity = !etw_guid_is_zero(&header->ActivityId);
    memset(key, 0, sizeof *key);
    key->provider = header->ProviderId;
    key->name = name != NULL && name->utf8_size > 0
                    ? etw_hash_bytes(pairs->seed, name->utf8, size_of_pair(name))
                    : header->EventDescriptor.Task;
    if (has_activity && pairs->by != ETW_PAIRS_THREAD) {
        key->activity = header->ActivityId;
    } else {
        key->thread = (uint64_t)header->ProcessId << 32 | header->ThreadId;
    }
    return has_activity || pairs->by != ETW_PAIRS_ACTIVITY;
}

static uint32_t *list_of(etw_pairs *pairs, const pair_key *key)
{
    return &pairs->heads[etw_hash_bytes(pairs->seed, key, sizeof *key) % HEADS];
}

static void open_pair(etw_pairs *pairs, const pair_key *key, int64_t time_100ns)
{
    uint32_t *head = list_of(pairs, key);
    uint32_t at = pairs->free;
    if (at != NONE) {
        pairs->free = pairs->starts[at].next;
    } else if (pairs->made < ETW_PAIRS_MAX_OPEN) {
        at = pairs->made++;
    } else {
        pairs->counts.not_taken++;
        return;
    }
    pairs->starts[at] = (open_start){*key, time_100ns, *head};
    *head = at;
    pairs->counts.lone_starts++;
}

static bool close_pair(etw_pairs *pairs, const pair_key *key, int64_t *time_100ns)
{
    uint32_t *at = list_of(pairs, key);
    while (*at != NONE && memcmp(&pairs->starts[*at].key, key, sizeof *key) != 0) {
        at = &pairs->starts[*at].next;
    }
    const uint32_t found = *at;
    if (found == NONE) {
        pairs->counts.lone_stops++;
        return false;
    }
    *time_100ns = pairs->starts[found].time_100ns;
    *at = pairs->starts[found].next;
    pairs->starts[found].next = pairs->free;
    pairs->free = found;
    pairs->counts.lone_starts--;
    pairs->counts.pairs++;
    return true;
}

bool etw_pairs_take(etw_pairs *pairs, const etw_event *event, int64_t *duration_100ns)
{
    pair_key key;
    int64_t start_100ns;
    const int64_t time_100ns = etw_event_time_100ns(event);
    const bool is_start = is_one(event, 1, "Start");
    if ((!is_start && !is_one(event, 2, "Stop")) || !key_of(pairs, event, &key)) {
        return false;
    }
    if (is_start) {
        open_pair(pairs, &key, time_100ns);
        return false;
    }
    return close_pair(pairs, &key, &start_100ns) &&
           !__builtin_sub_overflow(time_100ns, start_100ns, duration_100ns);
}
