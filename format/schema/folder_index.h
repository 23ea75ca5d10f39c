/* What was found in the files of a folder of schemas, kept in the user's cache folder, so that
 * another search of the folder opens no file of it that is as it was.
 *
 * A file is as it was where its path, volume, number, size, and times of its content (where the
 * system tells, also of its other changes) are the same. What changed a moment ago is not kept: it
 * could change again within one tick of the file system's clock. The cache is a help: where it
 * cannot be read or written, files are opened, and that is told.
 *
 * On disk, little-endian: magic, XXH3-64 of what follows, then per file its path, state, and what
 * was found. Written as a part and renamed, so that of two programs one leaves its whole file. */
#ifndef ETW_FORMAT_SCHEMA_FOLDER_INDEX_H
#define ETW_FORMAT_SCHEMA_FOLDER_INDEX_H

#include "format/schema/schema_file.h"

/* Fewer files are opened faster than an index is kept. */
#define ETW_FOLDER_INDEX_LEAST_FILES 64u
#define ETW_FOLDER_INDEX_MAX_BYTES   ((size_t)16 << 20)
/* Index files in the cache; folders that share one push each other out. */
#define ETW_FOLDER_INDEX_SLOTS 16u

typedef struct etw_folder_index etw_folder_index;

/* Nothing is read yet. NULL where there is no cache folder, the system does not tell the state of
 * files, or memory is out: files are then opened. */
etw_folder_index *etw_folder_index_new(const etw_os *os, const char *folder);
/* As etw_schema_file_open, for a file of the folder; index NULL: the same. */
etw_status etw_folder_index_open_file(etw_folder_index *index, const char *path,
                                      const etw_schema_file_options *options,
                                      etw_schema_store *store, etw_schema_file **file,
                                      etw_error *error);
/* Writes what was found where that is news, and frees the index. NULL is fine. note (may be NULL):
 * of what was wrong with the cache. */
void etw_folder_index_finish(etw_folder_index *index,
                             void (*note)(void *context, const char *message), void *context);

#endif
