#include "recorder/command/jobs.h"
#include "recorder/command/report.h"

int etw_record_live(const etw_record_arguments *arguments, etw_stop_signal *signal)
{
    (void)signal;
    etw_session *session = NULL;
    etw_error error = {0};
    etw_ignore(etw_session_open(&arguments->session, &session, &error));
    etw_report_error(&error);
    return ETW_EXIT_FAILED;
}
