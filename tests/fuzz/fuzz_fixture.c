/* Traces as text: the input is the lines. Each event that is read is shown as JSON, which is read
 * again with the same schemas: then it shows the same, so that a text that went through once never
 * changes again. */
#include "format/event/event.h"
#include "format/fixture/fixture.h"
#include "format/output/event_json.h"
#include "tests/fuzz/fuzz.h"

#define MOST_EVENTS 64u

typedef struct reading {
    etw_schema_store *store;
    etw_event_maker *maker;
} reading;

static const etw_event *event_of(const reading *r, const etw_source *source, const etw_item *item)
{
    const etw_event_record *record = item->record;
    return etw_event_make(
        r->maker, record, etw_source_trace(source, item->trace_index),
        etw_schema_store_get(r->store, item->schema_id),
        etw_schema_store_provider_name(r->store, &record->EventHeader.ProviderId));
}

static etw_status find(void *context, const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    (void)record;
    (void)pointer_size;
    (void)error;
    *schema = *(const etw_schema **)context;
    return ETW_OK;
}

/* One line of JSON, read with the schema of the event that it shows. */
static bool show_again(const reading *r, const etw_text *line, const etw_schema *schema,
                       etw_text *shown)
{
    const etw_fixture_options options = {.store = r->store, .find = find, .context = &schema};
    etw_source *source = NULL;
    etw_item item;
    const etw_bytes text = {(const uint8_t *)line->data, line->size};
    bool is_read = etw_fixture_open_text(text, &options, &source, NULL) == ETW_OK &&
                   etw_source_next(source, &item, NULL) == ETW_OK && item.kind == ETW_ITEM_EVENT;
    if (is_read) {
        const etw_event *event = event_of(r, source, &item);
        FUZZ_CHECK(event != NULL);
        is_read = etw_event_json(event, NULL, shown) == ETW_OK;
    }
    etw_source_close(source);
    return is_read;
}

static void check_event(const reading *r, const etw_source *source, const etw_item *item)
{
    etw_text once = {0};
    etw_text twice = {0};
    etw_text thrice = {0};
    const etw_schema *schema = etw_schema_store_get(r->store, item->schema_id);
    const etw_event *event = event_of(r, source, item);
    FUZZ_CHECK(event != NULL);
    if (etw_event_json(event, NULL, &once) == ETW_OK && show_again(r, &once, schema, &twice)) {
        FUZZ_CHECK(show_again(r, &twice, schema, &thrice));
        FUZZ_CHECK(twice.size == thrice.size && memcmp(twice.data, thrice.data, twice.size) == 0);
    }
    etw_text_free(&once);
    etw_text_free(&twice);
    etw_text_free(&thrice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    const reading r = {.store = etw_schema_store_new(), .maker = etw_event_maker_new(false)};
    FUZZ_CHECK(r.store != NULL && r.maker != NULL);
    const etw_fixture_options options = {.store = r.store};
    etw_source *source = NULL;
    etw_error error = {0};
    etw_status status = etw_fixture_open_text((etw_bytes){copy, size}, &options, &source, &error);
    for (unsigned events = 0; status == ETW_OK && events < MOST_EVENTS; events++) {
        etw_item item;
        status = etw_source_next(source, &item, &error);
        if (status == ETW_OK && item.kind == ETW_ITEM_EVENT) {
            (void)fuzz_touch_record(item.record);
            check_event(&r, source, &item);
        }
    }
    FUZZ_CHECK(!etw_failed(status) || error.message[0] != '\0');
    etw_source_close(source);
    etw_event_maker_free(r.maker);
    etw_schema_store_free(r.store);
    free(copy);
    return 0;
}
