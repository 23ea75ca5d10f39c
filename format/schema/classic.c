#include "format/schema/classic.h"

#include "format/event/tei_builder.h"

#include <stdio.h>
#include <stdlib.h>

typedef enum row_kind { ROW_PROVIDER, ROW_CLASS, ROW_EVENTS } row_kind;

typedef struct row {
    row_kind kind;
    uint8_t version;    /* of EVENTS: the lowest version with this layout */
    const char *head;   /* PROVIDER, CLASS: GUID; EVENTS: "10 Load, 2 UnLoad" */
    const char *detail; /* PROVIDER, CLASS: name; EVENTS: "pointer ImageBase, u32 ProcessId" */
} row;

#define PROVIDER(guid, name)               {ROW_PROVIDER, 0, guid, name},
#define CLASS(guid, name)                  {ROW_CLASS, 0, guid, name},
#define EVENTS(version, types, properties) {ROW_EVENTS, version, types, properties},
static const row table[] = {
#include "format/schema/classic_table.inc"
};
#define ROW_COUNT (sizeof table / sizeof table[0])

/* How an array of this type is told in TRACE_EVENT_INFO. */
typedef enum array_form {
    AS_COUNT,  /* so many elements */
    AS_LENGTH, /* one value of so many bytes */
    AS_PADDING /* no array; stands in 64-bit records only */
} array_form;

typedef struct type {
    const char *word;
    uint16_t in_type;
    uint16_t out_type;
    uint16_t length; /* of one element; 0: none is stated */
    array_form form;
} type;

#define LENGTH_OF_POINTER UINT16_MAX

static const type types[] = {
    {"u8", ETW_IN_UINT8, ETW_OUT_NULL, 1, AS_COUNT},
    {"u16", ETW_IN_UINT16, ETW_OUT_NULL, 2, AS_COUNT},
    {"u32", ETW_IN_UINT32, ETW_OUT_NULL, 4, AS_COUNT},
    {"u64", ETW_IN_UINT64, ETW_OUT_NULL, 8, AS_COUNT},
    {"s8", ETW_IN_INT8, ETW_OUT_NULL, 1, AS_COUNT},
    {"s16", ETW_IN_INT16, ETW_OUT_NULL, 2, AS_COUNT},
    {"s32", ETW_IN_INT32, ETW_OUT_NULL, 4, AS_COUNT},
    {"s64", ETW_IN_INT64, ETW_OUT_NULL, 8, AS_COUNT},
    {"x8", ETW_IN_UINT8, ETW_OUT_HEXINT8, 1, AS_COUNT},
    {"x16", ETW_IN_UINT16, ETW_OUT_HEXINT16, 2, AS_COUNT},
    {"x32", ETW_IN_UINT32, ETW_OUT_HEXINT32, 4, AS_COUNT},
    {"x64", ETW_IN_UINT64, ETW_OUT_HEXINT64, 8, AS_COUNT},
    {"bool", ETW_IN_UINT8, ETW_OUT_BOOLEAN, 1, AS_COUNT},
    {"pointer", ETW_IN_POINTER, ETW_OUT_NULL, LENGTH_OF_POINTER, AS_COUNT},
    {"size", ETW_IN_SIZET, ETW_OUT_NULL, LENGTH_OF_POINTER, AS_COUNT},
    {"string", ETW_IN_ANSISTRING, ETW_OUT_NULL, 0, AS_COUNT},
    {"utf8", ETW_IN_ANSISTRING, ETW_OUT_UTF8, 0, AS_COUNT},
    {"wstring", ETW_IN_UNICODESTRING, ETW_OUT_NULL, 0, AS_COUNT},
    {"char16", ETW_IN_UNICODECHAR, ETW_OUT_NULL, 2, AS_COUNT},
    {"text16", ETW_IN_UNICODECHAR, ETW_OUT_STRING, 2, AS_COUNT},
    {"sid", ETW_IN_WBEMSID, ETW_OUT_NULL, 0, AS_COUNT},
    {"guid", ETW_IN_GUID, ETW_OUT_NULL, 16, AS_COUNT},
    {"ipv4", ETW_IN_UINT32, ETW_OUT_IPV4, 4, AS_COUNT},
    {"ipv6", ETW_IN_BINARY, ETW_OUT_IPV6, 16, AS_COUNT},
    {"port", ETW_IN_UINT16, ETW_OUT_PORT, 2, AS_COUNT},
    {"wmitime", ETW_IN_UINT64, ETW_OUT_ETWTIME, 8, AS_COUNT},
    {"filetime", ETW_IN_FILETIME, ETW_OUT_DATETIME, 8, AS_COUNT},
    {"binary", ETW_IN_BINARY, ETW_OUT_HEXBINARY, 0, AS_LENGTH},
    {"hidden", ETW_IN_BINARY, ETW_OUT_NOPRINT, 0, AS_LENGTH},
    {"pad64", ETW_IN_BINARY, ETW_OUT_NOPRINT, 4, AS_PADDING},
    {"rest", ETW_IN_NONNULLTERMINATEDANSISTRING, ETW_OUT_HEXBINARY, 0, AS_COUNT},
    {"lznt1", ETW_IN_NONNULLTERMINATEDSTRING, ETW_OUT_HEXBINARY, 0, AS_COUNT},
};

/* A piece of the table's text. */
typedef struct span {
    const char *at;
    size_t size;
} span;

static bool span_is(span text, const char *string)
{
    return strlen(string) == text.size && memcmp(text.at, string, text.size) == 0;
}

/* Takes what stands before the next ", " off *list; false at the end. */
static bool next_item(const char **list, span *item)
{
    if (**list == '\0') {
        return false;
    }
    const char *comma = strstr(*list, ", ");
    item->at = *list;
    item->size = comma == NULL ? strlen(*list) : (size_t)(comma - *list);
    *list += comma == NULL ? item->size : item->size + 2;
    return true;
}

/* "10 Load": the part before the first separator; *rest is what follows it, or empty. */
static span split(span text, char separator, span *rest)
{
    const char *at = memchr(text.at, separator, text.size);
    const size_t size = at == NULL ? text.size : (size_t)(at - text.at);
    rest->at = text.at + size + (at == NULL ? 0 : 1);
    rest->size = text.size - size - (at == NULL ? 0 : 1);
    return (span){text.at, size};
}

static bool parse_number(span text, uint16_t *number)
{
    uint32_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || value > 6552) {
            return false;
        }
        value = value * 10 + (uint32_t)(text.at[i] - '0');
    }
    *number = (uint16_t)value;
    return text.size > 0;
}

/* What a key leads to. */
typedef struct match {
    const row *provider;
    const row *class_row;
    const row *events;
    span type_name;
} match;

/* Whether the row has the opcode; then *name is the event type's name. */
static bool names_opcode(const row *events, uint8_t opcode, span *name)
{
    const char *list = events->head;
    span item;
    while (next_item(&list, &item)) {
        span rest;
        uint16_t number;
        if (parse_number(split(item, ' ', &rest), &number) && number == opcode) {
            *name = rest;
            return true;
        }
    }
    return false;
}

/* Where a class stands in the table: to read all their GUIDs for each kind of event took 1 to 2 %
 * of the instructions for a small trace. */
typedef struct class_place {
    etw_guid guid;
    const row *provider;
    const row *class_row;
} class_place;

/* Lists the classes; there is room for ROW_COUNT. */
static uint32_t list_classes(class_place *classes)
{
    const row *provider = NULL;
    uint32_t count = 0;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const row *at = &table[i];
        if (at->kind == ROW_PROVIDER) {
            provider = at;
        } else if (at->kind == ROW_CLASS && etw_guid_parse(at->head, &classes[count].guid)) {
            classes[count].provider = provider;
            classes[count++].class_row = at;
        }
    }
    return count;
}

/* In the class, the layout of the highest version that is not above the record's. */
static void match_class(const class_place *class, uint8_t opcode, uint8_t version, match *found)
{
    match now = {.provider = class->provider, .class_row = class->class_row};
    for (const row *at = class->class_row + 1; at < table + ROW_COUNT && at->kind == ROW_EVENTS;
         at++) {
        if (at->version <= version &&
            (found->events == NULL || at->version > found->events->version) &&
            names_opcode(at, opcode, &now.type_name)) {
            now.events = at;
            *found = now;
        }
    }
}

/* No name in the table is longer, numbers that are added included. */
#define NAME_SIZE 64u
/* Properties of one layout that an array could name as its count. */
#define MAX_NAMED 128u

typedef struct layout {
    etw_tei_builder *builder;
    uint32_t pointer_size;
    uint32_t named_count;
    struct {
        span name;
        uint32_t handle;
    } named[MAX_NAMED];
} layout;

static uint32_t handle_of(const layout *in, span name)
{
    for (uint32_t i = 0; i < in->named_count; i++) {
        const span known = in->named[i].name;
        if (known.size == name.size && memcmp(known.at, name.at, name.size) == 0) {
            return in->named[i].handle;
        }
    }
    return 0;
}

static const type *find_type(span word)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (span_is(word, types[i].word)) {
            return &types[i];
        }
    }
    return NULL;
}

static bool add_one(layout *to, span name, etw_tei_property_spec property)
{
    char text[NAME_SIZE];
    if (name.size == 0 || name.size >= NAME_SIZE || to->named_count == MAX_NAMED) {
        return false;
    }
    memcpy(text, name.at, name.size);
    text[name.size] = '\0';
    property.name = text;
    to->named[to->named_count].name = name;
    to->named[to->named_count].handle = etw_tei_builder_add(to->builder, 0, &property);
    to->named_count++;
    return true;
}

/* "Stack1..192" stands for Stack1, Stack2, ... Stack192. */
static bool add_numbered(layout *to, span first, span last, etw_tei_property_spec property)
{
    size_t stem = first.size;
    while (stem > 0 && first.at[stem - 1] >= '0' && first.at[stem - 1] <= '9') {
        stem--;
    }
    uint16_t number;
    uint16_t end;
    if (!parse_number((span){first.at + stem, first.size - stem}, &number) ||
        !parse_number(last, &end)) {
        return false;
    }
    for (; number <= end; number++) {
        char text[NAME_SIZE];
        const int size =
            snprintf(text, sizeof text, "%.*s%u", (int)stem, first.at, (unsigned)number);
        if (size < 0 || (size_t)size >= sizeof text) {
            return false;
        }
        property.name = text;
        (void)etw_tei_builder_add(to->builder, 0, &property);
    }
    return true;
}

/* "32]" or "CounterCount]", behind the name. */
static bool set_array(const layout *in, const type *of, span bracket,
                      etw_tei_property_spec *property)
{
    if (bracket.size < 2 || bracket.at[bracket.size - 1] != ']') {
        return false;
    }
    const span size = {bracket.at, bracket.size - 1};
    if (parse_number(size, of->form == AS_COUNT ? &property->count : &property->length)) {
        return true;
    }
    property->count_from = handle_of(in, size);
    return of->form == AS_COUNT && property->count_from != 0;
}

/* "pointer ImageBase", "wstring UpperFilters[UpperFiltersCount]", "pointer Stack1..192" */
static bool add_item(layout *to, span item)
{
    span name;
    const type *of = find_type(split(item, ' ', &name));
    if (of == NULL) {
        return false;
    }
    if (of->form == AS_PADDING && to->pointer_size == 4) {
        return true;
    }
    etw_tei_property_spec property = {
        .in_type = of->in_type,
        .out_type = of->out_type,
        .length = of->length == LENGTH_OF_POINTER ? (uint16_t)to->pointer_size : of->length,
    };
    span rest;
    const span before_dot = split(name, '.', &rest);
    if (rest.size > 0) {
        return add_numbered(to, before_dot, (span){rest.at + 1, rest.size - 1}, property);
    }
    const span before_bracket = split(name, '[', &rest);
    if (rest.size > 0 && !set_array(to, of, rest, &property)) {
        return false;
    }
    return add_one(to, before_bracket, property);
}

typedef struct classic_source {
    etw_schema_source base;
    etw_tei_builder *builder;
    uint32_t class_count;
    class_place classes[ROW_COUNT];
} classic_source;

/* TRACE_EVENT_INFO as TDH makes it from a MOF class: the provider is the class above all, the task
 * the event class, the opcode the event type. Of the descriptor only what the key has: equal keys
 * give equal bytes. */
static etw_status build(classic_source *source, const match *found, const etw_event_header *header,
                        uint32_t pointer_size, etw_bytes *blob, etw_error *error)
{
    layout to = {.builder = source->builder, .pointer_size = pointer_size};
    const char *list = found->events->detail;
    span item;
    bool parsed = true;
    while (parsed && next_item(&list, &item)) {
        parsed = add_item(&to, item);
    }
    char type_name[NAME_SIZE];
    const span name = found->type_name;
    etw_tei_event_spec event = {
        .event_guid = header->ProviderId,
        .descriptor = {.Version = header->EventDescriptor.Version,
                       .Opcode = header->EventDescriptor.Opcode},
        .decoding_source = ETW_DECODING_WBEM,
        .template_flags = ETW_TEMPLATE_EVENT_DATA,
        .provider_name = found->provider->detail,
        .task_name = found->class_row->detail,
        .opcode_name = type_name,
    };
    parsed = parsed && name.size < sizeof type_name &&
             etw_guid_parse(found->provider->head, &event.provider_guid);
    (void)snprintf(type_name, sizeof type_name, "%.*s", (int)name.size, name.at);
    const etw_status status = etw_tei_builder_finish(source->builder, &event, blob, error);
    if (!etw_failed(status) && !parsed) {
        return etw_error_set(error, ETW_ERROR_INTERNAL, "table of classic classes: %s %s",
                             found->class_row->detail, type_name);
    }
    return status;
}

static bool find_match(const classic_source *source, const etw_event_header *header, match *found)
{
    found->events = NULL;
    for (uint32_t i = 0; i < source->class_count; i++) {
        if (etw_guid_equal(&source->classes[i].guid, &header->ProviderId)) {
            match_class(&source->classes[i], header->EventDescriptor.Opcode,
                        header->EventDescriptor.Version, found);
        }
    }
    return found->events != NULL;
}

static etw_status find(etw_schema_source *self, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    classic_source *source = (classic_source *)self;
    const etw_event_header *header = &record->EventHeader;
    match found;
    *schema = NULL;
    /* The GUID of a WPP message names its format file, not a class. */
    if ((header->Flags & ETW_FLAG_TRACE_MESSAGE) != 0 || !find_match(source, header, &found)) {
        return ETW_OK;
    }
    etw_schema made = {.origin = ETW_SCHEMA_CLASSIC};
    const etw_status status = build(source, &found, header, pointer_size, &made.tei, error);
    return etw_failed(status) ? status : etw_schema_store_intern(store, &made, schema, error);
}

static void free_source(etw_schema_source *self)
{
    etw_tei_builder_free(((classic_source *)self)->builder);
    free(self);
}

etw_schema_source *etw_classic_source_new(void)
{
    classic_source *source = malloc(sizeof *source);
    if (source == NULL) {
        return NULL;
    }
    source->base =
        (etw_schema_source){.name = "classic kernel classes", .find = find, .free = free_source};
    source->builder = etw_tei_builder_new();
    if (source->builder == NULL) {
        free(source);
        return NULL;
    }
    source->class_count = list_classes(source->classes);
    return &source->base;
}

bool etw_classic_kind_at(uint32_t index, etw_classic_kind *kind)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (table[i].kind == ROW_CLASS && !etw_guid_parse(table[i].head, &kind->class_guid)) {
            return false;
        }
        const char *list = table[i].kind == ROW_EVENTS ? table[i].head : "";
        span item;
        while (next_item(&list, &item)) {
            span name;
            uint16_t opcode;
            if (!parse_number(split(item, ' ', &name), &opcode) || opcode > UINT8_MAX) {
                return false;
            }
            if (index-- == 0) {
                kind->opcode = (uint8_t)opcode;
                kind->version = table[i].version;
                return true;
            }
        }
    }
    return false;
}

bool etw_classic_class_find(const etw_guid *class_guid, const char **provider_name,
                            const char **class_name)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        etw_guid known;
        if (table[i].kind == ROW_PROVIDER) {
            *provider_name = table[i].detail;
        } else if (table[i].kind == ROW_CLASS && etw_guid_parse(table[i].head, &known) &&
                   etw_guid_equal(&known, class_guid)) {
            *class_name = table[i].detail;
            return true;
        }
    }
    return false;
}
