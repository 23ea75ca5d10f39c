#include "format/schema/kept_donor.h"
#include "format/base/arena.h"
#include "format/base/table.h"

#include <stdlib.h>

/* One definition; those of one key form a list. */
typedef struct kept {
    struct kept *next;
    const etw_schema *schema;
    const char *from;
    uint32_t build;
} kept;

typedef struct kept_list {
    etw_schema_key key;
    struct kept_list *next_key; /* in the order they came */
    kept *first, *last;
} kept_list;

typedef struct kept_donor {
    etw_donor base;
    etw_schema_store *store;
    etw_arena arena;
    etw_table keys; /* etw_schema_key -> kept_list */
    kept_list *first_key, *last_key;
    const char *from; /* the latest one, as its copy serves again */
} kept_donor;

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for schemas of another trace");
}

static etw_status give(const kept_list *list, const etw_definition_visitor *visitor,
                       etw_error *error)
{
    etw_status status = ETW_OK;
    for (const kept *at = list->first; at != NULL && status == ETW_OK; at = at->next) {
        status = visitor->take(visitor->context, at->schema, at->from, at->build, error);
    }
    return status;
}

static etw_status find(etw_donor *base, const etw_schema_key *key,
                       const etw_definition_visitor *visitor, etw_error *error)
{
    const kept_list *list = etw_table_get(&((kept_donor *)base)->keys, key, sizeof *key);
    return list == NULL ? ETW_OK : give(list, visitor, error);
}

static etw_status each(etw_donor *base, const etw_definition_visitor *visitor, etw_error *error)
{
    etw_status status = ETW_OK;
    for (const kept_list *at = ((kept_donor *)base)->first_key; at != NULL && status == ETW_OK;
         at = at->next_key) {
        status = give(at, visitor, error);
    }
    return status;
}

static void guids(const etw_donor *base, void (*take)(void *into, const etw_guid *guid), void *into)
{
    for (const kept_list *at = ((const kept_donor *)base)->first_key; at != NULL;
         at = at->next_key) {
        take(into, &at->key.guid);
    }
}

static void free_donor(etw_donor *base)
{
    kept_donor *self = (kept_donor *)base;
    etw_table_free(&self->keys);
    etw_arena_free(&self->arena);
    etw_schema_store_free(self->store);
    free(self);
}

etw_donor *etw_kept_donor_new(void)
{
    kept_donor *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->base = (etw_donor){find, each, guids, free_donor};
    self->store = etw_schema_store_new();
    if (self->store == NULL) {
        free(self);
        return NULL;
    }
    return &self->base;
}

static kept_list *list_of(kept_donor *self, const etw_schema_key *key)
{
    kept_list *list = etw_table_get(&self->keys, key, sizeof *key);
    if (list != NULL) {
        return list;
    }
    list = etw_arena_alloc(&self->arena, sizeof *list);
    if (list == NULL) {
        return NULL;
    }
    list->key = *key;
    if (!etw_table_set(&self->keys, &list->key, sizeof list->key, list)) {
        return NULL;
    }
    if (self->last_key == NULL) {
        self->first_key = list;
    } else {
        self->last_key->next_key = list;
    }
    self->last_key = list;
    return list;
}

static const char *keep_name(kept_donor *self, const char *from)
{
    if (self->from == NULL || strcmp(self->from, from) != 0) {
        self->from = etw_arena_copy(&self->arena, from, strlen(from));
    }
    return self->from;
}

/* The same content may come from two builds, which both count; twice of one it does not. */
static bool is_known(const kept_list *list, const etw_schema *schema, uint32_t build)
{
    for (const kept *at = list->first; at != NULL; at = at->next) {
        if (at->schema == schema && at->build == build) {
            return true;
        }
    }
    return false;
}

etw_status etw_kept_donor_add(etw_donor *donor, const etw_schema *schema, const char *from,
                              uint32_t build, etw_error *error)
{
    kept_donor *self = (kept_donor *)donor;
    etw_tei tei;
    etw_schema_key key;
    const etw_schema *interned;
    if (etw_tei_open(schema->tei, &tei, NULL) != ETW_OK || !etw_schema_key_of_tei(&tei, &key)) {
        return ETW_OK;
    }
    const etw_status status = etw_schema_store_intern(self->store, schema, &interned, error);
    if (status != ETW_OK) {
        return status;
    }
    kept_list *list = list_of(self, &key);
    if (list != NULL && is_known(list, interned, build)) {
        return ETW_OK;
    }
    const char *name = keep_name(self, from);
    kept *added = etw_arena_alloc(&self->arena, sizeof *added);
    if (list == NULL || added == NULL || name == NULL) {
        return no_memory(error);
    }
    *added = (kept){.schema = interned, .from = name, .build = build};
    if (list->last == NULL) {
        list->first = added;
    } else {
        list->last->next = added;
    }
    list->last = added;
    return ETW_OK;
}
