#include "replay/etwbox/start_windows.h"

#include "replay/etwbox/inject_windows.h"
#include "replay/etwbox/width_windows.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* CreateProcess' own limit. */
#define MAX_LINE_UNITS 32767u

typedef struct line {
    wchar_t *text; /* MAX_LINE_UNITS of room */
    size_t length;
} line;

static void put(line *to, wchar_t c)
{
    if (to->length < MAX_LINE_UNITS) {
        to->text[to->length++] = c;
    }
}

static void put_many(line *to, wchar_t c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(to, c);
    }
}

/* Quotes a word so that CommandLineToArgvW and the C runtime give it back: backslashes count only
 * in front of a quote. */
static void put_word(line *to, const wchar_t *word)
{
    if (to->length > 0) {
        put(to, L' ');
    }
    const bool plain = word[0] != 0 && wcspbrk(word, L" \t\n\v\"") == NULL;
    if (!plain) {
        put(to, L'"');
    }
    size_t backslashes = 0;
    for (; *word != 0; word++) {
        if (*word == L'"') {
            put_many(to, L'\\', backslashes + 1);
        }
        put(to, *word);
        backslashes = *word == L'\\' ? backslashes + 1 : 0;
    }
    if (!plain) {
        put_many(to, L'\\', backslashes);
        put(to, L'"');
    }
}

/* The program gets Ctrl+C and Ctrl+Break itself; the box stays for its end. */
static BOOL WINAPI leave_to_program(DWORD event)
{
    return event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
}

/* Beside this program. */
static bool find_dll(char path[ETWBOX_MAX_DLL_PATH])
{
    const DWORD size = GetModuleFileNameA(NULL, path, ETWBOX_MAX_DLL_PATH);
    if (size == 0 || size >= ETWBOX_MAX_DLL_PATH || !etwbox_beside(path, ETWBOX_DLL, path) ||
        GetFileAttributesA(path) == INVALID_FILE_ATTRIBUTES) {
        fputs("etwbox: " ETWBOX_DLL " is not beside this program\n", stderr);
        return false;
    }
    return true;
}

static DWORD run_line(wchar_t *text, const char *dll_path)
{
    STARTUPINFOW start = {.cb = sizeof start};
    PROCESS_INFORMATION child;
    if (!CreateProcessW(NULL, text, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL, &start,
                        &child)) {
        const DWORD code = GetLastError();
        fprintf(stderr, "etwbox: %ls: cannot be started (error %lu)\n", text, code);
        return ETWBOX_EXIT_NOT_STARTED;
    }
    const DWORD code = etwbox_bring_in(&child, dll_path);
    DWORD status = ETWBOX_EXIT_NOT_STARTED;
    if (code == ERROR_SUCCESS) {
        (void)ResumeThread(child.hThread);
        (void)WaitForSingleObject(child.hProcess, INFINITE);
        (void)GetExitCodeProcess(child.hProcess, &status);
    } else {
        fprintf(stderr, "etwbox: %ls: %s (error %lu)\n", text, etwbox_why_outside(code), code);
        (void)TerminateProcess(child.hProcess, status);
    }
    (void)CloseHandle(child.hThread);
    (void)CloseHandle(child.hProcess);
    return status;
}

DWORD etwbox_run(wchar_t *const *words, int count)
{
    char dll_path[ETWBOX_MAX_DLL_PATH];
    line whole = {calloc(MAX_LINE_UNITS + 1, sizeof(wchar_t)), 0};
    if (whole.text == NULL || !find_dll(dll_path)) {
        free(whole.text);
        return ETWBOX_EXIT_NOT_STARTED;
    }
    for (int i = 0; i < count; i++) {
        put_word(&whole, words[i]);
    }
    DWORD status = ETWBOX_EXIT_NOT_STARTED;
    if (whole.length == MAX_LINE_UNITS) {
        fputs("etwbox: the command line is too long\n", stderr);
    } else {
        (void)SetConsoleCtrlHandler(leave_to_program, TRUE);
        status = run_line(whole.text, dll_path);
    }
    free(whole.text);
    return status;
}

DWORD etwbox_join(DWORD process_id)
{
    char dll_path[ETWBOX_MAX_DLL_PATH];
    if (!find_dll(dll_path)) {
        return ERROR_FILE_NOT_FOUND;
    }
    const HANDLE process = OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_OPERATION |
                                           PROCESS_VM_READ | PROCESS_VM_WRITE,
                                       FALSE, process_id);
    if (process == NULL) {
        return GetLastError();
    }
    const DWORD code = etwbox_inject(process, dll_path);
    (void)CloseHandle(process);
    return code;
}
