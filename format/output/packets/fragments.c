#include "format/output/packets/fragments.h"

void etw_fragments_free(etw_fragments *fragments)
{
    for (uint32_t i = 0; i < ETW_FRAGMENTS_MAX_OPEN; i++) {
        etw_text_free(&fragments->open[i].bytes);
    }
}

/* Its own, or the one that was not used for the longest time. */
static etw_open_packet *find(etw_fragments *f, const etw_packet_event *event,
                             const etw_ndis_fragment *fragment)
{
    etw_open_packet *oldest = &f->open[0];
    for (uint32_t i = 0; i < ETW_FRAGMENTS_MAX_OPEN; i++) {
        etw_open_packet *o = &f->open[i];
        if (o->is_open && o->process_id == event->process_id && o->thread_id == event->thread_id &&
            o->miniport == fragment->miniport && o->lower == fragment->lower) {
            return o;
        }
        if (!o->is_open || (oldest->is_open && o->used < oldest->used)) {
            oldest = o;
        }
    }
    f->broken += oldest->is_open;
    oldest->is_open = false;
    return oldest;
}

static void begin(etw_fragments *f, etw_open_packet *o, const etw_packet_event *event,
                  const etw_ndis_fragment *fragment)
{
    f->broken += o->is_open; /* it never got its end */
    o->is_open = true;
    o->process_id = event->process_id;
    o->thread_id = event->thread_id;
    o->miniport = fragment->miniport;
    o->lower = fragment->lower;
    etw_text_clear(&o->bytes);
}

bool etw_fragments_add(etw_fragments *fragments, const etw_packet_event *event,
                       const etw_ndis_fragment *fragment, etw_bytes *packet, bool *failed)
{
    const bool is_start = (event->keyword & ETW_NDIS_START) != 0;
    const bool is_end = (event->keyword & ETW_NDIS_END) != 0;
    *packet = fragment->bytes;
    if (event->carrier == ETW_PACKET_RAS || (is_start && is_end)) {
        return true;
    }
    etw_open_packet *o = find(fragments, event, fragment);
    if (is_start) {
        begin(fragments, o, event, fragment);
    } else if (!o->is_open) {
        fragments->broken++;
        return false;
    }
    o->used = ++fragments->clock;
    etw_text_append(&o->bytes, (const char *)fragment->bytes.data, fragment->bytes.size);
    *failed = o->bytes.failed;
    if (o->bytes.size > ETW_FRAGMENTS_MAX_BYTES || o->bytes.failed) {
        fragments->broken++;
        o->is_open = false;
        return false;
    }
    *packet = etw_text_bytes(&o->bytes);
    o->is_open = !is_end;
    return is_end;
}
