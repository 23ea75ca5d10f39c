#include "format/schema/resolver.h"

#include "format/base/arena.h"
#include "format/base/probe.h"
#include "format/schema/classic.h"
#include "format/schema/eventsource.h"
#include "format/schema/metadata_event.h"
#include "format/schema/mof.h"
#include "format/schema/provider_names.h"
#include "format/schema/schema_file.h"
#include "format/schema/schema_files.h"
#include "format/schema/tracelogging.h"
#include "format/schema/wpp_files.h"

#include <stdlib.h>

#define MAX_SOURCES 64u
#define FIRST_SLOTS 1024u /* most traces have a hundred keys: few then share a place */

/* What tells events apart (SCHEMAS.md, "Keys"). rest: of TraceLogging the hash of its metadata,
 * else id, version, level, opcode and task; kind: see key_kind. */
typedef struct key {
    uint64_t guid[2];
    uint64_t rest;
    uint64_t kind;
} key;

/* The bits of key.kind; the pointer size (4 or 8) is added to them. */
enum { KEY_CLASSIC = 0x100, KEY_TRACELOGGING = 0x200, KEY_MESSAGE = 0x400 };

typedef struct slot {
    key key;
    const etw_schema *schema; /* NULL: nothing explains these events */
    const uint8_t *exact;     /* of TraceLogging: traits and metadata, as two hashes may be equal */
    uint32_t exact_size;
    uint32_t learnt; /* what the sources knew when they answered; 0: the slot is empty */
} slot;

struct etw_resolver {
    etw_schema_store *store;
    etw_schema_source *sources[MAX_SOURCES]; /* in the order in which they are asked */
    uint32_t source_count;
    etw_schema_source *observers[MAX_SOURCES]; /* those of them that observe */
    uint32_t observer_count;
    uint32_t last_count;              /* of sources at the end: MOF files */
    uint32_t learnt;                  /* from 1; counts what the sources learnt */
    const etw_schema_source *varying; /* the one that tells variants apart; NULL: none needs to */
    slot *slots;
    uint32_t slot_count; /* a power of two */
    uint32_t used;
    etw_arena exact;
    etw_seed seed; /* no trace can be made whose keys all collide */
    uint32_t build;
    uint64_t error_count;
    etw_error first_error;
};

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for finding schemas");
}

/* Damage and limits are counted and lived with; only lack of memory is handed on. */
static etw_status note_error(etw_resolver *self, const etw_error *failure, const char *source,
                             etw_error *error)
{
    self->error_count++;
    if (self->first_error.status == ETW_OK) {
        self->first_error = *failure;
        (void)etw_error_wrap(&self->first_error, failure->status, "%s", source);
    }
    return failure->status == ETW_ERROR_NO_MEMORY ? no_memory(error) : ETW_OK;
}

static void note_observer(etw_resolver *self, etw_schema_source *source)
{
    if (source->observe != NULL) {
        self->observers[self->observer_count++] = source;
    }
}

static etw_status add_built_in(etw_resolver *self, etw_schema_source *source, etw_error *error)
{
    if (source == NULL) {
        return no_memory(error);
    }
    self->sources[self->source_count++] = source;
    note_observer(self, source);
    return ETW_OK;
}

/* What the user's files go to that hold no manifests. */
typedef struct given {
    etw_schema_store *store;
    etw_wpp_set *formats;
    etw_wpp_files *format_files;
    etw_mof_set *classes;
} given;

static bool postpone(void *context, const char *path)
{
    return etw_wpp_files_add(((given *)context)->format_files, path);
}

static etw_status take_file(void *context, const char *path, etw_bytes content, etw_error *error)
{
    const given *to = context;
    if (etw_schema_file_ends_with(path, ".tmf")) {
        return etw_wpp_set_add_tmf(to->formats, content, to->store, NULL, error);
    }
    if (etw_schema_file_ends_with(path, ".pdb")) {
        return etw_wpp_set_add_pdb(to->formats, content, to->store, NULL, error);
    }
    return etw_mof_set_add(to->classes, content, to->store, error);
}

static etw_status read_given(given *to, const etw_resolver_options *options,
                             etw_schema_source **manifests, etw_error *error)
{
    static const char *const endings[] = {".tmf", ".pdb", ".mof", NULL};
    const etw_schema_taker others = {endings, postpone, take_file, to};
    *manifests = NULL;
    return to->formats == NULL || to->format_files == NULL || to->classes == NULL
               ? no_memory(error)
               : etw_schema_files_new(options, &others, to->store, manifests, error);
}

/* Two sources that are asked last; NULL where there are no files. */
typedef struct last_sources {
    etw_schema_source *files;
    etw_schema_source *classes; /* MOF */
} last_sources;

static etw_status add_given(etw_resolver *self, const etw_resolver_options *options,
                            last_sources *last, etw_error *error)
{
    if (options->manifest_path_count == 0 && !options->use_defaults) {
        return ETW_OK;
    }
    given to = {.store = self->store,
                .formats = etw_wpp_set_new(ETW_WPP_MAX_BYTES),
                .format_files = etw_wpp_files_new(options->os),
                .classes = etw_mof_set_new(ETW_MOF_MAX_BYTES)};
    etw_schema_source *manifests;
    etw_status status = read_given(&to, options, &manifests, error);
    if (status != ETW_OK) {
        etw_wpp_set_free(to.formats);
        etw_wpp_files_free(to.format_files);
        etw_mof_set_free(to.classes);
        return status;
    }
    status = add_built_in(self, manifests, error);
    const etw_status formats =
        add_built_in(self, etw_wpp_source_new(to.formats, to.format_files), error);
    last->files = etw_schema_files_late(manifests);
    last->classes = etw_mof_source_new(to.classes);
    if (last->files == NULL || last->classes == NULL) {
        return no_memory(error);
    }
    return status != ETW_OK ? status : formats;
}

/* Takes both over, also on failure. */
static etw_status add_last(etw_resolver *self, const last_sources *last, etw_status status,
                           etw_error *error)
{
    etw_schema_source *const both[] = {last->files, last->classes};
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
        if (both[i] != NULL && status == ETW_OK) {
            self->last_count++;
            status = add_built_in(self, both[i], error);
        } else if (both[i] != NULL) {
            both[i]->free(both[i]);
        }
    }
    return status;
}

static etw_status add_sources(etw_resolver *self, const etw_resolver_options *options,
                              etw_error *error)
{
    last_sources last = {0};
    etw_status status = add_built_in(self, etw_tracelogging_source_new(), error);
    if (status == ETW_OK) {
        status = add_built_in(self, etw_metadata_event_source_new(), error);
    }
    if (status == ETW_OK) {
        status = add_given(self, options, &last, error);
    }
    if (status == ETW_OK) {
        status = add_built_in(self, etw_eventsource_source_new(), error);
    }
    if (status == ETW_OK && !options->no_classic) {
        status = add_built_in(self, etw_classic_source_new(), error);
    }
    return add_last(self, &last, status, error);
}

etw_status etw_resolver_new(etw_schema_store *store, const etw_resolver_options *options,
                            etw_resolver **resolver, etw_error *error)
{
    if (resolver != NULL) {
        *resolver = NULL;
    }
    if (store == NULL || resolver == NULL) {
        return etw_error_set_missing(error, "store and resolver");
    }
    static const etw_resolver_options none = {0};
    etw_resolver *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return no_memory(error);
    }
    self->store = store;
    self->learnt = 1;
    self->exact.limit_bytes = ETW_RESOLVER_MAX_KEY_BYTES;
    self->slots = calloc(FIRST_SLOTS, sizeof *self->slots);
    self->slot_count = FIRST_SLOTS;
    self->seed = etw_seed_new();
    etw_status status = self->slots == NULL ? no_memory(error) : ETW_OK;
    if (status == ETW_OK) {
        status = add_sources(self, options == NULL ? &none : options, error);
    }
    if (status != ETW_OK) {
        etw_resolver_free(self);
        return status;
    }
    *resolver = self;
    return ETW_OK;
}

void etw_resolver_free(etw_resolver *resolver)
{
    if (resolver == NULL) {
        return;
    }
    for (uint32_t i = resolver->source_count; i > 0; i--) { /* a view before what it views */
        resolver->sources[i - 1]->free(resolver->sources[i - 1]);
    }
    etw_arena_free(&resolver->exact);
    free(resolver->slots);
    free(resolver);
}

etw_status etw_resolver_add_source(etw_resolver *resolver, etw_schema_source *source,
                                   etw_error *error)
{
    if (resolver->source_count == MAX_SOURCES) {
        source->free(source);
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u schema sources", MAX_SOURCES);
    }
    const uint32_t at = resolver->source_count++ - resolver->last_count;
    memmove(&resolver->sources[at + 1], &resolver->sources[at],
            resolver->last_count * sizeof *resolver->sources);
    resolver->sources[at] = source;
    note_observer(resolver, source);
    resolver->learnt++;
    return ETW_OK;
}

etw_status etw_resolver_observe(etw_resolver *resolver, const etw_event_record *record,
                                etw_error *error)
{
    etw_error failure;
    for (uint32_t i = 0; i < resolver->observer_count; i++) {
        etw_schema_source *source = resolver->observers[i];
        const uint32_t before = source->learnt;
        etw_error_clear(&failure);
        etw_status status = source->observe(source, resolver->store, record, &failure);
        if (source->learnt != before) {
            resolver->learnt++;
            resolver->varying = source->variant != NULL ? source : resolver->varying;
        }
        if (status != ETW_OK) {
            status = note_error(resolver, &failure, source->name, error);
            if (status != ETW_OK) {
                return status;
            }
        }
    }
    return ETW_OK;
}

void etw_resolver_set_build(etw_resolver *resolver, uint32_t build)
{
    for (uint32_t i = 0; i < resolver->source_count && resolver->build != build; i++) {
        resolver->sources[i]->build = build;
    }
    resolver->build = build;
}

static bool is_message(const etw_event_record *record)
{
    return (record->EventHeader.Flags & ETW_FLAG_TRACE_MESSAGE) != 0;
}

/* *metadata is empty where the record is no TraceLogging event. */
static key key_of(const etw_resolver *self, const etw_event_record *record, uint32_t pointer_size,
                  etw_tracelogging *metadata)
{
    const etw_event_descriptor *descriptor = &record->EventHeader.EventDescriptor;
    key made = {.kind = pointer_size};
    memcpy(made.guid, &record->EventHeader.ProviderId, sizeof made.guid);
    if (is_message(record)) {
        made.kind |= KEY_MESSAGE;
        made.rest = descriptor->Id;
        *metadata = (etw_tracelogging){0};
        return made;
    }
    if (etw_tracelogging_locate(record, metadata)) {
        made.kind |= KEY_TRACELOGGING | (uint64_t)metadata->traits.size << 32;
        const etw_bytes traits = metadata->traits, event = metadata->metadata;
        made.rest = etw_hash_pair(self->seed, etw_hash_bytes(self->seed, traits.data, traits.size),
                                  etw_hash_bytes(self->seed, event.data, event.size));
        return made;
    }
    if ((record->EventHeader.Flags & ETW_FLAG_CLASSIC_HEADER) != 0) {
        made.kind |= KEY_CLASSIC;
    } else if (self->varying != NULL) {
        made.kind |= (uint64_t)self->varying->variant(self->varying, record) << 32;
    }
    made.rest = (uint64_t)descriptor->Id | (uint64_t)descriptor->Version << 16 |
                (uint64_t)descriptor->Level << 24 | (uint64_t)descriptor->Opcode << 32 |
                (uint64_t)descriptor->Task << 40;
    return made;
}

/* On the way of every event, and so not a general hash: two multiplications. */
static uint32_t hash_key(const etw_resolver *self, const key *from)
{
    const uint64_t guid = etw_hash_pair(self->seed, from->guid[0], from->guid[1]);
    return (uint32_t)etw_hash_pair(self->seed, guid ^ from->rest, from->kind);
}

static bool same_exact(const slot *at, const etw_tracelogging *metadata)
{
    const etw_bytes traits = metadata->traits;
    const etw_bytes event = metadata->metadata;
    return at->exact_size == traits.size + event.size &&
           (traits.size == 0 || memcmp(at->exact, traits.data, traits.size) == 0) &&
           (event.size == 0 || memcmp(at->exact + traits.size, event.data, event.size) == 0);
}

/* Word by word, on the way of every event: memcmp, or a vector of words that were just stored one
 * by one, would wait for them to reach memory. */
static bool same_key(const key *a, const key *b)
{
    return a->rest == b->rest && a->kind == b->kind && a->guid[0] == b->guid[0] &&
           a->guid[1] == b->guid[1];
}

/* The slot of the key, or the empty one where it belongs. */
static slot *slot_of(const etw_resolver *self, const key *wanted, const etw_tracelogging *metadata)
{
    const uint32_t mask = self->slot_count - 1;
    uint32_t at = hash_key(self, wanted) & mask;
    for (;; at = (at + 1) & mask) {
        slot *found = &self->slots[at];
        if (found->learnt == 0 || (same_key(&found->key, wanted) && same_exact(found, metadata))) {
            return found;
        }
    }
}

/* The usual case of slot_of: the answer is where the key's hash points, and still holds. Else NULL.
 */
static inline const slot *slot_at_once(const etw_resolver *self, const key *wanted)
{
    const slot *home = &self->slots[hash_key(self, wanted) & (self->slot_count - 1)];
    return home->learnt == self->learnt && same_key(&home->key, wanted) && home->exact_size == 0
               ? home
               : NULL;
}

static void forget_all(etw_resolver *self)
{
    memset(self->slots, 0, self->slot_count * sizeof *self->slots);
    self->used = 0;
    etw_arena_free(&self->exact);
}

static bool widen(etw_resolver *self)
{
    const slot *old = self->slots;
    const uint32_t old_count = self->slot_count;
    slot *wider = calloc((size_t)old_count * 2, sizeof *wider);
    if (wider == NULL) {
        return false;
    }
    self->slots = wider;
    self->slot_count = old_count * 2;
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i].learnt != 0) {
            /* All keys differ, so any free slot of its chain will do: no bytes need comparing. */
            const uint32_t mask = self->slot_count - 1;
            uint32_t at = hash_key(self, &old[i].key) & mask;
            while (wider[at].learnt != 0) {
                at = (at + 1) & mask;
            }
            wider[at] = old[i];
        }
    }
    free((void *)(uintptr_t)old);
    return true;
}

/* Room for one key more, and for the bytes it is made of. */
static bool make_room(etw_resolver *self, size_t exact_size)
{
    const size_t rounding = 64;
    if (self->used == ETW_RESOLVER_MAX_KEYS ||
        etw_arena_full(&self->exact, exact_size + rounding)) {
        forget_all(self);
    }
    return (self->used + 1) * 2 <= self->slot_count || widen(self);
}

static uint8_t *keep_exact(etw_resolver *self, const etw_tracelogging *metadata)
{
    const etw_bytes traits = metadata->traits;
    const etw_bytes event = metadata->metadata;
    uint8_t *kept = etw_arena_alloc(&self->exact, traits.size + event.size);
    if (kept != NULL && traits.size != 0) {
        memcpy(kept, traits.data, traits.size);
    }
    if (kept != NULL && event.size != 0) {
        memcpy(kept + traits.size, event.data, event.size);
    }
    return kept;
}

static etw_status remember(etw_resolver *self, const key *made, const etw_tracelogging *metadata,
                           const etw_schema *schema, etw_error *error)
{
    const size_t exact_size = metadata->traits.size + metadata->metadata.size;
    slot *at = slot_of(self, made, metadata);
    if (at->learnt == 0) {
        if (!make_room(self, exact_size)) {
            return no_memory(error);
        }
        const uint8_t *exact = exact_size == 0 ? NULL : keep_exact(self, metadata);
        if (exact == NULL && exact_size != 0) {
            return no_memory(error);
        }
        at = slot_of(self, made, metadata);
        at->key = *made;
        at->exact = exact;
        at->exact_size = (uint32_t)exact_size;
        self->used++;
    }
    at->schema = schema;
    at->learnt = self->learnt;
    return ETW_OK;
}

static etw_status ask_sources(etw_resolver *self, const etw_event_record *record,
                              uint32_t pointer_size, const etw_schema **schema, bool *is_undecided,
                              etw_error *error)
{
    *schema = NULL;
    for (uint32_t i = 0; i < self->source_count && *schema == NULL; i++) {
        etw_schema_source *source = self->sources[i];
        etw_error failure = {0};
        const etw_explains asked = is_message(record) ? ETW_EXPLAINS_MESSAGES : ETW_EXPLAINS_EVENTS;
        if (source->explains != asked && source->explains != ETW_EXPLAINS_BOTH) {
            continue;
        }
        source->is_undecided = false;
        etw_status status =
            source->find(source, self->store, record, pointer_size, schema, &failure);
        if (status != ETW_OK) {
            *schema = NULL;
            status = note_error(self, &failure, source->name, error);
            if (status != ETW_OK) {
                return status;
            }
        }
        *is_undecided |= source->is_undecided;
    }
    return ETW_OK;
}

/* At least a name for the provider of an event that nothing explains. */
static etw_status name_provider(etw_resolver *self, const etw_guid *provider, etw_error *error)
{
    const char *name = etw_well_known_provider_name(provider);
    return name == NULL ? ETW_OK
                        : etw_schema_store_set_provider_name(self->store, provider, name, error);
}

etw_status etw_resolver_find(etw_resolver *resolver, const etw_event_record *record,
                             uint32_t pointer_size, const etw_schema **schema, etw_error *error)
{
    *schema = NULL;
    if (!etw_record_needs_schema(record)) { /* and no source must be asked */
        return ETW_OK;
    }
    etw_tracelogging metadata;
    const key made = key_of(resolver, record, pointer_size, &metadata);
    const slot *found = slot_at_once(resolver, &made);
    if (found == NULL) {
        found = slot_of(resolver, &made, &metadata);
    }
    if (found->learnt == resolver->learnt) {
        *schema = found->schema;
        return ETW_OK;
    }
    bool is_undecided = false;
    etw_status status = ask_sources(resolver, record, pointer_size, schema, &is_undecided, error);
    if (status == ETW_OK && *schema == NULL && !is_message(record)) {
        status = name_provider(resolver, &record->EventHeader.ProviderId, error);
    }
    if (is_undecided) {
        return status;
    }
    return status == ETW_OK ? remember(resolver, &made, &metadata, *schema, error) : status;
}

etw_status etw_resolver_each(etw_resolver *resolver, const etw_definition_visitor *visitor,
                             etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < resolver->source_count && status == ETW_OK; i++) {
        etw_schema_source *source = resolver->sources[i];
        etw_error failure = {0};
        if (source->each != NULL &&
            source->each(source, resolver->store, visitor, &failure) != ETW_OK) {
            status = note_error(resolver, &failure, source->name, error);
        }
    }
    return status;
}

const etw_candidates *etw_resolver_candidates(const etw_resolver *resolver,
                                              const etw_schema *schema, uint32_t *place)
{
    const etw_candidates *found = NULL;
    for (uint32_t i = 0; i < resolver->source_count && found == NULL; i++) {
        const etw_schema_source *source = resolver->sources[i];
        found = source->candidates == NULL ? NULL : source->candidates(source, schema, place);
    }
    return found;
}

uint64_t etw_resolver_error_count(const etw_resolver *resolver)
{
    return resolver->error_count;
}

const char *etw_resolver_first_error(const etw_resolver *resolver)
{
    return resolver->first_error.status == ETW_OK ? "" : resolver->first_error.message;
}
