#include "format/etwcap/file_schemas.h"

#include <stdlib.h>

#include "format/etwcap/body.h"

bool etw_file_schemas_init(etw_file_schemas *schemas)
{
    *schemas = (etw_file_schemas){.store = etw_schema_store_new()};
    return schemas->store != NULL;
}

void etw_file_schemas_free(etw_file_schemas *schemas)
{
    etw_schema_store_free(schemas->store);
    free(schemas->ids);
    *schemas = (etw_file_schemas){.store = NULL};
}

static bool reserve_id(etw_file_schemas *schemas, uint32_t file_id)
{
    if (file_id < schemas->id_count) {
        return true;
    }
    uint32_t wider = schemas->id_count == 0 ? 256 : schemas->id_count;
    while (wider <= file_id) {
        wider *= 2;
    }
    uint32_t *ids = realloc(schemas->ids, wider * sizeof *ids);
    if (ids == NULL) {
        return false;
    }
    memset(ids + schemas->id_count, 0, (wider - schemas->id_count) * sizeof *ids);
    schemas->ids = ids;
    schemas->id_count = wider;
    return true;
}

etw_status etw_file_schemas_add(etw_file_schemas *schemas, const etw_schema_entry *entry,
                                etw_error *error)
{
    const etw_schema *kept = NULL;
    if (!reserve_id(schemas, entry->file_id)) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for reading");
    }
    const etw_status status = etw_schema_store_intern(schemas->store, entry->schema, &kept, error);
    if (status == ETW_OK && schemas->ids[entry->file_id] == 0) {
        schemas->ids[entry->file_id] = kept->id;
    }
    return status;
}

static etw_status keep_schema(void *context, const etw_schema_entry *entry, etw_error *error)
{
    etw_file_schemas *schemas = context;
    const etw_status status = etw_file_schemas_add(schemas, entry, error);
    const uint32_t id = status == ETW_OK ? schemas->ids[entry->file_id] : 0;
    return id != 0 && etw_schema_store_get(schemas->store, id)->hash != entry->schema->hash
               ? etw_error_set(error, ETW_ERROR_DAMAGED, "schema %u: wrong hash", entry->file_id)
               : status;
}

static etw_status keep_provider(void *context, const etw_guid *provider, const char *utf8_name,
                                etw_error *error)
{
    etw_file_schemas *schemas = context;
    return etw_schema_store_set_provider_name(schemas->store, provider, utf8_name, error);
}

etw_status etw_file_schemas_load(etw_file_schemas *schemas, etw_bytes body, etw_error *error)
{
    const etw_schemas_visitor visitor = {keep_schema, keep_provider, schemas};
    return etw_schemas_load(body, &visitor, error);
}
