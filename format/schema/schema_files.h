/* The files that the user gives schemas with, as one source: manifests, other traces, packs. Of one
 * event there may be different definitions in different files; schema_choice.h says which is taken.
 * A kind with one definition costs nothing more. */
#ifndef ETW_FORMAT_SCHEMA_SCHEMA_FILES_H
#define ETW_FORMAT_SCHEMA_SCHEMA_FILES_H

#include "format/base/os.h"
#include "format/schema/resolver.h"

/* Files with schemas; files that a folder may hold; folders inside folders. */
#define ETW_SCHEMA_MAX_FILES        100000u
#define ETW_SCHEMA_MAX_FOLDER_DEPTH 32u

/* Takes files of other kinds whole; content is lent until it returns. ETW_ERROR_NOT_THIS: the file
 * holds no schemas. */
typedef struct etw_schema_taker {
    const char *const *endings; /* of their names, lower case, the list ends with NULL */
    /* Whether a file that was found in a folder will be read by its taker when it is needed. */
    bool (*postpone)(void *context, const char *path);
    etw_status (*take)(void *context, const char *path, etw_bytes content, etw_error *error);
    void *context;
} etw_schema_taker;

/* Reads the paths of options (files, folders) in their order. A file in a folder that cannot be
 * read is told to options->note and passed over; named itself it is an error. others gets files of
 * other kinds than manifests; may be NULL. *source is NULL on failure. */
etw_status etw_schema_files_new(const etw_resolver_options *options, const etw_schema_taker *others,
                                etw_schema_store *store, etw_schema_source **source,
                                etw_error *error);

/* The part of that source that is asked last: what EventSources sent in other traces, and MOF
 * classes of packs. It must be freed before files. NULL where memory is out. */
etw_schema_source *etw_schema_files_late(etw_schema_source *files);

#endif
