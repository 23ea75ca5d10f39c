/* Writes a schema pack: an .etwcap file without events whose catalog says which schema explains
 * which events. Equal definitions in equal order give equal bytes. */
#ifndef ETW_FORMAT_ETWCAP_PACK_WRITER_H
#define ETW_FORMAT_ETWCAP_PACK_WRITER_H

#include "format/base/os.h"
#include "format/event/donor.h"

/* Definitions of one pack: the catalog must fit a block. */
#define ETW_PACK_MAX_DEFINITIONS 0x80000u

typedef struct etw_pack_writer etw_pack_writer;

typedef struct etw_pack_counts {
    uint32_t events;      /* different keys */
    uint32_t definitions; /* rows of the catalog */
    uint32_t providers;
    uint64_t bytes; /* of the file */
} etw_pack_counts;

/* names: of providers; must outlive the writer. NULL where memory is out. */
ETW_API etw_pack_writer *etw_pack_writer_new(const etw_schema_store *names);
ETW_API void etw_pack_writer_free(etw_pack_writer *writer);

/* An etw_definition_visitor's take; context is the writer. TraceLogging's schemas, which serve no
 * other event, are passed over. */
ETW_API_CHECKED etw_status etw_pack_writer_take(void *writer, const etw_schema *schema,
                                                const char *from, uint32_t build, etw_error *error);

typedef struct etw_pack_options {
    const char *application; /* kept in the file info */
    bool replace;            /* an existing file is overwritten; else ETW_ERROR_EXISTS */
} etw_pack_options;

/* Writes all that was taken, once; the file has its name only when it is whole. NOT_FOUND, and no
 * file, where nothing was taken. */
ETW_API_CHECKED etw_status etw_pack_writer_save(etw_pack_writer *writer, const etw_os *os,
                                                const char *path, const etw_pack_options *options,
                                                etw_pack_counts *counts, etw_error *error);

#endif
