#include "recorder/session/provider_argument.h"

#include "recorder/session/session.h"

#include <strings.h>

bool etw_provider_parse(const char *text, etw_guid *id)
{
    if (text[0] == '*' && text[1] != '\0') {
        *id = etw_guid_from_provider_name(text + 1);
        return true;
    }
    return etw_guid_parse(text, id);
}

/* EVENT_TRACE_FLAG_... of evntrace.h. */
static const struct {
    const char *name;
    uint32_t flag;
} kernel_flags[] = {
    {"PROCESS", 0x00000001},
    {"THREAD", 0x00000002},
    {"IMAGE_LOAD", 0x00000004},
    {"PROCESS_COUNTERS", 0x00000008},
    {"CSWITCH", 0x00000010},
    {"DPC", 0x00000020},
    {"INTERRUPT", 0x00000040},
    {"SYSTEMCALL", 0x00000080},
    {"DISK_IO", 0x00000100},
    {"DISK_FILE_IO", 0x00000200},
    {"DISK_IO_INIT", 0x00000400},
    {"DISPATCHER", 0x00000800},
    {"MEMORY_PAGE_FAULTS", 0x00001000},
    {"MEMORY_HARD_FAULTS", 0x00002000},
    {"VIRTUAL_ALLOC", 0x00004000},
    {"VAMAP", 0x00008000},
    {"NETWORK_TCPIP", 0x00010000},
    {"REGISTRY", 0x00020000},
    {"DBGPRINT", 0x00040000},
    {"JOB", 0x00080000},
    {"ALPC", 0x00100000},
    {"SPLIT_IO", 0x00200000},
    {"DEBUG_EVENTS", 0x00400000},
    {"DRIVER", 0x00800000},
    {"PROFILE", 0x01000000},
    {"FILE_IO", 0x02000000},
    {"FILE_IO_INIT", 0x04000000},
    /* xperf's groups ("xperf -providers kg"), without what has no flag: MEMINFO, POWER. */
    {"Base", 0x01002107},
    {"DiagEasy", 0x0000217F},
    {"Latency", 0x01002177},
    {"FileIO", 0x06002107},
    {"IOTrace", 0x00002117},
    {"SysProf", 0x01000007},
    {"Network", 0x00010007},
};

bool etw_kernel_flag_parse(const char *name, uint32_t *flag)
{
    for (size_t i = 0; i < sizeof kernel_flags / sizeof kernel_flags[0]; i++) {
        if (strcasecmp(name, kernel_flags[i].name) == 0) {
            *flag = kernel_flags[i].flag;
            return true;
        }
    }
    return false;
}
