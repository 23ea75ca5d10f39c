/* Records what the program in the box writes: etw-record, in this process. */
#ifndef ETW_REPLAY_ETWBOX_RECORD_H
#define ETW_REPLAY_ETWBOX_RECORD_H

#include "replay/etwbox/options_windows.h"

typedef struct etwbox_recording etwbox_recording;

/* Returns once the providers are enabled, so that no event of the program is missed. NULL: stderr
 * says why. */
etwbox_recording *etwbox_record_start(const etwbox_options *options);

/* After the program's end: finishes the file. False: stderr says why. */
bool etwbox_record_stop(etwbox_recording *recording);

#endif
