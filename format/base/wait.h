/* Waiting for a condition for a limited time, by a clock that nobody sets. */
#ifndef ETW_FORMAT_BASE_WAIT_H
#define ETW_FORMAT_BASE_WAIT_H

#include <pthread.h>
#include <stdint.h>

/* A condition that etw_condition_wait may be used with; destroyed with pthread_cond_destroy. */
void etw_condition_init(pthread_cond_t *condition);
/* With the mutex held. Returns once the condition is signalled, once wait_ns (>= 0) are over, or
 * for no reason: look again. */
void etw_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t wait_ns);

#endif
