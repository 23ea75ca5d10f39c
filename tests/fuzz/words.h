/* A command line made of the lines of an input. */
#ifndef ETW_TESTS_FUZZ_WORDS_H
#define ETW_TESTS_FUZZ_WORDS_H

#include "tests/fuzz/fuzz.h"

#define FUZZ_MAX_WORDS 256

typedef struct fuzz_words {
    char *text;
    char *words[FUZZ_MAX_WORDS + 1];
    int count;
} fuzz_words;

/* Words that would read files of this machine or fill the screen. */
static inline bool fuzz_is_left_out(const char *word)
{
    return strncmp(word, "--prof", 6) == 0 || strncmp(word, "--h", 3) == 0 ||
           strncmp(word, "--vers", 6) == 0 || strcmp(word, "-h") == 0;
}

static inline void fuzz_words_init(fuzz_words *words, const char *program, const uint8_t *data,
                                   size_t size)
{
    memset(words, 0, sizeof *words);
    words->text = malloc(size + 1);
    FUZZ_CHECK(words->text != NULL);
    if (size > 0) {
        memcpy(words->text, data, size);
    }
    words->text[size] = '\0';
    words->words[words->count++] = (char *)(uintptr_t)program;
    for (char *at = words->text; words->count < FUZZ_MAX_WORDS && at < words->text + size;) {
        char *end = memchr(at, '\n', (size_t)(words->text + size - at));
        if (end != NULL) {
            *end = '\0';
        }
        if (!fuzz_is_left_out(at)) {
            words->words[words->count++] = at;
        }
        at = end == NULL ? words->text + size : end + 1;
    }
}

static inline void fuzz_words_free(fuzz_words *words)
{
    free(words->text);
}

#endif
