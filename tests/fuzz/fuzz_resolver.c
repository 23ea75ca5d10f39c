/* Schemas that a trace carries in its events: the chunks in which EventSources send manifests,
 * the metadata events of merges, TraceLogging; in any order and state of repair.
 *
 * Input: records of one byte (what kind), one byte (from whom, and which id) and a piece (16-bit
 * size, bytes) with the user data. */
#include "format/schema/eventsource.h"
#include "format/schema/resolver.h"
#include "tests/fuzz/render.h"

#define MAX_RECORDS 200u

static const etw_guid metadata_class = {
    0xBBCCF6C1, 0x6CD1, 0x48C4, {0x80, 0xFF, 0x83, 0x94, 0x82, 0xE3, 0x76, 0x71}};

static etw_event_record make_record(uint8_t kind, uint8_t who, etw_bytes payload)
{
    etw_event_record record = {.UserDataLength = (uint16_t)payload.size};
    etw_event_descriptor *descriptor = &record.EventHeader.EventDescriptor;
    record.EventHeader.ProviderId.Data1 = who & 3u;
    record.EventHeader.ProcessId = who >> 6;
    switch (kind % 5) {
    case 0:
        descriptor->Id = ETW_MANIFEST_EVENT_ID;
        break;
    case 1:
    case 2:
        record.EventHeader.ProviderId = metadata_class;
        descriptor->Opcode = kind % 5 == 1 ? 32 : 33;
        break;
    case 3:
        descriptor->Channel = 11; /* TraceLogging with its metadata in the user data */
        break;
    default:
        descriptor->Id = who >> 2;
        break;
    }
    return record;
}

static void feed(etw_resolver *resolver, etw_plan_cache *plans, etw_cursor *cursor)
{
    const uint8_t kind = etw_cursor_u8(cursor);
    const uint8_t who = etw_cursor_u8(cursor);
    const etw_bytes payload = fuzz_piece(cursor);
    uint8_t *copy = fuzz_copy(payload.data, payload.size);
    etw_event_record record = make_record(kind, who, payload);
    record.UserData = copy;
    const etw_schema *schema = NULL;
    FUZZ_CHECK(etw_resolver_observe(resolver, &record, NULL) == ETW_OK);
    FUZZ_CHECK(etw_resolver_find(resolver, &record, 8, &schema, NULL) == ETW_OK);
    const etw_plan *plan = etw_plan_cache_get(plans, schema, NULL);
    if (plan != NULL) {
        fuzz_walk_plan(plan, &record, 8);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const etw_bytes input = {data, size};
    etw_cursor cursor = etw_cursor_over(input);
    etw_schema_store *store = etw_schema_store_new();
    etw_plan_cache *plans = etw_plan_cache_new();
    etw_resolver *resolver = NULL;
    FUZZ_CHECK(store != NULL && plans != NULL);
    FUZZ_CHECK(etw_resolver_new(store, NULL, &resolver, NULL) == ETW_OK);
    for (uint32_t i = 0; i < MAX_RECORDS && !cursor.failed && etw_cursor_left(&cursor) > 0; i++) {
        feed(resolver, plans, &cursor);
    }
    FUZZ_CHECK((etw_resolver_error_count(resolver) == 0) ==
               (etw_resolver_first_error(resolver)[0] == '\0'));
    etw_plan_cache_free(plans);
    etw_resolver_free(resolver);
    etw_schema_store_free(store);
    return 0;
}
