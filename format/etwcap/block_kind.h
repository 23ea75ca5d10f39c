/* What blocks an .etwcap file has. FORMAT.md says what is in them. */
#ifndef ETW_FORMAT_ETWCAP_BLOCK_KIND_H
#define ETW_FORMAT_ETWCAP_BLOCK_KIND_H

typedef enum etw_block_kind {
    ETW_BLOCK_FILE_INFO = 1,
    ETW_BLOCK_TRACE = 2,
    ETW_BLOCK_SCHEMAS = 3,
    ETW_BLOCK_EVENTS = 4,
    ETW_BLOCK_LOSS = 5,
    ETW_BLOCK_CLOCK_ANCHORS = 6,
    ETW_BLOCK_ORACLE = 7, /* texts that the recording machine's TDH made, to compare with */
    ETW_BLOCK_INDEX = 8,
    ETW_BLOCK_SUMMARY = 9,
    ETW_BLOCK_END = 10,
    ETW_BLOCK_RUNDOWN = 11,          /* processes and images of the host: format/event/rundown.h */
    ETW_BLOCK_CATALOG = 12,          /* of a pack: which schema explains which events */
    ETW_BLOCK_PACKED_SCHEMAS = 13,   /* of a pack */
    ETW_BLOCK_PRIVATE_FIRST = 0x8000 /* up to 0xFFFF: never used by this specification */
} etw_block_kind;

#endif
