/* Options about the files that are read and the file that is written. */
#include "recorder/command/options.h"

static etw_status apply_input(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    arguments->inputs[arguments->input_count++] = use->value;
    return ETW_OK;
}

static etw_status apply_from_json(const etw_option_use *use)
{
    etw_record_arguments_of(use)->from_json = true;
    return apply_input(use);
}

static etw_status apply_schemas(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    arguments->manifests[arguments->manifest_count++] = use->value;
    return ETW_OK;
}

static etw_status apply_on_overload(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    uint32_t policy = ETW_OVERLOAD_WAIT;
    const etw_status status = etw_option_choose(use, &policy);
    arguments->writer.overload = (etw_overload)policy;
    arguments->overload_given = true;
    return status;
}

static etw_status apply_print(const etw_option_use *use)
{
    const etw_output_format *format = etw_output_find(use->value == NULL ? "json" : use->value);
    if (format == NULL || format->binary || format->collector != NULL) {
        return etw_option_bad_value(use, "a format of text, as of 'etw-replay --format'");
    }
    etw_record_arguments_of(use)->print = format;
    return ETW_OK;
}

static const etw_option_word sync_words[] = {
    {"none", ETW_SYNC_NONE}, {"block", ETW_SYNC_BLOCK}, {"interval", ETW_SYNC_INTERVAL}, {NULL, 0}};

static const etw_option_word format_words[] = {
    {"1.0", ETW_FORMAT_1_0}, {"2.0", ETW_FORMAT_2_0}, {NULL, 0}};

static const etw_option_word overload_words[] = {
    {"wait", ETW_OVERLOAD_WAIT}, {"drop", ETW_OVERLOAD_DROP}, {NULL, 0}};

static const etw_option input_rows[] = {
    {.name = "input",
     .letter = 'i',
     .value = "FILE",
     .help =
         "an .etl or .etwcap file, also within .gz, .zst or .zip; - for stdin; a pipe; a folder "
         "or pattern; several are merged by time",
     .hint = ETW_HINT_FILE,
     .apply = apply_input},
    {.name = "from-json",
     .value = "FILE",
     .help = "events as text, as 'etw-replay' prints them, and schemas, as 'etw-replay schemas "
             "--json' prints them; - for stdin",
     .hint = ETW_HINT_FILE,
     .apply = apply_from_json},
    {.name = "member",
     .value = "NAME",
     .help = "of an archive: only the trace with this name (default: all of them)",
     ETW_RECORD_STORES(member)},
    {.name = "schemas",
     .letter = 'm',
     .value = "PATH",
     .help = "where schemas come from for events that nothing else explains: a manifest, a file of "
             "Windows (exe, dll, sys), another trace, a schema pack, a TMF, PDB or MOF file, or a "
             "folder of such, searched through; repeatable",
     .hint = ETW_HINT_FILE,
     .apply = apply_schemas},
    {.name = "manifest", /* the old spelling */
     .value = "PATH",
     .hint = ETW_HINT_FILE,
     .apply = apply_schemas},
    {.name = "no-default-schemas",
     .help = "leave out what $ETWCAP_SCHEMAS names and the user's own folder of schemas",
     ETW_RECORD_STORES(no_default_schemas)},
    {.name = "language",
     .value = "NAME",
     .help = "of messages in .mui files (default en-US)",
     ETW_RECORD_STORES(language)},
};

const etw_option_section etw_input_options = {"Input from files", input_rows,
                                              ETW_COUNT_OF(input_rows)};

static const etw_option output_rows[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "the .etwcap file, - for stdout (required, but with --print). %h stands for the host, "
             "%Y %m %d %H %M %S for the start, in UTC, of the file or of each segment; %% for %",
     .hint = ETW_HINT_FILE,
     ETW_RECORD_STORES(output)},
    {.name = "print",
     .value = "FORMAT",
     .value_is_optional = true,
     .help = "live: print events to stdout as they come, as etw-replay does: json (default), text, "
             "xml, ...; with or without -o",
     .apply = apply_print},
    {.name = "force",
     .letter = 'f',
     .help = "replace an existing file",
     ETW_RECORD_STORES(writer.replace)},
    {.name = "compression",
     .value = "N",
     .help = "zstd level, 1 to 19 (default 3)",
     .least = 1,
     .most = 19,
     ETW_RECORD_STORES(writer.level)},
    {.name = "level", /* the old spelling */
     .value = "N",
     .least = 1,
     .most = 19,
     ETW_RECORD_STORES(writer.level)},
    {.name = "format",
     .value = "VERSION",
     .help = "2.0 (default): a small file made of files is a third of the size, which programs of "
             "version 1.0 refuse; 1.0: every program reads it",
     .words = format_words,
     ETW_RECORD_STORES(writer.format)},
    {.name = "threads",
     .value = "N",
     .help =
         "additional threads that compress, 0 to 16. Of files: by default all processors are "
         "used, at most 4; the main thread helps, and a small trace gets no thread. Live: "
         "default 1, which leaves the rest to the host. Each takes 25 MiB. The file is the same "
         "with any number",
     .most = ETW_WRITER_MAX_THREADS,
     ETW_RECORD_STORES(writer.threads)},
    {.name = "sync",
     .value = "WHEN",
     .help = "none, block or interval: when data must be on the disk (default none)",
     .words = sync_words,
     ETW_RECORD_STORES(writer.sync)},
    {.name = "interval",
     .value = "T",
     .help = "live: write what has arrived at least this often (default 1s; 500ms to stdout)",
     .unit = ETW_UNIT_MS,
     .least = 1,
     .most = 86400000,
     ETW_RECORD_STORES(writer.interval_ms)},
    {.name = "on-overload",
     .value = "POLICY",
     .help = "live: drop (default) or wait when events arrive faster than they can be written; "
             "dropped events are counted in the file",
     .words = overload_words,
     .apply = apply_on_overload},
};

const etw_option_section etw_output_options_section = {"Output", output_rows,
                                                       ETW_COUNT_OF(output_rows)};
