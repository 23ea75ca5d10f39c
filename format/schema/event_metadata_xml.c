#include "format/schema/event_metadata_xml.h"

#include <expat.h>

#define MAX_DEPTH 16u

typedef struct converter {
    XML_Parser parser;
    etw_text *manifest;
    etw_text templates; /* of the provider at hand */
    etw_text events;
    etw_text name, guid; /* of the provider */
    etw_text id, version, message, template;
    etw_text *into; /* where the text of the element at hand goes; NULL: nowhere */
    uint32_t depth;
    uint32_t template_count;
    bool in_event;
} converter;

/* Elements whose text is kept, within an event or outside of one. */
static etw_text *text_of(converter *c, const char *element)
{
    const struct {
        const char *name;
        bool in_event;
        etw_text *text;
    } kept[] = {{"Name", false, &c->name},      {"Guid", false, &c->guid},
                {"Id", true, &c->id},           {"Version", true, &c->version},
                {"Message", true, &c->message}, {"Template", true, &c->template}};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (kept[i].in_event == c->in_event && strcmp(kept[i].name, element) == 0) {
            return kept[i].text;
        }
    }
    return NULL;
}

static void clear(etw_text *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        texts[i]->size = 0; /* failed stays: it is looked at in the end */
    }
}

static void XMLCALL on_start(void *context, const XML_Char *name, const XML_Char **given)
{
    converter *c = context;
    (void)given;
    if (++c->depth > MAX_DEPTH) {
        (void)XML_StopParser(c->parser, XML_FALSE);
        return;
    }
    if (strcmp(name, "Provider") == 0) {
        etw_text *const texts[] = {&c->templates, &c->events, &c->name, &c->guid};
        clear(texts, sizeof texts / sizeof texts[0]);
    } else if (strcmp(name, "Event") == 0) {
        etw_text *const texts[] = {&c->id, &c->version, &c->message, &c->template};
        clear(texts, sizeof texts / sizeof texts[0]);
        c->in_event = true;
    }
    /* Channels and others have a Name, too; the provider's own comes first. */
    etw_text *text = text_of(c, name);
    c->into = text != NULL && text->size == 0 ? text : NULL;
}

static void XMLCALL on_text(void *context, const XML_Char *text, int size)
{
    converter *c = context;
    if (c->into != NULL) {
        etw_text_append(c->into, text, (size_t)size);
    }
}

static void XMLCALL on_doctype(void *context, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    (void)XML_StopParser(((converter *)context)->parser, XML_FALSE);
}

static void append_value(etw_text *to, const char *name, const etw_text *value)
{
    etw_text_printf(to, " %s=\"", name);
    for (size_t i = 0; i < value->size; i++) {
        switch (value->data[i]) {
        case '&':
            etw_text_append_z(to, "&amp;");
            break;
        case '<':
            etw_text_append_z(to, "&lt;");
            break;
        case '"':
            etw_text_append_z(to, "&quot;");
            break;
        default:
            etw_text_append_char(to, value->data[i]);
            break;
        }
    }
    etw_text_append_char(to, '"');
}

/* The template stands there as XML; it gets a name. */
static bool append_template(converter *c)
{
    static const char start[] = "<template";
    const size_t size = sizeof start - 1;
    size_t at = 0;
    while (at + size <= c->template.size && memcmp(c->template.data + at, start, size) != 0) {
        at++;
    }
    if (at + size > c->template.size) {
        return false;
    }
    etw_text_printf(&c->templates, "<template tid=\"T%u\"", c->template_count);
    etw_text_append(&c->templates, c->template.data + at + size, c->template.size - at - size);
    return true;
}

static void end_event(converter *c)
{
    etw_text_append_z(&c->events, "<event");
    append_value(&c->events, "value", &c->id);
    append_value(&c->events, "version", &c->version);
    if (c->message.size > 0) {
        append_value(&c->events, "message", &c->message);
    }
    if (append_template(c)) {
        etw_text_printf(&c->events, " template=\"T%u\"", c->template_count++);
    }
    etw_text_append_z(&c->events, "/>");
    c->in_event = false;
}

static void end_provider(converter *c)
{
    etw_text_append_z(c->manifest, "<provider");
    append_value(c->manifest, "name", &c->name);
    append_value(c->manifest, "guid", &c->guid);
    etw_text_append_z(c->manifest, "><templates>");
    etw_text_append(c->manifest, c->templates.data, c->templates.size);
    etw_text_append_z(c->manifest, "</templates><events>");
    etw_text_append(c->manifest, c->events.data, c->events.size);
    etw_text_append_z(c->manifest, "</events></provider>");
}

static void XMLCALL on_end(void *context, const XML_Char *name)
{
    converter *c = context;
    c->into = NULL;
    c->depth--;
    if (strcmp(name, "Event") == 0 && c->in_event) {
        end_event(c);
    } else if (strcmp(name, "Provider") == 0) {
        end_provider(c);
    }
}

bool etw_event_metadata_is(etw_bytes xml)
{
    static const char name[] = "<Providers";
    const size_t size = sizeof name - 1;
    for (size_t at = 0; at + size < xml.size; at++) {
        const char next = (char)xml.data[at + 1];
        if (xml.data[at] == '<' && next != '?' && next != '!') {
            return memcmp(xml.data + at, name, size) == 0;
        }
    }
    return false;
}

static void free_texts(converter *c)
{
    etw_text *const texts[] = {&c->templates, &c->events,  &c->name,    &c->guid,
                               &c->id,        &c->version, &c->message, &c->template};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        c->manifest->failed |= texts[i]->failed;
        etw_text_free(texts[i]);
    }
}

etw_status etw_event_metadata_to_manifest(etw_bytes xml, etw_text *manifest, etw_error *error)
{
    converter c = {.parser = XML_ParserCreate(NULL), .manifest = manifest};
    if (c.parser == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a manifest");
    }
    XML_SetUserData(c.parser, &c);
    XML_SetElementHandler(c.parser, on_start, on_end);
    XML_SetStartDoctypeDeclHandler(c.parser, on_doctype);
    XML_SetCharacterDataHandler(c.parser, on_text);
    etw_text_append_z(manifest, "<instrumentationManifest><instrumentation><events>");
    const bool parsed =
        XML_Parse(c.parser, (const char *)xml.data, (int)xml.size, XML_TRUE) == XML_STATUS_OK;
    etw_text_append_z(manifest, "</events></instrumentation></instrumentationManifest>");
    const unsigned long line = (unsigned long)XML_GetCurrentLineNumber(c.parser);
    const char *problem = XML_ErrorString(XML_GetErrorCode(c.parser));
    XML_ParserFree(c.parser);
    free_texts(&c);
    if (!parsed) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "line %lu: %s", line, problem);
    }
    return manifest->failed ? etw_error_set(error, ETW_ERROR_LIMIT, "a manifest of too many bytes")
                            : ETW_OK;
}
