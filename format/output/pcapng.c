/* pcapng with LINKTYPE_ETW (290), for Wireshark and its friends. A packet is laid out as
 * tcpdump.org registered it and as Wireshark 3.6 to 4.x dissects it: EVENT_HEADER,
 * ETW_BUFFER_CONTEXT, three lengths, then user data, message and provider name (UTF-16LE with NUL),
 * each padded to four bytes. It has no place for extended items. Wireshark's main branch changed it
 * in 2026: pcapng_parts.h, by option. The message is the event's own, or its name, and its
 * properties as JSON. Time stamps keep their 100 ns (if_tsresol 7). */
#include "format/output/json.h"
#include "format/output/pcapng_block.h"
#include "format/output/pcapng_parts.h"

#define LINKTYPE_ETW 290u
/* Wireshark refuses packets above 256 KiB; user data takes at most a quarter of that, and a message
 * is cut to leave room for it, the name, and what pcapng_parts.h has besides. */
#define MAX_MESSAGE_BYTES ((size_t)64 << 10)
#define MAX_NAME_BYTES    ((size_t)8 << 10)
#define DESCRIPTION       "Event Tracing for Windows"

typedef struct pcapng_output {
    etw_output base;
    etw_text utf8;
    etw_text message; /* UTF-16LE with NUL */
    etw_text name;
    etw_text packet;
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
    etw_text_free(&pcapng->packet);
    etw_output_free(output);
}

static void pcapng_begin(etw_output *output, etw_text *text)
{
    (void)output;
    etw_pcapng_section(text, NULL);
    const size_t start = etw_pcapng_begin_interface(text, LINKTYPE_ETW);
    etw_pcapng_option(text, ETW_PCAPNG_INTERFACE_NAME, "ETW", 3);
    etw_pcapng_option(text, ETW_PCAPNG_INTERFACE_DESCRIPTION, DESCRIPTION, sizeof DESCRIPTION - 1);
    etw_pcapng_end_options(text);
    etw_pcapng_end(text, start);
}

/* UTF-8, cut to at most max_bytes of UTF-16LE with its NUL. Empty text: no NUL, nothing. */
static void append_utf16(etw_text *utf16, const etw_text *utf8, size_t max_bytes)
{
    etw_pcapng_utf16(utf16, etw_text_bytes(utf8), max_bytes - sizeof(uint16_t));
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
    }
    if (plan != NULL) {
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

static void append_registered(const etw_event *event, const pcapng_output *pcapng, etw_text *text)
{
    const etw_bytes user_data = etw_record_user_data(etw_event_record_of(event));
    etw_pcapng_event_header(event, text);
    etw_pcapng_u32(text, (uint32_t)user_data.size);
    etw_pcapng_u32(text, (uint32_t)pcapng->message.size);
    etw_pcapng_u32(text, (uint32_t)pcapng->name.size);
    etw_pcapng_padded(text, user_data.data, user_data.size);
    etw_pcapng_padded(text, pcapng->message.data, pcapng->message.size);
    etw_pcapng_padded(text, pcapng->name.data, pcapng->name.size);
}

static void pcapng_event(etw_output *output, const etw_event *event, etw_text *text)
{
    pcapng_output *pcapng = (pcapng_output *)output;
    make_message(pcapng, event);
    make_name(pcapng, event);
    etw_text_clear(&pcapng->packet);
    if (output->options.pcapng_layout == ETW_PCAPNG_PARTS) {
        const etw_pcapng_texts texts = {etw_text_bytes(&pcapng->message),
                                        etw_text_bytes(&pcapng->name)};
        etw_pcapng_parts_append(&output->options, event, &texts, &pcapng->packet);
    } else {
        append_registered(event, pcapng, &pcapng->packet);
    }
    const size_t start =
        etw_pcapng_begin_packet(text, 0, etw_event_time_100ns(event),
                                etw_text_bytes(&pcapng->packet), (uint32_t)pcapng->packet.size);
    etw_pcapng_end(text, start);
    text->failed =
        text->failed || pcapng->message.failed || pcapng->name.failed || pcapng->packet.failed;
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
