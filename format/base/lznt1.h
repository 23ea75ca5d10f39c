/* LZNT1 ([MS-XCA] 2.5), the compression of NTFS and of RtlCompressBuffer. */
#ifndef ETW_FORMAT_BASE_LZNT1_H
#define ETW_FORMAT_BASE_LZNT1_H

#include "format/base/buffer.h"

/* What one call puts out at most; a chunk of 4 KiB takes at least 4 bytes. */
#define ETW_LZNT1_MAX_BYTES ((size_t)16 << 20)

/* Appends the content to out, a growing buffer. False where the bytes break the format or hold more
 * than the limit; what came before stays. */
bool etw_lznt1_decompress(etw_bytes from, etw_buffer *out);

#endif
