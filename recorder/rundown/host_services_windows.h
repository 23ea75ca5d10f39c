/* The services that run, by the process in which each does. */
#ifndef ETW_RECORDER_HOST_SERVICES_WINDOWS_H
#define ETW_RECORDER_HOST_SERVICES_WINDOWS_H

#include "format/base/buffer.h"

#include <stdint.h>

/* Appends their events (rundown_events.h). Gives Windows' reason where they cannot be listed; 0
 * else.
 */
uint32_t etw_host_services(etw_buffer *events);

#endif
