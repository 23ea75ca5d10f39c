/* etw-record's command line, its profiles and its quantities. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "format/base/quantities.h"
#include "recorder/command/arguments.h"
#include "recorder/command/options.h"
#include "tests/support/faulty_os.h"

#define MAX_WORDS 16

/* Cuts the line at its spaces. */
static etw_status parse(char *line, etw_record_arguments *arguments, etw_error *error)
{
    char *words[MAX_WORDS + 1] = {"etw-record"};
    int count = 1;
    for (char *word = strtok(line, " "); word != NULL && count < MAX_WORDS;
         word = strtok(NULL, " ")) {
        words[count++] = word;
    }
    etw_text output = {0};
    const etw_status status = etw_record_arguments_parse(count, words, arguments, &output, error);
    etw_text_free(&output);
    return status;
}

static void wrong_lines_say_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *line, *message;
    } rows[] = {
        {"", "nothing to record"},
        {"--input a.etl", "no output"},
        {"a.etl -o b", "--input a.etl"},
        {"--nonsense", "has no option '--nonsense'"},
        {"--output", "'--output' needs a value"},
        {"--input a --provider *B -o c", "do not go together"},
        {"--provider *B:256 -o c", "level from 0 to 255"},
        {"--provider *B:4:0x -o c", "masks"},
        {"--provider *B:4:1:2:3 -o c", "masks"},
        {"--provider *B:loud -o c", "critical"},
        {"--provider : -o c", "NAME|GUID"},
        {"--enable sid --provider *B -o c", "must follow the --provider"},
        {"--provider *B --enable side -o c", "properties named by --help"},
        {"--provider *B --event-ids 1,65536 -o c", "0 to 65535"},
        {"--provider *B --event-ids 1,, -o c", "','"},
        {"--provider *B --pids 1,2,3,4,5,6,7,8,9 -o c", "--pids"},
        {"--kernel NOPE -o c", "not a kernel flag"},
        {"--kernel PROCESS --provider *B -o c", "--system-logger"},
        {"--kernel PROCESS --kernel-stack x:1 -o c", "GUID:OPCODE"},
        {"--input a -o b --ring 3", "--rotate-size"},
        {"--input a -o b --ring 0 --rotate-size 1M", "from 1"},
        {"--input a -o b --trigger {00000000-0000-0000-0000-000000000001}:5", "--flight"},
        {"--input a -o b --flight 1k", "1M to 4G"},
        {"--input a -o b --level 20", "from 1 to 19"},
        {"--input a -o b --rotate-size 10q", "a size"},
        {"--input a -o b --max-duration 5y", "a time"},
        {"--input a -o b --interval 0s", "1ms to 1d"},
        {"--input a -o b --sync often", "none, block or interval"},
        {"--input a -o b --clock sun", "qpc, system or cycle"},
        {"--input a -o b --max-events -1", "a number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[200];
        etw_record_arguments arguments;
        etw_error error = {0};
        (void)snprintf(line, sizeof line, "%s", rows[i].line);
        assert_true(etw_failed(parse(line, &arguments, &error)));
        if (strstr(error.message, rows[i].message) == NULL) {
            fail_msg("'%s' gave '%s', wanted '%s'", rows[i].line, error.message, rows[i].message);
        }
    }
}

static void the_parser_has_room_for_all_options(void **state)
{
    (void)state;
    assert_null(etw_command_option_at(&etw_record_command, ETW_MAX_OPTIONS));
    assert_non_null(
        etw_command_option_find(&etw_record_command, etw_record_command.verbs, "profile"));
}

static void options_are_about_the_provider_before_them(void **state)
{
    (void)state;
    char line[] = "-p *A:4:0x10:0x30 --event-ids !1,2 --enable sid,stack -p "
                  "*B:warning:One+Two:0x40 --pids 7 --exe b.exe "
                  "--capture-state -o c";
    etw_record_arguments arguments;
    assert_int_equal(parse(line, &arguments, NULL), ETW_OK);
    assert_int_equal(arguments.provider_count, 2);
    const etw_provider_options *a = &arguments.providers[0].options;
    const etw_provider_options *b = &arguments.providers[1].options;
    assert_string_equal(arguments.providers[0].name, "*A");
    assert_int_equal(a->level, 4);
    assert_int_equal(a->any_keyword, 0x10);
    assert_int_equal(a->all_keyword, 0x30);
    assert_int_equal(a->enable_properties, ETW_ENABLE_SID | ETW_ENABLE_STACK_TRACE);
    assert_true(a->event_ids.exclude);
    assert_int_equal(a->event_ids.count, 2);
    assert_false(a->capture_state);
    assert_int_equal(b->level, 3);
    assert_string_equal(arguments.providers[1].keyword_names, "One+Two");
    assert_int_equal(b->all_keyword, 0x40);
    assert_int_equal(b->event_ids.count, 0);
    assert_int_equal(b->process_id_count, 1);
    assert_string_equal(b->executable_names, "b.exe");
    assert_true(b->capture_state);
    etw_record_arguments_free(&arguments);
}

static void live_recordings_drop_and_files_wait(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        etw_overload overload;
        uint32_t interval_ms;
    } rows[] = {
        {"--input a -o b", ETW_OVERLOAD_WAIT, 0},
        {"--provider *A -o b", ETW_OVERLOAD_DROP, 1000},
        {"--provider *A -o b --on-overload wait --interval 5s", ETW_OVERLOAD_WAIT, 5000},
        {"--input a -o b --on-overload drop", ETW_OVERLOAD_DROP, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[100];
        etw_record_arguments arguments;
        (void)snprintf(line, sizeof line, "%s", rows[i].line);
        assert_int_equal(parse(line, &arguments, NULL), ETW_OK);
        assert_int_equal(arguments.writer.overload, rows[i].overload);
        assert_int_equal(arguments.writer.interval_ms, rows[i].interval_ms);
        etw_record_arguments_free(&arguments);
    }
}

static void quantities_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool (*parse)(const char *text, uint64_t *value);
        bool valid;
        uint64_t value;
    } rows[] = {
        {"0", etw_parse_number, true, 0},
        {"0x1F", etw_parse_number, true, 31},
        {"18446744073709551615", etw_parse_number, true, UINT64_MAX},
        {"18446744073709551616", etw_parse_number, false, 0},
        {"", etw_parse_number, false, 0},
        {"-1", etw_parse_number, false, 0},
        {"1 ", etw_parse_number, false, 0},
        {"500k", etw_parse_size, true, 500u * 1024u},
        {"4G", etw_parse_size, true, (uint64_t)4 << 30},
        {"12", etw_parse_size, true, 12},
        {"1kk", etw_parse_size, false, 0},
        {"99999999999999G", etw_parse_size, false, 0},
        {"500ms", etw_parse_duration, true, 500},
        {"5m", etw_parse_duration, true, 300000},
        {"1d", etw_parse_duration, true, 86400000},
        {"5 m", etw_parse_duration, false, 0},
        {"m", etw_parse_duration, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t value = 0;
        if (rows[i].parse(rows[i].text, &value) != rows[i].valid || value != rows[i].value) {
            fail_msg("'%s' gave %llu", rows[i].text, (unsigned long long)value);
        }
    }
}

static void profiles_become_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *words[3]; /* up to the first NULL */
        const char *message;  /* of a failure, else NULL */
    } rows[] = {
        {"# nothing\n; else\n\n", {NULL}, NULL},
        {"provider = A:4\r\ncapture-state\n", {"--provider=A:4", "--capture-state"}, NULL},
        {"  output=C:\\a b.etwcap  ", {"--output=C:\\a b.etwcap"}, NULL},
        {"payload = x=1", {"--payload=x=1"}, NULL},
        {"exe =\n", {"--exe="}, NULL},
        {"a\nNot An Option = 1\n", {NULL}, "line 2"},
        {"= 1", {NULL}, "line 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        faulty_os *files = faulty_os_new();
        etw_profile profile;
        etw_error error = {0};
        const etw_bytes text = {(const uint8_t *)rows[i].text, strlen(rows[i].text)};
        assert_true(faulty_os_put(files, "p", text));
        const etw_status status =
            etw_profile_read(faulty_os_table(files), "mem:p", &profile, &error);
        assert_int_equal(status, rows[i].message == NULL ? ETW_OK : ETW_ERROR_INVALID_ARGUMENT);
        if (status == ETW_OK) {
            int count = 0;
            for (; count < 3 && rows[i].words[count] != NULL; count++) {
                assert_true(count < profile.count);
                assert_string_equal(profile.words[count], rows[i].words[count]);
            }
            assert_int_equal(profile.count, count);
            etw_profile_free(&profile);
        } else {
            assert_non_null(strstr(error.message, rows[i].message));
        }
        faulty_os_free(files);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_lines_say_what_is_wrong),
        cmocka_unit_test(the_parser_has_room_for_all_options),
        cmocka_unit_test(options_are_about_the_provider_before_them),
        cmocka_unit_test(live_recordings_drop_and_files_wait),
        cmocka_unit_test(quantities_have_units),
        cmocka_unit_test(profiles_become_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
