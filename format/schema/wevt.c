#include "format/schema/wevt.h"

#include "format/event/tei.h"
#include "format/schema/manifest.h"
#include "format/schema/provider_names.h"

#include <stdio.h>

#define CRIM_HEAD       16u
#define CRIM_ENTRY      20u
#define WEVT_HEAD       16u
#define LIST_HEAD       12u
#define EVENTS_HEAD     16u
#define EVENT_SIZE      48u
#define TEMPLATE_HEAD   40u
#define PROPERTY_SIZE   20u
#define MAP_HEAD        20u
#define MAX_LISTS       64u
#define MAX_TID         16
#define NO_MESSAGE      UINT32_MAX
#define KEYWORD_CLASSIC (UINT64_C(1) << 55)
#define TRAIT_NAME      0x10000001u
#define EVENT_NAME      0x11u
#define EVENT_ATTRIBUTE 0x12u

/* Property flags as stored. */
enum { STRUCT = 1, FIXED_LENGTH = 2, LENGTH_FROM = 4, FIXED_COUNT = 8, COUNT_FROM = 16 };

typedef struct reader {
    etw_manifest_model *model;
    const etw_wevt *wevt;
    etw_bytes block;
    etw_manifest_provider *provider;
    size_t work;     /* bytes that may still be read */
    etw_text text;   /* the latest one, before it is kept */
    etw_table known; /* message id -> its text, so that each is kept once */
    etw_error failure;
} reader;

static bool failed(const reader *self)
{
    return self->failure.status != ETW_OK;
}

/* The first failure stays. */
static void fail(reader *self, etw_status status, const char *what)
{
    if (!failed(self)) {
        (void)etw_error_set(&self->failure, status, "compiled manifest: %s", what);
    }
}

static void *allocate(reader *self, size_t size)
{
    void *memory = failed(self) ? NULL : etw_arena_alloc(&self->model->arena, size);
    if (memory == NULL && etw_arena_full(&self->model->arena, size + sizeof(max_align_t))) {
        fail(self, ETW_ERROR_LIMIT, "larger than what may be kept of manifests");
    } else if (memory == NULL) {
        fail(self, ETW_ERROR_NO_MEMORY, "no memory");
    }
    return memory;
}

static void put(reader *self, etw_table *table, const void *key, size_t key_size, void *value)
{
    if (value != NULL && !failed(self) && !etw_table_set(table, key, key_size, value)) {
        fail(self, ETW_ERROR_NO_MEMORY, "no memory");
    }
}

/* size bytes at offset, or NULL with the failure noted. They count as work. */
static const uint8_t *bytes_at(reader *self, uint64_t offset, uint64_t size)
{
    if (failed(self)) {
        return NULL;
    }
    if (offset > self->block.size || size > self->block.size - offset) {
        fail(self, ETW_ERROR_DAMAGED, "an offset points outside of it");
        return NULL;
    }
    if (size > self->work) {
        fail(self, ETW_ERROR_LIMIT, "its parts overlap too often");
        return NULL;
    }
    self->work -= (size_t)size;
    return self->block.data + offset;
}

static const char *keep_text(reader *self)
{
    if (self->text.failed) {
        fail(self, ETW_ERROR_NO_MEMORY, "no memory");
    }
    if (self->text.size > self->work) {
        fail(self, ETW_ERROR_LIMIT, "its texts overlap too often");
    }
    char *kept = allocate(self, self->text.size + 1);
    if (kept == NULL) {
        return NULL;
    }
    self->work -= self->text.size;
    if (self->text.size != 0) {
        memcpy(kept, self->text.data, self->text.size);
    }
    return kept;
}

static const char *keep_utf16(reader *self, const uint8_t *units, size_t size)
{
    if (units == NULL) {
        return NULL;
    }
    etw_text_clear(&self->text);
    etw_text_append_utf16(&self->text, units, etw_utf16_length_bytes(units, size), ETW_ESCAPE_NONE);
    return keep_text(self);
}

/* A string behind its size in bytes, which counts the size itself. */
static const char *counted_string(reader *self, uint32_t offset)
{
    const uint8_t *head = bytes_at(self, offset, sizeof(uint32_t));
    const uint32_t size = head == NULL ? 0 : etw_load_u32(head);
    if (head == NULL) {
        return NULL;
    }
    if (size < sizeof(uint32_t) || size > ETW_MANIFEST_MAX_TEXT_BYTES) {
        fail(self, ETW_ERROR_DAMAGED, "a string has a bad size");
        return NULL;
    }
    const uint8_t *units =
        bytes_at(self, (uint64_t)offset + sizeof(uint32_t), size - sizeof(uint32_t));
    return keep_utf16(self, units, size - sizeof(uint32_t));
}

/* A string up to its NUL. */
static const char *nul_string(reader *self, uint32_t offset)
{
    if (bytes_at(self, offset, 0) == NULL) {
        return NULL;
    }
    size_t room = self->block.size - offset;
    room = room > ETW_MANIFEST_MAX_TEXT_BYTES ? ETW_MANIFEST_MAX_TEXT_BYTES : room;
    const size_t size = etw_utf16_length_bytes(self->block.data + offset, room);
    return keep_utf16(self, bytes_at(self, offset, size), size);
}

/* NULL where no table has it. */
static const char *message(reader *self, uint32_t id)
{
    if (id == NO_MESSAGE || failed(self)) {
        return NULL;
    }
    const char *kept = etw_table_get(&self->known, &id, sizeof id);
    for (uint32_t i = 0; i < self->wevt->table_count && kept == NULL; i++) {
        if (etw_message_table_get(&self->wevt->tables[i], id, &self->text)) {
            kept = keep_text(self);
            uint32_t *key = allocate(self, sizeof *key);
            if (key != NULL) {
                *key = id;
                put(self, &self->known, key, sizeof *key, (void *)(uintptr_t)kept);
            }
        }
    }
    return kept;
}

/* The entries of a list at offset, and how many; NULL where there are none. */
static const uint8_t *list_entries(reader *self, uint32_t offset, uint32_t head_size,
                                   uint32_t entry_size, uint32_t *count)
{
    const uint8_t *head = bytes_at(self, offset, LIST_HEAD);
    *count = head == NULL ? 0 : etw_load_u32(head + 8);
    return *count == 0
               ? NULL
               : bytes_at(self, (uint64_t)offset + head_size, (uint64_t)*count * entry_size);
}

/* The first name of a number stays, as in XML. */
static etw_manifest_name *add_name(reader *self, etw_manifest_name_kind kind, uint32_t task,
                                   uint32_t value, uint32_t name_offset)
{
    const etw_manifest_name_key key = {(uint32_t)kind, task, value};
    if (etw_table_get(&self->provider->names, &key, sizeof key) != NULL) {
        return NULL;
    }
    etw_manifest_name *added = allocate(self, sizeof *added);
    if (added != NULL) {
        added->key = key;
        added->name = counted_string(self, name_offset);
        put(self, &self->provider->names, &added->key, sizeof added->key, added);
    }
    return added;
}

static void read_levels(reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = list_entries(self, offset, LIST_HEAD, 12, &count);
    for (; at != NULL && count > 0 && !failed(self); at += 12, count--) {
        (void)add_name(self, ETW_MANIFEST_LEVEL, ETW_MANIFEST_ANY_TASK, etw_load_u32(at),
                       etw_load_u32(at + 8));
    }
}

static void read_tasks(reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = list_entries(self, offset, LIST_HEAD, 28, &count);
    for (; at != NULL && count > 0 && !failed(self); at += 28, count--) {
        etw_manifest_name *added = add_name(self, ETW_MANIFEST_TASK, ETW_MANIFEST_ANY_TASK,
                                            etw_load_u32(at), etw_load_u32(at + 24));
        if (added != NULL) {
            memcpy(&added->event_guid, at + 8, sizeof added->event_guid);
        }
    }
}

static void read_opcodes(reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = list_entries(self, offset, LIST_HEAD, 12, &count);
    for (; at != NULL && count > 0 && !failed(self); at += 12, count--) {
        const uint32_t task = etw_load_u16(at);
        (void)add_name(self, ETW_MANIFEST_OPCODE, task == 0 ? ETW_MANIFEST_ANY_TASK : task,
                       etw_load_u16(at + 2), etw_load_u32(at + 8));
    }
}

static void read_keywords(reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = list_entries(self, offset, LIST_HEAD, 16, &count);
    for (; at != NULL && count > 0 && !failed(self); at += 16, count--) {
        if (self->provider->keyword_count == ETW_MANIFEST_MAX_KEYWORDS) {
            return;
        }
        const char *name = counted_string(self, etw_load_u32(at + 12));
        etw_manifest_add_keyword(self->provider, etw_load_u64(at), name);
    }
}

static void read_channels(reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = list_entries(self, offset, LIST_HEAD, 16, &count);
    for (; at != NULL && count > 0 && !failed(self); at += 16, count--) {
        const etw_manifest_name *added = add_name(self, ETW_MANIFEST_CHANNEL, ETW_MANIFEST_ANY_TASK,
                                                  etw_load_u32(at + 8), etw_load_u32(at + 4));
        if (added != NULL && etw_load_u32(at) == 0 && self->provider->own_channel == NULL) {
            self->provider->own_channel = added->name;
        }
    }
}

static void read_map_entries(reader *self, etw_manifest_map *map, uint32_t offset, uint32_t count)
{
    const uint8_t *at = bytes_at(self, (uint64_t)offset + MAP_HEAD, (uint64_t)count * 8);
    for (; at != NULL && count > 0 && !failed(self); at += 8, count--) {
        etw_manifest_map_entry *entry = allocate(self, sizeof *entry);
        if (entry != NULL) {
            entry->value = etw_load_u32(at);
            entry->message = message(self, etw_load_u32(at + 4));
            etw_manifest_add_map_entry(map, entry);
        }
    }
}

static void read_map(reader *self, uint32_t offset)
{
    const uint8_t *head = bytes_at(self, offset, MAP_HEAD);
    if (head == NULL || (memcmp(head, "VMAP", 4) != 0 && memcmp(head, "BMAP", 4) != 0)) {
        fail(self, ETW_ERROR_DAMAGED, "a map that is none");
        return;
    }
    const char *name = counted_string(self, etw_load_u32(head + 8));
    if (name == NULL || etw_table_get(&self->provider->maps, name, strlen(name)) != NULL) {
        return;
    }
    etw_manifest_map *map = allocate(self, sizeof *map);
    if (map != NULL) {
        map->name = name;
        map->is_bit_map = head[0] == 'B';
        put(self, &self->provider->maps, name, strlen(name), map);
        read_map_entries(self, map, offset, etw_load_u32(head + 16));
    }
}

static void read_maps(reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = list_entries(self, offset, LIST_HEAD, 4, &count);
    for (; at != NULL && count > 0 && !failed(self); at += 4, count--) {
        read_map(self, etw_load_u32(at));
    }
}

static void read_traits(reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = list_entries(self, offset, LIST_HEAD, 8, &count);
    for (; at != NULL && count > 0 && !failed(self); at += 8, count--) {
        if (etw_load_u32(at) == TRAIT_NAME && self->provider->name == NULL) {
            self->provider->name = nul_string(self, etw_load_u32(at + 4));
        }
    }
}

/* Templates. */

/* A property whose map is a pattern map has its name all the same. */
static const char *map_name(reader *self, uint32_t offset)
{
    const uint8_t *head = offset == 0 ? NULL : bytes_at(self, offset, LIST_HEAD);
    return head == NULL ? NULL : counted_string(self, etw_load_u32(head + 8));
}

typedef struct property_row {
    const uint8_t *first;
    uint32_t count;
    uint32_t top_level;
    etw_manifest_field *fields; /* in the order of the template's array, as TRACE_EVENT_INFO's */
} property_row;

static const etw_manifest_field *field_at(reader *self, const property_row *row, uint32_t index)
{
    if (index >= row->count) {
        fail(self, ETW_ERROR_DAMAGED, "a property refers to one that is not there");
        return NULL;
    }
    return &row->fields[index];
}

static void read_sizes(reader *self, const property_row *row, const uint8_t *from,
                       etw_manifest_field *field)
{
    const uint32_t flags = etw_load_u32(from);
    const uint16_t count = etw_load_u16(from + 12);
    const uint16_t length = etw_load_u16(from + 14);
    if ((flags & COUNT_FROM) != 0) {
        field->count_from = field_at(self, row, count);
    } else if ((flags & FIXED_COUNT) != 0) {
        field->fixed_count = count;
    }
    if ((flags & LENGTH_FROM) != 0) {
        field->length_from = field_at(self, row, length);
    } else if ((flags & FIXED_LENGTH) != 0) {
        field->fixed_length = length;
    }
}

static void read_struct(reader *self, const property_row *row, const uint8_t *from,
                        etw_manifest_field *field)
{
    const uint32_t start = etw_load_u16(from + 4);
    const uint32_t members = etw_load_u16(from + 6);
    field->is_struct = true;
    if (start < row->top_level || start + members > row->count) {
        fail(self, ETW_ERROR_DAMAGED, "a struct's members are not there");
        return;
    }
    for (uint32_t i = start; i < start + members; i++) {
        if (row->fields[i].parent != NULL) {
            fail(self, ETW_ERROR_DAMAGED, "a member of two structs");
            return;
        }
        row->fields[i].parent = field;
    }
}

static void read_property(reader *self, const property_row *row, uint32_t index)
{
    const uint8_t *from = row->first + (size_t)index * PROPERTY_SIZE;
    etw_manifest_field *field = &row->fields[index];
    field->handle = index + 1; /* as the builder will count: what follows may be referred to */
    field->next = index + 1 < row->count ? field + 1 : NULL;
    field->name = counted_string(self, etw_load_u32(from + 16));
    read_sizes(self, row, from, field);
    if ((etw_load_u32(from) & STRUCT) == 0) {
        field->in_type = from[4];
        field->out_type = from[5];
        field->map = map_name(self, etw_load_u32(from + 8));
    } else if (index < row->top_level) {
        read_struct(self, row, from, field);
    } else {
        fail(self, ETW_ERROR_DAMAGED, "a struct inside a struct");
    }
}

static void check_members(reader *self, const property_row *row)
{
    for (uint32_t i = row->top_level; i < row->count && !failed(self); i++) {
        if (row->fields[i].parent == NULL) {
            fail(self, ETW_ERROR_DAMAGED, "a property belongs to no struct");
        }
    }
}

static void read_template(reader *self, uint32_t offset, etw_manifest_template *template)
{
    const uint8_t *head = bytes_at(self, offset, TEMPLATE_HEAD);
    if (head == NULL) {
        return;
    }
    property_row row = {.top_level = etw_load_u32(head + 8), .count = etw_load_u32(head + 12)};
    template->flags = etw_load_u32(head + 20) & (ETW_TEMPLATE_EVENT_DATA | ETW_TEMPLATE_USER_DATA);
    template->is_resolved = true;
    if (memcmp(head, "TEMP", 4) != 0 || row.top_level > row.count ||
        row.count > ETW_MAX_PROPERTIES) {
        fail(self, ETW_ERROR_DAMAGED, "a template that is none, or has too many properties");
        return;
    }
    row.first = bytes_at(self, etw_load_u32(head + 16), (uint64_t)row.count * PROPERTY_SIZE);
    row.fields = row.count == 0 ? NULL : allocate(self, row.count * sizeof *row.fields);
    for (uint32_t i = 0; i < row.count && !failed(self); i++) {
        read_property(self, &row, i);
    }
    check_members(self, &row);
    if (row.count > 0 && !failed(self)) {
        template->first = row.fields;
        template->last = &row.fields[row.count - 1];
        template->field_count = row.count;
    }
}

/* The name of the template at offset, which is read when it is met first. */
static const char *template_of(reader *self, uint32_t offset)
{
    char tid[MAX_TID];
    if (offset == 0 || failed(self)) {
        return NULL;
    }
    const int size = snprintf(tid, sizeof tid, "@%x", (unsigned)offset);
    etw_manifest_template *template = etw_table_get(&self->provider->templates, tid, (size_t)size);
    if (template != NULL) {
        return template->tid;
    }
    template = allocate(self, sizeof *template);
    char *kept = allocate(self, (size_t)size + 1);
    if (template == NULL || kept == NULL) {
        return NULL;
    }
    memcpy(kept, tid, (size_t)size);
    template->tid = kept;
    read_template(self, offset, template);
    put(self, &self->provider->templates, kept, (size_t)size, template);
    return kept;
}

/* Events. */

/* A number may be used twice: by an event, and by an entry of the old event log (keyword bit 55),
 * which then gives way. */
static etw_manifest_event *event_for(reader *self, const uint8_t *from)
{
    const etw_manifest_event_key key = {self->provider->guid, etw_load_u16(from), from[2]};
    const bool classic = (etw_load_u64(from + 8) & KEYWORD_CLASSIC) != 0;
    etw_manifest_event *event = etw_table_get(&self->model->events, &key, sizeof key);
    if (event != NULL) {
        return event->provider == self->provider && event->is_classic && !classic ? event : NULL;
    }
    event = allocate(self, sizeof *event);
    if (event != NULL) {
        event->key = key;
        event->provider = self->provider;
        put(self, &self->model->events, &event->key, sizeof event->key, event);
    }
    return event;
}

static void read_events(reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = list_entries(self, offset, EVENTS_HEAD, EVENT_SIZE, &count);
    for (; at != NULL && count > 0 && !failed(self); at += EVENT_SIZE, count--) {
        etw_manifest_event *event = event_for(self, at);
        if (event != NULL) {
            memcpy(&event->descriptor, at, sizeof event->descriptor);
            event->is_classic = (etw_load_u64(at + 8) & KEYWORD_CLASSIC) != 0;
            event->message = message(self, etw_load_u32(at + 16));
            event->tid = template_of(self, etw_load_u32(at + 20));
        }
    }
}

static const char *join_attributes(reader *self, const char *first, const char *second)
{
    if (first == NULL || second == NULL) {
        return first == NULL ? second : first;
    }
    etw_text_clear(&self->text);
    etw_text_append_z(&self->text, first);
    etw_text_append_char(&self->text, ';');
    etw_text_append_z(&self->text, second);
    return keep_text(self);
}

static void read_event_attributes(reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = list_entries(self, offset, LIST_HEAD, 8, &count);
    for (; at != NULL && count > 0 && !failed(self); at += 8, count--) {
        const etw_manifest_event_key key = {self->provider->guid, etw_load_u16(at + 2), at[1]};
        etw_manifest_event *event = etw_table_get(&self->model->events, &key, sizeof key);
        if (event == NULL || event->provider != self->provider) {
            continue;
        }
        const char *text = nul_string(self, etw_load_u32(at + 4));
        if (at[0] == EVENT_NAME) {
            event->name = text;
        } else if (at[0] == EVENT_ATTRIBUTE) {
            event->attributes = join_attributes(self, event->attributes, text);
        }
    }
}

/* What is read of a provider, in this order: events refer to what stands before them. */
static const struct list_kind {
    const char *magic;
    void (*read)(reader *self, uint32_t offset);
} list_kinds[] = {
    {"PRVA", read_traits},  {"LEVL", read_levels},   {"TASK", read_tasks},
    {"OPCO", read_opcodes}, {"KEYW", read_keywords}, {"CHAN", read_channels},
    {"MAPS", read_maps},    {"EVNT", read_events},   {"EVTA", read_event_attributes},
};

static void read_lists(reader *self, uint32_t offset, uint32_t count)
{
    const uint8_t *lists = bytes_at(self, (uint64_t)offset + WEVT_HEAD, (uint64_t)count * 8);
    for (size_t kind = 0; lists != NULL && kind < sizeof list_kinds / sizeof list_kinds[0];
         kind++) {
        for (uint32_t i = 0; i < count && !failed(self); i++) {
            const uint32_t at = etw_load_u32(lists + (size_t)i * 8 + 4);
            const uint8_t *head = at == 0 ? NULL : bytes_at(self, at, LIST_HEAD);
            if (head != NULL && memcmp(head, list_kinds[kind].magic, 4) == 0) {
                list_kinds[kind].read(self, at);
            }
        }
    }
}

/* Resources before version 5 do not name their providers: what is known of the GUID, else the
 * first channel of its own up to the slash, else what it calls itself. */
static const char *name_unnamed(reader *self)
{
    const etw_manifest_provider *provider = self->provider;
    const char *known = etw_well_known_provider_name(&provider->guid);
    if (known != NULL) {
        return known;
    }
    if (provider->own_channel == NULL) {
        return provider->message;
    }
    etw_text_clear(&self->text);
    etw_text_append(&self->text, provider->own_channel, strcspn(provider->own_channel, "/"));
    return keep_text(self);
}

static void read_provider(reader *self, const uint8_t *entry)
{
    const uint32_t offset = etw_load_u32(entry + 16);
    const uint8_t *head = bytes_at(self, offset, WEVT_HEAD);
    etw_manifest_provider *provider = allocate(self, sizeof *provider);
    if (head == NULL || provider == NULL) {
        return;
    }
    if (memcmp(head, "WEVT", 4) != 0 || etw_load_u32(head + 12) > MAX_LISTS) {
        fail(self, ETW_ERROR_DAMAGED, "a provider that is none");
        return;
    }
    /* Linked at once, so that its tables are freed whatever comes. */
    provider->next = self->model->providers;
    self->model->providers = provider;
    self->provider = provider;
    memcpy(&provider->guid, entry, sizeof provider->guid);
    provider->message = message(self, etw_load_u32(head + 8));
    read_lists(self, offset, etw_load_u32(head + 12));
    if (provider->name == NULL && !failed(self)) {
        provider->name = name_unnamed(self);
    }
}

bool etw_wevt_is_block(etw_bytes bytes)
{
    return bytes.size >= CRIM_HEAD && memcmp(bytes.data, "CRIM", 4) == 0;
}

/* The entries of the providers; *count as many as fit. */
static const uint8_t *provider_entries(etw_bytes block, uint32_t *count)
{
    *count = 0;
    if (!etw_wevt_is_block(block)) {
        return NULL;
    }
    const size_t room = (block.size - CRIM_HEAD) / CRIM_ENTRY;
    const uint32_t stated = etw_load_u32(block.data + 12);
    *count = stated > room ? (uint32_t)room : stated;
    return block.data + CRIM_HEAD;
}

void etw_wevt_providers(etw_bytes block, void (*take)(void *into, const etw_guid *provider),
                        void *into)
{
    uint32_t count;
    const uint8_t *entry = provider_entries(block, &count);
    for (; count > 0; entry += CRIM_ENTRY, count--) {
        etw_guid provider;
        memcpy(&provider, entry, sizeof provider);
        take(into, &provider);
    }
}

/* A block of an unknown version, or one that claims what is not there, is refused. */
etw_status etw_wevt_check(etw_bytes block, etw_error *error)
{
    if (!etw_wevt_is_block(block)) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "no compiled manifest");
    }
    const uint32_t major = etw_load_u16(block.data + 8);
    if (major != 3 && major != 5) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "compiled manifest of version %u; 3 and 5 are known", major);
    }
    if (etw_load_u32(block.data + 4) > block.size || block.size > ETW_WEVT_MAX_BYTES) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "compiled manifest is cut off or too large");
    }
    return ETW_OK;
}

etw_status etw_wevt_read(etw_manifest_model *model, const etw_wevt *wevt, uint32_t *provider_count,
                         etw_error *error)
{
    *provider_count = 0;
    const etw_status checked = etw_wevt_check(wevt->block, error);
    if (checked != ETW_OK) {
        return checked;
    }
    reader self = {.model = model,
                   .wevt = wevt,
                   .block = {wevt->block.data, etw_load_u32(wevt->block.data + 4)}};
    self.work = wevt->block.size * ETW_WEVT_WORK;
    for (uint32_t i = 0; i < wevt->table_count; i++) {
        self.work += wevt->tables[i].bytes.size * ETW_WEVT_WORK;
    }
    uint32_t count;
    const uint8_t *entry = provider_entries(wevt->block, &count);
    for (; count > 0 && !failed(&self); entry += CRIM_ENTRY, count--) {
        read_provider(&self, entry);
        ++*provider_count;
    }
    etw_text_free(&self.text);
    etw_table_free(&self.known);
    return failed(&self) ? etw_error_set(error, self.failure.status, "%s", self.failure.message)
                         : ETW_OK;
}
