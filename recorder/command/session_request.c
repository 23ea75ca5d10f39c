#include "recorder/command/session_request.h"

#include "recorder/command/report.h"
#include "recorder/session/provider_fields.h"

/* EVENT_FILTER_DESCRIPTOR's page: these filters do nothing for TraceLogging, whose events have no
 * ids of their own. */
static void warn_of_ids(const etw_provider_argument *provider)
{
    if (provider->name[0] == '*' &&
        (provider->options.event_ids.count > 0 || provider->options.stack_ids.count > 0)) {
        etw_report_note(NULL, "--event-ids and --stack-ids choose nothing among events of "
                              "TraceLogging providers; those of an EventSource have ids");
    }
}

etw_status etw_record_find_providers(const etw_record_arguments *arguments,
                                     etw_provider_options *providers, etw_error *error)
{
    for (uint32_t i = 0; i < arguments->provider_count; i++) {
        providers[i] = arguments->providers[i].options;
        const char *keywords = arguments->providers[i].keyword_names;
        etw_status status = etw_record_advise(
            ETW_STEP_FIND_PROVIDER,
            etw_provider_find(arguments->providers[i].name, &providers[i].id, error), error);
        if (status == ETW_OK && keywords != NULL) {
            status = etw_record_advise(
                ETW_STEP_FIND_KEYWORD,
                etw_provider_keywords(&providers[i].id, keywords, &providers[i].any_keyword, error),
                error);
        }
        if (status != ETW_OK) {
            return status;
        }
        warn_of_ids(&arguments->providers[i]);
    }
    return ETW_OK;
}
