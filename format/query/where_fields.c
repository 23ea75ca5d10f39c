/* The fields that every event has: names as in the JSON object. */
#include "format/base/options.h"
#include "format/event/extended.h"
#include "format/query/where_tree.h"

typedef struct field_row {
    const char *name;
    bool is_header; /* the record's header tells it */
} field_row;

static const field_row rows[] = {
    [ETW_WHERE_PROPERTY] = {NULL, false},
    [ETW_WHERE_TIME_STAMP] = {"TimeStamp", true},
    [ETW_WHERE_PROVIDER_NAME] = {"ProviderName", false},
    [ETW_WHERE_PROVIDER_ID] = {"ProviderId", true},
    [ETW_WHERE_EVENT_NAME] = {"EventName", false},
    [ETW_WHERE_ID] = {"Id", true},
    [ETW_WHERE_VERSION] = {"Version", true},
    [ETW_WHERE_CHANNEL] = {"Channel", false},
    [ETW_WHERE_LEVEL] = {"Level", false},
    [ETW_WHERE_OPCODE] = {"Opcode", false},
    [ETW_WHERE_TASK] = {"Task", false},
    [ETW_WHERE_KEYWORD] = {"Keyword", false},
    [ETW_WHERE_PROCESS_ID] = {"ProcessId", true},
    [ETW_WHERE_THREAD_ID] = {"ThreadId", true},
    [ETW_WHERE_PROCESS_NAME] = {"ProcessName", false},
    [ETW_WHERE_PARENT_NAME] = {"ParentName", false},
    [ETW_WHERE_PROCESSOR_INDEX] = {"ProcessorIndex", true},
    [ETW_WHERE_ACTIVITY_ID] = {"ActivityId", true},
    [ETW_WHERE_FLAGS] = {"Flags", true},
    [ETW_WHERE_EVENT_PROPERTY] = {"EventProperty", true},
    [ETW_WHERE_KERNEL_TIME] = {"KernelTime", false},
    [ETW_WHERE_USER_TIME] = {"UserTime", false},
    [ETW_WHERE_MESSAGE] = {"Message", false},
    [ETW_WHERE_RELATED_ACTIVITY_ID] = {"ExtendedInfo.RelatedActivityId", false},
    [ETW_WHERE_USER_SID] = {"ExtendedInfo.UserSID", false},
    [ETW_WHERE_SESSION_ID] = {"ExtendedInfo.SessionID", false},
    [ETW_WHERE_EVENT_KEY] = {"ExtendedInfo.EventKey", false},
    [ETW_WHERE_PROCESS_START_KEY] = {"ExtendedInfo.ProcessStartKey", false},
    [ETW_WHERE_CONTROL_GUID] = {"ExtendedInfo.ControlGuid", false},
    [ETW_WHERE_CONTAINER_ID] = {"ExtendedInfo.ContainerId", false},
    [ETW_WHERE_ANYTHING] = {"*", false},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

etw_where_field etw_where_find_field(const char *name)
{
    const etw_where_slice wanted = {name, strlen(name)};
    for (size_t i = 1; i < ROW_COUNT; i++) {
        if (etw_where_text_equal(wanted, (etw_where_slice){rows[i].name, strlen(rows[i].name)})) {
            return (etw_where_field)i;
        }
    }
    return ETW_WHERE_PROPERTY;
}

bool etw_where_is_header_field(etw_where_field field)
{
    return rows[field].is_header;
}

bool etw_where_is_kind_field(etw_where_field field)
{
    switch (field) {
    case ETW_WHERE_PROVIDER_ID:
    case ETW_WHERE_ID:
    case ETW_WHERE_VERSION:
    case ETW_WHERE_FLAGS:
    case ETW_WHERE_EVENT_PROPERTY:
        return true;
    default:
        return false;
    }
}

static bool give_number(etw_operand *operand, uint64_t value)
{
    *operand = (etw_operand){.kind = ETW_OPERAND_UNSIGNED, .uint64 = value};
    return true;
}

static bool give_guid(etw_operand *operand, const etw_guid *guid)
{
    *operand = (etw_operand){.kind = ETW_OPERAND_GUID, .guid = *guid};
    return true;
}

static bool give_text(etw_operand *operand, const char *text, size_t size)
{
    *operand = (etw_operand){.kind = ETW_OPERAND_TEXT, .text = text, .text_size = size};
    return true;
}

bool etw_where_header_operand(etw_where_field field, const etw_event_record *record,
                              int64_t time_100ns, etw_operand *operand)
{
    const etw_event_header *header = &record->EventHeader;
    switch (field) {
    case ETW_WHERE_TIME_STAMP:
        *operand = (etw_operand){.kind = ETW_OPERAND_TIME, .int64 = time_100ns};
        return true;
    case ETW_WHERE_PROVIDER_ID:
        return give_guid(operand, &header->ProviderId);
    case ETW_WHERE_ID:
        return give_number(operand, header->EventDescriptor.Id);
    case ETW_WHERE_VERSION:
        return give_number(operand, header->EventDescriptor.Version);
    case ETW_WHERE_CHANNEL:
        return give_number(operand, header->EventDescriptor.Channel);
    case ETW_WHERE_LEVEL:
        return give_number(operand, header->EventDescriptor.Level);
    case ETW_WHERE_OPCODE:
        return give_number(operand, header->EventDescriptor.Opcode);
    case ETW_WHERE_TASK:
        return give_number(operand, header->EventDescriptor.Task);
    case ETW_WHERE_KEYWORD:
        return give_number(operand, header->EventDescriptor.Keyword);
    case ETW_WHERE_PROCESS_ID:
        return give_number(operand, header->ProcessId);
    case ETW_WHERE_THREAD_ID:
        return give_number(operand, header->ThreadId);
    case ETW_WHERE_PROCESSOR_INDEX:
        return give_number(operand, etw_record_processor(record));
    case ETW_WHERE_ACTIVITY_ID:
        return give_guid(operand, &header->ActivityId) && !etw_guid_is_zero(&header->ActivityId);
    case ETW_WHERE_FLAGS:
        return give_number(operand, header->Flags);
    case ETW_WHERE_EVENT_PROPERTY:
        return give_number(operand, header->EventProperty);
    default:
        return false;
    }
}

/* Only the trace tells whether a record has these. */
static bool cpu_time_operand(etw_where_field field, const etw_event *event, etw_operand *operand)
{
    const etw_event_header *header = &etw_event_record_of(event)->EventHeader;
    return etw_trace_has_cpu_times(etw_event_trace(event), etw_event_record_of(event)) &&
           give_number(operand,
                       field == ETW_WHERE_KERNEL_TIME ? header->KernelTime : header->UserTime);
}

static bool extended_operand(etw_where *where, etw_where_field field,
                             const etw_event_record *record, etw_operand *operand)
{
    etw_guid guid;
    etw_bytes sid;
    uint32_t number;
    uint64_t key;
    switch (field) {
    case ETW_WHERE_RELATED_ACTIVITY_ID:
        return etw_record_related_activity_id(record, &guid) && give_guid(operand, &guid);
    case ETW_WHERE_CONTROL_GUID:
        return etw_record_control_guid(record, &guid) && give_guid(operand, &guid);
    case ETW_WHERE_CONTAINER_ID:
        return etw_record_container_id(record, &guid) && give_guid(operand, &guid);
    case ETW_WHERE_SESSION_ID:
        return etw_record_session_id(record, &number) && give_number(operand, number);
    case ETW_WHERE_EVENT_KEY:
        return etw_record_event_key(record, &key) && give_number(operand, key);
    case ETW_WHERE_PROCESS_START_KEY:
        return etw_record_process_start_key(record, &key) && give_number(operand, key);
    case ETW_WHERE_USER_SID:
        etw_text_clear(&where->scratch);
        return etw_record_user_sid(record, &sid) && etw_text_append_sid(&where->scratch, sid) &&
               give_text(operand, where->scratch.data, where->scratch.size);
    default:
        return false;
    }
}

static bool text_operand(etw_where_field field, const etw_event *event, etw_operand *operand)
{
    const etw_plan *plan = etw_event_plan(event);
    const etw_event_process *process = etw_event_process_of(event);
    const char *text = NULL;
    if (field == ETW_WHERE_PROVIDER_NAME) {
        text = etw_event_provider_name(event);
    } else if (field == ETW_WHERE_PROCESS_NAME) {
        text = process == NULL ? NULL : process->name;
    } else if (field == ETW_WHERE_PARENT_NAME) {
        text = process == NULL ? NULL : process->parent_name;
    } else if (field == ETW_WHERE_EVENT_NAME && plan != NULL) {
        text = etw_plan_event_name(plan)->utf8;
    }
    return text != NULL && text[0] != '\0' && give_text(operand, text, strlen(text));
}

/* Names of numbers. */

typedef struct standard_name {
    uint32_t value;
    const char *name; /* NULL behind the last */
} standard_name;

/* winmeta.xml of the Windows SDK, and the words that `--level` takes. */
static const standard_name levels[] = {
    {0, "always"}, {0, "logalways"},     {1, "critical"},    {2, "error"},   {3, "warning"},
    {4, "info"},   {4, "informational"}, {4, "information"}, {5, "verbose"}, {0, NULL}};
static const standard_name opcodes[] = {
    {0, "info"},  {1, "start"},  {2, "stop"},    {3, "dcstart"}, {4, "dcstop"},    {5, "extension"},
    {6, "reply"}, {7, "resume"}, {8, "suspend"}, {9, "send"},    {240, "receive"}, {0, NULL}};

static bool is_text_test(const etw_where_node *node)
{
    return node->literal_count > 0 && !node->has_mask;
}

/* Whether the text passes; a name that is not there does not. */
static etw_status test_name(etw_where *where, const etw_where_node *node, const char *name,
                            bool *passes, etw_error *error)
{
    etw_operand operand;
    if (name == NULL || name[0] == '\0') {
        return ETW_OK;
    }
    (void)give_text(&operand, name, strlen(name));
    return etw_where_compare(where, node, &operand, passes, error);
}

static etw_status test_standard(etw_where *where, const etw_where_node *node,
                                const standard_name *names, uint32_t value, bool *passes,
                                etw_error *error)
{
    etw_status status = ETW_OK;
    for (; names->name != NULL && !*passes && !etw_failed(status); names++) {
        if (names->value == value) {
            status = test_name(where, node, names->name, passes, error);
        }
    }
    return status;
}

static etw_status test_names(etw_where *where, const etw_where_node *node, const etw_event *event,
                             bool *passes, etw_error *error)
{
    const etw_event_descriptor *of = &etw_event_record_of(event)->EventHeader.EventDescriptor;
    const etw_plan *plan = etw_event_plan(event);
    etw_status status = ETW_OK;
    if (node->field == ETW_WHERE_LEVEL) {
        status = test_standard(where, node, levels, of->Level, passes, error);
    } else if (node->field == ETW_WHERE_OPCODE) {
        status = test_standard(where, node, opcodes, of->Opcode, passes, error);
    }
    if (plan == NULL || *passes || etw_failed(status)) {
        return status;
    }
    switch (node->field) {
    case ETW_WHERE_LEVEL:
        return test_name(where, node, etw_plan_level_name(plan)->utf8, passes, error);
    case ETW_WHERE_OPCODE:
        return test_name(where, node, etw_plan_opcode_name(plan)->utf8, passes, error);
    case ETW_WHERE_TASK:
        return test_name(where, node, etw_plan_task_name(plan)->utf8, passes, error);
    case ETW_WHERE_CHANNEL:
        return test_name(where, node, etw_plan_channel_name(plan)->utf8, passes, error);
    default:
        break;
    }
    for (uint32_t i = 0; i < etw_plan_keyword_count(plan) && !*passes && !etw_failed(status); i++) {
        status = test_name(where, node, etw_plan_keyword_name(plan, i)->utf8, passes, error);
    }
    return status;
}

/* Names have no order of their own: `Level <= error` compares with the number that the name stands
 * for, and a name that stands for none passes nothing. */
static etw_status test_order(etw_where *where, const etw_where_node *node,
                             const etw_operand *operand, bool *passes, etw_error *error)
{
    const etw_where_slice wanted = {node->literals[0].text, node->literals[0].text_size};
    const standard_name *name = node->field == ETW_WHERE_LEVEL    ? levels
                                : node->field == ETW_WHERE_OPCODE ? opcodes
                                                                  : NULL;
    if (node->literals[0].has_real) {
        return etw_where_compare(where, node, operand, passes, error);
    }
    for (; name != NULL && name->name != NULL; name++) {
        if (etw_where_text_equal(wanted, (etw_where_slice){name->name, strlen(name->name)})) {
            const etw_where_literal number = {.has_number = true,
                                              .magnitude = name->value,
                                              .has_real = true,
                                              .real = name->value};
            etw_where_node by_number = *node;
            by_number.literals = &number;
            return etw_where_compare(where, &by_number, operand, passes, error);
        }
    }
    return ETW_OK;
}

/* The number, and, where that does not pass, its names. */
static etw_status test_named_number(etw_where *where, const etw_where_node *node,
                                    const etw_event *event, bool *passes, etw_error *error)
{
    etw_operand operand;
    const etw_event_record *record = etw_event_record_of(event);
    (void)etw_where_header_operand(node->field, record, 0, &operand);
    if (node->operator_ >= ETW_WHERE_LESS && node->operator_ < ETW_WHERE_CONTAINS) {
        return test_order(where, node, &operand, passes, error);
    }
    const bool is_number = node->literal_count == 0 || node->literals[0].has_real ||
                           node->operator_ < ETW_WHERE_CONTAINS;
    const etw_status status =
        is_number ? etw_where_compare(where, node, &operand, passes, error) : ETW_OK;
    if (etw_failed(status) || *passes || !is_text_test(node)) {
        return status;
    }
    return test_names(where, node, event, passes, error);
}

static etw_status test_message(etw_where *where, const etw_where_node *node, const etw_event *event,
                               bool *passes, etw_error *error)
{
    etw_text message = {0};
    etw_operand operand;
    const etw_plan *plan = etw_event_plan(event);
    const etw_event_record *record = etw_event_record_of(event);
    if (plan == NULL || etw_plan_event_message(plan)->utf8_size == 0) {
        return ETW_OK;
    }
    const uint32_t pointer_size =
        etw_record_pointer_size(record, etw_event_trace(event)->pointer_size);
    etw_status status =
        etw_plan_append_message(plan, record, pointer_size, 0, ETW_ESCAPE_NONE, &message);
    if (message.failed) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a message");
    }
    if (!etw_failed(status)) {
        (void)give_text(&operand, message.size > 0 ? message.data : "", message.size);
        status = etw_where_compare(where, node, &operand, passes, error);
    }
    etw_text_free(&message);
    return status;
}

etw_status etw_where_test_field(etw_where *where, const etw_where_node *node,
                                const etw_event *event, bool *passes, etw_error *error)
{
    etw_operand operand;
    const etw_event_record *record = etw_event_record_of(event);
    bool is_there;
    *passes = false;
    switch (node->field) {
    case ETW_WHERE_CHANNEL:
    case ETW_WHERE_LEVEL:
    case ETW_WHERE_OPCODE:
    case ETW_WHERE_TASK:
    case ETW_WHERE_KEYWORD: {
        const etw_status status = test_named_number(where, node, event, passes, error);
        *passes = node->operator_ == ETW_WHERE_UNEQUAL ? !*passes : *passes;
        return status;
    }
    case ETW_WHERE_MESSAGE: {
        const etw_status status = test_message(where, node, event, passes, error);
        *passes = node->operator_ == ETW_WHERE_UNEQUAL ? !*passes : *passes;
        return status;
    }
    case ETW_WHERE_PROVIDER_NAME:
    case ETW_WHERE_EVENT_NAME:
    case ETW_WHERE_PROCESS_NAME:
    case ETW_WHERE_PARENT_NAME:
        is_there = text_operand(node->field, event, &operand);
        break;
    case ETW_WHERE_KERNEL_TIME:
    case ETW_WHERE_USER_TIME:
        is_there = cpu_time_operand(node->field, event, &operand);
        break;
    default:
        is_there = etw_where_is_header_field(node->field)
                       ? etw_where_header_operand(node->field, record, etw_event_time_100ns(event),
                                                  &operand)
                       : extended_operand(where, node->field, record, &operand);
        break;
    }
    if (!is_there) {
        return ETW_OK;
    }
    const etw_status status = etw_where_compare(where, node, &operand, passes, error);
    *passes = node->operator_ == ETW_WHERE_UNEQUAL ? !*passes : *passes;
    return status;
}
