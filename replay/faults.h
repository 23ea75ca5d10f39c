/* A bad day: events that are lost, come twice, late, in another order or with broken data, as a
 * consumer of live sessions must survive. The same seed gives the same day. */
#ifndef ETW_REPLAY_FAULTS_H
#define ETW_REPLAY_FAULTS_H

#include "replay/replay.h"

typedef struct etw_faults etw_faults;

/* NULL where memory is out. */
etw_faults *etw_faults_new(const etw_fault_options *options);
void etw_faults_free(etw_faults *faults);

/* What a day is made from. */
typedef struct etw_faults_source {
    etw_status (*next)(etw_replay *replay, etw_replay_item *item, etw_error *error);
    /* Begins once more with the first event. ETW_END: no more are wanted. What items point to goes.
     */
    etw_status (*again)(etw_replay *replay, etw_error *error);
    void (*loss)(etw_replay *replay, const etw_loss *loss);
    void (*wait)(etw_replay *replay, int64_t ns);
    etw_replay *replay;
} etw_faults_source;

/* Gives the next item. What it points to is lent until the next call. */
etw_status etw_faults_next(etw_faults *faults, const etw_faults_source *source,
                           etw_replay_item *item, etw_error *error);
void etw_faults_get_counts(const etw_faults *faults, etw_fault_counts *counts);

#endif
