/* Several traces as one, which sessions deliver: sessions have one trace. */
#ifndef ETW_REPLAY_ETWBOX_MERGE_H
#define ETW_REPLAY_ETWBOX_MERGE_H

#include "replay/etwbox/options_windows.h"

/* Merges them by time into a temporary file, whose name path gets. False: the text on stderr says
 * why, and no file is left. */
bool etwbox_merge(const etwbox_options *options, wchar_t path[MAX_PATH]);

#endif
