/* The render oracle: blobs of TDH's texts, and what differs from ours. */
#include "format/event/oracle.h"
#include "format/event/tei_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct fixture {
    etw_tei_builder *tei_builder;
    etw_oracle_builder *builder;
    etw_plan *plan;
    etw_text report;
} fixture;

static const uint8_t payload[] = {1, 0, 0, 0, 2, 0, 0, 80, 1, 187, 'h', 0, 0, 0};

/* struct Peers[N] { UINT16 Port } behind a mapped UINT32, and a string. */
static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->tei_builder = etw_tei_builder_new();
    f->builder = etw_oracle_builder_new();
    (void)etw_tei_builder_add(
        f->tei_builder, 0,
        &(etw_tei_property_spec){.name = "Day", .in_type = ETW_IN_UINT32, .out_type = 8});
    const uint32_t count = etw_tei_builder_add(
        f->tei_builder, 0, &(etw_tei_property_spec){.name = "N", .in_type = ETW_IN_UINT16});
    const uint32_t peers = etw_tei_builder_add(
        f->tei_builder, 0,
        &(etw_tei_property_spec){.name = "Peers", .is_struct = true, .count_from = count});
    (void)etw_tei_builder_add(f->tei_builder, peers,
                              &(etw_tei_property_spec){.name = "Port",
                                                       .in_type = ETW_IN_UINT16,
                                                       .out_type = ETW_OUT_PORT});
    (void)etw_tei_builder_add(
        f->tei_builder, 0,
        &(etw_tei_property_spec){.name = "Name", .in_type = ETW_IN_UNICODESTRING, .out_type = 1});
    etw_schema schema = {0};
    return etw_tei_builder_finish(f->tei_builder, &(etw_tei_event_spec){0}, &schema.tei, NULL) !=
               ETW_OK ||
           etw_plan_compile(&schema, &f->plan, NULL) != ETW_OK;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    etw_text_free(&f->report);
    etw_plan_free(f->plan);
    etw_oracle_builder_free(f->builder);
    etw_tei_builder_free(f->tei_builder);
    free(f);
    return 0;
}

static void begin(fixture *f)
{
    etw_oracle_builder_event(f->builder, 7, 3, 8, (etw_bytes){payload, sizeof payload});
}

static void say(fixture *f, const char *path, uint32_t status, const char *ascii)
{
    uint8_t units[200];
    const size_t size = strlen(ascii);
    for (size_t i = 0; i < size; i++) {
        etw_store_u16(units + 2 * i, (uint16_t)ascii[i]);
    }
    etw_oracle_builder_text(f->builder, path, status, (etw_bytes){units, 2 * size});
}

static void on_difference(void *context, const etw_oracle_difference *difference)
{
    etw_oracle_append_difference(context, difference);
    etw_text_append_char(context, '\n');
}

static etw_bytes finish(fixture *f)
{
    etw_bytes blob;
    assert_int_equal(etw_oracle_builder_finish(f->builder, &blob, NULL), ETW_OK);
    return blob;
}

static etw_status compare(fixture *f, const void *user_data, size_t size, etw_oracle_counts *counts)
{
    const etw_bytes blob = finish(f);
    etw_cursor cursor = etw_cursor_over(blob);
    etw_oracle_event event;
    assert_int_equal(etw_oracle_next(&cursor, &event, NULL), ETW_OK);
    assert_int_equal(event.schema_id, 7);
    assert_int_equal(event.event_number, 3);
    const etw_event_record record = {.UserData = (void *)user_data,
                                     .UserDataLength = (uint16_t)size};
    const etw_oracle_result result = {on_difference, &f->report, counts};
    const etw_status status = etw_oracle_compare(&event, f->plan, &record, result, NULL);
    assert_int_equal(etw_oracle_next(&cursor, &event, NULL), ETW_END);
    return status;
}

static void equal_texts_are_no_difference(void **state)
{
    fixture *f = *state;
    etw_oracle_counts counts = {0};
    begin(f);
    say(f, "Day", 0, "1");
    say(f, "N", 0, "2");
    say(f, "Peers[0].Port", 0, "80");
    say(f, "Peers[1].Port", 0, "443");
    say(f, "Name", 0, "h");
    assert_int_equal(compare(f, payload, sizeof payload, &counts), ETW_OK);
    assert_string_equal(etw_text_z(&f->report), "");
    assert_int_equal(counts.texts, 5);
    assert_int_equal(counts.differences, 0);
}

static void differences_name_types_bytes_and_texts(void **state)
{
    fixture *f = *state;
    etw_oracle_counts counts = {0};
    begin(f);
    say(f, "Day", 0, "Monday ");
    say(f, "Extra", 0, "x");
    say(f, "N", 0, "2");
    say(f, "Peers[1].Port", 15005, "");
    say(f, "Name", 0, "h");
    say(f, "Behind", 15005, "");
    assert_int_equal(compare(f, payload, sizeof payload, &counts), ETW_OK);
    assert_string_equal(
        etw_text_z(&f->report),
        "Day: in UINT32, out UNSIGNEDINT, bytes 01000000: TDH \"Monday \", ours \"1\"\n"
        "Extra: TDH \"x\", ours none\n"
        "Peers[0].Port: in UINT16, out PORT, bytes 0050: TDH none, ours \"80\"\n"
        "Peers[1].Port: in UINT16, out PORT, bytes 01BB: TDH none (error 15005), ours \"443\"\n");
    assert_int_equal(counts.differences, 4);
}

static void another_payload_is_not_compared(void **state)
{
    fixture *f = *state;
    etw_oracle_counts counts = {0};
    begin(f);
    say(f, "Day", 0, "1");
    assert_int_equal(compare(f, payload, sizeof payload - 1, &counts), ETW_ERROR_NOT_FOUND);
    assert_int_equal(counts.events, 0);
}

static void walk_blob(const uint8_t *bytes, size_t size, fixture *f)
{
    const etw_event_record record = {.UserData = (void *)payload, .UserDataLength = sizeof payload};
    etw_cursor cursor = etw_cursor_over((etw_bytes){bytes, size});
    etw_oracle_event event;
    etw_oracle_counts counts = {0};
    while (etw_oracle_next(&cursor, &event, NULL) == ETW_OK) {
        etw_ignore(etw_oracle_compare(&event, f->plan, &record,
                                      (etw_oracle_result){NULL, NULL, &counts}, NULL));
    }
}

static void broken_blobs_are_reported(void **state)
{
    fixture *f = *state;
    begin(f);
    say(f, "Day", 0, "1");
    begin(f);
    say(f, "Name", 0, "h");
    const etw_bytes blob = finish(f);
    for (size_t size = 1; size < blob.size; size++) {
        uint8_t *copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, blob.data, size);
        etw_cursor cursor = etw_cursor_over((etw_bytes){copy, size});
        etw_oracle_event event;
        etw_status status;
        while ((status = etw_oracle_next(&cursor, &event, NULL)) == ETW_OK) {
        }
        const bool whole_entry = size == 4 + etw_load_u32(blob.data);
        assert_int_equal(status, whole_entry ? ETW_END : ETW_ERROR_DAMAGED);
        free(copy);
    }
    for (size_t at = 0; at < blob.size; at++) {
        for (unsigned value = 0; value < 256; value += 85) {
            uint8_t *copy = malloc(blob.size);
            assert_non_null(copy);
            memcpy(copy, blob.data, blob.size);
            copy[at] = (uint8_t)value;
            walk_blob(copy, blob.size, f);
            free(copy);
        }
    }
}

static void a_blob_has_its_limit(void **state)
{
    fixture *f = *state;
    etw_bytes blob;
    const size_t half = ETW_ORACLE_MAX_SIZE / 2;
    uint8_t *text = calloc(1, half);
    assert_non_null(text);
    begin(f);
    etw_oracle_builder_text(f->builder, "A", 0, (etw_bytes){text, half});
    etw_oracle_builder_text(f->builder, "B", 0, (etw_bytes){text, half});
    assert_int_equal(etw_oracle_builder_finish(f->builder, &blob, NULL), ETW_ERROR_LIMIT);
    begin(f);
    assert_int_equal(etw_oracle_builder_finish(f->builder, &blob, NULL), ETW_OK);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_texts_are_no_difference, set_up, tear_down),
        cmocka_unit_test_setup_teardown(differences_name_types_bytes_and_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_payload_is_not_compared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_blobs_are_reported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_blob_has_its_limit, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("oracle", tests, NULL, NULL);
}
