/* Overwrites what must not leave the house in an event's user data, without changing its layout:
 * string characters become 'x', all other bytes zero. What cannot be looked at (no schema, a
 * damaged one, bytes behind the last property, items of kinds that are not known) goes as well: it
 * may hold anything. */
#ifndef ETW_REPLAY_REDACT_H
#define ETW_REPLAY_REDACT_H

#include "format/event/event.h"

typedef struct etw_redaction {
    const char *const *names; /* properties, also members of structs, and structs with all that is
                                 in them; in any case */
    uint32_t name_count;
    bool strings;           /* all strings, binary values and SIDs */
    bool keeps_unexplained; /* what no schema explains stays as it is, and is counted */
} etw_redaction;

typedef struct etw_redaction_counts {
    uint64_t events;  /* of which something was overwritten */
    uint64_t emptied; /* of those: the whole user data was taken out, since its layout depends on
                         what had to go */
    uint64_t unexplained; /* no schema says what their user data is: it was taken out, or stayed
                             where that was asked for */
} etw_redaction_counts;

/* The item kind that holds the user's SID can be named like a property. */
#define ETW_REDACT_USER_SID "UserSID"

typedef struct etw_redactor etw_redactor;

/* redaction must live as long as the redactor. NULL where memory is out. */
etw_redactor *etw_redactor_new(const etw_redaction *redaction);
void etw_redactor_free(etw_redactor *redactor);
/* *safe points into the redactor and lives until the next call. */
void etw_redactor_apply(etw_redactor *redactor, const etw_event *event, etw_event_record *safe);
void etw_redactor_get_counts(const etw_redactor *redactor, etw_redaction_counts *counts);
/* The next name from *at on (0 at first) that no event had; NULL where there is none. */
const char *etw_redactor_not_found(const etw_redactor *redactor, uint32_t *at);

/* Takes names of files, hosts and sessions out of what a trace says about itself. logfile_header is
 * the caller's copy of trace->logfile_header, cut here to its part without names. */
void etw_redact_trace(etw_trace *trace);

#endif
