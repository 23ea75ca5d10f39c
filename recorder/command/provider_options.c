/* --provider, and the options that are about the provider named last. */
#include "format/base/quantities.h"
#include "recorder/command/options.h"

#include <stdlib.h>

#define DEFAULT_LEVEL 5u
/* Classic providers (MOF, WPP) take no bit for no events, the others for all. */
#define DEFAULT_ANY_KEYWORD UINT64_MAX

static etw_status bad_provider(const etw_option_use *use)
{
    return etw_option_bad_value(
        use, "NAME|GUID[:LEVEL[:ANY[:ALL]]] with a level from 0 to 255, or critical, error, "
             "warning, info, verbose, all, and masks such as 0x10, or keywords as in Name+Other");
}

static const etw_option_word level_words[] = {{"critical", 1}, {"error", 2},   {"warning", 3},
                                              {"info", 4},     {"verbose", 5}, {"all", 255},
                                              {NULL, 0}};

static bool parse_level(const char *text, uint8_t *level)
{
    uint64_t number = 0;
    uint32_t named = 0;
    if (etw_option_word_find(level_words, text, &named)) {
        number = named;
    } else if (!etw_parse_number(text, &number) || number > 255) {
        return false;
    }
    *level = (uint8_t)number;
    return true;
}

/* A mask, or names that are looked up when the session is made. */
static bool parse_any_keyword(const char *text, etw_provider_argument *provider)
{
    if (etw_parse_number(text, &provider->options.any_keyword)) {
        return true;
    }
    const bool is_number = text[0] >= '0' && text[0] <= '9';
    provider->options.any_keyword = 0; /* but for these names */
    provider->keyword_names = is_number || text[0] == '\0' ? NULL : strdup(text);
    return provider->keyword_names != NULL;
}

/* LEVEL[:ANY[:ALL]] */
static bool parse_masks(char *text, etw_provider_argument *provider)
{
    char *any = strchr(text, ':');
    char *all = any == NULL ? NULL : strchr(any + 1, ':');
    if (any != NULL) {
        *any++ = '\0';
    }
    if (all != NULL) {
        *all++ = '\0';
    }
    return parse_level(text, &provider->options.level) &&
           (any == NULL || parse_any_keyword(any, provider)) &&
           (all == NULL || etw_parse_number(all, &provider->options.all_keyword));
}

static etw_status out_of_memory(const etw_option_use *use)
{
    return etw_error_set(use->error, ETW_ERROR_NO_MEMORY, "out of memory for a provider");
}

static etw_status apply_provider(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    if (arguments->provider_count == ETW_SESSION_MAX_PROVIDERS) {
        return etw_error_set(use->error, ETW_ERROR_LIMIT, "more than %u providers",
                             ETW_SESSION_MAX_PROVIDERS);
    }
    if (arguments->providers == NULL) {
        arguments->providers = calloc(ETW_SESSION_MAX_PROVIDERS, sizeof *arguments->providers);
    }
    if (arguments->providers == NULL) {
        return out_of_memory(use);
    }
    etw_provider_argument *provider = &arguments->providers[arguments->provider_count];
    *provider = (etw_provider_argument){
        .name = strdup(use->value),
        .options = {.level = DEFAULT_LEVEL, .any_keyword = DEFAULT_ANY_KEYWORD}};
    if (provider->name == NULL) {
        return out_of_memory(use);
    }
    arguments->provider_count++;
    char *colon = strchr(provider->name, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
    const bool valid = colon == NULL || parse_masks(colon + 1, provider);
    return valid && provider->name[0] != '\0' ? ETW_OK : bad_provider(use);
}

/* The provider that an option is about: the last one named. */
static etw_status last_provider(const etw_option_use *use, etw_provider_options **options)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    if (arguments->provider_count == 0) {
        return etw_error_set(use->error, ETW_ERROR_INVALID_ARGUMENT,
                             "--%s must follow the --provider that it is about", use->option->name);
    }
    *options = &arguments->providers[arguments->provider_count - 1].options;
    return ETW_OK;
}

static const etw_option_word enable_words[] = {
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
    {NULL, 0},
};
static etw_status take_enable(const etw_option_use *use, const char *part, void *context)
{
    uint32_t property = 0;
    if (!etw_option_word_find(enable_words, part, &property)) {
        return etw_option_bad_value(use, "properties named by --help, ',' between them");
    }
    *(uint32_t *)context |= property;
    return ETW_OK;
}

static etw_status apply_enable(const etw_option_use *use)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(use, &options);
    return status == ETW_OK
               ? etw_option_each_part(use, use->value, &options->enable_properties, take_enable)
               : status;
}

static etw_status take_event_id(const etw_option_use *use, const char *part, void *context)
{
    etw_event_id_filter *filter = context;
    uint64_t id = 0;
    if (!etw_parse_number(part, &id) || id > UINT16_MAX ||
        filter->count == ETW_FILTER_MAX_EVENT_IDS) {
        return etw_option_bad_value(use, "at most 64 event ids from 0 to 65535, ',' between them");
    }
    filter->ids[filter->count++] = (uint16_t)id;
    return ETW_OK;
}

static etw_status take_event_ids(const etw_option_use *use, etw_event_id_filter *filter)
{
    filter->exclude = use->value[0] == '!';
    return etw_option_each_part(use, use->value + (filter->exclude ? 1 : 0), filter, take_event_id);
}

static etw_status apply_event_ids(const etw_option_use *use)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(use, &options);
    return status == ETW_OK ? take_event_ids(use, &options->event_ids) : status;
}

static etw_status apply_stack_ids(const etw_option_use *use)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(use, &options);
    return status == ETW_OK ? take_event_ids(use, &options->stack_ids) : status;
}

static etw_status take_process_id(const etw_option_use *use, const char *part, void *context)
{
    etw_provider_options *options = context;
    uint64_t id = 0;
    if (!etw_parse_number(part, &id) || id > UINT32_MAX ||
        options->process_id_count == ETW_FILTER_MAX_PROCESS_IDS) {
        return etw_option_bad_value(use, "at most 8 process ids, ',' between them");
    }
    options->process_ids[options->process_id_count++] = (uint32_t)id;
    return ETW_OK;
}

static etw_status apply_pids(const etw_option_use *use)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(use, &options);
    return status == ETW_OK ? etw_option_each_part(use, use->value, options, take_process_id)
                            : status;
}

/* The value itself, into a field of the provider's options. */
static etw_status keep_text(const etw_option_use *use, size_t field)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(use, &options);
    if (status == ETW_OK) {
        *(const char **)(void *)((char *)options + field) = use->value;
    }
    return status;
}

static etw_status apply_exe(const etw_option_use *use)
{
    return keep_text(use, offsetof(etw_provider_options, executable_names));
}

static etw_status apply_package(const etw_option_use *use)
{
    return keep_text(use, offsetof(etw_provider_options, package_ids));
}

static etw_status apply_event_names(const etw_option_use *use)
{
    return keep_text(use, offsetof(etw_provider_options, event_names));
}

static etw_status apply_stack_names(const etw_option_use *use)
{
    return keep_text(use, offsetof(etw_provider_options, stack_names));
}

/* [!]LEVEL[:ANY[:ALL]] */
static bool parse_stack_level(const char *text, etw_level_keyword_filter *filter)
{
    etw_provider_argument parsed = {.name = NULL};
    filter->exclude = text[0] == '!';
    char *copy = strdup(text + (filter->exclude ? 1 : 0));
    const bool valid = copy != NULL && parse_masks(copy, &parsed) && parsed.keyword_names == NULL;
    free(parsed.keyword_names);
    free(copy);
    filter->is_set = true;
    filter->level = parsed.options.level;
    filter->any_keyword = parsed.options.any_keyword;
    filter->all_keyword = parsed.options.all_keyword;
    return valid;
}

static etw_status apply_stack_level(const etw_option_use *use)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(use, &options);
    if (status != ETW_OK || parse_stack_level(use->value, &options->stack_level)) {
        return status;
    }
    return etw_option_bad_value(use, "LEVEL[:ANY[:ALL]], a level from 0 to 255 or critical to "
                                     "verbose, and masks such as 0x10");
}

static etw_status apply_args(const etw_option_use *use)
{
    return keep_text(use, offsetof(etw_provider_options, provider_arguments));
}

static etw_status apply_payload(const etw_option_use *use)
{
    return keep_text(use, offsetof(etw_provider_options, payload_filter));
}

static etw_status apply_capture_state(const etw_option_use *use)
{
    etw_provider_options *options = NULL;
    const etw_status status = last_provider(use, &options);
    if (status == ETW_OK) {
        options->capture_state = true;
    }
    return status;
}

static const etw_option rows[] = {
    {.name = "provider",
     .letter = 'p',
     .value = "SPEC",
     .help = "a provider's registered name, GUID, or *Name for EventSource and TraceLogging; level "
             "1 to 5 or 255, or critical to verbose, all (default 5), keyword masks (default all) "
             "or, for ANY, names "
             "as in Name+Other: NAME|GUID[:LEVEL[:ANY[:ALL]]]; repeatable",
     .apply = apply_provider},
    {.name = "enable",
     .value = "LIST",
     .help = "sid, ts-id, stack, psm-key, ignore-keyword-0, group, enable-keyword-0, "
             "process-start-key, event-key, exclude-inprivate",
     .words = enable_words,
     .apply = apply_enable},
    {.name = "event-ids",
     .value = "LIST",
     .help = "only these events; with ! in front, all except these",
     .apply = apply_event_ids},
    {.name = "stack-ids",
     .value = "LIST",
     .help = "stacks only for these events; with ! in front, for all except these",
     .apply = apply_stack_ids},
    {.name = "event-names",
     .value = "LIST",
     .help =
         "only TraceLogging events with these names; with ! in front, all except these (Windows "
         "10 1709 and later)",
     .apply = apply_event_names},
    {.name = "stack-names",
     .value = "LIST",
     .help = "stacks only for TraceLogging events with these names; as above",
     .apply = apply_stack_names},
    {.name = "stack-level",
     .value = "SPEC",
     .help = "stacks only for events up to this level and with these keywords, "
             "LEVEL[:ANY[:ALL]]; with ! in front, for all others (Windows 10 1709 and later)",
     .apply = apply_stack_level},
    {.name = "args",
     .value = "LIST",
     .help = "arguments of an EventSource: key=value,key=value",
     .apply = apply_args},
    {.name = "pids",
     .value = "LIST",
     .help = "only these processes (at most 8)",
     .apply = apply_pids},
    {.name = "exe",
     .value = "NAMES",
     .help = "only these programs, separated by ';'",
     .apply = apply_exe},
    {.name = "package",
     .value = "NAMES",
     .help = "only these packages, separated by ';'",
     .apply = apply_package},
    {.name = "payload",
     .value = "EXPR",
     .help = "only events whose payload matches: 'ID: Property=value, Property>5', or "
             "'ID:VERSION: ...' (version 0 otherwise)",
     .apply = apply_payload},
    {.name = "capture-state",
     .help = "ask the provider to log its state",
     .apply = apply_capture_state},
};

const etw_option_section etw_provider_options_section = {
    "Providers (Windows); all options but the first are about the provider before them", rows,
    ETW_COUNT_OF(rows)};
