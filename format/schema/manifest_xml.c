/* From manifest XML to the model. One pass; nothing refers forward, because names are kept as
 * names. */
#include "format/event/schema.h"
#include "format/event/tei.h"
#include "format/schema/manifest.h"
#include "format/schema/manifest_model.h"

#include <expat.h>
#include <stdlib.h>

#define FIRST_CHANNEL 16u
#define BASE_TEN      10
#define BASE_SIXTEEN  16

typedef struct reader {
    XML_Parser parser;
    etw_manifest_model *model;
    etw_manifest_document *document;
    uint32_t provider_count;
    uint32_t depth;
    uint32_t skip_below; /* inside the element at this depth nothing is looked at; 0: none */
    bool english;        /* inside <resources culture="en-US"> */
    etw_manifest_provider *provider;
    etw_manifest_map *map;
    etw_manifest_template *template;
    const etw_manifest_field *structure; /* the innermost open <struct> */
    uint32_t structure_depth;
    uint32_t task; /* whose <opcodes> are open, or ETW_MANIFEST_ANY_TASK */
    etw_error failure;
} reader;

typedef const char *const *attributes;

/* Stops the parser; the first failure stays. */
static void fail(reader *self, etw_status status, const char *what)
{
    if (self->failure.status == ETW_OK) {
        (void)etw_error_set(&self->failure, status, "line %lu: %s",
                            (unsigned long)XML_GetCurrentLineNumber(self->parser), what);
        (void)XML_StopParser(self->parser, XML_FALSE);
    }
}

static void *allocate(reader *self, size_t size)
{
    etw_arena *arena = &self->model->arena;
    void *memory = etw_arena_alloc(arena, size);
    if (memory == NULL && etw_arena_full(arena, size + sizeof(max_align_t))) {
        fail(self, ETW_ERROR_LIMIT, "manifests are larger than what may be kept of them");
    } else if (memory == NULL) {
        fail(self, ETW_ERROR_NO_MEMORY, "no memory for a manifest");
    }
    return memory;
}

static const char *copy(reader *self, const char *text)
{
    const size_t size = text == NULL ? 0 : strlen(text) + 1;
    if (size > ETW_MANIFEST_MAX_TEXT_BYTES) {
        fail(self, ETW_ERROR_LIMIT, "an attribute is longer than 64 KiB");
        return NULL;
    }
    char *kept = size == 0 ? NULL : allocate(self, size);
    if (kept != NULL) {
        memcpy(kept, text, size);
    }
    return kept;
}

static void put(reader *self, etw_table *table, const void *key, size_t key_size, void *value)
{
    if (value != NULL && !etw_table_set(table, key, key_size, value)) {
        fail(self, ETW_ERROR_NO_MEMORY, "no memory for a manifest");
    }
}

/* NULL where the element does not have it. */
static const char *attribute(attributes given, const char *name)
{
    for (; given[0] != NULL; given += 2) {
        if (strcmp(given[0], name) == 0) {
            return given[1];
        }
    }
    return NULL;
}

/* Decimal, or hexadecimal with 0x; false for anything else. */
static bool parse_number(const char *text, uint64_t *value)
{
    if (text == NULL || text[0] < '0' || text[0] > '9') {
        return false;
    }
    const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    char *end;
    *value = strtoull(text, &end, hex ? BASE_SIXTEEN : BASE_TEN);
    return *end == '\0';
}

static uint32_t number_or(attributes given, const char *name, uint32_t otherwise)
{
    uint64_t value;
    return parse_number(attribute(given, name), &value) ? (uint32_t)value : otherwise;
}

static const etw_manifest_keyword predefined_keywords[] = {
    {UINT64_C(1) << 48, "win:ResponseTime"},    {UINT64_C(1) << 49, "win:WDIContext"},
    {UINT64_C(1) << 50, "win:WDIDiag"},         {UINT64_C(1) << 51, "win:SQM"},
    {UINT64_C(1) << 52, "win:AuditFailure"},    {UINT64_C(1) << 53, "win:AuditSuccess"},
    {UINT64_C(1) << 54, "win:CorrelationHint"}, {UINT64_C(1) << 55, "win:EventlogClassic"},
};

static void start_provider(reader *self, attributes given)
{
    const char *name = attribute(given, "name");
    const char *guid = attribute(given, "guid");
    etw_manifest_provider *provider = allocate(self, sizeof *provider);
    if (provider == NULL) {
        return;
    }
    /* Linked at once, so that its tables are freed whatever comes. */
    provider->next = self->model->providers;
    self->model->providers = provider;
    provider->document = self->document;
    provider->name = copy(self, name);
    provider->message = copy(self, attribute(given, "message"));
    if (guid == NULL && name != NULL) {
        provider->guid = etw_guid_from_provider_name(name);
    } else if (guid == NULL || !etw_guid_parse(guid, &provider->guid)) {
        fail(self, ETW_ERROR_DAMAGED, "provider without a valid guid");
        return;
    }
    self->provider = provider;
    self->provider_count++;
}

static void number_channels(reader *self);

static void end_provider(reader *self)
{
    if (self->provider != NULL) {
        number_channels(self);
    }
    self->provider = NULL;
}

/* The first name of a number stays; NULL where it is not new. */
static etw_manifest_name *add_name(reader *self, etw_manifest_name_kind kind, uint32_t task,
                                   uint32_t value, const char *name, const char *event_guid)
{
    const etw_manifest_name_key key = {(uint32_t)kind, task, value};
    if (name == NULL || etw_table_get(&self->provider->names, &key, sizeof key) != NULL) {
        return NULL;
    }
    etw_manifest_name *added = allocate(self, sizeof *added);
    if (added == NULL) {
        return NULL;
    }
    added->key = key;
    added->name = copy(self, name);
    if (event_guid != NULL && !etw_guid_parse(event_guid, &added->event_guid)) {
        fail(self, ETW_ERROR_DAMAGED, "task with a bad eventGUID");
    }
    put(self, &self->provider->names, &added->key, sizeof added->key, added);
    return added;
}

/* alias: kept already. */
static void add_channel(reader *self, uint32_t value, const char *name, const char *alias)
{
    etw_manifest_name *added =
        add_name(self, ETW_MANIFEST_CHANNEL, ETW_MANIFEST_ANY_TASK, value, name, NULL);
    if (added != NULL) {
        added->alias = alias;
    }
}

static void start_channel(reader *self, attributes given)
{
    const char *name = attribute(given, "name");
    const char *alias = copy(self, attribute(given, "chid"));
    uint64_t value;
    if (parse_number(attribute(given, "value"), &value)) {
        add_channel(self, (uint32_t)value, name, alias);
        return;
    }
    etw_manifest_provider *provider = self->provider;
    etw_manifest_unnumbered *added = name == NULL ? NULL : allocate(self, sizeof *added);
    if (added == NULL) {
        return;
    }
    added->name = copy(self, name);
    added->alias = alias;
    if (provider->last_channel == NULL) {
        provider->first_channel = added;
    } else {
        provider->last_channel->next = added;
    }
    provider->last_channel = added;
}

/* As mc.exe does: in their order the lowest numbers that no channel states. */
static void number_channels(reader *self)
{
    uint32_t value = FIRST_CHANNEL;
    for (const etw_manifest_unnumbered *at = self->provider->first_channel; at != NULL;
         at = at->next) {
        etw_manifest_name_key key = {ETW_MANIFEST_CHANNEL, ETW_MANIFEST_ANY_TASK, value};
        while (etw_table_get(&self->provider->names, &key, sizeof key) != NULL) {
            key.value = ++value;
        }
        add_channel(self, value, at->name, at->alias);
    }
}

/* The value of a channel that a provider read before declares. */
static bool find_channel(const etw_manifest_model *model, const char *name, uint32_t *value)
{
    for (const etw_manifest_provider *at = model->providers; at != NULL; at = at->next) {
        for (uint32_t i = 0; i < at->names.probe.used; i++) {
            const etw_manifest_name *known = at->names.entries[i].value;
            if (known != NULL && known->key.kind == ETW_MANIFEST_CHANNEL && known->name != NULL &&
                strcmp(known->name, name) == 0) {
                *value = known->key.value;
                return true;
            }
        }
    }
    return false;
}

static void start_import_channel(reader *self, attributes given)
{
    const char *name = attribute(given, "name");
    uint32_t value;
    if (name != NULL && (etw_manifest_predefined(ETW_MANIFEST_CHANNEL, name, &value) ||
                         find_channel(self->model, name, &value))) {
        add_channel(self, value, name, copy(self, attribute(given, "chid")));
    }
}

static void start_level(reader *self, attributes given)
{
    (void)add_name(self, ETW_MANIFEST_LEVEL, ETW_MANIFEST_ANY_TASK, number_or(given, "value", 0),
                   attribute(given, "name"), NULL);
}

static void start_task(reader *self, attributes given)
{
    self->task = number_or(given, "value", 0);
    (void)add_name(self, ETW_MANIFEST_TASK, ETW_MANIFEST_ANY_TASK, self->task,
                   attribute(given, "name"), attribute(given, "eventGUID"));
}

static void end_task(reader *self)
{
    self->task = ETW_MANIFEST_ANY_TASK;
}

static void start_opcode(reader *self, attributes given)
{
    (void)add_name(self, ETW_MANIFEST_OPCODE, self->task, number_or(given, "value", 0),
                   attribute(given, "name"), NULL);
}

void etw_manifest_add_keyword(etw_manifest_provider *provider, uint64_t mask, const char *name)
{
    if (mask == 0 || name == NULL || provider->keyword_count == ETW_MANIFEST_MAX_KEYWORDS) {
        return;
    }
    uint32_t at = 0;
    while (at < provider->keyword_count && provider->keywords[at].mask < mask) {
        at++;
    }
    if (at < provider->keyword_count && provider->keywords[at].mask == mask) {
        return;
    }
    for (uint32_t i = provider->keyword_count++; i > at; i--) {
        provider->keywords[i] = provider->keywords[i - 1];
    }
    provider->keywords[at] = (etw_manifest_keyword){mask, name};
}

static void start_keyword(reader *self, attributes given)
{
    uint64_t mask;
    if (parse_number(attribute(given, "mask"), &mask)) {
        etw_manifest_add_keyword(self->provider, mask, copy(self, attribute(given, "name")));
    }
}

static void start_some_map(reader *self, attributes given, bool is_bit_map)
{
    etw_manifest_map *map = allocate(self, sizeof *map);
    if (map == NULL) {
        return;
    }
    map->name = copy(self, attribute(given, "name"));
    map->is_bit_map = is_bit_map;
    self->map = map;
    if (map->name != NULL &&
        etw_table_get(&self->provider->maps, map->name, strlen(map->name)) == NULL) {
        put(self, &self->provider->maps, map->name, strlen(map->name), map);
    }
}

static void start_value_map(reader *self, attributes given)
{
    start_some_map(self, given, false);
}

static void start_bit_map(reader *self, attributes given)
{
    start_some_map(self, given, true);
}

static void end_map(reader *self)
{
    self->map = NULL;
}

void etw_manifest_add_map_entry(etw_manifest_map *map, etw_manifest_map_entry *entry)
{
    if (map->last == NULL) {
        map->first = entry;
    } else {
        map->last->next = entry;
    }
    map->last = entry;
    map->entry_count++;
}

static void start_map_entry(reader *self, attributes given)
{
    if (self->map == NULL) {
        return;
    }
    etw_manifest_map_entry *entry = allocate(self, sizeof *entry);
    if (entry == NULL) {
        return;
    }
    entry->value = number_or(given, "value", 0);
    entry->message = copy(self, attribute(given, "message"));
    etw_manifest_add_map_entry(self->map, entry);
}

static void start_template(reader *self, attributes given)
{
    etw_manifest_template *template = allocate(self, sizeof *template);
    const char *tid = copy(self, attribute(given, "tid"));
    if (template == NULL) {
        return;
    }
    template->flags = ETW_TEMPLATE_EVENT_DATA;
    self->template = template;
    self->structure = NULL;
    self->structure_depth = 0;
    if (tid != NULL && etw_table_get(&self->provider->templates, tid, strlen(tid)) == NULL) {
        put(self, &self->provider->templates, tid, strlen(tid), template);
    }
}

static void end_template(reader *self)
{
    self->template = NULL;
}

static etw_manifest_field *add_field(reader *self, attributes given)
{
    etw_manifest_template *template = self->template;
    if (template != NULL && template->field_count == ETW_MAX_PROPERTIES) {
        template->problem = "a template has too many fields";
        return NULL;
    }
    etw_manifest_field *field = template == NULL ? NULL : allocate(self, sizeof *field);
    if (field == NULL) {
        return NULL;
    }
    template->field_count++;
    field->name = copy(self, attribute(given, "name"));
    field->count = copy(self, attribute(given, "count"));
    field->length = copy(self, attribute(given, "length"));
    field->map = copy(self, attribute(given, "map"));
    field->tags = number_or(given, "tags", 0) & (UINT32_MAX >> ETW_TEI_TAGS_SHIFT);
    field->parent = self->structure;
    if (template->last == NULL) {
        template->first = field;
    } else {
        template->last->next = field;
    }
    template->last = field;
    return field;
}

static void start_data(reader *self, attributes given)
{
    etw_manifest_field *field = add_field(self, given);
    if (field != NULL &&
        !etw_manifest_find_types(field, attribute(given, "inType"), attribute(given, "outType"))) {
        self->template->problem = "an inType is missing or unknown";
    }
}

static void start_struct(reader *self, attributes given)
{
    etw_manifest_field *field = add_field(self, given);
    if (field == NULL) {
        return;
    }
    field->is_struct = true;
    self->structure = field;
    if (++self->structure_depth > ETW_MAX_STRUCT_DEPTH) {
        self->template->problem = "structs nest too deep";
    }
}

static void end_struct(reader *self)
{
    if (self->structure != NULL) {
        self->structure = self->structure->parent;
        self->structure_depth--;
    }
}

/* What stands inside is the form of the event's XML, in elements of any name. */
static void start_user_data(reader *self, attributes given)
{
    (void)given;
    if (self->template != NULL) {
        self->template->flags = ETW_TEMPLATE_USER_DATA;
    }
    self->skip_below = self->depth;
}

/* Performance counters have providers and structs of their own. */
static void start_counters(reader *self, attributes given)
{
    (void)given;
    self->skip_below = self->depth;
}

/* A predefined name counts as the provider's own once an event of it refers to it, as mc.exe
 * compiles it in only then. */
static void use_predefined(reader *self, etw_manifest_name_kind kind, const char *name)
{
    uint32_t value;
    if (name != NULL && etw_manifest_predefined(kind, name, &value)) {
        (void)add_name(self, kind, ETW_MANIFEST_ANY_TASK, value, name, NULL);
    }
}

/* names: separated by white space. */
static void use_predefined_keywords(reader *self, const char *names)
{
    static const char white[] = " \t\r\n";
    while (names != NULL && *names != '\0') {
        names += strspn(names, white);
        const size_t size = strcspn(names, white);
        for (size_t i = 0; i < sizeof predefined_keywords / sizeof predefined_keywords[0]; i++) {
            const etw_manifest_keyword *keyword = &predefined_keywords[i];
            if (strlen(keyword->name) == size && memcmp(keyword->name, names, size) == 0) {
                etw_manifest_add_keyword(self->provider, keyword->mask, keyword->name);
            }
        }
        names += size;
    }
}

static void start_event(reader *self, attributes given)
{
    uint64_t id;
    if (!parse_number(attribute(given, "value"), &id) || id > UINT16_MAX) {
        return; /* no record can have it; manifests of classic events count from 100000 */
    }
    use_predefined(self, ETW_MANIFEST_LEVEL, attribute(given, "level"));
    use_predefined(self, ETW_MANIFEST_CHANNEL, attribute(given, "channel"));
    use_predefined(self, ETW_MANIFEST_OPCODE, attribute(given, "opcode"));
    use_predefined(self, ETW_MANIFEST_TASK, attribute(given, "task"));
    use_predefined_keywords(self, attribute(given, "keywords"));
    const etw_manifest_event_key key = {self->provider->guid, (uint16_t)id,
                                        (uint8_t)number_or(given, "version", 0)};
    if (etw_table_get(&self->model->events, &key, sizeof key) != NULL) {
        return;
    }
    etw_manifest_event *event = allocate(self, sizeof *event);
    if (event == NULL) {
        return;
    }
    event->key = key;
    event->provider = self->provider;
    event->tid = copy(self, attribute(given, "template"));
    event->message = copy(self, attribute(given, "message"));
    event->name = copy(self, attribute(given, "name"));
    event->symbol = copy(self, attribute(given, "symbol"));
    event->attributes = copy(self, attribute(given, "attributes"));
    event->tags = number_or(given, "tags", 0) & (UINT32_MAX >> ETW_TEI_TAGS_SHIFT);
    event->descriptor = (etw_event_descriptor){.Id = key.id, .Version = (uint8_t)key.version};
    event->level = copy(self, attribute(given, "level"));
    event->channel = copy(self, attribute(given, "channel"));
    event->opcode = copy(self, attribute(given, "opcode"));
    event->task = copy(self, attribute(given, "task"));
    event->keywords = copy(self, attribute(given, "keywords"));
    put(self, &self->model->events, &event->key, sizeof event->key, event);
}

static void start_resources(reader *self, attributes given)
{
    const char *culture = attribute(given, "culture");
    self->english = culture != NULL && strcmp(culture, "en-US") == 0;
}

/* Of several languages: English of the United States, or else the first that has the string. */
static void start_string(reader *self, attributes given)
{
    const char *id = copy(self, attribute(given, "id"));
    const char *value = copy(self, attribute(given, "value"));
    if (id != NULL && value != NULL &&
        (self->english || etw_table_get(&self->document->strings, id, strlen(id)) == NULL)) {
        put(self, &self->document->strings, id, strlen(id), (void *)(uintptr_t)value);
    }
}

typedef struct element {
    const char *name;
    bool in_provider; /* only meant inside <provider> */
    void (*start)(reader *self, attributes given);
    void (*end)(reader *self);
} element;

static const element elements[] = {
    {"data", true, start_data, NULL},
    {"event", true, start_event, NULL},
    {"string", false, start_string, NULL},
    {"map", true, start_map_entry, NULL},
    {"template", true, start_template, end_template},
    {"struct", true, start_struct, end_struct},
    {"UserData", true, start_user_data, NULL},
    {"task", true, start_task, end_task},
    {"opcode", true, start_opcode, NULL},
    {"keyword", true, start_keyword, NULL},
    {"level", true, start_level, NULL},
    {"channel", true, start_channel, NULL},
    {"importChannel", true, start_import_channel, NULL},
    {"valueMap", true, start_value_map, end_map},
    {"bitMap", true, start_bit_map, end_map},
    {"provider", false, start_provider, end_provider},
    {"resources", false, start_resources, NULL},
    {"counters", false, start_counters, NULL},
};

/* name: as expat gives it, with its name space in front. */
static const element *element_of(const reader *self, const char *name)
{
    const char *bar = strrchr(name, '|');
    name = bar == NULL ? name : bar + 1;
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        if (strcmp(elements[i].name, name) == 0) {
            return !elements[i].in_provider || self->provider != NULL ? &elements[i] : NULL;
        }
    }
    return NULL;
}

static void XMLCALL on_start(void *user_data, const XML_Char *name, const XML_Char **given)
{
    reader *self = user_data;
    if (++self->depth > ETW_MANIFEST_MAX_XML_DEPTH) {
        fail(self, ETW_ERROR_LIMIT, "elements nest deeper than 64");
        return;
    }
    const element *found = self->skip_below != 0 ? NULL : element_of(self, name);
    if (found != NULL) {
        found->start(self, (attributes)given);
    }
}

static void XMLCALL on_end(void *user_data, const XML_Char *name)
{
    reader *self = user_data;
    if (self->skip_below == self->depth) {
        self->skip_below = 0;
    }
    const element *found = self->skip_below != 0 ? NULL : element_of(self, name);
    if (found != NULL && found->end != NULL) {
        found->end(self);
    }
    self->depth--;
}

static void XMLCALL on_doctype(void *user_data, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    fail(user_data, ETW_ERROR_DAMAGED, "document type declarations are not accepted");
}

/* Encodings that expat does not know. */
static int XMLCALL on_encoding(void *context, const XML_Char *name, XML_Encoding *info)
{
    static const char *const names[] = {"windows-1252", "Windows-1252", "WINDOWS-1252", "cp1252"};
    (void)context;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            for (int byte = 0; byte < 256; byte++) {
                info->map[byte] = (int)etw_windows_1252((uint8_t)byte);
            }
            return XML_STATUS_OK;
        }
    }
    return XML_STATUS_ERROR;
}

static etw_status run(reader *self, etw_bytes xml, etw_error *error)
{
    XML_SetUserData(self->parser, self);
    XML_SetUnknownEncodingHandler(self->parser, on_encoding, NULL);
    XML_SetElementHandler(self->parser, on_start, on_end);
    XML_SetStartDoctypeDeclHandler(self->parser, on_doctype);
    const bool parsed =
        XML_Parse(self->parser, (const char *)xml.data, (int)xml.size, XML_TRUE) == XML_STATUS_OK;
    if (self->failure.status != ETW_OK) {
        return etw_error_set(error, self->failure.status, "%s", self->failure.message);
    }
    const enum XML_Error code = XML_GetErrorCode(self->parser);
    if (!parsed && code == XML_ERROR_NO_MEMORY) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a manifest");
    }
    if (!parsed) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "line %lu: %s",
                             (unsigned long)XML_GetCurrentLineNumber(self->parser),
                             XML_ErrorString(code));
    }
    return ETW_OK;
}

etw_status etw_manifest_read_xml(etw_manifest_model *model, etw_bytes xml, uint32_t *provider_count,
                                 etw_error *error)
{
    *provider_count = 0;
    if (xml.size > ETW_MANIFEST_MAX_XML_BYTES) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "XML of %zu bytes is above the limit of %zu",
                             xml.size, ETW_MANIFEST_MAX_XML_BYTES);
    }
    reader self = {
        .model = model, .task = ETW_MANIFEST_ANY_TASK, .parser = XML_ParserCreateNS(NULL, '|')};
    self.document = etw_arena_alloc(&model->arena, sizeof *self.document);
    if (self.parser == NULL || self.document == NULL) {
        XML_ParserFree(self.parser);
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a manifest");
    }
    self.document->next = model->documents;
    model->documents = self.document;
    const etw_status status = run(&self, xml, error);
    XML_ParserFree(self.parser);
    *provider_count = self.provider_count;
    return status;
}
