/* The message tables of ntdll.dll and kernel32.dll, or of their .mui files: what error codes say.
 */
#ifndef ETW_FORMAT_SCHEMA_SYSTEM_TEXTS_H
#define ETW_FORMAT_SCHEMA_SYSTEM_TEXTS_H

#include "format/event/error_texts.h"
#include "format/schema/schema_file.h"

/* Takes the table of a file that has one of these names, or that of its .mui; of two with one name
 * the first counts. Of .mui files found in a folder only those in a folder of the options'
 * language. What cannot be read has none. *texts is made with the first; *has: there is a table of
 * that name. Fails only for lack of memory. */
etw_status etw_system_texts_add(etw_error_texts **texts, const char *path,
                                const etw_schema_file_options *options, bool *has,
                                etw_error *error);

#endif
