/* What to do about a FILE that could not be read, where the user seems to have meant something
 * else. */
#ifndef ETW_REPLAY_ADVICE_H
#define ETW_REPLAY_ADVICE_H

#include "replay/command/arguments.h"

/* After a failure: says it of the first such FILE; nothing where all of them are what they seem. */
void etw_tool_say_advice(const etw_replay_arguments *arguments);

/* After a trace without an event: whether it is a schema pack, which is said. */
bool etw_tool_say_pack(const etw_replay_arguments *arguments);

#endif
