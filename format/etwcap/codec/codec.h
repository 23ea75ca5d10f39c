/* The events block's body: records to columns and back. FORMAT.md, chapter "Events block".
 *
 * Encoding is a pure function of the batch and the options: same batch, same bytes, on every
 * machine and thread. */
#ifndef ETW_FORMAT_ETWCAP_CODEC_H
#define ETW_FORMAT_ETWCAP_CODEC_H

#include "format/etwcap/codec/decoder.h"
#include "format/event/batch.h"
#include "format/event/schema.h"

typedef struct etw_encoder etw_encoder;

/* level: zstd's, 1 to 19. An encoder serves one thread at a time. */
etw_encoder *etw_encoder_new(int level);
void etw_encoder_free(etw_encoder *encoder);
/* zstd's state, which is large, to compress other things with meanwhile. */
struct ZSTD_CCtx_s *etw_encoder_state(etw_encoder *encoder);
/* The first step: what the batch holds, kind by kind (kinds.h), lent until the next survey. NULL
 * where memory ran out. */
const struct etw_kinds *etw_encoder_survey(etw_encoder *encoder, const etw_batch *batch);
/* The second: appends the body of the batch that was surveyed last, and did not change since, to
 * *body, which keeps its memory from call to call. */
etw_status etw_encoder_encode(etw_encoder *encoder, etw_buffer *body, etw_error *error);

/* Which parts a reader wants; header columns are always decoded. */
enum { ETW_DECODE_PAYLOAD = 0x1, ETW_DECODE_ITEMS = 0x2, ETW_DECODE_ALL = 0x3 };

/* Decodes a body; the items are lent until the next call. Every length is checked against the
 * limits: hostile bodies give ETW_ERROR_DAMAGED at bounded cost. */
etw_status etw_decoder_decode(etw_decoder *decoder, etw_bytes body, uint32_t parts,
                              uint32_t *event_count, etw_error *error);
/* Only the kinds of its events, of which it has count; no event is there afterwards. Of the columns
 * no more is looked at than that needs. */
etw_status etw_decoder_decode_kinds(etw_decoder *decoder, etw_bytes body, uint32_t count,
                                    uint32_t *kind_count, etw_error *error);
/* Then, while body is still there: how many of the events are of each kind. */
etw_status etw_decoder_count_kinds(etw_decoder *decoder, etw_error *error);
/* index < kind_count, after counting kinds. */
uint32_t etw_decoder_kind_events(const etw_decoder *decoder, uint32_t index);
/* index < kind_count, after decoding kinds: what all events of the kind have in common. */
void etw_decoder_kind(const etw_decoder *decoder, uint32_t index, etw_item *item);
/* Which events are decoded; header: what all events of a kind have in common, descriptor and flags
 * among it. */
typedef struct etw_kind_choice {
    bool (*wants)(void *context, const etw_event_header *header); /* NULL: all kinds */
    void *context;
    /* Of the wanted ones user data, but neither items nor KernelTime, UserTime, ActivityId and
     * Size, whatever the parts. */
    bool is_bare;
    uint32_t first_event; /* of the block: events before it are not wanted either */
} etw_kind_choice;

/* From now on; of events of other kinds only has is to be asked, of those before the first nothing.
 */
void etw_decoder_choose(etw_decoder *decoder, const etw_kind_choice *choice);
/* Whether the event is of a kind that is wanted. */
bool etw_decoder_has(const etw_decoder *decoder, uint32_t index);
/* index < event_count. */
void etw_decoder_item(etw_decoder *decoder, uint32_t index, etw_item *item);

#endif
