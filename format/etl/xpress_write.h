/* The other direction of xpress.h: for log buffers that are written. */
#ifndef ETW_FORMAT_ETL_XPRESS_WRITE_H
#define ETW_FORMAT_ETL_XPRESS_WRITE_H

#include "format/base/buffer.h"

/* A plain LZ77 stream of input, which is at most ETW_MAX_BUFFER_SIZE long, appended to out; at most
 * an eighth and 8 bytes larger than it. The same input gives the same bytes everywhere. */
void etw_xpress_encode(etw_bytes input, etw_buffer *out);

#endif
