#include "replay/command/verbs.h"

#include "replay/command/options.h"

#define EVENTS                                                                                     \
    (ETW_TAKES_FILTER | ETW_TAKES_RENDERING | ETW_TAKES_EXPORT | ETW_TAKES_MANIFEST |              \
     ETW_TAKES_THREADS)
#define FILES  (ETW_TAKES_OUTPUT | ETW_TAKES_FORCE)
#define WRITES (FILES | ETW_TAKES_WRITER | ETW_TAKES_THREADS | ETW_TAKES_MANIFEST)

#define ANY_INPUTS 1024u

/* Each: the verb, what stands behind it, what it does, the options it takes; its function, its
 * least and most inputs, whether it must have an output. The first is the default verb. */
static const etw_verb verbs[] = {
    {{"cat", "FILE...", "print events (default verb)",
      EVENTS | FILES | ETW_TAKES_ORDER | ETW_TAKES_FOLLOW | ETW_TAKES_SPEED | ETW_TAKES_FAULTS},
     etw_verb_cat,
     1,
     ANY_INPUTS,
     false},
    {{"export", "FILE... -o OUT", "write events to a file, in the format its name says",
      EVENTS | FILES | ETW_TAKES_ORDER},
     etw_verb_cat,
     1,
     ANY_INPUTS,
     true},
    {{"report", "FILE -o OUT", "write a report: one HTML file that opens from disk",
      EVENTS | FILES},
     etw_verb_report,
     1,
     1,
     true},
    {{"info", "FILE...", "print where a trace comes from, what it holds and what is missing",
      ETW_TAKES_JSON | ETW_TAKES_PROCESSES},
     etw_verb_info,
     1,
     ANY_INPUTS,
     false},
    {{"ps", "FILE...", "list the processes that a trace tells of, with their events",
      ETW_TAKES_JSON | ETW_TAKES_TREE | ETW_TAKES_AT},
     etw_verb_ps,
     1,
     ANY_INPUTS,
     false},
    {{"images", "FILE...", "list the images that processes and the kernel had loaded",
      ETW_TAKES_JSON | ETW_TAKES_PROCESS | ETW_TAKES_AT},
     etw_verb_images,
     1,
     ANY_INPUTS,
     false},
    {{"stats", "FILE...", "count events by any field, measure values and durations",
      ETW_TAKES_FILTER | ETW_TAKES_STATS | ETW_TAKES_JSON | ETW_TAKES_MANIFEST | FILES},
     etw_verb_stats,
     1,
     ANY_INPUTS,
     false},
    {{"schemas", "FILE...", "print the schemas that explain the events, or pack them",
      ETW_TAKES_JSON | ETW_TAKES_MANIFEST | ETW_TAKES_PACK | ETW_TAKES_FORCE},
     etw_verb_schemas,
     0,
     ANY_INPUTS,
     false},
    {{"verify", "FILE...", "check every byte of an .etwcap file and report damage", ETW_TAKES_JSON},
     etw_verb_verify,
     1,
     ANY_INPUTS,
     false},
    {{"recover", "FILE -o OUT", "rebuild a complete file from a damaged or truncated one", FILES},
     etw_verb_recover,
     1,
     1,
     true},
    {{"cut", "FILE... -o OUT", "write selected events to a new file",
      ETW_TAKES_FILTER | ETW_TAKES_REDACTION | ETW_TAKES_ORDER | WRITES},
     etw_verb_cut,
     1,
     ANY_INPUTS,
     true},
    {{"split", "FILE... -o PATTERN", "write a trace as several files: by time, size, count, process or provider",
      ETW_TAKES_FILTER | ETW_TAKES_SPLIT | ETW_TAKES_ORDER | WRITES},
     etw_verb_split,
     1,
     ANY_INPUTS,
     true},
    {{"merge", "FILE... -o OUT", "merge traces into one file, ordered by time",
      WRITES | ETW_TAKES_OFFSET},
     etw_verb_merge,
     1,
     ANY_INPUTS,
     true},
    {{"repack", "FILE -o OUT", "write the same trace with different compression",
      WRITES | ETW_TAKES_LEVEL_ALIAS},
     etw_verb_repack,
     1,
     1,
     true},
    {{"diff", "FILE FILE", "compare two traces event by event; exit status 1 if they differ",
      ETW_TAKES_FILTER | ETW_TAKES_COMPARISON | ETW_TAKES_SCHEMAS_ALONE | ETW_TAKES_MANIFEST |
          ETW_TAKES_JSON},
     etw_verb_diff,
     2,
     2,
     false},
    {{"expect", "FILE EXPECTED.ndjson",
      "check that a trace gives the events that a file holds; exit status 1 if not",
      ETW_TAKES_FILTER | ETW_TAKES_COMPARISON | ETW_TAKES_MANIFEST | ETW_TAKES_EXPECTATION},
     etw_verb_expect,
     2,
     2,
     false},
    {{"reduce", "FILE --check COMMAND -o OUT", "write the smallest trace on which a command fails",
      ETW_TAKES_REDUCTION | ETW_TAKES_MANIFEST | FILES},
     etw_verb_reduce,
     1,
     1,
     true},
};

const etw_verb *etw_verb_at(size_t index)
{
    return &verbs[index];
}

static void append_formats(etw_text *text, const etw_verb_row *verb)
{
    size_t widest = 0;
    if ((verb->takes & ETW_TAKES_RENDERING) == 0) {
        return;
    }
    for (size_t i = 0; etw_output_at(i) != NULL; i++) {
        const size_t width = strlen(etw_output_at(i)->name);
        widest = width > widest ? width : widest;
    }
    etw_text_append_z(text, "\nFormats\n");
    for (size_t i = 0; etw_output_at(i) != NULL; i++) {
        etw_text_printf(text, "  %-*s  %s\n", (int)widest, etw_output_at(i)->name,
                        etw_output_at(i)->help);
    }
}

static const etw_option_section *const sections[] = {
    &etw_event_options,  &etw_selection_options, &etw_compare_options,       &etw_reduce_options,
    &etw_export_options, &etw_stats_options,     &etw_fault_options_section, &etw_trace_options};

const etw_command etw_replay_command = {
    .tool = "etw-replay",
    .synopsis =
        "Usage: etw-replay [VERB] FILE... [OPTION]...\n"
        "Replays Windows event traces: .etwcap and .etl files, also in .gz, .zst and .zip; -\n"
        "for stdin.\n",
    .verbs = &verbs[0].row,
    .verb_size = sizeof verbs[0],
    .verb_count = ETW_COUNT_OF(verbs),
    .sections = sections,
    .section_count = ETW_COUNT_OF(sections),
    .append_notes = append_formats,
    .notes = "\nExit status: 0 all well, 1 failed, 2 wrong usage, 3 finished but something is "
             "missing\n(lost events, damage, a truncated trace).\n",
};
