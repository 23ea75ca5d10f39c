/* What a writer keeps; for writer*.c only. */
#ifndef ETW_FORMAT_ETWCAP_WRITER_INSIDE_H
#define ETW_FORMAT_ETWCAP_WRITER_INSIDE_H

#include <stdatomic.h>

#include "format/etwcap/write_queue.h"
#include "format/etwcap/writer.h"

/* Blocks that wait before a batch; more, and the batch goes out. */
#define ETW_WRITER_MAX_BEFORE ((size_t)1 << 20)

enum etw_writer_drop {
    ETW_DROP_QUEUE_FULL,
    ETW_DROP_LIMIT,
    ETW_DROP_DISK,
    ETW_DROP_MEMORY,
    ETW_DROP_END
};

struct etw_writer {
    etw_writer_options options;
    etw_write_queue queue;
    etw_clock clocks[ETW_MAX_TRACES]; /* of the queue */
    uint16_t trace_count;
    uint8_t *seen; /* by schema id: an enum schema_state */
    uint32_t names_seen;
    etw_loss drops[ETW_DROP_END]; /* not yet in a loss record: by an enum etw_writer_drop */
    /* The job that events go into without the lock: it is the caller's until it is handed over.
     * NULL, or the queue asks for attention: the caller looks at everything under the lock first.
     */
    etw_write_job *open;
    atomic_uint_fast64_t received; /* written by the caller alone */
    uint64_t dropped;
};

/* With the lock. The job that the caller may fill; NULL where all are on their way and the policy
 * says drop. What was dropped before goes first into it. */
etw_write_job *etw_writer_current_job(etw_writer *writer);
/* With the lock. The job goes on its way, with what the store learnt of names. */
void etw_writer_hand_over(etw_writer *writer, etw_write_job *current);

/* Puts the schema into the job where it is new. *id: 0 for one that the file cannot hold. False
 * where memory is out; the schema is still new then. */
bool etw_writer_note_schema(etw_writer *writer, etw_write_job *current, uint32_t schema_id,
                            uint32_t *id);

static inline void etw_writer_count_received(etw_writer *writer, uint32_t events)
{
    /* One thread writes it: no need for the cost of an atomic addition. */
    const uint_fast64_t received = atomic_load_explicit(&writer->received, memory_order_relaxed);
    atomic_store_explicit(&writer->received, received + events, memory_order_relaxed);
}

#endif
