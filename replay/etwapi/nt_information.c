/* NtQuerySystemInformation and NtSetSystemInformation for the group masks of kernel sessions; all
 * else is Windows' own. */
#include "replay/etwapi/session_table.h"

#include <string.h>

#define PERFORMANCE_TRACE_INFORMATION 0x1Fu /* SYSTEM_INFORMATION_CLASS */
#define EVENT_TRACE_GROUP_MASKS       1u    /* EVENT_TRACE_INFORMATION_CLASS */

#define STATUS_DONE            ((LONG)0)
#define STATUS_BAD_LENGTH      ((LONG)0xC0000004)
#define STATUS_NO_SUCH_SESSION ((LONG)0xC0000297)

/* EVENT_TRACE_GROUPMASK_INFORMATION of winsiderss' phnt. */
typedef struct group_masks {
    ULONG information;
    ULONG64 session;
    ULONG masks[ETWAPI_GROUP_MASKS];
} group_masks;

/* Windows' own, by the other of their names, which is not redirected. */
__declspec(dllimport) LONG WINAPI ZwQuerySystemInformation(ULONG, void *, ULONG, ULONG *);
__declspec(dllimport) LONG WINAPI ZwSetSystemInformation(ULONG, void *, ULONG);

LONG WINAPI NtQuerySystemInformation(ULONG information, void *data, ULONG size, ULONG *returned);
LONG WINAPI NtSetSystemInformation(ULONG information, void *data, ULONG size);

static bool is_ours(ULONG information, const void *data, ULONG size)
{
    ULONG kind = 0;
    if (information == PERFORMANCE_TRACE_INFORMATION && data != NULL && size >= sizeof kind) {
        memcpy(&kind, data, sizeof kind);
    }
    return kind == EVENT_TRACE_GROUP_MASKS;
}

/* The first mask is what EnableFlags set. */
static void exchange(etwapi_session *session, group_masks *with, bool set)
{
    ULONG *flags = &session->properties.EnableFlags;
    if (set) {
        memcpy(session->group_masks, with->masks, sizeof with->masks);
        *flags = with->masks[0];
        session->change++;
    } else {
        memcpy(with->masks, session->group_masks, sizeof with->masks);
        with->masks[0] = *flags;
    }
}

static LONG exchange_masks(group_masks *with, ULONG size, bool set)
{
    if (size < sizeof *with) {
        return STATUS_BAD_LENGTH;
    }
    etwapi_session *table = etwapi_lock_sessions();
    etwapi_session *session = table == NULL ? NULL : etwapi_by_handle(table, with->session);
    if (session != NULL) {
        exchange(session, with, set);
    }
    etwapi_unlock_sessions();
    return session == NULL ? STATUS_NO_SUCH_SESSION : STATUS_DONE;
}

LONG WINAPI NtQuerySystemInformation(ULONG information, void *data, ULONG size, ULONG *returned)
{
    if (!is_ours(information, data, size)) {
        return ZwQuerySystemInformation(information, data, size, returned);
    }
    if (returned != NULL) {
        *returned = sizeof(group_masks);
    }
    return exchange_masks(data, size, false);
}

LONG WINAPI NtSetSystemInformation(ULONG information, void *data, ULONG size)
{
    return is_ours(information, data, size) ? exchange_masks(data, size, true)
                                            : ZwSetSystemInformation(information, data, size);
}
