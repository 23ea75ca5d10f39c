/* Traces and schema packs as sources of schemas for other traces. */
#ifndef ETW_FORMAT_INPUT_DONOR_FILE_H
#define ETW_FORMAT_INPUT_DONOR_FILE_H

#include "format/event/donor.h"

/* An etw_open_donor for .etwcap and .etl, also within .gz, .zst or .zip. What a trace tells of
 * schemas serves: those stored in it, metadata events, EventSource manifests with all of their
 * events, names of providers. An .etwcap is read through once, an .etl scanned; of a pack only the
 * catalog is read. */
ETW_API_CHECKED etw_status etw_donor_open(const etw_os *os, const char *path, bool only_packs,
                                          etw_schema_store *store, etw_donor **donor,
                                          etw_error *error);

#endif
