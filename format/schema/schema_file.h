/* One file that the user gives schemas with: a manifest as XML, a Windows file with compiled
 * ones, another trace or a pack. Opening it tells whose schemas it has; compiled ones are read when
 * they are asked for. */
#ifndef ETW_FORMAT_SCHEMA_SCHEMA_FILE_H
#define ETW_FORMAT_SCHEMA_SCHEMA_FILE_H

#include "format/event/donor.h"
#include "format/schema/file_name.h"
#include "format/schema/manifest.h"

/* One file of another kind than a manifest: symbol files are large. */
#define ETW_SCHEMA_FILE_MAX_BYTES ((size_t)512 << 20)

/* Whose texts serve where the wanted language has none. */
#define ETW_SCHEMA_FALLBACK_LANGUAGE "en-US"

typedef struct etw_schema_file etw_schema_file;

/* Reads all of an open file of at most limit bytes; *data is to be freed also on failure. */
etw_status etw_schema_file_read(const etw_os *os, int file, size_t limit, uint8_t **data,
                                size_t *size, etw_error *error);

/* What is known of a file's surroundings; the texts live as long as the file. */
typedef struct etw_schema_file_options {
    const etw_os *os;
    const char *language; /* whose .mui gives the texts; "en-US" where that has none */
    bool any_file;        /* found in a folder: what has no schemas is no error but NOT_THIS */
    etw_open_donor *open_donor; /* may be NULL */
} etw_schema_file_options;

/* NOT_THIS where it holds no schemas. What was wrong has the path in front. Names of providers go
 * to store. */
etw_status etw_schema_file_open(const char *path, const etw_schema_file_options *options,
                                etw_schema_store *store, etw_schema_file **file, etw_error *error);
void etw_schema_file_free(etw_schema_file *file);

/* Appends what opening it told, so that open_known need not open it; false where that cannot be
 * kept: of traces and packs, and for lack of memory. */
bool etw_schema_file_describe(const etw_schema_file *file, etw_buffer *about);
/* As etw_schema_file_open by what was appended: the file is read when its schemas are asked for.
 * DAMAGED where that is no description. */
etw_status etw_schema_file_open_known(const char *path, const etw_schema_file_options *options,
                                      etw_bytes about, etw_schema_store *store,
                                      etw_schema_file **file, etw_error *error);

const char *etw_schema_file_path(const etw_schema_file *file);
/* The build of Windows in its version resource (19041), or 0. */
uint32_t etw_schema_file_build(const etw_schema_file *file);
/* What was mended so that it could be read, or NULL. */
const char *etw_schema_file_mended(const etw_schema_file *file);

/* Of a trace or a pack; NULL of other files, which have a set. */
etw_donor *etw_schema_file_donor(const etw_schema_file *file);

/* Calls take with each provider it has events of; one may come twice. */
void etw_schema_file_providers(const etw_schema_file *file,
                               void (*take)(void *into, const etw_guid *provider), void *into);

/* Its manifests, read now if they were not; NULL after a failure, which is told once. */
etw_status etw_schema_file_set(etw_schema_file *file, etw_schema_store *store,
                               etw_manifest_set **set, etw_error *error);

#endif
