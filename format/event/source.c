#include "format/event/source.h"

#include <stdarg.h>
#include <stdio.h>

void etw_loss_set_detail(etw_loss *loss, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(loss->detail, sizeof loss->detail, format, arguments);
    va_end(arguments);
    etw_trim_partial_utf8(loss->detail, sizeof loss->detail);
}

const char *etw_loss_cause_name(uint32_t cause)
{
    switch (cause) {
    case ETW_LOSS_ETW_EVENTS:
        return "events lost by ETW";
    case ETW_LOSS_ETW_BUFFERS:
        return "buffers lost by ETW";
    case ETW_LOSS_REALTIME_BUFFERS:
        return "real-time buffers lost";
    case ETW_LOSS_QUEUE_FULL:
        return "dropped, queue full";
    case ETW_LOSS_LIMIT:
        return "dropped, limit reached";
    case ETW_LOSS_DISK:
        return "dropped, disk full or failing";
    case ETW_LOSS_DAMAGE:
        return "damaged";
    case ETW_LOSS_SEGMENT:
        return "segment missing";
    case ETW_LOSS_TRUNCATED:
        return "cut off";
    case ETW_LOSS_FILTERED:
        return "left out on request";
    default:
        return "lost, cause unknown";
    }
}

bool etw_source_is_of_one_boot(const etw_source *source, const etw_trace **first)
{
    for (uint16_t i = 0; i < etw_source_trace_count(source); i++) {
        const etw_trace *trace = etw_source_trace(source, i);
        *first = *first == NULL ? trace : *first;
        if (trace->boot_time_100ns == 0 || trace->boot_time_100ns != (*first)->boot_time_100ns ||
            strcmp(trace->host_name, (*first)->host_name) != 0) {
            return false;
        }
    }
    return true;
}
