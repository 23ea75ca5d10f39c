#include "format/schema/manifest.h"

#include "format/event/tei_builder.h"
#include "format/schema/manifest_model.h"
#include "format/schema/wevt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STRING_REFERENCE "$(string."

struct etw_manifest_set {
    etw_manifest_model model;
    uint32_t origin;
    etw_tei_builder *builder;
    etw_text message;
    etw_text provider_message;
};

etw_manifest_set *etw_manifest_set_new(uint32_t origin, size_t max_bytes)
{
    etw_manifest_set *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return NULL;
    }
    set->origin = origin;
    set->model.arena.limit_bytes = max_bytes;
    set->builder = etw_tei_builder_new();
    if (set->builder == NULL) {
        free(set);
        return NULL;
    }
    return set;
}

void etw_manifest_set_free(etw_manifest_set *set)
{
    if (set == NULL) {
        return;
    }
    for (etw_manifest_document *at = set->model.documents; at != NULL; at = at->next) {
        etw_table_free(&at->strings);
    }
    for (etw_manifest_provider *at = set->model.providers; at != NULL; at = at->next) {
        etw_table_free(&at->names);
        etw_table_free(&at->maps);
        etw_table_free(&at->templates);
    }
    etw_table_free(&set->model.events);
    etw_arena_free(&set->model.arena);
    etw_tei_builder_free(set->builder);
    etw_text_free(&set->message);
    etw_text_free(&set->provider_message);
    free(set);
}

size_t etw_manifest_set_bytes(const etw_manifest_set *set)
{
    return set->model.arena.used_bytes;
}

/* Something that is being added, and what the set was before. */
typedef struct addition {
    const etw_manifest_provider *newest_before;
    uint32_t events_before;
    uint32_t provider_count; /* of what is added */
} addition;

static addition start_adding(const etw_manifest_set *set)
{
    return (addition){set->model.providers, set->model.events.probe.used, 0};
}

/* status: of reading it. */
static etw_status end_adding(const etw_manifest_set *set, const addition *of, etw_status status,
                             etw_schema_store *store, uint32_t *added, etw_error *error)
{
    for (const etw_manifest_provider *at = set->model.providers; at != of->newest_before;
         at = at->next) {
        if (status == ETW_OK && at->name != NULL) {
            status = etw_schema_store_set_provider_name(store, &at->guid, at->name, error);
        }
    }
    if (added != NULL) {
        *added = set->model.events.probe.used - of->events_before;
    }
    if (status == ETW_OK && of->provider_count == 0) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "no provider in it");
    }
    return status;
}

etw_status etw_manifest_set_add(etw_manifest_set *set, etw_bytes xml, etw_schema_store *store,
                                uint32_t *added, etw_error *error)
{
    addition of = start_adding(set);
    const etw_status status = etw_manifest_read_xml(&set->model, xml, &of.provider_count, error);
    return end_adding(set, &of, status, store, added, error);
}

etw_status etw_manifest_set_add_compiled(etw_manifest_set *set, const etw_wevt *wevt,
                                         etw_schema_store *store, uint32_t *added, etw_error *error)
{
    addition of = start_adding(set);
    const etw_status status = etw_wevt_read(&set->model, wevt, &of.provider_count, error);
    return end_adding(set, &of, status, store, added, error);
}

void etw_manifest_set_providers(const etw_manifest_set *set,
                                void (*take)(void *into, const etw_guid *provider), void *into)
{
    for (const etw_manifest_provider *at = set->model.providers; at != NULL; at = at->next) {
        take(into, &at->guid);
    }
}

void etw_manifest_set_names(const etw_manifest_set *set,
                            void (*take)(void *into, const etw_guid *provider, const char *name),
                            void *into)
{
    for (const etw_manifest_provider *at = set->model.providers; at != NULL; at = at->next) {
        if (at->name != NULL) {
            take(into, &at->guid, at->name);
        }
    }
}

/* Names of events: those of the record, as TDH looks them up by the event's own descriptor. */

static const etw_manifest_name *name_of(const etw_manifest_provider *provider,
                                        etw_manifest_name_kind kind, uint32_t task, uint32_t value)
{
    const etw_manifest_name_key key = {(uint32_t)kind, task, value};
    return etw_table_get(&provider->names, &key, sizeof key);
}

static const char *text_of(const etw_manifest_name *name)
{
    return name == NULL ? NULL : name->name;
}

/* PerfView's dumps make up "keyword_8000" for a mask without a name. */
static bool is_made_up(const etw_manifest_keyword *keyword)
{
    char made_up[32];
    (void)snprintf(made_up, sizeof made_up, "keyword_%" PRIx64, keyword->mask);
    return strcmp(keyword->name, made_up) == 0;
}

static uint32_t keywords_of(const etw_manifest_provider *provider, uint64_t keyword,
                            const char **names)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < provider->keyword_count; i++) {
        const etw_manifest_keyword *known = &provider->keywords[i];
        if ((keyword & known->mask) == known->mask && !is_made_up(known)) {
            names[count++] = known->name;
        }
    }
    return count;
}

/* The string a reference stands for, or the text itself where it is no reference; NULL where the
 * string table lacks it. */
static const char *resolve_string(const etw_manifest_provider *provider, const char *reference)
{
    const size_t prefix = sizeof STRING_REFERENCE - 1;
    if (reference == NULL || provider->document == NULL ||
        strncmp(reference, STRING_REFERENCE, prefix) != 0) {
        return reference;
    }
    const char *id = reference + prefix;
    const char *end = strchr(id, ')');
    return end == NULL ? reference
                       : etw_table_get(&provider->document->strings, id, (size_t)(end - id));
}

static void append_escape(etw_text *text, char letter)
{
    switch (letter) {
    case 'n':
        etw_text_append(text, "\r\n", 2);
        return;
    case 'r':
        etw_text_append_char(text, '\r');
        return;
    case 't':
        etw_text_append_char(text, '\t');
        return;
    case 'b':
        etw_text_append_char(text, ' ');
        return;
    default:
        etw_text_append_char(text, '%');
        etw_text_append_char(text, letter);
        return;
    }
}

/* What a message is once compiled and loaded: FormatMessage's line breaks and blanks (%n %r %t %b)
 * applied, line breaks of the source turned to blanks, inserts (%1, %%) left as they are, %0 its
 * end. */
static void append_message(etw_text *text, const char *source)
{
    for (const char *at = source; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == '0') {
            return;
        }
        if (at[0] == '%' && at[1] != '\0') {
            append_escape(text, *++at);
        } else if (at[0] == '\r' && at[1] == '\n') {
            etw_text_append_char(text, ' ');
            at++;
        } else {
            etw_text_append_char(text, *at == '\r' || *at == '\n' ? ' ' : *at);
        }
    }
}

/* NULL where there is no message. */
static const char *message_of(const etw_manifest_provider *provider, const char *reference,
                              etw_text *text)
{
    const char *source = resolve_string(provider, reference);
    if (source == NULL) {
        return NULL;
    }
    etw_text_clear(text);
    append_message(text, source);
    return etw_text_z(text);
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a manifest's schema");
}

/* By value, as mc.exe stores them, which refuses equal values. */
static int compare_map_entries(const void *a, const void *b)
{
    const etw_map_entry_spec *left = a;
    const etw_map_entry_spec *right = b;
    if (left->value != right->value) {
        return left->value < right->value ? -1 : 1;
    }
    return strcmp(left->text, right->text);
}

/* An entry without text keeps its number, as nobody could tell what it means. */
static etw_status make_map(etw_manifest_set *set, const etw_manifest_provider *provider,
                           etw_manifest_map *map, etw_map_entry_spec *entries, etw_error *error)
{
    etw_arena texts = {0};
    etw_status status = ETW_OK;
    uint32_t count = 0;
    for (const etw_manifest_map_entry *at = map->first; at != NULL; at = at->next) {
        const char *text = message_of(provider, at->message, &set->message);
        const char *kept = text == NULL ? "" : etw_arena_copy(&texts, text, strlen(text));
        if (kept == NULL) {
            status = no_memory(error);
            break;
        }
        entries[count++] = (etw_map_entry_spec){at->value, kept};
    }
    if (status == ETW_OK) {
        if (set->origin != ETW_SCHEMA_EVENTSOURCE) { /* those are loaded as they are */
            qsort(entries, count, sizeof *entries, compare_map_entries);
        }
        const uint32_t flag = map->is_bit_map ? ETW_MAP_MANIFEST_BITMAP : ETW_MAP_MANIFEST_VALUEMAP;
        const etw_map_spec spec = {map->name, flag, entries, count};
        status =
            etw_tei_builder_keep_map(set->builder, &spec, &set->model.arena, &map->blob, error);
    }
    etw_arena_free(&texts);
    return status;
}

static etw_status map_blob(etw_manifest_set *set, const etw_manifest_provider *provider,
                           etw_manifest_map *map, etw_error *error)
{
    if (map->blob.data != NULL) {
        return ETW_OK;
    }
    if (map->entry_count > ETW_MAX_MAP_SIZE / sizeof(etw_event_map_entry)) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "map %s has too many entries", map->name);
    }
    etw_map_entry_spec *entries = calloc((size_t)map->entry_count + 1, sizeof *entries);
    if (entries == NULL) {
        return no_memory(error);
    }
    const etw_status status = make_map(set, provider, map, entries, error);
    free(entries);
    return status;
}

/* The blobs of the maps that the template's fields name, each once. */
static etw_status collect_maps(etw_manifest_set *set, const etw_manifest_provider *provider,
                               const etw_manifest_template *template, etw_bytes *maps,
                               uint32_t *count, etw_error *error)
{
    for (const etw_manifest_field *at = template->first; at != NULL; at = at->next) {
        etw_manifest_map *map =
            at->map == NULL ? NULL : etw_table_get(&provider->maps, at->map, strlen(at->map));
        if (map == NULL) {
            continue;
        }
        const etw_status status = map_blob(set, provider, map, error);
        if (status != ETW_OK) {
            return status;
        }
        uint32_t known = 0;
        while (known < *count && maps[known].data != map->blob.data) {
            known++;
        }
        if (known == ETW_MAX_MAPS_PER_SCHEMA) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "event uses more than %u maps",
                                 ETW_MAX_MAPS_PER_SCHEMA);
        }
        if (known == *count) {
            maps[(*count)++] = map->blob;
        }
    }
    return ETW_OK;
}

static uint16_t usual_length(uint16_t in_type, uint16_t out_type, uint32_t pointer_size)
{
    if (in_type == ETW_IN_POINTER || in_type == ETW_IN_SIZET) {
        return (uint16_t)pointer_size;
    }
    if (in_type == ETW_IN_BINARY && out_type == ETW_OUT_IPV6) {
        return 16;
    }
    return (uint16_t)etw_in_type_size(in_type);
}

static void add_field(etw_manifest_set *set, etw_manifest_field *field, uint32_t pointer_size)
{
    etw_tei_property_spec spec = {.name = field->name,
                                  .is_struct = field->is_struct,
                                  .map_name = field->map,
                                  .in_type = field->in_type,
                                  .out_type = field->out_type,
                                  .count = field->fixed_count,
                                  .length = field->fixed_length,
                                  .tags = field->tags};
    if (field->fixed_count != 0 && field->count_from == NULL) {
        spec.flags |= ETW_PROP_PARAM_FIXED_COUNT;
    }
    if (field->fixed_length != 0 && field->length_from == NULL) {
        spec.flags |= ETW_PROP_PARAM_FIXED_LENGTH;
    }
    if (!field->is_struct && field->fixed_length == 0) {
        spec.length = usual_length(field->in_type, field->out_type, pointer_size);
    }
    spec.count_from = field->count_from == NULL ? 0 : field->count_from->handle;
    spec.length_from = field->length_from == NULL ? 0 : field->length_from->handle;
    if (field->in_type == ETW_IN_SID) { /* has its own; mc.exe keeps no other */
        spec.flags &= ~(uint32_t)ETW_PROP_PARAM_FIXED_LENGTH;
        spec.length = 0;
    }
    const uint32_t parent = field->parent == NULL ? 0 : field->parent->handle;
    field->handle = etw_tei_builder_add(set->builder, parent, &spec);
}

/* The name that the manifest gives the event. The runtime's own events come with task numbers that
 * its EventSource manifest does not know; only their symbols name them then. */
static const char *event_name(const etw_manifest_set *set, const etw_manifest_event *event,
                              const etw_manifest_name *task)
{
    if (event->name == NULL && task == NULL && set->origin == ETW_SCHEMA_EVENTSOURCE) {
        return event->symbol;
    }
    return event->name;
}

/* An event for which a schema is made. */
typedef struct sighting {
    const etw_manifest_event *event;
    const etw_event_record *record;
    uint32_t pointer_size;
} sighting;

static etw_status make_tei(etw_manifest_set *set, const sighting *of,
                           const etw_manifest_template *template, etw_bytes *tei, etw_error *error)
{
    const etw_manifest_event *event = of->event;
    const etw_manifest_provider *provider = event->provider;
    const etw_event_descriptor *seen = &of->record->EventHeader.EventDescriptor;
    const etw_manifest_name *task =
        name_of(provider, ETW_MANIFEST_TASK, ETW_MANIFEST_ANY_TASK, seen->Task);
    const etw_manifest_name *opcode =
        name_of(provider, ETW_MANIFEST_OPCODE, seen->Task, seen->Opcode);
    if (opcode == NULL) {
        opcode = name_of(provider, ETW_MANIFEST_OPCODE, ETW_MANIFEST_ANY_TASK, seen->Opcode);
    }
    const char *keywords[ETW_MANIFEST_MAX_KEYWORDS];
    const etw_tei_event_spec spec = {
        .provider_guid = provider->guid,
        .event_guid = task == NULL ? (etw_guid){0} : task->event_guid,
        .descriptor = *seen,
        .decoding_source = ETW_DECODING_XML_FILE,
        .template_flags = template == NULL ? 0 : template->flags,
        .tags = event->tags,
        .provider_name = provider->name,
        .level_name =
            text_of(name_of(provider, ETW_MANIFEST_LEVEL, ETW_MANIFEST_ANY_TASK, seen->Level)),
        .channel_name =
            text_of(name_of(provider, ETW_MANIFEST_CHANNEL, ETW_MANIFEST_ANY_TASK, seen->Channel)),
        .keyword_names = keywords,
        .keyword_count = keywords_of(provider, seen->Keyword, keywords),
        .task_name = text_of(task),
        .opcode_name = text_of(opcode),
        .event_message = message_of(provider, event->message, &set->message),
        .provider_message = message_of(provider, provider->message, &set->provider_message),
        .event_name = event_name(set, event, task),
        .event_attributes = event->attributes};
    for (etw_manifest_field *at = template == NULL ? NULL : template->first; at != NULL;
         at = at->next) {
        add_field(set, at, of->pointer_size);
    }
    return etw_tei_builder_finish(set->builder, &spec, tei, error);
}

static etw_status make_schema(etw_manifest_set *set, const sighting *of, etw_schema_store *store,
                              const etw_schema **schema, etw_error *error)
{
    const etw_manifest_event *event = of->event;
    etw_manifest_template *template =
        event->tid == NULL
            ? NULL
            : etw_table_get(&event->provider->templates, event->tid, strlen(event->tid));
    etw_bytes maps[ETW_MAX_MAPS_PER_SCHEMA];
    etw_schema made = {.origin = set->origin, .maps = maps};
    etw_status status = ETW_OK;
    if (event->tid != NULL && template == NULL) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "there is no template %s", event->tid);
    }
    if (template != NULL) {
        status = etw_manifest_resolve_template(template, error);
    }
    if (template != NULL && status == ETW_OK) {
        status = collect_maps(set, event->provider, template, maps, &made.map_count, error);
    }
    if (status == ETW_OK) {
        status = make_tei(set, of, template, &made.tei, error);
    }
    return status == ETW_OK ? etw_schema_store_intern(store, &made, schema, error) : status;
}

etw_status etw_manifest_set_find(etw_manifest_set *set, etw_schema_store *store,
                                 const etw_event_record *record, uint32_t pointer_size,
                                 const etw_schema **schema, etw_error *error)
{
    const etw_event_descriptor *seen = &record->EventHeader.EventDescriptor;
    const etw_manifest_event_key key = {record->EventHeader.ProviderId, seen->Id, seen->Version};
    *schema = NULL;
    if ((record->EventHeader.Flags & ETW_FLAG_CLASSIC_HEADER) != 0) {
        return ETW_OK;
    }
    etw_manifest_event *event = etw_table_get(&set->model.events, &key, sizeof key);
    if (event == NULL) {
        return ETW_OK;
    }
    if (event->made != NULL && event->made_pointer_size == pointer_size &&
        memcmp(&event->made_for, seen, sizeof *seen) == 0) {
        *schema = event->made;
        return ETW_OK;
    }
    const sighting of = {event, record, pointer_size};
    const etw_status status = make_schema(set, &of, store, schema, error);
    if (status != ETW_OK) {
        const char *name = event->provider->name;
        return etw_error_wrap(error, status, "%s event %u version %u", name == NULL ? "?" : name,
                              seen->Id, seen->Version);
    }
    event->made = *schema;
    event->made_for = *seen;
    event->made_pointer_size = pointer_size;
    return ETW_OK;
}

etw_status etw_manifest_set_each(etw_manifest_set *set, etw_schema_store *store,
                                 const etw_definition_visitor *visitor, const char *from,
                                 uint32_t build, etw_error *error)
{
    const etw_table *events = &set->model.events;
    etw_status first = ETW_OK;
    for (uint32_t i = 0; i < events->probe.used; i++) {
        const etw_manifest_event *event = events->entries[i].value;
        const etw_schema *schema = NULL;
        etw_error failure = {0};
        const etw_event_record record = {
            .EventHeader = {.ProviderId = event->key.provider,
                            .EventDescriptor = etw_manifest_descriptor(event)}};
        etw_status status =
            etw_manifest_set_find(set, store, &record, sizeof(uint64_t), &schema, &failure);
        if (status == ETW_OK && schema != NULL) {
            status = visitor->take(visitor->context, schema, from, build, &failure);
        }
        if (status != ETW_OK && (first == ETW_OK || status == ETW_ERROR_NO_MEMORY)) {
            first = etw_error_set(error, status, "%s", failure.message);
        }
        if (status == ETW_ERROR_NO_MEMORY) {
            return status;
        }
    }
    return first;
}
