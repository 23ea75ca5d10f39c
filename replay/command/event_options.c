/* Options that choose events, and those about how they are printed. */
#include "replay/command/options.h"

#include "format/base/quantities.h"

#include <stdlib.h>

#define IN(field) ETW_OPTION_STORES(etw_replay_arguments, field)

static etw_replay_arguments *arguments_of(const etw_option_use *use)
{
    return use->arguments;
}

/* Plain values go into the filter's lists; the short forms take all, and are needed where one is
 * not plain. */
static bool is_needed(const etw_option_use *use, etw_short_form form)
{
    return arguments_of(use)->shorts.is_needed[form];
}

static etw_status apply_provider(const etw_option_use *use)
{
    etw_replay_arguments *arguments = arguments_of(use);
    etw_filter *filter = &arguments->replay.filter;
    etw_guid guid;
    const etw_status status = etw_short_forms_take(&arguments->shorts, ETW_SHORT_PROVIDER, use);
    if (etw_failed(status) || is_needed(use, ETW_SHORT_PROVIDER)) {
        return status;
    }
    if (!etw_guid_parse(use->value, &guid)) {
        return etw_arguments_add_string(&arguments->provider_names, &filter->provider_name_count,
                                        use->value, use->error);
    }
    etw_guid *longer =
        etw_arguments_grown(arguments->providers, filter->provider_count, sizeof guid, use->error);
    if (longer == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    arguments->providers = longer;
    longer[filter->provider_count++] = guid;
    return ETW_OK;
}

static etw_status take_id(const etw_option_use *use, const char *part, void *context)
{
    etw_replay_arguments *arguments = context;
    uint32_t *count = &arguments->replay.filter.id_count;
    uint64_t id;
    if (!etw_parse_number(part, &id)) {
        return ETW_OK; /* the short form has it */
    }
    uint16_t *longer = etw_arguments_grown(arguments->ids, *count, sizeof *longer, use->error);
    if (longer == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    arguments->ids = longer;
    longer[(*count)++] = (uint16_t)id;
    return ETW_OK;
}

static etw_status apply_id(const etw_option_use *use)
{
    const etw_status status = etw_short_forms_take(&arguments_of(use)->shorts, ETW_SHORT_ID, use);
    return etw_failed(status) || is_needed(use, ETW_SHORT_ID)
               ? status
               : etw_option_each_part(use, use->value, use->arguments, take_id);
}

static etw_status take_process(const etw_option_use *use, const char *part, void *context)
{
    etw_replay_arguments *arguments = context;
    uint32_t *count = &arguments->replay.filter.process_id_count;
    uint64_t id;
    if (!etw_parse_number(part, &id)) {
        return ETW_OK; /* the short form has it */
    }
    uint32_t *longer =
        etw_arguments_grown(arguments->process_ids, *count, sizeof *longer, use->error);
    if (longer == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    arguments->process_ids = longer;
    longer[(*count)++] = (uint32_t)id;
    return ETW_OK;
}

static etw_status apply_pid(const etw_option_use *use)
{
    const etw_status status = etw_short_forms_take(&arguments_of(use)->shorts, ETW_SHORT_PID, use);
    return etw_failed(status) || is_needed(use, ETW_SHORT_PID)
               ? status
               : etw_option_each_part(use, use->value, use->arguments, take_process);
}

static const etw_option_word short_forms[] = {
    {"event", ETW_SHORT_EVENT},     {"tid", ETW_SHORT_TID},
    {"process", ETW_SHORT_PROCESS}, {"keyword", ETW_SHORT_KEYWORD},
    {"opcode", ETW_SHORT_OPCODE},   {"activity", ETW_SHORT_ACTIVITY},
    {"grep", ETW_SHORT_GREP},       {NULL, 0}};

static etw_status apply_short_form(const etw_option_use *use)
{
    uint32_t form = 0;
    (void)etw_option_word_find(short_forms, use->option->name, &form);
    return etw_short_forms_take(&arguments_of(use)->shorts, (etw_short_form)form, use);
}

static const etw_option_word levels[] = {{"critical", 1}, {"error", 2},   {"warning", 3},
                                         {"info", 4},     {"verbose", 5}, {NULL, 0}};

static etw_status apply_level(const etw_option_use *use)
{
    etw_filter *filter = &arguments_of(use)->replay.filter;
    uint32_t word = 0;
    uint64_t value = 0;
    filter->has_level = true;
    if (etw_option_word_find(levels, use->value, &word)) {
        filter->max_level = (uint8_t)word;
        return ETW_OK;
    }
    filter->max_level = (uint8_t)value;
    if (!etw_parse_number(use->value, &value) || value > UINT8_MAX) {
        return etw_option_bad_value(use, "0 to 255, critical, error, warning, info or verbose");
    }
    filter->max_level = (uint8_t)value;
    return ETW_OK;
}

static etw_status apply_where(const etw_option_use *use)
{
    etw_replay_arguments *arguments = arguments_of(use);
    return etw_arguments_add_string(&arguments->where, &arguments->where_count, use->value,
                                    use->error);
}

etw_status etw_option_check_time(const etw_option_use *use)
{
    int64_t ignored;
    const etw_status status = etw_option_store_value(use);
    return status != ETW_OK || etw_replay_time_parse(use->value, 0, &ignored)
               ? status
               : etw_option_bad_value(use,
                                      "a time such as 2024-05-01T12:00:00.5Z, or +1.5s, +10m, +2h");
}

static etw_status apply_speed(const etw_option_use *use)
{
    char *end;
    double *speed = &arguments_of(use)->replay.speed;
    *speed = strtod(use->value, &end);
    return end != use->value && *end == '\0' && *speed > 0 && *speed <= 1e9
               ? ETW_OK
               : etw_option_bad_value(use, "a number above 0");
}

static const char *format_at(size_t index)
{
    const etw_output_format *output = etw_output_at(index);
    return output == NULL ? NULL : output->name;
}

static const etw_option_word stack_forms[] = {{"none", ETW_STACK_NONE},
                                              {"addresses", ETW_STACK_ADDRESSES},
                                              {"modules", ETW_STACK_MODULES},
                                              {"names", ETW_STACK_NAMES},
                                              {NULL, 0}};

static etw_status add_column(const etw_option_use *use, const char *part, void *context)
{
    etw_replay_arguments *arguments = context;
    char *copy = etw_arena_copy(&arguments->texts, part, strlen(part));
    return copy == NULL
               ? etw_error_set(use->error, ETW_ERROR_NO_MEMORY, "no memory for the arguments")
               : etw_arguments_add_string(&arguments->columns, &arguments->rendering.column_count,
                                          copy, use->error);
}

static etw_status apply_columns(const etw_option_use *use)
{
    etw_replay_arguments *arguments = arguments_of(use);
    bool wants_processes;
    const etw_status status = etw_option_each_part(use, use->value, arguments, add_column);
    if (etw_failed(status)) {
        return status;
    }
    arguments->rendering.columns = arguments->columns;
    const etw_status checked =
        etw_output_check_columns(&arguments->rendering, &wants_processes, use->error);
    return etw_failed(checked) ? etw_error_wrap(use->error, checked, "--columns") : checked;
}

static etw_status apply_width(const etw_option_use *use)
{
    etw_replay_arguments *arguments = arguments_of(use);
    uint64_t width;
    const etw_status status = etw_option_number(use, 0, UINT32_MAX, &width);
    arguments->has_width = true;
    arguments->rendering.width = (uint32_t)width;
    return status;
}

static const etw_option_word time_forms[] = {
    {"utc", ETW_TIME_UTC}, {"local", ETW_TIME_LOCAL}, {"relative", ETW_TIME_RELATIVE}, {NULL, 0}};

static const etw_option_word when_words[] = {
    {"auto", ETW_WHEN_AUTO}, {"always", ETW_WHEN_ALWAYS}, {"never", ETW_WHEN_NEVER}, {NULL, 0}};

/* What was read is to be seen, unless --stacks, where it comes later, says otherwise. */
static etw_status apply_symbols(const etw_option_use *use)
{
    etw_replay_arguments *arguments = arguments_of(use);
    if (arguments->rendering.stacks == ETW_STACK_MODULES) {
        arguments->rendering.stacks = ETW_STACK_NAMES;
    }
    return etw_arguments_add_string(&arguments->symbols, &arguments->symbol_count, use->value,
                                    use->error);
}

static const etw_option rows[] = {
    {.name = "provider",
     .value = "NAME|GUID",
     .help =
         "only events of this provider, which may have * and ? in it; a ! before it leaves them "
         "out; repeatable, as those below",
     .group = ETW_TAKES_FILTER,
     .apply = apply_provider},
    {.name = "event",
     .value = "NAME",
     .help = "only events of this name; *, ? and ! as above",
     .group = ETW_TAKES_FILTER,
     .apply = apply_short_form},
    {.name = "id",
     .value = "N|N-M[,...]",
     .help = "only events with one of these ids: 1-5,9,!3",
     .group = ETW_TAKES_FILTER,
     .apply = apply_id},
    {.name = "level",
     .value = "N|NAME",
     .help =
         "only events of this level or more severe: critical, error, warning, info, verbose; those "
         "of level 0 pass, as in a session",
     .group = ETW_TAKES_FILTER,
     .words = levels,
     .apply = apply_level},
    {.name = "no-level-0",
     .help = "leave out events of level 0, which pass every --level",
     .group = ETW_TAKES_FILTER,
     IN(replay.filter.no_level_0)},
    {.name = "keyword",
     .value = "MASK|NAME[,...]",
     .help = "only events that have one of these keywords",
     .group = ETW_TAKES_FILTER,
     .apply = apply_short_form},
    {.name = "opcode",
     .value = "N|NAME[,...]",
     .help = "only events with one of these opcodes",
     .group = ETW_TAKES_FILTER,
     .apply = apply_short_form},
    {.name = "pid",
     .value = "N|N-M[,...]",
     .help = "only events of one of these processes",
     .group = ETW_TAKES_FILTER,
     .apply = apply_pid},
    {.name = "process",
     .value = "NAME",
     .help = "only events of processes of this name; *, ? and ! as above",
     .group = ETW_TAKES_FILTER,
     .apply = apply_short_form},
    {.name = "tid",
     .value = "N|N-M[,...]",
     .help = "only events of one of these threads",
     .group = ETW_TAKES_FILTER,
     .apply = apply_short_form},
    {.name = "activity",
     .value = "GUID[,...]",
     .help = "only events of one of these activities, or related to one",
     .group = ETW_TAKES_FILTER,
     .apply = apply_short_form},
    {.name = "where",
     .value = "EXPR",
     .help = "only events that pass, such as 'Id in (1, 5..9) and QueryName contains \"x\"'; "
             "several are joined by and",
     .group = ETW_TAKES_FILTER,
     .apply = apply_where},
    {.name = "grep",
     .value = "TEXT|/REGEX/",
     .help = "only events with this in any of their texts, or in bytes that no schema explains; "
             "case is ignored, in a /REGEX/ only with an i behind it",
     .group = ETW_TAKES_FILTER,
     .apply = apply_short_form},
    {.name = "since",
     .value = "TIME",
     .help = "only events from this time on: 2024-05-01T12:00:00Z, or +1.5s after the trace's "
             "start",
     .group = ETW_TAKES_FILTER,
     .apply = etw_option_check_time,
     IN(since)},
    {.name = "until",
     .value = "TIME",
     .help = "only events before this time",
     .group = ETW_TAKES_FILTER,
     .apply = etw_option_check_time,
     IN(until)},
    {.name = "head",
     .value = "N",
     .help = "only the first N of them",
     .group = ETW_TAKES_FILTER,
     .least = 1,
     IN(replay.head)},
    {.name = "format",
     .value = "NAME",
     .help = "output format, see below (default json, or as the name of the output ends)",
     .group = ETW_TAKES_RENDERING,
     .word_at = format_at,
     IN(format)},
    {.name = "message",
     .help = "add the event's message with its values filled in",
     .group = ETW_TAKES_RENDERING,
     IN(rendering.message)},
    {.name = "exact",
     .help = "keep texts exactly as Windows renders them, including the spaces and marks it adds",
     .group = ETW_TAKES_RENDERING,
     IN(rendering.exact)},
    {.name = "typed",
     .help = "write numbers and booleans as JSON numbers and booleans",
     .group = ETW_TAKES_RENDERING,
     IN(rendering.typed)},
    {.name = "typed-hex",
     .help = "with --typed, write hexadecimal integers and pointers as JSON numbers too",
     .group = ETW_TAKES_RENDERING,
     IN(rendering.hex_numbers)},
    {.name = "names",
     .help =
         "add LevelName, OpcodeName, TaskName, KeywordNames and ChannelName to JSON, where known",
     .group = ETW_TAKES_RENDERING,
     IN(rendering.names)},
    {.name = "columns",
     .value = "NAME[,...]",
     .help = "only these fields, as --where names them, in text, CSV and JSON; EventProperties and "
             "ExtendedInfo are whole",
     .group = ETW_TAKES_RENDERING,
     .apply = apply_columns},
    {.name = "time",
     .value = "FORM",
     .help = "times in text, CSV and JSON: utc (default), local, or relative, in seconds since the "
             "start of the trace",
     .group = ETW_TAKES_RENDERING,
     .words = time_forms,
     IN(rendering.time)},
    {.name = "color",
     .value = "WHEN",
     .help = "lines of text coloured by level: auto (default; on a terminal, unless $NO_COLOR is "
             "set), always, never",
     .group = ETW_TAKES_RENDERING | ETW_TAKES_COMPARISON,
     .words = when_words,
     IN(color)},
    {.name = "width",
     .value = "N",
     .help = "cut lines of text to N characters, 0: not (default: on a terminal, to its width)",
     .group = ETW_TAKES_RENDERING,
     .apply = apply_width},
    {.name = "no-pager",
     .help = "do not show what goes to a terminal by $PAGER (default less)",
     .group = ETW_TAKES_RENDERING,
     IN(no_pager)},
    {.name = "raw-time",
     .help = "write time stamps in ticks of the trace's clock",
     .group = ETW_TAKES_RENDERING,
     IN(rendering.raw_time)},
    {.name = "process-info",
     .help = "add what the trace tells of the event's process: parent, user, command line, ... "
             "(JSON)",
     .group = ETW_TAKES_RENDERING,
     IN(rendering.process_info)},
    {.name = "stacks",
     .value = "HOW",
     .help = "call stacks: none, addresses, modules (default), or names, with the methods of .NET",
     .group = ETW_TAKES_RENDERING,
     .words = stack_forms,
     IN(rendering.stacks)},
    {.name = "symbols",
     .value = "DIR",
     .help =
         "name native code in stacks by the Breakpad .sym and linker .map files in this folder; "
         "with it --stacks is names; repeatable",
     .group = ETW_TAKES_RENDERING,
     .hint = ETW_HINT_FILE,
     .apply = apply_symbols},
    {.name = "no-process-names",
     .help = "do not read the trace once more for the names of processes",
     .group = ETW_TAKES_RENDERING,
     IN(no_process_names)},
    {.name = "with-file",
     .help = "add the name of the file that each event was read from (json, text, csv, xml)",
     .group = ETW_TAKES_RENDERING,
     IN(rendering.file)},
    {.name = "schema-hash",
     .help = "add the hash of the schema that explains the event, as `schemas` lists it",
     .group = ETW_TAKES_RENDERING,
     IN(rendering.schema_hash)},
    {.name = "strings",
     .help =
         "add the strings found in data that no schema explains to JSON, as Strings; text always "
         "has them",
     .group = ETW_TAKES_RENDERING,
     IN(rendering.strings)},
    {.name = "speed",
     .value = "X",
     .help = "replay at the pace of the recording (1), or X times as fast",
     .group = ETW_TAKES_SPEED,
     .apply = apply_speed},
};

const etw_option_section etw_event_options = {"Events", rows, ETW_COUNT_OF(rows)};
