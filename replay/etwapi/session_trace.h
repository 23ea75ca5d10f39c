/* Programs look a provider up by its name before they start a session for it. */
#ifndef ETW_REPLAY_ETWAPI_SESSION_TRACE_H
#define ETW_REPLAY_ETWAPI_SESSION_TRACE_H

/* Reads the trace that sessions will deliver through, once, for its providers and schemas
 * (known_schemas.h). */
void etwapi_know_trace(void);

#endif
