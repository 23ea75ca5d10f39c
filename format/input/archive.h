/* Archives, read file by file into temporary ones. */
#ifndef ETW_FORMAT_INPUT_ARCHIVE_H
#define ETW_FORMAT_INPUT_ARCHIVE_H

#include "format/input/unwrap.h"

typedef struct etw_archive {
    const etw_os *os;
    int file; /* can be read at any place */
    uint64_t size;
    etw_input_spool *spool;
    bool (*is_wanted)(void *context, const char *name);
    /* Takes over file, a temporary one with what the archive has under that name. */
    etw_status (*take)(void *context, const char *name, int file, etw_error *error);
    void *context;
} etw_archive;

/* Calls take for each file that is wanted, in the archive's order. The first failure ends. At most
 * ETW_INPUT_MAX_FILES files. */
etw_status etw_archive_zip(const etw_archive *from, etw_error *error);

/* By libarchive, where the build has it. Nothing that is asked of it starts another program. Its
 * own memory follows what the archive declares: up to 1 GiB for .xz, the dictionary's size for 7z,
 * touched only as far as data comes out. */
etw_status etw_archive_cab(const etw_archive *from, etw_error *error);
etw_status etw_archive_7z(const etw_archive *from, etw_error *error);
etw_status etw_archive_tar(const etw_archive *from, etw_error *error);

#endif
