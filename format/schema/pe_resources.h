/* The resources of a Windows file that schemas are made of: of PE files of any machine type (exe,
 * dll, sys, ocx, mui), of .res files, and of the raw .bin files that mc.exe writes.
 *
 * Only headers and the resource directory are read here, in small pieces, so that a file without
 * such resources costs next to nothing whatever its size. Nothing of it is trusted. */
#ifndef ETW_FORMAT_SCHEMA_PE_RESOURCES_H
#define ETW_FORMAT_SCHEMA_PE_RESOURCES_H

#include "format/base/os.h"
#include "format/base/text.h"

/* Resources taken from one file; entries looked at in one directory of a PE file; entries of a .res
 * file. */
#define ETW_PE_MAX_RESOURCES 64u
#define ETW_PE_MAX_ENTRIES   4096u
#define ETW_RES_MAX_ENTRIES  100000u
/* The largest single resource. */
#define ETW_PE_MAX_RESOURCE_BYTES ((uint32_t)64 << 20)

typedef enum etw_resource_kind {
    ETW_RESOURCE_WEVT,     /* WEVT_TEMPLATE: a compiled manifest */
    ETW_RESOURCE_MESSAGES, /* RT_MESSAGETABLE */
    ETW_RESOURCE_MUI,      /* MUI: texts are in another file, or this is that file */
    ETW_RESOURCE_VERSION   /* RT_VERSION */
} etw_resource_kind;

typedef struct etw_resource {
    etw_resource_kind kind;
    uint16_t language; /* 0 where the file does not say */
    uint32_t size_bytes;
    uint64_t offset; /* in the file */
} etw_resource;

typedef struct etw_resource_list {
    etw_resource items[ETW_PE_MAX_RESOURCES];
    uint32_t count;
} etw_resource_list;

/* Lists them. NOT_THIS where the file is of no such kind; DAMAGED where its headers are broken. A
 * resource that does not lie in the file as a whole is left out. */
etw_status etw_pe_resources_find(const etw_os *os, int file, etw_resource_list *list,
                                 etw_error *error);

/* The first of a kind, or NULL. */
const etw_resource *etw_resource_of_kind(const etw_resource_list *list, etw_resource_kind kind);

/* Reads one; *bytes is to be freed, NULL on failure. */
etw_status etw_resource_read(const etw_os *os, int file, const etw_resource *resource,
                             uint8_t **bytes, etw_error *error);

/* The file version in a version resource, 10.0.19041.1; false where it has none. */
bool etw_resource_version(etw_bytes version, uint16_t parts[4]);
/* The build number in a version resource ("10.0.19041.1": 19041), or 0. */
uint32_t etw_resource_build(etw_bytes version);

#endif
