#include "recorder/capture/capture_inside.h"

etw_status etw_capture_add_traces_of(etw_capture *capture, const etw_source *source,
                                     etw_error *error)
{
    while (capture->trace_count < etw_source_trace_count(source)) {
        uint16_t index;
        const etw_status status = etw_capture_add_trace(
            capture, etw_source_trace(source, capture->trace_count), &index, error);
        if (status != ETW_OK) {
            return status;
        }
    }
    return ETW_OK;
}

static void record_failure(etw_capture *capture, const etw_error *failure)
{
    etw_loss loss = {.cause = ETW_LOSS_TRUNCATED, .events = ETW_LOSS_COUNT_UNKNOWN};
    etw_loss_set_detail(&loss, "%s", failure->message);
    etw_ignore(etw_capture_loss(capture, &loss, NULL));
}

/* The rest of the source is not read any more: the file says so, if it still can. */
static etw_status give_up(etw_capture *capture, etw_status status, etw_error *error)
{
    etw_error failure = {0};
    if (error == NULL) {
        (void)etw_error_set(&failure, status, "%s", etw_status_name(status));
    }
    record_failure(capture, error == NULL ? &failure : error);
    return status;
}

/* Whether the source has another event. Losses before it are written; so is a failure. */
static etw_status has_more(etw_capture *capture, etw_source *source, bool *more, etw_error *error)
{
    etw_item item;
    etw_error failure = {0};
    for (;;) {
        const etw_status status = etw_source_next(source, &item, &failure);
        *more = status == ETW_OK && item.kind == ETW_ITEM_EVENT;
        if (status == ETW_OK && item.kind == ETW_ITEM_LOSS) {
            const etw_status kept = etw_capture_loss(capture, item.loss, error);
            if (etw_failed(kept)) {
                return kept;
            }
            continue;
        }
        if (etw_failed(status)) {
            record_failure(capture, &failure);
            if (error != NULL) {
                *error = failure;
            }
        }
        return status == ETW_END ? ETW_OK : status;
    }
}

/* A limit, or a stop, ended the capture: the file says that the source went on. */
static etw_status note_rest(etw_capture *capture, etw_source *source, etw_error *error)
{
    bool more = capture->has_refused;
    const etw_status status = more ? ETW_OK : has_more(capture, source, &more, error);
    if (etw_failed(status) || !more) {
        return status;
    }
    etw_loss loss = {.cause = capture->end_cause, .events = ETW_LOSS_COUNT_UNKNOWN};
    etw_loss_set_detail(&loss, "%s: the rest of the input was not read",
                        capture->totals.end_reason);
    return etw_capture_loss(capture, &loss, error);
}

etw_status etw_capture_pull(etw_capture *capture, etw_source *source, etw_error *error)
{
    for (;;) {
        etw_item item;
        etw_error failure;
        etw_error_clear(&failure);
        etw_status status = etw_source_next(source, &item, &failure);
        if (status == ETW_END) {
            return ETW_OK;
        }
        if (status != ETW_OK) {
            record_failure(capture, &failure);
            if (error != NULL) {
                *error = failure;
            }
            return status;
        }
        if (item.trace_index >= capture->trace_count) {
            status = etw_capture_add_traces_of(capture, source, error);
        }
        if (status == ETW_OK) {
            status = item.kind == ETW_ITEM_EVENT
                         ? etw_capture_take_event(
                               capture, item.trace_index, item.record,
                               capture->options.items_name_schemas ? item.schema_id : 0, error)
                         : etw_capture_loss(capture, item.loss, error);
        }
        if (status != ETW_OK) {
            return status == ETW_END ? note_rest(capture, source, error)
                                     : give_up(capture, status, error);
        }
    }
}
