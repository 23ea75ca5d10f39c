#include "recorder/session/session.h"

#include <strings.h>

/* A group of the kernel's events is one number: the mask in its highest three bits, and its bits
 * there. */
#define MASK_SHIFT 29u
#define BITS       0x1FFFFFFFu
#define MAX_VALUES 3u

typedef struct kernel_name {
    const char *name;
    uint32_t values[MAX_VALUES]; /* 0: no more */
} kernel_name;

/* EVENT_TRACE_FLAG_... of evntrace.h: the first mask. */
static const kernel_name flags[] = {
    {"PROCESS", {0x00000001}},
    {"THREAD", {0x00000002}},
    {"IMAGE_LOAD", {0x00000004}},
    {"PROCESS_COUNTERS", {0x00000008}},
    {"CSWITCH", {0x00000010}},
    {"DPC", {0x00000020}},
    {"INTERRUPT", {0x00000040}},
    {"SYSTEMCALL", {0x00000080}},
    {"DISK_IO", {0x00000100}},
    {"DISK_FILE_IO", {0x00000200}},
    {"DISK_IO_INIT", {0x00000400}},
    {"DISPATCHER", {0x00000800}},
    {"MEMORY_PAGE_FAULTS", {0x00001000}},
    {"MEMORY_HARD_FAULTS", {0x00002000}},
    {"VIRTUAL_ALLOC", {0x00004000}},
    {"VAMAP", {0x00008000}},
    {"NETWORK_TCPIP", {0x00010000}},
    {"REGISTRY", {0x00020000}},
    {"DBGPRINT", {0x00040000}},
    {"JOB", {0x00080000}},
    {"ALPC", {0x00100000}},
    {"SPLIT_IO", {0x00200000}},
    {"DEBUG_EVENTS", {0x00400000}},
    {"DRIVER", {0x00800000}},
    {"PROFILE", {0x01000000}},
    {"FILE_IO", {0x02000000}},
    {"FILE_IO_INIT", {0x04000000}},
};

/* Those that have no flag, as in PERF_... of krabsetw's perfinfo_groupmask.hpp, without those that
 * change the system or need more than their bit. */
static const kernel_name groups[] = {
    {"MEMORY", {0x20000001}},
    {"FOOTPRINT", {0x20000008}},
    {"REFSET", {0x20000020}},
    {"POOL", {0x20000040}},
    {"COMPACT_CSWITCH", {0x20000100}},
    {"PMC_PROFILE", {0x20000400}},
    {"PROCESS_INSWAP", {0x20000800}},
    {"AFFINITY", {0x20001000}},
    {"PRIORITY", {0x20002000}},
    {"SPINLOCK", {0x20010000}},
    {"SYNC_OBJECTS", {0x20020000}},
    {"DPC_QUEUE", {0x20040000}},
    {"MEMINFO", {0x20080000}},
    {"CONTMEM_GEN", {0x20100000}},
    {"SPINLOCK_CNTRS", {0x20200000}},
    {"SESSION", {0x20400000}},
    {"MEMINFO_WS", {0x20800000}},
    {"KERNEL_QUEUE", {0x21000000}},
    {"INTERRUPT_STEER", {0x22000000}},
    {"SHOULD_YIELD", {0x24000000}},
    {"WS", {0x28000000}},
    {"ANTI_STARVATION", {0x40000001}},
    {"PROCESS_FREEZE", {0x40000002}},
    {"PFN_LIST", {0x40000004}},
    {"WS_DETAIL", {0x40000008}},
    {"WS_ENTRY", {0x40000010}},
    {"OBJECTS", {0x40000400}},
    {"DFSS", {0x40002000}},
    {"PREFETCH", {0x40004000}},
    {"PROCESSOR_IDLE", {0x40008000}},
    {"CPU_CONFIG", {0x40010000}},
    {"TIMER", {0x40020000}},
    {"CLOCK_INTERRUPT", {0x40040000}},
    {"LOAD_BALANCER", {0x40080000}},
    {"CLOCK_TIMER", {0x40100000}},
    {"IDLE_SELECTION", {0x40200000}},
    {"IPI", {0x40400000}},
    {"IO_TIMER", {0x40800000}},
    {"REG_HIVE", {0x41000000}},
    {"REG_NOTIF", {0x42000000}},
    {"PPM_EXIT_LATENCY", {0x44000000}},
    {"WORKER_THREAD", {0x48000000}},
    {"OPTICAL_IO", {0x80000001}},
    {"OPTICAL_IO_INIT", {0x80000002}},
    {"DLL_INFO", {0x80000008}},
    {"OB_HANDLE", {0x80000040}},
    {"OB_OBJECT", {0x80000080}},
    {"WAKE_DROP", {0x80000200}},
    {"WAKE_EVENT", {0x80000400}},
    {"DEBUGGER", {0x80000800}},
    {"PROC_ATTACH", {0x80001000}},
    {"WAKE_COUNTER", {0x80002000}},
    {"POWER", {0x80008000}},
    {"CC", {0x80020000}},
    {"FLT_IO_INIT", {0x80080000}},
    {"FLT_IO", {0x80100000}},
    {"FLT_FASTIO", {0x80200000}},
    {"FLT_IO_FAILURE", {0x80400000}},
    {"HV_PROFILE", {0x80800000}},
    {"WDF_DPC", {0x81000000}},
    {"WDF_INTERRUPT", {0x82000000}},
    {"CACHE_FLUSH", {0x84000000}},
    {"SYSCFG_SYSTEM", {0xC0000001}},
    {"SYSCFG_GRAPHICS", {0xC0000002}},
    {"SYSCFG_STORAGE", {0xC0000004}},
    {"SYSCFG_NETWORK", {0xC0000008}},
    {"SYSCFG_SERVICES", {0xC0000010}},
    {"SYSCFG_PNP", {0xC0000020}},
    {"SYSCFG_OPTICAL", {0xC0000040}},
};

/* What "xperf -providers kg" lists; its DISK_IO is DISK_IO and DISK_FILE_IO, which names files. */
static const kernel_name sets[] = {
    {"Base", {0x01002307, 0x20880000}}, /* MEMINFO, MEMINFO_WS */
    {"Diag", {0x0000237F, 0x20000100}}, /* COMPACT_CSWITCH */
    {"DiagEasy", {0x0000237F}},
    {"Latency", {0x01002377}},
    {"FileIO", {0x06002307}},
    {"IOTrace", {0x00002317}},
    {"ResumeTrace", {0x01002307, 0x80008000}}, /* POWER */
    {"SysProf", {0x01000007}},
    {"ResidentSet", {0x0000E307, 0x20480001}},  /* MEMORY, MEMINFO, SESSION */
    {"ReferenceSet", {0x0000E007, 0x20C80029}}, /* those, FOOTPRINT, REFSET, MEMINFO_WS */
    {"Network", {0x00010007}},
};

static const kernel_name *find(const kernel_name *rows, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(name, rows[i].name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

bool etw_kernel_name_parse(const char *name, uint32_t masks[ETW_KERNEL_MASKS])
{
    const kernel_name *row = find(flags, sizeof flags / sizeof flags[0], name);
    row = row == NULL ? find(groups, sizeof groups / sizeof groups[0], name) : row;
    row = row == NULL ? find(sets, sizeof sets / sizeof sets[0], name) : row;
    for (size_t i = 0; row != NULL && i < MAX_VALUES; i++) {
        masks[row->values[i] >> MASK_SHIFT] |= row->values[i] & BITS;
    }
    return row != NULL;
}

bool etw_session_wants_kernel(const etw_session_options *options)
{
    bool wants = options->kernel_flags != 0;
    for (size_t i = 1; i < ETW_KERNEL_MASKS; i++) {
        wants |= options->kernel_groups[i] != 0;
    }
    return wants;
}
