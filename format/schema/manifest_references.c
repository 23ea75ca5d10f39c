/* What length= and count= refer to. */
#include "format/schema/manifest_model.h"

#include <ctype.h>
#include <stdlib.h>

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a manifest's template");
}

static bool is_number(const char *text, uint32_t *value)
{
    char *end;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    const unsigned long long number = strtoull(text, &end, 0);
    *value = number > UINT16_MAX ? UINT16_MAX : (uint32_t)number;
    return *end == '\0';
}

/* The fields met so far, by the struct they are in and their name: the latest of that name wins. */
typedef struct scope_names {
    etw_table fields; /* {scope, name} -> etw_manifest_field */
    etw_arena keys;
    etw_text key;
} scope_names;

static const char anywhere; /* the scope that has every field */

static void make_scope_key(scope_names *names, const void *scope, const char *name)
{
    names->key.size = 0; /* failed stays */
    etw_text_append(&names->key, (const char *)&scope, sizeof scope);
    etw_text_append_z(&names->key, name);
}

static const etw_manifest_field *in_scope(scope_names *names, const void *scope, const char *name)
{
    make_scope_key(names, scope, name);
    return names->key.failed ? NULL
                             : etw_table_get(&names->fields, names->key.data, names->key.size);
}

static bool enter(scope_names *names, const void *scope, etw_manifest_field *field)
{
    make_scope_key(names, scope, field->name == NULL ? "" : field->name);
    const char *key =
        names->key.failed ? NULL : etw_arena_copy(&names->keys, names->key.data, names->key.size);
    return key != NULL && etw_table_set(&names->fields, key, names->key.size, field);
}

/* The field that length= or count= names: the nearest one before, first among its own siblings,
 * then around each struct it is in, then anywhere. NULL: there is none. */
static const etw_manifest_field *nearest(scope_names *names, const etw_manifest_field *from,
                                         const char *name)
{
    for (const etw_manifest_field *scope = from->parent;; scope = scope->parent) {
        const etw_manifest_field *found = in_scope(names, scope, name);
        if (found != NULL || scope == NULL) {
            return found != NULL ? found : in_scope(names, &anywhere, name);
        }
    }
}

/* The same, of PerfView's dumps too: they take all but letters, digits and _ out of the names of
 * fields, not out of what refers to them ("SHA1 Hash Size" of SHA1HashSize). */
static const etw_manifest_field *referenced(scope_names *names, const etw_manifest_field *from,
                                            const char *name)
{
    const etw_manifest_field *found = nearest(names, from, name);
    if (found != NULL) {
        return found;
    }
    char *plain = etw_arena_copy(&names->keys, name, strlen(name) + 1);
    if (plain == NULL) {
        names->key.failed = true;
        return NULL;
    }
    size_t size = 0;
    for (const char *at = name; *at != '\0'; at++) {
        if (isalnum((unsigned char)*at) || *at == '_') {
            plain[size++] = *at;
        }
    }
    plain[size] = '\0';
    return nearest(names, from, plain);
}

/* Reads length= or count=: a number, or a field's name. */
static etw_status resolve_size(scope_names *names, const etw_manifest_field *field,
                               const char *text, uint16_t *number, const etw_manifest_field **from,
                               etw_error *error)
{
    uint32_t value;
    if (text == NULL) {
        return ETW_OK;
    }
    if (is_number(text, &value)) {
        *number = (uint16_t)value;
        return ETW_OK;
    }
    *from = referenced(names, field, text);
    if (names->key.failed) {
        return no_memory(error);
    }
    if (*from == NULL) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "%s refers to %s, which is not before it",
                             field->name == NULL ? "a field" : field->name, text);
    }
    return ETW_OK;
}

static etw_status resolve_fields(scope_names *names, const etw_manifest_template *template,
                                 etw_error *error)
{
    etw_status status = ETW_OK;
    for (etw_manifest_field *at = template->first; at != NULL && status == ETW_OK; at = at->next) {
        status = resolve_size(names, at, at->length, &at->fixed_length, &at->length_from, error);
        if (status == ETW_OK) {
            status = resolve_size(names, at, at->count, &at->fixed_count, &at->count_from, error);
        }
        if (status == ETW_OK && (!enter(names, at->parent, at) || !enter(names, &anywhere, at))) {
            status = no_memory(error);
        }
    }
    return status;
}

etw_status etw_manifest_resolve_template(etw_manifest_template *template, etw_error *error)
{
    if (template->problem != NULL) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "%s", template->problem);
    }
    if (template->is_resolved) {
        return ETW_OK;
    }
    scope_names names = {0};
    const etw_status status = resolve_fields(&names, template, error);
    template->is_resolved = status == ETW_OK;
    etw_table_free(&names.fields);
    etw_arena_free(&names.keys);
    etw_text_free(&names.key);
    return status;
}
