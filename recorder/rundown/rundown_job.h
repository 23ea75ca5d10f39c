/* The host's rundown made on a thread of its own: asking each process for its images takes tenths
 * of a second, which ETW's thread does not have. */
#ifndef ETW_RECORDER_RUNDOWN_JOB_H
#define ETW_RECORDER_RUNDOWN_JOB_H

#include "format/base/bytes.h"
#include "format/base/status.h"

typedef struct etw_rundown_job etw_rundown_job;

/* NULL where memory or threads are out. */
etw_rundown_job *etw_rundown_job_start(void);

/* False while it is still being made. wait: until it is done. */
bool etw_rundown_job_is_done(etw_rundown_job *job, bool wait);

/* Once done: calls put with each blob; fails as the making did. */
etw_status etw_rundown_job_take(etw_rundown_job *job,
                                etw_status (*put)(void *context, etw_bytes blob, uint32_t processes,
                                                  etw_error *error),
                                void *context, etw_error *error);

/* Waits for it. NULL is fine. */
void etw_rundown_job_free(etw_rundown_job *job);

#endif
