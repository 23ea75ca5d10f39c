/* What etw-replay can do: one function per verb, each in the file of its group. */
#ifndef ETW_REPLAY_VERBS_H
#define ETW_REPLAY_VERBS_H

#include "replay/command/arguments.h"

etw_exit etw_verb_cat(const etw_replay_arguments *arguments); /* and export */
etw_exit etw_verb_info(const etw_replay_arguments *arguments);
etw_exit etw_verb_schemas(const etw_replay_arguments *arguments);
etw_exit etw_verb_verify(const etw_replay_arguments *arguments);
etw_exit etw_verb_recover(const etw_replay_arguments *arguments);
etw_exit etw_verb_cut(const etw_replay_arguments *arguments);
etw_exit etw_verb_merge(const etw_replay_arguments *arguments);
etw_exit etw_verb_repack(const etw_replay_arguments *arguments);
etw_exit etw_verb_diff(const etw_replay_arguments *arguments);

#endif
