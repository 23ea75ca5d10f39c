/* The tables of options, what is made from them, and the status line's text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "format/base/console.h"
#include "recorder/command/options.h"
#include "replay/command/options.h"
#include "replay/command/verbs.h"

static const etw_command *const tools[] = {&etw_record_command, &etw_replay_command};

/* Verbs are found before it is known which verb's options are meant. */
static void options_of_one_name_take_alike(void **state)
{
    (void)state;
    for (size_t tool = 0; tool < ETW_COUNT_OF(tools); tool++) {
        const etw_option *a;
        const etw_option *b;
        for (size_t i = 0; (a = etw_command_option_at(tools[tool], i)) != NULL; i++) {
            for (size_t j = 0; (b = etw_command_option_at(tools[tool], j)) != NULL; j++) {
                if (strcmp(a->name, b->name) == 0 || (a->letter != 0 && a->letter == b->letter)) {
                    assert_int_equal(a->value == NULL, b->value == NULL);
                    assert_int_equal(a->value_is_optional, b->value_is_optional);
                }
            }
        }
    }
}

static void each_row_does_something(void **state)
{
    (void)state;
    for (size_t tool = 0; tool < ETW_COUNT_OF(tools); tool++) {
        const etw_option *row;
        assert_null(etw_command_option_at(tools[tool], ETW_MAX_OPTIONS));
        for (size_t i = 0; (row = etw_command_option_at(tools[tool], i)) != NULL; i++) {
            const bool acts =
                row->apply != NULL || row->store != ETW_STORE_NOTHING || row->role != ETW_ROLE_OWN;
            if (!acts || (row->store == ETW_STORE_FLAG) > (row->value == NULL)) {
                fail_msg("--%s does nothing, or takes a value for nothing", row->name);
            }
        }
    }
}

static void no_verb_takes_two_options_of_one_name(void **state)
{
    (void)state;
    for (size_t v = 0; v < etw_replay_command.verb_count; v++) {
        const etw_verb_row *verb = etw_command_verb(&etw_replay_command, v);
        const etw_option *row;
        for (size_t i = 0; (row = etw_command_option_at(&etw_replay_command, i)) != NULL; i++) {
            if (etw_verb_takes(verb, row) &&
                etw_command_option_find(&etw_replay_command, verb, row->name) != row) {
                fail_msg("%s takes two options --%s", verb->name, row->name);
            }
        }
    }
}

static const char *name_at(const void *context, size_t index)
{
    return ((const char *const *)context)[index];
}

static void the_nearest_name_is_suggested(void **state)
{
    (void)state;
    static const char *const names[] = {"format", "force", "head", "help", NULL, "threads"};
    static const struct {
        const char *word, *nearest;
    } rows[] = {
        {"fromat", "format"},
        {"froce", "force"},
        {"haed", "head"},
        {"hepl", "help"},
        {"thread", "threads"},
        {"zzzz", NULL},
        {"", NULL},
        {"h", NULL},
        {"formation-of-flocks-of-birds-and-other-animals", NULL},
    };
    for (size_t i = 0; i < ETW_COUNT_OF(rows); i++) {
        const char *nearest = etw_nearest_name(rows[i].word, ETW_COUNT_OF(names), name_at, names);
        if (rows[i].nearest == NULL ? nearest != NULL
                                    : nearest == NULL || strcmp(nearest, rows[i].nearest) != 0) {
            fail_msg("'%s' gave '%s'", rows[i].word, nearest == NULL ? "nothing" : nearest);
        }
    }
}

static void progress_tells_the_rate_and_the_time_left(void **state)
{
    (void)state;
    static const struct {
        uint64_t done, total;
        const char *unit;
        int64_t elapsed_ns;
        const char *text;
    } rows[] = {
        {50, 100, "B", 1000000000, "x  50 % of 100 B, 50 B/s, 0:01 left"},
        {1u << 20, 10u << 20, "B", 1000000000, "x  10 % of 10.0 MB, 1.0 MB/s, 0:09 left"},
        {1500, 0, "events", 500000000, "x 1500 events, 3000 events/s"},
        {0, 100, "B", 1000000000, "x   0 % of 100 B, 0 B/s"},
        {200, 100, "B", 1000000000, "x 200 B, 200 B/s"},
        {1, UINT64_MAX, "B", 1000000000, "x   0 % of 16777216.0 TB, 1 B/s, 5999:59 left"},
        {5, 10, "B", 0, "x  50 % of 10 B, 0 B/s"},
    };
    for (size_t i = 0; i < ETW_COUNT_OF(rows); i++) {
        etw_text text = {0};
        etw_progress_text(&text, "x", rows[i].done, rows[i].total, rows[i].unit,
                          rows[i].elapsed_ns);
        assert_string_equal(etw_text_z(&text), rows[i].text);
        etw_text_free(&text);
    }
}

static int64_t clock_ns;

static int64_t fake_clock(void *context)
{
    (void)context;
    return clock_ns;
}

/* What the calls write to stderr. */
static void draw_status_line(char *shown, size_t size)
{
    const etw_os os = {.monotonic_ns = fake_clock};
    etw_status_line line;
    FILE *into = tmpfile();
    assert_non_null(into);
    (void)fflush(stderr);
    const int kept = dup(fileno(stderr));
    assert_true(dup2(fileno(into), fileno(stderr)) >= 0);
    clock_ns = 1000000000;
    etw_status_line_begin(&line, &os, true);
    clock_ns += 400000000;
    etw_status_line_progress(&line, "early", 1, 100, "B");
    clock_ns += 200000000;
    etw_status_line_progress(&line, "a\x1b[2Jb", 50, 100, "B");
    clock_ns += 100000000;
    etw_status_line_progress(&line, "soon", 60, 100, "B");
    clock_ns += 300000000;
    etw_status_line_progress(&line, "c", 100, 100, "B");
    etw_status_line_clear(&line);
    (void)dup2(kept, fileno(stderr));
    (void)close(kept);
    rewind(into);
    shown[fread(shown, 1, size - 1, into)] = '\0';
    (void)fclose(into);
}

static void the_status_line_is_plain_text_written_over(void **state)
{
    (void)state;
    char shown[400];
    draw_status_line(shown, sizeof shown);
    assert_string_equal(shown, "\ra\\x1b[2Jb  50 % of 100 B, 83 B/s, 0:01 left"
                               "\rc 100 % of 100 B, 100 B/s                  "
                               "\r                         \r");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_of_one_name_take_alike),
        cmocka_unit_test(each_row_does_something),
        cmocka_unit_test(no_verb_takes_two_options_of_one_name),
        cmocka_unit_test(the_nearest_name_is_suggested),
        cmocka_unit_test(the_status_line_is_plain_text_written_over),
        cmocka_unit_test(progress_tells_the_rate_and_the_time_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
