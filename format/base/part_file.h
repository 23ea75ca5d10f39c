/* The file that an output is written into until all of it is there: one of its own, so that two
 * writers of one output do not mix theirs. */
#ifndef ETW_FORMAT_BASE_PART_FILE_H
#define ETW_FORMAT_BASE_PART_FILE_H

#include "format/base/os.h"
#include "format/base/text.h"

/* Parts of one output that may be there at one time, those left behind included. */
#define ETW_PART_MAX_FILES 100u

/* Creates a part of the file path, open for writing: *name is path with ETW_PART_SUFFIX behind it,
 * or ".2" ETW_PART_SUFFIX and so on where that is taken, by another writer or by one that was
 * killed. The name is the caller's to free. */
etw_status etw_part_create(const etw_os *os, const char *path, etw_text *name, int *file,
                           etw_error *error);
/* The same, closed again: the name is taken, for a writer that opens its file by name. */
etw_status etw_part_reserve(const etw_os *os, const char *path, etw_text *name, etw_error *error);
/* Gives a whole part the name path; a failure leaves both as they are. */
etw_status etw_part_settle(const etw_os *os, const char *part, const char *path, bool replace,
                           etw_error *error);

#endif
