/* Records of trace files made from EVENT_RECORDs: what etw_trace_record_build reads, the other way
 * round. */
#ifndef ETW_FORMAT_ETL_RECORD_WRITE_H
#define ETW_FORMAT_ETL_RECORD_WRITE_H

#include "format/base/buffer.h"
#include "format/event/record.h"

/* What a record in a file cannot say of an event. */
typedef enum etw_record_doubt {
    ETW_RECORD_SAME,          /* read again it is the same, byte for byte */
    ETW_RECORD_OTHER_FORM,    /* the header's size, type or flags differ: those of live events */
    ETW_RECORD_WITHOUT_ITEMS, /* extended items of a classic event, which have no place */
    ETW_RECORD_TOO_LARGE      /* above 65,535 bytes: nothing was written */
} etw_record_doubt;

/* Appends the record, without padding. TimeStamp is raw ticks; is_system_time: of that clock. */
etw_record_doubt etw_record_write(const etw_event_record *record, bool is_system_time,
                                  etw_buffer *out);

/* The classic record of a metadata event: of the class etw_metadata_event_class, at the time and in
 * the process of another event. opcode: 32 with a TRACE_EVENT_INFO, 33 with the provider's GUID and
 * an EVENT_MAP_INFO. False where it would be too large. */
typedef struct etw_metadata_record {
    uint8_t opcode;
    int64_t ticks;
    uint32_t process_id, thread_id;
    etw_bytes first, second; /* its payload, one after the other */
} etw_metadata_record;
bool etw_metadata_record_write(const etw_metadata_record *metadata, etw_buffer *out);

#endif
