/* The traces that are recorded from files: opened by what they are, each put in the order of time
 * and merged, with what they tell beside their events. A single one keeps its order. */
#ifndef ETW_RECORDER_RECORD_INPUTS_H
#define ETW_RECORDER_RECORD_INPUTS_H

#include "recorder/capture/capture.h"
#include "recorder/command/arguments.h"
#include "recorder/command/stop_signal.h"

typedef struct etw_record_inputs etw_record_inputs;

/* Opens all inputs of the arguments, scanning those that are .etl files for the schemas that they
 * carry. What is passed outlives the inputs. Once the signal is set, an input that is still being
 * put in order ends there, as one that failed. */
etw_status etw_record_inputs_open(const etw_record_arguments *arguments, etw_resolver *resolver,
                                  etw_schema_store *store, etw_stop_signal *signal,
                                  etw_record_inputs **inputs, etw_error *error);
/* NULL is fine. */
void etw_record_inputs_close(etw_record_inputs *inputs);

/* To be pulled; the inputs' own. */
etw_source *etw_record_inputs_source(const etw_record_inputs *inputs);

/* What was taken out of their events, for etw_writer_options; NULL: nothing. The inputs' own. */
const char *etw_record_inputs_redacted(const etw_record_inputs *inputs);

/* From now on clock anchors and lists of processes go to this capture, those that were read already
 * at once. */
etw_status etw_record_inputs_feed(etw_record_inputs *inputs, etw_capture *capture,
                                  etw_error *error);
/* A segment was opened, which is to have the lists of processes, too. */
void etw_record_inputs_segment_opened(etw_record_inputs *inputs);
/* Blocks that were read and not kept: TDH's texts, private kinds. */
uint64_t etw_record_inputs_left_behind(const etw_record_inputs *inputs);

#endif
