/* What the user may have wanted otherwise, said on stderr once the events have been read. */
#ifndef ETW_REPLAY_DOUBTS_H
#define ETW_REPLAY_DOUBTS_H

#include "replay/command/arguments.h"

/* What a look at the events alone does not tell, said on stderr once they have been read: schemas
 * in the trace that could not be read, and a filter that no event matches, with the nearest names
 * of providers that the trace has. others_match: events of other traces, so that the filter is not
 * in doubt. */
void etw_tool_say_doubts(const etw_replay_arguments *arguments, const etw_replay *replay,
                         bool others_match);

/* Which delivered events have no schema, and what would give them one; nothing with --quiet. */
void etw_tool_say_unexplained(const etw_replay_arguments *arguments, const etw_replay *replay);

/* The part of it about names in --where that no schema has. */
void etw_tool_say_unseen_names(const etw_replay *replay);

#endif
