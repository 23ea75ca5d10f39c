/* Channels, levels, tasks, opcodes and keywords of a provider in XML. */
#include "format/schema/manifest_xml_reader.h"

#include <inttypes.h>
#include <stdio.h>

#define FIRST_CHANNEL 16u

static const etw_manifest_keyword predefined_keywords[] = {
    {UINT64_C(1) << 48, "win:ResponseTime"},    {UINT64_C(1) << 49, "win:WDIContext"},
    {UINT64_C(1) << 50, "win:WDIDiag"},         {UINT64_C(1) << 51, "win:SQM"},
    {UINT64_C(1) << 52, "win:AuditFailure"},    {UINT64_C(1) << 53, "win:AuditSuccess"},
    {UINT64_C(1) << 54, "win:CorrelationHint"}, {UINT64_C(1) << 55, "win:EventlogClassic"},
};

/* PerfView's dumps make up names for numbers that have none: "task_7", "opcode_64". They are what
 * events refer to there, and nothing that Windows would show. */
static bool is_made_up(etw_manifest_attributes given, const char *kind, uint32_t value)
{
    const char *name = etw_manifest_xml_attribute(given, "name");
    const char *message = etw_manifest_xml_attribute(given, "message");
    char made_up[32], reference[32];
    (void)snprintf(made_up, sizeof made_up, "%s_%" PRIu32, kind, value);
    (void)snprintf(reference, sizeof reference, "$(string.%s_", kind);
    return name != NULL && message != NULL && strcmp(name, made_up) == 0 &&
           strncmp(message, reference, strlen(reference)) == 0;
}

/* The first name of a number stays; NULL where it is not new. */
static etw_manifest_name *add_name(etw_manifest_xml_reader *self, etw_manifest_name_kind kind,
                                   uint32_t task, uint32_t value, const char *name,
                                   const char *event_guid)
{
    const etw_manifest_name_key key = {(uint32_t)kind, task, value};
    if (name == NULL || etw_table_get(&self->provider->names, &key, sizeof key) != NULL) {
        return NULL;
    }
    etw_manifest_name *added = etw_manifest_xml_allocate(self, sizeof *added);
    if (added == NULL) {
        return NULL;
    }
    added->key = key;
    added->name = etw_manifest_xml_copy(self, name);
    if (event_guid != NULL && !etw_guid_parse(event_guid, &added->event_guid)) {
        etw_manifest_xml_fail(self, ETW_ERROR_DAMAGED, "task with a bad eventGUID");
    }
    etw_manifest_xml_put(self, &self->provider->names, &added->key, sizeof added->key, added);
    return added;
}

/* alias: kept already. */
static void add_channel(etw_manifest_xml_reader *self, uint32_t value, const char *name,
                        const char *alias)
{
    etw_manifest_name *added =
        add_name(self, ETW_MANIFEST_CHANNEL, ETW_MANIFEST_ANY_TASK, value, name, NULL);
    if (added != NULL) {
        added->alias = alias;
    }
}

void etw_manifest_xml_start_channel(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    const char *name = etw_manifest_xml_attribute(given, "name");
    const char *alias = etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "chid"));
    uint64_t value;
    if (etw_manifest_xml_number(etw_manifest_xml_attribute(given, "value"), &value)) {
        add_channel(self, (uint32_t)value, name, alias);
        return;
    }
    etw_manifest_provider *provider = self->provider;
    etw_manifest_unnumbered *added =
        name == NULL ? NULL : etw_manifest_xml_allocate(self, sizeof *added);
    if (added == NULL) {
        return;
    }
    added->name = etw_manifest_xml_copy(self, name);
    added->alias = alias;
    if (provider->last_channel == NULL) {
        provider->first_channel = added;
    } else {
        provider->last_channel->next = added;
    }
    provider->last_channel = added;
}

void etw_manifest_xml_number_channels(etw_manifest_xml_reader *self)
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

void etw_manifest_xml_start_import_channel(etw_manifest_xml_reader *self,
                                           etw_manifest_attributes given)
{
    const char *name = etw_manifest_xml_attribute(given, "name");
    uint32_t value;
    if (name != NULL && (etw_manifest_predefined(ETW_MANIFEST_CHANNEL, name, &value) ||
                         find_channel(self->model, name, &value))) {
        add_channel(self, value, name,
                    etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "chid")));
    }
}

void etw_manifest_xml_start_level(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    (void)add_name(self, ETW_MANIFEST_LEVEL, ETW_MANIFEST_ANY_TASK,
                   etw_manifest_xml_number_or(given, "value", 0),
                   etw_manifest_xml_attribute(given, "name"), NULL);
}

/* Events refer to it by its alias, and nobody sees it. */
static void hide_name(etw_manifest_name *name)
{
    name->alias = name->name;
    name->name = NULL;
}

void etw_manifest_xml_start_task(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    self->task = etw_manifest_xml_number_or(given, "value", 0);
    etw_manifest_name *added = add_name(self, ETW_MANIFEST_TASK, ETW_MANIFEST_ANY_TASK, self->task,
                                        etw_manifest_xml_attribute(given, "name"),
                                        etw_manifest_xml_attribute(given, "eventGUID"));
    if (added != NULL && is_made_up(given, "task", self->task)) {
        hide_name(added);
    }
}

void etw_manifest_xml_end_task(etw_manifest_xml_reader *self)
{
    self->task = ETW_MANIFEST_ANY_TASK;
}

void etw_manifest_xml_start_opcode(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    const uint32_t value = etw_manifest_xml_number_or(given, "value", 0);
    etw_manifest_name *added = add_name(self, ETW_MANIFEST_OPCODE, self->task, value,
                                        etw_manifest_xml_attribute(given, "name"), NULL);
    if (added != NULL && is_made_up(given, "opcode", value)) {
        hide_name(added);
    }
}

void etw_manifest_xml_start_keyword(etw_manifest_xml_reader *self, etw_manifest_attributes given)
{
    uint64_t mask;
    if (etw_manifest_xml_number(etw_manifest_xml_attribute(given, "mask"), &mask)) {
        etw_manifest_add_keyword(
            self->provider, mask,
            etw_manifest_xml_copy(self, etw_manifest_xml_attribute(given, "name")));
    }
}

void etw_manifest_xml_use_predefined(etw_manifest_xml_reader *self, etw_manifest_name_kind kind,
                                     const char *name)
{
    uint32_t value;
    if (name != NULL && etw_manifest_predefined(kind, name, &value)) {
        (void)add_name(self, kind, ETW_MANIFEST_ANY_TASK, value, name, NULL);
    }
}

void etw_manifest_xml_use_predefined_keywords(etw_manifest_xml_reader *self, const char *names)
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
