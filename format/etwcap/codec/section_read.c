#include "format/etwcap/codec/section_read.h"

#include "format/etwcap/codec/events.h"

#include <zstd.h>

/* Up to so many bytes are expanded at once: the buffers of a stream cost more. */
#define SMALL_SECTION ((size_t)16 << 10)
/* Of a stream, whose buffers are as large as its window: no section is larger than 2^24. Frames
 * that ask for more are expanded at once, which takes no buffers. */
#define STREAM_WINDOW_LOG 24

struct ZSTD_DCtx_s *etw_section_context_new(void)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context != NULL &&
        ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, STREAM_WINDOW_LOG))) {
        (void)ZSTD_freeDCtx(context);
        return NULL;
    }
    return context;
}

bool etw_section_take(etw_section *section, etw_cursor *body)
{
    etw_buffer_clear(&section->raw);
    section->taken = 0;
    section->raw_size = etw_cursor_u32(body);
    section->stored.size = etw_cursor_u32(body);
    section->stored.data = etw_cursor_take(body, section->stored.size);
    return section->stored.data != NULL && section->raw_size <= ETW_SECTION_MAX_RAW;
}

/* Room for all of it: what is not touched costs nothing. */
static bool reserve(etw_section *section)
{
    if (etw_buffer_reserve(&section->raw, section->raw_size + 1 - section->raw.size) != NULL) {
        return true;
    }
    etw_buffer_free(&section->raw); /* else it would fail for good */
    section->raw.failed = true;
    return false;
}

bool etw_section_expand(etw_section *section, struct ZSTD_DCtx_s *context)
{
    if (!reserve(section)) {
        return false;
    }
    const size_t size = ZSTD_decompressDCtx(context, section->raw.data, section->raw_size,
                                            section->stored.data, section->stored.size);
    const bool is_well = size == section->raw_size;
    section->raw.size = is_well ? size : 0;
    return is_well;
}

/* The stream goes on where it stopped. */
static bool stream(etw_section *section, ZSTD_DCtx *context, size_t size)
{
    if (section->raw.size == 0) {
        section->taken = 0;
        (void)ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
    }
    ZSTD_outBuffer to = {section->raw.data, size, section->raw.size};
    ZSTD_inBuffer from = {section->stored.data, section->stored.size, section->taken};
    const bool failed = ZSTD_isError(ZSTD_decompressStream(context, &to, &from));
    section->raw.size = to.pos;
    section->taken = from.pos;
    return !failed && to.pos == size;
}

bool etw_section_expand_to(etw_section *section, struct ZSTD_DCtx_s *context, size_t size)
{
    size = size < section->raw_size ? size : section->raw_size;
    if (section->raw.size >= size && section->raw.data != NULL) {
        return true;
    }
    if (section->raw_size <= SMALL_SECTION || size == section->raw_size) {
        return etw_section_expand(section, context);
    }
    return reserve(section) &&
           (stream(section, context, size) || etw_section_expand(section, context));
}

bool etw_section_is_whole(const etw_section *section)
{
    return section->raw.size == section->raw_size;
}

void etw_section_free(etw_section *section)
{
    etw_buffer_free(&section->raw);
}
