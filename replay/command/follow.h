/* Files that grow while they are read: what `cat --follow` waits for at the end of one. */
#ifndef ETW_REPLAY_FOLLOW_H
#define ETW_REPLAY_FOLLOW_H

#include "format/base/os.h"
#include "format/base/text.h"

/* How often a file is looked at. */
#define ETW_FOLLOW_WAIT_NS 200000000L
/* A file that was not closed, but has a successor, is waited for so long: the recorder closes one
 * while it writes the next. */
#define ETW_FOLLOW_UNCLOSED_NS INT64_C(10000000000)

typedef struct etw_follow {
    const etw_os *os;
    etw_text path; /* the file that is read */
    bool has_identity;
    etw_file_identity identity; /* of it */
    uint64_t size_bytes;        /* when it was last looked at */
    int64_t grown_ns;           /* when it had grown last */
} etw_follow;

typedef enum etw_follow_step {
    ETW_FOLLOW_MORE, /* there may be more in the file */
    ETW_FOLLOW_NEXT, /* path is another name now, or leads to another file: to be read anew */
    ETW_FOLLOW_LOST, /* as NEXT, and the end of the file before was not seen, which was said */
    ETW_FOLLOW_OVER  /* no more will come, or Ctrl+C */
} etw_follow_step;

/* What is known of a trace at whose end the reader is. */
typedef struct etw_follow_state {
    bool is_complete; /* the recorder or session has closed it */
    bool is_etl;
    bool is_series; /* of an .etl: its session begins new files (EVENT_TRACE_FILE_MODE_NEWFILE) */
} etw_follow_state;

/* From now on Ctrl+C (SIGINT, SIGTERM) asks for an end, and a second one ends the process. Signals
 * have no context: one flag is kept in this module, the program's only global state. */
void etw_follow_catch_interrupts(void);
bool etw_follow_is_interrupted(void);

/* file: path, opened. Both are looked at again later; the text is the follower's own. */
etw_status etw_follow_begin(etw_follow *follow, const etw_os *os, const char *path,
                            etw_error *error);
void etw_follow_free(etw_follow *follow);

/* How often a next file is opened that does not begin as a trace: its first bytes may be on their
 * way.
 */
#define ETW_FOLLOW_OPENS 25u
/* Waits as etw_follow_wait does. */
void etw_follow_pause(void);

/* At the end of the file: looks for what there is to do, and waits a moment where that is nothing
 * yet. */
etw_follow_step etw_follow_wait(etw_follow *follow, const etw_follow_state *state);

#endif
