#include "recorder/arguments.h"

#include "format/base/version.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help_text[] =
    "Usage: etw-record --input FILE.etl [--input FILE.etl]... -o OUT.etwcap\n"
    "Records Windows event traces into a compact file that stands alone.\n"
    "\n"
    "Input\n"
    "  -i, --input FILE      a .etl file, - for stdin; several are merged by time\n"
    "  -m, --manifest PATH   instrumentation manifest, or a folder of them (*.man, *.xml),\n"
    "                        for events that the trace itself does not explain\n"
    "Output\n"
    "  -o, --output FILE     the .etwcap file, - for stdout (required)\n"
    "  -f, --force           replace an existing file\n"
    "      --level N         zstd level, 1 to 19 (default 3)\n"
    "      --threads N       threads that compress, 0 to 64 (default 1); 0: none beside the main "
    "one\n"
    "      --sync WHEN       none, block or interval: what is safe on the disk (default none)\n"
    "Limits (0, the default: none)\n"
    "      --max-events N    end after so many events\n"
    "      --max-duration T  end after this time: 500ms, 30s, 5m, 2h, 1d\n"
    "      --max-total SIZE  end when all segments together have this size: 500k, 100M, 4G\n"
    "      --min-free SIZE   end when the target's disk has less space\n"
    "      --rotate-size SIZE, --rotate-time T\n"
    "                        begin a new segment, OUT-0001.etwcap, OUT-0002.etwcap, ...\n"
    "      --ring N          keep only the newest N segments\n"
    "Other\n"
    "  -q, --quiet           no summary, no progress\n"
    "  -h, --help            this text\n"
    "      --version         the version\n"
    "\n"
    "Exit status: 0 all well, 1 failed, 2 wrong usage, 3 recorded but something is missing.\n";

enum option_code {
    OPTION_LEVEL = 256,
    OPTION_THREADS,
    OPTION_SYNC,
    OPTION_MAX_EVENTS,
    OPTION_MAX_DURATION,
    OPTION_MAX_TOTAL,
    OPTION_MIN_FREE,
    OPTION_ROTATE_SIZE,
    OPTION_ROTATE_TIME,
    OPTION_RING,
    OPTION_VERSION
};

static const struct option options[] = {
    {"input", required_argument, NULL, 'i'},
    {"manifest", required_argument, NULL, 'm'},
    {"output", required_argument, NULL, 'o'},
    {"force", no_argument, NULL, 'f'},
    {"level", required_argument, NULL, OPTION_LEVEL},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"sync", required_argument, NULL, OPTION_SYNC},
    {"max-events", required_argument, NULL, OPTION_MAX_EVENTS},
    {"max-duration", required_argument, NULL, OPTION_MAX_DURATION},
    {"max-total", required_argument, NULL, OPTION_MAX_TOTAL},
    {"min-free", required_argument, NULL, OPTION_MIN_FREE},
    {"rotate-size", required_argument, NULL, OPTION_ROTATE_SIZE},
    {"rotate-time", required_argument, NULL, OPTION_ROTATE_TIME},
    {"ring", required_argument, NULL, OPTION_RING},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

/* The number at the start of text; *rest is what follows it. */
static bool take_number(const char *text, uint64_t *value, const char **rest)
{
    *value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        const uint64_t digit = (uint64_t)(*at - '0');
        if (*value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        *value = *value * 10 + digit;
    }
    *rest = at;
    return at != text;
}

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

static bool take_quantity(const char *text, const unit *units, size_t unit_count, uint64_t *value)
{
    const char *rest;
    if (!take_number(text, value, &rest)) {
        return false;
    }
    for (size_t i = 0; i < unit_count; i++) {
        if (strcmp(rest, units[i].name) == 0 && *value <= UINT64_MAX / units[i].factor) {
            *value *= units[i].factor;
            return true;
        }
    }
    return false;
}

bool etw_parse_size(const char *text, uint64_t *bytes)
{
    static const unit units[] = {{"", 1},         {"k", 1u << 10}, {"K", 1u << 10},
                                 {"M", 1u << 20}, {"G", 1u << 30}, {"T", (uint64_t)1 << 40}};
    return take_quantity(text, units, sizeof units / sizeof units[0], bytes);
}

bool etw_parse_duration(const char *text, uint64_t *milliseconds)
{
    static const unit units[] = {{"", 1000},   {"ms", 1},      {"s", 1000},
                                 {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    return take_quantity(text, units, sizeof units / sizeof units[0], milliseconds);
}

static etw_status bad_value(etw_error *error, const char *option, const char *value,
                            const char *wanted)
{
    return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "%s '%s': wanted %s", option, value,
                         wanted);
}

static etw_status set_number(const char *option, const char *text, uint64_t least, uint64_t most,
                             uint64_t *value, etw_error *error)
{
    const char *rest;
    if (take_number(text, value, &rest) && *rest == '\0' && *value >= least && *value <= most) {
        return ETW_OK;
    }
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "a number from %llu to %llu", (unsigned long long)least,
                   (unsigned long long)most);
    return bad_value(error, option, text, wanted);
}

static etw_status set_size(const char *option, const char *text, uint64_t *bytes, etw_error *error)
{
    return etw_parse_size(text, bytes)
               ? ETW_OK
               : bad_value(error, option, text, "a size such as 500k, 100M or 4G");
}

static etw_status set_duration(const char *option, const char *text, uint64_t *milliseconds,
                               etw_error *error)
{
    return etw_parse_duration(text, milliseconds)
               ? ETW_OK
               : bad_value(error, option, text, "a time such as 500ms, 30s, 5m, 2h or 1d");
}

static etw_status set_sync(const char *text, etw_sync *sync, etw_error *error)
{
    static const struct {
        const char *name;
        etw_sync sync;
    } rows[] = {
        {"none", ETW_SYNC_NONE}, {"block", ETW_SYNC_BLOCK}, {"interval", ETW_SYNC_INTERVAL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(text, rows[i].name) == 0) {
            *sync = rows[i].sync;
            return ETW_OK;
        }
    }
    return bad_value(error, "--sync", text, "none, block or interval");
}

static etw_status apply(int code, const char *value, etw_record_arguments *arguments,
                        etw_error *error)
{
    uint64_t number = 0;
    etw_status status = ETW_OK;
    switch (code) {
    case 'i':
        arguments->inputs[arguments->input_count++] = value;
        return ETW_OK;
    case 'm':
        arguments->manifests[arguments->manifest_count++] = value;
        return ETW_OK;
    case 'o':
        arguments->output = value;
        return ETW_OK;
    case 'f':
        arguments->writer.replace = true;
        return ETW_OK;
    case 'q':
        arguments->quiet = true;
        return ETW_OK;
    case OPTION_LEVEL:
        status = set_number("--level", value, 1, 19, &number, error);
        arguments->writer.level = (int)number;
        return status;
    case OPTION_THREADS:
        status = set_number("--threads", value, 0, 64, &number, error);
        arguments->writer.threads = (uint32_t)number;
        return status;
    case OPTION_SYNC:
        return set_sync(value, &arguments->writer.sync, error);
    case OPTION_MAX_EVENTS:
        return set_number("--max-events", value, 0, UINT64_MAX, &arguments->limits.max_events,
                          error);
    case OPTION_MAX_DURATION:
        return set_duration("--max-duration", value, &arguments->limits.max_duration_ms, error);
    case OPTION_MAX_TOTAL:
        return set_size("--max-total", value, &arguments->limits.max_total_bytes, error);
    case OPTION_MIN_FREE:
        return set_size("--min-free", value, &arguments->limits.min_free_bytes, error);
    case OPTION_ROTATE_SIZE:
        return set_size("--rotate-size", value, &arguments->limits.rotate_bytes, error);
    case OPTION_ROTATE_TIME:
        return set_duration("--rotate-time", value, &arguments->limits.rotate_ms, error);
    case OPTION_RING:
        status = set_number("--ring", value, 1, ETW_CAPTURE_MAX_SEGMENTS, &number, error);
        arguments->limits.ring_segments = (uint32_t)number;
        return status;
    default:
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "unknown option");
    }
}

static etw_status check(const etw_record_arguments *arguments, etw_error *error)
{
    if (arguments->input_count == 0) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "nothing to record: name a trace with --input");
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
    return ETW_OK;
}

static etw_status parse_options(int argc, char **argv, etw_record_arguments *arguments,
                                etw_error *error)
{
    opterr = 0;
    for (;;) {
        const int code = getopt_long(argc, argv, ":i:m:o:fqh", options, NULL);
        if (code == -1) {
            break;
        }
        if (code == 'h') {
            fputs(help_text, stdout);
            return ETW_END;
        }
        if (code == OPTION_VERSION) {
            puts("etw-record " ETW_VERSION);
            return ETW_END;
        }
        if (code == '?' || code == ':') {
            return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                                 code == '?' ? "unknown option '%s'" : "'%s' needs a value",
                                 argv[optind - 1]);
        }
        const etw_status status = apply(code, optarg, arguments, error);
        if (status != ETW_OK) {
            return status;
        }
    }
    if (optind < argc) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "'%s' stands alone: give a trace to record as --input %s",
                             argv[optind], argv[optind]);
    }
    return check(arguments, error);
}

etw_status etw_record_arguments_parse(int argc, char **argv, etw_record_arguments *arguments,
                                      etw_error *error)
{
    *arguments =
        (etw_record_arguments){.writer = {.threads = 1, .application = "etw-record " ETW_VERSION}};
    arguments->inputs = calloc((size_t)argc, sizeof *arguments->inputs);
    arguments->manifests = calloc((size_t)argc, sizeof *arguments->manifests);
    etw_status status = ETW_OK;
    if (arguments->inputs == NULL || arguments->manifests == NULL) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the arguments");
    } else {
        status = parse_options(argc, argv, arguments, error);
    }
    if (status != ETW_OK) {
        etw_record_arguments_free(arguments);
    }
    return status;
}

void etw_record_arguments_free(etw_record_arguments *arguments)
{
    free(arguments->inputs);
    free(arguments->manifests);
    *arguments = (etw_record_arguments){0};
}
