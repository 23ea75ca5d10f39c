/* When what is written to a file must be on the disk. */
#ifndef ETW_FORMAT_ETWCAP_SYNC_H
#define ETW_FORMAT_ETWCAP_SYNC_H

typedef enum etw_sync {
    ETW_SYNC_NONE,    /* the operating system decides */
    ETW_SYNC_BLOCK,   /* each block is on the disk before the next is written */
    ETW_SYNC_INTERVAL /* at most interval_ms of data is not on the disk */
} etw_sync;

#endif
