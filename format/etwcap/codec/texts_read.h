/* The texts of a block while it is read, by their numbers. */
#ifndef ETW_FORMAT_ETWCAP_TEXTS_READ_H
#define ETW_FORMAT_ETWCAP_TEXTS_READ_H

#include "format/base/bytes.h"

typedef struct etw_read_text {
    uint32_t offset; /* in the section */
    uint32_t units;  /* as UTF-16, once it was asked whether it is wide */
} etw_read_text;

/* Zeroed before its first use. */
typedef struct etw_read_texts {
    const uint8_t *bytes; /* the section, lent */
    etw_read_text *texts; /* and one more, where the last ends */
    uint32_t count, capacity;
    bool out_of_memory; /* since the block began */
} etw_read_texts;

/* The section of a block. False where it is malformed, or memory is out. */
bool etw_read_texts_begin(etw_read_texts *texts, etw_bytes section);
void etw_read_texts_free(etw_read_texts *texts);

/* number < count. */
static inline etw_bytes etw_read_text_bytes(const etw_read_texts *texts, uint32_t number)
{
    const etw_read_text *of = &texts->texts[number];
    return (etw_bytes){texts->bytes + of->offset, of[1].offset - of->offset - 1};
}
/* Whether it is good UTF-8; then its units are set. */
bool etw_read_text_is_wide(etw_read_texts *texts, uint32_t number);

#endif
