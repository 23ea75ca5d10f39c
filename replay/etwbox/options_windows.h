/* The command line of etwbox. */
#ifndef ETW_REPLAY_ETWBOX_OPTIONS_H
#define ETW_REPLAY_ETWBOX_OPTIONS_H

#include <stdbool.h>

#include <windows.h>

#define ETWBOX_MAX_PROVIDERS 256
#define ETWBOX_MAX_TRACES    256

typedef struct etwbox_options {
    const wchar_t *traces[ETWBOX_MAX_TRACES]; /* none: the program's own events only */
    int trace_count;
    const wchar_t *schemas; /* as --schemas gave them; NULL: none */
    const wchar_t *record;  /* the file that takes what the program writes; NULL: none */
    const wchar_t *providers[ETWBOX_MAX_PROVIDERS]; /* of the recording; none: all */
    int provider_count;
    wchar_t **program; /* and its arguments */
    int program_count;
    DWORD join; /* the id of a process to bring in, instead of starting a program; 0: none */
    bool help;
} etwbox_options;

/* Options that are environment variables of the drop-in API are set here, for this process and its
 * children. False: the text on stderr says why. */
bool etwbox_parse(int argc, wchar_t **argv, etwbox_options *options);

/* Sessions deliver this trace from now on. */
bool etwbox_use_trace(const wchar_t *path);

void etwbox_print_help(void);

#endif
