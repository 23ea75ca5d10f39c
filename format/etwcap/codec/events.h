/* Constants that the encoder and the decoder of events blocks share. FORMAT.md, "Events block". */
#ifndef ETW_FORMAT_ETWCAP_EVENTS_H
#define ETW_FORMAT_ETWCAP_EVENTS_H

#include <stddef.h>

/* Parts of a body, each a zstd frame of its own, in this order. */
enum {
    ETW_SECTION_HEADERS,
    ETW_SECTION_ITEMS,
    ETW_SECTION_TEXTS,
    ETW_SECTION_PAYLOAD,
    ETW_SECTION_COUNT
};

/* A section expands to at most this: header columns of the most events a block can have, each part
 * of a batch's bytes, and room for columns that grew by a transform. */
#define ETW_SECTION_MAX_RAW ((size_t)16 << 20)

/* Which thread an event is of. */
enum {
    ETW_THREAD_SAME_PROCESSOR = 0, /* as the last event of its processor */
    ETW_THREAD_SAME_EVENT = 1,     /* as the event before */
    ETW_THREAD_NEW = 2,            /* the next of the block's threads not seen so far */
    ETW_THREAD_KNOWN = 3           /* and more: 3 + its number */
};

/* How one extended item of a kind is written: 1 to 8: integers of that many bytes. */
enum {
    ETW_ITEM_BLOBS = 0,
    ETW_ITEM_STACKS4 = 9, /* 8 bytes, then 4-byte addresses */
    ETW_ITEM_STACKS8 = 10
};

#endif
