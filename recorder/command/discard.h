/* A disk that keeps nothing: for a recording that is only looked at, whose limits and counts are
 * those of any other. */
#ifndef ETW_RECORDER_DISCARD_H
#define ETW_RECORDER_DISCARD_H

#include "format/base/os.h"

extern const etw_os etw_discard_os;

#endif
