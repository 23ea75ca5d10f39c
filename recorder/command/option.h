/* What options of etw-record are made of: a row for each, in groups, and how values are taken. */
#ifndef ETW_RECORDER_OPTION_H
#define ETW_RECORDER_OPTION_H

#include "recorder/command/arguments.h"

#include <getopt.h>

#define ETW_COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* One option being applied. */
typedef struct etw_option_use {
    etw_record_arguments *arguments;
    const char *option; /* "--level", for messages */
    const char *value;  /* NULL where the option takes none */
    etw_error *error;
} etw_option_use;

typedef struct etw_option_row {
    const char *name;
    int short_name; /* 0: none */
    int has_value;  /* as getopt_long has it: no_argument, required_argument, optional_argument */
    etw_status (*apply)(const etw_option_use *use);
} etw_option_row;

typedef struct etw_option_group {
    const etw_option_row *rows;
    size_t count;
} etw_option_group;

/* Each in the file of its name. */
extern const etw_option_group etw_file_options;
extern const etw_option_group etw_limit_options;
extern const etw_option_group etw_provider_option_group;
extern const etw_option_group etw_session_option_group;
extern const etw_option_group etw_action_options;
extern const etw_option_group etw_profile_option;

/* Says which option, what it was given, and what was wanted. */
etw_status etw_option_bad_value(const etw_option_use *use, const char *wanted);

/* The value as what it should be, or etw_option_bad_value; both ends are included. */
etw_status etw_option_number(const etw_option_use *use, uint64_t least, uint64_t most,
                             uint64_t *value);
etw_status etw_option_u32(const etw_option_use *use, uint32_t least, uint32_t most,
                          uint32_t *value);
etw_status etw_option_size(const etw_option_use *use, uint64_t *bytes);
etw_status etw_option_duration(const etw_option_use *use, uint64_t *milliseconds);

typedef struct etw_option_word {
    const char *name;
    uint32_t value;
} etw_option_word;

/* What the word stands for, case ignored; false where it is none of them. */
bool etw_option_word_find(const etw_option_word *words, size_t count, const char *name,
                          uint32_t *value);

/* Calls take for each part of a list with commas between; parts are cut into a bounded buffer. */
etw_status etw_option_each_part(const etw_option_use *use, const char *list, void *context,
                                etw_status (*take)(const etw_option_use *use, const char *part,
                                                   void *context));

#endif
