/* How the user data of one kind of event is cut into fields.
 *
 * A layout is a list of regions; each is a run of fixed size, cut into integers and constants, and
 * ends in a field of its own length: a string, or the rest of the payload, or nothing. The encoder
 * derives it from the payloads themselves, so events of unknown schema are cut as well as known
 * ones; it is written into the block, so no reader has to derive it again. */
#ifndef ETW_FORMAT_ETWCAP_LAYOUT_H
#define ETW_FORMAT_ETWCAP_LAYOUT_H

#include "format/base/bytes.h"

/* What stands behind a region. Stored. */
enum {
    ETW_TAIL_NONE = 0,   /* nothing: the payload ends here */
    ETW_TAIL_WIDE = 1,   /* UTF-16 up to and with its terminator */
    ETW_TAIL_ANSI = 2,   /* bytes up to and with their terminator */
    ETW_TAIL_BYTES = 3,  /* the rest of the payload */
    ETW_TAIL_WORDS4 = 4, /* the rest of the payload, whole 4-byte words */
    ETW_TAIL_WORDS8 = 5,
    ETW_TAIL_MORE = 0x80 /* with one of the above: another region follows */
};

#define ETW_LAYOUT_MAX_REGIONS 24u
/* The fixed bytes of a layout together. */
#define ETW_LAYOUT_MAX_FIXED 4096u
/* Inference gives half of them at most; each constant that proves to be none gives one more for
 * each 8 of its bytes. */
#define ETW_LAYOUT_MAX_PIECES 1024u

typedef struct etw_piece {
    uint16_t size;
    uint8_t constant; /* else an integer of size 1 to 8 */
} etw_piece;

typedef struct etw_region {
    uint16_t size;
    uint16_t first_piece, piece_count;
    uint8_t tail; /* ETW_TAIL_... */
} etw_region;

typedef struct etw_layout {
    uint32_t region_count; /* at least 1; strings end all regions but the last,
                              NONE or BYTES the last; WORDS the last, or the one before a NONE */
    uint32_t piece_count;
    etw_region regions[ETW_LAYOUT_MAX_REGIONS];
    etw_piece pieces[ETW_LAYOUT_MAX_PIECES];
} etw_layout;

static inline bool etw_tail_is_string(uint32_t tail)
{
    return tail == ETW_TAIL_WIDE || tail == ETW_TAIL_ANSI;
}

/* 1, 4 or 8 for the tails that take the rest, else 0. */
static inline uint32_t etw_tail_word(uint32_t tail)
{
    static const uint8_t words[] = {0, 0, 0, 1, 4, 8};
    return tail < sizeof words ? words[tail] : 0;
}

/* rows: the payloads of one kind in order, each at least 8 readable bytes before any memory's end.
 */
void etw_layout_infer(const etw_bytes *rows, uint32_t count, etw_layout *layout);

/* The layout that fits all payloads: bytes. */
void etw_layout_bytes(etw_layout *layout);

/* What is left of a payload behind a region and its tail, given what was left in front of it; its
 * data is NULL where the layout does not fit. */
etw_bytes etw_layout_next(const etw_layout *layout, uint32_t region, etw_bytes rest);

#endif
