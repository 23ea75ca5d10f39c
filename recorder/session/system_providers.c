#include "recorder/session/system_providers.h"

/* Verbose: what a keyword has is wanted. */
#define LEVEL 5u

static const struct {
    uint32_t flag;
    etw_guid provider;
    uint64_t keyword;
} rows[] = {
#define PROCESS                                                                                    \
    {                                                                                              \
        0x151F55DC, 0x467D, 0x471F,                                                                \
        {                                                                                          \
            0x83, 0xB5, 0x5F, 0x88, 0x9D, 0x46, 0xFF, 0x66                                         \
        }                                                                                          \
    }
#define SCHEDULER                                                                                  \
    {                                                                                              \
        0x599A2A76, 0x4D91, 0x4910,                                                                \
        {                                                                                          \
            0x9A, 0xC7, 0x7D, 0x33, 0xF2, 0xE9, 0x7A, 0x6C                                         \
        }                                                                                          \
    }
#define INTERRUPT                                                                                  \
    {                                                                                              \
        0xD4BBEE17, 0xB545, 0x4888,                                                                \
        {                                                                                          \
            0x85, 0x8B, 0x74, 0x41, 0x69, 0x01, 0x5B, 0x25                                         \
        }                                                                                          \
    }
#define IO                                                                                         \
    {                                                                                              \
        0x3D5C43E3, 0x0F1C, 0x4202,                                                                \
        {                                                                                          \
            0xB8, 0x17, 0x17, 0x4C, 0x00, 0x70, 0xDC, 0x79                                         \
        }                                                                                          \
    }
#define MEMORY                                                                                     \
    {                                                                                              \
        0x82958CA9, 0xB6CD, 0x47F8,                                                                \
        {                                                                                          \
            0xA3, 0xA8, 0x03, 0xAE, 0x85, 0xA4, 0xBC, 0x24                                         \
        }                                                                                          \
    }
#define SYSCALL                                                                                    \
    {                                                                                              \
        0x434286F7, 0x6F1B, 0x45BB,                                                                \
        {                                                                                          \
            0xB3, 0x7E, 0x95, 0xF6, 0x23, 0x04, 0x6C, 0x7C                                         \
        }                                                                                          \
    }
#define REGISTRY                                                                                   \
    {                                                                                              \
        0x16156BD9, 0xFAB4, 0x4CFA,                                                                \
        {                                                                                          \
            0xA2, 0x32, 0x89, 0xD1, 0x09, 0x90, 0x58, 0xE3                                         \
        }                                                                                          \
    }
#define ALPC                                                                                       \
    {                                                                                              \
        0xFCB9BAAF, 0xE529, 0x4980,                                                                \
        {                                                                                          \
            0x92, 0xE9, 0xCE, 0xD1, 0xA6, 0xAA, 0xDF, 0xDF                                         \
        }                                                                                          \
    }
#define PROFILE                                                                                    \
    {                                                                                              \
        0xBFEB0324, 0x1CEE, 0x496F,                                                                \
        {                                                                                          \
            0xA4, 0x09, 0x2A, 0xC2, 0xB4, 0x8A, 0x63, 0x22                                         \
        }                                                                                          \
    }
    {0x00000001, PROCESS, 0x1},     /* PROCESS */
    {0x00000002, PROCESS, 0x800},   /* THREAD */
    {0x00000004, PROCESS, 0x1000},  /* IMAGE_LOAD */
    {0x00000008, PROCESS, 0x8},     /* PROCESS_COUNTERS */
    {0x00000010, SCHEDULER, 0x200}, /* CSWITCH */
    {0x00000020, INTERRUPT, 0x4},   /* DPC */
    {0x00000040, INTERRUPT, 0x1},   /* INTERRUPT */
    {0x00000080, SYSCALL, 0x1},     /* SYSTEMCALL */
    {0x00000100, IO, 0x1},          /* DISK_IO */
    {0x00000200, IO, 0x4},          /* DISK_FILE_IO */
    {0x00000400, IO, 0x2},          /* DISK_IO_INIT */
    {0x00000800, SCHEDULER, 0x2},   /* DISPATCHER */
    {0x00001000, MEMORY, 0x4},      /* MEMORY_PAGE_FAULTS */
    {0x00002000, MEMORY, 0x2},      /* MEMORY_HARD_FAULTS */
    {0x00004000, MEMORY, 0x400},    /* VIRTUAL_ALLOC */
    {0x00008000, MEMORY, 0x4000},   /* VAMAP */
    {0x00010000, IO, 0x200},        /* NETWORK_TCPIP */
    {0x00020000, REGISTRY, 0x1},    /* REGISTRY */
    {0x00040000, PROCESS, 0x100},   /* DBGPRINT */
    {0x00080000, PROCESS, 0x200},   /* JOB */
    {0x00100000, ALPC, 0x1},        /* ALPC */
    {0x00200000, IO, 0x8},          /* SPLIT_IO */
    {0x00400000, PROCESS, 0x80},    /* DEBUG_EVENTS */
    {0x00800000, IO, 0x80},         /* DRIVER */
    {0x01000000, PROFILE, 0x1},     /* PROFILE */
    {0x02000000, IO, 0x10},         /* FILE_IO */
    {0x04000000, IO, 0x20},         /* FILE_IO_INIT: the page has it beside OPTICAL */
};

uint32_t etw_system_providers(uint32_t flags,
                              etw_provider_options providers[ETW_MAX_SYSTEM_PROVIDERS])
{
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if ((flags & rows[i].flag) == 0) {
            continue;
        }
        uint32_t at = 0;
        while (at < count && !etw_guid_equal(&providers[at].id, &rows[i].provider)) {
            at++;
        }
        if (at == count) {
            providers[count++] = (etw_provider_options){.id = rows[i].provider, .level = LEVEL};
        }
        providers[at].any_keyword |= rows[i].keyword;
    }
    return count;
}
