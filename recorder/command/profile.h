/* Profile files: options of etw-record, one a line, under the names that they have on the command
 * line.
 *
 *     # comment
 *     provider = Microsoft-Windows-DNS-Client:4
 *     event-ids = 3006,3008        (an option of the provider before it)
 *     max-duration = 10m
 *     capture-state                (options without a value stand alone)
 */
#ifndef ETW_RECORDER_PROFILE_H
#define ETW_RECORDER_PROFILE_H

#include "format/base/os.h"

#define ETW_PROFILE_MAX_BYTES   ((size_t)1 << 20)
#define ETW_PROFILE_MAX_OPTIONS 4096u

/* A profile's lines as command-line words: "--provider=...", "--capture-state". */
typedef struct etw_profile {
    char *text;   /* owned; the words point into it */
    char **words; /* owned array */
    int count;
} etw_profile;

/* Errors name the file and the line. */
etw_status etw_profile_read(const etw_os *os, const char *path, etw_profile *profile,
                            etw_error *error);
void etw_profile_free(etw_profile *profile);

#endif
