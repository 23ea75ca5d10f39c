/* The filter language: the input is its text. What compiles is tested with an event of one property
 * of each kind, before it is decoded and whole, and by its provider alone: what these say without
 * the whole must be what the whole says. A copy says the same. */
#include "format/event/event.h"
#include "format/schema/resolver.h"
#include "format/query/where.h"
#include "tests/fuzz/fuzz.h"

/* TraceLogging metadata of an event E: a (uint32), b (text), c (double), d (GUID). */
static const uint8_t metadata[] = "\x11\0\0E\0a\0\x08"
                                  "b\0\x02"
                                  "c\0\x0c"
                                  "d\0\x0f";

typedef struct subject {
    etw_schema_store *store;
    etw_resolver *resolver;
    etw_event_maker *maker;
    etw_trace trace;
    uint8_t payload[64];
    etw_extended_data_item item;
    etw_event_record record;
    const etw_schema *schema;
} subject;

static void make_subject(subject *s)
{
    static const char text[] = "ab.C\xC3\x84";
    const double real = 2.5;
    size_t size = 4;
    s->store = etw_schema_store_new();
    s->maker = etw_event_maker_new(true);
    FUZZ_CHECK(s->store != NULL && s->maker != NULL);
    FUZZ_CHECK(etw_resolver_new(s->store, NULL, &s->resolver, NULL) == ETW_OK);
    s->payload[0] = 7;
    memcpy(s->payload + size, text, sizeof text);
    size += sizeof text;
    memcpy(s->payload + size, &real, sizeof real);
    size += sizeof real + 16;
    s->item = (etw_extended_data_item){.ExtType = ETW_EXT_EVENT_SCHEMA_TL,
                                       .DataSize = sizeof metadata - 1,
                                       .DataPtr = (uint64_t)(uintptr_t)metadata};
    s->record = (etw_event_record){
        .EventHeader = {.ProviderId = {1, 2, 3, {4}},
                        .ProcessId = 100,
                        .TimeStamp = 133000000000000000,
                        .EventDescriptor = {.Id = 3, .Level = 2, .Channel = 11, .Keyword = 0x10}},
        .ExtendedDataCount = 1,
        .ExtendedData = &s->item,
        .UserData = s->payload,
        .UserDataLength = (uint16_t)size};
    s->trace = (etw_trace){.pointer_size = 8};
    s->trace.clock.type = ETW_CLOCK_SYSTEM_TIME;
    FUZZ_CHECK(etw_resolver_find(s->resolver, &s->record, 8, &s->schema, NULL) == ETW_OK);
    FUZZ_CHECK(s->schema != NULL);
}

static bool passes_whole(etw_where *where, const subject *s, etw_status *status)
{
    bool passes = false;
    etw_error error = {0};
    const etw_event *event = etw_event_make(s->maker, &s->record, &s->trace, s->schema, "Shop");
    FUZZ_CHECK(event != NULL);
    *status = etw_where_event(where, event, &passes, &error);
    FUZZ_CHECK(*status == ETW_OK || error.message[0] != '\0');
    return passes;
}

static void check(etw_where *where, const subject *s)
{
    etw_where_bounds bounds;
    etw_where *copy;
    etw_status status, of_copy;
    const int64_t time_100ns = s->record.EventHeader.TimeStamp;
    etw_where_set_times(where, time_100ns - 10, time_100ns + 10);
    const bool passes = passes_whole(where, s, &status);
    if (status != ETW_OK) {
        return;
    }
    const etw_verdict verdict = etw_where_header(where, &s->record, time_100ns);
    FUZZ_CHECK(verdict == ETW_VERDICT_OPEN || (verdict == ETW_VERDICT_YES) == passes);
    const etw_verdict by_provider =
        etw_where_provider(where, &s->record.EventHeader.ProviderId, "Shop");
    FUZZ_CHECK(by_provider == ETW_VERDICT_OPEN || (by_provider == ETW_VERDICT_YES) == passes);
    etw_where_get_bounds(where, &bounds);
    FUZZ_CHECK(!passes || (time_100ns >= bounds.since_100ns && time_100ns < bounds.until_100ns));
    FUZZ_CHECK(etw_where_copy(where, &copy, NULL) == ETW_OK);
    etw_where_set_times(copy, time_100ns - 10, time_100ns + 10);
    FUZZ_CHECK(passes_whole(copy, s, &of_copy) == passes && of_copy == ETW_OK);
    etw_where_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static subject *s; /* kept: it never changes */
    etw_error error = {0};
    etw_where *where;
    char *text = malloc(size + 1);
    if (s == NULL) {
        s = calloc(1, sizeof *s);
        FUZZ_CHECK(s != NULL);
        make_subject(s);
    }
    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (etw_where_compile(text, &where, &error) == ETW_OK) {
        check(where, s);
        etw_where_free(where);
    } else {
        FUZZ_CHECK(where == NULL && error.message[0] != '\0');
    }
    free(text);
    return 0;
}
