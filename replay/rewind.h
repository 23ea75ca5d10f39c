/* An OS layer whose standard input can be read from its start a second time, as far as a first
 * reader looked before it found that the bytes are not of its kind. */
#ifndef ETW_REPLAY_REWIND_H
#define ETW_REPLAY_REWIND_H

#include "format/base/os.h"

/* A reader that has read more than this can no longer be followed by another. */
#define ETW_REWIND_MAX_BYTES ((size_t)1 << 20)

typedef struct etw_rewind etw_rewind;

/* NULL where memory is out. */
etw_rewind *etw_rewind_new(const etw_os *os);
void etw_rewind_free(etw_rewind *rewind);
/* Lives as long as rewind. */
const etw_os *etw_rewind_os(const etw_rewind *rewind);
/* The next reader starts at the first byte again; false where too much was read. From now on
 * nothing is kept. */
bool etw_rewind_to_start(etw_rewind *rewind);
/* The first reader stays: nothing more is kept. */
void etw_rewind_keep_on(etw_rewind *rewind);

#endif
