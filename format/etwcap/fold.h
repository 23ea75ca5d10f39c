/* A folded file: a small one as a whole, format 2.0. Its blocks are compressed together, with a
 * dictionary that every reader has; what follows from them (hashes, index, summary) is left out.
 * FORMAT.md, 13. */
#ifndef ETW_FORMAT_ETWCAP_FOLD_H
#define ETW_FORMAT_ETWCAP_FOLD_H

#include "format/etwcap/sink.h"

/* A file of blocks up to this size may be folded: so much a writer keeps before its first byte goes
 * out (ENCODING.md says what it saves, and what it costs). */
#define ETW_FOLD_MAX_FILE    ((size_t)40 << 10)
#define ETW_FOLD_MAX_ARCHIVE ((size_t)64 << 10)
/* Before its head's end there is: */
#define ETW_FOLD_HEAD_SIZE 36u

/* Appends the folded file that stands for a complete file of blocks. An archive may cost
 * more. False, and nothing appended, where memory is out, or what comes back would not be the same,
 * or it is too large: the file then stays as it is. */
bool etw_fold(etw_bytes file, bool is_archive, etw_buffer *to);

/* What the head of a folded file says. */
typedef struct etw_fold_head {
    uint32_t stored_size; /* behind it; at most ETW_BLOCK_MAX_STORED */
    uint8_t dictionary;
    uint64_t hash; /* of the stored bytes */
} etw_fold_head;

void etw_fold_head_store(const etw_fold_head *head, uint8_t to[ETW_FOLD_HEAD_SIZE]);
etw_fold_head etw_fold_head_load(const uint8_t from[ETW_FOLD_HEAD_SIZE]);

/* Calls put for each block, in order, until it fails; the block's body is lent. DAMAGED where the
 * stored bytes are not what etw_fold makes; their hash is the caller's to check. */
typedef struct etw_fold_visitor {
    etw_status (*put)(void *context, const etw_sink_block *block, etw_error *error);
    void *context;
} etw_fold_visitor;

etw_status etw_fold_each(uint8_t dictionary, etw_bytes stored, const etw_fold_visitor *visitor,
                         etw_error *error);

#endif
