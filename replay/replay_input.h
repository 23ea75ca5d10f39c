/* For who gives a replay an input opened before: that input, and the filter. */
#ifndef ETW_REPLAY_REPLAY_INPUT_H
#define ETW_REPLAY_REPLAY_INPUT_H

#include "format/input/input.h"
#include "replay/replay.h"

/* What is read: to read it once more, where it can seek. Lent by the replay. */
ETW_API etw_input *etw_replay_input(const etw_replay *replay);
/* From now on it is closed with the replay. */
ETW_API void etw_replay_own_input(etw_replay *replay);
/* The replay's own copy of the filter's expression; NULL where there is none. */
ETW_API const struct etw_where *etw_replay_where(const etw_replay *replay);

#endif
