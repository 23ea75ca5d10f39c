/* TDH_CONTEXT (tdh.h): what a caller of TDH says beside the event, where the formats of WPP
 * messages are and how wide the pointers of a classic event were. */
#ifndef ETW_REPLAY_ETWAPI_TDH_CONTEXT_H
#define ETW_REPLAY_ETWAPI_TDH_CONTEXT_H

#include "replay/etwapi/etw_headers.h"

/* Each file is read once, for the whole process; ERROR_FILE_NOT_FOUND where it cannot be. Contexts
 * that name no file are passed over. count 0: contexts is not looked at. */
ULONG etwapi_load_formats(const TDH_CONTEXT *contexts, ULONG count);

/* 4 or 8: of the contexts for a classic event or a WPP message, else of the event itself. */
ULONG etwapi_pointer_size(const EVENT_RECORD *event, const TDH_CONTEXT *contexts, ULONG count);

#endif
