/* TMF files that are named after the message GUID whose formats they hold, as tracepdb writes them:
 * each is read when a message first asks for it, so that a folder may have any number. */
#ifndef ETW_FORMAT_SCHEMA_WPP_FILES_H
#define ETW_FORMAT_SCHEMA_WPP_FILES_H

#include "format/schema/wpp.h"

typedef struct etw_wpp_files etw_wpp_files;

/* NULL where memory is out. */
etw_wpp_files *etw_wpp_files_new(const etw_os *os);
void etw_wpp_files_free(etw_wpp_files *files);

/* False where the file's name is no GUID and ".tmf", or memory is out: then it is to be read at
 * once. Of two with one GUID the first counts. */
bool etw_wpp_files_add(etw_wpp_files *files, const char *path);

/* Adds the formats of the GUID's file to set, once; nothing where it has none. */
etw_status etw_wpp_files_read(etw_wpp_files *files, const etw_guid *message, etw_wpp_set *set,
                              etw_schema_store *store, etw_error *error);
/* Those of all that were not read yet. A file that fails costs no other; the first failure is
 * returned. */
etw_status etw_wpp_files_read_all(etw_wpp_files *files, etw_wpp_set *set, etw_schema_store *store,
                                  etw_error *error);

#endif
