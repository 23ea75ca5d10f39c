/* From manifest XML to the model. One pass; nothing refers forward, because names are kept as
 * names. */
#include "format/event/schema.h"
#include "format/event/tei.h"
#include "format/schema/manifest.h"
#include "format/schema/manifest_xml_reader.h"

static void start_provider(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    const char *name = etw_manifest_xml_attribute(given, "name");
    const char *guid = etw_manifest_xml_attribute(given, "guid");
    etw_manifest_provider *provider = etw_manifest_xml_allocate(self, sizeof *provider);
    if (provider == NULL) {
        return;
    }
    /* Linked at once, so that its tables are freed whatever comes. */
    provider->next = self->model->providers;
    self->model->providers = provider;
    provider->document = self->document;
    provider->name = etw_manifest_xml_copy(self, name);
    provider->message = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "message"));
    if (guid == NULL && name != NULL) {
        provider->guid = etw_guid_from_provider_name(name);
    } else if (guid == NULL || !etw_guid_parse(guid, &provider->guid)) {
        etw_manifest_xml_fail(self, ETW_ERROR_DAMAGED, "provider without a valid guid");
        return;
    }
    self->provider = provider;
    self->provider_count++;
}

static void end_provider(etw_manifest_xml_reader *self)
{
    if (self->provider != NULL) {
        etw_manifest_xml_number_channels(self);
    }
    self->provider = NULL;
}

static void start_some_map(etw_manifest_xml_reader *self, etw_manifest_attributes given,
                           bool is_bit_map)
{
    etw_manifest_map *map = etw_manifest_xml_allocate(self, sizeof *map);
    if (map == NULL) {
        return;
    }
    map->name = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "name"));
    map->is_bit_map = is_bit_map;
    self->map = map;
    if (map->name != NULL &&
        etw_table_get(&self->provider->maps, map->name, strlen(map->name)) == NULL) {
        etw_manifest_xml_put(self, &self->provider->maps, map->name, strlen(map->name), map);
    }
}

static void start_value_map(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    start_some_map(self, given, false);
}

static void start_bit_map(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    start_some_map(self, given, true);
}

static void end_map(etw_manifest_xml_reader *self)
{
    self->map = NULL;
}

static void start_map_entry(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    if (self->map == NULL) {
        return;
    }
    etw_manifest_map_entry *entry = etw_manifest_xml_allocate(self, sizeof *entry);
    if (entry == NULL) {
        return;
    }
    entry->value = etw_manifest_xml_number_or(given, "value", 0);
    entry->message = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "message"));
    etw_manifest_add_map_entry(self->map, entry);
}

static void start_template(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    etw_manifest_template *template = etw_manifest_xml_allocate(self, sizeof *template);
    const char *tid = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "tid"));
    if (template == NULL) {
        return;
    }
    template->flags = ETW_TEMPLATE_EVENT_DATA;
    self->template = template;
    self->structure = NULL;
    self->structure_depth = 0;
    if (tid != NULL && etw_table_get(&self->provider->templates, tid, strlen(tid)) == NULL) {
        etw_manifest_xml_put(self, &self->provider->templates, tid, strlen(tid), template);
    }
}

static void end_template(etw_manifest_xml_reader *self)
{
    self->template = NULL;
}

static etw_manifest_field *add_field(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    etw_manifest_template *template = self->template;
    if (template != NULL && template->field_count == ETW_MAX_PROPERTIES) {
        template->problem = "a template has too many fields";
        return NULL;
    }
    etw_manifest_field *field =
        template == NULL ? NULL : etw_manifest_xml_allocate(self, sizeof *field);
    if (field == NULL) {
        return NULL;
    }
    template->field_count++;
    field->name = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "name"));
    field->count = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "count"));
    field->length = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "length"));
    field->map = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "map"));
    field->tags = etw_manifest_xml_number_or(given, "tags", 0) & (UINT32_MAX >> ETW_TEI_TAGS_SHIFT);
    field->parent = self->structure;
    if (template->last == NULL) {
        template->first = field;
    } else {
        template->last->next = field;
    }
    template->last = field;
    return field;
}

static void start_data(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    etw_manifest_field *field = add_field(self, given);
    if (field != NULL &&
        !etw_manifest_find_types(field, etw_manifest_xml_attribute(given, "inType"),
                                 etw_manifest_xml_attribute(given, "outType"))) {
        self->template->problem = "an inType is missing or unknown";
    }
}

static void start_struct(etw_manifest_xml_reader *self, etw_manifest_attributes given)
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

static void end_struct(etw_manifest_xml_reader *self)
{
    if (self->structure != NULL) {
        self->structure = self->structure->parent;
        self->structure_depth--;
    }
}

/* What stands inside is the form of the event's XML, in elements of any name. */
static void start_user_data(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    (void)given;
    if (self->template != NULL) {
        self->template->flags = ETW_TEMPLATE_USER_DATA;
    }
    self->skip_below = self->depth;
}

/* Performance counters have providers and structs of their own. */
static void start_counters(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    (void)given;
    self->skip_below = self->depth;
}

static void start_event(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    uint64_t id;
    if (!etw_manifest_xml_number(etw_manifest_xml_attribute(given, "value"), &id) ||
        id > UINT16_MAX) {
        return; /* no record can have it; manifests of classic events count from 100000 */
    }
    etw_manifest_xml_use_predefined(self, ETW_MANIFEST_LEVEL,
                                    etw_manifest_xml_attribute(given, "level"));
    etw_manifest_xml_use_predefined(self, ETW_MANIFEST_CHANNEL,
                                    etw_manifest_xml_attribute(given, "channel"));
    etw_manifest_xml_use_predefined(self, ETW_MANIFEST_OPCODE,
                                    etw_manifest_xml_attribute(given, "opcode"));
    etw_manifest_xml_use_predefined(self, ETW_MANIFEST_TASK,
                                    etw_manifest_xml_attribute(given, "task"));
    etw_manifest_xml_use_predefined_keywords(self, etw_manifest_xml_attribute(given, "keywords"));
    const etw_manifest_event_key key = {self->provider->guid, (uint16_t)id,
                                        (uint8_t)etw_manifest_xml_number_or(given, "version", 0)};
    if (etw_table_get(&self->model->events, &key, sizeof key) != NULL) {
        return;
    }
    etw_manifest_event *event = etw_manifest_xml_allocate(self, sizeof *event);
    if (event == NULL) {
        return;
    }
    event->key = key;
    event->provider = self->provider;
    event->tid = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "template"));
    event->message = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "message"));
    event->name = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "name"));
    event->symbol = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "symbol"));
    event->attributes =
        etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "attributes"));
    event->tags = etw_manifest_xml_number_or(given, "tags", 0) & (UINT32_MAX >> ETW_TEI_TAGS_SHIFT);
    event->descriptor = (etw_event_descriptor){.Id = key.id, .Version = (uint8_t)key.version};
    event->level = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "level"));
    event->channel = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "channel"));
    event->opcode = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "opcode"));
    event->task = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "task"));
    event->keywords = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "keywords"));
    etw_manifest_xml_put(self, &self->model->events, &event->key, sizeof event->key, event);
}

static void start_resources(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    const char *culture = etw_manifest_xml_attribute(given, "culture");
    self->english = culture != NULL && strcmp(culture, "en-US") == 0;
}

/* Of several languages: English of the United States, or else the first that has the string. */
static void start_string(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    const char *id = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "id"));
    const char *value = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "value"));
    if (id != NULL && value != NULL &&
        (self->english || etw_table_get(&self->document->strings, id, strlen(id)) == NULL)) {
        etw_manifest_xml_put(self, &self->document->strings, id, strlen(id),
                             (void *)(uintptr_t)value);
    }
}

typedef struct element {
    const char *name;
    bool in_provider; /* only meant inside <provider> */
    void (*start)(etw_manifest_xml_reader *self, etw_manifest_attributes given);
    void (*end)(etw_manifest_xml_reader *self);
} element;

static const element elements[] = {
    {"data", true, start_data, NULL},
    {"event", true, start_event, NULL},
    {"string", false, start_string, NULL},
    {"map", true, start_map_entry, NULL},
    {"template", true, start_template, end_template},
    {"struct", true, start_struct, end_struct},
    {"UserData", true, start_user_data, NULL},
    {"task", true, etw_manifest_xml_start_task, etw_manifest_xml_end_task},
    {"opcode", true, etw_manifest_xml_start_opcode, NULL},
    {"keyword", true, etw_manifest_xml_start_keyword, NULL},
    {"level", true, etw_manifest_xml_start_level, NULL},
    {"channel", true, etw_manifest_xml_start_channel, NULL},
    {"importChannel", true, etw_manifest_xml_start_import_channel, NULL},
    {"valueMap", true, start_value_map, end_map},
    {"bitMap", true, start_bit_map, end_map},
    {"provider", false, start_provider, end_provider},
    {"resources", false, start_resources, NULL},
    {"counters", false, start_counters, NULL},
};

/* name: as expat gives it, with its name space in front. */
static const element *element_of(const etw_manifest_xml_reader *self, const char *name)
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
    etw_manifest_xml_reader *self = user_data;
    if (++self->depth > ETW_MANIFEST_MAX_XML_DEPTH) {
        etw_manifest_xml_fail(self, ETW_ERROR_LIMIT, "elements nest deeper than 64");
        return;
    }
    const element *found = self->skip_below != 0 ? NULL : element_of(self, name);
    if (found != NULL) {
        found->start(self, (etw_manifest_attributes)given);
    }
}

static void XMLCALL on_end(void *user_data, const XML_Char *name)
{
    etw_manifest_xml_reader *self = user_data;
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
    etw_manifest_xml_fail(user_data, ETW_ERROR_DAMAGED,
                          "document type declarations are not accepted");
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

static etw_status run(etw_manifest_xml_reader *self, etw_bytes xml, etw_error *error)
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
    etw_manifest_xml_reader self = {
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
