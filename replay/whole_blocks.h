/* Blocks of an .etwcap that a replay takes whole: those all of whose events it would deliver are
 * given to a copy as they are, or only the kinds of their events are looked at. */
#ifndef ETW_REPLAY_WHOLE_BLOCKS_H
#define ETW_REPLAY_WHOLE_BLOCKS_H

#include "format/etwcap/whole_block.h"
#include "replay/replay.h"

/* schemas: for each kind of the block what explains its events; NULL: nothing does. *taken: its
 * events are not delivered, but counted by the totals. */
typedef etw_status (*etw_block_taker)(void *context, const etw_whole_block *block,
                                      const etw_schema *const *schemas, bool *taken,
                                      etw_error *error);

/* False, and nothing is given: the trace is no .etwcap, or its events are chosen by more than their
 * time and their place, or are not given as the file has them. To be called before the first event.
 */
ETW_API bool etw_replay_give_blocks(etw_replay *replay, etw_block_taker take, void *context);

/* Reads to the end without delivering events: etw_replay_unexplained then tells of all that the
 * file has, whatever the filter. Losses are passed over; of columns that are malformed behind the
 * kinds nothing is noticed. The trace is an .etwcap. */
ETW_API_CHECKED etw_status etw_replay_count_unexplained(etw_replay *replay, etw_error *error);

#endif
