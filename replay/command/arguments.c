#include "replay/command/arguments.h"

#include "format/base/version.h"
#include "replay/command/verbs.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

/* Groups of options. */
enum {
    TAKES_FILTER = 0x01,    /* which events */
    TAKES_RENDERING = 0x02, /* how events become text */
    TAKES_JSON = 0x04,      /* --json */
    TAKES_OUTPUT = 0x08,    /* -o */
    TAKES_FORCE = 0x10,     /* --force */
    TAKES_WRITER = 0x20,    /* an .etwcap is written */
    TAKES_REDACTION = 0x40,
    TAKES_LEVEL = 0x80, /* --level is the compression's */
    TAKES_MANIFEST = 0x100,
    TAKES_THREADS = 0x200,
    TAKES_COUNT = 0x400,
    TAKES_SPEED = 0x800,
    TAKES_PROCESSES = 0x1000,
    TAKES_ALWAYS = 0x8000
};

#define WRITES     (TAKES_OUTPUT | TAKES_FORCE | TAKES_WRITER | TAKES_THREADS)
#define ANY_INPUTS 1024

static const etw_verb verbs[] = {
    {"cat", etw_verb_cat, 1, 1, false, "FILE", "print the events (the verb where none is named)",
     TAKES_FILTER | TAKES_RENDERING | TAKES_OUTPUT | TAKES_FORCE | TAKES_MANIFEST | TAKES_THREADS |
         TAKES_SPEED},
    {"export", etw_verb_cat, 1, 1, true, "FILE -o OUT",
     "as cat, into a file, in the format of its name",
     TAKES_FILTER | TAKES_RENDERING | TAKES_OUTPUT | TAKES_FORCE | TAKES_MANIFEST | TAKES_THREADS},
    {"info", etw_verb_info, 1, ANY_INPUTS, false, "FILE...",
     "print where a trace comes from, what it holds and what it lacks",
     TAKES_JSON | TAKES_PROCESSES},
    {"schemas", etw_verb_schemas, 1, 1, false, "FILE", "print the schemas that explain the events",
     TAKES_JSON | TAKES_MANIFEST},
    {"verify", etw_verb_verify, 1, ANY_INPUTS, false, "FILE...",
     "check every byte of an .etwcap file and say what is damaged", TAKES_JSON},
    {"recover", etw_verb_recover, 1, 1, true, "FILE -o OUT",
     "rebuild a complete file from a damaged or cut-off one", TAKES_OUTPUT | TAKES_FORCE},
    {"cut", etw_verb_cut, 1, 1, true, "FILE -o OUT", "write the wanted events into a new file",
     TAKES_FILTER | TAKES_REDACTION | TAKES_MANIFEST | WRITES},
    {"merge", etw_verb_merge, 1, ANY_INPUTS, true, "FILE... -o OUT",
     "write several traces into one file, in the order of their times", TAKES_MANIFEST | WRITES},
    {"repack", etw_verb_repack, 1, 1, true, "FILE -o OUT",
     "write the same trace again, compressed otherwise", TAKES_LEVEL | TAKES_MANIFEST | WRITES},
    {"diff", etw_verb_diff, 2, 2, false, "FILE FILE",
     "compare two traces event by event; exit status 1 where they differ",
     TAKES_FILTER | TAKES_COUNT},
};
#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

enum option_code {
    OPTION_PROVIDER = 256,
    OPTION_ID,
    OPTION_LEVEL,
    OPTION_PID,
    OPTION_SINCE,
    OPTION_UNTIL,
    OPTION_HEAD,
    OPTION_FORMAT,
    OPTION_MESSAGE,
    OPTION_EXACT,
    OPTION_TYPED,
    OPTION_RAW_TIME,
    OPTION_SCHEMA_HASH,
    OPTION_SPEED,
    OPTION_THREADS,
    OPTION_JSON,
    OPTION_PROCESSES,
    OPTION_COMPRESSION,
    OPTION_REDACT,
    OPTION_DROP_STRINGS,
    OPTION_COUNT,
    OPTION_VERSION
};

typedef struct option_row {
    uint32_t group;
    int code; /* a character where there is a short form */
    const char *name;
    const char *value; /* what it takes, for the help; NULL: nothing */
    const char *help;
} option_row;

static const option_row rows[] = {
    {TAKES_FILTER, OPTION_PROVIDER, "provider", "NAME|GUID", "of this provider; repeatable"},
    {TAKES_FILTER, OPTION_ID, "id", "N[,N...]", "with one of these event ids; repeatable"},
    {TAKES_FILTER, OPTION_LEVEL, "level", "N|NAME",
     "of this level or more severe (critical, error, warning, info, verbose)"},
    {TAKES_FILTER, OPTION_PID, "pid", "N[,N...]", "of one of these processes; repeatable"},
    {TAKES_FILTER, OPTION_SINCE, "since", "TIME",
     "from this time on: 2024-05-01T12:00:00Z, or +1.5s after the trace's start"},
    {TAKES_FILTER, OPTION_UNTIL, "until", "TIME", "before this time"},
    {TAKES_FILTER, OPTION_HEAD, "head", "N", "the first N of them"},
    {TAKES_RENDERING, OPTION_FORMAT, "format", "NAME", "json (default), text, xml, csv, pcapng"},
    {TAKES_RENDERING, OPTION_MESSAGE, "message", NULL, "with the event's message, filled in"},
    {TAKES_RENDERING, OPTION_EXACT, "exact", NULL,
     "texts exactly as Windows gives them, with the spaces and marks it adds"},
    {TAKES_RENDERING, OPTION_TYPED, "typed", NULL, "numbers and booleans as such in JSON"},
    {TAKES_RENDERING, OPTION_RAW_TIME, "raw-time", NULL,
     "time stamps in ticks of the trace's clock"},
    {TAKES_RENDERING, OPTION_SCHEMA_HASH, "schema-hash", NULL,
     "with the hash of the schema that explains the event, as `schemas` lists it"},
    {TAKES_SPEED, OPTION_SPEED, "speed", "X", "paced as recorded (1), or X times as fast"},
    {TAKES_REDACTION, OPTION_REDACT, "redact", "PROPERTY",
     "overwrite this property or struct, characters with x, other bytes with zero; repeatable"},
    {TAKES_REDACTION, OPTION_DROP_STRINGS, "drop-strings", NULL,
     "overwrite all strings, binary values and SIDs; take out what no schema explains"},
    {TAKES_OUTPUT, 'o', "output", "FILE", "where to write; - is stdout"},
    {TAKES_FORCE, 'f', "force", NULL, "replace an existing file"},
    {TAKES_LEVEL, OPTION_COMPRESSION, "level", "N", "zstd level, 1 to 19 (default 3)"},
    {TAKES_WRITER, OPTION_COMPRESSION, "compression", "N", "zstd level, 1 to 19 (default 3)"},
    {TAKES_MANIFEST, 'm', "manifest", "PATH",
     "instrumentation manifest, or a folder of them, for events without a schema; repeatable"},
    {TAKES_THREADS, OPTION_THREADS, "threads", "N", "threads beside the main one, 0 to 16"},
    {TAKES_JSON, OPTION_JSON, "json", NULL, "as JSON"},
    {TAKES_PROCESSES, OPTION_PROCESSES, "processes", NULL,
     "list the processes that ran where a live session was recorded"},
    {TAKES_COUNT, OPTION_COUNT, "count", "N", "tell at most N differences (default 10)"},
    {TAKES_ALWAYS, 'q', "quiet", NULL, "nothing on stderr but errors"},
    {TAKES_ALWAYS, 'h', "help", NULL, "this text"},
    {TAKES_ALWAYS, OPTION_VERSION, "version", NULL, "the version"},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

/* Help. */

static void print_rows(uint32_t groups)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if ((rows[i].group & groups) == 0) {
            continue;
        }
        char left[48];
        char letter[8] = "    ";
        if (rows[i].code < 256) {
            (void)snprintf(letter, sizeof letter, "-%c, ", (char)rows[i].code);
        }
        (void)snprintf(left, sizeof left, "%s--%s %s", letter, rows[i].name,
                       rows[i].value == NULL ? "" : rows[i].value);
        (void)printf("  %-28s %s\n", left, rows[i].help);
    }
}

static void print_exit_statuses(void)
{
    (void)printf("\nExit status: 0 all well, 1 failed, 2 wrong usage, 3 finished but something is "
                 "missing\n(lost events, damage, a trace that was cut off).\n");
}

static void print_formats(void)
{
    (void)printf("\nFormats:\n");
    for (size_t i = 0; etw_output_at(i) != NULL; i++) {
        (void)printf("  %-8s %s\n", etw_output_at(i)->name, etw_output_at(i)->help);
    }
}

static void print_verb_help(const etw_verb *verb)
{
    (void)printf("Usage: etw-replay %s %s [OPTION]...\n%s.\n\nOptions:\n", verb->name, verb->usage,
                 verb->help);
    print_rows(verb->takes | TAKES_ALWAYS);
    if ((verb->takes & TAKES_RENDERING) != 0) {
        print_formats();
    }
    print_exit_statuses();
}

static void print_help(void)
{
    (void)printf("Usage: etw-replay [VERB] FILE... [OPTION]...\n"
                 "Replays Windows event traces: .etwcap and .etl files, - for stdin.\n\nVerbs:\n");
    for (size_t i = 0; i < VERB_COUNT; i++) {
        (void)printf("  %-8s %-14s %s\n", verbs[i].name, verbs[i].usage, verbs[i].help);
    }
    (void)printf("\nOptions of cat (`etw-replay VERB --help` for those of another verb):\n");
    print_rows(verbs[0].takes | TAKES_ALWAYS);
    print_formats();
    print_exit_statuses();
}

/* Values. */

static etw_status bad_value(etw_error *error, const char *option, const char *value,
                            const char *wanted)
{
    return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "--%s '%s': wanted %s", option, value,
                         wanted);
}

static bool take_number(const char **at, uint64_t *value)
{
    const char *from = *at;
    *value = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        const uint64_t digit = (uint64_t)(**at - '0');
        if (*value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        *value = *value * 10 + digit;
    }
    return *at != from;
}

static etw_status set_number(const char *option, const char *text, uint64_t least, uint64_t most,
                             uint64_t *value, etw_error *error)
{
    const char *at = text;
    if (take_number(&at, value) && *at == '\0' && *value >= least && *value <= most) {
        return ETW_OK;
    }
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "a number from %llu to %llu", (unsigned long long)least,
                   (unsigned long long)most);
    return bad_value(error, option, text, wanted);
}

/* One more element at the end of a list that grows by doubling from 8. */
static void *grown(void *list, uint32_t count, size_t element_size)
{
    const bool is_full = count == 0 || (count >= 8 && (count & (count - 1)) == 0);
    return is_full ? realloc(list, (count == 0 ? 8 : 2 * (size_t)count) * element_size) : list;
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the arguments");
}

static etw_status add_string(const char ***list, uint32_t *count, const char *value,
                             etw_error *error)
{
    const char **longer = grown(*list, *count, sizeof *longer);
    if (longer == NULL) {
        return no_memory(error);
    }
    *list = longer;
    longer[(*count)++] = value;
    return ETW_OK;
}

static etw_status add_provider(etw_replay_arguments *arguments, const char *value, etw_error *error)
{
    etw_filter *filter = &arguments->replay.filter;
    etw_guid guid;
    if (!etw_guid_parse(value, &guid)) {
        return add_string(&arguments->provider_names, &filter->provider_name_count, value, error);
    }
    etw_guid *longer = grown(arguments->providers, filter->provider_count, sizeof guid);
    if (longer == NULL) {
        return no_memory(error);
    }
    arguments->providers = longer;
    longer[filter->provider_count++] = guid;
    return ETW_OK;
}

static etw_status add_id(etw_replay_arguments *arguments, uint64_t id, etw_error *error)
{
    uint32_t *count = &arguments->replay.filter.id_count;
    uint16_t *longer = grown(arguments->ids, *count, sizeof *longer);
    if (longer == NULL) {
        return no_memory(error);
    }
    arguments->ids = longer;
    longer[(*count)++] = (uint16_t)id;
    return ETW_OK;
}

static etw_status add_process(etw_replay_arguments *arguments, uint64_t id, etw_error *error)
{
    uint32_t *count = &arguments->replay.filter.process_id_count;
    uint32_t *longer = grown(arguments->process_ids, *count, sizeof *longer);
    if (longer == NULL) {
        return no_memory(error);
    }
    arguments->process_ids = longer;
    longer[(*count)++] = (uint32_t)id;
    return ETW_OK;
}

typedef etw_status (*add_function)(etw_replay_arguments *arguments, uint64_t id, etw_error *error);

static etw_status add_numbers(etw_replay_arguments *arguments, const char *option, const char *text,
                              uint64_t most, add_function add, etw_error *error)
{
    const char *at = text;
    for (;;) {
        uint64_t value;
        if (!take_number(&at, &value) || value > most || (*at != ',' && *at != '\0')) {
            char wanted[64];
            (void)snprintf(wanted, sizeof wanted, "numbers up to %llu with commas between",
                           (unsigned long long)most);
            return bad_value(error, option, text, wanted);
        }
        const etw_status status = add(arguments, value, error);
        if (status != ETW_OK || *at == '\0') {
            return status;
        }
        at++;
    }
}

static etw_status set_event_level(etw_replay_arguments *arguments, const char *text,
                                  etw_error *error)
{
    static const char *const names[] = {"critical", "error", "warning", "info", "verbose"};
    etw_filter *filter = &arguments->replay.filter;
    const char *at = text;
    uint64_t value;
    filter->has_level = true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            filter->max_level = (uint8_t)(i + 1);
            return ETW_OK;
        }
    }
    if (!take_number(&at, &value) || *at != '\0' || value > UINT8_MAX) {
        return bad_value(error, "level", text,
                         "0 to 255, critical, error, warning, info or verbose");
    }
    filter->max_level = (uint8_t)value;
    return ETW_OK;
}

static etw_status set_time(const char *option, const char *text, const char **kept,
                           etw_error *error)
{
    int64_t ignored;
    *kept = text;
    return etw_replay_time_parse(text, 0, &ignored)
               ? ETW_OK
               : bad_value(error, option, text,
                           "a time such as 2024-05-01T12:00:00.5Z, or +1.5s, +10m, +2h");
}

static etw_status set_speed(etw_replay_arguments *arguments, const char *text, etw_error *error)
{
    char *end;
    arguments->replay.speed = strtod(text, &end);
    return end != text && *end == '\0' && arguments->replay.speed > 0 &&
                   arguments->replay.speed <= 1e9
               ? ETW_OK
               : bad_value(error, "speed", text, "a number above 0");
}

static etw_status set_format(etw_replay_arguments *arguments, const char *text, etw_error *error)
{
    arguments->format = text;
    return etw_output_find(text) != NULL
               ? ETW_OK
               : bad_value(error, "format", text, "json, text, xml, csv or pcapng");
}

/* start + delta, or the end of time: no event is later. */
static int64_t later(int64_t start_100ns, double delta_100ns)
{
    int64_t sum = INT64_MAX;
    const bool fits = delta_100ns < 9e18 &&
                      !__builtin_add_overflow(start_100ns, (int64_t)(delta_100ns + 0.5), &sum);
    return fits ? sum : INT64_MAX;
}

bool etw_replay_time_parse(const char *text, int64_t start_100ns, int64_t *time_100ns)
{
    static const struct {
        const char *name;
        double factor_100ns;
    } units[] = {{"", 1e7}, {"s", 1e7}, {"ms", 1e4}, {"us", 10}, {"m", 60e7}, {"h", 3600e7}};
    if (!etw_replay_time_is_relative(text)) {
        return etw_time_parse(text, time_100ns);
    }
    char *end;
    const double value = text[1] >= '0' && text[1] <= '9' ? strtod(text + 1, &end) : -1;
    for (size_t i = 0; value >= 0 && value < 1e9 && i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].name) == 0) {
            *time_100ns = later(start_100ns, value * units[i].factor_100ns);
            return true;
        }
    }
    return false;
}

/* One option. */

static etw_status apply_number(int code, const char *value, etw_replay_arguments *arguments,
                               etw_error *error)
{
    uint64_t number = 0;
    etw_status status;
    switch (code) {
    case OPTION_HEAD:
        return set_number("head", value, 1, UINT64_MAX, &arguments->replay.head, error);
    case OPTION_THREADS:
        status = set_number("threads", value, 0, ETW_MAX_THREADS, &number, error);
        arguments->threads = (uint32_t)number;
        return status;
    case OPTION_COMPRESSION:
        status = set_number("level", value, 1, 19, &number, error);
        arguments->writer.level = (int)number;
        return status;
    default:
        status = set_number("count", value, 1, UINT32_MAX, &number, error);
        arguments->max_differences = (uint32_t)number;
        return status;
    }
}

static etw_status apply_valued(int code, const char *value, etw_replay_arguments *arguments,
                               etw_error *error)
{
    switch (code) {
    case OPTION_PROVIDER:
        return add_provider(arguments, value, error);
    case OPTION_ID:
        return add_numbers(arguments, "id", value, UINT16_MAX, add_id, error);
    case OPTION_PID:
        return add_numbers(arguments, "pid", value, UINT32_MAX, add_process, error);
    case OPTION_LEVEL:
        return set_event_level(arguments, value, error);
    case OPTION_SINCE:
        return set_time("since", value, &arguments->since, error);
    case OPTION_UNTIL:
        return set_time("until", value, &arguments->until, error);
    case OPTION_FORMAT:
        return set_format(arguments, value, error);
    case OPTION_SPEED:
        return set_speed(arguments, value, error);
    case OPTION_REDACT:
        return add_string(&arguments->redacted, &arguments->redacted_count, value, error);
    case 'm':
        return add_string(&arguments->manifests, &arguments->replay.manifest_path_count, value,
                          error);
    case 'o':
        arguments->output = value;
        return ETW_OK;
    default:
        return apply_number(code, value, arguments, error);
    }
}

static etw_status apply(int code, const char *value, etw_replay_arguments *arguments,
                        etw_error *error)
{
    switch (code) {
    case 'f':
        arguments->writer.replace = true;
        return ETW_OK;
    case 'q':
        arguments->quiet = true;
        return ETW_OK;
    case 'h':
        print_verb_help(arguments->verb);
        return ETW_END;
    case OPTION_VERSION:
        (void)puts("etw-replay " ETW_VERSION);
        return ETW_END;
    case OPTION_MESSAGE:
        arguments->rendering.message = true;
        return ETW_OK;
    case OPTION_EXACT:
        arguments->rendering.exact = true;
        return ETW_OK;
    case OPTION_TYPED:
        arguments->rendering.typed = true;
        return ETW_OK;
    case OPTION_RAW_TIME:
        arguments->rendering.raw_time = true;
        return ETW_OK;
    case OPTION_SCHEMA_HASH:
        arguments->rendering.schema_hash = true;
        return ETW_OK;
    case OPTION_JSON:
        arguments->json = true;
        return ETW_OK;
    case OPTION_PROCESSES:
        arguments->processes = true;
        return ETW_OK;
    case OPTION_DROP_STRINGS:
        arguments->drop_strings = true;
        return ETW_OK;
    default:
        return apply_valued(code, value, arguments, error);
    }
}

/* The whole line. */

static const etw_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

static void list_options(const etw_verb *verb, struct option *options, char *letters)
{
    size_t count = 0;
    size_t letter = 0;
    letters[letter++] = ':';
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if ((rows[i].group & (verb->takes | TAKES_ALWAYS)) == 0) {
            continue;
        }
        const bool takes_value = rows[i].value != NULL;
        options[count++] = (struct option){
            rows[i].name, takes_value ? required_argument : no_argument, NULL, rows[i].code};
        if (rows[i].code < 256) {
            letters[letter++] = (char)rows[i].code;
            letters[letter] = ':';
            letter += takes_value ? 1 : 0;
        }
    }
    options[count] = (struct option){NULL, 0, NULL, 0};
    letters[letter] = '\0';
}

static etw_status parse_options(int argc, char **argv, etw_replay_arguments *arguments,
                                etw_error *error)
{
    struct option options[ROW_COUNT + 1];
    char letters[2 * ROW_COUNT + 2];
    list_options(arguments->verb, options, letters);
    opterr = 0;
    optind = 0; /* start anew, and forget where the words of a parse before this one lay */
    for (;;) {
        const int code = getopt_long(argc, argv, letters, options, NULL);
        if (code == -1) {
            return ETW_OK;
        }
        if (code == '?' || code == ':') {
            return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                                 code == '?' ? "%s has no option '%s'" : "%s: '%s' needs a value",
                                 arguments->verb->name, argv[optind - 1]);
        }
        const etw_status status = apply(code, optarg, arguments, error);
        if (status != ETW_OK) {
            return status;
        }
    }
}

static etw_status check(const etw_replay_arguments *arguments, etw_error *error)
{
    const etw_verb *verb = arguments->verb;
    if (arguments->input_count < (uint32_t)verb->minimum_inputs) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "%s: no trace named: %s %s",
                             verb->name, verb->name, verb->usage);
    }
    if (arguments->input_count > (uint32_t)verb->maximum_inputs) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "%s: '%s' is one file too many",
                             verb->name, arguments->inputs[verb->maximum_inputs]);
    }
    if (verb->needs_output && arguments->output == NULL) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "%s: no output: name a file with -o, or - for stdout", verb->name);
    }
    return ETW_OK;
}

static void connect(etw_replay_arguments *arguments)
{
    etw_filter *filter = &arguments->replay.filter;
    filter->providers = arguments->providers;
    filter->provider_names = arguments->provider_names;
    filter->ids = arguments->ids;
    filter->process_ids = arguments->process_ids;
    arguments->replay.manifest_paths = arguments->manifests;
    arguments->writer.threads = arguments->threads;
}

etw_status etw_replay_arguments_parse(int argc, char **argv, etw_replay_arguments *arguments,
                                      etw_error *error)
{
    *arguments = (etw_replay_arguments){
        .max_differences = 10,
        .writer = {.application = "etw-replay " ETW_VERSION},
    };
    if (argc < 2) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "no trace named; etw-replay --help tells more");
    }
    arguments->verb = find_verb(argv[1]);
    if (arguments->verb != NULL) {
        argc--; /* getopt skips the first argument: now the verb instead of the program */
        argv++;
    } else if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return ETW_END;
    } else {
        arguments->verb = &verbs[0];
    }
    etw_status status = parse_options(argc, argv, arguments, error);
    if (status == ETW_OK) {
        arguments->inputs = (const char **)(uintptr_t)(argv + optind);
        arguments->input_count = (uint32_t)(argc - optind);
        connect(arguments);
        status = check(arguments, error);
    }
    if (status != ETW_OK) {
        etw_replay_arguments_free(arguments);
    }
    return status;
}

void etw_replay_arguments_free(etw_replay_arguments *arguments)
{
    free(arguments->providers);
    free(arguments->provider_names);
    free(arguments->ids);
    free(arguments->process_ids);
    free(arguments->manifests);
    free(arguments->redacted);
    *arguments = (etw_replay_arguments){0};
}
