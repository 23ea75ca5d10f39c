#include "replay/etwapi/delivery.h"

#include "replay/etwapi/enable_filters.h"
#include "replay/etwapi/known_schemas.h"
#include "replay/etwapi/settings.h"

#include <string.h>

#define HEADER_EVENT_CLASS 0x68fdd900u
/* Its opcodes of what a file says of itself in its first buffer: the header, its extension, the
 * partition (the MOF class EventTraceEvent). */
static const uint8_t header_opcodes[] = {0, 5, 80};

/* EVENT_ENABLE_PROPERTY_... that evntcons.h of mingw-w64 lacks. */
#define PROPERTY_SID               0x001u
#define PROPERTY_TS_ID             0x002u
#define PROPERTY_STACK             0x004u
#define PROPERTY_PSM_KEY           0x008u
#define PROPERTY_IGNORE_KEYWORD_0  0x010u
#define PROPERTY_PROCESS_START_KEY 0x080u
#define PROPERTY_EVENT_KEY         0x100u
#define PROPERTY_CONTAINER_ID      0x800u

/* EVENT_TRACE_FLAG_... that let a kernel class through, by the first member of the class' GUID
 * (each is unique among them). A class that is not listed passes with any flag. */
static const struct {
    uint32_t class_data1;
    uint32_t flags;
} kernel_classes[] = {
    {0x3d6fa8d0u, 0x00000009u}, /* Process: PROCESS, PROCESS_COUNTERS */
    {0x3d6fa8d1u, 0x00000812u}, /* Thread: THREAD, CSWITCH, DISPATCHER */
    {0x2cb15d1du, 0x00000004u}, /* Image: IMAGE_LOAD */
    {0x3d6fa8d4u, 0x00000500u}, /* DiskIo: DISK_IO, DISK_IO_INIT */
    {0x90cbdc39u, 0x06000200u}, /* FileIo: DISK_FILE_IO, FILE_IO, FILE_IO_INIT */
    {0x3d6fa8d3u, 0x0000F000u}, /* PageFault: MEMORY_*, VIRTUAL_ALLOC, VAMAP */
    {0x9a280ac0u, 0x00010000u}, /* TcpIp: NETWORK_TCPIP */
    {0xbf3a50c5u, 0x00010000u}, /* UdpIp: NETWORK_TCPIP */
    {0xae53722eu, 0x00020000u}, /* Registry: REGISTRY */
    {0x13976d09u, 0x00040000u}, /* DbgPrint: DBGPRINT */
    {0x3282fc76u, 0x00080000u}, /* Job: JOB */
    {0x45d8cccdu, 0x00100000u}, /* ALPC: ALPC */
    {0xd837ca92u, 0x00200000u}, /* SplitIo: SPLIT_IO */
    {0xce1dbfb4u, 0x010000E0u}, /* PerfInfo: DPC, INTERRUPT, SYSTEMCALL, PROFILE */
};

/* Bits of the other group masks that let a class through (PERF_... of krabsetw), beside the flags
 * above. */
static const struct {
    uint32_t class_data1;
    uint32_t mask, bits;
} kernel_groups[] = {
    {0x3d6fa8d1u, 1, 0x01003000u}, /* Thread: AFFINITY, PRIORITY, KERNEL_QUEUE */
    {0x3d6fa8d3u, 1, 0x08C80029u}, /* PageFault: MEMORY, FOOTPRINT, REFSET, MEMINFO, SESSION, WS */
    {0xce1dbfb4u, 1, 0x02040400u}, /* PerfInfo: PMC_PROFILE, DPC_QUEUE, INTERRUPT_STEER */
    {0xce1dbfb4u, 2, 0x04DF0000u}, /* PerfInfo: timers, clocks, processors */
    {0x0268a8b6u, 1, 0x00000040u}, /* Pool: POOL */
    {0x89497f50u, 4, 0x000000C0u}, /* Object: OB_HANDLE, OB_OBJECT */
    {0xe43445e0u, 4, 0x00008000u}, /* Power: POWER */
    {0xae53722eu, 2, 0x03000000u}, /* Registry: REG_HIVE, REG_NOTIF */
};

static const GUID kernel_classes_all[] = {
    {0x01853a65, 0x418f, 0x4f36, {0xae, 0xfc, 0xdc, 0x0f, 0x1d, 0x2f, 0xd2, 0x35}},
    {0xdef2fe46, 0x7bd6, 0x4b80, {0xbd, 0x94, 0xf5, 0x7f, 0xe2, 0x0d, 0x0c, 0xe3}},
};

static bool is_header_class(const etw_event_record *record)
{
    return record->EventHeader.ProviderId.Data1 == HEADER_EVENT_CLASS;
}

bool etwapi_is_header_event(const etw_event_record *record)
{
    const uint8_t opcode = record->EventHeader.EventDescriptor.Opcode;
    return is_header_class(record) && memchr(header_opcodes, opcode, sizeof header_opcodes) != NULL;
}

/* Flags by which a kernel session lets this class through; 0 where it is no kernel class. */
static uint32_t kernel_flags_of(const etw_guid *provider)
{
    for (size_t i = 0; i < sizeof kernel_classes / sizeof kernel_classes[0]; i++) {
        if (kernel_classes[i].class_data1 == provider->Data1) {
            return kernel_classes[i].flags;
        }
    }
    for (size_t i = 0; i < sizeof kernel_classes_all / sizeof kernel_classes_all[0]; i++) {
        if (memcmp(&kernel_classes_all[i], provider, sizeof *provider) == 0) {
            return UINT32_MAX;
        }
    }
    return 0;
}

static bool is_in_groups(const etwapi_session *session, const etw_guid *provider)
{
    for (size_t i = 0; i < sizeof kernel_groups / sizeof kernel_groups[0]; i++) {
        if (kernel_groups[i].class_data1 == provider->Data1 &&
            (session->group_masks[kernel_groups[i].mask] & kernel_groups[i].bits) != 0) {
            return true;
        }
    }
    return false;
}

static bool passes_level(const etwapi_provider *provider, uint8_t level)
{
    return level == 0 || provider->level == 0 || level <= provider->level;
}

static bool passes_keyword(const etwapi_provider *provider, uint64_t keyword)
{
    if (keyword == 0 && !etwapi_get_settings()->classic_providers) {
        return (provider->enable_property & PROPERTY_IGNORE_KEYWORD_0) == 0;
    }
    if (provider->any_keyword == 0 && etwapi_get_settings()->classic_providers) {
        return false;
    }
    /* EnableTraceEx2's page: MatchAllKeyword is not used where MatchAnyKeyword is 0. */
    return provider->any_keyword == 0 ||
           ((keyword & provider->any_keyword) != 0 &&
            (keyword & provider->all_keyword) == provider->all_keyword);
}

static bool passes_ids(const etwapi_provider *provider, uint16_t id)
{
    for (USHORT i = 0; i < provider->id_count; i++) {
        if (provider->ids[i] == id) {
            return !provider->exclude_ids;
        }
    }
    return provider->id_count == 0 || provider->exclude_ids;
}

static bool passes_pids(const etwapi_provider *provider, uint32_t process_id)
{
    for (ULONG i = 0; i < provider->pid_count; i++) {
        if (provider->pids[i] == process_id) {
            return true;
        }
    }
    return provider->pid_count == 0;
}

bool etwapi_passes(const etwapi_provider *provider, const etw_event_record *record)
{
    const etw_event_header *header = &record->EventHeader;
    return passes_level(provider, header->EventDescriptor.Level) &&
           passes_keyword(provider, header->EventDescriptor.Keyword) &&
           passes_ids(provider, header->EventDescriptor.Id) &&
           passes_pids(provider, header->ProcessId);
}

static const etwapi_provider *provider_of(const etwapi_session *session,
                                          const etw_event_record *record)
{
    for (ULONG i = 0; i < session->provider_count; i++) {
        if (memcmp(&session->providers[i].id, &record->EventHeader.ProviderId, sizeof(GUID)) == 0) {
            return &session->providers[i];
        }
    }
    return NULL;
}

bool etwapi_wants(const etwapi_session *session, const etw_event *event, ULONG *enable_property)
{
    const etw_event_record *record = etw_event_record_of(event);
    *enable_property = 0;
    const etw_guid *class = &record->EventHeader.ProviderId;
    if (is_header_class(record) ||
        (session->properties.EnableFlags & kernel_flags_of(class)) != 0 ||
        is_in_groups(session, class)) {
        return true;
    }
    const etwapi_provider *provider = provider_of(session, record);
    if (provider == NULL || !etwapi_passes(provider, record)) {
        return false;
    }
    bool stack;
    const bool passes = etwapi_kept_filters_pass(session, provider, event, &stack);
    *enable_property = provider->enable_property & (stack ? ~(ULONG)0 : ~(ULONG)PROPERTY_STACK);
    return passes;
}

bool etwapi_keeps_written(const etwapi_session *session, etw_event_maker *maker,
                          etw_event_record *record)
{
    static const etw_trace live = {.pointer_size = sizeof(void *)};
    const etwapi_provider *provider = provider_of(session, record);
    bool stack = true;
    if (provider == NULL || provider->kept_size == 0 || maker == NULL) {
        return true;
    }
    const etw_event *event = etw_event_make(maker, record, &live, etwapi_find_schema(record), NULL);
    const bool passes = event == NULL || etwapi_kept_filters_pass(session, provider, event, &stack);
    etw_event_expire(maker);
    if (!stack) {
        record->ExtendedDataCount =
            etwapi_keep_items(record, ~(ULONG)PROPERTY_STACK, record->ExtendedData);
    }
    return passes;
}

/* The enable property that asks for an item's kind; 0: the item comes unasked. */
static ULONG property_of(uint16_t ext_type)
{
    switch (ext_type) {
    case ETW_EXT_SID:
        return PROPERTY_SID;
    case ETW_EXT_TS_ID:
        return PROPERTY_TS_ID;
    case ETW_EXT_STACK_TRACE32:
    case ETW_EXT_STACK_TRACE64:
    case ETW_EXT_STACK_KEY32:
    case ETW_EXT_STACK_KEY64:
        return PROPERTY_STACK;
    case ETW_EXT_PSM_KEY:
        return PROPERTY_PSM_KEY;
    case ETW_EXT_PROCESS_START_KEY:
        return PROPERTY_PROCESS_START_KEY;
    case ETW_EXT_EVENT_KEY:
        return PROPERTY_EVENT_KEY;
    case ETW_EXT_CONTAINER_ID:
        return PROPERTY_CONTAINER_ID;
    default:
        return 0;
    }
}

uint16_t etwapi_keep_items(const etw_event_record *record, ULONG enable_property,
                           etw_extended_data_item *items)
{
    uint16_t kept = 0;
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        const ULONG property = property_of(record->ExtendedData[i].ExtType);
        if (property == 0 || (enable_property & property) != 0) {
            items[kept++] = record->ExtendedData[i];
        }
    }
    for (uint16_t i = 0; i < kept; i++) {
        const uint16_t linkage = i + 1u < kept ? 1u : 0u;
        items[i].Linkage = (uint16_t)((items[i].Linkage & ~1u) | linkage);
    }
    return kept;
}
