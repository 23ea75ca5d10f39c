/* Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian, appended to a text. */
#ifndef ETW_FORMAT_OUTPUT_PCAPNG_BLOCK_H
#define ETW_FORMAT_OUTPUT_PCAPNG_BLOCK_H

#include "format/base/text.h"

enum { ETW_PCAPNG_INTERFACE = 1, ETW_PCAPNG_STATISTICS = 5, ETW_PCAPNG_PACKET = 6 };

/* Options of blocks; those below 10 mean another thing in each kind of block. */
enum {
    ETW_PCAPNG_COMMENT = 1,
    ETW_PCAPNG_SECTION_OS = 3,
    ETW_PCAPNG_SECTION_APPLICATION = 4,
    ETW_PCAPNG_INTERFACE_NAME = 2,
    ETW_PCAPNG_INTERFACE_DESCRIPTION = 3,
    ETW_PCAPNG_INTERFACE_MAC = 6,
    ETW_PCAPNG_INTERFACE_TIME_RESOLUTION = 9,
    ETW_PCAPNG_PACKET_FLAGS = 2,
    ETW_PCAPNG_PACKET_ID = 5,
    ETW_PCAPNG_PACKET_VERDICT = 7,
    ETW_PCAPNG_STATISTICS_DROPPED = 5
};

/* Text of an option, which has 16 bits for its size. */
#define ETW_PCAPNG_MAX_OPTION ((size_t)0xFFF0u)

/* Begins a block; the size is written when it ends. Blocks do not nest. */
size_t etw_pcapng_begin(etw_text *text, uint32_t kind);
void etw_pcapng_end(etw_text *text, size_t start);

/* The section that a file begins with. application may be NULL. */
void etw_pcapng_section(etw_text *text, const char *application);
/* Begins the description of an interface whose time stamps are in 100 ns; more options may follow.
 */
size_t etw_pcapng_begin_interface(etw_text *text, uint16_t link_type);
/* Begins a packet: FILETIME, bytes and how many there were of it; options may follow. */
size_t etw_pcapng_begin_packet(etw_text *text, uint32_t interface_id, int64_t time_100ns,
                               etw_bytes bytes, uint32_t original_bytes);

/* Cut to ETW_PCAPNG_MAX_OPTION. */
void etw_pcapng_option(etw_text *text, uint16_t code, const void *bytes, size_t size);
/* Behind the last option, where there is any. */
void etw_pcapng_end_options(etw_text *text);

void etw_pcapng_u16(etw_text *text, uint16_t value);
void etw_pcapng_u32(etw_text *text, uint32_t value);
/* High half, then low half. */
void etw_pcapng_time(etw_text *text, int64_t time_100ns);
/* The bytes, and zeros up to a multiple of four. */
void etw_pcapng_padded(etw_text *text, const void *bytes, size_t size);
static inline uint32_t etw_pcapng_padded_size(size_t size)
{
    return (uint32_t)((size + 3) & ~(size_t)3);
}

#endif
