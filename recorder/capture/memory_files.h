/* Files that live in memory, behind the interface of the operating system; by the flight recorder
 * and by tests. Clocks are those of the real one. Not for several threads opening and removing at
 * once. */
#ifndef ETW_RECORDER_MEMORY_FILES_H
#define ETW_RECORDER_MEMORY_FILES_H

#include "format/base/os.h"

#define ETW_MEMORY_MAX_FILES 64u

typedef struct etw_memory_files etw_memory_files;

/* NULL where memory is out. Writing beyond max_bytes of all files together gives ENOSPC. */
etw_memory_files *etw_memory_files_new(uint64_t max_bytes);
const etw_os *etw_memory_files_os(etw_memory_files *files);
void etw_memory_files_free(etw_memory_files *files);

#endif
