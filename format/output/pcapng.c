/* pcapng with LINKTYPE_ETW (290), for Wireshark and its friends. A packet is laid out as
 * tcpdump.org registered it and as Wireshark 3.6 to 4.x dissects it: EVENT_HEADER,
 * ETW_BUFFER_CONTEXT, three lengths, then user data, message and provider name (UTF-16LE with NUL),
 * each padded to four bytes. It has no place for extended items; the message is the event's own
 * where it has one, else its name and properties as JSON. Time stamps keep their 100 ns (if_tsresol
 * 7). */
#include "format/output/json.h"
#include "format/output/pcapng_block.h"

#define LINKTYPE_ETW       290u
#define PACKET_HEADER_SIZE 96u
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

static void pcapng_begin(etw_output *output, etw_text *text)
{
    (void)output;
    etw_pcapng_section(text, NULL);
    const size_t start = etw_pcapng_begin_interface(text, LINKTYPE_ETW);
    etw_pcapng_end_options(text);
    etw_pcapng_end(text, start);
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
            etw_pcapng_u16(utf16, (uint16_t)(0xD800u + ((code_point - 0x10000u) >> 10)));
            code_point = 0xDC00u + ((code_point - 0x10000u) & 0x3FFu);
        }
        etw_pcapng_u16(utf16, (uint16_t)code_point);
    }
    if (utf16->size > 0) {
        etw_pcapng_u16(utf16, 0);
    }
    utf16->failed = utf16->failed || utf8->failed;
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

static void append_packet_header(const etw_event *event, const pcapng_output *pcapng,
                                 etw_text *text)
{
    const etw_event_record *record = etw_event_record_of(event);
    etw_event_header header = record->EventHeader;
    header.TimeStamp = etw_event_time_100ns(event);
    etw_text_append(text, (const char *)&header, sizeof header);
    etw_text_append(text, (const char *)&record->BufferContext, sizeof record->BufferContext);
    etw_pcapng_u32(text, record->UserDataLength);
    etw_pcapng_u32(text, (uint32_t)pcapng->message.size);
    etw_pcapng_u32(text, (uint32_t)pcapng->name.size);
}

static void pcapng_event(etw_output *output, const etw_event *event, etw_text *text)
{
    pcapng_output *pcapng = (pcapng_output *)output;
    const etw_bytes user_data = etw_record_user_data(etw_event_record_of(event));
    make_message(pcapng, event);
    make_name(pcapng, event);
    const uint32_t size = PACKET_HEADER_SIZE + etw_pcapng_padded_size(user_data.size) +
                          etw_pcapng_padded_size(pcapng->message.size) +
                          etw_pcapng_padded_size(pcapng->name.size);
    const size_t start = etw_pcapng_begin(text, ETW_PCAPNG_PACKET);
    etw_pcapng_u32(text, 0); /* interface */
    etw_pcapng_time(text, etw_event_time_100ns(event));
    etw_pcapng_u32(text, size);
    etw_pcapng_u32(text, size);
    append_packet_header(event, pcapng, text);
    etw_pcapng_padded(text, user_data.data, user_data.size);
    etw_pcapng_padded(text, pcapng->message.data, pcapng->message.size);
    etw_pcapng_padded(text, pcapng->name.data, pcapng->name.size);
    etw_pcapng_end(text, start);
    text->failed = text->failed || pcapng->message.failed || pcapng->name.failed;
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
