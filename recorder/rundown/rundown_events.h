/* The rundown as events: the kernel's own classes Process (version 4) and Image (version 3), opcode
 * DCStart, and KernelTraceControl's ImageID for what symbols are looked up by. So every reader of a
 * recording has them, other tools' too, once it is exported.
 *
 * They are made here and not by ETW: their LoggerId says so. Layouts:
 * format/schema/classic_table.inc. */
#ifndef ETW_RECORDER_RUNDOWN_EVENTS_H
#define ETW_RECORDER_RUNDOWN_EVENTS_H

#include "format/base/buffer.h"
#include "format/event/record.h"
#include "format/schema/pe_identity.h"

/* LoggerId of events that the recorder made; sessions have lower ones. */
#define ETW_RUNDOWN_LOGGER_ID 0xFFFFu

typedef struct etw_rundown_process_facts {
    uint32_t process_id, parent_id, session_id;
    etw_bytes sid;            /* of its user; empty where it could not be asked */
    const char *name;         /* the executable's, UTF-8, without its folder */
    const char *command_line; /* UTF-8; "" where it could not be asked */
} etw_rundown_process_facts;

/* An image of the process; process id 0: of the kernel. */
typedef struct etw_rundown_image_facts {
    uint32_t process_id;
    uint64_t base, size;
    const char *path;                /* UTF-8 */
    const etw_pe_identity *identity; /* NULL where the file could not be read */
} etw_rundown_image_facts;

/* Append to a run of events; failures as those of buffers. Texts are cut so that an event fits. */
ETW_API void etw_rundown_events_process(etw_buffer *to, const etw_rundown_process_facts *facts);
/* DCStart; where the file could be read also DbgID_RSDS and FileVersion. */
ETW_API void etw_rundown_events_image(etw_buffer *to, const etw_rundown_image_facts *facts);

/* The next event of a run, lent by it; false at its end. Time and clock are the caller's to set. */
ETW_API bool etw_rundown_events_next(etw_bytes *left, etw_event_record *record);

#endif
