#include "recorder/session/session_events_windows.h"

#include "recorder/session/tdh_source.h"

bool etw_session_events_init(etw_session_events *events)
{
    events->store = etw_schema_store_new();
    events->maker = etw_event_maker_new(false);
    return events->store != NULL && events->maker != NULL;
}

void etw_session_events_free(etw_session_events *events)
{
    etw_event_maker_free(events->maker);
    etw_resolver_free(events->resolver);
    etw_schema_store_free(events->store);
}

etw_status etw_session_events_start(etw_session_events *events, etw_error *error)
{
    if (events->resolver != NULL) {
        return ETW_OK;
    }
    const etw_status status = etw_resolver_new(events->store, NULL, &events->resolver, error);
    return status == ETW_OK ? etw_resolver_add_source(events->resolver, etw_tdh_source_new(), error)
                            : status;
}

etw_status etw_session_events_make(etw_session_events *events, const etw_event_record *record,
                                   const etw_trace *trace, const etw_event **event,
                                   etw_error *error)
{
    const uint32_t pointer_size = etw_record_pointer_size(record, trace->pointer_size);
    const etw_schema *schema = NULL;
    etw_status status = etw_resolver_observe(events->resolver, record, error);
    if (status == ETW_OK) {
        status = etw_resolver_find(events->resolver, record, pointer_size, &schema, error);
    }
    if (status == ETW_OK) {
        *event = etw_event_make(
            events->maker, record, trace, schema,
            etw_schema_store_provider_name(events->store, &record->EventHeader.ProviderId));
        if (*event == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to compile a schema");
        }
    }
    return status;
}
