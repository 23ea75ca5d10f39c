/* From words to numbers: what descriptor an event of a manifest has. */
#include "format/schema/manifest_model.h"

static bool is_called(const etw_manifest_name *known, const char *name)
{
    return (known->name != NULL && strcmp(known->name, name) == 0) ||
           (known->alias != NULL && strcmp(known->alias, name) == 0);
}

/* The number of a name; of an opcode first among those of the task. */
static bool find_number(const etw_manifest_provider *provider, etw_manifest_name_kind kind,
                        uint32_t task, const char *name, uint32_t *value)
{
    for (uint32_t i = 0; i < provider->names.probe.used; i++) {
        const etw_manifest_name *known = provider->names.entries[i].value;
        if (known->key.kind == (uint32_t)kind && known->key.task == task &&
            is_called(known, name)) {
            *value = known->key.value;
            return true;
        }
    }
    return false;
}

static uint32_t number_of(const etw_manifest_provider *provider, etw_manifest_name_kind kind,
                          const char *name)
{
    uint32_t value = 0;
    if (name != NULL && !find_number(provider, kind, ETW_MANIFEST_ANY_TASK, name, &value)) {
        (void)etw_manifest_predefined(kind, name, &value);
    }
    return value;
}

/* names: separated by white space. */
static uint64_t masks_of(const etw_manifest_provider *provider, const char *names)
{
    static const char white[] = " \t\r\n";
    uint64_t masks = 0;
    while (names != NULL && *names != '\0') {
        names += strspn(names, white);
        const size_t size = strcspn(names, white);
        for (uint32_t i = 0; i < provider->keyword_count; i++) {
            const etw_manifest_keyword *keyword = &provider->keywords[i];
            if (strlen(keyword->name) == size && memcmp(keyword->name, names, size) == 0) {
                masks |= keyword->mask;
            }
        }
        names += size;
    }
    return masks;
}

etw_event_descriptor etw_manifest_descriptor(const etw_manifest_event *event)
{
    etw_event_descriptor made = event->descriptor;
    const etw_manifest_provider *provider = event->provider;
    uint32_t opcode;
    if (event->level != NULL) {
        made.Level = (uint8_t)number_of(provider, ETW_MANIFEST_LEVEL, event->level);
    }
    if (event->channel != NULL) {
        made.Channel = (uint8_t)number_of(provider, ETW_MANIFEST_CHANNEL, event->channel);
    }
    if (event->task != NULL) {
        made.Task = (uint16_t)number_of(provider, ETW_MANIFEST_TASK, event->task);
    }
    if (event->opcode != NULL &&
        find_number(provider, ETW_MANIFEST_OPCODE, made.Task, event->opcode, &opcode)) {
        made.Opcode = (uint8_t)opcode;
    } else if (event->opcode != NULL) {
        made.Opcode = (uint8_t)number_of(provider, ETW_MANIFEST_OPCODE, event->opcode);
    }
    if (event->keywords != NULL) {
        made.Keyword = masks_of(provider, event->keywords);
    }
    return made;
}
