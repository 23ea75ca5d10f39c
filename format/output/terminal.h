/* Lines for a terminal: cut to its width, coloured by level. */
#ifndef ETW_FORMAT_OUTPUT_TERMINAL_H
#define ETW_FORMAT_OUTPUT_TERMINAL_H

#include "format/output/event_json.h"

/* Finishes the line that was appended from start on and has no line feed yet. level: of the event,
 * ETW_TERMINAL_LOSS for a loss. */
#define ETW_TERMINAL_LOSS 256u
void etw_terminal_finish_line(const etw_output_options *options, uint32_t level, size_t start,
                              etw_text *text);

#endif
