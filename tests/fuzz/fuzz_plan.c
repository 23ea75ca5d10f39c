/* TRACE_EVENT_INFO and EVENT_MAP_INFO blobs of any content, and events rendered by them.
 *
 * Input: one byte of options, 16 bits of header flags, a piece (16-bit size, bytes) with the
 * TRACE_EVENT_INFO, one byte with the number of maps and a piece for each; the rest is user data.
 */
#include "tests/fuzz/render.h"

#define MAX_MAPS 15u

static void view_tei(etw_bytes bytes)
{
    etw_tei tei;
    etw_bytes units;
    if (etw_tei_open(bytes, &tei, NULL) != ETW_OK) {
        return;
    }
    for (uint32_t i = 0; i < tei.info.PropertyCount; i++) {
        const etw_event_property_info property = etw_tei_property(&tei, i);
        if (etw_tei_string(&tei, property.NameOffset, &units)) {
            (void)fuzz_touch(units.data, units.size);
        }
    }
}

static void view_map(etw_bytes bytes)
{
    etw_map map;
    etw_bytes units;
    if (etw_map_open(bytes, &map, NULL) != ETW_OK) {
        return;
    }
    for (uint32_t i = 0; i < map.info.EntryCount; i++) {
        if (etw_map_string(&map, etw_map_entry(&map, i).OutputOffset, &units)) {
            (void)fuzz_touch(units.data, units.size);
        }
    }
}

static void render(const etw_schema *schema, const etw_event_record *record, uint8_t options)
{
    const etw_trace trace = {.clock = {.type = ETW_CLOCK_SYSTEM_TIME}, .pointer_size = 8};
    const etw_output_options output = {.message = (options & 2) != 0,
                                       .exact = (options & 4) != 0,
                                       .typed = (options & 8) != 0,
                                       .raw_time = (options & 16) != 0,
                                       .schema_hash = true};
    etw_event_maker *maker = etw_event_maker_new(output.raw_time);
    FUZZ_CHECK(maker != NULL);
    const etw_event *event = etw_event_make(maker, record, &trace, schema, "Provider");
    etw_text text = {0};
    fuzz_render(event, &output);
    etw_ignore(etw_event_property_text(event, "A.B[1]", &text));
    etw_text_free(&text);
    etw_event_maker_free(maker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    const etw_bytes input = {copy, size};
    etw_cursor cursor = etw_cursor_over(input);
    const uint8_t options = etw_cursor_u8(&cursor);
    const uint16_t flags = etw_cursor_u16(&cursor);
    const etw_bytes tei = fuzz_piece(&cursor);
    etw_bytes maps[MAX_MAPS];
    const uint32_t map_count = etw_cursor_u8(&cursor) % (MAX_MAPS + 1);
    for (uint32_t i = 0; i < map_count; i++) {
        maps[i] = fuzz_piece(&cursor);
        view_map(maps[i]);
    }
    const size_t left = cursor.failed ? 0 : etw_cursor_left(&cursor);
    const uint16_t payload_size = (uint16_t)(left < 0xFFFF ? left : 0xFFFF);
    uint8_t *payload = fuzz_copy(cursor.at, payload_size);
    const etw_event_record record = {
        .EventHeader = {.Flags = flags}, .UserData = payload, .UserDataLength = payload_size};
    const etw_schema schema = {.id = 1,
                               .origin = ETW_SCHEMA_METADATA_EVENT,
                               .tei = tei,
                               .maps = maps,
                               .map_count = map_count};
    view_tei(tei);
    etw_plan *plan = NULL;
    if (etw_plan_compile(&schema, &plan, NULL) == ETW_OK) {
        fuzz_walk_plan(plan, &record, (options & 1) != 0 ? 8 : 4);
        etw_plan_free(plan);
    }
    render(&schema, &record, options);
    free(payload);
    free(copy);
    return 0;
}
