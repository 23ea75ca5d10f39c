/* What a file is, by how it begins: one table of traces' wrappings, of archives, and of files that
 * are taken for traces by mistake. */
#ifndef ETW_FORMAT_INPUT_FILE_KIND_H
#define ETW_FORMAT_INPUT_FILE_KIND_H

#include "format/input/archive.h"

/* Bytes of a file's beginning that tell what it is. */
#define ETW_FILE_KIND_BYTES 512u

typedef enum etw_file_role {
    ETW_FILE_WRAPPING, /* one file in it, which may be a trace */
    ETW_FILE_ARCHIVE,  /* files in it */
    ETW_FILE_OTHER     /* no trace, and none in it */
} etw_file_role;

typedef struct etw_file_kind {
    etw_file_role role;
    const char *name; /* with its article: "an .evtx event log" */
    const char *begin;
    size_t begin_size;
    size_t offset;                                                 /* of begin */
    etw_status (*take_off)(etw_unwrap *unwrap, etw_error *error);  /* of a WRAPPING, */
    etw_status (*each)(const etw_archive *from, etw_error *error); /* of an ARCHIVE; NULL: this
                                                                      build cannot read it */
    const char *advice; /* of an OTHER: what to do with it; else NULL */
} etw_file_kind;

/* NULL: a trace, or nothing that is known. */
const etw_file_kind *etw_file_kind_find(etw_bytes head);
/* Begins as an .etl or an .etwcap file. */
bool etw_file_is_trace(etw_bytes head);

#endif
