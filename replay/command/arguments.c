#include "replay/command/arguments.h"

#include "format/base/version.h"
#include "format/query/where.h"
#include "replay/command/verbs.h"

#include <stdlib.h>

void *etw_arguments_grown(void *list, uint32_t count, size_t element_size, etw_error *error)
{
    const bool is_full = count == 0 || (count >= 8 && (count & (count - 1)) == 0);
    void *longer =
        is_full ? realloc(list, (count == 0 ? 8 : 2 * (size_t)count) * element_size) : list;
    if (longer == NULL) {
        (void)etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the arguments");
    }
    return longer;
}

etw_status etw_arguments_add_string(const char ***list, uint32_t *count, const char *value,
                                    etw_error *error)
{
    const char **longer = etw_arguments_grown(*list, *count, sizeof *longer, error);
    if (longer == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    *list = longer;
    longer[(*count)++] = value;
    return ETW_OK;
}

/* start + delta, or the end of time: no event is later. */
static int64_t later(int64_t start_100ns, double delta_100ns)
{
    int64_t sum = INT64_MAX;
    const bool fits = delta_100ns < 9e18 &&
                      !__builtin_add_overflow(start_100ns, (int64_t)(delta_100ns + 0.5), &sum);
    return fits ? sum : INT64_MAX;
}

/* A number and its unit, in 100 ns. */
static bool take_duration(const char *text, double *delta_100ns)
{
    static const struct {
        const char *name;
        double factor_100ns;
    } units[] = {{"", 1e7}, {"s", 1e7}, {"ms", 1e4}, {"us", 10}, {"m", 60e7}, {"h", 3600e7}};
    char *end;
    const double value = text[0] >= '0' && text[0] <= '9' ? strtod(text, &end) : -1;
    for (size_t i = 0; value >= 0 && value < 1e9 && i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].name) == 0) {
            *delta_100ns = value * units[i].factor_100ns;
            return true;
        }
    }
    return false;
}

bool etw_replay_time_parse(const char *text, int64_t start_100ns, int64_t *time_100ns)
{
    double delta_100ns;
    if (!etw_replay_time_is_relative(text)) {
        return etw_time_parse(text, time_100ns);
    }
    if (!take_duration(text + 1, &delta_100ns)) {
        return false;
    }
    *time_100ns = later(start_100ns, delta_100ns);
    return true;
}

bool etw_replay_duration_parse(const char *text, int64_t *time_100ns)
{
    double delta_100ns;
    if (!take_duration(text, &delta_100ns)) {
        return false;
    }
    *time_100ns = later(0, delta_100ns);
    return true;
}

bool etw_replay_around_parse(const char *text, int64_t start_100ns, int64_t *from_100ns,
                             int64_t *to_100ns)
{
    static const char *const signs[] = {"+-", "+/-", "\xC2\xB1"};
    char time[64];
    const char *found = NULL;
    int64_t around_100ns = 10000000;
    size_t sign_size = 0;
    for (size_t i = 0; found == NULL && i < sizeof signs / sizeof signs[0]; i++) {
        found = strstr(text, signs[i]);
        sign_size = strlen(signs[i]);
    }
    const size_t size = found == NULL ? strlen(text) : (size_t)(found - text);
    if (size >= sizeof time ||
        (found != NULL && !etw_replay_duration_parse(found + sign_size, &around_100ns))) {
        return false;
    }
    memcpy(time, text, size);
    time[size] = '\0';
    int64_t at_100ns;
    if (!etw_replay_time_parse(time, start_100ns, &at_100ns)) {
        return false;
    }
    *from_100ns = at_100ns < INT64_MIN + around_100ns ? INT64_MIN : at_100ns - around_100ns;
    *to_100ns = at_100ns > INT64_MAX - around_100ns ? INT64_MAX : at_100ns + around_100ns;
    return true;
}

static etw_status check(const etw_replay_arguments *arguments, etw_error *error)
{
    const etw_verb *verb = arguments->verb;
    const char *name = verb->row.name;
    if (arguments->input_count < verb->minimum_inputs) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             arguments->input_count == 0
                                 ? "%s: no trace given; usage: etw-replay %s %s"
                                 : "%s: too few traces; usage: etw-replay %s %s",
                             name, name, verb->row.usage);
    }
    if (arguments->input_count > verb->maximum_inputs) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "%s: unexpected argument '%s'; usage: etw-replay %s %s", name,
                             arguments->inputs[verb->maximum_inputs], name, verb->row.usage);
    }
    if (verb->needs_output && arguments->output == NULL) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "%s: no output: name a file with -o, or - for stdout", name);
    }
    return ETW_OK;
}

/* Several expressions and the short forms are one. */
static etw_status compile_where(etw_replay_arguments *arguments, etw_error *error)
{
    etw_text shorts = {0};
    uint32_t count = arguments->where_count;
    const char **texts = calloc(count + 1u, sizeof *texts);
    etw_short_forms_append(&arguments->shorts, &shorts);
    if (texts == NULL || shorts.failed) {
        free(texts);
        etw_text_free(&shorts);
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the arguments");
    }
    if (count > 0) {
        memcpy(texts, arguments->where, count * sizeof *texts);
    }
    if (shorts.size > 0) {
        texts[count++] = etw_text_z(&shorts);
    }
    const etw_status status =
        etw_where_compile_all(texts, count, &arguments->replay.filter.where, error);
    free(texts);
    etw_text_free(&shorts);
    return etw_failed(status) ? etw_error_wrap(error, status, "--where") : status;
}

/* What the filter's own lists cannot say, the expression does. */
static void drop_lists(etw_replay_arguments *arguments)
{
    etw_filter *filter = &arguments->replay.filter;
    const bool *is_needed = arguments->shorts.is_needed;
    if (is_needed[ETW_SHORT_PROVIDER]) {
        filter->provider_count = filter->provider_name_count = 0;
    }
    if (is_needed[ETW_SHORT_ID]) {
        filter->id_count = 0;
    }
    if (is_needed[ETW_SHORT_PID]) {
        filter->process_id_count = 0;
    }
}

static void connect(etw_replay_arguments *arguments)
{
    drop_lists(arguments);
    etw_filter *filter = &arguments->replay.filter;
    filter->providers = arguments->providers;
    filter->provider_names = arguments->provider_names;
    filter->ids = arguments->ids;
    filter->process_ids = arguments->process_ids;
    arguments->replay.manifest_paths = arguments->manifests;
    arguments->threads_said = arguments->threads != ETW_THREADS_NOT_SAID;
    if (!arguments->threads_said) {
        arguments->threads = etw_os_spare_processors();
    }
    arguments->writer.threads = arguments->threads;
    arguments->replay.threads = arguments->threads;
}

etw_status etw_replay_arguments_parse(int argc, char **argv, etw_replay_arguments *arguments,
                                      etw_text *output, etw_error *error)
{
    *arguments = (etw_replay_arguments){
        .compare = {.max_differences = 10},
        .reduce = {.max_runs = 1000},
        .threads = ETW_THREADS_NOT_SAID,
        .writer = {.format = ETW_FORMAT_2_0,
                   .sync = ETW_SYNC_INTERVAL, /* whole when it gets its name */
                   .caller_helps = true,
                   .application = "etw-replay " ETW_VERSION},
        .inputs = calloc((size_t)argc + 1, sizeof *arguments->inputs),
    };
    if (arguments->inputs == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the arguments");
    }
    etw_command_words words = {.words = arguments->inputs, .output = output};
    etw_status status =
        etw_command_parse(&etw_replay_command, argc, argv, arguments, &words, error);
    if (status == ETW_OK) {
        arguments->verb = etw_verb_at(words.verb);
        arguments->verb_is_named = words.verb_is_named;
        arguments->input_count = words.count;
        connect(arguments);
        status = check(arguments, error);
        status = status == ETW_OK ? compile_where(arguments, error) : status;
    }
    if (status != ETW_OK) {
        etw_replay_arguments_free(arguments);
    }
    return status;
}

void etw_replay_arguments_free(etw_replay_arguments *arguments)
{
    free(arguments->inputs);
    free(arguments->providers);
    free(arguments->provider_names);
    free(arguments->ids);
    free(arguments->process_ids);
    free(arguments->manifests);
    free(arguments->symbols);
    free(arguments->redacted);
    free(arguments->offsets);
    free(arguments->where);
    free(arguments->counters);
    free(arguments->columns);
    etw_arena_free(&arguments->texts);
    etw_short_forms_free(&arguments->shorts);
    free(arguments->compare.ignored);
    free(arguments->compare.normalized);
    free(arguments->compare.keys);
    free(arguments->stats.by);
    free(arguments->stats.wishes);
    etw_where_free(arguments->replay.filter.where);
    *arguments = (etw_replay_arguments){0};
}
