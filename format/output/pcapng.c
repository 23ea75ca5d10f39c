/* pcapng with LINKTYPE_ETW (290), for Wireshark and its friends. A packet is laid out as
 * tcpdump.org registered it and as Wireshark 3.6 to 4.x dissects it: EVENT_HEADER,
 * ETW_BUFFER_CONTEXT, three lengths, then user data, message and provider name (UTF-16LE with NUL),
 * each padded to four bytes. It has no place for extended items; the message is the event's own
 * where it has one, else its name and properties as JSON. Time stamps keep their 100 ns (if_tsresol
 * 7). */
#include "format/output/json.h"

#define LINKTYPE_ETW          290u
#define BLOCK_SECTION         0x0A0D0D0Au
#define BLOCK_INTERFACE       1u
#define BLOCK_ENHANCED_PACKET 6u
#define OPTION_TSRESOL        9u
#define SECTION_SIZE          28u
#define INTERFACE_SIZE        32u
#define PACKET_OVERHEAD       32u
#define PACKET_HEADER_SIZE    96u
/* FILETIME of 1970-01-01. */
#define UNIX_EPOCH_100NS UINT64_C(116444736000000000)
/* Wireshark refuses packets above 256 KiB; user data takes at most a quarter of that, and a message
 * is cut to leave room for it and the name. */
#define MAX_MESSAGE_BYTES ((size_t)128 << 10)
#define MAX_NAME_BYTES    ((size_t)8 << 10)

typedef struct pcapng_output {
    etw_output base;
    etw_text utf8;
    etw_text message; /* UTF-16LE with NUL */
    etw_text name;
} pcapng_output;

static etw_output *pcapng_open(const etw_output_options *options)
{
    return etw_output_new(sizeof(pcapng_output), options);
}

static void pcapng_close(etw_output *output)
{
    pcapng_output *pcapng = (pcapng_output *)output;
    etw_text_free(&pcapng->utf8);
    etw_text_free(&pcapng->message);
    etw_text_free(&pcapng->name);
    etw_output_free(output);
}

static void append_u16(etw_text *text, uint16_t value)
{
    etw_text_append(text, (const char *)&value, sizeof value);
}

static void append_u32(etw_text *text, uint32_t value)
{
    etw_text_append(text, (const char *)&value, sizeof value);
}

static void pcapng_begin(etw_output *output, etw_text *text)
{
    (void)output;
    append_u32(text, BLOCK_SECTION);
    append_u32(text, SECTION_SIZE);
    append_u32(text, 0x1A2B3C4Du); /* byte order */
    append_u16(text, 1);           /* version 1.0 */
    append_u16(text, 0);
    append_u32(text, UINT32_MAX); /* section length: not known */
    append_u32(text, UINT32_MAX);
    append_u32(text, SECTION_SIZE);
    append_u32(text, BLOCK_INTERFACE);
    append_u32(text, INTERFACE_SIZE);
    append_u16(text, LINKTYPE_ETW);
    append_u16(text, 0);
    append_u32(text, 0); /* packets are not cut */
    append_u16(text, OPTION_TSRESOL);
    append_u16(text, 1);
    append_u32(text, 7); /* 10^-7 s, padded to four bytes */
    append_u32(text, 0); /* end of options */
    append_u32(text, INTERFACE_SIZE);
}

/* UTF-8, cut to at most max_bytes of UTF-16LE with its NUL. Empty text: no NUL, nothing. */
static void append_utf16(etw_text *utf16, const etw_text *utf8, size_t max_bytes)
{
    const uint8_t *bytes = (const uint8_t *)utf8->data;
    size_t at = 0;
    while (at < utf8->size && utf16->size + 6 <= max_bytes) {
        uint32_t code_point;
        const size_t length = etw_utf8_decode(bytes + at, utf8->size - at, &code_point);
        at += length == 0 ? 1 : length;
        if (length == 0) {
            code_point = 0xFFFDu;
        }
        if (code_point >= 0x10000u) {
            append_u16(utf16, (uint16_t)(0xD800u + ((code_point - 0x10000u) >> 10)));
            code_point = 0xDC00u + ((code_point - 0x10000u) & 0x3FFu);
        }
        append_u16(utf16, (uint16_t)code_point);
    }
    if (utf16->size > 0) {
        append_u16(utf16, 0);
    }
}

static void make_message(pcapng_output *pcapng, const etw_event *event)
{
    const etw_plan *plan = etw_event_plan(event);
    etw_property_outcome outcome;
    etw_text_clear(&pcapng->utf8);
    etw_text_clear(&pcapng->message);
    if (plan != NULL && etw_plan_event_message(plan)->utf8_size > 0) {
        etw_properties_append_message(event, pcapng->base.options.exact ? ETW_TEXT_EXACT : 0,
                                      ETW_ESCAPE_NONE, &pcapng->utf8);
    } else if (plan != NULL) {
        etw_text_append_z(&pcapng->utf8, etw_plan_event_name(plan)->utf8);
        etw_text_append_char(&pcapng->utf8, ' ');
        etw_json_append_properties(&pcapng->base.options, event, &pcapng->utf8, &outcome);
    }
    append_utf16(&pcapng->message, &pcapng->utf8, MAX_MESSAGE_BYTES);
}

static void make_name(pcapng_output *pcapng, const etw_event *event)
{
    const char *name = etw_event_provider_name(event);
    etw_text_clear(&pcapng->utf8);
    etw_text_clear(&pcapng->name);
    if (name != NULL) {
        etw_text_append_z(&pcapng->utf8, name);
    }
    append_utf16(&pcapng->name, &pcapng->utf8, MAX_NAME_BYTES);
}

static uint32_t padded(size_t size)
{
    return (uint32_t)((size + 3) & ~(size_t)3);
}

static void append_padded(etw_text *text, const void *bytes, size_t size)
{
    static const char zeros[4] = {0};
    etw_text_append(text, bytes, size);
    etw_text_append(text, zeros, padded(size) - size);
}

static void append_packet_header(const etw_event *event, const pcapng_output *pcapng,
                                 etw_text *text)
{
    const etw_event_record *record = etw_event_record_of(event);
    etw_event_header header = record->EventHeader;
    header.TimeStamp = etw_event_time_100ns(event);
    etw_text_append(text, (const char *)&header, sizeof header);
    etw_text_append(text, (const char *)&record->BufferContext, sizeof record->BufferContext);
    append_u32(text, record->UserDataLength);
    append_u32(text, (uint32_t)pcapng->message.size);
    append_u32(text, (uint32_t)pcapng->name.size);
}

static void pcapng_event(etw_output *output, const etw_event *event, etw_text *text)
{
    pcapng_output *pcapng = (pcapng_output *)output;
    const etw_bytes user_data = etw_record_user_data(etw_event_record_of(event));
    make_message(pcapng, event);
    make_name(pcapng, event);
    const uint32_t size = PACKET_HEADER_SIZE + padded(user_data.size) +
                          padded(pcapng->message.size) + padded(pcapng->name.size);
    const uint64_t time = (uint64_t)etw_event_time_100ns(event) - UNIX_EPOCH_100NS;
    append_u32(text, BLOCK_ENHANCED_PACKET);
    append_u32(text, PACKET_OVERHEAD + size);
    append_u32(text, 0); /* interface */
    append_u32(text, (uint32_t)(time >> 32));
    append_u32(text, (uint32_t)time);
    append_u32(text, size);
    append_u32(text, size);
    append_packet_header(event, pcapng, text);
    append_padded(text, user_data.data, user_data.size);
    append_padded(text, pcapng->message.data, pcapng->message.size);
    append_padded(text, pcapng->name.data, pcapng->name.size);
    append_u32(text, PACKET_OVERHEAD + size);
}

const etw_output_format etw_output_pcapng = {
    .name = "pcapng",
    .help = "for Wireshark: packets of LINKTYPE_ETW (290)",
    .binary = true,
    .open = pcapng_open,
    .close = pcapng_close,
    .begin = pcapng_begin,
    .event = pcapng_event,
};
