/* What split is told: after how much a file ends, and what its files are named. */
#ifndef ETW_REPLAY_SPLIT_NAMES_H
#define ETW_REPLAY_SPLIT_NAMES_H

#include "replay/command/arguments.h"

/* For .apply of --every. */
etw_status etw_split_apply_every(const etw_option_use *use);

/* The pattern with %n replaced by what (%% by a percent sign), or with -what before its ending.
 * Characters of what that names of files do not have everywhere become _. Appended to name. */
void etw_split_append_name(const char *pattern, const char *what, etw_text *name);
/* False: the pattern has another code than %n and %%. */
bool etw_split_pattern_is_well(const char *pattern);

#endif
