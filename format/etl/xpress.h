/* Plain LZ77 ("XPRESS" without Huffman codes), the compression of ETW's compressed log buffers.
 *
 * Written from MS-XCA sections 2.3 and 2.4. The decoder stops wherever its output is full or its
 * input runs out, and goes on from there: a match reaches back 8,192 bytes at most, so that whoever
 * keeps that much of the output in front of the next piece can decode a stream of any length in a
 * window. */
#ifndef ETW_FORMAT_ETL_XPRESS_H
#define ETW_FORMAT_ETL_XPRESS_H

#include "format/base/bytes.h"

#define ETW_XPRESS_MAX_DISTANCE 8192u

/* Where a stream stands; all zero at its start. */
typedef struct etw_xpress {
    uint32_t flags;      /* flag bits not used yet, the next one at the top */
    uint32_t flag_count; /* how many of them */
    uint32_t match_distance;
    uint64_t match_left; /* bytes of the last match that did not fit the output */
    uint8_t nibble;      /* the high half of a length byte whose low half was used */
    bool has_nibble;
} etw_xpress;

typedef enum etw_xpress_result {
    ETW_XPRESS_FULL,   /* out_limit is reached */
    ETW_XPRESS_INPUT,  /* what is left of the input is less than a whole token */
    ETW_XPRESS_DAMAGED /* a match reaches back before the output, or its length contradicts itself
                        */
} etw_xpress_result;

/* Decodes input into out from *out_size on, never past out_limit; the *out_size bytes before are
 * what matches may copy. *used tells how much of the input was consumed: a token is taken whole or
 * left. */
etw_xpress_result etw_xpress_decode(etw_xpress *stream, etw_bytes input, size_t *used, uint8_t *out,
                                    size_t *out_size, size_t out_limit);

#endif
