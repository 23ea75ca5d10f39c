/* A command line of etw-record, which etwbox's jobs are done by. */
#ifndef ETW_REPLAY_ETWBOX_WORDS_H
#define ETW_REPLAY_ETWBOX_WORDS_H

#include <wchar.h>

#define ETWBOX_MAX_WORDS 1024

/* Zeroed memory has none. */
typedef struct etwbox_words {
    int count;
    char *words[ETWBOX_MAX_WORDS]; /* UTF-8; owned */
} etwbox_words;

/* What does not fit is left out: etw-record then says what it misses. */
void etwbox_words_add(etwbox_words *words, const wchar_t *word);
void etwbox_words_option(etwbox_words *words, const wchar_t *option, const wchar_t *value);
void etwbox_words_free(etwbox_words *words);

#endif
