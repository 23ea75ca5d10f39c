/* Where properties lie in a payload: counts, lengths, structs, arrays, payloads that do not fit. */
#include "format/event/render/plan.h"
#include "format/event/tei_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What a walk reported, as "N=2;Peers=[{Port=443;}{Port=80;}];". */
typedef struct tape {
    etw_text text;
    uint32_t open;    /* structs and arrays not closed yet */
    uint32_t values;  /* that came */
    uint32_t stop_at; /* end the walk at this value, from 1; 0: never */
} tape;

static void append_name(tape *t, const etw_property *property, uint32_t element)
{
    if (element == 0) {
        etw_text_append_z(&t->text, etw_property_name(property)->utf8);
        etw_text_append_char(&t->text, '=');
    }
}

static etw_status on_value(void *context, const etw_value *value)
{
    tape *t = context;
    if (++t->values == t->stop_at) {
        return ETW_ERROR_STOPPED;
    }
    etw_text_append_z(&t->text, etw_property_name(value->property)->utf8);
    etw_text_append_char(&t->text, '=');
    (void)etw_value_append_text(value, 0, ETW_ESCAPE_LINE, &t->text);
    etw_text_append_char(&t->text, ';');
    return ETW_OK;
}

static etw_status on_open_struct(void *context, const etw_property *property, uint32_t element)
{
    tape *t = context;
    t->open++;
    append_name(t, property, element);
    etw_text_append_char(&t->text, '{');
    return ETW_OK;
}

static etw_status on_close_struct(void *context, const etw_property *property)
{
    (void)property;
    tape *t = context;
    assert_true(t->open > 0);
    t->open--;
    etw_text_append_char(&t->text, '}');
    return ETW_OK;
}

static etw_status on_open_array(void *context, const etw_property *property, uint32_t count)
{
    (void)property;
    tape *t = context;
    t->open++;
    etw_text_append_u64(&t->text, count);
    etw_text_append_char(&t->text, '[');
    return ETW_OK;
}

static etw_status on_close_array(void *context, const etw_property *property)
{
    (void)property;
    tape *t = context;
    assert_true(t->open > 0);
    t->open--;
    etw_text_append_char(&t->text, ']');
    return ETW_OK;
}

static const etw_visitor visitor = {on_value, on_open_struct, on_close_struct, on_open_array,
                                    on_close_array};

typedef struct fixture {
    etw_tei_builder *builder;
    etw_plan *plan;
    tape tape;
    etw_walk_end end;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->builder = etw_tei_builder_new();
    return f->builder == NULL;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    etw_text_free(&f->tape.text);
    etw_plan_free(f->plan);
    etw_tei_builder_free(f->builder);
    free(f);
    return 0;
}

static uint32_t add(fixture *f, uint32_t parent, etw_tei_property_spec spec)
{
    const uint32_t handle = etw_tei_builder_add(f->builder, parent, &spec);
    assert_int_not_equal(handle, 0);
    return handle;
}

#define ADD(f, parent, ...) add(f, parent, (etw_tei_property_spec){__VA_ARGS__})

static void compile(fixture *f)
{
    etw_schema schema = {0};
    etw_error error;
    assert_int_equal(
        etw_tei_builder_finish(f->builder, &(etw_tei_event_spec){0}, &schema.tei, NULL), ETW_OK);
    if (etw_plan_compile(&schema, &f->plan, &error) != ETW_OK) {
        fail_msg("%s", error.message);
    }
}

static etw_status walk(fixture *f, const void *bytes, size_t size, uint32_t pointer_size)
{
    /* A copy of exactly that size, so that a sanitizer sees the first byte behind it. */
    uint8_t *copy = malloc(size + (size == 0));
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    etw_text_clear(&f->tape.text);
    f->tape.values = 0;
    const etw_event_record record = {.UserData = size == 0 ? NULL : copy,
                                     .UserDataLength = (uint16_t)size};
    const etw_status status =
        etw_plan_walk(f->plan, &record, pointer_size, &visitor, &f->tape, &f->end);
    free(copy);
    return status;
}

#define WALK(f, bytes) walk(f, bytes, sizeof(bytes) - 1, 8)

static void assert_tape(fixture *f, const char *expected)
{
    assert_string_equal(etw_text_z(&f->tape.text), expected);
    assert_int_equal(f->tape.open, 0);
}

static void assert_all_consumed(const fixture *f, size_t size)
{
    assert_int_equal(f->end.consumed_bytes, size);
    assert_int_equal(f->end.left_bytes, 0);
    assert_false(f->end.short_payload);
    assert_null(f->end.reason);
    assert_null(f->end.at);
}

static void counts_and_lengths_come_from_other_properties(void **state)
{
    fixture *f = *state;
    const uint32_t count = ADD(f, 0, .name = "N", .in_type = ETW_IN_UINT16);
    const uint32_t length = ADD(f, 0, .name = "L", .in_type = ETW_IN_UINT8);
    (void)ADD(f, 0, .name = "S", .in_type = ETW_IN_UNICODESTRING, .count_from = count);
    (void)ADD(f, 0, .name = "B", .in_type = ETW_IN_BINARY, .length_from = length);
    (void)ADD(f, 0, .name = "W", .in_type = ETW_IN_UNICODESTRING, .length_from = length);
    (void)ADD(f, 0, .name = "Fixed", .in_type = ETW_IN_UINT16, .count = 2);
    (void)ADD(f, 0, .name = "One", .in_type = ETW_IN_UINT8, .count = 1,
              .flags = ETW_PROP_PARAM_FIXED_COUNT);
    compile(f);
    const char bytes[] = "\2\0\3"
                         "a\0\0\0"
                         "\0\0"
                         "\1\2\3"
                         "x\0y\0z\0"
                         "\4\0\5\0"
                         "\6";
    assert_int_equal(WALK(f, bytes), ETW_OK);
    assert_tape(f, "N=2;L=3;2[S=a;S=;]B=0x010203;W=xyz;2[Fixed=4;Fixed=5;]1[One=6;]");
    assert_all_consumed(f, sizeof bytes - 1);
}

static void struct_members_refer_to_their_own_instance(void **state)
{
    fixture *f = *state;
    const uint32_t count = ADD(f, 0, .name = "Count", .in_type = ETW_IN_UINT32);
    const uint32_t values = ADD(f, 0, .name = "Values", .is_struct = true, .count_from = count);
    (void)ADD(f, values, .name = "Id", .in_type = ETW_IN_UINT8);
    const uint32_t inner = ADD(f, values, .name = "Inner", .is_struct = true);
    const uint32_t types = ADD(f, inner, .name = "TypeCount", .in_type = ETW_IN_INT32);
    (void)ADD(f, inner, .name = "Types", .in_type = ETW_IN_UINT8, .count_from = types);
    (void)ADD(f, 0, .name = "End", .in_type = ETW_IN_UINT8);
    compile(f);
    const char bytes[] = "\2\0\0\0"
                         "\7\2\0\0\0\1\2"
                         "\10\0\0\0\0"
                         "\11";
    assert_int_equal(WALK(f, bytes), ETW_OK);
    assert_tape(f, "Count=2;2[Values={Id=7;Inner={TypeCount=2;2[Types=1;Types=2;]}}"
                   "{Id=8;Inner={TypeCount=0;0[]}}]End=9;");
    assert_all_consumed(f, sizeof bytes - 1);
}

static void character_arrays_are_strings(void **state)
{
    fixture *f = *state;
    (void)ADD(f, 0, .name = "W", .in_type = ETW_IN_UNICODECHAR, .out_type = ETW_OUT_STRING,
              .count = 3);
    (void)ADD(f, 0, .name = "A", .in_type = ETW_IN_ANSICHAR, .out_type = ETW_OUT_STRING,
              .count = 3);
    (void)ADD(f, 0, .name = "C", .in_type = ETW_IN_ANSICHAR, .count = 2);
    compile(f);
    const char bytes[] = "a\0b\0\0\0"
                         "xyz"
                         "mn";
    assert_int_equal(WALK(f, bytes), ETW_OK);
    assert_tape(f, "W=ab;A=xyz;2[C=m;C=n;]");
    assert_all_consumed(f, sizeof bytes - 1);
}

static void pointers_have_the_size_of_the_record(void **state)
{
    fixture *f = *state;
    (void)ADD(f, 0, .name = "P", .in_type = ETW_IN_POINTER, .out_type = ETW_OUT_HEXINT64,
              .length = 4);
    (void)ADD(f, 0, .name = "S", .in_type = ETW_IN_SIZET);
    compile(f);
    assert_int_equal(walk(f, "\1\2\3\4\5\0\0\0", 8, 4), ETW_OK);
    assert_tape(f, "P=0x4030201;S=0x5;");
    assert_all_consumed(f, 8);
    assert_int_equal(walk(f, "\1\2\3\4\5\0\0\0\1\0\0\0\0\0\0\0", 16, 8), ETW_OK);
    assert_tape(f, "P=0x504030201;S=0x1;");
    assert_all_consumed(f, 16);
}

static void says_where_a_short_payload_ends(void **state)
{
    fixture *f = *state;
    (void)ADD(f, 0, .name = "A", .in_type = ETW_IN_UINT32);
    const uint32_t structs = ADD(f, 0, .name = "T", .is_struct = true, .count = 2);
    (void)ADD(f, structs, .name = "B", .in_type = ETW_IN_UINT16);
    (void)ADD(f, structs, .name = "C", .in_type = ETW_IN_UINT16);
    compile(f);
    const char bytes[] = "\1\0\0\0\2\0\3\0\4\0\5";
    assert_int_equal(WALK(f, bytes), ETW_OK);
    assert_tape(f, "A=1;2[T={B=2;C=3;}{B=4;}]");
    assert_int_equal(f->end.consumed_bytes, 10);
    assert_int_equal(f->end.left_bytes, 1);
    assert_true(f->end.short_payload);
    assert_non_null(f->end.reason);
    assert_string_equal(etw_property_name(f->end.at)->utf8, "C");
}

static void says_what_a_long_payload_has_left(void **state)
{
    fixture *f = *state;
    (void)ADD(f, 0, .name = "A", .in_type = ETW_IN_UINT8);
    compile(f);
    assert_int_equal(WALK(f, "\1\2\3"), ETW_OK);
    assert_tape(f, "A=1;");
    assert_int_equal(f->end.consumed_bytes, 1);
    assert_int_equal(f->end.left_bytes, 2);
    assert_false(f->end.short_payload);
    assert_null(f->end.reason);
}

static void strings_at_the_end_may_be_missing(void **state)
{
    fixture *f = *state;
    (void)ADD(f, 0, .name = "A", .in_type = ETW_IN_UNICODESTRING);
    (void)ADD(f, 0, .name = "B", .in_type = ETW_IN_ANSISTRING);
    compile(f);
    assert_int_equal(WALK(f, ""), ETW_OK);
    assert_tape(f, "A=;B=;");
    assert_all_consumed(f, 0);
    assert_int_equal(WALK(f, "x\0\0\0y"), ETW_OK);
    assert_tape(f, "A=x;B=y;");
    assert_all_consumed(f, 5);
}

/* Each prefix of the payload gives a walk that ends inside it. */
static void counted_things_do_not_take_half(void **state)
{
    fixture *f = *state;
    (void)ADD(f, 0, .name = "A", .in_type = ETW_IN_COUNTEDSTRING);
    (void)ADD(f, 0, .name = "B", .in_type = ETW_IN_HEXDUMP);
    (void)ADD(f, 0, .name = "C", .in_type = ETW_IN_WBEMSID);
    (void)ADD(f, 0, .name = "D", .in_type = ETW_IN_SID);
    compile(f);
    const char bytes[] = "\2\0x\0"
                         "\1\0\0\0\7"
                         "\1\2\3\4\5\6\7\10\0\0\0\0\0\0\0\0\1\1\0\0\0\0\0\5\22\0\0\0"
                         "\1\1\0\0\0\0\0\5\23\0\0\0";
    static const uint32_t ends[] = {0, 4, 9, 37, 49};
    for (size_t size = 0; size < sizeof bytes; size++) {
        assert_int_equal(walk(f, bytes, size, 8), ETW_OK);
        uint32_t fits = 0;
        while (fits < 4 && ends[fits + 1] <= size) {
            fits++;
        }
        assert_int_equal(f->tape.values, fits);
        assert_int_equal(f->end.consumed_bytes, ends[fits]);
        assert_int_equal(f->end.short_payload, fits < 4);
    }
    assert_tape(f, "A=x;B=0x07;C=S-1-5-18;D=S-1-5-19;");
}

static void stops_at_what_it_does_not_know(void **state)
{
    fixture *f = *state;
    (void)ADD(f, 0, .name = "A", .in_type = ETW_IN_UINT8);
    (void)ADD(f, 0, .name = "B", .in_type = 99);
    compile(f);
    assert_int_equal(WALK(f, "\1\2\3"), ETW_OK);
    assert_tape(f, "A=1;");
    assert_non_null(f->end.reason);
    assert_false(f->end.short_payload);
    assert_int_equal(f->end.left_bytes, 2);
}

static void a_visitor_ends_the_walk(void **state)
{
    fixture *f = *state;
    (void)ADD(f, 0, .name = "A", .in_type = ETW_IN_UINT8, .count = 3);
    compile(f);
    f->tape.stop_at = 2;
    assert_int_equal(WALK(f, "\1\2\3"), ETW_ERROR_STOPPED);
    assert_int_equal(f->tape.values, 2);
    assert_string_equal(etw_text_z(&f->tape.text), "3[A=1;");
}

/* 65535 elements of nothing at each of many levels would go on for ever. */
static void elements_without_bytes_are_bounded(void **state)
{
    fixture *f = *state;
    uint32_t parent = 0;
    for (uint32_t depth = 0; depth < ETW_MAX_STRUCT_DEPTH; depth++) {
        parent = ADD(f, parent, .name = "S", .is_struct = true, .count = 65535);
    }
    compile(f);
    assert_int_equal(WALK(f, ""), ETW_OK);
    assert_int_equal(f->tape.open, 0);
    assert_non_null(f->end.reason);
    assert_false(f->end.short_payload);
}

static etw_status compile_status(fixture *f)
{
    etw_schema schema = {0};
    assert_int_equal(
        etw_tei_builder_finish(f->builder, &(etw_tei_event_spec){0}, &schema.tei, NULL), ETW_OK);
    return etw_plan_compile(&schema, &f->plan, NULL);
}

static void too_deep_structs_are_refused(void **state)
{
    fixture *f = *state;
    uint32_t parent = 0;
    for (uint32_t depth = 0; depth <= ETW_MAX_STRUCT_DEPTH; depth++) {
        parent = ADD(f, parent, .name = "S", .is_struct = true);
    }
    assert_int_equal(compile_status(f), ETW_ERROR_LIMIT);
}

static void lengths_must_be_integers(void **state)
{
    fixture *f = *state;
    const uint32_t text = ADD(f, 0, .name = "T", .in_type = ETW_IN_UNICODESTRING);
    (void)ADD(f, 0, .name = "B", .in_type = ETW_IN_BINARY, .length_from = text);
    assert_int_equal(compile_status(f), ETW_ERROR_DAMAGED);
}

static etw_status append_nth(void *context, const etw_value *value)
{
    etw_text_append_u64(context, etw_property_nth(value->property));
    return ETW_OK;
}

static void namesakes_are_numbered(void **state)
{
    static const etw_visitor numbers = {.value = append_nth};
    fixture *f = *state;
    (void)ADD(f, 0, .name = "A", .in_type = ETW_IN_UINT8);
    (void)ADD(f, 0, .name = "B", .in_type = ETW_IN_UINT8);
    (void)ADD(f, 0, .name = "A", .in_type = ETW_IN_UINT8);
    const uint32_t inner = ADD(f, 0, .name = "S", .is_struct = true);
    (void)ADD(f, inner, .name = "A", .in_type = ETW_IN_UINT8);
    (void)ADD(f, 0, .name = "A", .in_type = ETW_IN_UINT8);
    compile(f);
    uint8_t bytes[5] = {0};
    const etw_event_record record = {.UserData = bytes, .UserDataLength = sizeof bytes};
    assert_int_equal(etw_plan_walk(f->plan, &record, 8, &numbers, &f->tape.text, NULL), ETW_OK);
    assert_string_equal(etw_text_z(&f->tape.text), "11213");
}

/* The second "A" may not be called "A#2": somebody is. */
static void numbers_make_no_namesakes(void **state)
{
    static const char *const names[] = {"A", "A#3", "A", "A", "A#2", "A#3"};
    static const etw_visitor numbers = {.value = append_nth};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)ADD(f, 0, .name = names[i], .in_type = ETW_IN_UINT8);
    }
    compile(f);
    uint8_t bytes[6] = {0};
    const etw_event_record record = {.UserData = bytes, .UserDataLength = sizeof bytes};
    assert_int_equal(etw_plan_walk(f->plan, &record, 8, &numbers, &f->tape.text, NULL), ETW_OK);
    assert_string_equal(etw_text_z(&f->tape.text), "114512");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(counts_and_lengths_come_from_other_properties),
        TEST(struct_members_refer_to_their_own_instance),
        TEST(character_arrays_are_strings),
        TEST(pointers_have_the_size_of_the_record),
        TEST(says_where_a_short_payload_ends),
        TEST(says_what_a_long_payload_has_left),
        TEST(strings_at_the_end_may_be_missing),
        TEST(counted_things_do_not_take_half),
        TEST(stops_at_what_it_does_not_know),
        TEST(a_visitor_ends_the_walk),
        TEST(elements_without_bytes_are_bounded),
        TEST(too_deep_structs_are_refused),
        TEST(lengths_must_be_integers),
        TEST(namesakes_are_numbered),
        TEST(numbers_make_no_namesakes),
    };
    return cmocka_run_group_tests_name("plan walk", tests, NULL, NULL);
}
