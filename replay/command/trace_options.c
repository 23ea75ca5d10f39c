/* Options about what is read and written, and about how much is said. */
#include "replay/command/offsets.h"
#include "replay/command/options.h"
#include "replay/command/split_names.h"

#define IN(field) ETW_OPTION_STORES(etw_replay_arguments, field)

static etw_status apply_redact(const etw_option_use *use)
{
    etw_replay_arguments *arguments = use->arguments;
    return etw_arguments_add_string(&arguments->redacted, &arguments->redacted_count, use->value,
                                    use->error);
}

static etw_status apply_schemas(const etw_option_use *use)
{
    etw_replay_arguments *arguments = use->arguments;
    return etw_arguments_add_string(&arguments->manifests, &arguments->replay.manifest_path_count,
                                    use->value, use->error);
}

static const etw_option_word splits[] = {
    {"process", ETW_SPLIT_BY_PROCESS}, {"provider", ETW_SPLIT_BY_PROVIDER}, {0}};

static const etw_option_word format_words[] = {
    {"1.0", ETW_FORMAT_1_0}, {"2.0", ETW_FORMAT_2_0}, {NULL, 0}};

static const etw_option rows[] = {
    {.name = "redact",
     .value = "PROPERTY",
     .help = "overwrite this property or struct, characters with x, other bytes with zero; "
             "repeatable",
     .group = ETW_TAKES_REDACTION,
     .apply = apply_redact},
    {.name = "drop-strings",
     .help = "overwrite all strings, binary values and SIDs",
     .group = ETW_TAKES_REDACTION,
     IN(drop_strings)},
    {.name = "keep-unexplained",
     .help = "with either: keep what no schema explains, which may hold anything; else it goes",
     .group = ETW_TAKES_REDACTION,
     IN(keep_unexplained)},
    {.name = "allow-missing",
     .help = "do not fail where --redact names a property that no event has",
     .group = ETW_TAKES_REDACTION,
     IN(allow_missing)},
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "where to write; - is stdout",
     .group = ETW_TAKES_OUTPUT,
     .hint = ETW_HINT_FILE,
     IN(output)},
    {.name = "force",
     .letter = 'f',
     .help = "replace an existing file",
     .group = ETW_TAKES_FORCE,
     IN(writer.replace)},
    {.name = "compression",
     .value = "N",
     .help = "zstd level, 1 to 19 (default 3)",
     .group = ETW_TAKES_WRITER,
     .least = 1,
     .most = 19,
     IN(writer.level)},
    {.name = "format",
     .value = "VERSION",
     .help = "2.0 (default): a small file is a third of the size, which programs of version 1.0 "
             "refuse; 1.0: every program reads it",
     .group = ETW_TAKES_WRITER,
     .words = format_words,
     IN(writer.format)},
    {.name = "level", /* the old spelling */
     .value = "N",
     .group = ETW_TAKES_LEVEL_ALIAS,
     .least = 1,
     .most = 19,
     IN(writer.level)},
    {.name = "schemas",
     .letter = 'm',
     .value = "PATH",
     .help = "where schemas come from for events that nothing else explains: a manifest, a file of "
             "Windows (exe, dll, sys), another trace, a schema pack, a TMF, PDB or MOF file, or a "
             "folder of such, searched through; repeatable",
     .group = ETW_TAKES_MANIFEST,
     .hint = ETW_HINT_FILE,
     .apply = apply_schemas},
    {.name = "manifest", /* the old spelling */
     .value = "PATH",
     .group = ETW_TAKES_MANIFEST,
     .hint = ETW_HINT_FILE,
     .apply = apply_schemas},
    {.name = "no-default-schemas",
     .help = "leave out what $ETWCAP_SCHEMAS names and the user's own folder of schemas",
     .group = ETW_TAKES_MANIFEST,
     IN(no_default_schemas)},
    {.name = "export",
     .value = "PACK.etwcap",
     .help = "write all schemas of what --schemas names, and of FILEs, into a schema pack",
     .group = ETW_TAKES_PACK,
     .hint = ETW_HINT_FILE,
     IN(export_path)},
    {.name = "coverage",
     .help = "count for each FILE the events that have a schema, and those that it shows to their "
             "last byte, by where the schemas came from",
     .group = ETW_TAKES_PACK,
     IN(covers)},
    {.name = "language",
     .value = "NAME",
     .help = "of messages in .mui files (default en-US)",
     .group = ETW_TAKES_MANIFEST,
     IN(replay.language)},
    {.name = "threads",
     .value = "N",
     .help =
         "additional threads, 0 to 16: they render, and decode what is read ahead for names and "
         "stacks, or compress where an .etwcap is written. By default all processors are used, "
         "at most 4, but for small traces. Each takes 16 to 35 MiB where it renders, 25 MiB "
         "where it compresses. The output is the same with any number",
     .group = ETW_TAKES_THREADS,
     .most = ETW_MAX_THREADS,
     IN(threads)},
    {.name = "member",
     .value = "NAME",
     .help = "of archives, read only the file with this name",
     IN(member)},
    {.name = "in-order",
     .help = "read several inputs one after the other instead of merging them by time",
     .group = ETW_TAKES_ORDER,
     IN(in_order)},
    {.name = "follow",
     .help = "at the end wait for what the file's recorder or session writes yet, until it ends or "
             "Ctrl+C",
     .group = ETW_TAKES_FOLLOW,
     IN(replay.follow)},
    {.name = "every",
     .value = "60s|100M|1M events",
     .help = "begin a new file after so much time, so many bytes of file, or so many events",
     .group = ETW_TAKES_SPLIT,
     .apply = etw_split_apply_every},
    {.name = "by",
     .value = "WHAT",
     .help = "a file for each process or provider",
     .group = ETW_TAKES_SPLIT,
     .words = splits,
     IN(by)},
    {.name = "offset",
     .value = "FILE=+TIME",
     .help =
         "add this to the times of an input whose host had a wrong clock: b.etl=+3s, b.etl=-1.5m; "
         "repeatable",
     .group = ETW_TAKES_OFFSET,
     .apply = etw_offset_apply},
    {.name = "json", .help = "print JSON", .group = ETW_TAKES_JSON, IN(json)},
    {.name = "all",
     .help = "list all providers and kinds of events, not the first 20",
     .group = ETW_TAKES_PROCESSES,
     IN(all)},
    {.name = "brief", .help = "one line of each file", .group = ETW_TAKES_PROCESSES, IN(brief)},
    {.name = "events",
     .help = "count each kind of event, which reads all of them",
     .group = ETW_TAKES_PROCESSES,
     IN(events)},
    {.name = "hash",
     .help = "with the SHA-1 of the trace's bytes",
     .group = ETW_TAKES_PROCESSES,
     IN(hash)},
    {.name = "processes",
     .help = "list the processes that ran where a live session was recorded",
     .group = ETW_TAKES_PROCESSES,
     IN(processes)},
    {.name = "tree",
     .help = "list each process below its parent",
     .group = ETW_TAKES_TREE,
     IN(tree)},
    {.name = "at",
     .value = "TIME",
     .help = "only what lived at this time: 2024-05-01T12:00:00Z, or +1.5s after the trace's start",
     .group = ETW_TAKES_AT,
     .apply = etw_option_check_time,
     IN(at)},
    {.name = "process",
     .value = "NAME",
     .help = "only images of processes with this name",
     .group = ETW_TAKES_PROCESS,
     IN(process)},
    {.name = "quiet", .letter = 'q', .help = "print only errors on stderr", IN(quiet)},
    ETW_OPTION_HELP,
    ETW_OPTION_VERSION,
};

const etw_option_section etw_trace_options = {"Options", rows, ETW_COUNT_OF(rows)};
