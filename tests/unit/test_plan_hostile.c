/* Schemas and maps with every byte changed: never a read outside, never an endless walk. */
#include "format/event/render/plan_internal.h"
#include "format/event/tei_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX_BLOB 2048u

typedef struct sample {
    uint8_t tei[MAX_BLOB];
    size_t tei_size;
    uint8_t map[MAX_BLOB];
    size_t map_size;
} sample;

/* One property of each kind of sizing, a struct in a struct, references, a map, all names. */
static void make_sample(sample *s)
{
    static const uint16_t in_types[] = {
        ETW_IN_UNICODESTRING, ETW_IN_ANSISTRING, ETW_IN_POINTER, ETW_IN_SID,      ETW_IN_WBEMSID,
        ETW_IN_COUNTEDSTRING, ETW_IN_HEXDUMP,    ETW_IN_GUID,    ETW_IN_FILETIME, ETW_IN_DOUBLE};
    static const etw_map_entry_spec entries[] = {{1, "One"}, {2, "Two"}, {4, "Four"}};
    static const char *const keywords[] = {"A", "B"};
    etw_tei_builder *builder = etw_tei_builder_new();
    assert_non_null(builder);
    const uint32_t count = etw_tei_builder_add(
        builder, 0,
        &(etw_tei_property_spec){.name = "N", .map_name = "M", .in_type = ETW_IN_UINT8});
    const uint32_t outer = etw_tei_builder_add(
        builder, 0, &(etw_tei_property_spec){.name = "S", .is_struct = true, .count_from = count});
    const uint32_t inner = etw_tei_builder_add(
        builder, outer, &(etw_tei_property_spec){.name = "T", .is_struct = true, .count = 2});
    (void)etw_tei_builder_add(
        builder, inner,
        &(etw_tei_property_spec){.name = "B", .in_type = ETW_IN_BINARY, .length_from = count});
    for (size_t i = 0; i < sizeof in_types / sizeof in_types[0]; i++) {
        (void)etw_tei_builder_add(builder, 0,
                                  &(etw_tei_property_spec){.name = "P", .in_type = in_types[i]});
    }
    etw_bytes blob;
    const etw_tei_event_spec event = {.provider_name = "Provider",
                                      .task_name = "Task",
                                      .opcode_name = "Opcode",
                                      .keyword_names = keywords,
                                      .keyword_count = 2,
                                      .event_message = "%1 %2"};
    assert_int_equal(etw_tei_builder_finish(builder, &event, &blob, NULL), ETW_OK);
    assert_true(blob.size <= MAX_BLOB);
    memcpy(s->tei, blob.data, blob.size);
    s->tei_size = blob.size;
    assert_int_equal(etw_tei_builder_map(builder,
                                         &(etw_map_spec){"M", ETW_MAP_MANIFEST_BITMAP, entries, 3},
                                         &blob, NULL),
                     ETW_OK);
    memcpy(s->map, blob.data, blob.size);
    s->map_size = blob.size;
    etw_tei_builder_free(builder);
}

static etw_status on_value(void *context, const etw_value *value)
{
    (void)etw_value_append_text(value, ETW_TEXT_EXACT, ETW_ESCAPE_LINE, context);
    etw_value_append_json(value, 0, context);
    return ETW_OK;
}

/* Blobs of exactly their size, so that the sanitizer sees each byte read behind them. */
static bool survives(const uint8_t *tei, size_t tei_size, const uint8_t *map, size_t map_size)
{
    static const uint8_t payload[] = {2, 1, 0, 5, 0, 0, 0, 0, 'a', 0, 0, 0, 1, 1, 0, 0,
                                      0, 0, 0, 5, 3, 0, 0, 0, 9,   9, 9, 9, 9, 9, 9, 9};
    static const etw_visitor visitor = {.value = on_value};
    uint8_t *tei_copy = malloc(tei_size);
    uint8_t *map_copy = malloc(map_size);
    assert_true(tei_copy != NULL && map_copy != NULL);
    memcpy(tei_copy, tei, tei_size);
    memcpy(map_copy, map, map_size);
    const etw_bytes maps[] = {{map_copy, map_size}};
    const etw_schema schema = {.tei = {tei_copy, tei_size}, .map_count = 1, .maps = maps};
    etw_plan *plan;
    const bool compiled = etw_plan_compile(&schema, &plan, NULL) == ETW_OK;
    free(tei_copy);
    free(map_copy);
    if (!compiled) {
        return false;
    }
    etw_text text = {0};
    for (size_t size = 0; size <= sizeof payload; size += 4) {
        const etw_event_record record = {.UserData = (void *)payload,
                                         .UserDataLength = (uint16_t)size};
        etw_walk_end end;
        etw_text_clear(&text);
        assert_int_equal(etw_plan_walk(plan, &record, 8, &visitor, &text, &end), ETW_OK);
        assert_int_equal(end.consumed_bytes + end.left_bytes, size);
        etw_ignore(etw_plan_append_message(plan, &record, 4, 0, ETW_ESCAPE_JSON, &text));
    }
    etw_text_free(&text);
    etw_plan_free(plan);
    return true;
}

static void every_byte_of_a_schema_may_be_wrong(void **state)
{
    (void)state;
    static const uint8_t changes[] = {0x01, 0x02, 0x08, 0x80, 0xFF};
    sample s;
    make_sample(&s);
    assert_true(survives(s.tei, s.tei_size, s.map, s.map_size));
    size_t refused = 0;
    for (size_t at = 0; at < s.tei_size; at++) {
        for (size_t i = 0; i < sizeof changes; i++) {
            s.tei[at] ^= changes[i];
            refused += survives(s.tei, s.tei_size, s.map, s.map_size) ? 0 : 1;
            s.tei[at] ^= changes[i];
        }
    }
    assert_true(refused > 0);
}

static void every_byte_of_a_map_may_be_wrong(void **state)
{
    (void)state;
    sample s;
    make_sample(&s);
    size_t refused = 0;
    for (size_t at = 0; at < s.map_size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            s.map[at] ^= (uint8_t)(1u << bit);
            refused += survives(s.tei, s.tei_size, s.map, s.map_size) ? 0 : 1;
            s.map[at] ^= (uint8_t)(1u << bit);
        }
    }
    assert_true(refused > 0);
}

static void schemas_may_be_cut_anywhere(void **state)
{
    (void)state;
    sample s;
    make_sample(&s);
    for (size_t size = 0; size < s.tei_size; size++) {
        assert_false(survives(s.tei, size, s.map, s.map_size));
    }
    /* Without its name a map is not found, and the property shows its number. */
    for (size_t size = 0; size < s.map_size; size++) {
        const bool has_header = size >= 16 + 3 * 8;
        const bool has_name = size >= 16 + 3 * 8 + 4;
        assert_int_equal(survives(s.tei, s.tei_size, s.map, size), has_header && !has_name);
    }
}

/* 4096 properties that name one string of half a megabyte, each from a step further on. */
static etw_status compile_long_names(size_t step, etw_plan **plan)
{
    const size_t fixed =
        sizeof(etw_trace_event_info) + ETW_MAX_PROPERTIES * sizeof(etw_event_property_info);
    uint8_t *blob = calloc(1, ETW_MAX_TEI_SIZE);
    assert_non_null(blob);
    etw_trace_event_info info = {.PropertyCount = ETW_MAX_PROPERTIES,
                                 .TopLevelPropertyCount = ETW_MAX_PROPERTIES};
    memcpy(blob, &info, sizeof info);
    for (size_t i = 0; i < ETW_MAX_PROPERTIES; i++) {
        const etw_event_property_info property = {.NameOffset = (uint32_t)(fixed + i * step)};
        memcpy(blob + sizeof info + i * sizeof property, &property, sizeof property);
    }
    memset(blob + fixed, 'x', ETW_MAX_TEI_SIZE - fixed - 2);
    const etw_schema schema = {.tei = {blob, ETW_MAX_TEI_SIZE}};
    const etw_status status = etw_plan_compile(&schema, plan, NULL);
    free(blob);
    return status;
}

static void names_are_bounded_together(void **state)
{
    (void)state;
    etw_plan *plan;
    assert_int_equal(compile_long_names(2, &plan), ETW_ERROR_LIMIT);
    assert_null(plan);
}

/* However many properties name one string, it is kept once. */
static void equal_names_are_kept_once(void **state)
{
    (void)state;
    etw_plan *plan;
    assert_int_equal(compile_long_names(0, &plan), ETW_OK);
    assert_in_range(etw_plan_size_bytes(plan), 0, (size_t)2 << 20);
    etw_plan_free(plan);
}

static etw_status count_array(void *context, const etw_property *property, uint32_t count)
{
    (void)property;
    (void)count;
    ++*(uint32_t *)context;
    return ETW_OK;
}

/* 65535 structs of 1000 arrays without elements, in an event without a payload. */
static void empty_arrays_are_counted(void **state)
{
    (void)state;
    etw_tei_builder *builder = etw_tei_builder_new();
    const uint32_t none = etw_tei_builder_add(
        builder, 0, &(etw_tei_property_spec){.name = "N", .in_type = ETW_IN_UINT8});
    const uint32_t many = etw_tei_builder_add(
        builder, 0, &(etw_tei_property_spec){.name = "S", .is_struct = true, .count = UINT16_MAX});
    for (uint32_t i = 0; i < 1000; i++) {
        (void)etw_tei_builder_add(
            builder, many,
            &(etw_tei_property_spec){.name = "A", .in_type = ETW_IN_UINT8, .count_from = none});
    }
    etw_schema schema = {0};
    assert_int_equal(etw_tei_builder_finish(builder, &(etw_tei_event_spec){0}, &schema.tei, NULL),
                     ETW_OK);
    etw_plan *plan;
    assert_int_equal(etw_plan_compile(&schema, &plan, NULL), ETW_OK);
    static const etw_visitor visitor = {.open_array = count_array};
    uint8_t zero = 0;
    const etw_event_record record = {.UserData = &zero, .UserDataLength = 1};
    uint32_t arrays = 0;
    etw_walk_end end;
    assert_int_equal(etw_plan_walk(plan, &record, 8, &visitor, &arrays, &end), ETW_OK);
    assert_non_null(end.reason);
    assert_true(arrays <= ETW_WALK_MAX_EMPTY_ELEMENTS + 2);
    etw_plan_free(plan);
    etw_tei_builder_free(builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_a_schema_may_be_wrong),
        cmocka_unit_test(every_byte_of_a_map_may_be_wrong),
        cmocka_unit_test(schemas_may_be_cut_anywhere),
        cmocka_unit_test(names_are_bounded_together),
        cmocka_unit_test(equal_names_are_kept_once),
        cmocka_unit_test(empty_arrays_are_counted),
    };
    return cmocka_run_group_tests_name("hostile schemas", tests, NULL, NULL);
}
