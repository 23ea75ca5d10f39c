/* Names of files as Windows compares them, on systems that tell A from a. */
#ifndef ETW_FORMAT_SCHEMA_FILE_NAME_H
#define ETW_FORMAT_SCHEMA_FILE_NAME_H

#include "format/base/os.h"
#include "format/base/text.h"

/* The same letters, case ignored. */
bool etw_file_name_is(const char *name, const char *other);
/* The same size letters, case ignored; both have so many. */
bool etw_file_name_matches(const char *name, const char *other, size_t size);
/* ".tmf", lower case; case is ignored in path. */
bool etw_schema_file_ends_with(const char *path, const char *ending);

/* Appends "/" and the folder's own spelling of name to path; false where it has no such name. */
bool etw_file_name_enter(const etw_os *os, etw_text *path, const char *name);
/* Appends the path up to its last slash to folder ("." where there is none); the name behind it. */
const char *etw_file_name_split(const char *path, etw_text *folder);
/* Sets mui to <folder>/<language>/<name>.mui, as they are spelled; false where there is none. */
bool etw_file_name_find_mui(const etw_os *os, const char *path, const char *language,
                            etw_text *mui);

#endif
