#include "format/base/options.h"

#define HELP_COLUMN  28u /* where the descriptions begin */
#define LINE_COLUMNS 79u

/* Words from *at on, into a line that starts at column; further lines begin at indent. */
static void append_wrapped(etw_text *text, const char *words, size_t column, size_t indent)
{
    bool is_first = true;
    while (*words != '\0') {
        const size_t size = strcspn(words, " ");
        if (!is_first && column + 1 + size > LINE_COLUMNS) {
            etw_text_printf(text, "\n%*s", (int)indent, "");
            column = indent;
            is_first = true;
        }
        etw_text_append_z(text, is_first ? "" : " ");
        etw_text_append(text, words, size);
        column += size + (is_first ? 0 : 1);
        is_first = false;
        words += size;
        words += strspn(words, " ");
    }
    etw_text_append_char(text, '\n');
}

/* left, then help in its column; on a line of its own where left is too long for that. */
static void append_entry(etw_text *text, const char *left, const char *help)
{
    const size_t size = 2 + strlen(left);
    etw_text_printf(text, "  %s", left);
    if (size + 1 < HELP_COLUMN) {
        etw_text_printf(text, "%*s", (int)(HELP_COLUMN - size), "");
    } else {
        etw_text_printf(text, "\n%*s", (int)HELP_COLUMN, "");
    }
    append_wrapped(text, help, HELP_COLUMN, HELP_COLUMN);
}

static void append_option(etw_text *text, const etw_option *option)
{
    etw_text left = {0};
    if (option->letter != 0) {
        etw_text_printf(&left, "-%c, ", option->letter);
    } else {
        etw_text_append_z(&left, "    ");
    }
    etw_text_printf(&left, "--%s", option->name);
    if (option->value != NULL) {
        etw_text_printf(&left, option->value_is_optional ? "[=%s]" : " %s", option->value);
    }
    append_entry(text, etw_text_z(&left), option->help);
    etw_text_free(&left);
}

static void append_section(etw_text *text, const etw_option_section *section,
                           const etw_verb_row *verb)
{
    bool is_headed = false;
    for (size_t i = 0; i < section->count; i++) {
        const etw_option *option = &section->rows[i];
        if (option->help == NULL || !etw_verb_takes(verb, option)) {
            continue;
        }
        if (!is_headed) {
            etw_text_append_char(text, '\n');
            append_wrapped(text, section->heading, 0, 0);
            is_headed = true;
        }
        append_option(text, option);
    }
}

static void append_verbs(etw_text *text, const etw_command *command)
{
    etw_text_append_z(text, "\nVerbs\n");
    for (size_t i = 0; i < command->verb_count; i++) {
        etw_text left = {0};
        etw_text_printf(&left, "%s %s", etw_command_verb(command, i)->name,
                        etw_command_verb(command, i)->usage);
        append_entry(text, etw_text_z(&left), etw_command_verb(command, i)->help);
        etw_text_free(&left);
    }
    etw_text_printf(text,
                    "\n`%s help VERB` prints the options of a verb. Those of %s, the default:\n",
                    command->tool, etw_command_verb(command, 0)->name);
}

void etw_command_append_help(const etw_command *command, const etw_verb_row *verb, etw_text *text)
{
    const bool is_whole = verb == NULL || verb->name == NULL;
    if (!is_whole) {
        etw_text_printf(text, "Usage: %s %s %s [OPTION]...\n", command->tool, verb->name,
                        verb->usage);
        etw_text_printf(text, "%c%s.\n", verb->help[0] - 'a' + 'A', verb->help + 1);
    } else {
        etw_text_append_z(text, command->synopsis);
        verb = etw_command_verb(command, 0);
        if (verb->name != NULL) {
            append_verbs(text, command);
        }
    }
    for (size_t i = 0; i < command->section_count; i++) {
        append_section(text, command->sections[i], verb);
    }
    if (command->append_notes != NULL) {
        command->append_notes(text, verb);
    }
    if (is_whole) {
        etw_text_printf(text,
                        "\n`%s completion bash` prints a script that completes its words; also for "
                        "zsh, fish,\npowershell.\n",
                        command->tool);
    }
    etw_text_append_z(text, command->notes);
}
