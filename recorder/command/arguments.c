#include "recorder/command/arguments.h"

#include "format/base/version.h"
#include "recorder/capture/event_filter.h"
#include "recorder/command/options.h"

#include <stdlib.h>

#define DEFAULT_INTERVAL_MS 1000u
/* Whoever reads a pipe looks at events as they come: none is to be a second late. */
#define PIPE_INTERVAL_MS 500u

/* A trace is named by an option; verbs are those of etw-replay. */
static etw_status unexpected(const char *word, etw_error *error)
{
    return strpbrk(word, "./\\:") != NULL
               ? etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                               "unexpected argument '%s'; use --input %s", word, word)
               : etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                               "unexpected argument '%s': a trace is named by --input; etw-record "
                               "has no verbs, etw-replay has",
                               word);
}

static etw_status parse_words(int argc, char **argv, etw_record_arguments *arguments,
                              etw_text *output, etw_error *error)
{
    etw_command_words words = {.words = calloc((size_t)argc + 1, sizeof *words.words),
                               .output = output};
    if (words.words == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the arguments");
    }
    etw_status status =
        etw_command_parse(&etw_record_command, argc, argv, arguments, &words, error);
    if (status == ETW_OK && words.count > 0) {
        status = unexpected(words.words[0], error);
    }
    free(words.words);
    return status;
}

static bool is_stdout(const etw_record_arguments *arguments)
{
    return arguments->output != NULL && strcmp(arguments->output, "-") == 0;
}

static etw_status check_print(const etw_record_arguments *arguments, etw_error *error)
{
    const etw_capture_limits *limits = &arguments->limits;
    if (!etw_record_is_live(arguments)) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "--print is for live events; etw-replay prints files");
    }
    if (is_stdout(arguments)) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "--print and -o - both want stdout: pipe -o - to 'etw-replay -'");
    }
    if (arguments->output == NULL &&
        (limits->rotate_bytes != 0 || limits->rotate_ms != 0 || arguments->flight.max_bytes != 0)) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "no output: what is to be kept needs a file, named with -o");
    }
    return ETW_OK;
}

/* A combination of options that does not go, and what is said of it. */
typedef struct refusal {
    bool is_met;
    const char *message;
} refusal;

static etw_status refuse(const refusal *rows, size_t count, etw_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].is_met) {
            return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "%s", rows[i].message);
        }
    }
    return ETW_OK;
}

static etw_status check_source(const etw_record_arguments *arguments, etw_error *error)
{
    const bool live = etw_record_is_live(arguments);
    const refusal rows[] = {
        {arguments->input_count == 0 && !live,
         "nothing to record: name a trace with --input, or a provider with --provider"},
        {arguments->input_count > 0 && live,
         "--input and --provider do not go together: record each on its own and merge the files "
         "with etw-replay merge"},
    };
    return refuse(rows, ETW_COUNT_OF(rows), error);
}

static etw_status check_segments(const etw_record_arguments *arguments, etw_error *error)
{
    const etw_capture_limits *limits = &arguments->limits;
    const bool rotates = limits->rotate_bytes != 0 || limits->rotate_ms != 0;
    const bool has_flight = arguments->flight.max_bytes != 0;
    const refusal rows[] = {
        {arguments->print == NULL && arguments->output == NULL,
         "no output: name a file with -o, or - for stdout"},
        {limits->ring_segments != 0 && !rotates, "--ring needs --rotate-size or --rotate-time"},
        {arguments->run != NULL && !etw_record_is_live(arguments), "--run is for live recordings"},
        {limits->max_age_ms != 0 && !rotates, "--max-age needs --rotate-size or --rotate-time"},
        {arguments->on_segment != NULL && (arguments->output == NULL || is_stdout(arguments)),
         "--on-segment needs a file, named with -o"},
        {has_flight && arguments->input_count > 0, "--flight keeps the newest events of a live "
                                                   "session; of a file use etw-replay cut --since"},
        {!has_flight && (arguments->flight.has_trigger || arguments->flight.max_age_ms != 0),
         "--trigger and --flight-time need --flight SIZE"},
    };
    return refuse(rows, ETW_COUNT_OF(rows), error);
}

static etw_status check_session(const etw_record_arguments *arguments, etw_error *error)
{
    const etw_session_options *session = &arguments->session;
    const bool wants_kernel = etw_session_wants_kernel(session);
    const refusal rows[] = {
        {session->attach &&
             (arguments->provider_count > 0 || wants_kernel || arguments->system_flags != 0 ||
              session->restart || arguments->replace_session),
         "--attach takes a session as it is: it goes with no provider, no kernel events, and "
         "neither --restart nor --replace-session"},
        {wants_kernel && arguments->provider_count > 0 && !session->system_logger,
         "the NT Kernel Logger takes no providers: add --system-logger, or record them in two "
         "sessions"},
    };
    return refuse(rows, ETW_COUNT_OF(rows), error);
}

static etw_status check_capture(const etw_record_arguments *arguments, etw_error *error)
{
    etw_status status = check_source(arguments, error);
    if (status == ETW_OK && arguments->print != NULL) {
        status = check_print(arguments, error);
    }
    status = status == ETW_OK ? check_segments(arguments, error) : status;
    return status == ETW_OK ? check_session(arguments, error) : status;
}

static etw_status check_boot(const etw_record_arguments *arguments, etw_error *error)
{
    const bool collects = arguments->boot == ETW_BOOT_COLLECT;
    if (collects != (arguments->output != NULL) || arguments->input_count > 0 ||
        (arguments->boot != ETW_BOOT_INSTALL && etw_record_is_live(arguments))) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "--boot install takes providers or kernel events, --boot collect a "
                             "file to write, named with -o, --boot remove neither");
    }
    return ETW_OK;
}

static etw_status compile_where(etw_record_arguments *arguments, etw_error *error)
{
    etw_status status =
        etw_where_compile_all(arguments->where, arguments->where_count, &arguments->filter, error);
    if (status == ETW_OK && arguments->filter != NULL) {
        status = etw_event_filter_check(arguments->filter, error);
    }
    return status == ETW_OK ? status : etw_error_wrap(error, status, "--where");
}

/* In a live session one: the host has other work, and one keeps up with what a session delivers. */
static void choose_threads(etw_record_arguments *arguments)
{
    if (arguments->writer.threads == ETW_THREADS_NOT_SAID) {
        arguments->writer.threads = arguments->input_count > 0 ? etw_os_spare_processors() : 1;
    }
}

static void set_defaults(etw_record_arguments *arguments)
{
    if (!etw_record_is_live(arguments)) {
        arguments->writer.caller_helps = true;
        return;
    }
    if (arguments->writer.interval_ms == 0) {
        arguments->writer.interval_ms =
            is_stdout(arguments) ? PIPE_INTERVAL_MS : DEFAULT_INTERVAL_MS;
    }
    if (arguments->output == NULL) {
        arguments->writer.level = 1; /* what is not kept need not be small */
    }
    if (!arguments->overload_given) {
        arguments->writer.overload = ETW_OVERLOAD_DROP;
    }
}

etw_status etw_record_arguments_parse(int argc, char **argv, etw_record_arguments *arguments,
                                      etw_text *output, etw_error *error)
{
    *arguments = (etw_record_arguments){.writer = {.threads = ETW_THREADS_NOT_SAID,
                                                   .format = ETW_FORMAT_2_0,
                                                   .application = "etw-record " ETW_VERSION}};
    arguments->kernel_stacks = calloc(ETW_MAX_KERNEL_STACKS, sizeof *arguments->kernel_stacks);
    arguments->counted_events = calloc(ETW_MAX_KERNEL_STACKS, sizeof *arguments->counted_events);
    /* Each word and each line of a profile may be an input or a manifest. */
    const size_t room = (size_t)argc + (size_t)ETW_RECORD_MAX_PROFILES * ETW_PROFILE_MAX_OPTIONS;
    arguments->inputs = calloc(room, sizeof *arguments->inputs);
    arguments->manifests = calloc(room, sizeof *arguments->manifests);
    arguments->where = calloc(room, sizeof *arguments->where);
    etw_status status = ETW_OK;
    if (arguments->kernel_stacks == NULL || arguments->counted_events == NULL ||
        arguments->inputs == NULL || arguments->manifests == NULL || arguments->where == NULL) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the arguments");
    } else {
        status = parse_words(argc, argv, arguments, output, error);
        choose_threads(arguments);
    }
    if (status == ETW_OK && arguments->action == ETW_RECORD_CATALOG && arguments->output == NULL) {
        status = etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                               "--catalog needs a file to write, named with -o");
    }
    if (status == ETW_OK && arguments->action == ETW_RECORD_BOOT) {
        set_defaults(arguments);
        status = check_boot(arguments, error);
        status = status == ETW_OK ? compile_where(arguments, error) : status;
    }
    if (status == ETW_OK && arguments->action == ETW_RECORD_CAPTURE) {
        const bool only_reclaim = arguments->reclaim_first && arguments->input_count == 0 &&
                                  !etw_record_is_live(arguments);
        if (only_reclaim) {
            arguments->action = ETW_RECORD_RECLAIM;
        } else {
            set_defaults(arguments);
            status = check_capture(arguments, error);
            status = status == ETW_OK ? compile_where(arguments, error) : status;
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
        free(arguments->providers[i].keyword_names);
    }
    for (uint32_t i = 0; i < arguments->profile_count; i++) {
        etw_profile_free(&arguments->profiles[i]);
    }
    free(arguments->providers);
    for (uint32_t i = 0; i < arguments->counter_name_count; i++) {
        free(arguments->counter_names[i]);
    }
    free(arguments->kernel_stacks);
    free(arguments->counted_events);
    free(arguments->inputs);
    free(arguments->manifests);
    free(arguments->where);
    etw_where_free(arguments->filter);
    *arguments = (etw_record_arguments){0};
}
