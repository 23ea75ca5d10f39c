/* What opening one input and opening several share. */
#ifndef ETW_FORMAT_INPUT_OPENING_H
#define ETW_FORMAT_INPUT_OPENING_H

#include "format/input/file_kind.h"
#include "format/input/input.h"

/* *made is to be closed, also after a failure. member: of an archive with that name, or NULL. */
etw_status etw_input_new(const etw_os *os, const char *name, const char *member, etw_input **made,
                         etw_error *error);
/* path "-": standard input. */
etw_status etw_input_open_path(etw_input *input, const char *path, etw_error *error);
/* From now on the input is this file, which can seek and which it owns. */
void etw_input_use_file(etw_input *input, int file);
/* The open file itself. */
int etw_input_file(const etw_input *input);

/* Takes off what is wrapped around the input; *wrappings counts them. *archive: what archive it is
 * then, which can seek; NULL where it is none. */
etw_status etw_input_take_off(etw_input *input, const etw_input_options *options,
                              uint32_t *wrappings, etw_input_spool *spool,
                              const etw_file_kind **archive, etw_error *error);

#endif
