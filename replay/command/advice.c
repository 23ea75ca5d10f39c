#include "replay/command/advice.h"

#include "format/base/names.h"
#include "format/etwcap/pack_reader.h"
#include "format/output/output.h"
#include "replay/command/options.h"
#include "replay/command/tool.h"

/* A file that gives schemas, and never events. */
static bool gives_schemas(const char *path)
{
    static const char *const endings[] = {".man", ".mc",  ".tmf", ".mof", ".pdb",
                                          ".exe", ".dll", ".sys", ".mui"};
    for (size_t i = 0; i < ETW_COUNT_OF(endings); i++) {
        if (etw_name_ends_with(path, endings[i])) {
            return true;
        }
    }
    return false;
}

/* Paths have such characters, too: those with a folder, or the ending of a trace, are none. */
static bool is_filter(const char *word)
{
    return strpbrk(word, "=<>~") != NULL && strpbrk(word, "/\\") == NULL &&
           !etw_name_ends_with(word, ".etl") && !etw_name_ends_with(word, ".etwcap");
}

/* A word that stands where a FILE was expected, and names none. */
static bool say_of_word(const etw_replay_arguments *arguments, const char *word, bool is_first)
{
    const bool has_output = (arguments->verb->row.takes & ETW_TAKES_OUTPUT) != 0;
    if (word[0] == '-') {
        etw_tool_say("behind -- there are only FILEs: options stand before it");
    } else if (etw_output_find(word) != NULL) {
        etw_tool_say("a format is chosen by --format %s%s", word,
                     arguments->writer.replace ? "; -f is --force" : "");
    } else if (is_filter(word)) {
        etw_tool_say("a filter is given by --where '%s'", word);
    } else if (!is_first && has_output && etw_output_for_file(word) != NULL) {
        etw_tool_say("an output is given by -o %s", word);
    } else if (is_first && !arguments->verb_is_named && strpbrk(word, "./\\:") == NULL) {
        etw_tool_say("there is no verb '%s' either: 'etw-replay --help' lists them", word);
    } else {
        return false;
    }
    return true;
}

void etw_tool_say_advice(const etw_replay_arguments *arguments)
{
    const etw_os *os = etw_os_default();
    bool is_said = false;
    for (uint32_t i = 0; i < arguments->input_count && !is_said; i++) {
        const char *input = arguments->inputs[i];
        const int kind = strcmp(input, "-") == 0 ? ETW_PATH_OTHER : os->kind(os->context, input);
        if (kind == ETW_PATH_NOTHING) {
            is_said = say_of_word(arguments, input, i == 0);
        } else if (kind == ETW_PATH_FILE && gives_schemas(input)) {
            etw_tool_say("schemas are given by --schemas %s, beside a trace", input);
            is_said = true;
        }
    }
}

bool etw_tool_say_pack(const etw_replay_arguments *arguments)
{
    const char *input = arguments->input_count == 1 ? arguments->inputs[0] : "-";
    etw_schema_store *store = strcmp(input, "-") == 0 ? NULL : etw_schema_store_new();
    etw_donor *donor = NULL;
    const bool is_pack =
        store != NULL && etw_pack_open(etw_os_default(), input, store, &donor, NULL) == ETW_OK;
    if (is_pack) {
        donor->free(donor);
        etw_tool_say("%s is a schema pack, without events: --schemas takes it, 'schemas' lists it",
                     input);
    }
    etw_schema_store_free(store);
    return is_pack;
}
