/* Files and folders that hold schemas: read whole, one at a time. */
#ifndef ETW_FORMAT_SCHEMA_SCHEMA_FILES_H
#define ETW_FORMAT_SCHEMA_SCHEMA_FILES_H

#include "format/base/os.h"

/* One file. The largest manifests of Windows stay below 2 MiB; symbol files are larger. */
#define ETW_SCHEMA_FILE_MAX_BYTES ((size_t)512 << 20)
/* Files taken from one folder. */
#define ETW_SCHEMA_FILES_MAX 100000u

/* What is done with each file; content is lent until it returns. ETW_ERROR_NOT_THIS: the file holds
 * no schemas. */
typedef etw_status (*etw_schema_file_take)(void *context, const char *path, etw_bytes content,
                                           etw_error *error);

/* path: a file, or a folder whose files with one of the endings (lower case, compared without case;
 * the list ends with NULL) are taken in the order of their names. In a folder, files of
 * ETW_ERROR_NOT_THIS are passed over; another failure ends the walk. */
etw_status etw_schema_files_each(const etw_os *os, const char *path, const char *const *endings,
                                 etw_schema_file_take take, void *context, etw_error *error);

/* ".tmf", lower case; case is ignored in path. */
bool etw_schema_file_ends_with(const char *path, const char *ending);

#endif
