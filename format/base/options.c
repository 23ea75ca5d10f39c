#include "format/base/options.h"

#include "format/base/option_completion.h"
#include "format/base/os.h"
#include "format/base/version.h"

#include <getopt.h>
#include <stdio.h>

/* getopt_long gives this for each row that has no letter, plus the row's number. */
#define FIRST_CODE 256
/* And this for a word that is no option, as the letters begin with '-'. */
#define CODE_WORD 1

const etw_option *etw_command_option_at(const etw_command *command, size_t index)
{
    for (size_t i = 0; i < command->section_count; i++) {
        if (index < command->sections[i]->count) {
            return &command->sections[i]->rows[index];
        }
        index -= command->sections[i]->count;
    }
    return NULL;
}

const etw_option *etw_command_option_find(const etw_command *command, const etw_verb_row *verb,
                                          const char *name)
{
    const etw_option *option;
    for (size_t i = 0; (option = etw_command_option_at(command, i)) != NULL; i++) {
        if ((verb == NULL || etw_verb_takes(verb, option)) && strcmp(option->name, name) == 0) {
            return option;
        }
    }
    return NULL;
}

/* The table as getopt_long wants it: of one verb, or of all where verb is NULL. */
typedef struct getopt_table {
    const etw_command *command;
    const etw_verb_row *verb;
    struct option names[ETW_MAX_OPTIONS + 1];
    char letters[2 * ETW_MAX_OPTIONS + 3];
} getopt_table;

static int code_of(const etw_option *option, size_t index)
{
    return option->letter != 0 ? (unsigned char)option->letter : FIRST_CODE + (int)index;
}

static void fill_table(getopt_table *table, const etw_command *command, const etw_verb_row *verb)
{
    const etw_option *option;
    size_t count = 0;
    size_t letter = 0;
    *table = (getopt_table){.command = command, .verb = verb};
    table->letters[letter++] = '-'; /* words stay where they stand, and are given in order */
    table->letters[letter++] = ':'; /* a missing value is not an unknown option */
    for (size_t i = 0;
         count < ETW_MAX_OPTIONS && (option = etw_command_option_at(command, i)) != NULL; i++) {
        if (verb != NULL && !etw_verb_takes(verb, option)) {
            continue;
        }
        const int kind = option->value == NULL       ? no_argument
                         : option->value_is_optional ? optional_argument
                                                     : required_argument;
        table->names[count++] = (struct option){option->name, kind, NULL, code_of(option, i)};
        if (option->letter != 0) {
            table->letters[letter++] = option->letter;
            table->letters[letter] = ':';
            letter += kind == required_argument ? 1 : 0;
        }
    }
    table->letters[letter] = '\0';
}

static const etw_option *option_of_code(const getopt_table *table, int code)
{
    const etw_option *option;
    for (size_t i = 0; (option = etw_command_option_at(table->command, i)) != NULL; i++) {
        if (code_of(option, i) == code && etw_verb_takes(table->verb, option)) {
            return option;
        }
    }
    return NULL;
}

static void restart_getopt(void)
{
    opterr = 0;
    optind = 0; /* start anew, and forget where the words of a parse before this one lay */
}

/* The verb. */

static bool find_verb(const etw_command *command, const char *name, size_t *verb)
{
    for (size_t i = 0; i < command->verb_count; i++) {
        if (etw_command_verb(command, i)->name != NULL &&
            strcmp(etw_command_verb(command, i)->name, name) == 0) {
            *verb = i;
            return true;
        }
    }
    return false;
}

static const char *verb_name_at(const void *context, size_t index)
{
    return etw_command_verb(context, index)->name;
}

static etw_status no_such_verb(const etw_command *command, const char *word, const char *nearest,
                               etw_error *error)
{
    return nearest == NULL
               ? etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                               "no verb '%s'; `%s --help` lists them", word, command->tool)
               : etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                               "no verb '%s'; did you mean '%s'?", word, nearest);
}

/* A first word that is no file, and nearly a verb. */
static etw_status check_first_word(const etw_command *command, const char *word, etw_error *error)
{
    const etw_os *os = etw_os_default();
    const char *nearest = word == NULL || strpbrk(word, "./\\:") != NULL
                              ? NULL
                              : etw_nearest_name(word, command->verb_count, verb_name_at, command);
    if (nearest == NULL || os->kind(os->context, word) != ETW_PATH_NOTHING) {
        return ETW_OK;
    }
    return no_such_verb(command, word, nearest, error);
}

/* `help VERB` is `VERB --help`. `completion SHELL` prints a script. */
typedef struct verb_search {
    bool wants_help, wants_completion;
    const char *shell;
    const char *first;       /* the first word */
    const char *behind_help; /* the word that follows `help` */
    const char *named;       /* the word that is the verb */
} verb_search;

static void look_at_word(const etw_command *command, verb_search *search, const char *word,
                         etw_command_words *words)
{
    if (search->first == NULL && strcmp(word, "help") == 0) {
        search->wants_help = true;
        search->first = word;
        search->named = word; /* it is not an input */
        return;
    }
    if (search->first == NULL && strcmp(word, "completion") == 0) {
        search->wants_completion = true;
        search->first = word;
        return;
    }
    if (search->wants_completion) {
        search->shell = search->shell == NULL ? word : search->shell;
        return;
    }
    if (search->wants_help && search->behind_help == NULL) {
        search->behind_help = word;
    }
    if (!words->verb_is_named && find_verb(command, word, &words->verb)) {
        words->verb_is_named = true;
        search->named = word;
    }
    if (search->first == NULL) {
        search->first = word;
    }
}

/* Options of every verb are known here, so that their values are not taken for verbs. */
static etw_status search_verb(const etw_command *command, int argc, char **argv,
                              verb_search *search, etw_command_words *words, etw_error *error)
{
    getopt_table table;
    fill_table(&table, command, NULL);
    restart_getopt();
    for (int code; (code = getopt_long(argc, argv, table.letters, table.names, NULL)) != -1;) {
        if (code == CODE_WORD) {
            look_at_word(command, search, optarg, words);
        }
    }
    if (search->wants_completion) {
        const etw_status status =
            etw_command_append_completion(command, search->shell, words->output, error);
        return status == ETW_OK ? ETW_END : status;
    }
    if (search->wants_help && search->behind_help != NULL && !words->verb_is_named) {
        return no_such_verb(
            command, search->behind_help,
            etw_nearest_name(search->behind_help, command->verb_count, verb_name_at, command),
            error);
    }
    return words->verb_is_named ? ETW_OK : check_first_word(command, search->first, error);
}

/* Options. */

static const char *option_name_at(const void *context, size_t index)
{
    const getopt_table *table = context;
    const etw_option *option = etw_command_option_at(table->command, index);
    return option != NULL && option->help != NULL && etw_verb_takes(table->verb, option)
               ? option->name
               : NULL;
}

static const char *name_of(const getopt_table *table)
{
    return table->verb->name == NULL ? table->command->tool : table->verb->name;
}

/* Of a tool without verbs the tool itself says where its options are listed. */
static etw_status no_such_option(const getopt_table *table, const char *dashes, const char *name,
                                 etw_error *error)
{
    const char *verb = table->verb->name;
    return verb == NULL ? etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                                        "%s has no option '%s%s'", name_of(table), dashes, name)
                        : etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                                        "%s has no option '%s%s'; `%s help %s` lists them", verb,
                                        dashes, name, table->command->tool, verb);
}

/* name as it was typed, without its dashes. */
static etw_status unknown_name(const getopt_table *table, const char *name, etw_error *error)
{
    etw_text near = {0};
    const size_t size = strlen(name);
    size_t similar = 0;
    const char *option = NULL;
    for (size_t i = 0; i < ETW_MAX_OPTIONS; i++) {
        option = option_name_at(table, i);
        if (option != NULL && size > 0 && strncmp(option, name, size) == 0) {
            etw_text_printf(&near, "%s--%s", similar++ == 0 ? "" : ", ", option);
        }
    }
    const char *nearest = etw_nearest_name(name, ETW_MAX_OPTIONS, option_name_at, table);
    const char *who = name_of(table);
    const etw_status status =
        similar > 1
            ? etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                            "'--%s' is short for more than one option: %s", name, etw_text_z(&near))
        : nearest != NULL
            ? etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                            "%s has no option '--%s'; did you mean '--%s'?", who, name, nearest)
            : no_such_option(table, "--", name, error);
    etw_text_free(&near);
    return status;
}

/* A command line being applied. */
typedef struct application {
    const getopt_table *table;
    char **argv;
    void *arguments;
    const char *verb; /* the word that is the verb, or `help`; NULL: none */
    etw_command_words *words;
    etw_error *error;
} application;

/* getopt_long leaves a wrong letter, or the code of an option with a wrong value, in optopt, and 0
 * for a name that it does not know: that one is in the word before optind. */
static etw_status wrong_option(const application *a)
{
    const getopt_table *table = a->table;
    const char *who = name_of(table);
    const etw_option *option = optopt == 0 ? NULL : option_of_code(table, optopt);
    if (option != NULL) {
        return etw_error_set(a->error, ETW_ERROR_INVALID_ARGUMENT, "%s: '--%s' %s", who,
                             option->name,
                             option->value == NULL ? "takes no value" : "needs a value");
    }
    if (optopt != 0) {
        const char letter[2] = {(char)optopt, '\0'};
        return no_such_option(table, "-", letter, a->error);
    }
    char name[64];
    const char *word = a->argv[optind - 1];
    word += strspn(word, "-");
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    return unknown_name(table, name, a->error);
}

static etw_status apply(const etw_option *option, const char *value, void *arguments,
                        etw_error *error)
{
    const etw_option_use use = {arguments, option, value, error};
    return option->apply != NULL ? option->apply(&use) : etw_option_store_value(&use);
}

static etw_status apply_option(const application *a, const etw_option *option)
{
    const getopt_table *table = a->table;
    switch (option->role) {
    case ETW_ROLE_HELP:
        etw_command_append_help(table->command, a->words->verb_is_named ? table->verb : NULL,
                                a->words->output);
        return ETW_END;
    case ETW_ROLE_VERSION:
        etw_text_printf(a->words->output, "%s " ETW_VERSION "\n", table->command->tool);
        return ETW_END;
    case ETW_ROLE_OWN:
        break;
    }
    return apply(option, optarg, a->arguments, a->error);
}

static etw_status apply_words(const application *a, int argc)
{
    etw_status status = ETW_OK;
    restart_getopt();
    while (status == ETW_OK) {
        const int code = getopt_long(argc, a->argv, a->table->letters, a->table->names, NULL);
        if (code == -1) {
            break;
        }
        if (code == CODE_WORD && optarg != a->verb) {
            a->words->words[a->words->count++] = optarg;
        } else if (code != CODE_WORD) {
            const etw_option *option = option_of_code(a->table, code);
            status = option == NULL ? wrong_option(a) : apply_option(a, option);
        }
    }
    for (int i = optind; status == ETW_OK && i < argc; i++) {
        a->words->words[a->words->count++] = a->argv[i];
    }
    return status;
}

etw_status etw_command_parse(const etw_command *command, int argc, char **argv, void *arguments,
                             etw_command_words *words, etw_error *error)
{
    verb_search search = {0};
    words->verb = 0;
    words->verb_is_named = false;
    words->count = 0;
    const etw_status status = search_verb(command, argc, argv, &search, words, error);
    if (status != ETW_OK) {
        return status;
    }
    const etw_verb_row *verb = etw_command_verb(command, words->verb);
    if (search.wants_help) {
        etw_command_append_help(command, words->verb_is_named ? verb : NULL, words->output);
        return ETW_END;
    }
    getopt_table table;
    fill_table(&table, command, verb);
    const application a = {&table, argv, arguments, search.named, words, error};
    return apply_words(&a, argc);
}

etw_status etw_command_apply(const etw_command *command, const char *name, const char *value,
                             void *arguments, etw_error *error)
{
    const getopt_table table = {.command = command, .verb = etw_command_verb(command, 0)};
    const etw_option *option = etw_command_option_find(command, table.verb, name);
    if (option == NULL) {
        return unknown_name(&table, name, error);
    }
    if (!option->value_is_optional && (option->value != NULL) != (value != NULL)) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "'%s' %s", name,
                             value == NULL ? "needs a value" : "takes no value");
    }
    return apply(option, value, arguments, error);
}
