/* Corrections of hosts' clocks: --offset FILE=+3s, for a merge. */
#ifndef ETW_REPLAY_OFFSETS_H
#define ETW_REPLAY_OFFSETS_H

#include "replay/command/arguments.h"

/* For .apply of the option. */
etw_status etw_offset_apply(const etw_option_use *use);

/* What is to be added to the times of this input: one that is named so, as a whole or by the last
 * part of its path. 0 where the arguments name none. */
int64_t etw_offset_of(const etw_replay_arguments *arguments, const char *input_name);
/* ETW_ERROR_NOT_FOUND: one of the arguments names none of these inputs. */
etw_status etw_offsets_check(const etw_replay_arguments *arguments, etw_input *const *inputs,
                             uint32_t count, etw_error *error);

/* time + offset, within the range of a FILETIME's 64 bits. */
int64_t etw_offset_add(int64_t time_100ns, int64_t offset_100ns);
/* Of a trace's clock and of all that its header tells. */
void etw_offset_trace(etw_trace *trace, int64_t offset_100ns);

#endif
