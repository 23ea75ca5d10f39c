#include "replay/compare/entry.h"

#include "format/base/grown.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>

typedef struct reading {
    etw_entry *entry;
    const etw_rules *rules;
    etw_normalizer *normalizer;
    const etw_json_document *document;
    etw_text path; /* of the value that is read */
    etw_text value;
    etw_text *kept;
} reading;

const char *etw_field_shown_name(const char *name)
{
    const size_t prefix = sizeof ETW_PROPERTY_PREFIX - 1;
    return strncmp(name, ETW_PROPERTY_PREFIX, prefix) == 0 ? name + prefix : name;
}

void etw_entry_free(etw_entry *entry)
{
    etw_text_free(&entry->text);
    free(entry->fields);
    *entry = (etw_entry){0};
}

static etw_status add_field(reading *r, bool is_quoted)
{
    etw_entry *e = r->entry;
    etw_entry_field *longer = etw_grown(e->fields, &e->capacity, e->count, 32, sizeof *longer);
    if (longer == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    e->fields = longer;
    etw_entry_field *f = &e->fields[e->count++];
    f->name = (uint32_t)e->text.size;
    f->name_size = (uint32_t)r->path.size;
    etw_text_append(&e->text, r->path.data, r->path.size);
    etw_text_append_char(&e->text, '\0');
    f->value = (uint32_t)e->text.size;
    f->value_size = (uint32_t)r->value.size;
    f->is_quoted = is_quoted;
    etw_text_append(&e->text, r->value.data, r->value.size);
    if (e->text.failed || r->path.failed || r->value.failed) {
        return ETW_ERROR_NO_MEMORY;
    }
    const uint64_t hash =
        XXH3_64bits(e->text.data + f->name, f->name_size + 1u + (size_t)f->value_size);
    e->hash += hash;
    e->content += strcmp(e->text.data + f->name, "TimeStamp") == 0 ? 0 : hash;
    return ETW_OK;
}

static void keep_value(reading *r, bool is_quoted)
{
    if (r->kept != NULL) {
        etw_text_append_z(r->kept, is_quoted ? "\"" : "");
        etw_text_append(r->kept, r->value.data, r->value.size);
        etw_text_append_z(r->kept, is_quoted ? "\"" : "");
    }
}

static etw_status read_plain(reading *r, const etw_json_value *value)
{
    const etw_normal_kind kind =
        etw_rules_kind_of(r->rules, r->path.data, r->path.size, value->text, value->text_size);
    const bool is_quoted = value->kind == ETW_JSON_STRING || kind != ETW_NORMAL_KINDS;
    etw_text_clear(&r->value);
    if (kind != ETW_NORMAL_KINDS) {
        const etw_status status =
            etw_normalizer_append(r->normalizer, kind, value->text, value->text_size, &r->value);
        if (etw_failed(status)) {
            return status;
        }
    } else if (is_quoted) {
        etw_json_append_string(&r->value, value->text, value->text_size);
    } else {
        etw_text_append(&r->value, value->text, value->text_size);
    }
    keep_value(r, is_quoted);
    return add_field(r, is_quoted);
}

/* The path of a member or element below the one that is read. */
static void append_path(reading *r, const etw_json_value *child, uint32_t index)
{
    if (child->name == NULL) {
        etw_text_printf(&r->path, "[%u]", index);
        return;
    }
    if (r->path.size > 0) {
        etw_text_append_char(&r->path, '.');
    }
    etw_text_append(&r->path, child->name, child->name_size);
}

static void keep_name(reading *r, const etw_json_value *child, bool is_first)
{
    if (r->kept == NULL) {
        return;
    }
    etw_text_append_z(r->kept, is_first ? "" : ",");
    if (child->name != NULL) {
        etw_text_append_char(r->kept, '"');
        etw_json_append_string(r->kept, child->name, child->name_size);
        etw_text_append_z(r->kept, "\":");
    }
}

static void keep_bracket(reading *r, const etw_json_value *value, bool opens)
{
    if (r->kept != NULL) {
        const bool is_object = value->kind == ETW_JSON_OBJECT;
        etw_text_append_char(r->kept, opens ? (is_object ? '{' : '[') : (is_object ? '}' : ']'));
    }
}

/* As deep as the JSON reader goes: ETW_JSON_MAX_DEPTH. */
static etw_status read_value(reading *r, const etw_json_value *value)
{
    etw_status status = ETW_OK;
    const size_t size = r->path.size;
    uint32_t index = 0;
    bool is_first = true;
    if (value->kind < ETW_JSON_ARRAY) {
        return read_plain(r, value);
    }
    keep_bracket(r, value, true);
    if (value->first == 0 && size > 0) { /* an empty list is not the same as no list */
        etw_text_clear(&r->value);
        status = add_field(r, false);
    }
    for (const etw_json_value *child = etw_json_first(r->document, value);
         child != NULL && !etw_failed(status); child = etw_json_next(r->document, child)) {
        append_path(r, child, index++);
        const bool is_ignored = etw_name_list_has(&r->rules->ignored, r->path.data, r->path.size);
        if (!is_ignored) {
            keep_name(r, child, is_first);
            is_first = false;
            status = read_value(r, child);
        }
        r->path.size = size;
    }
    keep_bracket(r, value, false);
    return status;
}

void etw_entry_hash_bytes(etw_entry *entry, const etw_event_record *record)
{
    const etw_bytes data = etw_record_user_data(record);
    uint64_t items = 1;
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_extended_data_item *item = &record->ExtendedData[i];
        const etw_bytes bytes = etw_item_bytes(item);
        const uint16_t head[4] = {item->Reserved1, item->ExtType, item->Linkage, item->DataSize};
        items = XXH3_64bits_withSeed(head, sizeof head, items);
        items = XXH3_64bits_withSeed(bytes.data, bytes.size, items);
    }
    entry->parts[ETW_ENTRY_HEADER] = XXH3_64bits(&record->EventHeader, sizeof record->EventHeader);
    entry->parts[ETW_ENTRY_CONTEXT] =
        XXH3_64bits(&record->BufferContext, sizeof record->BufferContext);
    entry->parts[ETW_ENTRY_USER_DATA] = XXH3_64bits(data.data, data.size);
    entry->parts[ETW_ENTRY_EXTENDED] = items;
}

/* Keys. */

static void mix(uint64_t *hash, const etw_entry *entry, const char *name)
{
    const etw_entry_field *f = etw_entry_find(entry, name);
    for (uint32_t i = 0; f == NULL && i < entry->count; i++) {
        const char *full = etw_entry_text(entry, entry->fields[i].name);
        f = strcmp(etw_field_shown_name(full), name) == 0 ? &entry->fields[i] : NULL;
    }
    if (f != NULL) {
        *hash = XXH3_64bits_withSeed(etw_entry_text(entry, f->name),
                                     f->name_size + 1u + (size_t)f->value_size, *hash);
    }
}

static void set_key(etw_entry *entry, const etw_rules *rules)
{
    static const char *const names[] = {"ProviderId", "Id", "Version"};
    uint64_t hash = 1;
    const etw_entry_field *id = etw_entry_find(entry, "Id");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mix(&hash, entry, names[i]);
    }
    mix(&hash, entry, "EventGuid"); /* of a classic schema: its class */
    if (etw_entry_find(entry, "ProviderId") == NULL) {
        mix(&hash, entry, "ProviderName");
        mix(&hash, entry, "Loss.Cause");
    }
    if (id == NULL || *etw_entry_text(entry, id->value) == '0') {
        mix(&hash, entry, "EventName"); /* TraceLogging and classic events have no other id */
        mix(&hash, entry, "Opcode");
    }
    for (uint32_t i = 0; i < rules->keys.count; i++) {
        mix(&hash, entry, rules->keys.names[i]);
    }
    entry->key = hash;
}

etw_status etw_entry_read(etw_entry *entry, const etw_rules *rules, etw_normalizer *normalizer,
                          const etw_json_document *object, etw_text *kept, etw_error *error)
{
    reading r = {
        .entry = entry, .rules = rules, .normalizer = normalizer, .document = object, .kept = kept};
    etw_text_clear(&entry->text);
    entry->count = 0;
    entry->hash = entry->content = 0;
    memset(entry->parts, 0, sizeof entry->parts);
    if (object->values[0].kind != ETW_JSON_OBJECT) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "not a JSON object");
    }
    const etw_status status = read_value(&r, &object->values[0]);
    etw_text_free(&r.path);
    etw_text_free(&r.value);
    if (etw_failed(status)) {
        return etw_error_set(error, status,
                             status == ETW_ERROR_LIMIT ? "too many values to number them"
                                                       : "no memory for an event");
    }
    set_key(entry, rules);
    return ETW_OK;
}

const etw_entry_field *etw_entry_find(const etw_entry *entry, const char *name)
{
    for (uint32_t i = 0; i < entry->count; i++) {
        if (strcmp(etw_entry_text(entry, entry->fields[i].name), name) == 0) {
            return &entry->fields[i];
        }
    }
    return NULL;
}

/* Comparing. */

static etw_status list_names(const etw_entry *entry, etw_table *names)
{
    for (uint32_t i = 0; i < entry->count; i++) {
        etw_entry_field *f = &entry->fields[i];
        if (!etw_table_set(names, etw_entry_text(entry, f->name), f->name_size, f)) {
            return ETW_ERROR_NO_MEMORY;
        }
    }
    return ETW_OK;
}

static bool is_same(const etw_entry *left, const etw_entry_field *l, const etw_entry *right,
                    const etw_entry_field *r)
{
    return l->value_size == r->value_size &&
           memcmp(etw_entry_text(left, l->value), etw_entry_text(right, r->value), l->value_size) ==
               0;
}

etw_status etw_entry_compare(const etw_entry *left, const etw_entry *right,
                             etw_entry_difference tell, void *context)
{
    etw_table lefts = {0};
    etw_table rights = {0};
    etw_status status = list_names(left, &lefts);
    status = etw_failed(status) ? status : list_names(right, &rights);
    for (uint32_t i = 0; !etw_failed(status) && i < left->count; i++) {
        const etw_entry_field *l = &left->fields[i];
        const etw_entry_field *r =
            etw_table_get(&rights, etw_entry_text(left, l->name), l->name_size);
        if (r == NULL || !is_same(left, l, right, r)) {
            tell(context, l, r);
        }
    }
    for (uint32_t i = 0; !etw_failed(status) && i < right->count; i++) {
        const etw_entry_field *r = &right->fields[i];
        if (etw_table_get(&lefts, etw_entry_text(right, r->name), r->name_size) == NULL) {
            tell(context, NULL, r);
        }
    }
    etw_table_free(&lefts);
    etw_table_free(&rights);
    return status;
}
