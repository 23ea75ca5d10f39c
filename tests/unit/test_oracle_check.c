/* Texts of TDH that a file carries, compared with ours: a file with two events and what TDH is said
 * to have given for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/etwcap/block.h"
#include "format/etwcap/writer.h"
#include "format/event/tei_builder.h"
#include "replay/command/copy.h"
#include "replay/command/oracle_check.h"
#include "tests/support/faulty_os.h"

#define EVENTS 5u

typedef struct fixture {
    faulty_os *os;
    etw_schema_store *store;
    const etw_schema *schema;
    etw_oracle_builder *oracle;
    etw_text report;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    f = (fixture){
        .os = faulty_os_new(), .store = etw_schema_store_new(), .oracle = etw_oracle_builder_new()};
    *state = &f;
    /* The first schema explains no event, so that numbers change when the file is copied. */
    static const char *const names[] = {"Unused", "Number"};
    bool is_well = true;
    etw_tei_builder *builder = etw_tei_builder_new();
    for (size_t i = 0; i < 2 && is_well; i++) {
        etw_schema schema = {.origin = ETW_SCHEMA_TDH};
        (void)etw_tei_builder_add(
            builder, 0, &(etw_tei_property_spec){.name = names[i], .in_type = ETW_IN_UINT32});
        is_well = etw_tei_builder_finish(builder, &(etw_tei_event_spec){0}, &schema.tei, NULL) ==
                      ETW_OK &&
                  etw_schema_store_intern(f.store, &schema, &f.schema, NULL) == ETW_OK;
    }
    etw_tei_builder_free(builder);
    return is_well ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    const uint32_t open_files = faulty_os_open_files(f->os);
    etw_text_free(&f->report);
    etw_oracle_builder_free(f->oracle);
    etw_schema_store_free(f->store);
    faulty_os_free(f->os);
    return open_files == 0 ? 0 : -1;
}

/* What TDH is said to have given for event number, whose payload is its number. */
static void say(fixture *f, uint32_t number, uint32_t schema_id, const char *digit)
{
    const uint8_t text[2] = {(uint8_t)*digit, 0};
    uint32_t payload = number;
    const etw_bytes user_data = {(const uint8_t *)&payload, sizeof payload};
    etw_oracle_builder_event(f->oracle, schema_id, number, 8, user_data);
    etw_oracle_builder_text(f->oracle, "Number", 0, (etw_bytes){text, sizeof text});
}

/* Five events; the blob stands behind the third. */
static void write_file(fixture *f)
{
    etw_writer *writer;
    uint16_t trace_index;
    etw_bytes blob;
    const etw_writer_options options = {.store = f->store};
    const etw_trace trace = {.pointer_size = 8, .clock = {.type = ETW_CLOCK_SYSTEM_TIME}};
    assert_int_equal(etw_oracle_builder_finish(f->oracle, &blob, NULL), ETW_OK);
    assert_int_equal(etw_writer_create(faulty_os_table(f->os), "mem:a", &options, &writer, NULL),
                     ETW_OK);
    assert_int_equal(etw_writer_add_trace(writer, &trace, &trace_index, NULL), ETW_OK);
    for (uint32_t i = 0; i < EVENTS; i++) {
        uint32_t payload = i;
        const etw_event_record record = {.EventHeader = {.Flags = ETW_FLAG_64_BIT_HEADER},
                                         .UserData = &payload,
                                         .UserDataLength = sizeof payload};
        assert_int_equal(etw_writer_add_event(writer, &record, trace_index, f->schema->id, NULL),
                         ETW_OK);
        if (i == 2) {
            assert_int_equal(etw_writer_add_block(writer, ETW_BLOCK_ORACLE, 2, blob, NULL), ETW_OK);
        }
    }
    assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
    etw_writer_free(writer);
}

static void on_difference(void *context, const etw_schema *schema, uint64_t event_number,
                          const etw_oracle_difference *difference)
{
    fixture *f = context;
    assert_int_equal(schema->hash, f->schema->hash);
    etw_text_printf(&f->report, "%u: TDH %s, ours %s\n", (unsigned)event_number, difference->tdh,
                    difference->ours);
}

static etw_oracle_check_counts check(fixture *f)
{
    etw_oracle_check_counts counts;
    etw_error error;
    if (etw_oracle_check(faulty_os_table(f->os), "mem:a", on_difference, f, &counts, &error) !=
        ETW_OK) {
        fail_msg("%s", error.message);
    }
    return counts;
}

static void test_equal_texts_are_counted(void **state)
{
    fixture *f = *state;
    say(f, 1, f->schema->id, "1");
    say(f, 4, f->schema->id, "4");
    write_file(f);
    const etw_oracle_check_counts counts = check(f);
    assert_int_equal(counts.blocks, 1);
    assert_int_equal(counts.compared.texts, 2);
    assert_int_equal(counts.compared.differences, 0);
    assert_int_equal(counts.unmatched, 0);
}

static void test_a_difference_names_event_and_both_texts(void **state)
{
    fixture *f = *state;
    say(f, 3, f->schema->id, "7");
    say(f, 0, f->schema->id, "0");
    write_file(f);
    const etw_oracle_check_counts counts = check(f);
    assert_int_equal(counts.compared.texts, 2);
    assert_int_equal(counts.compared.differences, 1);
    assert_string_equal(etw_text_z(&f->report), "3: TDH 7, ours 3\n");
}

static void test_a_repacked_file_keeps_the_texts_under_new_schema_numbers(void **state)
{
    fixture *f = *state;
    const char *inputs[] = {"mem:a"};
    const etw_replay_arguments arguments = {.inputs = inputs,
                                            .input_count = 1,
                                            .output = "mem:b",
                                            .quiet = true,
                                            .replay = {.os = faulty_os_table(f->os)}};
    const etw_copy_options options = {.arguments = &arguments, .carry_blocks = true};
    etw_copy_counts copied;
    etw_oracle_check_counts counts;
    etw_error error;
    assert_int_not_equal(f->schema->id, 1);
    say(f, 3, f->schema->id, "7");
    say(f, 4, f->schema->id, "4");
    write_file(f);
    if (etw_copy_run(&options, &copied, &error) != ETW_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(copied.schemas, 1);
    assert_int_equal(
        etw_oracle_check(faulty_os_table(f->os), "mem:b", on_difference, f, &counts, &error),
        ETW_OK);
    assert_int_equal(counts.compared.texts, 2);
    assert_int_equal(counts.unmatched, 0);
    assert_string_equal(etw_text_z(&f->report), "3: TDH 7, ours 3\n");
}

static void test_entries_without_their_event_are_counted(void **state)
{
    fixture *f = *state;
    say(f, EVENTS, f->schema->id, "1"); /* no such event */
    say(f, 1, f->schema->id + 1, "1");  /* no such schema */
    write_file(f);
    const etw_oracle_check_counts counts = check(f);
    assert_int_equal(counts.compared.differences, 0);
    assert_int_equal(counts.unmatched, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_equal_texts_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_difference_names_event_and_both_texts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_a_repacked_file_keeps_the_texts_under_new_schema_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_entries_without_their_event_are_counted, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
