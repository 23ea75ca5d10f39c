/* The rundown as events: the kernel's own classes Process (version 4) and Image (version 3), opcode
 * DCStart, SystemConfig's Services (version 3), and KernelTraceControl's ImageID for what symbols
 * are looked up by. So every reader of a recording has them, other tools' too, once it is exported.
 * Process has no field for the start key: it is in the extended data.
 *
 * They are made here and not by ETW, or are the kernel's own of another session: their LoggerId
 * says which. Layouts: format/schema/classic_table.inc. */
#ifndef ETW_RECORDER_RUNDOWN_EVENTS_H
#define ETW_RECORDER_RUNDOWN_EVENTS_H

#include "format/base/buffer.h"
#include "format/event/record.h"
#include "format/schema/pe_identity.h"

/* LoggerId of events that the recorder made, and of the kernel's own that it took from a session of
 * its own; other sessions have lower ones. */
#define ETW_RUNDOWN_LOGGER_ID        0xFFFFu
#define ETW_RUNDOWN_KERNEL_LOGGER_ID 0xFFFEu

typedef struct etw_rundown_process_facts {
    uint32_t process_id, parent_id, session_id;
    uint64_t start_key;       /* 0: it could not be asked */
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

typedef struct etw_rundown_service_facts {
    uint32_t process_id, state;      /* SERVICE_RUNNING (4), ... */
    const char *name, *display_name; /* UTF-8 */
} etw_rundown_service_facts;

/* Append to a run of events; failures as those of buffers. Texts are cut so that an event fits. */
ETW_API void etw_rundown_events_process(etw_buffer *to, const etw_rundown_process_facts *facts);
/* DCStart; where the file could be read also DbgID_RSDS and FileVersion. */
ETW_API void etw_rundown_events_image(etw_buffer *to, const etw_rundown_image_facts *facts);
/* The latter two alone. */
ETW_API void etw_rundown_events_identity(etw_buffer *to, const etw_rundown_image_facts *facts);
/* The kernel's own event: EVENT_HEADER, ETW_BUFFER_CONTEXT and user data, one behind the other,
 * with its time in 100 ns (FILETIME). Left out where it is too short or above 64 KiB. start_key 0:
 * none. */
ETW_API void etw_rundown_events_kernel(etw_buffer *to, etw_bytes event, uint64_t start_key);

ETW_API void etw_rundown_events_service(etw_buffer *to, const etw_rundown_service_facts *facts);

/* Whether it is of the kernel's class of images, whatever its opcode. */
ETW_API bool etw_rundown_is_image(const etw_event_record *record);

/* An event with its extended data. */
typedef struct etw_rundown_event {
    etw_event_record record;
    etw_extended_data_item item;
} etw_rundown_event;

/* The next event of a run, lent by it and by *event; false at its end. The caller sets the time,
 * and that of the kernel's own by the trace's clock. */
ETW_API bool etw_rundown_events_next(etw_bytes *left, etw_rundown_event *event);

#endif
