#include "format/base/option_completion.h"

/* Walking the table: verbs that have a name, and options that are listed. */

static const etw_verb_row *verb_at(const etw_command *command, size_t index)
{
    const bool is_there =
        index < command->verb_count && etw_command_verb(command, index)->name != NULL;
    return is_there ? etw_command_verb(command, index) : NULL;
}

/* Listed options that a verb takes (NULL: any); of two with one name the first. */
static bool is_listed(const etw_command *command, const etw_option *option,
                      const etw_verb_row *verb)
{
    if (option->help == NULL || (verb != NULL && !etw_verb_takes(verb, option))) {
        return false;
    }
    return verb != NULL || etw_command_option_find(command, NULL, option->name) == option;
}

/* What appends something for one option. */
typedef void (*append_option)(etw_text *text, const etw_option *option);

static void each_option(const etw_command *command, const etw_verb_row *verb, etw_text *text,
                        append_option append)
{
    const etw_option *option;
    for (size_t i = 0; (option = etw_command_option_at(command, i)) != NULL; i++) {
        if (is_listed(command, option, verb)) {
            append(text, option);
        }
    }
}

static void append_verbs(const etw_command *command, const char *between, etw_text *text)
{
    for (size_t i = 0; verb_at(command, i) != NULL; i++) {
        etw_text_printf(text, "%s%s", i == 0 ? "" : between, verb_at(command, i)->name);
    }
}

static void append_values(const etw_option *option, const char *between, etw_text *text)
{
    const char *word;
    for (size_t i = 0; (word = etw_option_word_at(option, i)) != NULL; i++) {
        etw_text_printf(text, "%s%s", i == 0 ? "" : between, word);
    }
}

static bool has_values(const etw_option *option)
{
    return etw_option_word_at(option, 0) != NULL;
}

/* The text without characters that would end a quoted word or a description of any of the shells.
 */
static void append_plain(const char *words, etw_text *text)
{
    for (; *words != '\0'; words++) {
        if (strchr("'\"`$\\[]:", *words) == NULL) {
            etw_text_append_char(text, *words);
        }
    }
}

/* "_etw_replay" of etw-replay. */
static void append_function_name(const etw_command *command, etw_text *text)
{
    etw_text_append_char(text, '_');
    for (const char *at = command->tool; *at != '\0'; at++) {
        etw_text_append_char(text, *at == '-' ? '_' : *at);
    }
}

/* bash. */

static void bash_name(etw_text *text, const etw_option *option)
{
    etw_text_printf(text, " --%s", option->name);
}

static void bash_value(etw_text *text, const etw_option *option)
{
    if (option->value == NULL || option->value_is_optional) {
        return;
    }
    etw_text_printf(text, "    --%s", option->name);
    if (option->letter != 0) {
        etw_text_printf(text, "|-%c", option->letter);
    }
    etw_text_append_z(text, ") ");
    if (has_values(option)) {
        etw_text_append_z(text, "COMPREPLY=($(compgen -W '");
        append_values(option, " ", text);
        etw_text_append_z(text, "' -- \"$cur\")); ");
    } else if (option->hint != ETW_HINT_NONE) {
        etw_text_printf(text, "COMPREPLY=($(compgen %s -- \"$cur\")); ",
                        option->hint == ETW_HINT_FOLDER ? "-d" : "-f");
    }
    etw_text_append_z(text, "return ;;\n");
}

static void bash_options(const etw_command *command, etw_text *text)
{
    for (size_t i = 0; verb_at(command, i) != NULL; i++) {
        etw_text_printf(text, "    %s) options='", verb_at(command, i)->name);
        each_option(command, verb_at(command, i), text, bash_name);
        etw_text_append_z(text, "' ;;\n");
    }
    etw_text_append_z(text, "    *) options='");
    each_option(command, etw_command_verb(command, 0), text, bash_name);
    etw_text_append_z(text, "' ;;\n");
}

static void append_bash(const etw_command *command, etw_text *text)
{
    const bool has_verbs = verb_at(command, 0) != NULL;
    append_function_name(command, text);
    etw_text_append_z(text, "()\n{\n    local cur=${COMP_WORDS[COMP_CWORD]} verb='' word options\n"
                            "    case ${COMP_WORDS[COMP_CWORD-1]} in\n");
    each_option(command, NULL, text, bash_value);
    etw_text_append_z(text, "    esac\n");
    if (has_verbs) {
        etw_text_append_z(text, "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                                "        case $word in ");
        append_verbs(command, "|", text);
        etw_text_append_z(text, ") verb=$word; break ;; esac\n    done\n");
    }
    etw_text_append_z(text, "    case $verb in\n");
    bash_options(command, text);
    etw_text_append_z(text, "    esac\n    if [[ $cur == -* ]]; then\n"
                            "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
                            "        return\n    fi\n"
                            "    COMPREPLY=($(compgen -f -- \"$cur\"))\n");
    if (has_verbs) {
        etw_text_append_z(text, "    [[ -n $verb ]] || COMPREPLY+=($(compgen -W '");
        append_verbs(command, " ", text);
        etw_text_append_z(text, "' -- \"$cur\"))\n");
    }
    etw_text_append_z(text, "}\ncomplete -o filenames -F ");
    append_function_name(command, text);
    etw_text_printf(text, " %s\n", command->tool);
}

/* zsh. */

static void zsh_spec(etw_text *text, const etw_option *option)
{
    const char *const forms[2] = {"--", option->letter != 0 ? "-" : NULL};
    for (size_t i = 0; i < 2 && forms[i] != NULL; i++) {
        etw_text_append_z(text, "        '*");
        if (i == 0) {
            etw_text_printf(text, "--%s", option->name);
        } else {
            etw_text_printf(text, "-%c", option->letter);
        }
        etw_text_append_z(text, "[");
        append_plain(option->help, text);
        etw_text_append_z(text, "]");
        if (option->value != NULL) {
            etw_text_append_z(text, option->value_is_optional ? "::" : ":");
            append_plain(option->value, text);
            etw_text_append_char(text, ':');
        }
        if (has_values(option)) {
            etw_text_append_char(text, '(');
            append_values(option, " ", text);
            etw_text_append_char(text, ')');
        } else if (option->hint != ETW_HINT_NONE) {
            etw_text_append_z(text, option->hint == ETW_HINT_FOLDER ? "_files -/" : "_files");
        }
        etw_text_append_z(text, "'\n");
    }
}

static void zsh_case(const etw_command *command, const etw_verb_row *verb, const char *pattern,
                     etw_text *text)
{
    etw_text_printf(text, "    %s) specs=(\n", pattern);
    each_option(command, verb, text, zsh_spec);
    etw_text_append_z(text, "    ) ;;\n");
}

static void append_zsh(const etw_command *command, etw_text *text)
{
    const bool has_verbs = verb_at(command, 0) != NULL;
    etw_text_printf(text, "#compdef %s\n", command->tool);
    append_function_name(command, text);
    etw_text_append_z(text, "()\n{\n    local verb='' word\n    local -a specs\n");
    if (has_verbs) {
        etw_text_append_z(text,
                          "    for word in ${words[2,CURRENT-1]}; do\n        case $word in ");
        append_verbs(command, "|", text);
        etw_text_append_z(text, ") verb=$word; break ;; esac\n    done\n");
    }
    etw_text_append_z(text, "    case $verb in\n");
    for (size_t i = 0; verb_at(command, i) != NULL; i++) {
        zsh_case(command, verb_at(command, i), verb_at(command, i)->name, text);
    }
    zsh_case(command, etw_command_verb(command, 0), "*", text);
    etw_text_append_z(text, "    esac\n");
    if (has_verbs) {
        etw_text_append_z(text, "    [[ -n $verb ]] || compadd -- ");
        append_verbs(command, " ", text);
        etw_text_append_char(text, '\n');
    }
    etw_text_append_z(text, "    _arguments -s $specs '*:file:_files'\n}\n");
    /* As the file _TOOL in $fpath it is run as the function of that name, at the first completion. */
    etw_text_printf(text, "if [[ ${funcstack[1]} == _%s ]]; then\n    ", command->tool);
    append_function_name(command, text);
    etw_text_append_z(text, " \"$@\"\nelse\n    compdef ");
    append_function_name(command, text);
    etw_text_printf(text, " %s\nfi\n", command->tool);
}

/* fish. */

static void fish_condition(const etw_command *command, const etw_option *option, etw_text *text)
{
    if (verb_at(command, 0) == NULL || option->group == 0) {
        return;
    }
    etw_text_append_z(text, " -n '__fish_seen_subcommand_from");
    for (size_t i = 0; verb_at(command, i) != NULL; i++) {
        if (etw_verb_takes(verb_at(command, i), option)) {
            etw_text_printf(text, " %s", verb_at(command, i)->name);
        }
    }
    if (etw_verb_takes(verb_at(command, 0), option)) {
        etw_text_append_z(text, "; or not __fish_seen_subcommand_from ");
        append_verbs(command, " ", text);
    }
    etw_text_append_char(text, '\'');
}

static void append_fish(const etw_command *command, etw_text *text)
{
    const etw_option *option;
    for (size_t i = 0; verb_at(command, i) != NULL; i++) {
        etw_text_printf(text, "complete -c %s -n 'not __fish_seen_subcommand_from ", command->tool);
        append_verbs(command, " ", text);
        etw_text_printf(text, "' -a %s -d '", verb_at(command, i)->name);
        append_plain(verb_at(command, i)->help, text);
        etw_text_append_z(text, "'\n");
    }
    for (size_t i = 0; (option = etw_command_option_at(command, i)) != NULL; i++) {
        if (option->help == NULL) {
            continue;
        }
        etw_text_printf(text, "complete -c %s -l %s", command->tool, option->name);
        if (option->letter != 0) {
            etw_text_printf(text, " -s %c", option->letter);
        }
        fish_condition(command, option, text);
        if (has_values(option)) {
            etw_text_append_z(text, " -x -a '");
            append_values(option, " ", text);
            etw_text_append_char(text, '\'');
        } else if (option->value != NULL && !option->value_is_optional) {
            etw_text_append_z(text, option->hint != ETW_HINT_NONE ? " -r -F" : " -x");
        }
        etw_text_append_z(text, " -d '");
        append_plain(option->help, text);
        etw_text_append_z(text, "'\n");
    }
}

/* PowerShell. */

static void powershell_values(etw_text *text, const etw_option *option)
{
    if (has_values(option)) {
        etw_text_printf(text, "        '--%s' = @('", option->name);
        append_values(option, "', '", text);
        etw_text_append_z(text, "')\n");
    }
}

static void powershell_options(const etw_command *command, const etw_verb_row *verb,
                               const char *name, etw_text *text)
{
    etw_text names = {0};
    each_option(command, verb, &names, bash_name);
    etw_text_printf(text, "        '%s' = -split '%s'\n", name, etw_text_z(&names));
    text->failed = text->failed || names.failed;
    etw_text_free(&names);
}

static void append_powershell(const etw_command *command, etw_text *text)
{
    etw_text_printf(
        text,
        "Register-ArgumentCompleter -Native -CommandName '%s', '%s.exe' -ScriptBlock {\n"
        "    param($word, $ast, $cursor)\n    $verbs = -split '",
        command->tool, command->tool);
    append_verbs(command, " ", text);
    etw_text_append_z(text, "'\n    $options = @{\n");
    for (size_t i = 0; verb_at(command, i) != NULL; i++) {
        powershell_options(command, verb_at(command, i), verb_at(command, i)->name, text);
    }
    powershell_options(command, etw_command_verb(command, 0), "", text);
    etw_text_append_z(text, "    }\n    $values = @{\n");
    each_option(command, NULL, text, powershell_values);
    etw_text_append_z(
        text,
        "    }\n"
        "    $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { \"$_\" })\n"
        "    $verb = \"$($words | Where-Object { $verbs -contains $_ } | Select-Object -First "
        "1)\"\n"
        "    $before = if ($word) { $words[-2] } else { $words[-1] }\n"
        "    $found = if ($before -and $values.ContainsKey($before)) { $values[$before] }\n"
        "    elseif ($word.StartsWith('-')) { $options[$verb] }\n"
        "    elseif (-not $verb) { $verbs }\n"
        "    $found | Where-Object { $_ -like \"$word*\" } | ForEach-Object {\n"
        "        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', "
        "$_)\n"
        "    }\n}\n");
}

/* The table of shells. */

static const struct {
    const char *name;
    void (*append)(const etw_command *command, etw_text *text);
} shells[] = {{"bash", append_bash},
              {"zsh", append_zsh},
              {"fish", append_fish},
              {"powershell", append_powershell}};

etw_status etw_command_append_completion(const etw_command *command, const char *shell,
                                         etw_text *text, etw_error *error)
{
    for (size_t i = 0; shell != NULL && i < ETW_COUNT_OF(shells); i++) {
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].append(command, text);
            return ETW_OK;
        }
    }
    return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                         "completion: expected bash, zsh, fish or powershell behind it");
}
