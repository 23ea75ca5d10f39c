#include "replay/etwbox/words_windows.h"

#include <stdlib.h>

#include <windows.h>

void etwbox_words_add(etwbox_words *words, const wchar_t *word)
{
    const int size = WideCharToMultiByte(CP_UTF8, 0, word, -1, NULL, 0, NULL, NULL);
    char *utf8 = size <= 0 || words->count == ETWBOX_MAX_WORDS ? NULL : malloc((size_t)size);
    if (utf8 != NULL) {
        (void)WideCharToMultiByte(CP_UTF8, 0, word, -1, utf8, size, NULL, NULL);
        words->words[words->count++] = utf8;
    } else {
        words->failed = true;
    }
}

void etwbox_words_option(etwbox_words *words, const wchar_t *option, const wchar_t *value)
{
    etwbox_words_add(words, option);
    etwbox_words_add(words, value);
}

void etwbox_words_free(etwbox_words *words)
{
    for (int i = 0; i < words->count; i++) {
        free(words->words[i]);
    }
    words->count = 0;
}
