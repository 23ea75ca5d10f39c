/* What a file's rundown gives to a replay: which processes ran, and names beside stack addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "format/etwcap/block.h"
#include "format/etwcap/verify.h"
#include "format/output/json.h"
#include "replay/command/rundown_file.h"
#include "replay/query/state_lives.h"
#include "tests/support/faulty_os.h"
#include "tests/support/sample.h"

static void append_rundown(etw_text *blob, uint32_t process_id, const char *image)
{
    etw_rundown_writer writer;
    etw_rundown_begin(&writer, blob);
    etw_rundown_process(&writer, process_id, 4, 0, "C:\\a.exe");
    etw_rundown_image(&writer, 0x1000, 0x1000, image);
}

/* Events on both sides of the rundown, which says of two processes what they had loaded. */
static void write_file(const etw_os *os, const char *path, bool with_rundown)
{
    const etw_writer_options options = {.batch_bytes = 4096, .replace = true};
    etw_writer *writer = NULL;
    assert_int_equal(etw_writer_create(os, path, &options, &writer, NULL), ETW_OK);
    assert_int_equal(sample_add_traces(writer, NULL), ETW_OK);
    assert_int_equal(sample_add_events(writer, 20, 100, NULL), ETW_OK);
    for (uint32_t i = 0; with_rundown && i < 2; i++) {
        etw_text blob = {0};
        append_rundown(&blob, 42 + i, i == 0 ? "C:\\x\\one.dll" : "C:\\x\\t<w>\"\xC3\xBC.dll");
        const etw_bytes bytes = etw_text_bytes(&blob);
        assert_int_equal(etw_writer_add_block(writer, ETW_BLOCK_RUNDOWN, 1, bytes, NULL), ETW_OK);
        etw_text_free(&blob);
    }
    assert_int_equal(sample_add_events(writer, 120, 100, NULL), ETW_OK);
    assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
    etw_writer_free(writer);
}

/* The rundown of the file at a path. */
static etw_status read_rundown(const etw_os *os, const char *path, etw_rundown **rundown)
{
    etw_input *input;
    etw_status status = etw_input_open(os, path, NULL, &input, NULL);
    if (status == ETW_OK) {
        status = etw_rundown_file_read(input, rundown, NULL);
        etw_input_close(input);
    }
    return status;
}

static void all_blobs_are_read_wherever_they_stand(void **state)
{
    (void)state;
    faulty_os *files = faulty_os_new();
    const etw_os *os = faulty_os_table(files);
    etw_rundown *rundown = NULL;
    write_file(os, "mem:with", true);
    assert_int_equal(read_rundown(os, "mem:with", &rundown), ETW_OK);
    assert_non_null(rundown);
    assert_int_equal(etw_rundown_count(rundown), 2);
    assert_non_null(etw_rundown_image_of(rundown, 43, 0x1FFF));
    etw_rundown_free(rundown);
    faulty_os_free(files);
}

static void keep_problem(void *context, const etw_verify_problem *problem)
{
    *(etw_verify_problem *)context = *problem;
}

static void more_processes_than_the_limit_are_a_fault_with_its_place(void **state)
{
    (void)state;
    faulty_os *files = faulty_os_new();
    const etw_os *os = faulty_os_table(files);
    const etw_writer_options options = {.replace = true};
    etw_writer *writer = NULL;
    etw_rundown_writer rundown;
    etw_text blob = {0};
    etw_verify_problem problem = {0};
    etw_verify_report report;
    etw_rundown_begin(&rundown, &blob);
    for (uint32_t i = 0; i <= ETW_RUNDOWN_MAX_PROCESSES; i++) {
        etw_rundown_process(&rundown, i, 4, 0, "");
    }
    assert_int_equal(etw_writer_create(os, "mem:many", &options, &writer, NULL), ETW_OK);
    assert_int_equal(
        etw_writer_add_block(writer, ETW_BLOCK_RUNDOWN, 0, etw_text_bytes(&blob), NULL), ETW_OK);
    assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
    etw_writer_free(writer);
    etw_text_free(&blob);
    assert_int_equal(etw_verify(os, "mem:many", keep_problem, &problem, &report, NULL), ETW_OK);
    assert_false(report.good);
    assert_int_equal(report.problems, 1);
    assert_int_equal(problem.kind, ETW_BLOCK_RUNDOWN);
    assert_true(problem.offset > 0 && problem.offset + problem.size <= report.bytes);
    assert_non_null(strstr(problem.text, "more than 65536 processes"));
    faulty_os_free(files);
}

static void names_above_the_limit_are_counted(void **state)
{
    (void)state;
    static char name[1 << 20];
    etw_state *known = etw_state_new();
    etw_state_totals totals;
    uint32_t kept = 0;
    memset(name, 'x', sizeof name);
    for (uint32_t i = 0; i < 80; i++) {
        memcpy(name + 8, &i, sizeof i);
        kept += etw_state_text(known, name, sizeof name)[0] == 'x';
    }
    etw_state_get_totals(known, &totals);
    assert_true(kept > 32 && kept <= ETW_STATE_MAX_TEXT / sizeof name);
    assert_int_equal(totals.dropped, 80 - kept);
    etw_state_free(known);
}

static void what_has_none_gives_none(void **state)
{
    (void)state;
    faulty_os *files = faulty_os_new();
    const etw_os *os = faulty_os_table(files);
    static const uint8_t other[] = "this is no trace";
    write_file(os, "mem:without", false);
    assert_true(faulty_os_put(files, "other", (etw_bytes){other, sizeof other}));
    static const char *const paths[] = {"mem:without", "mem:other"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        etw_rundown *rundown = (etw_rundown *)files;
        assert_int_equal(read_rundown(os, paths[i], &rundown), ETW_OK);
        assert_null(rundown);
    }
    etw_rundown *rundown = NULL;
    assert_int_equal(read_rundown(os, "mem:absent", &rundown), ETW_ERROR_NOT_FOUND);
    faulty_os_free(files);
}

static void images_stand_beside_the_addresses(void **state)
{
    (void)state;
    static const struct {
        uint32_t process_id;
        uint64_t addresses[2];
        const char *modules; /* NULL: none are named */
    } rows[] = {
        {42, {0x1010, 0x9000}, "\"Modules\":[\"one.dll+0x10\",\"?\"]"},
        {42, {0x2000, 0x1FFF}, "\"Modules\":[\"?\",\"one.dll+0xFFF\"]"},
        {43, {0x1000, 0x1001}, "\"Modules\":[\"t_w____.dll+0x0\",\"t_w____.dll+0x1\"]"},
        {44, {0x1010, 0x1011}, NULL},
    };
    faulty_os *files = faulty_os_new();
    const etw_os *os = faulty_os_table(files);
    etw_rundown *rundown = NULL;
    write_file(os, "mem:with", true);
    assert_int_equal(read_rundown(os, "mem:with", &rundown), ETW_OK);
    const etw_trace trace = {.pointer_size = 8, .boot_time_100ns = 1};
    etw_event_maker *maker = etw_event_maker_new(false);
    etw_state *known = etw_state_new();
    etw_address_namer namer;
    assert_true(etw_state_feed_rundown(known, rundown));
    etw_state_get_namer(known, &namer);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t stack[3] = {7, rows[i].addresses[0], rows[i].addresses[1]};
        etw_extended_data_item item = {0, ETW_EXT_STACK_TRACE64, 0, sizeof stack,
                                       (uint64_t)(uintptr_t)stack};
        const etw_event_record record = {.EventHeader.ProcessId = rows[i].process_id,
                                         .ExtendedDataCount = 1,
                                         .ExtendedData = &item};
        etw_text with = {0}, without = {0};
        const etw_event *event = etw_event_make(maker, &record, &trace, NULL, NULL);
        etw_json_append_extended_info(&(etw_output_options){.namer = &namer}, event, &with);
        etw_json_append_extended_info(&(etw_output_options){0}, event, &without);
        assert_null(strstr(etw_text_z(&without), "Modules"));
        if (rows[i].modules == NULL) {
            assert_string_equal(etw_text_z(&with), etw_text_z(&without));
        } else {
            if (strstr(etw_text_z(&with), rows[i].modules) == NULL) {
                fail_msg("%s lacks %s", etw_text_z(&with), rows[i].modules);
            }
        }
        etw_text_free(&with);
        etw_text_free(&without);
    }
    etw_event_maker_free(maker);
    etw_state_free(known);
    etw_rundown_free(rundown);
    faulty_os_free(files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_blobs_are_read_wherever_they_stand),
        cmocka_unit_test(what_has_none_gives_none),
        cmocka_unit_test(images_stand_beside_the_addresses),
        cmocka_unit_test(more_processes_than_the_limit_are_a_fault_with_its_place),
        cmocka_unit_test(names_above_the_limit_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
