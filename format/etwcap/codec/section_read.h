/* A section of an events block's body, expanded all at once or only as far as it is read. */
#ifndef ETW_FORMAT_ETWCAP_SECTION_READ_H
#define ETW_FORMAT_ETWCAP_SECTION_READ_H

#include "format/base/buffer.h"
#include "format/base/bytes.h"

struct ZSTD_DCtx_s;

/* A zstd context for sections: one at a time is expanded piece by piece. NULL where memory is out.
 */
struct ZSTD_DCtx_s *etw_section_context_new(void);

/* Zeroed before its first use. */
typedef struct etw_section {
    etw_bytes stored; /* lent */
    size_t raw_size;
    size_t taken;   /* bytes of stored that were looked at, piece by piece */
    etw_buffer raw; /* what was expanded so far; keeps its memory from section to section */
} etw_section;

/* The next section of a body, of which nothing is expanded. False where the body ends inside it, or
 * it would expand to more than ETW_SECTION_MAX_RAW. */
bool etw_section_take(etw_section *section, etw_cursor *body);
/* Of a section that was taken, all, or at least size bytes or all. False where it is not what it
 * says, or, with raw.failed, without memory. */
bool etw_section_expand(etw_section *section, struct ZSTD_DCtx_s *context);
bool etw_section_expand_to(etw_section *section, struct ZSTD_DCtx_s *context, size_t size);
/* Whether all of it is there. */
bool etw_section_is_whole(const etw_section *section);
void etw_section_free(etw_section *section);

#endif
