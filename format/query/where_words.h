/* The words of a filter's text, taken one after the other; what is wrong is shown with a caret
 * below its place. For where_parse.c only. */
#ifndef ETW_FORMAT_QUERY_WHERE_WORDS_H
#define ETW_FORMAT_QUERY_WHERE_WORDS_H

#include "format/base/arena.h"
#include "format/base/status.h"

typedef struct etw_where_words {
    const char *text; /* the whole */
    const char *at;   /* what is taken next */
    etw_arena *arena; /* has the texts that are taken */
    /* The value that is taken is a regular expression, which has its own escapes. */
    bool is_pattern;
    etw_error *error;
} etw_where_words;

/* INVALID_ARGUMENT: the message, the line of the text, and a caret below the place. */
etw_status etw_where_fail_at(const etw_where_words *words, const char *place, const char *format,
                             ...) ETW_PRINTF(3, 4);
etw_status etw_where_no_memory(const etw_where_words *words);

bool etw_where_is_space(char c);
/* Whether it may stand in the name of a field. */
bool etw_where_is_name_character(char c);
void etw_where_skip_spaces(etw_where_words *words);

/* Whether the word stands here, on its own; takes it then. Case is ignored. */
bool etw_where_take_word(etw_where_words *words, const char *word);

/* The text between quotes, with \\ \" \' \n \t \r \xHH; words->at is at the quote. */
etw_status etw_where_take_quoted(etw_where_words *words, const char **text, size_t *size);

#endif
