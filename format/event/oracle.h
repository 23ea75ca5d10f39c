/* The render oracle: what TdhFormatProperty itself gave on the recording machine, for the first
 * events of each schema, to compare this project's texts with. A blob of it travels in the file.
 *
 * Layout, little-endian, one entry for each event:
 *
 *     u32 size            of what follows in this entry
 *     u32 schema_id       of the file
 *     u32 pointer_size    4 or 8, as handed to TdhFormatProperty
 *     u32 text_count
 *     u64 event_number    counted from 0 over all events of the file, in order
 *     u64 payload_hash    XXH3-64 of the user data
 *     text_count times:
 *         u32 status      what TdhFormatProperty returned in the end; 0: text is there
 *         u16 path_size
 *         u32 text_size
 *         path            UTF-8: "Peers[0].Port"
 *         text            UTF-16LE, without NUL
 *
 * Entries of texts follow the payload's order. In a path, members of structs stand behind a dot,
 * and elements of arrays (ParamCount, ParamFixedCount, count > 1) carry their index.
 *
 * A text is what a consumer ends up with: after a retry without the map (15005), and empty without
 * a call for z-strings behind the payload's end and for zero-length data (TEXT.md).
 */
#ifndef ETW_FORMAT_EVENT_ORACLE_H
#define ETW_FORMAT_EVENT_ORACLE_H

#include "format/event/render/plan.h"

/* Limits: of one blob, and of one path (longer ones are cut by whoever makes them). */
#define ETW_ORACLE_MAX_SIZE      ((size_t)8 << 20)
#define ETW_ORACLE_MAX_PATH_SIZE 1024u
/* Where one side has properties that the other lacks, so many of them are passed over to find the
 * next common one. */
#define ETW_ORACLE_LOOK_AHEAD 256u
/* Where an entry has its schema's number, for who copies it into another file. */
#define ETW_ORACLE_SCHEMA_ID_OFFSET 4u

/* Making blobs. Adding never fails in the caller's face; finish reports. */
typedef struct etw_oracle_builder etw_oracle_builder;
/* NULL where memory is out. */
ETW_API etw_oracle_builder *etw_oracle_builder_new(void);
ETW_API void etw_oracle_builder_free(etw_oracle_builder *builder);
ETW_API void etw_oracle_builder_event(etw_oracle_builder *builder, uint32_t schema_id,
                                      uint64_t event_number, uint32_t pointer_size,
                                      etw_bytes user_data);
/* To the event begun last. text: UTF-16LE without NUL; empty where status is not 0. */
ETW_API void etw_oracle_builder_text(etw_oracle_builder *builder, const char *path, uint32_t status,
                                     etw_bytes text);
/* *blob is lent until the next call on the builder, which starts an empty blob. ETW_ERROR_LIMIT
 * where it grew past ETW_ORACLE_MAX_SIZE. */
ETW_API_CHECKED etw_status etw_oracle_builder_finish(etw_oracle_builder *builder, etw_bytes *blob,
                                                     etw_error *error);

/* Reading blobs. All views are lent by the blob. */
typedef struct etw_oracle_event {
    uint32_t schema_id;
    uint32_t pointer_size;
    uint64_t event_number;
    uint64_t payload_hash;
    uint32_t text_count;
    etw_bytes texts;
} etw_oracle_event;

typedef struct etw_oracle_text {
    uint32_t status;
    etw_bytes path;
    etw_bytes text;
} etw_oracle_text;

/* The next entry; ETW_END behind the last, ETW_ERROR_DAMAGED where the bytes break their own sizes.
 */
ETW_API_CHECKED etw_status etw_oracle_next(etw_cursor *blob, etw_oracle_event *event,
                                           etw_error *error);
/* texts: a cursor over event->texts. */
ETW_API_CHECKED etw_status etw_oracle_next_text(etw_cursor *texts, etw_oracle_text *text,
                                                etw_error *error);

/* One difference. A property that only one side has leaves the other side's text NULL. */
typedef struct etw_oracle_difference {
    etw_bytes path;
    const etw_value *value; /* NULL where only TDH has the property */
    uint32_t status;        /* TDH's */
    const char *tdh;        /* UTF-8; NULL where TDH gave none */
    const char *ours;       /* UTF-8; NULL where we gave none */
} etw_oracle_difference;

typedef void (*etw_oracle_report)(void *context, const etw_oracle_difference *difference);

typedef struct etw_oracle_counts {
    uint64_t events;
    uint64_t texts;
    uint64_t differences;
} etw_oracle_counts;

/* Where the result of a comparison goes. */
typedef struct etw_oracle_result {
    etw_oracle_report report; /* of each difference; may be NULL */
    void *context;
    etw_oracle_counts *counts; /* added to */
} etw_oracle_result;

/* Renders record in the exact form and compares all of the event's texts. Returns
 * ETW_ERROR_NOT_FOUND where the record's payload is not the one that TDH saw, ETW_ERROR_DAMAGED for
 * a broken entry. */
ETW_API_CHECKED etw_status etw_oracle_compare(const etw_oracle_event *event, const etw_plan *plan,
                                              const etw_event_record *record,
                                              etw_oracle_result result, etw_error *error);

/* One line: path, in and out type, bytes, both texts; no line break at its end. */
ETW_API void etw_oracle_append_difference(etw_text *text, const etw_oracle_difference *difference);

#endif
