/* --list-provider: what is registered of one provider. */
#ifndef ETW_RECORDER_LIST_PROVIDER_H
#define ETW_RECORDER_LIST_PROVIDER_H

#include "format/base/status.h"

/* Prints its keywords, levels, channels, tasks and opcodes, a line each, then its events with their
 * properties and maps, as etw-replay schemas prints them. */
etw_status etw_list_provider(const char *name, etw_error *error);

#endif
