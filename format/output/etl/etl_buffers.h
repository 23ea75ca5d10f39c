/* Records packed into buffers, one processor's in each, so that who merges them by time gets them
 * in the order in which they came.
 *
 * Of equal times the one first in the file comes first, so buffers go out in the order in which
 * they were begun, and one is ended early where it would have to stand behind another and before
 * it. That is done as long as a file does not grow to more than four times its size by it; else the
 * order is lost, and counted. */
#ifndef ETW_FORMAT_OUTPUT_ETL_BUFFERS_H
#define ETW_FORMAT_OUTPUT_ETL_BUFFERS_H

#include "format/etl/trace_buffer.h"
#include "format/output/spool.h"

#define ETW_ETL_BUFFER_SIZE 65536u
/* Of a file with a record that does not fit otherwise: the next multiple of 1,024. */
#define ETW_ETL_WIDE_SIZE 66560u
/* A file may be so much larger, and three times its records. */
#define ETW_ETL_FREE_WASTE ((uint64_t)8 << 20)
/* Begun and not written: 64 MiB. */
#define ETW_ETL_MAX_HELD 1000u

/* In front of a buffer's records in the spool. */
typedef struct etw_spooled_buffer {
    etw_buffer_context context;
    uint32_t is_indexed;
} etw_spooled_buffer;

typedef struct etw_etl_buffers etw_etl_buffers;

/* spool gets each buffer as one record: the head and its records. NULL: no memory. */
etw_etl_buffers *etw_etl_buffers_new(etw_output_spool *spool);
void etw_etl_buffers_free(etw_etl_buffers *buffers);
/* For a clock that can be set back: readers take the buffers of one processor in their sequence,
 * whatever session wrote them, so one is also ended early where another of its processor began
 * behind it. Before the first record. */
void etw_etl_buffers_keep_sequence(etw_etl_buffers *buffers);

/* A record, without padding, at most 65,535 bytes; in the order of the events. */
etw_status etw_etl_buffers_add(etw_etl_buffers *buffers, const etw_spooled_buffer *where,
                               int64_t ticks, etw_bytes record, etw_error *error);
/* Writes what is left. */
etw_status etw_etl_buffers_end(etw_etl_buffers *buffers, etw_error *error);

uint64_t etw_etl_buffers_count(const etw_etl_buffers *buffers);
/* Whether a record needs buffers of ETW_ETL_WIDE_SIZE. */
bool etw_etl_buffers_are_wide(const etw_etl_buffers *buffers);
/* Records that may be read in another place: times that fall, or equal ones that came to and fro.
 */
uint64_t etw_etl_buffers_disorder(const etw_etl_buffers *buffers);

#endif
