/* The schemas and provider names of a file's SCHEMAS blocks. A file numbers its schemas itself; in
 * the store, which holds each once, they have other numbers. */
#ifndef ETW_FORMAT_ETWCAP_FILE_SCHEMAS_H
#define ETW_FORMAT_ETWCAP_FILE_SCHEMAS_H

#include "format/etwcap/body.h"

typedef struct etw_file_schemas {
    etw_schema_store *store;
    uint32_t *ids; /* by schema id of the file: id in store, or 0 */
    uint32_t id_count;
} etw_file_schemas;

/* False: no memory. To be freed either way. */
bool etw_file_schemas_init(etw_file_schemas *schemas);
void etw_file_schemas_free(etw_file_schemas *schemas);

/* Adds those of a block's body; one that is there already stays. */
etw_status etw_file_schemas_load(etw_file_schemas *schemas, etw_bytes body, etw_error *error);

/* Adds one. */
etw_status etw_file_schemas_add(etw_file_schemas *schemas, const etw_schema_entry *entry,
                                etw_error *error);

/* The store's number of a schema; 0 where the file has not told it. */
static inline uint32_t etw_file_schemas_id(const etw_file_schemas *schemas, uint32_t file_id)
{
    return file_id < schemas->id_count ? schemas->ids[file_id] : 0;
}

#endif
