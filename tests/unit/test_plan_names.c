/* Names and messages of a schema: event names by decoding source, keywords, inserts. */
#include "format/event/render/plan.h"
#include "format/event/tei_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static etw_plan *compile_with(etw_tei_builder *builder, const etw_tei_event_spec *event)
{
    etw_schema schema = {0};
    etw_plan *plan;
    assert_int_equal(etw_tei_builder_finish(builder, event, &schema.tei, NULL), ETW_OK);
    assert_int_equal(etw_plan_compile(&schema, &plan, NULL), ETW_OK);
    return plan;
}

static void event_names_follow_the_decoding_source(void **state)
{
    (void)state;
    static const struct {
        uint32_t source;
        const char *task, *opcode, *event_name, *expected;
    } cases[] = {
        {ETW_DECODING_TLG, "Login", NULL, "Login", "Login"},
        {ETW_DECODING_TLG, "Login", "Start", "Login", "Login"},
        {ETW_DECODING_TLG, NULL, NULL, "Login", "Login"},
        {ETW_DECODING_XML_FILE, "Task", "win:Start", "Named", "Named"},
        {ETW_DECODING_XML_FILE, "Task", "win:Start", NULL, "Task/Start"},
        {ETW_DECODING_XML_FILE, "Task", "win:Info", NULL, "Task"},
        {ETW_DECODING_XML_FILE, "Task", "Info", NULL, "Task"},
        {ETW_DECODING_XML_FILE, NULL, "Info", NULL, "Info"},
        {ETW_DECODING_XML_FILE, NULL, NULL, NULL, ""},
        {ETW_DECODING_WBEM, "Process", "Start", "ActivityId", "Process/Start"},
        {ETW_DECODING_WBEM, "Process", NULL, NULL, "Process"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        etw_tei_builder *builder = etw_tei_builder_new();
        assert_non_null(builder);
        etw_plan *plan =
            compile_with(builder, &(etw_tei_event_spec){.decoding_source = cases[i].source,
                                                        .task_name = cases[i].task,
                                                        .opcode_name = cases[i].opcode,
                                                        .event_name = cases[i].event_name});
        assert_string_equal(etw_plan_event_name(plan)->utf8, cases[i].expected);
        assert_int_equal(etw_plan_decoding_source(plan), cases[i].source);
        etw_plan_free(plan);
        etw_tei_builder_free(builder);
    }
}

static void names_come_ready_for_json(void **state)
{
    (void)state;
    static const char *const keywords[] = {"Net\"work", "Disk"};
    etw_tei_builder *builder = etw_tei_builder_new();
    assert_non_null(builder);
    etw_plan *plan = compile_with(builder, &(etw_tei_event_spec){.provider_name = "A\\B\xC3\xBC",
                                                                 .level_name = "win:Error",
                                                                 .channel_name = "Chan",
                                                                 .task_name = "T",
                                                                 .opcode_name = "O",
                                                                 .keyword_names = keywords,
                                                                 .keyword_count = 2});
    const etw_name *provider = etw_plan_provider_name(plan);
    assert_string_equal(provider->utf8, "A\\B\xC3\xBC");
    assert_int_equal(provider->utf8_size, 5);
    assert_string_equal(provider->json, "A\\\\B\xC3\xBC");
    assert_int_equal(provider->json_size, 6);
    assert_string_equal(etw_plan_level_name(plan)->utf8, "win:Error");
    assert_string_equal(etw_plan_channel_name(plan)->utf8, "Chan");
    assert_string_equal(etw_plan_task_name(plan)->utf8, "T");
    assert_string_equal(etw_plan_opcode_name(plan)->utf8, "O");
    assert_string_equal(etw_plan_event_message(plan)->utf8, "");
    assert_int_equal(etw_plan_keyword_count(plan), 2);
    assert_string_equal(etw_plan_keyword_name(plan, 0)->json, "Net\\\"work");
    assert_string_equal(etw_plan_keyword_name(plan, 1)->utf8, "Disk");
    etw_plan_free(plan);
    etw_tei_builder_free(builder);
}

/* UINT8 A, UNICODESTRING B[2], struct C {UINT8 D, UINT8 E}, with this message. */
static void check_message(const char *message, uint32_t form, etw_escape escape,
                          const char *expected)
{
    static const uint8_t bytes[] = {7, 'x', 0, 0, 0, '\n', 0, 0, 0, 1, 2};
    etw_tei_builder *builder = etw_tei_builder_new();
    assert_non_null(builder);
    (void)etw_tei_builder_add(builder, 0,
                              &(etw_tei_property_spec){.name = "A", .in_type = ETW_IN_UINT8});
    (void)etw_tei_builder_add(
        builder, 0,
        &(etw_tei_property_spec){.name = "B", .in_type = ETW_IN_UNICODESTRING, .count = 2});
    const uint32_t inner =
        etw_tei_builder_add(builder, 0, &(etw_tei_property_spec){.name = "C", .is_struct = true});
    (void)etw_tei_builder_add(builder, inner,
                              &(etw_tei_property_spec){.name = "D", .in_type = ETW_IN_UINT8});
    (void)etw_tei_builder_add(builder, inner,
                              &(etw_tei_property_spec){.name = "E", .in_type = ETW_IN_UINT8});
    etw_plan *plan = compile_with(builder, &(etw_tei_event_spec){.event_message = message});
    const etw_event_record record = {.UserData = (void *)bytes, .UserDataLength = sizeof bytes};
    etw_text text = {0};
    assert_int_equal(etw_plan_append_message(plan, &record, 8, form, escape, &text), ETW_OK);
    assert_string_equal(etw_text_z(&text), expected);
    etw_text_free(&text);
    etw_plan_free(plan);
    etw_tei_builder_free(builder);
}

static void messages_are_filled_in(void **state)
{
    (void)state;
    check_message("A is %1.", 0, ETW_ESCAPE_NONE, "A is 7.");
    check_message("A is %1.", ETW_TEXT_EXACT, ETW_ESCAPE_NONE, "A is 7. ");
    check_message("%3|%2|%1", 0, ETW_ESCAPE_NONE, "1, 2|x, \n|7");
    check_message("%2", 0, ETW_ESCAPE_JSON, "x, \\n");
    check_message("\"%1\"", 0, ETW_ESCAPE_JSON, "\\\"7\\\"");
    check_message("%1!S! %1!d!%%", 0, ETW_ESCAPE_NONE, "7 7%");
    check_message("a%nb%tc%bd%.%!", 0, ETW_ESCAPE_NONE, "a\nb\tc d.!");
    check_message("none %4 %99 %x %", 0, ETW_ESCAPE_NONE, "none   %x %");
    check_message("end%0 never", 0, ETW_ESCAPE_NONE, "end");
    check_message("%1!open", 0, ETW_ESCAPE_NONE, "7!open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_names_follow_the_decoding_source),
        cmocka_unit_test(names_come_ready_for_json),
        cmocka_unit_test(messages_are_filled_in),
    };
    return cmocka_run_group_tests_name("plan names", tests, NULL, NULL);
}
