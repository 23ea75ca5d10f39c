/* Schemas of the classic kernel classes: MSNT_SystemTrace (process, thread, image, disk, file,
 * network, registry, page fault, profile, stack, system configuration, ...), the heap, lock and
 * pool classes of user mode, and what KernelTraceControl adds when it merges traces. They are a
 * table in the source (classic_table.inc); SCHEMAS.md says where its facts come from and how a
 * version is chosen. */
#ifndef ETW_FORMAT_SCHEMA_CLASSIC_H
#define ETW_FORMAT_SCHEMA_CLASSIC_H

#include "format/schema/resolver.h"

/* Knows a record by ProviderId (the class), Opcode and Version; of origin ETW_SCHEMA_CLASSIC. NULL
 * where memory is out. */
ETW_API etw_schema_source *etw_classic_source_new(void);

/* "MSNT_SystemTrace" and "Process"; false for what is no class of the table. */
ETW_API bool etw_classic_class_find(const etw_guid *class_guid, const char **provider_name,
                                    const char **class_name);

/* One row of the table at a time, for listings and tests: index from 0; false past the last. */
typedef struct etw_classic_kind {
    etw_guid class_guid;
    uint8_t opcode;
    uint8_t version; /* the lowest one that has this layout */
} etw_classic_kind;

ETW_API bool etw_classic_kind_at(uint32_t index, etw_classic_kind *kind);

#endif
