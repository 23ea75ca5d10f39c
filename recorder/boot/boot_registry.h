/* The plan of a boot trace, written into the registry, found again and taken out. Elsewhere than on
 * Windows each function returns ETW_ERROR_UNSUPPORTED. */
#ifndef ETW_RECORDER_BOOT_REGISTRY_H
#define ETW_RECORDER_BOOT_REGISTRY_H

#include "recorder/boot/boot_plan.h"

/* Windows' own folder, UTF-8, appended; "%SystemRoot%" elsewhere. */
ETW_API void etw_boot_append_windows_folder(etw_text *text);

/* Writes all values. ETW_ERROR_EXISTS where a key is somebody else's, ETW_ERROR_ACCESS without an
 * administrator's rights. What was written before a failure starts nothing. */
ETW_API_CHECKED etw_status etw_boot_install(const etw_boot_request *request, etw_error *error);

/* A session of the boot that was installed. */
typedef struct etw_boot_session {
    const char *key;  /* below HKEY_LOCAL_MACHINE */
    const char *name; /* of the session while it runs */
    const char *file; /* that it writes, UTF-8 */
    bool was_started; /* Windows has told a result since it was installed */
    uint32_t code;    /* that result: 0, or why it did not start */
} etw_boot_session;

typedef etw_status (*etw_boot_session_visit)(void *context, const etw_boot_session *session,
                                             etw_error *error);

/* Calls visit for those of this name (NULL: ETW_BOOT_SESSION): the AutoLogger's, and the kernel's.
 * Others' are passed over. ETW_ERROR_NOT_FOUND where there is none. */
ETW_API_CHECKED etw_status etw_boot_find(const char *name, etw_boot_session_visit visit,
                                         void *context, etw_error *error);

/* Stops the session, so that the last of its file is written. ETW_ERROR_NOT_FOUND where none of its
 * name runs; ETW_ERROR_EXISTS where one does that writes elsewhere, and so is somebody else's: it
 * runs on. */
ETW_API_CHECKED etw_status etw_boot_stop(const etw_boot_session *session, etw_error *error);

/* Takes the keys of those out. Sessions that run, and files, stay. */
ETW_API_CHECKED etw_status etw_boot_remove(const char *name, etw_error *error);

#endif
