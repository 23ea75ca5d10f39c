#include "recorder/rundown/host_rundown.h"

/* Live sessions exist on Windows only, and so do the processes whose events they record. */
etw_status etw_host_rundown(etw_rundown_sink *sink, etw_error *error)
{
    (void)error;
    sink->gaps = (etw_rundown_gaps){0};
    return ETW_OK;
}
