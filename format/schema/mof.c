#include "format/schema/mof.h"

#include "format/event/tei_builder.h"
#include "format/schema/mof_model.h"

#include <stdio.h>
#include <stdlib.h>

#define BASE_OF_ALL "eventtrace"

/* An event type: one layout of a class, from a version on. */
typedef struct layout {
    struct layout *lower; /* the next lower version of the type */
    const etw_mof_class *event;
    const etw_mof_class *owner;    /* the class with the GUID */
    const etw_mof_class *provider; /* the topmost class with a GUID */
    const char *type_name;         /* NULL: none */
    uint32_t version;
    const etw_schema *made[2]; /* for pointers of 4 and 8 bytes */
} layout;

typedef struct kind_key {
    etw_guid guid;
    uint32_t opcode;
} kind_key;

typedef struct kind {
    kind_key key;
    struct kind *next; /* in the order they were met */
    layout *highest;
} kind;

struct etw_mof_set {
    etw_mof_model model;
    etw_table kinds; /* kind_key -> kind */
    kind *first;
    kind *last;
    etw_tei_builder *builder;
};

etw_mof_set *etw_mof_set_new(size_t max_bytes)
{
    etw_mof_set *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return NULL;
    }
    set->model.arena.limit_bytes = max_bytes;
    set->builder = etw_tei_builder_new();
    if (set->builder == NULL) {
        free(set);
        return NULL;
    }
    return set;
}

void etw_mof_set_free(etw_mof_set *set)
{
    if (set == NULL) {
        return;
    }
    etw_table_free(&set->model.classes);
    etw_table_free(&set->kinds);
    etw_arena_free(&set->model.arena);
    etw_tei_builder_free(set->builder);
    free(set);
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory, or no room, for MOF classes");
}

static const etw_mof_class *base_of(const etw_mof_set *set, const etw_mof_class *from)
{
    return from->base == NULL ? NULL
                              : etw_table_get(&set->model.classes, from->base, strlen(from->base));
}

/* The first value of the class's own qualifier, or NULL. */
static const char *value_of(const etw_mof_class *from, const char *qualifier)
{
    const etw_mof_qualifier *found = etw_mof_find_qualifier(from->qualifiers, qualifier);
    return found == NULL || found->first == NULL ? NULL : found->first->text;
}

static bool guid_of(const etw_mof_class *from, etw_guid *guid)
{
    const char *text = value_of(from, "guid");
    return text != NULL && etw_guid_parse(text, guid);
}

/* Goes up from the event class; false where no class above has a GUID, or none is EventTrace. */
static bool find_owner(const etw_mof_set *set, const etw_mof_class *event, layout *made)
{
    bool has_version = false;
    const etw_mof_class *at = event;
    for (uint32_t depth = 0; at != NULL && depth < ETW_MOF_MAX_DEPTH; depth++) {
        const char *version = value_of(at, "eventversion");
        etw_guid guid;
        if (version != NULL && !has_version) {
            made->version = (uint32_t)strtoul(version, NULL, 0) & 0xFFu;
            has_version = true;
        }
        if (guid_of(at, &guid)) {
            made->owner = made->owner == NULL ? at : made->owner;
            made->provider = at;
        }
        if (at->base != NULL && strcmp(at->base, BASE_OF_ALL) == 0) {
            return made->owner != NULL;
        }
        at = base_of(set, at);
    }
    return false;
}

static kind *kind_of(etw_mof_set *set, const etw_guid *guid, uint32_t opcode)
{
    const kind_key key = {*guid, opcode};
    kind *known = etw_table_get(&set->kinds, &key, sizeof key);
    if (known != NULL) {
        return known;
    }
    kind *made = etw_arena_alloc(&set->model.arena, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->key = key;
    if (!etw_table_set(&set->kinds, &made->key, sizeof made->key, made)) {
        return NULL;
    }
    if (set->last == NULL) {
        set->first = made;
    } else {
        set->last->next = made;
    }
    set->last = made;
    return made;
}

/* Of one version the first layout stays. */
static bool add_layout(etw_mof_set *set, const etw_guid *guid, uint32_t opcode, const layout *from,
                       const char *type_name)
{
    kind *of = kind_of(set, guid, opcode);
    if (of == NULL) {
        return false;
    }
    layout **at = &of->highest;
    while (*at != NULL && (*at)->version > from->version) {
        at = &(*at)->lower;
    }
    if (*at != NULL && (*at)->version == from->version) {
        return true;
    }
    layout *made = etw_arena_alloc(&set->model.arena, sizeof *made);
    if (made == NULL) {
        return false;
    }
    *made = *from;
    made->type_name = type_name;
    made->lower = *at;
    *at = made;
    return true;
}

/* "EventType{1, 2}, EventTypeName{"Start", "End"}" */
static bool add_types(etw_mof_set *set, const etw_mof_class *event)
{
    const etw_mof_qualifier *types = etw_mof_find_qualifier(event->qualifiers, "eventtype");
    const etw_mof_qualifier *names = etw_mof_find_qualifier(event->qualifiers, "eventtypename");
    const etw_mof_value *name = names == NULL ? NULL : names->first;
    layout made = {.event = event};
    etw_guid guid;
    if (types == NULL || !find_owner(set, event, &made) || !guid_of(made.owner, &guid)) {
        return true;
    }
    for (const etw_mof_value *type = types->first; type != NULL; type = type->next) {
        const uint32_t opcode = (uint32_t)strtoul(type->text, NULL, 0) & 0xFFu;
        if (!add_layout(set, &guid, opcode, &made, name == NULL ? NULL : name->text)) {
            return false;
        }
        name = name == NULL ? NULL : name->next;
    }
    return true;
}

static etw_status name_provider(const etw_mof_class *provider, etw_schema_store *store,
                                etw_error *error)
{
    etw_guid guid;
    const bool is_provider = provider->base != NULL && strcmp(provider->base, BASE_OF_ALL) == 0 &&
                             guid_of(provider, &guid);
    return is_provider ? etw_schema_store_set_provider_name(store, &guid, provider->name, error)
                       : ETW_OK;
}

static etw_status add_text(etw_mof_set *set, etw_bytes text, etw_schema_store *store,
                           etw_error *error)
{
    const etw_mof_class *last = set->model.last;
    uint32_t class_count;
    etw_status status = etw_mof_read(&set->model, text, &class_count, error);
    const etw_mof_class *at = last == NULL ? set->model.first : last->next;
    for (; at != NULL && status == ETW_OK; at = at->next) {
        status = name_provider(at, store, error);
        if (status == ETW_OK && !add_types(set, at)) {
            status = no_memory(error);
        }
    }
    if (status == ETW_OK && class_count == 0) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "no class in it");
    }
    return status;
}

etw_status etw_mof_set_add(etw_mof_set *set, etw_bytes text, etw_schema_store *store,
                           etw_error *error)
{
    etw_text utf8 = {0};
    if (text.size > ETW_MOF_MAX_FILE_BYTES) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "larger than the limit of %zu bytes",
                             ETW_MOF_MAX_FILE_BYTES);
    }
    if (text.size >= 2 && text.data[0] == 0xFF && text.data[1] == 0xFE) {
        etw_text_append_utf16(&utf8, text.data + 2, text.size - 2, ETW_ESCAPE_NONE);
    } else if (text.size > 0) {
        const size_t mark = text.size >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        etw_text_append_ansi(&utf8, text.data + mark, text.size - mark, ETW_ESCAPE_NONE);
    }
    const etw_status status =
        utf8.failed ? no_memory(error) : add_text(set, etw_text_bytes(&utf8), store, error);
    etw_text_free(&utf8);
    return status;
}

bool etw_mof_set_kind_at(const etw_mof_set *set, uint32_t index, etw_guid *class_guid,
                         uint8_t *opcode, uint8_t *version)
{
    for (const kind *at = set->first; at != NULL; at = at->next) {
        for (const layout *of = at->highest; of != NULL; of = of->lower) {
            if (index-- == 0) {
                *class_guid = at->key.guid;
                *opcode = (uint8_t)at->key.opcode;
                *version = (uint8_t)of->version;
                return true;
            }
        }
    }
    return false;
}

/* Types (SCHEMAS.md, "MOF files"). */

typedef struct type {
    const char *word;
    uint16_t in_type;
    uint16_t out_type;
    uint16_t length; /* of one element; 0: none is stated */
} type;

#define LENGTH_OF_POINTER UINT16_MAX

static const type plain_types[] = {
    {"uint8", ETW_IN_UINT8, ETW_OUT_NULL, 1},        {"sint8", ETW_IN_INT8, ETW_OUT_NULL, 1},
    {"uint16", ETW_IN_UINT16, ETW_OUT_NULL, 2},      {"sint16", ETW_IN_INT16, ETW_OUT_NULL, 2},
    {"uint32", ETW_IN_UINT32, ETW_OUT_NULL, 4},      {"sint32", ETW_IN_INT32, ETW_OUT_NULL, 4},
    {"uint64", ETW_IN_UINT64, ETW_OUT_NULL, 8},      {"sint64", ETW_IN_INT64, ETW_OUT_NULL, 8},
    {"real32", ETW_IN_FLOAT, ETW_OUT_NULL, 4},       {"real64", ETW_IN_DOUBLE, ETW_OUT_NULL, 8},
    {"char16", ETW_IN_UNICODECHAR, ETW_OUT_NULL, 2}, {"boolean", ETW_IN_UINT8, ETW_OUT_BOOLEAN, 1},
};

/* extension("...") */
static const type extensions[] = {
    {"port", ETW_IN_UINT16, ETW_OUT_PORT, 2},
    {"ipaddr", ETW_IN_UINT32, ETW_OUT_IPV4, 4},
    {"ipaddrv4", ETW_IN_UINT32, ETW_OUT_IPV4, 4},
    {"ipaddrv6", ETW_IN_BINARY, ETW_OUT_IPV6, 16},
    {"sid", ETW_IN_WBEMSID, ETW_OUT_NULL, 0},
    {"guid", ETW_IN_GUID, ETW_OUT_NULL, 16},
    {"sizet", ETW_IN_SIZET, ETW_OUT_NULL, LENGTH_OF_POINTER},
    {"variant", ETW_IN_HEXDUMP, ETW_OUT_NULL, 0},
    {"wmitime", ETW_IN_UINT64, ETW_OUT_ETWTIME, 8},
    {"rstring", ETW_IN_ANSISTRING, ETW_OUT_REDUCEDSTRING, 0},
    {"rwstring", ETW_IN_UNICODESTRING, ETW_OUT_REDUCEDSTRING, 0},
};

#define COUNT_OF(table) (sizeof(table) / sizeof(table)[0])

static bool same_word(const char *lower, const char *text)
{
    while (*lower != '\0' && (*text | 0x20) == (*lower | 0x20)) {
        lower++;
        text++;
    }
    return *lower == '\0' && *text == '\0';
}

static const type *find_type(const type *types, size_t count, const char *word)
{
    for (size_t i = 0; word != NULL && i < count; i++) {
        if (same_word(types[i].word, word)) {
            return &types[i];
        }
    }
    return NULL;
}

/* The first value of a property's qualifier; "" where it has no value, NULL where it is not there.
 */
static const char *told(const etw_mof_property *property, const char *qualifier)
{
    const etw_mof_qualifier *found = etw_mof_find_qualifier(property->qualifiers, qualifier);
    return found == NULL ? NULL : found->first == NULL ? "" : found->first->text;
}

static type string_type(const etw_mof_property *property)
{
    const char *format = told(property, "format");
    const char *end = told(property, "stringtermination");
    const bool is_wide = format != NULL && same_word("w", format);
    type made = {"string", ETW_IN_ANSISTRING, ETW_OUT_NULL, 0};
    if (end != NULL && same_word("counted", end)) {
        made.in_type = ETW_IN_COUNTEDANSISTRING;
    } else if (end != NULL && same_word("reversecounted", end)) {
        made.in_type = ETW_IN_REVERSEDCOUNTEDANSISTRING;
    } else if (end != NULL && same_word("notcounted", end)) {
        made.in_type = ETW_IN_NONNULLTERMINATEDANSISTRING;
    }
    made.in_type = (uint16_t)(made.in_type - (is_wide ? 1 : 0)); /* each wide one stands before */
    return made;
}

static void apply_format(const char *format, bool is_array, type *made)
{
    const bool is_integer = made->in_type >= ETW_IN_INT8 && made->in_type <= ETW_IN_UINT64;
    if (is_integer && same_word("x", format)) {
        made->out_type = made->length == 1   ? ETW_OUT_HEXINT8
                         : made->length == 2 ? ETW_OUT_HEXINT16
                         : made->length == 4 ? ETW_OUT_HEXINT32
                                             : ETW_OUT_HEXINT64;
    } else if (made->length == 1 && (same_word("c", format) || same_word("s", format))) {
        made->in_type = ETW_IN_ANSICHAR;
    }
    if (is_array && same_word("s", format)) {
        made->out_type = ETW_OUT_STRING;
    }
}

/* False for what nobody knows: an object without an extension that is known. */
static bool type_of(const etw_mof_property *property, bool is_array, type *made)
{
    const char *extension = told(property, "extension");
    const char *format = told(property, "format");
    const type *found = find_type(extensions, COUNT_OF(extensions), extension);
    const bool is_pointer =
        told(property, "pointer") != NULL || told(property, "pointertype") != NULL;
    if (found == NULL && is_pointer) {
        *made = (type){"pointer", ETW_IN_POINTER, ETW_OUT_NULL, LENGTH_OF_POINTER};
    } else if (found != NULL) {
        *made = *found;
    } else if (strcmp(property->type, "string") == 0) {
        *made = string_type(property);
    } else {
        found = find_type(plain_types, COUNT_OF(plain_types), property->type);
        if (found == NULL) {
            return false;
        }
        *made = *found;
        if (format != NULL) {
            apply_format(format, is_array, made);
        }
    }
    if (extension != NULL && same_word("noprint", extension)) {
        made->out_type = ETW_OUT_NOPRINT;
    }
    return true;
}

/* One event type in the making. */
typedef struct making {
    etw_mof_set *set;
    const layout *of;
    uint32_t pointer_size;
    etw_arena texts;
    etw_bytes maps[ETW_MAX_MAPS_PER_SCHEMA];
    uint32_t map_count;
    etw_error *error;
} making;

/* How Values and their companions make a map (EVENT_MAP_INFO, documentation). */
static uint32_t map_flag(const etw_mof_property *property, const etw_mof_qualifier **numbers,
                         const etw_mof_qualifier **names)
{
    *names = etw_mof_find_qualifier(property->qualifiers, "bitvalues");
    *numbers = etw_mof_find_qualifier(property->qualifiers, "bitmap");
    if (*names != NULL) {
        return ETW_MAP_WBEM_BITMAP | (*numbers == NULL ? (uint32_t)ETW_MAP_WBEM_NO_MAP : 0u);
    }
    *names = etw_mof_find_qualifier(property->qualifiers, "values");
    *numbers = etw_mof_find_qualifier(property->qualifiers, "valuemap");
    const char *kind_of_value = told(property, "valuetype");
    const bool is_flag = kind_of_value != NULL && same_word("flag", kind_of_value);
    return ETW_MAP_WBEM_VALUEMAP | (*numbers == NULL ? (uint32_t)ETW_MAP_WBEM_NO_MAP
                                    : is_flag        ? (uint32_t)ETW_MAP_WBEM_FLAG
                                                     : 0u);
}

static etw_status keep_map(making *m, const char *name, uint32_t flag,
                           const etw_map_entry_spec *entries, uint32_t count)
{
    const etw_map_spec spec = {name, flag, entries, count};
    return etw_tei_builder_keep_map(m->set->builder, &spec, &m->texts, &m->maps[m->map_count++],
                                    m->error);
}

/* *name stays NULL where the property has no map. */
static etw_status add_map(making *m, const etw_mof_property *property, const char **name)
{
    const etw_mof_qualifier *numbers;
    const etw_mof_qualifier *names;
    const uint32_t flag = map_flag(property, &numbers, &names);
    if (names == NULL || names->count == 0 || m->map_count == ETW_MAX_MAPS_PER_SCHEMA) {
        return ETW_OK;
    }
    etw_map_entry_spec *entries = etw_arena_alloc(&m->texts, names->count * sizeof *entries);
    if (entries == NULL) {
        return no_memory(m->error);
    }
    const etw_mof_value *number = numbers == NULL ? NULL : numbers->first;
    uint32_t count = 0;
    for (const etw_mof_value *at = names->first; at != NULL; at = at->next) {
        const uint32_t value = number == NULL ? count : (uint32_t)strtoul(number->text, NULL, 0);
        entries[count++] = (etw_map_entry_spec){value, at->text};
        number = number == NULL ? NULL : number->next;
    }
    *name = property->name;
    return keep_map(m, property->name, flag, entries, count);
}

/* The handle of an earlier property of that name: 0 where there is none. */
static uint32_t handle_of(const making *m, const etw_mof_property *before, const char *name)
{
    uint32_t found = 0;
    for (const etw_mof_property *at = m->of->event->first; at != before; at = at->next) {
        found = same_word(at->name, name) ? at->handle : found;
    }
    return found;
}

/* *is_known turns false at a property whose size nobody knows: what follows stays as bytes. */
static etw_status add_property(making *m, etw_mof_property *property, bool *is_known)
{
    const char *size_from = told(property, "wmisizeis");
    const char *max = told(property, "max");
    const uint32_t count = property->array_count != 0 ? property->array_count
                           : max != NULL              ? (uint32_t)strtoul(max, NULL, 0)
                                                      : 0;
    type found = {0};
    *is_known = type_of(property, count != 0 || size_from != NULL, &found);
    if (!*is_known) {
        return ETW_OK;
    }
    etw_tei_property_spec spec = {
        .name = property->name,
        .in_type = found.in_type,
        .out_type = found.out_type,
        .length = found.length == LENGTH_OF_POINTER ? (uint16_t)m->pointer_size : found.length,
        .count = count > UINT16_MAX ? UINT16_MAX : (uint16_t)count,
        .count_from = size_from == NULL ? 0 : handle_of(m, property, size_from)};
    const etw_status status = add_map(m, property, &spec.map_name);
    property->handle = etw_tei_builder_add(m->set->builder, 0, &spec);
    return status;
}

static etw_status make_tei(making *m, const kind_key *key, etw_bytes *tei)
{
    const layout *of = m->of;
    etw_status status = ETW_OK;
    bool is_known = true;
    for (etw_mof_property *at = of->event->first; at != NULL && is_known && status == ETW_OK;
         at = at->next) {
        status = add_property(m, at, &is_known);
    }
    const char *task = value_of(of->owner, "displayname");
    etw_tei_event_spec event = {
        .event_guid = key->guid,
        .descriptor = {.Version = (uint8_t)of->version, .Opcode = (uint8_t)key->opcode},
        .decoding_source = ETW_DECODING_WBEM,
        .template_flags = ETW_TEMPLATE_EVENT_DATA,
        .provider_name = of->provider->name,
        .task_name = task == NULL ? of->owner->name : task,
        .opcode_name = of->type_name};
    (void)guid_of(of->provider, &event.provider_guid);
    const etw_status finished = etw_tei_builder_finish(m->set->builder, &event, tei, m->error);
    return status == ETW_OK ? finished : status;
}

static etw_status make_schema(making *m, const kind_key *key, etw_schema_store *store,
                              const etw_schema **schema)
{
    etw_schema made = {.origin = ETW_SCHEMA_MOF, .maps = m->maps};
    const etw_status status = make_tei(m, key, &made.tei);
    made.map_count = m->map_count;
    return status == ETW_OK ? etw_schema_store_intern(store, &made, schema, m->error) : status;
}

etw_status etw_mof_set_find(etw_mof_set *set, etw_schema_store *store,
                            const etw_event_record *record, uint32_t pointer_size,
                            const etw_schema **schema, etw_error *error)
{
    const etw_event_descriptor *seen = &record->EventHeader.EventDescriptor;
    const kind_key key = {record->EventHeader.ProviderId, seen->Opcode};
    *schema = NULL;
    const kind *found = etw_table_get(&set->kinds, &key, sizeof key);
    layout *of = found == NULL ? NULL : found->highest;
    while (of != NULL && of->version > seen->Version) {
        of = of->lower;
    }
    if (of == NULL) {
        return ETW_OK;
    }
    const etw_schema **made = &of->made[pointer_size == 4 ? 0 : 1];
    if (*made == NULL) {
        making *m = calloc(1, sizeof *m);
        if (m == NULL) {
            return no_memory(error);
        }
        m->set = set;
        m->of = of;
        m->pointer_size = pointer_size;
        m->error = error;
        const etw_status status = make_schema(m, &found->key, store, made);
        etw_arena_free(&m->texts);
        free(m);
        if (status != ETW_OK) {
            *made = NULL;
            return etw_error_wrap(error, status, "class %s", of->event->name);
        }
    }
    *schema = *made;
    return ETW_OK;
}

typedef struct mof_source {
    etw_schema_source base;
    etw_mof_set *set;
} mof_source;

static etw_status find(etw_schema_source *base, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    return etw_mof_set_find(((mof_source *)base)->set, store, record, pointer_size, schema, error);
}

static etw_status each(etw_schema_source *base, etw_schema_store *store,
                       const etw_definition_visitor *visitor, etw_error *error)
{
    etw_mof_set *set = ((mof_source *)base)->set;
    etw_schema_key key = {.form = ETW_KEY_CLASSIC};
    uint8_t opcode;
    etw_status status = ETW_OK;
    for (uint32_t i = 0;
         status == ETW_OK && etw_mof_set_kind_at(set, i, &key.guid, &opcode, &key.version); i++) {
        const etw_schema *schema = NULL;
        key.id = opcode;
        const etw_event_record record = etw_schema_key_ask(&key);
        status = etw_mof_set_find(set, store, &record, sizeof(uint64_t), &schema, error);
        if (status == ETW_OK && schema != NULL) {
            status = visitor->take(visitor->context, schema, "MOF", 0, error);
        }
    }
    return status;
}

static void free_source(etw_schema_source *base)
{
    etw_mof_set_free(((mof_source *)base)->set);
    free(base);
}

etw_schema_source *etw_mof_source_new(etw_mof_set *set)
{
    mof_source *self = calloc(1, sizeof *self);
    if (self == NULL) {
        etw_mof_set_free(set);
        return NULL;
    }
    self->base =
        (etw_schema_source){.name = "MOF classes", .find = find, .each = each, .free = free_source};
    self->set = set;
    return &self->base;
}
