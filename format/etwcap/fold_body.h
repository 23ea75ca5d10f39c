/* Bodies of blocks without what the rest of them tells: the parts of a folded file. FORMAT.md, 13.3
 * to 13.5. */
#ifndef ETW_FORMAT_ETWCAP_FOLD_BODY_H
#define ETW_FORMAT_ETWCAP_FOLD_BODY_H

#include "format/etwcap/sink.h"

/* Appends what a folded file keeps of the block, whose body is plain: neither masked nor
 * compressed. False where it is not what FORMAT.md says, or memory is out. */
bool etw_fold_body(const etw_sink_block *block, etw_buffer *to);
/* Back, of a block with kind and count: sets sizes and body, which is appended to *to. False where
 * folded is not what etw_fold_body makes, or memory is out (to->failed). */
bool etw_unfold_body(etw_bytes folded, etw_sink_block *block, etw_buffer *to);

/* Trace and schemas; used by the two above. */
bool etw_fold_trace(etw_bytes body, etw_buffer *to);
bool etw_unfold_trace(etw_bytes folded, etw_buffer *to);

#endif
