/* An operating system for tests: files in memory that fail on request.
 *
 * Paths: "mem:NAME" is a file in memory; "pipe:NAME" reads the same bytes as a pipe would, without
 * seeking; all other paths go to the real system. Faults apply to all of them. Thread safe. */
#ifndef ETW_TESTS_FAULTY_OS_H
#define ETW_TESTS_FAULTY_OS_H

#include "format/base/os.h"

typedef enum faulty_call {
    FAULTY_OPEN,
    FAULTY_READ,
    FAULTY_WRITE,
    FAULTY_SYNC,
    FAULTY_SIZE,
    FAULTY_CLOSE,
    FAULTY_RENAME,
    FAULTY_REMOVE,
    FAULTY_KIND,
    FAULTY_CALLS
} faulty_call;

/* What to do wrong; all zero but capacity: nothing. May be changed between calls. */
typedef struct faulty_faults {
    uint64_t fail_at[FAULTY_CALLS]; /* the call of that kind, counted from 1, that fails; 0: none */
    bool keep_failing;              /* and all later ones of that kind */
    int error;                      /* errno; 0: EIO */
    size_t most_bytes;              /* that one read or write moves; 0: all */
    uint64_t capacity;    /* bytes that can be written in all: then ENOSPC, after a short write */
    const char *bad_name; /* a file in memory of which [bad_from, bad_to) cannot be read: EIO; */
    uint64_t bad_from, bad_to; /* lent until the faults are set anew; NULL: none */
} faulty_faults;

typedef struct faulty_os faulty_os;

/* Without faults. NULL: no memory. */
faulty_os *faulty_os_new(void);
void faulty_os_free(faulty_os *faulty);
const etw_os *faulty_os_table(faulty_os *faulty);
/* Around a test whose state is one: the second fails where a file was left open. */
int faulty_os_set_up(void **state);
int faulty_os_tear_down(void **state);

void faulty_os_set(faulty_os *faulty, const faulty_faults *faults);
/* How often a kind of call was made; faults count these from 1 on. */
uint64_t faulty_os_calls(faulty_os *faulty, faulty_call call);
void faulty_os_reset_calls(faulty_os *faulty);
/* Files that are open now. */
uint32_t faulty_os_open_files(faulty_os *faulty);
/* The monotonic clock; starts at 1 second and stands still otherwise. */
void faulty_os_advance_ms(faulty_os *faulty, int64_t milliseconds);

/* The bytes of a file in memory, lent until it changes; data NULL where there is none. name is
 * without "mem:". */
etw_bytes faulty_os_get(faulty_os *faulty, const char *name);
/* Creates or replaces it; false: no memory. */
bool faulty_os_put(faulty_os *faulty, const char *name, etw_bytes bytes);

#endif
