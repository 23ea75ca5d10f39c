/* Which build of an image a file is: what symbols are looked up by. */
#ifndef ETW_FORMAT_SCHEMA_PE_IDENTITY_H
#define ETW_FORMAT_SCHEMA_PE_IDENTITY_H

#include "format/base/guid.h"
#include "format/base/os.h"

/* A longer name of a .pdb is cut. */
#define ETW_PE_MAX_PDB_NAME 512u

typedef struct etw_pe_identity {
    uint32_t time_date_stamp, size_of_image, checksum; /* of the headers */
    bool has_pdb;                                      /* a CodeView entry, RSDS */
    etw_guid pdb_guid;
    uint32_t pdb_age;
    char pdb_name[ETW_PE_MAX_PDB_NAME]; /* as the linker wrote it, UTF-8 */
    bool has_version;
    uint16_t file_version[4]; /* 10.0.19041.1 */
} etw_pe_identity;

/* NOT_THIS where it is no PE file. What it does not tell stays 0. */
ETW_API_CHECKED etw_status etw_pe_identity_read(const etw_os *os, int file,
                                                etw_pe_identity *identity, etw_error *error);

#endif
