/* What a file holds in all: as its summary says, as a scan of its block headers finds, or, on a
 * pipe, as it adds up while it is read. */
#ifndef ETW_FORMAT_ETWCAP_FILE_COUNTS_H
#define ETW_FORMAT_ETWCAP_FILE_COUNTS_H

#include "format/etwcap/scan.h"
#include "format/event/schema.h"

typedef struct etw_counted_provider {
    etw_guid provider;
    uint64_t events;
    char name[ETW_SUMMARY_MAX_NAME + 1]; /* "" where the file does not tell */
} etw_counted_provider;

/* All zero: nothing counted. */
typedef struct etw_file_counts {
    etw_totals totals;
    bool has_summary; /* which told the totals */
    bool complete;    /* a good end block was met */
    etw_counted_provider *providers;
    uint32_t provider_count;
    etw_guid_table counting; /* providers, where no summary tells them */
} etw_file_counts;

void etw_file_counts_free(etw_file_counts *counts);

/* From the summary that the file's tail names. False, with nothing counted, where there is none, or
 * it is broken: then the file is scanned. */
bool etw_file_counts_load(etw_file_counts *counts, etw_scan *scan, uint64_t file_bytes);

/* Before etw_file_counts_add. Only where no summary tells the counts: the table is not small. */
etw_status etw_file_counts_start(etw_file_counts *counts, etw_error *error);
/* Adds a block; head is that of an EVENTS block. */
void etw_file_counts_add(etw_file_counts *counts, const etw_block_header *header, etw_bytes head);

/* Counts anew, from block headers and loss records. */
etw_status etw_file_counts_scan(etw_file_counts *counts, etw_scan *scan, etw_error *error);

/* Lists the providers counted so far, with the names that the store has for them. */
etw_status etw_file_counts_list(etw_file_counts *counts, const etw_schema_store *store,
                                etw_error *error);

#endif
