/* Events blocks decoded by threads while the caller is at the one before; they come back in order.
 *
 * Where its block is not decoded yet the caller decodes, too, so that it never waits while there is
 * work; threads that cannot be started are done without. Memory: for each thread, and for the
 * caller, one block as it is stored and one decoder. */
#ifndef ETW_FORMAT_ETWCAP_DECODE_AHEAD_H
#define ETW_FORMAT_ETWCAP_DECODE_AHEAD_H

#include "format/etwcap/events_block.h"
#include "format/etwcap/scan.h"

typedef struct etw_decode_ahead etw_decode_ahead;

/* What became of a block. */
typedef struct etw_decoded_block {
    etw_scan_item block;
    etw_bytes body;        /* lent until the next put */
    uint64_t first_number; /* what it was put with */
    etw_error error;       /* its status: that of the decoding */
} etw_decoded_block;

/* choice is called by several threads at once. parts: as etw_decoder_decode. NULL: no memory. */
etw_decode_ahead *etw_decode_ahead_new(uint32_t threads, const etw_kind_choice *choice,
                                       uint32_t parts);
/* NULL is fine. */
void etw_decode_ahead_free(etw_decode_ahead *ahead);

bool etw_decode_ahead_has_room(const etw_decode_ahead *ahead);
/* body is copied; there is room. Threads are started when a second block waits. False: no memory,
 * and the block was not taken. */
bool etw_decode_ahead_put(etw_decode_ahead *ahead, const etw_scan_item *block, etw_bytes body,
                          uint64_t first_number);
/* From now on the caller decodes, one block at a time with one decoder. */
void etw_decode_ahead_go_on_alone(etw_decode_ahead *ahead);
/* The oldest block, whose events *decoder then has. *decoder before: NULL, or one whose events are
 * not needed any more, which is taken for another block. NULL: no block is there.
 *
 * Lack of memory is told only where one decoder alone does not get it either. */
const etw_decoded_block *etw_decode_ahead_take(etw_decode_ahead *ahead, etw_decoder **decoder);
#endif
