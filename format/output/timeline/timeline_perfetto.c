/* Perfetto's packets (protos/perfetto/trace of github.com/google/perfetto): tracks for processes
 * and threads, slices, instants and counters upon them, context switches as its own ETW messages.
 * Time stamps are nanoseconds since 1970. */
#include "format/output/timeline/timeline_writer.h"

#include "format/base/probe.h"

#define UNIX_EPOCH_100NS INT64_C(116444736000000000)
#define SEQUENCE         1u
#define CLOCK_BOOT       6u
#define CLOCK_REAL       1u

enum { VARINT = 0, FIXED64 = 1, BYTES = 2 }; /* wire types */
enum { SLICE_BEGIN = 1, SLICE_END = 2, INSTANT = 3, COUNTER = 4 };

static const etw_seed track_seed = {{UINT64_C(0x8BB84B93962EACC9), UINT64_C(0x2D358DCCAA6C78A5)}};

/* Numbers and bytes. */

static void put_varint(etw_text *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        etw_text_append_char(to, (char)(0x80 | (value & 0x7F)));
    }
    etw_text_append_char(to, (char)value);
}

static void put_number(etw_text *to, uint32_t field, uint64_t value)
{
    put_varint(to, (uint64_t)field << 3 | VARINT);
    put_varint(to, value);
}

static void put_double(etw_text *to, uint32_t field, double value)
{
    put_varint(to, (uint64_t)field << 3 | FIXED64);
    etw_text_append(to, (const char *)&value, sizeof value);
}

static void put_bytes(etw_text *to, uint32_t field, etw_bytes bytes)
{
    put_varint(to, (uint64_t)field << 3 | BYTES);
    put_varint(to, bytes.size);
    etw_text_append(to, (const char *)bytes.data, bytes.size);
}

/* Moves a message into another as one of its fields, and frees it. */
static void put_message(etw_text *to, uint32_t field, etw_text *message)
{
    put_bytes(to, field, etw_text_bytes(message));
    to->failed |= message->failed;
    etw_text_free(message);
}

/* Packets. */

static uint64_t unix_ns(int64_t first_100ns, int64_t time)
{
    const int64_t since_1970 = first_100ns + time - UNIX_EPOCH_100NS;
    return since_1970 < 0 || since_1970 > INT64_MAX / 100 ? 0 : (uint64_t)since_1970 * 100;
}

static void put_packet(etw_text *out, uint32_t field, etw_text *message, uint64_t time_ns)
{
    etw_text packet = {0};
    if (time_ns != 0) {
        put_number(&packet, 8, time_ns);
    }
    put_number(&packet, 10, SEQUENCE);
    put_message(&packet, field, message);
    put_message(out, 1, &packet);
}

static void perfetto_begin(etw_text *out, int64_t first_100ns)
{
    static const uint32_t clocks[] = {CLOCK_BOOT, CLOCK_REAL};
    etw_text snapshot = {0};
    etw_text packet = {0};
    for (size_t i = 0; i < 2; i++) {
        etw_text clock = {0};
        put_number(&clock, 1, clocks[i]);
        put_number(&clock, 2, unix_ns(first_100ns, 0));
        put_message(&snapshot, 1, &clock);
    }
    put_number(&packet, 10, SEQUENCE);
    put_number(&packet, 13, 1); /* what was interned before is forgotten */
    put_message(&packet, 6, &snapshot);
    put_message(out, 1, &packet);
}

static void perfetto_end(etw_text *out)
{
    (void)out;
}

/* Tracks. */

static uint64_t process_track(uint32_t process_id)
{
    return etw_hash_pair(track_seed, process_id, 1);
}

static uint64_t thread_track(uint32_t process_id, uint32_t thread_id)
{
    return etw_hash_pair(track_seed, (uint64_t)process_id << 32 | thread_id, 2);
}

static void perfetto_process(etw_text *out, uint32_t process_id, etw_bytes name)
{
    etw_text process = {0};
    etw_text track = {0};
    put_number(&process, 1, process_id);
    put_bytes(&process, 6, name);
    put_number(&track, 1, process_track(process_id));
    put_message(&track, 3, &process);
    put_packet(out, 60, &track, 0);
}

static void perfetto_thread(etw_text *out, uint32_t process_id, uint32_t thread_id, etw_bytes name)
{
    etw_text thread = {0};
    etw_text track = {0};
    put_number(&thread, 1, process_id);
    put_number(&thread, 2, thread_id);
    if (name.size > 0) {
        put_bytes(&thread, 5, name);
    }
    put_number(&track, 1, thread_track(process_id, thread_id));
    put_number(&track, 5, process_track(process_id));
    put_message(&track, 4, &thread);
    put_packet(out, 60, &track, 0);
}

/* A track of its own below the process: for a slice that crosses others, for a counter. */
static void put_own_track(etw_text *out, const etw_timeline_slice *s, uint64_t uuid,
                          bool is_counter)
{
    etw_text track = {0};
    put_number(&track, 1, uuid);
    put_bytes(&track, 2, s->name);
    put_number(&track, 5, process_track(s->process_id));
    if (is_counter) {
        put_bytes(&track, 8, (etw_bytes){NULL, 0});
    }
    put_packet(out, 60, &track, 0);
}

/* Events. */

static void put_note(etw_text *event, const char *name, etw_bytes value)
{
    etw_text note = {0};
    put_bytes(&note, 10, (etw_bytes){(const uint8_t *)name, strlen(name)});
    put_bytes(&note, 6, value);
    put_message(event, 4, &note);
}

static void put_event(etw_text *out, const etw_timeline_slice *s, uint32_t type, uint64_t track)
{
    etw_text event = {0};
    const int64_t time = type == SLICE_END ? s->end : s->start;
    put_number(&event, 9, type);
    put_number(&event, 11, track);
    if (type != SLICE_END) {
        put_bytes(&event, 22, s->category);
        put_bytes(&event, 23, s->name);
        if (s->args.size > 0) {
            put_note(&event, "properties", s->args);
        }
        if (s->is_open) {
            put_note(&event, "unfinished", (etw_bytes){(const uint8_t *)"true", 4});
        }
    }
    put_packet(out, 11, &event, unix_ns(s->first_100ns, time));
}

static void perfetto_slice(etw_text *out, const etw_timeline_slice *s)
{
    uint64_t track = thread_track(s->process_id, s->thread_id);
    if (s->lane != 0) {
        track = etw_hash_pair(track_seed, s->lane, 3);
        put_own_track(out, s, track, false);
    }
    put_event(out, s, SLICE_BEGIN, track);
    put_event(out, s, SLICE_END, track);
}

static void perfetto_instant(etw_text *out, const etw_timeline_slice *s)
{
    put_event(out, s, INSTANT, thread_track(s->process_id, s->thread_id));
}

static void perfetto_counter(etw_text *out, const etw_timeline_slice *s, double value)
{
    const uint64_t track =
        etw_hash_pair(track_seed, etw_hash_bytes(track_seed, s->name.data, s->name.size),
                      (uint64_t)s->process_id << 8 | 4);
    etw_text event = {0};
    put_own_track(out, s, track, true);
    put_number(&event, 9, COUNTER);
    put_number(&event, 11, track);
    put_double(&event, 44, value);
    put_packet(out, 11, &event, unix_ns(s->first_100ns, s->start));
}

/* EtwTraceEventBundle, EtwTraceEvent, CSwitchEtwEvent. */
static void perfetto_switch(etw_text *out, const etw_timeline_slice *at,
                            const etw_timeline_row *row)
{
    etw_text change = {0};
    etw_text event = {0};
    etw_text bundle = {0};
    put_number(&change, 1, row->thread_id);
    put_number(&change, 2, row->old_thread);
    put_number(&change, 11, row->wait_reason);
    put_number(&change, 13, row->old_state);
    put_number(&event, 1, unix_ns(at->first_100ns, at->start));
    put_number(&event, 4, row->processor);
    put_message(&event, 2, &change);
    put_number(&bundle, 1, row->processor);
    put_message(&bundle, 2, &event);
    put_packet(out, 95, &bundle, unix_ns(at->first_100ns, at->start));
}

const etw_timeline_writer etw_timeline_perfetto = {
    perfetto_begin,   perfetto_end,   perfetto_process,
    perfetto_thread,  perfetto_slice, perfetto_instant,
    perfetto_counter, NULL,           perfetto_switch,
};
