/* The first line of a file of expected events: how a trace is compared with it.
 *
 *     {"Expectation":{"Ignore":["TimeStamp"],"Normalize":["pid"],"Key":[],"Where":"Id == 3006"}} */
#ifndef ETW_REPLAY_EXPECTATION_H
#define ETW_REPLAY_EXPECTATION_H

#include "replay/command/comparison.h"

typedef struct etw_expectation {
    etw_rules rules;
    etw_text where; /* empty: all events */
    bool has_head;  /* of the file that was read */
} etw_expectation;

void etw_expectation_free(etw_expectation *expectation);
/* Both what is wanted already and this have to hold; where.failed: no memory. */
void etw_expectation_add_where(etw_expectation *expectation, const char *where);
/* Adds what the file's first line says; nothing where it is no such line. */
etw_status etw_expectation_read(etw_expectation *expectation, const char *path, etw_error *error);
/* The line, with its end. */
void etw_expectation_append(const etw_expectation *expectation, etw_text *text);

#endif
