/* The properties of a real-time session with room for its names, for programs that start one. */
#ifndef ETW_TESTS_SESSION_BLOCK_H
#define ETW_TESTS_SESSION_BLOCK_H

#include "replay/etwapi/etw_headers.h"

#include <stddef.h>

typedef struct block {
    EVENT_TRACE_PROPERTIES head;
    WCHAR name[64];
    WCHAR file[64];
} block;

static inline block fresh(void)
{
    const block empty = {.head = {.Wnode = {.BufferSize = sizeof empty,
                                            .Flags = WNODE_FLAG_TRACED_GUID,
                                            .ClientContext = 1},
                                  .LogFileMode = EVENT_TRACE_REAL_TIME_MODE,
                                  .LoggerNameOffset = offsetof(block, name)}};
    return empty;
}

#endif
