/* Reads a schema pack as a donor: its catalog at once, a block of schemas when an event first needs
 * one of them. */
#ifndef ETW_FORMAT_ETWCAP_PACK_READER_H
#define ETW_FORMAT_ETWCAP_PACK_READER_H

#include "format/base/os.h"
#include "format/event/donor.h"

/* An etw_open_donor. ETW_ERROR_NOT_THIS for other files, also for packs without a good end and
 * catalog: their schemas may still be read as a trace's. The file stays open. */
ETW_API_CHECKED etw_status etw_pack_open(const etw_os *os, const char *path,
                                         etw_schema_store *store, etw_donor **donor,
                                         etw_error *error);

#endif
