/* UTF-16 in a folded file: of ASCII only each first byte is kept. FORMAT.md, 13.2. */
#ifndef ETW_FORMAT_ETWCAP_FOLD_TEXT_H
#define ETW_FORMAT_ETWCAP_FOLD_TEXT_H

#include "format/base/buffer.h"

void etw_fold_text(etw_bytes wide, etw_buffer *to);
/* False where folded ends too early, gives more than limit bytes, or memory is out. */
bool etw_unfold_text(etw_bytes folded, size_t limit, etw_buffer *to);

#endif
