/* Packs: the schemas of many sources, written into one file (schemas --export), and copies of
 * packs. */
#ifndef ETW_REPLAY_SCHEMA_PACK_H
#define ETW_REPLAY_SCHEMA_PACK_H

#include "replay/command/arguments.h"

/* What --schemas names, and the traces that the arguments name. */
etw_exit etw_schema_pack_export(const etw_replay_arguments *arguments);

/* Whether each input is a pack: a regular file, not wrapped. */
bool etw_schema_pack_are_all(const etw_replay_arguments *arguments);
/* Writes the inputs' schemas, and what --schemas names, as one pack into the output. */
etw_exit etw_schema_pack_copy(const etw_replay_arguments *arguments);

#endif
