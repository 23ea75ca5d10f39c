/* schemas --export: the schemas of many sources, written into one file. */
#ifndef ETW_REPLAY_SCHEMA_PACK_H
#define ETW_REPLAY_SCHEMA_PACK_H

#include "replay/command/arguments.h"

/* What --schemas names, and the traces that the arguments name. */
etw_exit etw_schema_pack_export(const etw_replay_arguments *arguments);

#endif
