/* The options and verbs of a command line, as one table that everything is made from: what is
 * parsed (getopt_long), what --help and `help VERB` print, what is suggested for a wrong word, and
 * what a shell could complete.
 *
 * A new option is a row. Where its value goes into a field as it is, ETW_OPTION_STORES is all of
 * its handling; else the row names a function that takes the value. A new verb is a row, too. */
#ifndef ETW_FORMAT_BASE_OPTIONS_H
#define ETW_FORMAT_BASE_OPTIONS_H

#include "format/base/text.h"

#define ETW_COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* Options and verbs of one tool, at most; a unit test looks at both tools. */
#define ETW_MAX_OPTIONS 256u
#define ETW_MAX_VERBS   64u

/* In a number of threads before the words are read: the tool chooses, by the processors. */
#define ETW_THREADS_NOT_SAID UINT32_MAX

typedef struct etw_option etw_option;

/* One option being applied. */
typedef struct etw_option_use {
    void *arguments; /* the tool's own structure */
    const etw_option *option;
    const char *value; /* NULL where none is given */
    etw_error *error;
} etw_option_use;

typedef etw_status (*etw_option_function)(const etw_option_use *use);

/* A word that an option takes as its value, and what it stands for. */
typedef struct etw_option_word {
    const char *name; /* NULL behind the last */
    uint32_t value;
} etw_option_word;

/* How ETW_OPTION_STORES puts the value into its field. */
typedef enum etw_option_store {
    ETW_STORE_NOTHING = 0,
    ETW_STORE_FLAG, /* bool: true */
    ETW_STORE_TEXT, /* the value itself */
    ETW_STORE_INT,  /* within least and most; a word's value where the row has words */
    ETW_STORE_U32,
    ETW_STORE_U64
} etw_option_store;

/* How a number is written on the command line. */
typedef enum etw_option_unit {
    ETW_UNIT_NONE = 0, /* decimal, or hexadecimal after 0x */
    ETW_UNIT_BYTES,    /* 500k, 100M, 4G */
    ETW_UNIT_MS        /* 500ms, 30s, 5m, 2h, 1d */
} etw_option_unit;

/* What a shell completes a value with, where the row has no words. */
typedef enum etw_option_hint {
    ETW_HINT_NONE = 0,
    ETW_HINT_FILE, /* or folder */
    ETW_HINT_FOLDER
} etw_option_hint;

/* What rows do that every tool has. */
typedef enum etw_option_role { ETW_ROLE_OWN = 0, ETW_ROLE_HELP, ETW_ROLE_VERSION } etw_option_role;

struct etw_option {
    const char *name;  /* without the dashes */
    const char *value; /* what it takes, for the help: "FILE"; NULL: nothing */
    const char *help;  /* NULL: works, but is not listed (an old spelling) */
    uint64_t group;    /* one bit: verbs that have it in `takes` take the option; 0: all do */
    char letter;       /* the short form, or 0 */
    bool value_is_optional;
    etw_option_role role;
    etw_option_hint hint;
    const etw_option_word *words;         /* the values that are words, if any */
    const char *(*word_at)(size_t index); /* instead of words, where another table lists them; NULL
                                             behind the last */
    etw_option_function apply;            /* NULL: as store says */
    etw_option_store store;
    etw_option_unit unit;
    size_t offset; /* of the field, in the tool's arguments */
    uint64_t least;
    uint64_t most; /* 0: as much as the field holds */
};

/* In a row: the value goes into this field of the tool's arguments. */
#define ETW_OPTION_STORES(type, field)                                                             \
    .store = _Generic(((type *)0)->field,                                                          \
        bool: ETW_STORE_FLAG,                                                                      \
        const char *: ETW_STORE_TEXT,                                                              \
        int: ETW_STORE_INT,                                                                        \
        uint32_t: ETW_STORE_U32,                                                                   \
        uint64_t: ETW_STORE_U64),                                                                  \
    .offset = offsetof(type, field)

/* The rows every tool has, at the end of its last section. */
#define ETW_OPTION_HELP                                                                            \
    {                                                                                              \
        .name = "help", .letter = 'h', .help = "print this text", .role = ETW_ROLE_HELP            \
    }
#define ETW_OPTION_VERSION                                                                         \
    {                                                                                              \
        .name = "version", .help = "print the version", .role = ETW_ROLE_VERSION                   \
    }

/* Options that stand together in the help. */
typedef struct etw_option_section {
    const char *heading; /* without the colon */
    const etw_option *rows;
    size_t count;
} etw_option_section;

typedef struct etw_verb_row {
    const char *name;
    const char *usage; /* what stands behind the verb: "FILE -o OUT" */
    const char *help;  /* one line, from a small letter on, without a full stop */
    uint64_t takes;    /* groups of options */
} etw_verb_row;

/* A tool. Without verbs (verb_count 1, a name of NULL), every option belongs to it. */
typedef struct etw_command {
    const char *tool;          /* "etw-replay" */
    const char *synopsis;      /* the lines below "Usage: ", and what the tool does */
    const etw_verb_row *verbs; /* the first is the default one; see etw_command_verb */
    size_t verb_size;          /* of the tool's own structures, which begin with a row each */
    size_t verb_count;
    const etw_option_section *const *sections;
    size_t section_count;
    const char *notes; /* at the end of the help: limits, exit statuses */
    /* Appends what only the help of this verb has; may be NULL. */
    void (*append_notes)(etw_text *text, const etw_verb_row *verb);
} etw_command;

static inline const etw_verb_row *etw_command_verb(const etw_command *command, size_t index)
{
    return (const void *)((const char *)command->verbs + index * command->verb_size);
}

/* What is left of a command line when its options have been applied. */
typedef struct etw_command_words {
    size_t verb; /* which, in etw_command.verbs */
    bool verb_is_named;
    const char **words; /* the caller's array, with room for argc of them */
    uint32_t count;
    etw_text *output; /* the caller's: where --help and --version go */
} etw_command_words;

/* Parses argv[1] and on. The first word that names a verb is the verb, wherever it stands; words
 * behind -- are never verbs. Each option is applied to arguments in order. Without a verb the first
 * one is taken.
 *
 * ETW_END: --help, --version or `help` was asked for; words->output has what to print.
 * ETW_ERROR_INVALID_ARGUMENT: wrong usage; the message names the word that is wrong and the nearest
 * right one. Uses getopt_long, and so its global variables: one call at a time. */
etw_status etw_command_parse(const etw_command *command, int argc, char **argv, void *arguments,
                             etw_command_words *words, etw_error *error);

/* Applies one option that stands elsewhere than on the command line, a line of a file. value: NULL
 * where none is given. */
etw_status etw_command_apply(const etw_command *command, const char *name, const char *value,
                             void *arguments, etw_error *error);

/* Row number index of all sections; NULL past the last. */
const etw_option *etw_command_option_at(const etw_command *command, size_t index);

/* By its whole name, of those that the verb takes (NULL: any); NULL where there is none. */
const etw_option *etw_command_option_find(const etw_command *command, const etw_verb_row *verb,
                                          const char *name);

static inline bool etw_verb_takes(const etw_verb_row *verb, const etw_option *option)
{
    return option->group == 0 || (option->group & verb->takes) != 0;
}

/* Help: of the whole tool where verb is NULL. */
void etw_command_append_help(const etw_command *command, const etw_verb_row *verb, etw_text *text);

/* The name among count that is nearest to word by edit distance, if it is near enough to be what
 * was meant: at most one change for every three characters. NULL where none is. name_at gives a
 * candidate, NULL one that is to be passed over. */
const char *etw_nearest_name(const char *word, size_t count,
                             const char *(*name_at)(const void *context, size_t index),
                             const void *context);

/* Taking values. Each gives ETW_OK or an error that says which option, its value, and what was
 * expected. */
etw_status etw_option_bad_value(const etw_option_use *use, const char *expected);
/* Both ends are included. */
etw_status etw_option_number(const etw_option_use *use, uint64_t least, uint64_t most,
                             uint64_t *value);
/* A word of the row, case ignored. */
etw_status etw_option_choose(const etw_option_use *use, uint32_t *value);
bool etw_option_word_find(const etw_option_word *words, const char *name, uint32_t *value);
/* A word that the row takes; NULL past the last. */
const char *etw_option_word_at(const etw_option *option, size_t index);
/* As the row's store, unit and bounds say: what ETW_OPTION_STORES does. */
etw_status etw_option_store_value(const etw_option_use *use);

/* Calls take for each part of a list with commas between; parts are cut into a bounded buffer. */
etw_status etw_option_each_part(const etw_option_use *use, const char *list, void *context,
                                etw_status (*take)(const etw_option_use *use, const char *part,
                                                   void *context));

#endif
