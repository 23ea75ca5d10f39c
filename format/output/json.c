/* One JSON object per event and line. The names and their order are fixed: tools rely on them. */
#include "format/output/json.h"

#include "format/output/event_json.h"
#include "format/output/extended_info.h"
#include "format/output/nesting.h"
#include "format/output/put.h"
#include "format/output/time_stamp.h"

/* What stands between the time stamp and the process id is the same for all events of one kind, and
 * a trace has few kinds: it is built once and copied. The cache forgets on collision, never grows.
 */
#define FRAGMENT_COUNT 256u

typedef struct fragment {
    const etw_plan *plan;
    const char *provider_name;
    etw_guid provider_id;
    etw_event_descriptor descriptor;
    etw_text text; /* from ,"ProviderName" to "ProcessId": */
} fragment;

/* Names of processes as they are written: few come again and again. The same. */
#define NAME_COUNT 32u

typedef struct written_name {
    char name[40]; /* of a process; longer ones are not kept */
    etw_text text; /* the member */
} written_name;

typedef struct json_output {
    etw_output base;
    etw_put_time_cache time;
    fragment fragments[FRAGMENT_COUNT];
    written_name names[NAME_COUNT];
} json_output;

static etw_output *json_open(const etw_output_options *options)
{
    return etw_output_new(sizeof(json_output), options);
}

static void json_close(etw_output *output)
{
    json_output *json = (json_output *)output;
    for (size_t i = 0; i < FRAGMENT_COUNT; i++) {
        etw_text_free(&json->fragments[i].text);
    }
    for (size_t i = 0; i < NAME_COUNT; i++) {
        etw_text_free(&json->names[i].text);
    }
    etw_output_free(output);
}

static void append_string(etw_text *text, const char *utf8)
{
    etw_text_append_char(text, '"');
    etw_text_append_utf8(text, (const uint8_t *)utf8, strlen(utf8), ETW_ESCAPE_JSON);
    etw_text_append_char(text, '"');
}

/* Inlined, a literal's length is a constant. */
static inline void append_literal(etw_text *text, const char *literal)
{
    etw_text_append(text, literal, strlen(literal));
}

static inline void append_string_member(etw_text *text, const char *name_with_colon,
                                        const char *utf8)
{
    append_literal(text, name_with_colon);
    append_string(text, utf8);
}

static void append_provider_and_event(etw_text *text, const fragment *key)
{
    if (key->provider_name != NULL) {
        append_string_member(text, ",\"ProviderName\":", key->provider_name);
    }
    etw_text_append_z(text, ",\"ProviderId\":\"");
    etw_text_append_guid(text, &key->provider_id);
    etw_text_append_z(text, "\"");
    if (key->plan != NULL && etw_plan_event_name(key->plan)->utf8_size > 0) {
        const etw_name *name = etw_plan_event_name(key->plan);
        etw_text_append_z(text, ",\"EventName\":\"");
        etw_text_append(text, name->json, name->json_size);
        etw_text_append_z(text, "\"");
    }
}

static void append_kind(const fragment *f, etw_text *text)
{
    const etw_event_descriptor *d = &f->descriptor;
    append_provider_and_event(text, f);
    etw_text_printf(text,
                    ",\"Id\":%u,\"Version\":%u,\"Channel\":%u,\"Level\":%u,\"Opcode\":%u,"
                    "\"Task\":%u,\"Keyword\":\"",
                    d->Id, d->Version, d->Channel, d->Level, d->Opcode, d->Task);
    etw_text_append_hex(text, d->Keyword);
    etw_text_append_z(text, "\",\"ProcessId\":");
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ (hash >> 29);
}

static size_t slot_of(const etw_event_header *header, const etw_plan *plan)
{
    uint64_t hash = mix(0, (uint64_t)(uintptr_t)plan);
    hash = mix(hash, etw_load_u64(&header->ProviderId));
    hash = mix(hash, etw_load_u64(&header->EventDescriptor));
    hash = mix(hash, header->EventDescriptor.Keyword);
    return (size_t)(hash % FRAGMENT_COUNT);
}

static void set_key(fragment *f, const etw_event *event)
{
    const etw_event_header *header = &etw_event_record_of(event)->EventHeader;
    f->plan = etw_event_plan(event);
    f->provider_name = etw_event_provider_name(event);
    f->provider_id = header->ProviderId;
    f->descriptor = header->EventDescriptor;
}

static const etw_text *fragment_for(json_output *json, const etw_event *event)
{
    const etw_event_header *header = &etw_event_record_of(event)->EventHeader;
    const etw_plan *plan = etw_event_plan(event);
    const char *provider_name = etw_event_provider_name(event);
    fragment *f = &json->fragments[slot_of(header, plan)];
    if (f->text.size == 0 || f->text.failed || f->plan != plan ||
        f->provider_name != provider_name ||
        !etw_guid_equal(&f->provider_id, &header->ProviderId) ||
        memcmp(&f->descriptor, &header->EventDescriptor, sizeof f->descriptor) != 0) {
        set_key(f, event);
        etw_text_clear(&f->text);
        append_kind(f, &f->text);
    }
    return &f->text;
}

static char *put_cpu_times(char *at, const etw_trace *trace, const etw_event_record *record)
{
    const etw_event_header *header = &record->EventHeader;
    if (etw_trace_has_cpu_times(trace, record)) {
        at = ETW_PUT_LITERAL(at, ",\"KernelTime\":");
        at = etw_put_u64(at, header->KernelTime);
        at = ETW_PUT_LITERAL(at, ",\"UserTime\":");
        return etw_put_u64(at, header->UserTime);
    }
    if (header->ProcessorTime != 0) {
        at = ETW_PUT_LITERAL(at, ",\"ProcessorTime\":");
        at = etw_put_u64(at, header->ProcessorTime);
    }
    return at;
}

static char *put_ids(char *at, const etw_event_header *header)
{
    at = etw_put_u64(at, header->ProcessId);
    at = ETW_PUT_LITERAL(at, ",\"ThreadId\":");
    return etw_put_u64(at, header->ThreadId);
}

/* From the processor to the CPU times. */
static char *put_context(char *at, const etw_trace *trace, const etw_event_record *record)
{
    const etw_event_header *header = &record->EventHeader;
    at = ETW_PUT_LITERAL(at, ",\"ProcessorIndex\":");
    at = etw_put_u64(at, etw_record_processor(record));
    if (!etw_guid_is_zero(&header->ActivityId)) {
        at = ETW_PUT_LITERAL(at, ",\"ActivityId\":\"");
        at = etw_put_guid(at, &header->ActivityId);
        *at++ = '"';
    }
    at = ETW_PUT_LITERAL(at, ",\"Flags\":");
    at = etw_put_u64(at, header->Flags);
    at = ETW_PUT_LITERAL(at, ",\"EventProperty\":");
    at = etw_put_u64(at, header->EventProperty);
    return put_cpu_times(at, trace, record);
}

/* All that put_context and the time stamp write, with room to spare. */
#define HEADER_MAX 512u

static char *put_time_stamp(char *at, const etw_output_options *options, etw_put_time_cache *time,
                            const etw_event *event)
{
    at = ETW_PUT_LITERAL(at, "{\"TimeStamp\":");
    if (etw_time_stamp_is_number(options)) {
        return etw_put_time_stamp(at, time, options, event);
    }
    *at++ = '"';
    at = etw_put_time_stamp(at, time, options, event);
    *at++ = '"';
    return at;
}

/* Of a loop over events, or of one alone. */
typedef struct header_caches {
    etw_put_time_cache *time;
    const etw_text *kind;
    written_name *names; /* NAME_COUNT; NULL: none */
} header_caches;

/* names: by their addresses; what stands there may change. */
static void append_process_name(written_name *names, const char *name, etw_text *text)
{
    const size_t size = strlen(name);
    if (names == NULL || size >= sizeof names->name) {
        append_string_member(text, ",\"ProcessName\":", name);
        return;
    }
    written_name *kept = &names[((uintptr_t)name >> 4 ^ (uintptr_t)name >> 9) % NAME_COUNT];
    if (memcmp(kept->name, name, size + 1) != 0) {
        etw_text_clear(&kept->text);
        memcpy(kept->name, name, size + 1);
        append_string_member(&kept->text, ",\"ProcessName\":", name);
    }
    text->failed = text->failed || kept->text.failed;
    etw_text_append(text, kept->text.data, kept->text.size);
}

static void append_header(const etw_output_options *options, const header_caches *caches,
                          const etw_event *event, etw_text *text)
{
    const etw_text *kind = caches->kind;
    char *const start = etw_text_reserve(text, kind->size + HEADER_MAX);
    if (start == NULL || kind->failed) {
        text->failed = true;
        return;
    }
    char *at = put_time_stamp(start, options, caches->time, event);
    at = etw_put_bytes(at, kind->data, kind->size);
    at = put_ids(at, &etw_event_record_of(event)->EventHeader);
    text->size += (size_t)(at - start);
    const etw_event_process *process = etw_event_process_of(event);
    if (process != NULL && process->name[0] != '\0') {
        append_process_name(caches->names, process->name, text);
    }
    char *const rest = etw_text_reserve(text, HEADER_MAX);
    if (rest != NULL) {
        at = put_context(rest, etw_event_trace(event), etw_event_record_of(event));
        text->size += (size_t)(at - rest);
    }
}

static void append_time_member(etw_text *text, const char *name_with_colon, int64_t time_100ns)
{
    etw_text_append_z(text, name_with_colon);
    etw_text_append_char(text, '"');
    etw_text_append_time(text, time_100ns);
    etw_text_append_char(text, '"');
}

static void append_known(etw_text *text, const char *name_with_colon, const char *utf8)
{
    if (utf8[0] != '\0') {
        append_string_member(text, name_with_colon, utf8);
    }
}

static void append_process(const etw_event_process *p, etw_text *text)
{
    etw_text_printf(text, ",\"Process\":{\"ProcessId\":%u,\"ParentId\":%u", p->process_id,
                    p->parent_id);
    append_known(text, ",\"ParentName\":", p->parent_name);
    if (p->session_id != UINT32_MAX) {
        etw_text_printf(text, ",\"SessionId\":%u", p->session_id);
    }
    if (p->start_100ns != INT64_MIN) {
        append_time_member(text, ",\"Start\":", p->start_100ns);
    }
    if (p->end_100ns != INT64_MAX) {
        append_time_member(text, ",\"End\":", p->end_100ns);
    }
    append_known(text, ",\"User\":", p->user);
    append_known(text, ",\"Image\":", p->path);
    append_known(text, ",\"CommandLine\":", p->command_line);
    etw_text_append_char(text, '}');
}

static void append_schema_hash(const etw_event *event, etw_text *text)
{
    const etw_schema *schema = etw_event_schema(event);
    if (schema != NULL) {
        etw_text_printf(text, ",\"SchemaHash\":\"%016llx\"", (unsigned long long)schema->hash);
    }
}

static void append_message(const etw_output_options *options, const etw_event *event,
                           etw_text *text)
{
    const etw_plan *plan = etw_event_plan(event);
    if (plan == NULL || etw_plan_event_message(plan)->utf8_size == 0) {
        return;
    }
    etw_text_append_z(text, ",\"Message\":\"");
    etw_properties_append_message(event, options->exact ? ETW_TEXT_EXACT : 0, ETW_ESCAPE_JSON,
                                  text);
    etw_text_append_char(text, '"');
}

static void append_name(etw_text *text, const char *member, const etw_name *name)
{
    if (name->json_size > 0) {
        etw_text_append_z(text, member);
        etw_text_append(text, name->json, name->json_size);
        etw_text_append_char(text, '"');
    }
}

static void append_names(const etw_event *event, etw_text *text)
{
    const etw_plan *plan = etw_event_plan(event);
    if (plan == NULL) {
        return;
    }
    append_name(text, ",\"LevelName\":\"", etw_plan_level_name(plan));
    append_name(text, ",\"OpcodeName\":\"", etw_plan_opcode_name(plan));
    append_name(text, ",\"TaskName\":\"", etw_plan_task_name(plan));
    const uint32_t keywords = etw_plan_keyword_count(plan);
    for (uint32_t i = 0; i < keywords; i++) {
        append_name(text, i == 0 ? ",\"KeywordNames\":[\"" : ",\"", etw_plan_keyword_name(plan, i));
    }
    etw_text_append_z(text, keywords > 0 ? "]" : "");
    append_name(text, ",\"ChannelName\":\"", etw_plan_channel_name(plan));
}

/* The properties as members of objects and elements of lists. */

void etw_json_begin_member(etw_nesting *n, const etw_property *property)
{
    if (n->in_list) {
        etw_nesting_next(n);
        return;
    }
    const etw_name *name = etw_property_name(property);
    const uint32_t nth = etw_property_nth(property);
    char *const start = etw_text_reserve(n->text, name->json_size + ETW_PUT_U64_MAX + 5);
    if (start == NULL) {
        return;
    }
    char *at = start;
    *at = n->separator;
    at += n->is_first ? 0 : 1;
    n->is_first = false;
    *at++ = '"';
    at = etw_put_bytes(at, name->json, name->json_size);
    if (nth > 1) {
        *at++ = '#';
        at = etw_put_u64(at, nth);
    }
    *at++ = '"';
    *at++ = ':';
    n->text->size += (size_t)(at - start);
}

etw_status etw_json_on_value(void *context, const etw_value *value)
{
    etw_json_walk *w = context;
    etw_text *text = w->nesting.text;
    etw_json_begin_member(&w->nesting, value->property);
    if (w->typed) {
        etw_value_append_json(value, w->form, text);
        return etw_properties_room(text, w->nesting.start);
    }
    etw_text_append_char(text, '"');
    /* What does not fit its type stands there as hex. */
    (void)etw_value_append_text(value, w->form, ETW_ESCAPE_JSON, text);
    etw_text_append_char(text, '"');
    return etw_properties_room(text, w->nesting.start);
}

static void append_strings(etw_bytes undecoded, etw_text *text)
{
    etw_string_search search = {.bytes = undecoded};
    etw_found_string found;
    const size_t start = text->size;
    while (etw_found_string_next(&search, &found)) {
        etw_text_append_z(text, text->size == start ? ",\"Strings\":[\"" : ",\"");
        etw_properties_append_found(&found, ETW_ESCAPE_JSON, text);
        etw_text_append_char(text, '"');
    }
    if (text->size != start) {
        etw_text_append_char(text, ']');
    }
}

static void append_undecoded(const etw_property_outcome *outcome, bool with_strings, etw_text *text)
{
    if (outcome->problem[0] != '\0') {
        append_string_member(text, ",\"EventPropertiesError\":", outcome->problem);
    }
    if (outcome->undecoded.size > 0) {
        append_literal(text, ",\"UserData\":\"");
        etw_text_append_hex_bytes(text, outcome->undecoded.data, outcome->undecoded.size);
        etw_text_append_char(text, '"');
    }
    if (with_strings) {
        append_strings(outcome->undecoded, text);
    }
}

void etw_json_append_properties(const etw_output_options *options, const etw_event *event,
                                etw_text *text, etw_property_outcome *outcome)
{
    static const etw_visitor visitor = {etw_json_on_value, etw_nesting_on_open_struct,
                                        etw_nesting_on_close_struct, etw_nesting_on_open_array,
                                        etw_nesting_on_close_array};
    etw_json_walk walk = {.nesting = {.text = text,
                                      .start = text->size,
                                      .separator = ',',
                                      .begin = etw_json_begin_member,
                                      .is_first = true},
                          .form = (options->exact ? ETW_TEXT_EXACT : 0u) |
                                  (options->hex_numbers ? ETW_JSON_HEX_NUMBERS : 0u),
                          .typed = options->typed};
    etw_text_append_char(text, '{');
    etw_properties_walk(event, &visitor, &walk, outcome);
    etw_text_append_char(text, '}');
}

static void append_properties(const etw_output_options *options, const etw_event *event,
                              etw_text *text)
{
    etw_property_outcome outcome;
    if (etw_event_plan(event) != NULL) {
        append_literal(text, ",\"EventProperties\":");
        etw_json_append_properties(options, event, text, &outcome);
    } else {
        etw_properties_unknown(event, &outcome);
    }
    append_undecoded(&outcome, options->strings, text);
}

/* Extended items. */

static void info_name(etw_nesting *info, const char *name)
{
    etw_nesting_next(info);
    etw_text_append_char(info->text, '"');
    etw_text_append_z(info->text, name);
    etw_text_append_z(info->text, "\":");
}

static void append_quoted(etw_text *text, const char *plain, size_t size)
{
    etw_text_append_char(text, '"');
    etw_text_append(text, plain, size);
    etw_text_append_char(text, '"');
}

static void info_text(void *context, const char *name, const char *value, size_t size)
{
    etw_nesting *info = context;
    info_name(info, name);
    append_quoted(info->text, value, size);
}

static void info_number(void *context, const char *name, uint64_t value)
{
    etw_nesting *info = context;
    info_name(info, name);
    etw_text_append_u64(info->text, value);
}

static void info_open_group(void *context, const char *name)
{
    info_name(context, name);
    etw_nesting_open_struct(context);
}

static void info_close_group(void *context, const char *name)
{
    (void)name;
    etw_nesting_close_struct(context);
}

static void info_open_list(void *context, const char *name)
{
    info_name(context, name);
    etw_nesting_open_list(context);
}

static void info_list_item(void *context, const char *value, size_t size)
{
    etw_nesting *info = context;
    /* Counters are plain numbers; addresses are 0x..., images have names. */
    bool is_number = size > 0;
    for (size_t i = 0; i < size; i++) {
        is_number = is_number && value[i] >= '0' && value[i] <= '9';
    }
    etw_nesting_next(info);
    if (is_number) {
        etw_text_append(info->text, value, size);
    } else {
        append_quoted(info->text, value, size);
    }
}

static void info_close_list(void *context, const char *name)
{
    (void)name;
    etw_nesting_close_list(context);
}

static const etw_info_sink info_sink = {info_text,        info_number,    info_open_group,
                                        info_close_group, info_open_list, info_list_item,
                                        info_close_list};

void etw_json_append_extended_info(const etw_output_options *options, const etw_event *event,
                                   etw_text *text)
{
    etw_nesting info = {.text = text, .separator = ',', .is_first = true};
    const etw_info_target target = {&info_sink, &info, text};
    etw_text_append_char(text, '{');
    text->failed = !etw_extended_info_tell(event, options, &target) || text->failed;
    etw_text_append_char(text, '}');
}

/* All that stands behind the header. */
static void append_rest(const etw_output_options *options, const etw_event *event, etw_text *text)
{
    if (etw_event_file(event) != NULL) {
        append_string_member(text, ",\"File\":", etw_event_file(event));
    }
    if (etw_event_trace_number(event) != 0) {
        etw_text_append_z(text, ",\"Trace\":");
        etw_text_append_u64(text, etw_event_trace_number(event));
    }
    if (options->process_info && etw_event_process_of(event) != NULL) {
        append_process(etw_event_process_of(event), text);
    }
    if (options->names) {
        append_names(event, text);
    }
    if (options->schema_hash) {
        append_schema_hash(event, text);
    }
    if (options->message) {
        append_message(options, event, text);
    }
    append_properties(options, event, text);
    if (etw_extended_info_any(event, options)) {
        append_literal(text, ",\"ExtendedInfo\":");
        etw_json_append_extended_info(options, event, text);
    }
    etw_text_append_char(text, '}');
}

static void json_event(etw_output *output, const etw_event *event, etw_text *text)
{
    json_output *json = (json_output *)output;
    const header_caches caches = {&json->time, fragment_for(json, event), json->names};
    append_header(&output->options, &caches, event, text);
    append_rest(&output->options, event, text);
    etw_text_append_char(text, '\n');
}

etw_status etw_event_json(const etw_event *event, const etw_output_options *options, etw_text *text)
{
    static const etw_output_options defaults;
    etw_put_time_cache time = {0};
    fragment kind = {0};
    if (etw_event_record_of(event) == NULL) {
        return ETW_ERROR_EXPIRED;
    }
    if (options == NULL) {
        options = &defaults;
    }
    set_key(&kind, event);
    append_kind(&kind, &kind.text);
    append_header(options, &(header_caches){&time, &kind.text, NULL}, event, text);
    append_rest(options, event, text);
    etw_text_free(&kind.text);
    return text->failed ? ETW_ERROR_NO_MEMORY : ETW_OK;
}

void etw_json_append_loss(const etw_loss *loss, etw_text *text)
{
    append_string_member(text, "{\"Cause\":", etw_loss_cause_name(loss->cause));
    if (loss->events != ETW_LOSS_COUNT_UNKNOWN) {
        etw_text_printf(text, ",\"Events\":%llu", (unsigned long long)loss->events);
    }
    if (loss->trace_index != 0) {
        etw_text_printf(text, ",\"Trace\":%u", loss->trace_index + 1u);
    }
    if (loss->buffers != 0) {
        etw_text_printf(text, ",\"Buffers\":%llu", (unsigned long long)loss->buffers);
    }
    if (loss->bytes != 0) {
        etw_text_printf(text, ",\"Bytes\":%llu", (unsigned long long)loss->bytes);
    }
    if (loss->from_time_100ns != 0 || loss->to_time_100ns != 0) {
        append_time_member(text, ",\"From\":", loss->from_time_100ns);
        append_time_member(text, ",\"To\":", loss->to_time_100ns);
    }
    if (loss->detail[0] != '\0') {
        append_string_member(text, ",\"Detail\":", loss->detail);
    }
    etw_text_append_char(text, '}');
}

static void json_loss(etw_output *output, const etw_loss *loss, etw_text *text)
{
    (void)output;
    etw_text_append_z(text, "{\"Loss\":");
    etw_json_append_loss(loss, text);
    etw_text_append_z(text, "}\n");
}

const etw_output_format etw_output_json = {
    .name = "json",
    .help = "one JSON object per event and line (NDJSON); a loss is {\"Loss\":{...}}",
    .open = json_open,
    .close = json_close,
    .event = json_event,
    .with_columns = &etw_output_json_columns,
    .loss = json_loss,
};
