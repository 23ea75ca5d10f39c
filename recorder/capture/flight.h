/* The flight recorder: the newest events, compressed, in memory; written to disk when something
 * happens.
 *
 * It is a capture with a ring of segments on files that live in memory (memory_files.h); a dump
 * reads the segments back in their order and writes one file. */
#ifndef ETW_RECORDER_FLIGHT_H
#define ETW_RECORDER_FLIGHT_H

#include "recorder/capture/capture.h"

/* The ring's granularity: dropping the oldest segment forgets this part of the whole. */
#define ETW_FLIGHT_SEGMENTS  8u
#define ETW_FLIGHT_MIN_BYTES ((uint64_t)1 << 20)
#define ETW_FLIGHT_MAX_BYTES ((uint64_t)4 << 30)

typedef struct etw_flight_options {
    /* Compressed, in memory, besides blocks on their way (ETW_WRITER_MAX_QUEUE_BYTES); 0: no flight
     * recorder. */
    uint64_t max_bytes;
    uint64_t max_age_ms; /* forget what is older; 0: only the size counts */
    bool has_trigger;    /* dump when an event of this provider and id comes */
    etw_guid trigger_provider;
    uint16_t trigger_id;
} etw_flight_options;

typedef struct etw_flight etw_flight;

/* capture: as for a capture to disk; its path and os are where dumps go, its rotation is not used.
 */
ETW_API_CHECKED etw_status etw_flight_open(const etw_flight_options *options,
                                           const etw_capture_options *capture, etw_flight **flight,
                                           etw_error *error);
/* Events, losses, traces and ticks go to this capture. */
ETW_API etw_capture *etw_flight_capture(etw_flight *flight);
ETW_API bool etw_flight_is_trigger(const etw_flight *flight, const etw_event_record *record);
/* Writes what is in memory to "OUT-0001.etwcap", the next dump to "OUT-0002.etwcap", ...; recording
 * goes on. *path (may be NULL) names the file until the next dump. */
ETW_API_CHECKED etw_status etw_flight_dump(etw_flight *flight, const char **path, etw_error *error);
ETW_API void etw_flight_free(etw_flight *flight);

#endif
