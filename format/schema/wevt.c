#include "format/schema/wevt.h"

#include "format/schema/manifest.h"
#include "format/schema/provider_names.h"
#include "format/schema/wevt_reader.h"

#define CRIM_HEAD       16u
#define CRIM_ENTRY      20u
#define WEVT_HEAD       16u
#define EVENTS_HEAD     16u
#define EVENT_SIZE      48u
#define MAP_HEAD        20u
#define MAX_LISTS       64u
#define KEYWORD_CLASSIC (UINT64_C(1) << 55)
#define TRAIT_NAME      0x10000001u
#define EVENT_NAME      0x11u
#define EVENT_ATTRIBUTE 0x12u

/* The first name of a number stays, as in XML. */
static etw_manifest_name *add_name(etw_wevt_reader *self, etw_manifest_name_kind kind,
                                   uint32_t task, uint32_t value, uint32_t name_offset)
{
    const etw_manifest_name_key key = {(uint32_t)kind, task, value};
    if (etw_table_get(&self->provider->names, &key, sizeof key) != NULL) {
        return NULL;
    }
    etw_manifest_name *added = etw_wevt_allocate(self, sizeof *added);
    if (added != NULL) {
        added->key = key;
        added->name = etw_wevt_counted_string(self, name_offset);
        etw_wevt_put(self, &self->provider->names, &added->key, sizeof added->key, added);
    }
    return added;
}

static void read_levels(etw_wevt_reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = etw_wevt_list_entries(self, offset, ETW_WEVT_LIST_HEAD, 12, &count);
    for (; at != NULL && count > 0 && !etw_wevt_failed(self); at += 12, count--) {
        (void)add_name(self, ETW_MANIFEST_LEVEL, ETW_MANIFEST_ANY_TASK, etw_load_u32(at),
                       etw_load_u32(at + 8));
    }
}

static void read_tasks(etw_wevt_reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = etw_wevt_list_entries(self, offset, ETW_WEVT_LIST_HEAD, 28, &count);
    for (; at != NULL && count > 0 && !etw_wevt_failed(self); at += 28, count--) {
        etw_manifest_name *added = add_name(self, ETW_MANIFEST_TASK, ETW_MANIFEST_ANY_TASK,
                                            etw_load_u32(at), etw_load_u32(at + 24));
        if (added != NULL) {
            memcpy(&added->event_guid, at + 8, sizeof added->event_guid);
        }
    }
}

static void read_opcodes(etw_wevt_reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = etw_wevt_list_entries(self, offset, ETW_WEVT_LIST_HEAD, 12, &count);
    for (; at != NULL && count > 0 && !etw_wevt_failed(self); at += 12, count--) {
        const uint32_t task = etw_load_u16(at);
        (void)add_name(self, ETW_MANIFEST_OPCODE, task == 0 ? ETW_MANIFEST_ANY_TASK : task,
                       etw_load_u16(at + 2), etw_load_u32(at + 8));
    }
}

static void read_keywords(etw_wevt_reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = etw_wevt_list_entries(self, offset, ETW_WEVT_LIST_HEAD, 16, &count);
    for (; at != NULL && count > 0 && !etw_wevt_failed(self); at += 16, count--) {
        if (self->provider->keyword_count == ETW_MANIFEST_MAX_KEYWORDS) {
            return;
        }
        const char *name = etw_wevt_counted_string(self, etw_load_u32(at + 12));
        etw_manifest_add_keyword(self->provider, etw_load_u64(at), name);
    }
}

static void read_channels(etw_wevt_reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = etw_wevt_list_entries(self, offset, ETW_WEVT_LIST_HEAD, 16, &count);
    for (; at != NULL && count > 0 && !etw_wevt_failed(self); at += 16, count--) {
        const etw_manifest_name *added = add_name(self, ETW_MANIFEST_CHANNEL, ETW_MANIFEST_ANY_TASK,
                                                  etw_load_u32(at + 8), etw_load_u32(at + 4));
        if (added != NULL && etw_load_u32(at) == 0 && self->provider->own_channel == NULL) {
            self->provider->own_channel = added->name;
        }
    }
}

static void read_map_entries(etw_wevt_reader *self, etw_manifest_map *map, uint32_t offset,
                             uint32_t count)
{
    const uint8_t *at = etw_wevt_bytes_at(self, (uint64_t)offset + MAP_HEAD, (uint64_t)count * 8);
    for (; at != NULL && count > 0 && !etw_wevt_failed(self); at += 8, count--) {
        etw_manifest_map_entry *entry = etw_wevt_allocate(self, sizeof *entry);
        if (entry != NULL) {
            entry->value = etw_load_u32(at);
            entry->message = etw_wevt_message(self, etw_load_u32(at + 4));
            etw_manifest_add_map_entry(map, entry);
        }
    }
}

static void read_map(etw_wevt_reader *self, uint32_t offset)
{
    const uint8_t *head = etw_wevt_bytes_at(self, offset, MAP_HEAD);
    if (head == NULL || (memcmp(head, "VMAP", 4) != 0 && memcmp(head, "BMAP", 4) != 0)) {
        etw_wevt_fail(self, ETW_ERROR_DAMAGED, "a map that is none");
        return;
    }
    const char *name = etw_wevt_counted_string(self, etw_load_u32(head + 8));
    if (name == NULL || etw_table_get(&self->provider->maps, name, strlen(name)) != NULL) {
        return;
    }
    etw_manifest_map *map = etw_wevt_allocate(self, sizeof *map);
    if (map != NULL) {
        map->name = name;
        map->is_bit_map = head[0] == 'B';
        etw_wevt_put(self, &self->provider->maps, name, strlen(name), map);
        read_map_entries(self, map, offset, etw_load_u32(head + 16));
    }
}

static void read_maps(etw_wevt_reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = etw_wevt_list_entries(self, offset, ETW_WEVT_LIST_HEAD, 4, &count);
    for (; at != NULL && count > 0 && !etw_wevt_failed(self); at += 4, count--) {
        read_map(self, etw_load_u32(at));
    }
}

static void read_traits(etw_wevt_reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = etw_wevt_list_entries(self, offset, ETW_WEVT_LIST_HEAD, 8, &count);
    for (; at != NULL && count > 0 && !etw_wevt_failed(self); at += 8, count--) {
        if (etw_load_u32(at) == TRAIT_NAME && self->provider->name == NULL) {
            self->provider->name = etw_wevt_nul_string(self, etw_load_u32(at + 4));
        }
    }
}

/* Events. */

/* A number may be used twice: by an event, and by an entry of the old event log (keyword bit 55),
 * which then gives way. */
static etw_manifest_event *event_for(etw_wevt_reader *self, const uint8_t *from)
{
    const etw_manifest_event_key key = {self->provider->guid, etw_load_u16(from), from[2]};
    const bool classic = (etw_load_u64(from + 8) & KEYWORD_CLASSIC) != 0;
    etw_manifest_event *event = etw_table_get(&self->model->events, &key, sizeof key);
    if (event != NULL) {
        return event->provider == self->provider && event->is_classic && !classic ? event : NULL;
    }
    event = etw_wevt_allocate(self, sizeof *event);
    if (event != NULL) {
        event->key = key;
        event->provider = self->provider;
        etw_wevt_put(self, &self->model->events, &event->key, sizeof event->key, event);
    }
    return event;
}

static void read_events(etw_wevt_reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = etw_wevt_list_entries(self, offset, EVENTS_HEAD, EVENT_SIZE, &count);
    for (; at != NULL && count > 0 && !etw_wevt_failed(self); at += EVENT_SIZE, count--) {
        etw_manifest_event *event = event_for(self, at);
        if (event != NULL) {
            memcpy(&event->descriptor, at, sizeof event->descriptor);
            event->is_classic = (etw_load_u64(at + 8) & KEYWORD_CLASSIC) != 0;
            event->message = etw_wevt_message(self, etw_load_u32(at + 16));
            event->tid = etw_wevt_template_at(self, etw_load_u32(at + 20));
        }
    }
}

static const char *join_attributes(etw_wevt_reader *self, const char *first, const char *second)
{
    if (first == NULL || second == NULL) {
        return first == NULL ? second : first;
    }
    etw_text_clear(&self->text);
    etw_text_append_z(&self->text, first);
    etw_text_append_char(&self->text, ';');
    etw_text_append_z(&self->text, second);
    return etw_wevt_keep_text(self);
}

static void read_event_attributes(etw_wevt_reader *self, uint32_t offset)
{
    uint32_t count;
    const uint8_t *at = etw_wevt_list_entries(self, offset, ETW_WEVT_LIST_HEAD, 8, &count);
    for (; at != NULL && count > 0 && !etw_wevt_failed(self); at += 8, count--) {
        const etw_manifest_event_key key = {self->provider->guid, etw_load_u16(at + 2), at[1]};
        etw_manifest_event *event = etw_table_get(&self->model->events, &key, sizeof key);
        if (event == NULL || event->provider != self->provider) {
            continue;
        }
        const char *text = etw_wevt_nul_string(self, etw_load_u32(at + 4));
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
    void (*read)(etw_wevt_reader *self, uint32_t offset);
} list_kinds[] = {
    {"PRVA", read_traits},  {"LEVL", read_levels},   {"TASK", read_tasks},
    {"OPCO", read_opcodes}, {"KEYW", read_keywords}, {"CHAN", read_channels},
    {"MAPS", read_maps},    {"EVNT", read_events},   {"EVTA", read_event_attributes},
};

static void read_lists(etw_wevt_reader *self, uint32_t offset, uint32_t count)
{
    const uint8_t *lists =
        etw_wevt_bytes_at(self, (uint64_t)offset + WEVT_HEAD, (uint64_t)count * 8);
    for (size_t kind = 0; lists != NULL && kind < sizeof list_kinds / sizeof list_kinds[0];
         kind++) {
        for (uint32_t i = 0; i < count && !etw_wevt_failed(self); i++) {
            const uint32_t at = etw_load_u32(lists + (size_t)i * 8 + 4);
            const uint8_t *head = at == 0 ? NULL : etw_wevt_bytes_at(self, at, ETW_WEVT_LIST_HEAD);
            if (head != NULL && memcmp(head, list_kinds[kind].magic, 4) == 0) {
                list_kinds[kind].read(self, at);
            }
        }
    }
}

/* Resources before version 5 do not name their providers: what is known of the GUID, else the
 * first channel of its own up to the slash, else what it calls itself. */
static const char *name_unnamed(etw_wevt_reader *self)
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
    return etw_wevt_keep_text(self);
}

static void read_provider(etw_wevt_reader *self, const uint8_t *entry)
{
    const uint32_t offset = etw_load_u32(entry + 16);
    const uint8_t *head = etw_wevt_bytes_at(self, offset, WEVT_HEAD);
    etw_manifest_provider *provider = etw_wevt_allocate(self, sizeof *provider);
    if (head == NULL || provider == NULL) {
        return;
    }
    if (memcmp(head, "WEVT", 4) != 0 || etw_load_u32(head + 12) > MAX_LISTS) {
        etw_wevt_fail(self, ETW_ERROR_DAMAGED, "a provider that is none");
        return;
    }
    /* Linked at once, so that its tables are freed whatever comes. */
    provider->next = self->model->providers;
    self->model->providers = provider;
    self->provider = provider;
    memcpy(&provider->guid, entry, sizeof provider->guid);
    provider->message = etw_wevt_message(self, etw_load_u32(head + 8));
    read_lists(self, offset, etw_load_u32(head + 12));
    if (provider->name == NULL && !etw_wevt_failed(self)) {
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
    etw_wevt_reader self = {.model = model,
                            .wevt = wevt,
                            .block = {wevt->block.data, etw_load_u32(wevt->block.data + 4)}};
    self.work = wevt->block.size * ETW_WEVT_WORK;
    for (uint32_t i = 0; i < wevt->table_count; i++) {
        self.work += wevt->tables[i].bytes.size * ETW_WEVT_WORK;
    }
    uint32_t count;
    const uint8_t *entry = provider_entries(wevt->block, &count);
    for (; count > 0 && !etw_wevt_failed(&self); entry += CRIM_ENTRY, count--) {
        read_provider(&self, entry);
        ++*provider_count;
    }
    etw_text_free(&self.text);
    etw_table_free(&self.known);
    return etw_wevt_failed(&self)
               ? etw_error_set(error, self.failure.status, "%s", self.failure.message)
               : ETW_OK;
}
