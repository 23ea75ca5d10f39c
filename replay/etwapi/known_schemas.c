#include "replay/etwapi/known_schemas.h"

#include "format/base/table.h"
#include "format/input/donor_file.h"
#include "format/schema/provider_names.h"
#include "format/schema/resolver.h"
#include "replay/etwapi/settings.h"

#include <stdlib.h>
#include <string.h>

#include <windows.h>

#define MAX_MANIFESTS 64u
/* Kinds of events remembered; more than any real trace has, a bound for a hostile one. */
#define MOST_KINDS ((uint32_t)1 << 15)

/* What tells kinds of events apart: format/schema/SCHEMAS.md. */
typedef struct kind {
    etw_guid provider;
    uint16_t id;
    uint8_t version;
    uint8_t opcode;
    uint16_t flags; /* classic, trace message, pointer size */
    uint16_t unused;
} kind;

/* Process-wide, as TDH's own cache is. */
typedef struct known {
    SRWLOCK lock;
    etw_schema_store *store;
    etw_resolver *resolver;
    etw_plan_cache *plans;
    kind *keys;      /* MOST_KINDS; those of table */
    etw_table table; /* to schemas */
    char *manifests[MAX_MANIFESTS];
    uint32_t manifest_count;
} known;

static known all = {.lock = SRWLOCK_INIT};

/* False where memory is out. */
static bool add_manifest(const char *path)
{
    char *kept = strdup(path);
    if (kept != NULL) {
        all.manifests[all.manifest_count++] = kept;
    }
    return kept != NULL;
}

static etw_status make_resolver(etw_error *error)
{
    const etw_resolver_options options = {.manifest_paths = (const char *const *)all.manifests,
                                          .manifest_path_count = all.manifest_count,
                                          .open_donor = etw_donor_open};
    etw_resolver *fresh = NULL;
    const etw_status status = etw_resolver_new(all.store, &options, &fresh, error);
    if (status == ETW_OK) {
        etw_resolver_free(all.resolver);
        all.resolver = fresh;
    }
    return status;
}

/* The lock is held. */
static bool is_ready(void)
{
    if (all.resolver != NULL) {
        return true;
    }
    if (all.store == NULL) {
        all.store = etw_schema_store_new();
        all.keys = calloc(MOST_KINDS, sizeof *all.keys);
        all.plans = etw_plan_cache_new();
        const char *manifests = etwapi_get_settings()->manifest_path;
        if (manifests[0] != '\0' && !add_manifest(manifests)) {
            return false;
        }
    }
    if (all.store == NULL || all.keys == NULL || all.plans == NULL) {
        return false;
    }
    if (make_resolver(NULL) != ETW_OK) {
        /* A manifest that cannot be read must not take everything else away. */
        all.manifest_count = 0;
        return make_resolver(NULL) == ETW_OK;
    }
    return true;
}

static kind kind_of(const etw_event_record *record)
{
    const etw_event_header *header = &record->EventHeader;
    const uint16_t telling =
        ETW_FLAG_CLASSIC_HEADER | ETW_FLAG_TRACE_MESSAGE | ETW_FLAG_32_BIT_HEADER;
    const kind key = {header->ProviderId,
                      header->EventDescriptor.Id,
                      header->EventDescriptor.Version,
                      header->EventDescriptor.Opcode,
                      (uint16_t)(header->Flags & telling),
                      0};
    return key;
}

static bool is_tracelogging(const etw_event_record *record)
{
    return etw_record_find_item(record, ETW_EXT_EVENT_SCHEMA_TL) != NULL;
}

static void learn_schema(const etw_event_record *record, const etw_schema *schema)
{
    /* TraceLogging events carry their schema with them: nothing to remember. */
    if (schema == NULL || is_tracelogging(record)) {
        return;
    }
    const kind key = kind_of(record);
    AcquireSRWLockExclusive(&all.lock);
    const uint32_t used = all.table.probe.used;
    const etw_schema *kept;
    if (is_ready() && used < MOST_KINDS && etw_table_get(&all.table, &key, sizeof key) == NULL &&
        etw_schema_store_intern(all.store, schema, &kept, NULL) == ETW_OK) {
        all.keys[used] = key;
        (void)etw_table_set(&all.table, &all.keys[used], sizeof key, (void *)(uintptr_t)kept);
    }
    ReleaseSRWLockExclusive(&all.lock);
}

static void learn_provider(const etw_guid *provider, const char *utf8_name)
{
    AcquireSRWLockExclusive(&all.lock);
    if (is_ready()) {
        etw_ignore(etw_schema_store_set_provider_name(all.store, provider, utf8_name, NULL));
    }
    ReleaseSRWLockExclusive(&all.lock);
}

void etwapi_learn(const etw_event *event)
{
    const etw_event_record *record = etw_event_record_of(event);
    const char *name = etw_event_provider_name(event);
    learn_schema(record, etw_event_schema(event));
    if (name != NULL) {
        learn_provider(&record->EventHeader.ProviderId, name);
    }
}

void etwapi_observe(const etw_event_record *record)
{
    if (record->EventHeader.EventDescriptor.Id != ETW_MANIFEST_EVENT_ID) {
        return;
    }
    AcquireSRWLockExclusive(&all.lock);
    if (is_ready()) {
        etw_ignore(etw_resolver_observe(all.resolver, record, NULL));
    }
    ReleaseSRWLockExclusive(&all.lock);
}

/* The lock is held. */
static const etw_schema *find(const etw_event_record *record)
{
    if (!is_ready()) {
        return NULL;
    }
    const kind key = kind_of(record);
    const etw_schema *schema =
        is_tracelogging(record) ? NULL : etw_table_get(&all.table, &key, sizeof key);
    if (schema == NULL) {
        etw_ignore(etw_resolver_find(all.resolver, record, etw_record_pointer_size(record, 8),
                                     &schema, NULL));
    }
    return schema;
}

const etw_schema *etwapi_find_schema(const etw_event_record *record)
{
    AcquireSRWLockExclusive(&all.lock);
    const etw_schema *schema = find(record);
    ReleaseSRWLockExclusive(&all.lock);
    return schema;
}

const etw_plan *etwapi_find_plan(const etw_event_record *record)
{
    AcquireSRWLockExclusive(&all.lock);
    const etw_schema *schema = find(record);
    const etw_plan *plan = schema == NULL ? NULL : etw_plan_cache_get(all.plans, schema, NULL);
    ReleaseSRWLockExclusive(&all.lock);
    return plan;
}

etw_status etwapi_load_manifest(const char *path, etw_error *error)
{
    AcquireSRWLockExclusive(&all.lock);
    etw_status status = ETW_ERROR_NO_MEMORY;
    if (!is_ready()) {
        status = etw_error_set(error, status, "out of memory for schemas");
    } else if (all.manifest_count == MAX_MANIFESTS) {
        status = etw_error_set(error, ETW_ERROR_LIMIT, "more than %u manifests", MAX_MANIFESTS);
    } else if (!add_manifest(path)) {
        status = etw_error_set(error, status, "out of memory for a manifest");
    } else {
        status = make_resolver(error);
        if (status != ETW_OK) {
            free(all.manifests[--all.manifest_count]);
        }
    }
    ReleaseSRWLockExclusive(&all.lock);
    return status;
}

bool etwapi_has_manifest(const char *path)
{
    bool found = false;
    AcquireSRWLockShared(&all.lock);
    for (uint32_t i = 0; i < all.manifest_count && !found; i++) {
        found = strcmp(all.manifests[i], path) == 0;
    }
    ReleaseSRWLockShared(&all.lock);
    return found;
}

void etwapi_visit_providers(void (*visit)(void *context, const etw_guid *provider,
                                          const char *utf8_name),
                            void *context)
{
    AcquireSRWLockExclusive(&all.lock);
    const etw_guid *provider;
    const char *name;
    for (uint32_t i = 0; is_ready() && etw_schema_store_provider_at(all.store, i, &provider, &name);
         i++) {
        visit(context, provider, name);
    }
    for (size_t i = 0; is_ready() && etw_well_known_provider_at(i, &provider, &name); i++) {
        if (etw_schema_store_provider_name(all.store, provider) == NULL) {
            visit(context, provider, name);
        }
    }
    ReleaseSRWLockExclusive(&all.lock);
}

void etwapi_visit_schemas(void (*visit)(void *context, const etw_schema *schema), void *context)
{
    AcquireSRWLockExclusive(&all.lock);
    for (uint32_t id = 1; is_ready() && id <= etw_schema_store_count(all.store); id++) {
        visit(context, etw_schema_store_get(all.store, id));
    }
    ReleaseSRWLockExclusive(&all.lock);
}
