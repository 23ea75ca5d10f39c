/* A lock on a recording's output name: two recorders with one name would take each other's segments
 * for their own. */
#ifndef ETW_RECORDER_NAME_LOCK_H
#define ETW_RECORDER_NAME_LOCK_H

#include "format/base/status.h"

typedef struct etw_name_lock etw_name_lock;

/* Holds "PATH.lock" until the lock is released or the process ends, whatever ends it; another
 * holder is ETW_ERROR_EXISTS. */
etw_status etw_name_lock_take(const char *path, etw_name_lock **lock, etw_error *error);
/* Removes the file. NULL is fine. */
void etw_name_lock_release(etw_name_lock *lock);

#endif
