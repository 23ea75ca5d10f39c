/* The command line of etw-record. */
#ifndef ETW_RECORDER_ARGUMENTS_H
#define ETW_RECORDER_ARGUMENTS_H

#include "recorder/capture.h"

typedef struct etw_record_arguments {
    const char **inputs; /* .etl files, "-" for stdin; into argv */
    uint32_t input_count;
    const char **manifests;
    uint32_t manifest_count;
    const char *output;
    etw_writer_options writer;
    etw_capture_limits limits;
    bool quiet;
    bool show_progress;
} etw_record_arguments;

/* ETW_END: --help or --version was asked for and has been printed to stdout. Errors are the user's
 * and say which option they are about. argv must outlive the arguments. */
etw_status etw_record_arguments_parse(int argc, char **argv, etw_record_arguments *arguments,
                                      etw_error *error);
void etw_record_arguments_free(etw_record_arguments *arguments);

/* "10", "10k", "4M", "2G": powers of 1024. "500ms", "30s", "5m", "2h", "1d"; a bare number is
 * seconds. */
bool etw_parse_size(const char *text, uint64_t *bytes);
bool etw_parse_duration(const char *text, uint64_t *milliseconds);

#endif
