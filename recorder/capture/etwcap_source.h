/* An .etwcap file as what is recorded: its events with schemas of the capture's own store. */
#ifndef ETW_RECORDER_ETWCAP_SOURCE_H
#define ETW_RECORDER_ETWCAP_SOURCE_H

#include "format/etwcap/reader.h"
#include "format/schema/resolver.h"

typedef struct etw_etwcap_source_options {
    etw_schema_store *store; /* where the file's schemas and names go; items' ids are of it */
    /* Learns from events without a schema of the file's, as it would from those of an .etl. */
    etw_resolver *resolver;
    /* As etw_reader_options.block; may be NULL. */
    etw_status (*block)(void *context, const etw_side_block *block, etw_error *error);
    void *block_context;
} etw_etwcap_source_options;

/* Store and resolver outlive the source. ETW_ERROR_NOT_THIS as etw_reader_open. */
ETW_API_CHECKED etw_status etw_etwcap_source_open(const etw_os *os, const char *path,
                                                  const etw_etwcap_source_options *options,
                                                  etw_source **source, etw_error *error);

/* What was taken out of the file's events: the list of its file info, "" where nothing was. Valid
 * as long as the source. source must come from etw_etwcap_source_open. */
ETW_API const char *etw_etwcap_source_redacted(const etw_source *source);

#endif
