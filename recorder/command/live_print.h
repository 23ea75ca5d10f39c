/* --print: a live recording's events on stdout as they come, in the texts of etw-replay. */
#ifndef ETW_RECORDER_LIVE_PRINT_H
#define ETW_RECORDER_LIVE_PRINT_H

#include "format/output/output.h"

typedef struct etw_live_print etw_live_print;

/* store: has the providers' names; outlives the print. NULL where memory is out. */
etw_live_print *etw_live_print_new(const etw_output_format *format, const etw_schema_store *store);
void etw_live_print_free(etw_live_print *print);

/* What is made text here is written by the next flush, or when it has become large. */
void etw_live_print_event(etw_live_print *print, const etw_trace *trace,
                          const etw_event_record *record, const etw_schema *schema);
void etw_live_print_loss(etw_live_print *print, const etw_loss *loss);

/* To be called about four times a second. ETW_END: whoever read stdout has gone, and nothing is
 * printed any more. */
etw_status etw_live_print_flush(etw_live_print *print, etw_error *error);
/* Writes the format's end, too. */
etw_status etw_live_print_finish(etw_live_print *print, etw_error *error);

#endif
