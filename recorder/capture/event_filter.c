#include "recorder/capture/event_filter.h"

#include <stdlib.h>

struct etw_event_filter {
    etw_where *where;
    etw_event_maker *maker;
    const etw_schema_store *store;
    bool has_first; /* the expression knows the time of the first event */
    uint64_t left_out;
};

etw_status etw_event_filter_check(const etw_where *where, etw_error *error)
{
    if (etw_where_wants_processes(where)) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "names of processes are known once a trace is complete; while it is "
                             "recorded only ProcessId is");
    }
    return etw_where_wants_last_time(where)
               ? etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                               "the time of the last event is not known while events are recorded")
               : ETW_OK;
}

etw_status etw_event_filter_new(const etw_where *where, const etw_schema_store *store,
                                etw_event_filter **filter, etw_error *error)
{
    etw_event_filter *made = calloc(1, sizeof *made);
    *filter = NULL;
    if (made == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a filter");
    }
    made->store = store;
    made->maker = etw_event_maker_new(true);
    etw_status status = etw_event_filter_check(where, error);
    if (!etw_failed(status)) {
        status = made->maker != NULL
                     ? etw_where_copy(where, &made->where, error)
                     : etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a filter");
    }
    if (etw_failed(status)) {
        etw_event_filter_free(made);
        return status;
    }
    *filter = made;
    return ETW_OK;
}

void etw_event_filter_free(etw_event_filter *filter)
{
    if (filter != NULL) {
        etw_where_free(filter->where);
        etw_event_maker_free(filter->maker);
        free(filter);
    }
}

etw_verdict etw_event_filter_header(etw_event_filter *filter, const etw_event_record *record,
                                    const etw_trace *trace)
{
    const int64_t time_100ns = etw_clock_to_filetime(&trace->clock, record->EventHeader.TimeStamp);
    if (!filter->has_first) {
        filter->has_first = true;
        etw_where_set_times(filter->where, time_100ns, INT64_MAX);
    }
    const etw_verdict verdict = etw_where_header(filter->where, record, time_100ns);
    filter->left_out += verdict == ETW_VERDICT_NO;
    return verdict;
}

etw_status etw_event_filter_event(etw_event_filter *filter, const etw_event_record *record,
                                  const etw_trace *trace, const etw_schema *schema, bool *passes,
                                  etw_error *error)
{
    const char *name =
        etw_schema_store_provider_name(filter->store, &record->EventHeader.ProviderId);
    const etw_event *event = etw_event_make(filter->maker, record, trace, schema, name);
    if (event == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to compile a schema");
    }
    const etw_status status = etw_where_event(filter->where, event, passes, error);
    etw_event_expire(filter->maker);
    filter->left_out += !etw_failed(status) && !*passes;
    return status;
}

bool etw_event_filter_take_count(etw_event_filter *filter, etw_loss *loss)
{
    if (filter->left_out == 0) {
        return false;
    }
    *loss = (etw_loss){.cause = ETW_LOSS_FILTERED, .events = filter->left_out};
    etw_loss_set_detail(loss, "recorded only: where=%s", etw_where_text(filter->where));
    filter->left_out = 0;
    return true;
}
