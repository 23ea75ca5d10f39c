#include "format/output/pcapng_block.h"

#define BLOCK_SECTION 0x0A0D0D0Au
/* FILETIME of 1970-01-01. */
#define UNIX_EPOCH_100NS UINT64_C(116444736000000000)

void etw_pcapng_u16(etw_text *text, uint16_t value)
{
    etw_text_append(text, (const char *)&value, sizeof value);
}

void etw_pcapng_u32(etw_text *text, uint32_t value)
{
    etw_text_append(text, (const char *)&value, sizeof value);
}

void etw_pcapng_time(etw_text *text, int64_t time_100ns)
{
    const uint64_t time = (uint64_t)time_100ns - UNIX_EPOCH_100NS;
    etw_pcapng_u32(text, (uint32_t)(time >> 32));
    etw_pcapng_u32(text, (uint32_t)time);
}

void etw_pcapng_padded(etw_text *text, const void *bytes, size_t size)
{
    static const char zeros[4] = {0};
    etw_text_append(text, bytes, size);
    etw_text_append(text, zeros, etw_pcapng_padded_size(size) - size);
}

size_t etw_pcapng_begin(etw_text *text, uint32_t kind)
{
    const size_t start = text->size;
    etw_pcapng_u32(text, kind);
    etw_pcapng_u32(text, 0);
    return start;
}

void etw_pcapng_end(etw_text *text, size_t start)
{
    const uint32_t size = (uint32_t)(text->size - start + sizeof size);
    etw_pcapng_u32(text, size);
    if (!text->failed) {
        memcpy(text->data + start + 4, &size, sizeof size);
    }
}

void etw_pcapng_option(etw_text *text, uint16_t code, const void *bytes, size_t size)
{
    const size_t kept = size < ETW_PCAPNG_MAX_OPTION ? size : ETW_PCAPNG_MAX_OPTION;
    etw_pcapng_u16(text, code);
    etw_pcapng_u16(text, (uint16_t)kept);
    etw_pcapng_padded(text, bytes, kept);
}

void etw_pcapng_end_options(etw_text *text)
{
    etw_pcapng_u32(text, 0);
}

void etw_pcapng_section(etw_text *text, const char *application)
{
    const size_t start = etw_pcapng_begin(text, BLOCK_SECTION);
    etw_pcapng_u32(text, 0x1A2B3C4Du); /* byte order */
    etw_pcapng_u16(text, 1);           /* version 1.0 */
    etw_pcapng_u16(text, 0);
    etw_pcapng_u32(text, UINT32_MAX); /* section length: not known */
    etw_pcapng_u32(text, UINT32_MAX);
    if (application != NULL) {
        etw_pcapng_option(text, ETW_PCAPNG_SECTION_APPLICATION, application, strlen(application));
        etw_pcapng_end_options(text);
    }
    etw_pcapng_end(text, start);
}

size_t etw_pcapng_begin_interface(etw_text *text, uint16_t link_type)
{
    const uint8_t resolution = 7; /* 10^-7 s */
    const size_t start = etw_pcapng_begin(text, ETW_PCAPNG_INTERFACE);
    etw_pcapng_u16(text, link_type);
    etw_pcapng_u16(text, 0);
    etw_pcapng_u32(text, 0); /* packets are not cut */
    etw_pcapng_option(text, ETW_PCAPNG_INTERFACE_TIME_RESOLUTION, &resolution, 1);
    return start;
}

size_t etw_pcapng_begin_packet(etw_text *text, uint32_t interface_id, int64_t time_100ns,
                               etw_bytes bytes, uint32_t original_bytes)
{
    const size_t start = etw_pcapng_begin(text, ETW_PCAPNG_PACKET);
    etw_pcapng_u32(text, interface_id);
    etw_pcapng_time(text, time_100ns);
    etw_pcapng_u32(text, (uint32_t)bytes.size);
    etw_pcapng_u32(text, original_bytes < bytes.size ? (uint32_t)bytes.size : original_bytes);
    etw_pcapng_padded(text, bytes.data, bytes.size);
    return start;
}
