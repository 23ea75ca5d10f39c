#include "recorder/rundown/process_facts_windows.h"

#include "recorder/session/wide_windows.h"

#include <stdlib.h>

#define MAX_PATH_UNITS 1024u
/* A command line has at most 32767 characters (CreateProcess). */
#define MAX_COMMAND_BYTES (sizeof(counted_text) + ((size_t)32768 * sizeof(wchar_t)))

/* ProcessCommandLineInformation of NtQueryInformationProcess, since Windows 8.1: a UNICODE_STRING
 * with its characters behind it. It needs no right to read the process' memory. */
#define COMMAND_LINE_INFORMATION 60

/* ProcessTelemetryIdInformation, since Windows 10: sizes, ids and times, then texts behind them. */
#define TELEMETRY_INFORMATION 64
#define TELEMETRY_BYTES       4096u

typedef struct telemetry_head {
    ULONG header_size, process_id;
    ULONG64 start_key;
} telemetry_head;

typedef struct counted_text {
    USHORT size_bytes, room_bytes;
    wchar_t *text;
} counted_text;

typedef LONG(WINAPI *query_process)(HANDLE, int, void *, ULONG, ULONG *);

static int64_t start_time_of(HANDLE process)
{
    FILETIME created, exited, kernel, user;
    if (!GetProcessTimes(process, &created, &exited, &kernel, &user)) {
        return 0;
    }
    return (int64_t)((uint64_t)created.dwHighDateTime << 32 | created.dwLowDateTime);
}

static char *path_of(HANDLE process)
{
    wchar_t path[MAX_PATH_UNITS];
    DWORD units = MAX_PATH_UNITS;
    return QueryFullProcessImageNameW(process, 0, path, &units) ? etw_utf8_from_wide(path) : NULL;
}

static query_process find_query(void)
{
    const HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    return ntdll == NULL
               ? NULL
               : (query_process)(void *)GetProcAddress(ntdll, "NtQueryInformationProcess");
}

static uint64_t start_key_of(HANDLE process, DWORD process_id)
{
    const query_process query = find_query();
    ULONG64 room[TELEMETRY_BYTES / sizeof(ULONG64)] = {0};
    telemetry_head head;
    ULONG size = 0;
    if (query == NULL || query(process, TELEMETRY_INFORMATION, room, sizeof room, &size) != 0) {
        return 0;
    }
    memcpy(&head, room, sizeof head);
    return head.header_size >= sizeof head && head.process_id == process_id ? head.start_key : 0;
}

static char *command_line_of(HANDLE process)
{
    const query_process query = find_query();
    counted_text *line = query == NULL ? NULL : calloc(1, MAX_COMMAND_BYTES + sizeof(wchar_t));
    char *utf8 = NULL;
    ULONG size = 0;
    if (line != NULL &&
        query(process, COMMAND_LINE_INFORMATION, line, (ULONG)MAX_COMMAND_BYTES, &size) == 0 &&
        line->text == (wchar_t *)(void *)(line + 1)) { /* 64 KiB at most by its size's type */
        line->text[line->size_bytes / sizeof(wchar_t)] = L'\0';
        utf8 = etw_utf8_from_wide(line->text);
    }
    free(line);
    return utf8;
}

static void take_user(HANDLE process, etw_process_facts *facts)
{
    uint64_t room[(sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE) / sizeof(uint64_t) + 1];
    const TOKEN_USER *user = (const TOKEN_USER *)(const void *)room;
    HANDLE token = NULL;
    DWORD size = 0;
    if (!OpenProcessToken(process, TOKEN_QUERY, &token)) {
        return;
    }
    if (GetTokenInformation(token, TokenUser, room, sizeof room, &size)) {
        const DWORD sid_size = GetLengthSid(user->User.Sid);
        if (sid_size <= sizeof facts->sid) {
            memcpy(facts->sid, user->User.Sid, sid_size);
            facts->sid_size = sid_size;
        }
    }
    (void)CloseHandle(token);
}

void etw_process_facts_ask(DWORD process_id, etw_process_facts *facts)
{
    memset(facts, 0, sizeof *facts);
    if (!ProcessIdToSessionId(process_id, &facts->session_id)) {
        facts->session_id = MAXDWORD;
    }
    const HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, process_id);
    if (process == NULL) {
        facts->code = GetLastError();
        return;
    }
    facts->is_open = true;
    facts->start_100ns = start_time_of(process);
    facts->start_key = start_key_of(process, process_id);
    facts->path = path_of(process);
    facts->command_line = command_line_of(process);
    take_user(process, facts);
    (void)CloseHandle(process);
}

void etw_process_facts_free(etw_process_facts *facts)
{
    free(facts->path);
    free(facts->command_line);
}
