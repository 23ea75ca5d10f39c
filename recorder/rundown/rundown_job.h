/* The host's rundown made on a thread of its own: asking each process for its images takes tenths
 * of a second, which ETW's thread does not have. */
#ifndef ETW_RECORDER_RUNDOWN_JOB_H
#define ETW_RECORDER_RUNDOWN_JOB_H

#include "recorder/rundown/host_rundown.h"

typedef struct etw_rundown_job etw_rundown_job;

/* Events of one rundown: a host of 500 processes makes some 10 MiB of them. */
#define ETW_RUNDOWN_MAX_EVENT_BYTES ((size_t)32 << 20)

/* The cache is the job's while it runs. NULL where memory or threads are out. */
ETW_API etw_rundown_job *etw_rundown_job_start(etw_identity_cache *cache);

/* False while it is still being made. wait: until it is done. */
ETW_API bool etw_rundown_job_is_done(etw_rundown_job *job, bool wait);

/* Once done: calls put with each blob; fails as the making did. */
ETW_API_CHECKED etw_status etw_rundown_job_take(etw_rundown_job *job,
                                                etw_status (*put)(void *context, etw_bytes blob,
                                                                  uint32_t processes,
                                                                  etw_error *error),
                                                void *context, etw_error *error);

/* Once done: its events (rundown_events.h), lent by the job; and what could not be asked. */
ETW_API etw_bytes etw_rundown_job_events(const etw_rundown_job *job);
ETW_API const etw_rundown_gaps *etw_rundown_job_gaps(const etw_rundown_job *job);

/* Waits for it. NULL is fine. */
ETW_API void etw_rundown_job_free(etw_rundown_job *job);

#endif
