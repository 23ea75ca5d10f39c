/* What providers are there and what they call their levels, keywords, ...: by the traces played. */
#include "format/event/render/plan.h"
#include "format/event/tei.h"
#include "replay/etwapi/etw_headers.h"
#include "replay/etwapi/known_schemas.h"
#include "replay/etwapi/session_trace.h"
#include "replay/etwapi/wide.h"

#include <stdlib.h>
#include <string.h>

/* DECODING_SOURCE of a provider with a manifest. */
#define SCHEMA_SOURCE_XML 0u

/* --- the list of providers
 * -------------------------------------------------------------------------- */

/* Two passes: first the sizes, then the entries with their names behind them. */
typedef struct provider_list {
    PROVIDER_ENUMERATION_INFO *info; /* NULL: only count */
    ULONG count;
    ULONG name_bytes;
    ULONG name_offset; /* of the next name, from the start of info */
} provider_list;

static void add_provider(void *context, const etw_guid *provider, const char *utf8_name)
{
    provider_list *list = context;
    const ULONG units = etwapi_wide_units(utf8_name);
    if (list->info != NULL) {
        TRACE_PROVIDER_INFO *entry = &list->info->TraceProviderInfoArray[list->count];
        memcpy(&entry->ProviderGuid, provider, sizeof entry->ProviderGuid);
        entry->SchemaSource = SCHEMA_SOURCE_XML;
        entry->ProviderNameOffset = list->name_offset;
        wchar_t *place = (wchar_t *)(void *)((BYTE *)list->info + list->name_offset);
        etwapi_put_wide(place, utf8_name, units);
        list->name_offset += units * (ULONG)sizeof(wchar_t);
    }
    list->count++;
    list->name_bytes += units * (ULONG)sizeof(wchar_t);
}

static ULONG give_providers(const provider_list *list, PROVIDER_ENUMERATION_INFO *info, ULONG room,
                            ULONG *size)
{
    const ULONG names = (ULONG)offsetof(PROVIDER_ENUMERATION_INFO, TraceProviderInfoArray) +
                        list->count * (ULONG)sizeof(TRACE_PROVIDER_INFO);
    const ULONG needed = names + list->name_bytes;
    *size = needed;
    if (info == NULL || room < needed) {
        return ERROR_INSUFFICIENT_BUFFER;
    }
    info->NumberOfProviders = list->count;
    if (list->count > 0) {
        provider_list fill = {.info = info, .name_offset = names};
        etwapi_visit_providers(add_provider, &fill);
    }
    return ERROR_SUCCESS;
}

ULONG WINAPI TdhEnumerateProviders(PROVIDER_ENUMERATION_INFO *info, ULONG *size)
{
    return size == NULL
               ? (ULONG)ERROR_INVALID_PARAMETER
               : TdhEnumerateProvidersForDecodingSource(DecodingSourceXMLFile, info, *size, size);
}

ULONG WINAPI TdhEnumerateProvidersForDecodingSource(DECODING_SOURCE source,
                                                    PROVIDER_ENUMERATION_INFO *info, ULONG room,
                                                    ULONG *size)
{
    if (size == NULL || (source != DecodingSourceXMLFile && source != DecodingSourceWbem)) {
        return ERROR_INVALID_PARAMETER;
    }
    provider_list list = {0};
    if (source == DecodingSourceXMLFile) {
        etwapi_know_trace();
        etwapi_visit_providers(add_provider, &list);
    }
    return give_providers(&list, info, room, size);
}

/* --- fields of a provider
 * --------------------------------------------------------------------------- */

#define MAX_FIELDS 1024u

typedef struct field {
    ULONGLONG value;
    char *name;
} field;

typedef struct field_list {
    const GUID *provider;
    EVENT_FIELD_TYPE type;
    bool only_one; /* just the field of this value */
    ULONGLONG wanted;
    field fields[MAX_FIELDS];
    ULONG count;
} field_list;

static void add_field(field_list *list, ULONGLONG value, const char *name)
{
    if (name[0] == '\0' || list->count == MAX_FIELDS || (list->only_one && value != list->wanted)) {
        return;
    }
    for (ULONG i = 0; i < list->count; i++) {
        if (list->fields[i].value == value) {
            return;
        }
    }
    char *copy = strdup(name);
    if (copy != NULL) {
        list->fields[list->count++] = (field){value, copy};
    }
}

/* A schema lists the names of its event's keyword bits, lowest bit first; which is certain only
 * where there is one for each bit. */
static void add_keywords(field_list *list, const etw_plan *plan, ULONGLONG keyword)
{
    const ULONGLONG own_bits = keyword & 0x0000FFFFFFFFFFFFull;
    const uint32_t count = etw_plan_keyword_count(plan);
    if ((uint32_t)__builtin_popcountll(own_bits) != count) {
        return;
    }
    ULONGLONG left = own_bits;
    for (uint32_t i = 0; i < count; i++) {
        const ULONGLONG bit = left & (0 - left);
        add_field(list, bit, etw_plan_keyword_name(plan, i)->utf8);
        left &= left - 1;
    }
}

static void add_fields_of(field_list *list, const etw_plan *plan,
                          const etw_event_descriptor *descriptor)
{
    switch (list->type) {
    case EventKeywordInformation:
        add_keywords(list, plan, descriptor->Keyword);
        break;
    case EventLevelInformation:
        add_field(list, descriptor->Level, etw_plan_level_name(plan)->utf8);
        break;
    case EventChannelInformation:
        add_field(list, descriptor->Channel, etw_plan_channel_name(plan)->utf8);
        break;
    case EventTaskInformation:
        add_field(list, descriptor->Task, etw_plan_task_name(plan)->utf8);
        break;
    case EventOpcodeInformation:
        /* TDH gives the task in the upper half and the opcode in the lower. */
        add_field(list, (ULONGLONG)descriptor->Task << 16 | descriptor->Opcode,
                  etw_plan_opcode_name(plan)->utf8);
        break;
    default:
        break;
    }
}

static void visit_schema(void *context, const etw_schema *schema)
{
    field_list *list = context;
    const size_t descriptor_offset = offsetof(TRACE_EVENT_INFO, EventDescriptor);
    if (schema->tei.size < sizeof(TRACE_EVENT_INFO) ||
        memcmp(schema->tei.data, list->provider, sizeof *list->provider) != 0) {
        return;
    }
    etw_event_descriptor descriptor;
    memcpy(&descriptor, schema->tei.data + descriptor_offset, sizeof descriptor);
    etw_plan *plan = NULL;
    if (etw_plan_compile(schema, &plan, NULL) == ETW_OK) {
        add_fields_of(list, plan, &descriptor);
        etw_plan_free(plan);
    }
}

static ULONG give_fields(const field_list *list, PROVIDER_FIELD_INFOARRAY *array, ULONG *size)
{
    ULONG offset = (ULONG)offsetof(PROVIDER_FIELD_INFOARRAY, FieldInfoArray) +
                   list->count * (ULONG)sizeof(PROVIDER_FIELD_INFO);
    ULONG needed = offset;
    for (ULONG i = 0; i < list->count; i++) {
        needed += etwapi_wide_units(list->fields[i].name) * (ULONG)sizeof(wchar_t);
    }
    if (array == NULL || *size < needed) {
        *size = needed;
        return ERROR_INSUFFICIENT_BUFFER;
    }
    *size = needed;
    array->NumberOfElements = list->count;
    array->FieldType = list->type;
    for (ULONG i = 0; i < list->count; i++) {
        const ULONG units = etwapi_wide_units(list->fields[i].name);
        array->FieldInfoArray[i] =
            (PROVIDER_FIELD_INFO){.NameOffset = offset, .Value = list->fields[i].value};
        etwapi_put_wide((wchar_t *)(void *)((BYTE *)array + offset), list->fields[i].name, units);
        offset += units * (ULONG)sizeof(wchar_t);
    }
    return ERROR_SUCCESS;
}

static ULONG query_fields(field_list *list, PROVIDER_FIELD_INFOARRAY *array, ULONG *size)
{
    etwapi_know_trace();
    etwapi_visit_schemas(visit_schema, list);
    const ULONG code = list->count == 0 ? (ULONG)ERROR_NOT_FOUND : give_fields(list, array, size);
    for (ULONG i = 0; i < list->count; i++) {
        free(list->fields[i].name);
    }
    return code;
}

ULONG WINAPI TdhEnumerateProviderFieldInformation(LPGUID provider, EVENT_FIELD_TYPE type,
                                                  PROVIDER_FIELD_INFOARRAY *array, ULONG *size)
{
    if (provider == NULL || size == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    field_list list = {.provider = provider, .type = type};
    return query_fields(&list, array, size);
}

ULONG WINAPI TdhQueryProviderFieldInformation(LPGUID provider, ULONGLONG value,
                                              EVENT_FIELD_TYPE type,
                                              PROVIDER_FIELD_INFOARRAY *array, ULONG *size)
{
    if (provider == NULL || size == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    field_list list = {.provider = provider, .type = type, .only_one = true, .wanted = value};
    return query_fields(&list, array, size);
}

/* --- events of a provider ------------------------------------------------------------------------
 */

/* Two passes, as above. */
typedef struct event_list {
    const GUID *provider;
    PROVIDER_EVENT_INFO *info; /* NULL: only count */
    ULONG room, count;         /* other threads may learn more between the passes */
} event_list;

/* The schema of an event that a manifest defines, of this provider. */
static const TRACE_EVENT_INFO *manifest_event(const etw_schema *schema, const GUID *provider)
{
    const TRACE_EVENT_INFO *info = (const TRACE_EVENT_INFO *)(const void *)schema->tei.data;
    return schema->tei.size >= sizeof *info && info->DecodingSource == DecodingSourceXMLFile &&
                   memcmp(&info->ProviderGuid, provider, sizeof *provider) == 0
               ? info
               : NULL;
}

static void visit_event(void *context, const etw_schema *schema)
{
    event_list *list = context;
    const TRACE_EVENT_INFO *info = manifest_event(schema, list->provider);
    if (info != NULL) {
        if (list->info != NULL && list->count < list->room) {
            list->info->EventDescriptorsArray[list->count] = info->EventDescriptor;
        }
        list->count++;
    }
}

ULONG WINAPI TdhEnumerateManifestProviderEvents(GUID *provider, PROVIDER_EVENT_INFO *info,
                                                ULONG *size)
{
    if (provider == NULL || size == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    etwapi_know_trace();
    event_list list = {.provider = provider};
    etwapi_visit_schemas(visit_event, &list);
    if (list.count == 0) {
        return ERROR_NOT_FOUND;
    }
    const ULONG needed = (ULONG)offsetof(PROVIDER_EVENT_INFO, EventDescriptorsArray) +
                         list.count * (ULONG)sizeof(EVENT_DESCRIPTOR);
    const bool has_room = info != NULL && *size >= needed;
    *size = needed;
    if (!has_room) {
        return ERROR_INSUFFICIENT_BUFFER;
    }
    info->NumberOfEvents = list.count;
    info->Reserved = 0;
    event_list fill = {.provider = provider, .info = info, .room = list.count};
    etwapi_visit_schemas(visit_event, &fill);
    return ERROR_SUCCESS;
}

/* The first schema of this id and version. */
typedef struct event_search {
    const GUID *provider;
    const EVENT_DESCRIPTOR *wanted;
    etw_bytes found;
} event_search;

static void match_event(void *context, const etw_schema *schema)
{
    event_search *search = context;
    const TRACE_EVENT_INFO *info = manifest_event(schema, search->provider);
    if (search->found.data == NULL && info != NULL &&
        info->EventDescriptor.Id == search->wanted->Id &&
        info->EventDescriptor.Version == search->wanted->Version) {
        search->found = schema->tei;
    }
}

ULONG WINAPI TdhGetManifestEventInformation(GUID *provider, EVENT_DESCRIPTOR *event,
                                            TRACE_EVENT_INFO *info, ULONG *size)
{
    if (provider == NULL || event == NULL || size == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    etwapi_know_trace();
    event_search search = {.provider = provider, .wanted = event};
    etwapi_visit_schemas(match_event, &search);
    if (search.found.data == NULL) {
        return ERROR_NOT_FOUND;
    }
    const ULONG needed = (ULONG)search.found.size;
    const bool has_room = info != NULL && *size >= needed;
    *size = needed;
    if (!has_room) {
        return ERROR_INSUFFICIENT_BUFFER;
    }
    memcpy(info, search.found.data, needed);
    return ERROR_SUCCESS;
}

/* Filters that a manifest defines, for drivers: none is known. */
ULONG WINAPI TdhEnumerateProviderFilters(GUID *provider, ULONG context_count, TDH_CONTEXT *context,
                                         ULONG *filter_count, void *filters, ULONG *size)
{
    (void)context_count;
    (void)context;
    (void)filters;
    if (provider == NULL || filter_count == NULL || size == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    *filter_count = 0;
    return ERROR_NOT_FOUND;
}
