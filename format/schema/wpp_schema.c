/* From a WPP message to its schema: what the types of its arguments are in TRACE_EVENT_INFO. */
#include "format/event/wpp_kind.h"
#include "format/schema/wpp_model.h"

#include <stdio.h>
#include <stdlib.h>

/* What an item type is in TRACE_EVENT_INFO; the name ends at "(". */
typedef struct item_type {
    const char *name;
    uint16_t in_type;
    uint16_t out_type;
    uint16_t length;
    etw_wpp_kind kind;
} item_type;

#define LENGTH_OF_POINTER UINT16_MAX

static const item_type item_types[] = {
    {"ItemChar", ETW_IN_INT8, ETW_OUT_NULL, 1, ETW_WPP_PLAIN},
    {"ItemUChar", ETW_IN_UINT8, ETW_OUT_NULL, 1, ETW_WPP_PLAIN},
    {"ItemShort", ETW_IN_INT16, ETW_OUT_NULL, 2, ETW_WPP_PLAIN},
    {"ItemUShort", ETW_IN_UINT16, ETW_OUT_NULL, 2, ETW_WPP_PLAIN},
    {"ItemLong", ETW_IN_INT32, ETW_OUT_NULL, 4, ETW_WPP_PLAIN},
    {"ItemULong", ETW_IN_UINT32, ETW_OUT_NULL, 4, ETW_WPP_PLAIN},
    {"ItemULongX", ETW_IN_HEXINT32, ETW_OUT_NULL, 4, ETW_WPP_PLAIN},
    {"ItemLongLong", ETW_IN_INT64, ETW_OUT_NULL, 8, ETW_WPP_PLAIN},
    {"ItemULongLong", ETW_IN_UINT64, ETW_OUT_NULL, 8, ETW_WPP_PLAIN},
    {"ItemLongLongX", ETW_IN_HEXINT64, ETW_OUT_NULL, 8, ETW_WPP_PLAIN},
    {"ItemLongLongXX", ETW_IN_HEXINT64, ETW_OUT_NULL, 8, ETW_WPP_PLAIN},
    {"ItemULongLongX", ETW_IN_HEXINT64, ETW_OUT_NULL, 8, ETW_WPP_PLAIN},
    {"ItemLongLongO", ETW_IN_UINT64, ETW_OUT_NULL, 8, ETW_WPP_PLAIN},
    {"ItemPtr", ETW_IN_POINTER, ETW_OUT_NULL, LENGTH_OF_POINTER, ETW_WPP_PLAIN},
    {"ItemDouble", ETW_IN_DOUBLE, ETW_OUT_NULL, 8, ETW_WPP_PLAIN},
    {"ItemFloat", ETW_IN_FLOAT, ETW_OUT_NULL, 4, ETW_WPP_PLAIN},
    {"ItemString", ETW_IN_ANSISTRING, ETW_OUT_NULL, 0, ETW_WPP_PLAIN},
    {"ItemRString", ETW_IN_ANSISTRING, ETW_OUT_REDUCEDSTRING, 0, ETW_WPP_PLAIN},
    {"ItemWString", ETW_IN_UNICODESTRING, ETW_OUT_NULL, 0, ETW_WPP_PLAIN},
    {"ItemRWString", ETW_IN_UNICODESTRING, ETW_OUT_REDUCEDSTRING, 0, ETW_WPP_PLAIN},
    {"ItemPString", ETW_IN_COUNTEDANSISTRING, ETW_OUT_NULL, 0, ETW_WPP_PLAIN},
    {"ItemPWString", ETW_IN_COUNTEDSTRING, ETW_OUT_NULL, 0, ETW_WPP_PLAIN},
    {"ItemGuid", ETW_IN_GUID, ETW_OUT_NULL, 16, ETW_WPP_PLAIN},
    {"ItemCLSID", ETW_IN_GUID, ETW_OUT_NULL, 16, ETW_WPP_PLAIN},
    {"ItemIID", ETW_IN_GUID, ETW_OUT_NULL, 16, ETW_WPP_PLAIN},
    {"ItemLIBID", ETW_IN_GUID, ETW_OUT_NULL, 16, ETW_WPP_PLAIN},
    {"ItemNTSTATUS", ETW_IN_UINT32, ETW_OUT_NTSTATUS, 4, ETW_WPP_PLAIN},
    {"ItemHRESULT", ETW_IN_INT32, ETW_OUT_HRESULT, 4, ETW_WPP_PLAIN},
    {"ItemWINERROR", ETW_IN_UINT32, ETW_OUT_WIN32ERROR, 4, ETW_WPP_PLAIN},
    {"ItemNDIS_STATUS", ETW_IN_UINT32, ETW_OUT_NULL, 4, ETW_WPP_LIST},
    {"ItemNDIS_OID", ETW_IN_UINT32, ETW_OUT_NULL, 4, ETW_WPP_LIST},
    {"ItemIPAddr", ETW_IN_UINT32, ETW_OUT_IPV4, 4, ETW_WPP_PLAIN},
    {"ItemPort", ETW_IN_UINT16, ETW_OUT_PORT, 2, ETW_WPP_PLAIN},
    {"ItemSid", ETW_IN_SID, ETW_OUT_NULL, 0, ETW_WPP_PLAIN},
    {"ItemChar4", ETW_IN_ANSISTRING, ETW_OUT_NULL, 4, ETW_WPP_PLAIN},
    {"ItemTimestamp", ETW_IN_FILETIME, ETW_OUT_NULL, 8, ETW_WPP_PLAIN},
    {"ItemWaitTime", ETW_IN_INT64, ETW_OUT_NULL, 8, ETW_WPP_WAIT_TIME},
    {"ItemTimeDelta", ETW_IN_INT64, ETW_OUT_NULL, 8, ETW_WPP_TIME_DELTA},
    {"ItemHexDump", ETW_IN_MANIFEST_COUNTEDBINARY, ETW_OUT_HEXBINARY, 0, ETW_WPP_PLAIN},
    {"ItemHEXDump", ETW_IN_MANIFEST_COUNTEDBINARY, ETW_OUT_HEXBINARY, 0, ETW_WPP_PLAIN},
    {"ItemListByte", ETW_IN_UINT8, ETW_OUT_NULL, 1, ETW_WPP_LIST},
    {"ItemListShort", ETW_IN_UINT16, ETW_OUT_NULL, 2, ETW_WPP_LIST},
    {"ItemListLong", ETW_IN_UINT32, ETW_OUT_NULL, 4, ETW_WPP_LIST},
    {"ItemSetByte", ETW_IN_UINT8, ETW_OUT_NULL, 1, ETW_WPP_SET},
    {"ItemSetShort", ETW_IN_UINT16, ETW_OUT_NULL, 2, ETW_WPP_SET},
    {"ItemSetLong", ETW_IN_UINT32, ETW_OUT_NULL, 4, ETW_WPP_SET},
    {"ItemEnum", ETW_IN_UINT32, ETW_OUT_NULL, 4, ETW_WPP_ENUM},
    {"ItemFlagsEnum", ETW_IN_UINT32, ETW_OUT_NULL, 4, ETW_WPP_FLAGS},
};

/* Statuses and object ids that drivers report often (ndis.h, ntddndis.h). */
static const etw_map_entry_spec ndis_statuses[] = {
    {0x00000000u, "NDIS_STATUS_SUCCESS"},
    {0x00000103u, "NDIS_STATUS_PENDING"},
    {0x00010001u, "NDIS_STATUS_NOT_RECOGNIZED"},
    {0x00010002u, "NDIS_STATUS_NOT_COPIED"},
    {0x00010003u, "NDIS_STATUS_NOT_ACCEPTED"},
    {0x00010007u, "NDIS_STATUS_CALL_ACTIVE"},
    {0x40010003u, "NDIS_STATUS_ONLINE"},
    {0x40010004u, "NDIS_STATUS_RESET_START"},
    {0x40010005u, "NDIS_STATUS_RESET_END"},
    {0x40010006u, "NDIS_STATUS_RING_STATUS"},
    {0x40010007u, "NDIS_STATUS_CLOSED"},
    {0x40010008u, "NDIS_STATUS_WAN_LINE_UP"},
    {0x40010009u, "NDIS_STATUS_WAN_LINE_DOWN"},
    {0x4001000Au, "NDIS_STATUS_WAN_FRAGMENT"},
    {0x4001000Bu, "NDIS_STATUS_MEDIA_CONNECT"},
    {0x4001000Cu, "NDIS_STATUS_MEDIA_DISCONNECT"},
    {0x4001000Du, "NDIS_STATUS_HARDWARE_LINE_UP"},
    {0x4001000Eu, "NDIS_STATUS_HARDWARE_LINE_DOWN"},
    {0x4001000Fu, "NDIS_STATUS_INTERFACE_UP"},
    {0x40010010u, "NDIS_STATUS_INTERFACE_DOWN"},
    {0x40010012u, "NDIS_STATUS_MEDIA_SPECIFIC_INDICATION"},
    {0x40010013u, "NDIS_STATUS_LINK_SPEED_CHANGE"},
    {0x80010001u, "NDIS_STATUS_NOT_RESETTABLE"},
    {0x80010003u, "NDIS_STATUS_SOFT_ERRORS"},
    {0x80010004u, "NDIS_STATUS_HARD_ERRORS"},
    {0xC0000001u, "NDIS_STATUS_FAILURE"},
    {0xC000009Au, "NDIS_STATUS_RESOURCES"},
    {0xC00000BBu, "NDIS_STATUS_NOT_SUPPORTED"},
    {0xC0010002u, "NDIS_STATUS_CLOSING"},
    {0xC0010004u, "NDIS_STATUS_BAD_VERSION"},
    {0xC0010005u, "NDIS_STATUS_BAD_CHARACTERISTICS"},
    {0xC0010006u, "NDIS_STATUS_ADAPTER_NOT_FOUND"},
    {0xC0010007u, "NDIS_STATUS_OPEN_FAILED"},
    {0xC0010008u, "NDIS_STATUS_DEVICE_FAILED"},
    {0xC0010009u, "NDIS_STATUS_MULTICAST_FULL"},
    {0xC001000Au, "NDIS_STATUS_MULTICAST_EXISTS"},
    {0xC001000Bu, "NDIS_STATUS_MULTICAST_NOT_FOUND"},
    {0xC001000Cu, "NDIS_STATUS_REQUEST_ABORTED"},
    {0xC001000Du, "NDIS_STATUS_RESET_IN_PROGRESS"},
    {0xC001000Fu, "NDIS_STATUS_INVALID_PACKET"},
    {0xC0010010u, "NDIS_STATUS_OPEN_LIST_FULL"},
    {0xC0010011u, "NDIS_STATUS_ADAPTER_NOT_READY"},
    {0xC0010012u, "NDIS_STATUS_ADAPTER_NOT_OPEN"},
    {0xC0010014u, "NDIS_STATUS_INVALID_LENGTH"},
    {0xC0010015u, "NDIS_STATUS_INVALID_DATA"},
    {0xC0010016u, "NDIS_STATUS_BUFFER_TOO_SHORT"},
    {0xC0010017u, "NDIS_STATUS_INVALID_OID"},
    {0xC0010018u, "NDIS_STATUS_ADAPTER_REMOVED"},
    {0xC001001Fu, "NDIS_STATUS_NO_CABLE"},
};
static const etw_map_entry_spec ndis_oids[] = {
    {0x00010101u, "OID_GEN_SUPPORTED_LIST"},
    {0x00010102u, "OID_GEN_HARDWARE_STATUS"},
    {0x00010103u, "OID_GEN_MEDIA_SUPPORTED"},
    {0x00010104u, "OID_GEN_MEDIA_IN_USE"},
    {0x00010105u, "OID_GEN_MAXIMUM_LOOKAHEAD"},
    {0x00010106u, "OID_GEN_MAXIMUM_FRAME_SIZE"},
    {0x00010107u, "OID_GEN_LINK_SPEED"},
    {0x00010108u, "OID_GEN_TRANSMIT_BUFFER_SPACE"},
    {0x00010109u, "OID_GEN_RECEIVE_BUFFER_SPACE"},
    {0x0001010Au, "OID_GEN_TRANSMIT_BLOCK_SIZE"},
    {0x0001010Bu, "OID_GEN_RECEIVE_BLOCK_SIZE"},
    {0x0001010Cu, "OID_GEN_VENDOR_ID"},
    {0x0001010Du, "OID_GEN_VENDOR_DESCRIPTION"},
    {0x0001010Eu, "OID_GEN_CURRENT_PACKET_FILTER"},
    {0x0001010Fu, "OID_GEN_CURRENT_LOOKAHEAD"},
    {0x00010110u, "OID_GEN_DRIVER_VERSION"},
    {0x00010111u, "OID_GEN_MAXIMUM_TOTAL_SIZE"},
    {0x00010112u, "OID_GEN_PROTOCOL_OPTIONS"},
    {0x00010113u, "OID_GEN_MAC_OPTIONS"},
    {0x00010114u, "OID_GEN_MEDIA_CONNECT_STATUS"},
    {0x00010115u, "OID_GEN_MAXIMUM_SEND_PACKETS"},
    {0x00010116u, "OID_GEN_VENDOR_DRIVER_VERSION"},
    {0x00020101u, "OID_GEN_XMIT_OK"},
    {0x00020102u, "OID_GEN_RCV_OK"},
    {0x00020103u, "OID_GEN_XMIT_ERROR"},
    {0x00020104u, "OID_GEN_RCV_ERROR"},
    {0x00020105u, "OID_GEN_RCV_NO_BUFFER"},
    {0x00020106u, "OID_GEN_STATISTICS"},
    {0x01010101u, "OID_802_3_PERMANENT_ADDRESS"},
    {0x01010102u, "OID_802_3_CURRENT_ADDRESS"},
    {0x01010103u, "OID_802_3_MULTICAST_LIST"},
    {0x01010104u, "OID_802_3_MAXIMUM_LIST_SIZE"},
    {0xFD010100u, "OID_PNP_CAPABILITIES"},
    {0xFD010101u, "OID_PNP_SET_POWER"},
    {0xFD010102u, "OID_PNP_QUERY_POWER"},
};

#define COUNT_OF(table) ((uint32_t)(sizeof(table) / sizeof(table)[0]))

/* "(Low,APC,DPC)" behind the name, without its parentheses. */
static etw_bytes inside_of(const char *type)
{
    const char *open = strchr(type, '(');
    const char *close = open == NULL ? NULL : strrchr(open, ')');
    if (close == NULL) {
        return (etw_bytes){NULL, 0};
    }
    return (etw_bytes){(const uint8_t *)open + 1, (size_t)(close - open) - 1};
}

static const item_type *find_type(const char *type)
{
    const size_t size = strcspn(type, "( ");
    for (size_t i = 0; i < COUNT_OF(item_types); i++) {
        if (strlen(item_types[i].name) == size && memcmp(item_types[i].name, type, size) == 0) {
            return &item_types[i];
        }
    }
    return NULL;
}

/* The maps of one message. */
typedef struct making {
    etw_wpp_set *set;
    etw_arena texts; /* names of entries, blobs of maps */
    etw_bytes maps[ETW_MAX_MAPS_PER_SCHEMA];
    uint32_t map_count;
    etw_map_entry_spec *entries; /* room for ETW_WPP_MAX_NAMES */
    etw_error *error;
} making;

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a WPP message's schema");
}

/* "name" or "name=5": the number of the next entry follows. */
static etw_status add_entry(making *m, const char *name, size_t size, bool is_set,
                            uint32_t *next_value, uint32_t *count)
{
    while (size > 0 && name[0] == ' ') {
        name++;
        size--;
    }
    const char *equals = memchr(name, '=', size);
    if (equals != NULL) {
        *next_value = (uint32_t)strtoul(equals + 1, NULL, 0);
        size = (size_t)(equals - name);
    }
    while (size > 0 && name[size - 1] == ' ') {
        size--;
    }
    const uint32_t value = (*next_value)++;
    if (*count == ETW_WPP_MAX_NAMES || (is_set && value > 31)) {
        return ETW_OK;
    }
    const char *kept = etw_arena_copy(&m->texts, name, size);
    m->entries[(*count)++] = (etw_map_entry_spec){is_set ? (uint32_t)1 << value : value, kept};
    return kept == NULL ? no_memory(m->error) : ETW_OK;
}

static etw_status list_entries(making *m, etw_bytes names, bool is_set, uint32_t *count)
{
    const char *at = (const char *)names.data;
    size_t left = names.size;
    uint32_t next_value = 0;
    etw_status status = ETW_OK;
    while (left > 0 && status == ETW_OK) {
        const char *comma = memchr(at, ',', left);
        const size_t size = comma == NULL ? left : (size_t)(comma - at);
        status = add_entry(m, at, size, is_set, &next_value, count);
        const size_t taken = comma == NULL ? left : size + 1;
        at += taken;
        left -= taken;
    }
    return status;
}

/* The first name of a value counts. */
static uint32_t enum_entries(making *m, uint32_t document, etw_bytes name)
{
    const etw_wpp_enum *known = etw_wpp_find_enum(&m->set->model, document, (const char *)name.data,
                                                  name.size, &m->set->key);
    uint32_t count = 0;
    for (const etw_wpp_enum_value *at = known == NULL ? NULL : known->first; at != NULL;
         at = at->next) {
        m->entries[count++] = (etw_map_entry_spec){at->value, at->name};
    }
    return count;
}

static etw_status keep_map(making *m, const char *name, uint32_t flag,
                           const etw_map_entry_spec *entries, uint32_t count)
{
    if (m->map_count == ETW_MAX_MAPS_PER_SCHEMA) {
        return ETW_OK; /* the number is shown then */
    }
    const etw_map_spec spec = {name, flag, entries, count};
    return etw_tei_builder_keep_map(m->set->builder, &spec, &m->texts, &m->maps[m->map_count++],
                                    m->error);
}

/* *name: of the map, empty where the argument has none. */
static etw_status add_map(making *m, const etw_wpp_message *message,
                          const etw_wpp_argument *argument, const item_type *type, char *name,
                          size_t name_size)
{
    const bool is_mask = type->kind == ETW_WPP_SET || type->kind == ETW_WPP_FLAGS;
    const uint32_t flag = ETW_MAP_WBEM_VALUEMAP | (is_mask ? (uint32_t)ETW_MAP_WBEM_FLAG : 0u);
    const etw_bytes inside = inside_of(argument->type);
    const etw_map_entry_spec *entries = m->entries;
    uint32_t count = 0;
    etw_status status = ETW_OK;
    name[0] = '\0';
    if (strcmp(type->name, "ItemNDIS_STATUS") == 0) {
        entries = ndis_statuses;
        count = COUNT_OF(ndis_statuses);
    } else if (strcmp(type->name, "ItemNDIS_OID") == 0) {
        entries = ndis_oids;
        count = COUNT_OF(ndis_oids);
    } else if (type->kind == ETW_WPP_LIST || type->kind == ETW_WPP_SET) {
        status = list_entries(m, inside, is_mask, &count);
    } else {
        count = enum_entries(m, message->document, inside);
    }
    if (status != ETW_OK || count == 0) {
        return status;
    }
    (void)snprintf(name, name_size, "Map%u", (unsigned)argument->index);
    return keep_map(m, name, flag, entries, count);
}

/* The conversion that the format has for the argument: "%10!08x!" -> 'x'; 's' where it has none. */
static char conversion_of(const char *format, uint32_t index)
{
    for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at, '%')) {
        char *behind;
        const unsigned long number = strtoul(++at, &behind, 10);
        if (number == index && behind != at && *behind == '!') {
            const size_t size = strcspn(behind + 1, "!");
            return size == 0 ? 's' : behind[size];
        }
    }
    return 's';
}

/* ItemLong stands for int and unsigned int: the format tells them apart. */
static void set_sign(etw_tei_property_spec *property, char conversion)
{
    if (property->in_type < ETW_IN_INT8 || property->in_type > ETW_IN_UINT64 ||
        property->out_type != ETW_OUT_NULL) {
        return;
    }
    const bool is_hex = conversion == 'x' || conversion == 'X';
    if (property->in_type % 2 == ETW_IN_INT8 % 2 && (conversion == 'u' || is_hex)) {
        property->in_type++; /* INT8 -> UINT8, ... INT64 -> UINT64 */
    }
    if (is_hex) {
        property->out_type = property->length == 8   ? ETW_OUT_HEXINT64
                             : property->length == 4 ? ETW_OUT_HEXINT32
                             : property->length == 2 ? ETW_OUT_HEXINT16
                                                     : ETW_OUT_HEXINT8;
    }
}

static bool has_map(etw_wpp_kind kind)
{
    return kind >= ETW_WPP_LIST && kind <= ETW_WPP_FLAGS;
}

static etw_status add_property(making *m, const etw_wpp_message *message,
                               const etw_wpp_argument *argument, const item_type *type,
                               uint32_t pointer_size)
{
    char map_name[24] = "";
    if (has_map(type->kind)) {
        const etw_status status = add_map(m, message, argument, type, map_name, sizeof map_name);
        if (status != ETW_OK) {
            return status;
        }
    }
    etw_tei_property_spec property = {
        .name = argument->expression,
        .map_name = map_name[0] == '\0' ? NULL : map_name,
        .in_type = type->in_type,
        .out_type = type->out_type,
        .length = type->length == LENGTH_OF_POINTER ? (uint16_t)pointer_size : type->length,
        .tags = (uint32_t)type->kind};
    if (type->kind == ETW_WPP_PLAIN) {
        set_sign(&property, conversion_of(message->format, argument->index));
    }
    (void)etw_tei_builder_add(m->set->builder, 0, &property);
    return ETW_OK;
}

/* Arguments stand in the order of their numbers; from an item type on whose size is unknown, or a
 * gap in the numbers, the payload cannot be told apart. */
static etw_status add_properties(making *m, const etw_wpp_message *message, uint32_t pointer_size)
{
    uint32_t next = ETW_WPP_FIRST_ARGUMENT;
    etw_status status = ETW_OK;
    for (const etw_wpp_argument *at = message->first; at != NULL && status == ETW_OK;
         at = at->next) {
        const item_type *type = at->index == next++ ? find_type(at->type) : NULL;
        if (type == NULL) {
            break;
        }
        status = add_property(m, message, at, type, pointer_size);
    }
    return status;
}

static etw_status make_tei(making *m, const etw_wpp_message *message, uint32_t pointer_size,
                           etw_bytes *tei)
{
    etw_status status = add_properties(m, message, pointer_size);
    etw_text attributes = {0};
    if (message->source_file != NULL && message->source_file[0] != '\0') {
        etw_text_append_z(&attributes, "FILE=");
        etw_text_append_z(&attributes, message->source_file);
    }
    const etw_tei_event_spec event = {.provider_guid = message->key.guid,
                                      .event_guid = message->key.guid,
                                      .descriptor = {.Id = (uint16_t)message->key.number},
                                      .decoding_source = ETW_DECODING_WPP,
                                      .template_flags = ETW_TEMPLATE_EVENT_DATA,
                                      .provider_name = message->component,
                                      .level_name = message->level,
                                      .keyword_names = &message->flags,
                                      .keyword_count = 1,
                                      .task_name = message->function,
                                      .opcode_name = message->tag,
                                      .event_message = message->format,
                                      .event_attributes =
                                          attributes.size == 0 ? NULL : etw_text_z(&attributes)};
    const etw_status finished = etw_tei_builder_finish(m->set->builder, &event, tei, m->error);
    status = status == ETW_OK ? finished : status;
    if (attributes.failed && status == ETW_OK) {
        status = no_memory(m->error);
    }
    etw_text_free(&attributes);
    return status;
}

etw_status etw_wpp_make_schema(etw_wpp_set *set, const etw_wpp_message *message,
                               uint32_t pointer_size, etw_schema_store *store,
                               const etw_schema **schema, etw_error *error)
{
    making *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return no_memory(error);
    }
    m->set = set;
    m->error = error;
    m->entries = calloc(ETW_WPP_MAX_NAMES, sizeof *m->entries);
    etw_schema made = {.origin = ETW_SCHEMA_WPP, .maps = m->maps};
    etw_status status =
        m->entries == NULL ? no_memory(error) : make_tei(m, message, pointer_size, &made.tei);
    made.map_count = m->map_count;
    if (status == ETW_OK) {
        status = etw_schema_store_intern(store, &made, schema, error);
    }
    etw_arena_free(&m->texts);
    free(m->entries);
    free(m);
    return status;
}
