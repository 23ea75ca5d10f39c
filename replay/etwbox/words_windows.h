/* A command line of etw-record, which etwbox's jobs are done by. */
#ifndef ETW_REPLAY_ETWBOX_WORDS_H
#define ETW_REPLAY_ETWBOX_WORDS_H

#include <stdbool.h>
#include <wchar.h>

#define ETWBOX_MAX_WORDS 1024

/* Zeroed memory has none. */
typedef struct etwbox_words {
    int count;
    bool failed;                   /* a word is missing: there was no memory or no room */
    char *words[ETWBOX_MAX_WORDS]; /* UTF-8; owned */
} etwbox_words;

void etwbox_words_add(etwbox_words *words, const wchar_t *word);
void etwbox_words_option(etwbox_words *words, const wchar_t *option, const wchar_t *value);
void etwbox_words_free(etwbox_words *words);

#endif
