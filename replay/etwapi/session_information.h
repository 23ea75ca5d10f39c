/* TraceSetInformation and TraceQueryInformation, and the right that some of it takes. */
#ifndef ETW_REPLAY_ETWAPI_SESSION_INFORMATION_H
#define ETW_REPLAY_ETWAPI_SESSION_INFORMATION_H

#include <stdbool.h>

/* SeSystemProfilePrivilege, switched on in this process' token. */
bool etwapi_may_profile(void);

#endif
