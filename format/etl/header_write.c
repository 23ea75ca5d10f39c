#include "format/etl/header_write.h"

#include "format/base/text.h"

/* TRACE_LOGFILE_HEADER (evntrace.h), by the size of its two pointers. */
#define ZONE_SIZE       176u
#define AT_BUFFER_SIZE  0u
#define AT_VERSION      4u
#define AT_BUILD        8u
#define AT_PROCESSORS   12u
#define AT_END_TIME     16u
#define AT_RESOLUTION   24u
#define AT_MAXIMUM_SIZE 28u
#define AT_MODE         32u
#define AT_WRITTEN      36u
#define AT_START        40u
#define AT_POINTER_SIZE 44u
#define AT_LOST         48u
#define AT_MHZ          52u
#define AT_POINTERS     56u

#define MODE_RELOGGED 0x00010001u /* measured: of all files that were relogged */
/* The two high bytes of Version. */
#define LAYOUT_PLAIN      0x05010000u /* 1.5 */
#define LAYOUT_COMPRESSED 0x00020000u /* 2.0 */
#define FLAG_FLUSH        0x01u
#define TYPE_HEADER       4u
#define STATE_FLUSHED     3u

static size_t fixed_size(uint32_t pointer_size)
{
    return AT_POINTERS + 2 * (size_t)pointer_size + ZONE_SIZE + 3 * 8 + 2 * 4;
}

static void append_wide(const char *utf8, etw_buffer *out)
{
    const uint8_t *at = (const uint8_t *)utf8;
    size_t left = strlen(utf8);
    while (left > 0) {
        uint32_t code_point;
        uint16_t units[2];
        const size_t size = etw_utf8_decode(at, left, &code_point);
        const size_t count = etw_utf16_encode(size == 0 ? 0xFFFDu : code_point, units);
        etw_buffer_append(out, units, count * sizeof units[0]);
        at += size == 0 ? 1 : size;
        left -= size == 0 ? 1 : size;
    }
    etw_buffer_append_u16(out, 0);
}

/* Of a trace whose header was not kept. */
static void make_header(const etw_trace *trace, uint32_t pointer_size, etw_buffer *out)
{
    uint8_t fixed[AT_POINTERS + 16 + ZONE_SIZE + 32] = {0};
    uint8_t *zone = fixed + AT_POINTERS + 2 * (size_t)pointer_size;
    etw_store_u32(fixed + AT_VERSION, trace->os_version);
    etw_store_u32(fixed + AT_BUILD, trace->os_build);
    etw_store_u32(fixed + AT_PROCESSORS, trace->processor_count);
    etw_store_u32(fixed + AT_RESOLUTION, trace->timer_resolution_100ns);
    etw_store_u32(fixed + AT_POINTER_SIZE, pointer_size);
    etw_store_u32(fixed + AT_MHZ, trace->cpu_mhz);
    etw_store_u32(zone, (uint32_t)trace->utc_bias_minutes);
    etw_store_u64(zone + ZONE_SIZE, (uint64_t)trace->boot_time_100ns);
    etw_store_u32(zone + ZONE_SIZE + 28, trace->buffers_lost);
    etw_buffer_append(out, fixed, fixed_size(pointer_size));
    append_wide(trace->session_name, out);
    append_wide(trace->log_file_name, out);
}

static void set_facts(const etw_trace *trace, const etw_file_facts *facts, uint32_t pointer_size,
                      uint8_t *header)
{
    uint8_t *tail = header + AT_POINTERS + 2 * (size_t)pointer_size + ZONE_SIZE;
    const uint32_t processors = etw_load_u32(header + AT_PROCESSORS);
    etw_store_u32(header + AT_BUFFER_SIZE, facts->buffer_size);
    etw_store_u32(header + AT_VERSION,
                  (etw_load_u32(header + AT_VERSION) & 0xFFFFu) |
                      (facts->is_compressed ? LAYOUT_COMPRESSED : LAYOUT_PLAIN));
    etw_store_u32(header + AT_PROCESSORS,
                  processors < facts->processors ? facts->processors : processors);
    etw_store_u64(header + AT_END_TIME, (uint64_t)facts->end_time_100ns);
    etw_store_u32(header + AT_MAXIMUM_SIZE, 0);
    etw_store_u32(header + AT_MODE, MODE_RELOGGED |
                                        (facts->is_compressed ? ETW_MODE_COMPRESSED : 0) |
                                        (trace->log_file_mode & ETW_MODE_PRIVATE_LOGGER));
    etw_store_u32(header + AT_WRITTEN, facts->buffer_count);
    etw_store_u32(header + AT_START, 1);
    etw_store_u32(header + AT_LOST, facts->events_lost);
    etw_store_u64(tail + 8, trace->clock.frequency_hz);
    etw_store_u64(tail + 16, (uint64_t)trace->clock.base_time_100ns);
    etw_store_u32(tail + 24, trace->clock.type);
}

uint32_t etw_logfile_header_write(const etw_trace *trace, const etw_file_facts *facts,
                                  etw_buffer *out)
{
    const size_t start = out->size;
    const uint32_t pointer_size = trace->pointer_size == 4 ? 4 : 8;
    if (trace->logfile_header.size >= fixed_size(pointer_size)) {
        etw_buffer_append(out, trace->logfile_header.data, trace->logfile_header.size);
    } else {
        make_header(trace, pointer_size, out);
    }
    if (!out->failed) {
        set_facts(trace, facts, pointer_size, (uint8_t *)out->data + start);
    }
    return pointer_size;
}

void etw_buffer_header_write(const etw_buffer_facts *facts, etw_buffer *out)
{
    const bool is_header = facts->sequence == 0;
    uint32_t flags = facts->is_indexed && !is_header ? ETW_BUFFER_PROCESSOR_INDEX : 0;
    flags |= is_header || facts->is_last ? FLAG_FLUSH : 0;
    flags |= facts->is_compressed && !is_header ? ETW_BUFFER_COMPRESSED : 0;
    etw_buffer_append_u32(out, facts->buffer_size);
    etw_buffer_append_u32(out, facts->used_size);
    etw_buffer_append_u32(out, is_header ? 0 : facts->used_size + facts->buffer_size);
    etw_buffer_append_u32(out, 0);
    etw_buffer_append_u64(out, is_header ? 0 : (uint64_t)facts->written_100ns);
    etw_buffer_append_u64(out, facts->sequence);
    etw_buffer_append_u64(out, 0);
    etw_buffer_append_u16(out, facts->context.ProcessorIndex);
    etw_buffer_append_u16(out, facts->context.LoggerId);
    etw_buffer_append_u32(out, is_header && !facts->is_compressed ? 0 : STATE_FLUSHED);
    etw_buffer_append_u32(out, facts->used_size);
    etw_buffer_append_u16(out, (uint16_t)flags);
    etw_buffer_append_u16(out, is_header ? TYPE_HEADER : 0);
    etw_buffer_append_u64(out, 0);
    etw_buffer_append_u64(out, 0);
}
