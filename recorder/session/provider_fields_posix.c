/* Manifests are registered on Windows only. */
#include "recorder/session/provider_fields.h"

etw_status etw_provider_fields(const etw_guid *provider, etw_provider_field field,
                               etw_provider_field_visit visit, void *context, etw_error *error)
{
    (void)provider;
    (void)field;
    (void)visit;
    (void)context;
    return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                         "names of keywords need Windows, where the provider is registered");
}
