/* Boot traces: what stands in the registry of Windows for it to start sessions itself, before any
 * program runs. Providers are an AutoLogger's; the kernel's events come from the Global Logger,
 * which Windows then starts as the NT Kernel Logger ("Configuring and Starting an AutoLogger
 * Session", "... the Global Logger Session" of Microsoft's pages). */
#ifndef ETW_RECORDER_BOOT_PLAN_H
#define ETW_RECORDER_BOOT_PLAN_H

#include "recorder/session/session.h"

/* The session's name where none is given; not ETW_SESSION_PREFIX, which recorders take for theirs.
 */
#define ETW_BOOT_SESSION "EtwcapBoot"
/* Below HKEY_LOCAL_MACHINE. */
#define ETW_BOOT_AUTOLOGGER    "SYSTEM\\CurrentControlSet\\Control\\WMI\\Autologger"
#define ETW_BOOT_GLOBAL_LOGGER "SYSTEM\\CurrentControlSet\\Control\\WMI\\GlobalLogger"
/* Where Windows keeps the files of such sessions, below its own folder. */
#define ETW_BOOT_LOG_FOLDER "System32\\LogFiles\\WMI"
/* Of the file of a session, where no other size is wanted; ETW's own default ends at 100 MB. */
#define ETW_BOOT_DEFAULT_MB 1024u

typedef enum etw_boot_kind {
    ETW_BOOT_NUMBER,      /* REG_DWORD */
    ETW_BOOT_LONG_NUMBER, /* REG_QWORD */
    ETW_BOOT_TEXT,        /* REG_SZ */
    ETW_BOOT_MASKS        /* REG_BINARY: ETW_KERNEL_MASKS 32-bit numbers */
} etw_boot_kind;

/* Lent during the call. */
typedef struct etw_boot_value {
    const char *key; /* below HKEY_LOCAL_MACHINE */
    const char *name;
    etw_boot_kind kind;
    uint64_t number;
    const char *text; /* UTF-8 */
    const uint32_t *masks;
} etw_boot_value;

typedef etw_status (*etw_boot_visit)(void *context, const etw_boot_value *value, etw_error *error);

typedef struct etw_boot_request {
    const etw_session_options *session; /* name NULL: ETW_BOOT_SESSION */
    uint32_t max_file_mb;               /* 0: ETW_BOOT_DEFAULT_MB */
    const char *windows_folder;         /* "C:\\Windows" */
} etw_boot_request;

/* Calls visit for each value, in the order in which they are to be written: what starts a session
 * comes last. Refuses what a session of the boot cannot have: filters, attaching. Works everywhere.
 */
ETW_API_CHECKED etw_status etw_boot_plan(const etw_boot_request *request, etw_boot_visit visit,
                                         void *context, etw_error *error);

/* "HKEY_LOCAL_MACHINE\...\EtwcapBoot: BufferSize = 64", UTF-8. */
ETW_API void etw_boot_append_value(const etw_boot_value *value, etw_text *text);

/* The file that the session of this name writes: NULL for the kernel's. Appended. */
ETW_API void etw_boot_append_file(const char *windows_folder, const char *session, etw_text *text);

#endif
