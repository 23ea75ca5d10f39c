#include "recorder/arguments.h"

#include "format/base/version.h"
#include "recorder/help.h"
#include "recorder/provider_names.h"
#include "recorder/quantities.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define DEFAULT_LEVEL       5u
#define DEFAULT_INTERVAL_MS 1000u

/* One option being applied. */
typedef struct application {
    etw_record_arguments *arguments;
    const char *option; /* "--level", for messages */
    const char *value;  /* NULL where the option takes none */
    etw_error *error;
} application;

static etw_status bad_value(const application *to, const char *wanted)
{
    return etw_error_set(to->error, ETW_ERROR_INVALID_ARGUMENT, "%s '%s': wanted %s", to->option,
                         to->value, wanted);
}

static etw_status take_number(const application *to, uint64_t least, uint64_t most, uint64_t *value)
{
    if (etw_parse_number(to->value, value) && *value >= least && *value <= most) {
        return ETW_OK;
    }
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "a number from %llu to %llu", (unsigned long long)least,
                   (unsigned long long)most);
    return bad_value(to, wanted);
}

static etw_status take_u32(const application *to, uint32_t least, uint32_t most, uint32_t *value)
{
    uint64_t number = 0;
    const etw_status status = take_number(to, least, most, &number);
    *value = (uint32_t)number;
    return status;
}

static etw_status take_size(const application *to, uint64_t *bytes)
{
    return etw_parse_size(to->value, bytes) ? ETW_OK
                                            : bad_value(to, "a size such as 500k, 100M or 4G");
}

static etw_status take_duration(const application *to, uint64_t *milliseconds)
{
    return etw_parse_duration(to->value, milliseconds)
               ? ETW_OK
               : bad_value(to, "a time such as 500ms, 30s, 5m, 2h or 1d");
}

typedef struct word {
    const char *name;
    uint32_t value;
} word;

static bool find_word(const word *words, size_t count, const char *name, uint32_t *value)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(words[i].name, name) == 0) {
            *value = words[i].value;
            return true;
        }
    }
    return false;
}

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* Calls take for each part between commas; parts are cut into a bounded buffer. */
static etw_status each_part(const application *to, const char *list, void *context,
                            etw_status (*take)(const application *to, const char *part,
                                               void *context))
{
    char part[256];
    for (const char *at = list; at != NULL;) {
        const char *comma = strchr(at, ',');
        const size_t size = comma == NULL ? strlen(at) : (size_t)(comma - at);
        if (size == 0 || size >= sizeof part) {
            return bad_value(to, "a list with ',' between its parts");
        }
        memcpy(part, at, size);
        part[size] = '\0';
        const etw_status status = take(to, part, context);
        if (status != ETW_OK) {
            return status;
        }
        at = comma == NULL ? NULL : comma + 1;
    }
    return ETW_OK;
}

/* --- input and output ---------------------------------------------------------------------------
 */

static etw_status apply_input(const application *to)
{
    to->arguments->inputs[to->arguments->input_count++] = to->value;
    return ETW_OK;
}

static etw_status apply_manifest(const application *to)
{
    to->arguments->manifests[to->arguments->manifest_count++] = to->value;
    return ETW_OK;
}

static etw_status apply_output(const application *to)
{
    to->arguments->output = to->value;
    return ETW_OK;
}

static etw_status apply_force(const application *to)
{
    to->arguments->writer.replace = true;
    return ETW_OK;
}

static etw_status apply_level(const application *to)
{
    uint64_t level = 0;
    const etw_status status = take_number(to, 1, 19, &level);
    to->arguments->writer.level = (int)level;
    return status;
}

static etw_status apply_threads(const application *to)
{
    return take_u32(to, 0, 64, &to->arguments->writer.threads);
}

static etw_status apply_sync(const application *to)
{
    static const word words[] = {
        {"none", ETW_SYNC_NONE}, {"block", ETW_SYNC_BLOCK}, {"interval", ETW_SYNC_INTERVAL}};
    uint32_t sync = ETW_SYNC_NONE;
    if (!find_word(words, COUNT_OF(words), to->value, &sync)) {
        return bad_value(to, "none, block or interval");
    }
    to->arguments->writer.sync = (etw_sync)sync;
    return ETW_OK;
}

static etw_status apply_interval(const application *to)
{
    uint64_t milliseconds = 0;
    if (!etw_parse_duration(to->value, &milliseconds) || milliseconds == 0 ||
        milliseconds > 86400000) {
        return bad_value(to, "a time from 1ms to 1d");
    }
    to->arguments->writer.interval_ms = (uint32_t)milliseconds;
    return ETW_OK;
}

static etw_status apply_on_overload(const application *to)
{
    static const word words[] = {{"wait", ETW_OVERLOAD_WAIT}, {"drop", ETW_OVERLOAD_DROP}};
    uint32_t policy = ETW_OVERLOAD_WAIT;
    if (!find_word(words, COUNT_OF(words), to->value, &policy)) {
        return bad_value(to, "wait or drop");
    }
    to->arguments->writer.overload = (etw_overload)policy;
    to->arguments->overload_given = true;
    return ETW_OK;
}

/* --- limits -------------------------------------------------------------------------------------
 */

static etw_status apply_max_events(const application *to)
{
    return take_number(to, 0, UINT64_MAX, &to->arguments->limits.max_events);
}

static etw_status apply_max_duration(const application *to)
{
    return take_duration(to, &to->arguments->limits.max_duration_ms);
}

static etw_status apply_max_total(const application *to)
{
    return take_size(to, &to->arguments->limits.max_total_bytes);
}

static etw_status apply_min_free(const application *to)
{
    return take_size(to, &to->arguments->limits.min_free_bytes);
}

static etw_status apply_rotate_size(const application *to)
{
    return take_size(to, &to->arguments->limits.rotate_bytes);
}

static etw_status apply_rotate_time(const application *to)
{
    return take_duration(to, &to->arguments->limits.rotate_ms);
}

static etw_status apply_ring(const application *to)
{
    return take_u32(to, 1, ETW_CAPTURE_MAX_SEGMENTS, &to->arguments->limits.ring_segments);
}

static etw_status apply_flight(const application *to)
{
    uint64_t *bytes = &to->arguments->flight.max_bytes;
    return etw_parse_size(to->value, bytes) && *bytes >= ETW_FLIGHT_MIN_BYTES &&
                   *bytes <= ETW_FLIGHT_MAX_BYTES
               ? ETW_OK
               : bad_value(to, "a size from 1M to 4G");
}

static etw_status apply_flight_time(const application *to)
{
    return take_duration(to, &to->arguments->flight.max_age_ms);
}

static etw_status apply_trigger(const application *to)
{
    etw_flight_options *flight = &to->arguments->flight;
    const char *colon = strrchr(to->value, ':');
    uint64_t id = 0;
    char provider[256];
    const size_t size = colon == NULL ? sizeof provider : (size_t)(colon - to->value);
    if (size >= sizeof provider || !etw_parse_number(colon + 1, &id) || id > UINT16_MAX) {
        return bad_value(to, "PROVIDER:ID");
    }
    memcpy(provider, to->value, size);
    provider[size] = '\0';
    flight->has_trigger = true;
    flight->trigger_id = (uint16_t)id;
    return etw_provider_find(provider, &flight->trigger_provider, to->error);
}

/* --- providers ----------------------------------------------------------------------------------
 */

static etw_status bad_provider(const application *to)
{
    return bad_value(to, "NAME|GUID[:LEVEL[:ANY[:ALL]]] with a level from 0 to 255 and masks such "
                         "as 0x10");
}

/* LEVEL[:ANY[:ALL]] */
static bool parse_masks(char *text, etw_provider_options *options)
{
    uint64_t values[3] = {DEFAULT_LEVEL, 0, 0};
    size_t count = 0;
    for (char *part = text; part != NULL && count < 3; count++) {
        char *colon = strchr(part, ':');
        if (colon != NULL) {
            *colon = '\0';
        }
        if (!etw_parse_number(part, &values[count])) {
            return false;
        }
        part = colon == NULL ? NULL : colon + 1;
        if (part != NULL && count == 2) {
            return false;
        }
    }
    options->level = (uint8_t)values[0];
    options->any_keyword = values[1];
    options->all_keyword = values[2];
    return values[0] <= 255;
}

static etw_status apply_provider(const application *to)
{
    etw_record_arguments *arguments = to->arguments;
    if (arguments->provider_count == ETW_SESSION_MAX_PROVIDERS) {
        return etw_error_set(to->error, ETW_ERROR_LIMIT, "more than %u providers",
                             ETW_SESSION_MAX_PROVIDERS);
    }
    etw_provider_argument *provider = &arguments->providers[arguments->provider_count];
    *provider =
        (etw_provider_argument){.name = strdup(to->value), .options = {.level = DEFAULT_LEVEL}};
    if (provider->name == NULL) {
        return etw_error_set(to->error, ETW_ERROR_NO_MEMORY, "out of memory for a provider");
    }
    arguments->provider_count++;
    char *colon = strchr(provider->name, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
    const bool valid = colon == NULL || parse_masks(colon + 1, &provider->options);
    return valid && provider->name[0] != '\0' ? ETW_OK : bad_provider(to);
}

/* The provider that an option is about: the last one named. */
static etw_status last_provider(const application *to, etw_provider_options **options)
{
    if (to->arguments->provider_count == 0) {
        return etw_error_set(to->error, ETW_ERROR_INVALID_ARGUMENT,
                             "%s belongs behind the --provider that it is about", to->option);
    }
    *options = &to->arguments->providers[to->arguments->provider_count - 1].options;
    return ETW_OK;
}

static etw_status take_enable(const application *to, const char *part, void *context)
{
    static const word words[] = {
        {"sid", ETW_ENABLE_SID},
        {"ts-id", ETW_ENABLE_TS_ID},
        {"stack", ETW_ENABLE_STACK_TRACE},
        {"psm-key", ETW_ENABLE_PSM_KEY},
        {"ignore-keyword-0", ETW_ENABLE_IGNORE_KEYWORD_0},
        {"group", ETW_ENABLE_PROVIDER_GROUP},
        {"enable-keyword-0", ETW_ENABLE_ENABLE_KEYWORD_0},
        {"process-start-key", ETW_ENABLE_PROCESS_START_KEY},
        {"event-key", ETW_ENABLE_EVENT_KEY},
        {"exclude-inprivate", ETW_ENABLE_EXCLUDE_INPRIVATE},
    };
    uint32_t property = 0;
    if (!find_word(words, COUNT_OF(words), part, &property)) {
        return bad_value(to, "properties named by --help, ',' between them");
    }
    *(uint32_t *)context |= property;
    return ETW_OK;
}

static etw_status apply_enable(const application *to)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(to, &options);
    return status == ETW_OK ? each_part(to, to->value, &options->enable_properties, take_enable)
                            : status;
}

static etw_status take_event_id(const application *to, const char *part, void *context)
{
    etw_event_id_filter *filter = context;
    uint64_t id = 0;
    if (!etw_parse_number(part, &id) || id > UINT16_MAX ||
        filter->count == ETW_FILTER_MAX_EVENT_IDS) {
        return bad_value(to, "at most 64 event ids from 0 to 65535, ',' between them");
    }
    filter->ids[filter->count++] = (uint16_t)id;
    return ETW_OK;
}

static etw_status take_event_ids(const application *to, etw_event_id_filter *filter)
{
    filter->exclude = to->value[0] == '!';
    return each_part(to, to->value + (filter->exclude ? 1 : 0), filter, take_event_id);
}

static etw_status apply_event_ids(const application *to)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(to, &options);
    return status == ETW_OK ? take_event_ids(to, &options->event_ids) : status;
}

static etw_status apply_stack_ids(const application *to)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(to, &options);
    return status == ETW_OK ? take_event_ids(to, &options->stack_ids) : status;
}

static etw_status take_process_id(const application *to, const char *part, void *context)
{
    etw_provider_options *options = context;
    uint64_t id = 0;
    if (!etw_parse_number(part, &id) || id > UINT32_MAX ||
        options->process_id_count == ETW_FILTER_MAX_PROCESS_IDS) {
        return bad_value(to, "at most 8 process ids, ',' between them");
    }
    options->process_ids[options->process_id_count++] = (uint32_t)id;
    return ETW_OK;
}

static etw_status apply_pids(const application *to)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(to, &options);
    return status == ETW_OK ? each_part(to, to->value, options, take_process_id) : status;
}

static etw_status apply_exe(const application *to)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(to, &options);
    if (status == ETW_OK) {
        options->executable_names = to->value;
    }
    return status;
}

static etw_status apply_package(const application *to)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(to, &options);
    if (status == ETW_OK) {
        options->package_ids = to->value;
    }
    return status;
}

static etw_status apply_payload(const application *to)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(to, &options);
    if (status == ETW_OK) {
        options->payload_filter = to->value;
    }
    return status;
}

static etw_status apply_capture_state(const application *to)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(to, &options);
    if (status == ETW_OK) {
        options->capture_state = true;
    }
    return status;
}

/* --- the session --------------------------------------------------------------------------------
 */

static etw_status take_kernel_flag(const application *to, const char *part, void *context)
{
    uint32_t flag = 0;
    if (!etw_kernel_flag_parse(part, &flag)) {
        return etw_error_set(to->error, ETW_ERROR_INVALID_ARGUMENT,
                             "%s: '%s' is no kernel flag; they are named as EVENT_TRACE_FLAG_... "
                             "without that prefix: PROCESS, THREAD, IMAGE_LOAD, ...",
                             to->option, part);
    }
    *(uint32_t *)context |= flag;
    return ETW_OK;
}

static etw_status apply_kernel(const application *to)
{
    return each_part(to, to->value, &to->arguments->session.kernel_flags, take_kernel_flag);
}

static etw_status apply_kernel_stack(const application *to)
{
    etw_session_options *session = &to->arguments->session;
    const char *colon = strchr(to->value, ':');
    char guid[ETW_GUID_TEXT_SIZE + 1];
    const size_t size = colon == NULL ? sizeof guid : (size_t)(colon - to->value);
    uint64_t opcode = 0;
    if (size >= sizeof guid || !etw_parse_number(colon + 1, &opcode) || opcode > 255 ||
        session->kernel_stack_count == ETW_MAX_KERNEL_STACKS) {
        return bad_value(to, "GUID:OPCODE of a kernel event, at most 256 times");
    }
    memcpy(guid, to->value, size);
    guid[size] = '\0';
    etw_kernel_stack *stack = &to->arguments->kernel_stacks[session->kernel_stack_count];
    if (!etw_guid_parse(guid, &stack->event_class)) {
        return bad_value(to, "GUID:OPCODE of a kernel event");
    }
    stack->opcode = (uint8_t)opcode;
    session->kernel_stacks = to->arguments->kernel_stacks;
    session->kernel_stack_count++;
    return ETW_OK;
}

static etw_status apply_system_logger(const application *to)
{
    to->arguments->session.system_logger = true;
    return ETW_OK;
}

static etw_status apply_session(const application *to)
{
    to->arguments->session.name = to->value;
    return to->value[0] == '\0' ? bad_value(to, "a name") : ETW_OK;
}

static etw_status apply_replace_session(const application *to)
{
    to->arguments->replace_session = true;
    return ETW_OK;
}

static etw_status apply_restart(const application *to)
{
    to->arguments->session.restart = true;
    return ETW_OK;
}

static etw_status apply_buffer_size(const application *to)
{
    return take_u32(to, 4, 16384, &to->arguments->session.buffer_size_kb);
}

static etw_status apply_min_buffers(const application *to)
{
    return take_u32(to, 1, 65536, &to->arguments->session.minimum_buffers);
}

static etw_status apply_max_buffers(const application *to)
{
    return take_u32(to, 1, 65536, &to->arguments->session.maximum_buffers);
}

static etw_status apply_flush(const application *to)
{
    return take_u32(to, 1, 86400, &to->arguments->session.flush_seconds);
}

static etw_status apply_clock(const application *to)
{
    static const word words[] = {
        {"qpc", ETW_CLOCK_QPC}, {"system", ETW_CLOCK_SYSTEM_TIME}, {"cycle", ETW_CLOCK_CPU_CYCLE}};
    return find_word(words, COUNT_OF(words), to->value, &to->arguments->session.clock_type)
               ? ETW_OK
               : bad_value(to, "qpc, system or cycle");
}

static etw_status apply_no_independent(const application *to)
{
    to->arguments->session.not_independent = true;
    return ETW_OK;
}

static etw_status apply_oracle(const application *to)
{
    return take_u32(to, 0, 1000, &to->arguments->oracle_events);
}

static etw_status apply_no_rundown(const application *to)
{
    to->arguments->no_rundown = true;
    return ETW_OK;
}

static etw_status apply_service(const application *to)
{
    to->arguments->service = true;
    return ETW_OK;
}

/* --- actions and the rest -----------------------------------------------------------------------
 */

static etw_status apply_list_sessions(const application *to)
{
    to->arguments->action = ETW_RECORD_LIST_SESSIONS;
    return ETW_OK;
}

static etw_status apply_list_providers(const application *to)
{
    to->arguments->action = ETW_RECORD_LIST_PROVIDERS;
    to->arguments->action_name = to->value;
    return ETW_OK;
}

static etw_status apply_kill(const application *to)
{
    to->arguments->action = ETW_RECORD_KILL;
    to->arguments->action_name = to->value;
    return ETW_OK;
}

static etw_status apply_reclaim(const application *to)
{
    to->arguments->reclaim_first = true;
    return ETW_OK;
}

static etw_status apply_quiet(const application *to)
{
    to->arguments->quiet = true;
    return ETW_OK;
}

static etw_status apply_help(const application *to)
{
    (void)to;
    fputs(etw_record_help, stdout);
    return ETW_END;
}

static etw_status apply_version(const application *to)
{
    (void)to;
    puts("etw-record " ETW_VERSION);
    return ETW_END;
}

static etw_status apply_profile(const application *to);

typedef struct option_row {
    const char *name;
    int short_name; /* 0: none */
    int has_value;
    etw_status (*apply)(const application *to);
} option_row;

static const option_row rows[] = {
    {"input", 'i', required_argument, apply_input},
    {"manifest", 'm', required_argument, apply_manifest},
    {"output", 'o', required_argument, apply_output},
    {"force", 'f', no_argument, apply_force},
    {"level", 0, required_argument, apply_level},
    {"threads", 0, required_argument, apply_threads},
    {"sync", 0, required_argument, apply_sync},
    {"interval", 0, required_argument, apply_interval},
    {"on-overload", 0, required_argument, apply_on_overload},
    {"max-events", 0, required_argument, apply_max_events},
    {"max-duration", 0, required_argument, apply_max_duration},
    {"max-total", 0, required_argument, apply_max_total},
    {"min-free", 0, required_argument, apply_min_free},
    {"rotate-size", 0, required_argument, apply_rotate_size},
    {"rotate-time", 0, required_argument, apply_rotate_time},
    {"ring", 0, required_argument, apply_ring},
    {"flight", 0, required_argument, apply_flight},
    {"flight-time", 0, required_argument, apply_flight_time},
    {"trigger", 0, required_argument, apply_trigger},
    {"provider", 'p', required_argument, apply_provider},
    {"enable", 0, required_argument, apply_enable},
    {"event-ids", 0, required_argument, apply_event_ids},
    {"stack-ids", 0, required_argument, apply_stack_ids},
    {"pids", 0, required_argument, apply_pids},
    {"exe", 0, required_argument, apply_exe},
    {"package", 0, required_argument, apply_package},
    {"payload", 0, required_argument, apply_payload},
    {"capture-state", 0, no_argument, apply_capture_state},
    {"kernel", 'k', required_argument, apply_kernel},
    {"kernel-stack", 0, required_argument, apply_kernel_stack},
    {"system-logger", 0, no_argument, apply_system_logger},
    {"session", 0, required_argument, apply_session},
    {"replace-session", 0, no_argument, apply_replace_session},
    {"restart", 0, no_argument, apply_restart},
    {"buffer-size", 0, required_argument, apply_buffer_size},
    {"min-buffers", 0, required_argument, apply_min_buffers},
    {"max-buffers", 0, required_argument, apply_max_buffers},
    {"flush", 0, required_argument, apply_flush},
    {"clock", 0, required_argument, apply_clock},
    {"no-independent", 0, no_argument, apply_no_independent},
    {"oracle", 0, required_argument, apply_oracle},
    {"no-rundown", 0, no_argument, apply_no_rundown},
    {"service", 0, no_argument, apply_service},
    {"list-sessions", 0, no_argument, apply_list_sessions},
    {"list-providers", 0, optional_argument, apply_list_providers},
    {"kill", 0, required_argument, apply_kill},
    {"reclaim", 0, no_argument, apply_reclaim},
    {"profile", 0, required_argument, apply_profile},
    {"quiet", 'q', no_argument, apply_quiet},
    {"help", 'h', no_argument, apply_help},
    {"version", 0, no_argument, apply_version},
};

/* getopt_long's code of a row: the short name, or a number no character has. */
static int code_of(size_t row)
{
    return rows[row].short_name != 0 ? rows[row].short_name : 256 + (int)row;
}

static const option_row *row_of_code(int code)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (code_of(i) == code) {
            return &rows[i];
        }
    }
    return NULL;
}

static etw_status apply_row(etw_record_arguments *arguments, const option_row *row,
                            const char *value, etw_error *error)
{
    char option[64];
    (void)snprintf(option, sizeof option, "--%s", row->name);
    const application to = {arguments, option, value, error};
    return row->apply(&to);
}

static etw_status parse_words(int argc, char **argv, etw_record_arguments *arguments,
                              etw_error *error)
{
    struct option options[COUNT_OF(rows) + 1] = {{0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        options[i] = (struct option){rows[i].name, rows[i].has_value, NULL, code_of(i)};
    }
    opterr = 0;
    optind = 0; /* start anew, and forget where the words of a parse before this one lay */
    for (;;) {
        const int code = getopt_long(argc, argv, ":i:m:o:p:k:fqh", options, NULL);
        if (code == -1) {
            break;
        }
        if (code == '?' || code == ':') {
            return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                                 code == '?' ? "unknown option '%s'" : "'%s' needs a value",
                                 argv[optind - 1]);
        }
        const etw_status status = apply_row(arguments, row_of_code(code), optarg, error);
        if (status != ETW_OK) {
            return status;
        }
    }
    if (optind < argc) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "'%s' stands alone: a trace to record is given as --input %s",
                             argv[optind], argv[optind]);
    }
    return ETW_OK;
}

/* Each line is applied as if it stood on the command line. getopt_long keeps its place in variables
 * of its own, so a profile read in the middle of a command line looks its options up itself. */
static etw_status apply_profile_word(etw_record_arguments *arguments, char *option,
                                     etw_error *error)
{
    char *equals = strchr(option, '=');
    if (equals != NULL) {
        *equals = '\0';
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(option + 2, rows[i].name) != 0 || rows[i].apply == apply_profile) {
            continue;
        }
        if ((rows[i].has_value == required_argument) != (equals != NULL) &&
            rows[i].has_value != optional_argument) {
            return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "'%s' %s", option + 2,
                                 equals == NULL ? "needs a value" : "takes no value");
        }
        return apply_row(arguments, &rows[i], equals == NULL ? NULL : equals + 1, error);
    }
    return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "'%s' is no option for a profile",
                         option + 2);
}

static etw_status apply_profile(const application *to)
{
    etw_record_arguments *arguments = to->arguments;
    if (arguments->profile_count == ETW_RECORD_MAX_PROFILES) {
        return etw_error_set(to->error, ETW_ERROR_LIMIT, "more than %u profiles",
                             ETW_RECORD_MAX_PROFILES);
    }
    etw_profile *profile = &arguments->profiles[arguments->profile_count];
    etw_status status = etw_profile_read(etw_os_default(), to->value, profile, to->error);
    if (status != ETW_OK) {
        return status;
    }
    arguments->profile_count++;
    for (int i = 0; i < profile->count && status == ETW_OK; i++) {
        status = apply_profile_word(arguments, profile->words[i], to->error);
    }
    return status == ETW_OK ? ETW_OK : etw_error_wrap(to->error, status, "profile %s", to->value);
}

static etw_status check_capture(const etw_record_arguments *arguments, etw_error *error)
{
    const bool live = etw_record_is_live(arguments);
    if (arguments->input_count == 0 && !live) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "nothing to record: name a trace with --input, or a provider with "
                             "--provider");
    }
    if (arguments->input_count > 0 && live) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "--input and --provider do not go together: record each on its own "
                             "and merge the files with etw-replay merge");
    }
    if (arguments->output == NULL) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "no output: name a file with -o, or - for stdout");
    }
    const etw_capture_limits *limits = &arguments->limits;
    if (limits->ring_segments != 0 && limits->rotate_bytes == 0 && limits->rotate_ms == 0) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "--ring needs --rotate-size or --rotate-time");
    }
    if (arguments->flight.max_bytes == 0 &&
        (arguments->flight.has_trigger || arguments->flight.max_age_ms != 0)) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "--trigger and --flight-time need --flight SIZE");
    }
    if (arguments->session.kernel_flags != 0 && arguments->provider_count > 0 &&
        !arguments->session.system_logger) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "the NT Kernel Logger takes no providers: add --system-logger, or "
                             "record them in two sessions");
    }
    return ETW_OK;
}

static void set_live_defaults(etw_record_arguments *arguments)
{
    if (!etw_record_is_live(arguments)) {
        return;
    }
    if (arguments->writer.interval_ms == 0) {
        arguments->writer.interval_ms = DEFAULT_INTERVAL_MS;
    }
    if (!arguments->overload_given) {
        arguments->writer.overload = ETW_OVERLOAD_DROP;
    }
}

etw_status etw_record_arguments_parse(int argc, char **argv, etw_record_arguments *arguments,
                                      etw_error *error)
{
    *arguments =
        (etw_record_arguments){.writer = {.threads = 1, .application = "etw-record " ETW_VERSION}};
    arguments->providers = calloc(ETW_SESSION_MAX_PROVIDERS, sizeof *arguments->providers);
    arguments->kernel_stacks = calloc(ETW_MAX_KERNEL_STACKS, sizeof *arguments->kernel_stacks);
    /* Each word and each line of a profile may be an input or a manifest. */
    const size_t room = (size_t)argc + (size_t)ETW_RECORD_MAX_PROFILES * ETW_PROFILE_MAX_OPTIONS;
    arguments->inputs = calloc(room, sizeof *arguments->inputs);
    arguments->manifests = calloc(room, sizeof *arguments->manifests);
    etw_status status = ETW_OK;
    if (arguments->providers == NULL || arguments->kernel_stacks == NULL ||
        arguments->inputs == NULL || arguments->manifests == NULL) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the arguments");
    } else {
        status = parse_words(argc, argv, arguments, error);
    }
    if (status == ETW_OK && arguments->action == ETW_RECORD_CAPTURE) {
        const bool only_reclaim = arguments->reclaim_first && arguments->input_count == 0 &&
                                  !etw_record_is_live(arguments);
        if (only_reclaim) {
            arguments->action = ETW_RECORD_RECLAIM;
        } else {
            set_live_defaults(arguments);
            status = check_capture(arguments, error);
        }
    }
    if (status != ETW_OK) {
        etw_record_arguments_free(arguments);
    }
    return status;
}

void etw_record_arguments_free(etw_record_arguments *arguments)
{
    for (uint32_t i = 0; i < arguments->provider_count; i++) {
        free(arguments->providers[i].name);
    }
    for (uint32_t i = 0; i < arguments->profile_count; i++) {
        etw_profile_free(&arguments->profiles[i]);
    }
    free(arguments->providers);
    free(arguments->kernel_stacks);
    free(arguments->inputs);
    free(arguments->manifests);
    *arguments = (etw_record_arguments){0};
}
