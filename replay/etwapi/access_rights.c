/* EventAccessControl and its kin (evntcons.h). Nobody is refused anything here, so that rights are
 * taken note of by nobody; what can be asked is the rights of everybody. */
#include "replay/etwapi/etw_headers.h"

#include <string.h>

ULONG WINAPI EventAccessControl(LPGUID id, ULONG operation, PSID sid, ULONG rights, BOOLEAN allow)
{
    (void)rights;
    (void)allow;
    return id == NULL || sid == NULL || operation > (ULONG)EventSecurityAddSACL
               ? ERROR_INVALID_PARAMETER
               : ERROR_SUCCESS;
}

ULONG WINAPI EventAccessRemove(LPGUID id)
{
    return id == NULL ? ERROR_INVALID_PARAMETER : ERROR_SUCCESS;
}

/* A descriptor that refers to itself alone, with no list: everything is allowed. */
ULONG WINAPI EventAccessQuery(LPGUID id, PSECURITY_DESCRIPTOR descriptor, ULONG *size)
{
    const SECURITY_DESCRIPTOR_RELATIVE open = {.Revision = SECURITY_DESCRIPTOR_REVISION,
                                               .Control = SE_SELF_RELATIVE | SE_DACL_PRESENT};
    if (id == NULL || size == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    const ULONG room = *size;
    *size = sizeof open;
    if (descriptor == NULL || room < sizeof open) {
        return ERROR_MORE_DATA;
    }
    memcpy(descriptor, &open, sizeof open);
    return ERROR_SUCCESS;
}
