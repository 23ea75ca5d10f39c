/* What etw-replay can do: one function per verb, each in the file of its group, and the table of
 * verbs. */
#ifndef ETW_REPLAY_VERBS_H
#define ETW_REPLAY_VERBS_H

#include "replay/command/arguments.h"

/* Verbs and options, for etw_command_parse. */
extern const etw_command etw_replay_command;

/* index is below etw_replay_command.verb_count. */
const etw_verb *etw_verb_at(size_t index);

etw_exit etw_verb_cat(const etw_replay_arguments *arguments); /* and export */
/* As cat, but in the format html whatever the output's name. */
etw_exit etw_verb_report(const etw_replay_arguments *arguments);
etw_exit etw_verb_info(const etw_replay_arguments *arguments);
etw_exit etw_verb_ps(const etw_replay_arguments *arguments);
etw_exit etw_verb_images(const etw_replay_arguments *arguments);
etw_exit etw_verb_stats(const etw_replay_arguments *arguments);
etw_exit etw_verb_schemas(const etw_replay_arguments *arguments);
etw_exit etw_verb_verify(const etw_replay_arguments *arguments);
etw_exit etw_verb_recover(const etw_replay_arguments *arguments);
etw_exit etw_verb_cut(const etw_replay_arguments *arguments);
etw_exit etw_verb_split(const etw_replay_arguments *arguments);
etw_exit etw_verb_merge(const etw_replay_arguments *arguments);
etw_exit etw_verb_repack(const etw_replay_arguments *arguments);
etw_exit etw_verb_diff(const etw_replay_arguments *arguments);
etw_exit etw_verb_expect(const etw_replay_arguments *arguments);
etw_exit etw_verb_reduce(const etw_replay_arguments *arguments);

#endif
