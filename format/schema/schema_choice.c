#include "format/schema/schema_choice.h"

#include "format/base/arena.h"
#include "format/base/table.h"
#include "format/event/render/plan.h"

#include <stdlib.h>

/* Level, opcode and task are in the key because schemas name them. */
typedef struct trial_key {
    etw_guid provider;
    uint16_t id;
    uint16_t flags;
    uint16_t task;
    uint8_t version;
    uint8_t level;
    uint8_t opcode;
    uint8_t pointer_size;
    uint16_t unused;
    uint32_t build;
} trial_key;

struct etw_schema_trial {
    trial_key key;
    etw_candidates found;
    uint32_t seen;
    uint32_t fitted[ETW_SCHEMA_MAX_CANDIDATES]; /* how often */
};

struct etw_schema_choices {
    etw_arena arena;
    etw_table trials; /* trial_key -> etw_schema_trial */
    etw_table chosen; /* const etw_schema * -> etw_schema_trial */
    etw_plan_cache *plans;
};

void etw_candidates_add(etw_candidates *to, const etw_candidate *candidate)
{
    for (uint32_t i = 0; i < to->count; i++) {
        if (to->items[i].schema == candidate->schema) {
            to->items[i].is_own |= candidate->is_own;
            return;
        }
    }
    if (to->count == ETW_SCHEMA_MAX_CANDIDATES) {
        to->left_out++;
        return;
    }
    to->items[to->count++] = *candidate;
}

etw_schema_choices *etw_schema_choices_new(void)
{
    etw_schema_choices *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->plans = etw_plan_cache_new();
    if (self->plans == NULL) {
        free(self);
        return NULL;
    }
    return self;
}

static void forget(etw_schema_choices *self)
{
    etw_table_free(&self->trials);
    etw_table_free(&self->chosen);
    etw_arena_free(&self->arena);
}

void etw_schema_choices_free(etw_schema_choices *choices)
{
    if (choices != NULL) {
        forget(choices);
        etw_plan_cache_free(choices->plans);
        free(choices);
    }
}

static trial_key key_of(const etw_event_record *record, uint32_t pointer_size, uint32_t build)
{
    const etw_event_header *header = &record->EventHeader;
    const etw_event_descriptor *seen = &header->EventDescriptor;
    const uint16_t forms = ETW_FLAG_CLASSIC_HEADER | ETW_FLAG_TRACE_MESSAGE;
    return (trial_key){.provider = header->ProviderId,
                       .id = seen->Id,
                       .flags = header->Flags & forms,
                       .task = seen->Task,
                       .version = seen->Version,
                       .level = seen->Level,
                       .opcode = seen->Opcode,
                       .pointer_size = (uint8_t)pointer_size,
                       .build = build};
}

etw_schema_trial *etw_schema_choices_get(etw_schema_choices *choices,
                                         const etw_event_record *record, uint32_t pointer_size,
                                         uint32_t build)
{
    const trial_key key = key_of(record, pointer_size, build);
    return etw_table_get(&choices->trials, &key, sizeof key);
}

etw_schema_trial *etw_schema_choices_put(etw_schema_choices *choices,
                                         const etw_event_record *record, uint32_t pointer_size,
                                         uint32_t build, const etw_candidates *candidates)
{
    if (choices->trials.probe.used >= ETW_SCHEMA_MAX_CHOICES) {
        forget(choices);
    }
    etw_schema_trial *added = etw_arena_alloc(&choices->arena, sizeof *added);
    if (added == NULL) {
        return NULL;
    }
    added->key = key_of(record, pointer_size, build);
    added->found = *candidates;
    bool kept = etw_table_set(&choices->trials, &added->key, sizeof added->key, added);
    for (uint32_t i = 0; i < candidates->count && kept; i++) {
        const etw_schema **key = (const etw_schema **)&added->found.items[i].schema;
        kept = etw_table_set(&choices->chosen, key, sizeof *key, added);
    }
    return kept ? added : NULL;
}

/* Whether the definition consumes the payload to its last byte. */
static bool fits(etw_schema_choices *self, const etw_schema *schema, const etw_event_record *record,
                 uint32_t pointer_size)
{
    static const etw_visitor nothing = {0};
    etw_walk_end end;
    const etw_plan *plan = etw_plan_cache_get(self->plans, schema, NULL);
    if (plan == NULL) {
        return false;
    }
    return etw_plan_walk(plan, record, pointer_size, &nothing, NULL, &end) == ETW_OK &&
           !end.short_payload && end.reason == NULL && end.left_bytes == 0;
}

/* Whether candidate a goes before b; fitted: this event, by place. */
static bool is_better(const etw_schema_trial *trial, const bool *fitted, uint32_t a, uint32_t b)
{
    const etw_candidate *items = trial->found.items;
    const bool proven_a = items[a].is_own && trial->fitted[a] > 0;
    const bool proven_b = items[b].is_own && trial->fitted[b] > 0;
    if (proven_a != proven_b) {
        return proven_a;
    }
    if (fitted[a] != fitted[b]) {
        return fitted[a];
    }
    if (items[a].is_own != items[b].is_own) {
        return items[a].is_own;
    }
    return trial->fitted[a] > trial->fitted[b];
}

static uint32_t best_of(const etw_schema_trial *trial, const bool *fitted)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < trial->found.count; i++) {
        best = is_better(trial, fitted, i, best) ? i : best;
    }
    return best;
}

/* The place of the candidate for this record. */
static uint32_t choose(etw_schema_choices *choices, etw_schema_trial *trial,
                       const etw_event_record *record, bool *is_final)
{
    const uint32_t pointer_size = trial->key.pointer_size;
    const etw_candidate *items = trial->found.items;
    bool fitted[ETW_SCHEMA_MAX_CANDIDATES] = {false};
    *is_final = trial->found.count < 2;
    if (*is_final) {
        return 0;
    }
    if (trial->seen >= ETW_SCHEMA_TRIALS) {
        const uint32_t usual = best_of(trial, fitted);
        *is_final = items[usual].is_own && trial->fitted[usual] > 0;
        if (*is_final || fits(choices, items[usual].schema, record, pointer_size)) {
            return usual;
        }
    }
    trial->seen += trial->seen < ETW_SCHEMA_TRIALS;
    for (uint32_t i = 0; i < trial->found.count; i++) {
        fitted[i] = fits(choices, items[i].schema, record, pointer_size);
        trial->fitted[i] += fitted[i];
    }
    return best_of(trial, fitted);
}

const etw_schema *etw_schema_choose(etw_schema_choices *choices, etw_schema_trial *trial,
                                    const etw_event_record *record, bool *is_final)
{
    etw_candidate *chosen = &trial->found.items[choose(choices, trial, record, is_final)];
    chosen->was_chosen = true;
    return chosen->schema;
}

const etw_candidates *etw_schema_choices_of(const etw_schema_choices *choices,
                                            const etw_schema *schema, uint32_t *place)
{
    const etw_schema_trial *trial = etw_table_get(&choices->chosen, &schema, sizeof schema);
    for (*place = 0; trial != NULL && *place < trial->found.count; ++*place) {
        if (trial->found.items[*place].schema == schema) {
            return &trial->found;
        }
    }
    return NULL;
}
