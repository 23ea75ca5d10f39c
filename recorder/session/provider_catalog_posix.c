/* Manifests are registered on Windows only. */
#include "recorder/session/provider_catalog.h"

etw_status etw_provider_catalog(const etw_guid *provider, const etw_definition_visitor *visitor,
                                etw_schema_store *names, etw_provider_catalog_counts *counts,
                                etw_error *error)
{
    (void)provider;
    (void)visitor;
    (void)names;
    (void)counts;
    return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                         "a catalog is made on Windows, where providers are registered; elsewhere "
                         "schemas are packed from Windows' files");
}
