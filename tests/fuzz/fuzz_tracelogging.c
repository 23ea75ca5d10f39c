/* TraceLogging: traits, metadata and user data of one event. What is made of the metadata must be a
 * schema that compiles. Input: a piece (16-bit size, bytes) each of traits and metadata, then user
 * data. */
#include "format/schema/tracelogging.h"
#include "tests/fuzz/render.h"

static void try_tei(const etw_event_record *record, uint32_t pointer_size)
{
    etw_tracelogging found;
    etw_bytes tei;
    etw_error error = {0};
    etw_plan *plan = NULL;
    if (!etw_tracelogging_locate(record, &found)) {
        return;
    }
    etw_tei_builder *builder = etw_tei_builder_new();
    FUZZ_CHECK(builder != NULL);
    if (etw_tracelogging_tei(&found, record, pointer_size, builder, &tei, &error) == ETW_OK) {
        const etw_schema schema = {.origin = ETW_SCHEMA_TRACELOGGING, .tei = tei};
        FUZZ_CHECK(etw_plan_compile(&schema, &plan, &error) == ETW_OK);
        fuzz_walk_plan(plan, record, pointer_size);
        etw_plan_free(plan);
    }
    etw_tei_builder_free(builder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const etw_bytes input = {data, size};
    etw_cursor cursor = etw_cursor_over(input);
    const etw_bytes traits = fuzz_piece(&cursor);
    const etw_bytes metadata = fuzz_piece(&cursor);
    const size_t left = cursor.failed ? 0 : etw_cursor_left(&cursor);
    const uint16_t payload_size = (uint16_t)(left < 0xFFFF ? left : 0xFFFF);
    uint8_t *own_traits = fuzz_copy(traits.data, traits.size);
    uint8_t *own_metadata = fuzz_copy(metadata.data, metadata.size);
    uint8_t *payload = fuzz_copy(cursor.at, payload_size);
    etw_extended_data_item items[] = {{.ExtType = ETW_EXT_PROV_TRAITS,
                                       .Linkage = 1,
                                       .DataSize = (uint16_t)traits.size,
                                       .DataPtr = (uint64_t)(uintptr_t)own_traits},
                                      {.ExtType = ETW_EXT_EVENT_SCHEMA_TL,
                                       .DataSize = (uint16_t)metadata.size,
                                       .DataPtr = (uint64_t)(uintptr_t)own_metadata}};
    etw_event_record record = {.EventHeader = {.EventDescriptor = {.Channel = 11}},
                               .ExtendedData = items,
                               .ExtendedDataCount = 2,
                               .UserData = payload,
                               .UserDataLength = payload_size};
    try_tei(&record, 8);
    record.ExtendedDataCount = 0; /* then both may stand in the user data */
    try_tei(&record, 4);
    free(payload);
    free(own_metadata);
    free(own_traits);
    return 0;
}
