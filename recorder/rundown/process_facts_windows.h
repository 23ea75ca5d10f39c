/* What Windows tells of a running process to whoever may ask. */
#ifndef ETW_RECORDER_PROCESS_FACTS_WINDOWS_H
#define ETW_RECORDER_PROCESS_FACTS_WINDOWS_H

#include "format/base/bytes.h"

#include <stdbool.h>

#include <windows.h>

typedef struct etw_process_facts {
    bool is_open; /* it could be opened; else code says why not, and the rest is empty */
    DWORD code;
    int64_t start_100ns;
    uint64_t start_key; /* no other process of this boot has it; 0: not to be had */
    DWORD session_id;   /* also of processes that could not be opened */
    char *path;         /* UTF-8, owned; NULL where it is not to be had */
    char *command_line; /* UTF-8, owned; NULL likewise */
    uint8_t sid[SECURITY_MAX_SID_SIZE];
    DWORD sid_size; /* 0: not to be had */
} etw_process_facts;

void etw_process_facts_ask(DWORD process_id, etw_process_facts *facts);
void etw_process_facts_free(etw_process_facts *facts);

#endif
