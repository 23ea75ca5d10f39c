/* The texts of a block while it is written: distinct ones, numbered in order of first sight. */
#ifndef ETW_FORMAT_ETWCAP_TEXTS_H
#define ETW_FORMAT_ETWCAP_TEXTS_H

#include "format/etwcap/codec/pool.h"

enum { ETW_RECENT_TEXTS = 1 << 10 };

/* A text as it stands in an event. */
typedef struct etw_recent_text {
    const uint8_t *bytes;
    uint32_t form; /* size and tail; 0: none yet */
    uint32_t number;
} etw_recent_text;

/* Zeroed memory must be begun before a text is added. */
typedef struct etw_texts {
    etw_pool pool; /* UTF-8, wide texts narrowed */
    etw_buffer narrow;
    /* By some of their bytes: most were there before, and are found here without being narrowed and
     * hashed. */
    etw_recent_text recent[ETW_RECENT_TEXTS];
} etw_texts;

/* Forgets all texts and keeps the memory. */
void etw_texts_begin(etw_texts *texts);
void etw_texts_free(etw_texts *texts);
/* The number of a text, of ETW_TAIL_WIDE or ETW_TAIL_ANSI, whose size counts its end. The bytes
 * must stay where they are until the next begin; 8 bytes from any place in them may be loaded.
 * ETW_POOL_FULL where memory ran out or a limit was met. */
uint32_t etw_texts_add(etw_texts *texts, uint32_t tail, const uint8_t *bytes, size_t size);
/* All of them, as they are stored: lent until the next begin. No bytes where memory ran out. */
etw_bytes etw_texts_all(etw_texts *texts);

#endif
