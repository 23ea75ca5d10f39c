#include "recorder/session/provider_fields.h"

#include "recorder/session/session_errors_windows.h"
#include "recorder/session/wide_windows.h"

#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include <tdh.h>

/* A text of the array; NULL where it has none. */
static char *text_at(const PROVIDER_FIELD_INFOARRAY *fields, ULONG size, ULONG offset)
{
    const wchar_t *wide = (const wchar_t *)(const void *)((const uint8_t *)fields + offset);
    return offset == 0 || offset >= size ? NULL : etw_utf8_from_wide(wide);
}

/* *fields is NULL where there are none. */
static etw_status query(const etw_guid *provider, etw_provider_field field,
                        PROVIDER_FIELD_INFOARRAY **fields, ULONG *size, etw_error *error)
{
    GUID id;
    memcpy(&id, provider, sizeof id);
    *fields = NULL;
    *size = 0;
    ULONG code = TdhEnumerateProviderFieldInformation(&id, (EVENT_FIELD_TYPE)field, NULL, size);
    if (code == ERROR_INSUFFICIENT_BUFFER) {
        *fields = malloc(*size);
        if (*fields == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a provider");
        }
        code = TdhEnumerateProviderFieldInformation(&id, (EVENT_FIELD_TYPE)field, *fields, size);
    }
    if (code == ERROR_SUCCESS) {
        return ETW_OK;
    }
    free(*fields);
    *fields = NULL;
    /* No manifest, or none of this kind in it. */
    return code == ERROR_NOT_FOUND || code == ERROR_FILE_NOT_FOUND ||
                   code == ERROR_RESOURCE_TYPE_NOT_FOUND
               ? ETW_OK
               : etw_error_set_windows(error, code, "asking what a provider has");
}

etw_status etw_provider_fields(const etw_guid *provider, etw_provider_field field,
                               etw_provider_field_visit visit, void *context, etw_error *error)
{
    PROVIDER_FIELD_INFOARRAY *fields;
    ULONG size;
    const etw_status status = query(provider, field, &fields, &size, error);
    for (ULONG i = 0; fields != NULL && i < fields->NumberOfElements; i++) {
        const PROVIDER_FIELD_INFO *each = &fields->FieldInfoArray[i];
        char *name = text_at(fields, size, each->NameOffset);
        char *description = text_at(fields, size, each->DescriptionOffset);
        visit(context, each->Value, name == NULL ? "" : name,
              description == NULL ? "" : description);
        free(name);
        free(description);
    }
    free(fields);
    return status;
}
