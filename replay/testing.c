#include "replay/testing.h"

#include "format/fixture/fixture.h"
#include "format/output/event_json.h"
#include "replay/replay.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct text_run {
    etw_schema_store *store;
    etw_source *source;
    etw_event_maker *maker;
} text_run;

static etw_status open_text(text_run *run, const char *ndjson, etw_error *error)
{
    run->store = etw_schema_store_new();
    run->maker = etw_event_maker_new(false);
    if (run->store == NULL || run->maker == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a trace of text");
    }
    const etw_fixture_options options = {.store = run->store};
    const etw_bytes text = {(const uint8_t *)ndjson, strlen(ndjson)};
    return etw_fixture_open_text(text, &options, &run->source, error);
}

static etw_status give(const text_run *run, const etw_item *item, etw_event_callback callback,
                       void *context, etw_error *error)
{
    const etw_event_record *record = item->record;
    const etw_event *event =
        etw_event_make(run->maker, record, etw_source_trace(run->source, item->trace_index),
                       etw_schema_store_get(run->store, item->schema_id),
                       etw_schema_store_provider_name(run->store, &record->EventHeader.ProviderId));
    return event == NULL ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for an event")
                         : callback(event, context);
}

etw_status etw_test_run_text(const char *ndjson, etw_event_callback callback, void *context,
                             etw_error *error)
{
    text_run run = {0};
    if (ndjson == NULL || callback == NULL) {
        return etw_error_set_missing(error, "ndjson and callback");
    }
    etw_status status = open_text(&run, ndjson, error);
    while (status == ETW_OK) {
        etw_item item;
        status = etw_source_next(run.source, &item, error);
        if (status == ETW_OK && item.kind == ETW_ITEM_EVENT) {
            status = give(&run, &item, callback, context, error);
        }
    }
    etw_event_maker_free(run.maker);
    etw_source_close(run.source);
    etw_schema_store_free(run.store);
    return status == ETW_END ? ETW_OK : status;
}

etw_status etw_test_run_file(const char *path, etw_event_callback callback, void *context,
                             etw_error *error)
{
    etw_replay *replay = NULL;
    etw_status status = etw_replay_open(path, NULL, &replay, error);
    if (!etw_failed(status)) {
        status = etw_replay_process(replay, callback, context, error);
    }
    etw_replay_close(replay);
    return status;
}

void etw_test_print(const etw_event *event)
{
    etw_text text = {0};
    const etw_status status = etw_event_json(event, NULL, &text);
    fprintf(stderr, "%s\n", etw_failed(status) ? etw_status_name(status) : etw_text_z(&text));
    etw_text_free(&text);
}

static bool complain(const etw_event *event, const char *name, const char *expected,
                     const char *found)
{
    fprintf(stderr, "%s: %s expected, but found %s\n  ", name, expected, found);
    etw_test_print(event);
    return false;
}

bool etw_test_property_is(const etw_event *event, const char *name, const char *text)
{
    etw_text found = {0};
    const etw_status status = etw_event_property_text(event, name, &found);
    const bool is_same = status == ETW_OK && strcmp(etw_text_z(&found), text) == 0;
    if (!is_same) {
        (void)complain(event, name, text, status == ETW_OK ? etw_text_z(&found) : "nothing");
    }
    etw_text_free(&found);
    return is_same;
}

bool etw_test_number_is(const etw_event *event, const char *name, int64_t number)
{
    etw_typed_value value;
    char expected[32];
    char found[32] = "nothing";
    (void)snprintf(expected, sizeof expected, "%" PRId64, number);
    if (etw_event_property_value(event, name, &value) == ETW_OK) {
        const bool is_boolean = value.kind == ETW_VALUE_BOOL;
        const bool is_number =
            is_boolean || value.kind == ETW_VALUE_INT64 || value.kind == ETW_VALUE_UINT64;
        const int64_t has = is_boolean ? value.as.boolean : value.as.int64;
        const bool is_large = value.kind == ETW_VALUE_UINT64 && has < 0;
        if (is_number && !is_large && has == number) {
            return true;
        }
        (void)snprintf(found, sizeof found, is_number ? "%" PRId64 : "no number", has);
    }
    return complain(event, name, expected, found);
}
