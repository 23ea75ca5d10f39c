#include "replay/command/advice.h"

#include "format/base/names.h"
#include "format/etwcap/pack_reader.h"
#include "format/output/output.h"
#include "replay/command/tool.h"

static const etw_os *os_of(const etw_replay_arguments *arguments)
{
    return arguments->replay.os != NULL ? arguments->replay.os : etw_os_default();
}

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

/* A word that stands where a FILE was expected, and names none. */
static bool say_of_word(const etw_replay_arguments *arguments, const char *word, bool is_first)
{
    if (word[0] == '-') {
        etw_tool_say("behind -- there are only FILEs: options stand before it");
    } else if (etw_output_find(word) != NULL) {
        etw_tool_say("a format is chosen by --format %s%s", word,
                     arguments->writer.replace ? "; -f is --force" : "");
    } else if (strpbrk(word, "=<>~ ") != NULL) {
        etw_tool_say("a filter is given by --where '%s'", word);
    } else if (!is_first && etw_output_for_file(word) != NULL) {
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
    const etw_os *os = os_of(arguments);
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
        store != NULL && etw_pack_open(os_of(arguments), input, store, &donor, NULL) == ETW_OK;
    if (is_pack) {
        donor->free(donor);
        etw_tool_say("%s is a schema pack, without events: --schemas takes it, 'schemas' lists it",
                     input);
    }
    etw_schema_store_free(store);
    return is_pack;
}
