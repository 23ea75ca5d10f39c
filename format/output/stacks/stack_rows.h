/* Call stacks as rows: a weight and the frames from the root on, the first of them the process. */
#ifndef ETW_FORMAT_OUTPUT_STACK_ROWS_H
#define ETW_FORMAT_OUTPUT_STACK_ROWS_H

#include "format/output/output.h"

/* Stacks are cut to so many frames, at their roots. */
#define ETW_STACK_ROW_MAX_FRAMES 1024u

typedef enum etw_stack_row_fault {
    ETW_STACK_ROW_WELL,
    ETW_STACK_ROW_IDLE,     /* a sample of the idle thread, and of no interrupt: no time of anybody */
    ETW_STACK_ROW_NO_STACK, /* it is counted for its process alone */
    ETW_STACK_ROW_NO_WEIGHT /* the event has no such number, or one below zero */
} etw_stack_row_fault;

typedef struct etw_stack_row {
    etw_stack_row_fault fault;
    uint64_t weight;
    etw_bytes frames; /* "a.exe (12);ntdll.dll;...": no ; and no line end within a frame */
} etw_stack_row;

/* Appends the event's row where options want its stack (etw_output_options, stack_events). */
void etw_stack_row_append(const etw_output_options *options, const etw_event *event,
                          etw_text *rows);
bool etw_stack_row_next(etw_bytes *rows, etw_stack_row *row);

#endif
