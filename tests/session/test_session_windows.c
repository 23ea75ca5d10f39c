/* The session API, linked with the drop-in ETW API: what sessions deliver, and how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/event/extended.h"
#include "replay/replay.h"
#include "tests/session/played_session.h"

/* All that a consumer can ask of an event, as text. */
typedef struct telling {
    etw_text text;
    uint32_t seen, wanted;
} telling;

static etw_status tell_event(const etw_event *event, void *context)
{
    telling *tell = context;
    const etw_event_record *record = etw_event_record_of(event);
    const char *provider = etw_event_provider_name(event);
    char numbers[160];
    etw_bytes sid = {NULL, 0};
    etw_guid related = {0};
    const bool has_related = etw_record_related_activity_id(record, &related);
    const bool has_sid = etw_record_user_sid(record, &sid);
    (void)snprintf(numbers, sizeof numbers, "%lld %lld %u %u %d %u %d %s ",
                   (long long)etw_event_time_100ns(event), (long long)record->EventHeader.TimeStamp,
                   record->EventHeader.EventDescriptor.Level, record->EventHeader.Flags,
                   has_related, (unsigned)related.Data1, has_sid, provider ? provider : "?");
    etw_text_append(&tell->text, numbers, strlen(numbers));
    etw_ignore(etw_event_property_text(event, "Number", &tell->text));
    etw_ignore(etw_event_property_text(event, "Name", &tell->text));
    return ++tell->seen == tell->wanted ? ETW_END : ETW_OK;
}

static void events_are_those_of_a_replay(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    telling live = {.wanted = DELIVERED}, saved = {.wanted = 0};
    assert_int_equal(etw_session_process(session, tell_event, &live, NULL), ETW_OK);
    etw_session_close(session);

    etw_replay *replay = NULL;
    assert_int_equal(etw_replay_open(trace_path, NULL, &replay, NULL), ETW_OK);
    assert_int_equal(etw_replay_process(replay, tell_event, &saved, NULL), ETW_OK);
    etw_replay_close(replay);

    assert_int_equal(live.seen, DELIVERED);
    assert_int_equal(saved.seen, DELIVERED);
    assert_non_null(strstr(etw_text_z(&saved.text), "0x4E1Ffghijk")); /* of the last event */
    assert_int_equal(live.text.size, saved.text.size);
    assert_memory_equal(live.text.data, saved.text.data, saved.text.size);
    etw_text_free(&live.text);
    etw_text_free(&saved.text);
}

static etw_status ignore_event(void *context, const etw_value *value)
{
    (void)context;
    (void)value;
    return ETW_OK;
}

static void assert_expired(const etw_event *event)
{
    static const etw_visitor visitor = {.value = ignore_event};
    etw_text text = {0};
    etw_walk_end end;
    assert_null(etw_event_record_of(event));
    assert_null(etw_event_schema(event));
    assert_true(etw_event_time_100ns(event) == INT64_MIN);
    assert_int_equal(etw_event_property_text(event, "Number", &text), ETW_ERROR_EXPIRED);
    assert_int_equal(etw_event_walk(event, &visitor, NULL, &end), ETW_ERROR_EXPIRED);
    etw_text_free(&text);
}

static etw_status keep_event(const etw_event *event, void *context)
{
    *(const etw_event **)context = event;
    return ETW_END;
}

static void an_event_ends_with_its_callback(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    const etw_event *event = NULL;
    assert_int_equal(etw_session_process(session, keep_event, &event, NULL), ETW_OK);
    assert_non_null(event);
    assert_expired(event);
    etw_session_close(session);
}

/* --- options while it runs ----------------------------------------------------------------------
 */

#define RAISED_AT  2000u
#define LOWERED_AT 8000u
/* A change is seen at the next buffer, of 256 read events. */
#define SETTLED 300u

typedef struct changing {
    etw_session *session;
    uint32_t number; /* of the event at hand */
    uint32_t too_detailed_before, detailed_between, too_detailed_after, of_beta;
} changing;

static void set_level(etw_session *session, uint8_t level)
{
    const etw_provider_options changed = {.id = alpha, .level = level};
    assert_int_equal(etw_session_update(session, &changed, NULL), ETW_OK);
}

/* Half-way everything of alpha, later only what is critical again, and then beta too. */
static etw_status change_event(const etw_event *event, void *context)
{
    changing *change = context;
    const etw_event_record *record = etw_event_record_of(event);
    if (record->EventHeader.EventDescriptor.Id != EVENT_ID) {
        return ETW_OK;
    }
    const uint32_t number = etw_load_u32(record->UserData), before = change->number;
    const bool detailed = record->EventHeader.EventDescriptor.Level > 1;
    change->number = number;
    change->too_detailed_before += detailed && number <= RAISED_AT;
    change->detailed_between += detailed && number > RAISED_AT + SETTLED && number <= LOWERED_AT;
    change->too_detailed_after += detailed && number > LOWERED_AT + 2 * SETTLED &&
                                  etw_guid_equal(&record->EventHeader.ProviderId, &alpha);
    change->of_beta += etw_guid_equal(&record->EventHeader.ProviderId, &beta);
    if (before < RAISED_AT && number >= RAISED_AT) {
        set_level(change->session, 5);
    }
    if (before < LOWERED_AT && number >= LOWERED_AT) {
        set_level(change->session, 1);
        const etw_provider_options added = {.id = beta, .level = 5};
        assert_int_equal(etw_session_update(change->session, &added, NULL), ETW_OK);
    }
    return number >= EVENTS - 10 ? ETW_END : ETW_OK;
}

static void options_change_while_it_runs(void **state)
{
    (void)state;
    setup with = {.providers = {{.id = alpha, .level = 1}}, .options = {.provider_count = 1}};
    changing change = {.session = open_session(&with)};
    assert_int_equal(etw_session_process(change.session, change_event, &change, NULL), ETW_OK);
    assert_int_equal(change.too_detailed_before, 0);
    /* Alpha has every second event; of five, four have a level above 1. */
    assert_in_range(change.detailed_between, (LOWERED_AT - RAISED_AT - SETTLED) * 2 / 5 - 300,
                    (LOWERED_AT - RAISED_AT) * 2 / 5);
    assert_int_equal(change.too_detailed_after, 0);
    assert_in_range(change.of_beta, (EVENTS - LOWERED_AT) / 2 - SETTLED, EVENTS / 2);
    etw_session_close(change.session);
}

static void a_stopped_session_takes_no_options(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    counting count = {.session = session, .wanted = 1};
    assert_int_equal(etw_session_process(session, count_event, &count, NULL), ETW_OK);
    assert_int_equal(etw_session_update(session, &with.providers[0], NULL), ETW_ERROR_STOPPED);
    etw_session_close(session);
}

/* --- ends ---------------------------------------------------------------------------------------
 */

static etw_status stop_here(const etw_event *event, void *context)
{
    (void)event;
    etw_session_stop(context);
    etw_session_stop(context);
    return ETW_OK;
}

static void it_stops_from_the_callback(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    assert_int_equal(etw_session_process(session, stop_here, session, NULL), ETW_OK);
    assert_false(is_listed(etw_session_name(session)));
    etw_session_stop(session);
    etw_session_close(session);
    etw_session_close(NULL);
}

static DWORD WINAPI stop_later(void *context)
{
    Sleep(300);
    etw_session_stop(context);
    return 0;
}

static DWORD WINAPI kill_later(void *context)
{
    Sleep(300);
    return (DWORD)etw_session_kill(context, NULL);
}

static void join(HANDLE thread)
{
    assert_int_equal(WaitForSingleObject(thread, 60000), WAIT_OBJECT_0);
    (void)CloseHandle(thread);
}

static void it_stops_from_another_thread(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    const HANDLE thread = CreateThread(NULL, 0, stop_later, session, 0, NULL);
    counting count = {0};
    assert_int_equal(etw_session_process(session, count_event, &count, NULL), ETW_OK);
    join(thread);
    etw_session_close(session);
}

static void closing_without_processing_stops_it(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    char name[64];
    (void)snprintf(name, sizeof name, "%s", etw_session_name(session));
    assert_memory_equal(name, ETW_SESSION_PREFIX, sizeof ETW_SESSION_PREFIX - 1);
    assert_true(is_listed(name));
    etw_session_close(session);
    assert_false(is_listed(name));
}

static void an_end_from_outside_is_its_own_status(void **state)
{
    (void)state;
    setup with = everything();
    with.options.name = "ended from outside";
    etw_session *session = open_session(&with);
    const HANDLE thread =
        CreateThread(NULL, 0, kill_later, (void *)(uintptr_t)with.options.name, 0, NULL);
    counting count = {0};
    etw_error error = {0};
    assert_int_equal(etw_session_process(session, count_event, &count, &error), ETW_ERROR_STOPPED);
    assert_non_null(strstr(error.message, with.options.name));
    join(thread);
    etw_session_close(session);
}

/* The session that takes the place of the killed one delivers the trace from its start again. */
static void a_session_killed_from_outside_is_started_again(void **state)
{
    (void)state;
    setup with = everything();
    with.options.name = "started again";
    with.options.restart = true;
    etw_session *session = open_session(&with);
    const HANDLE thread =
        CreateThread(NULL, 0, kill_later, (void *)(uintptr_t)with.options.name, 0, NULL);
    counting count = {.wanted = EVENTS + EVENTS / 2};
    assert_int_equal(etw_session_process(session, count_event, &count, NULL), ETW_OK);
    assert_int_equal(count.seen, count.wanted);
    join(thread);
    etw_session_close(session);
}

/* --- several, and one event at a time -----------------------------------------------------------
 */

static DWORD WINAPI process_here(void *context)
{
    counting *count = context;
    return (DWORD)etw_session_process(count->session, count_event, count, NULL);
}

static void two_sessions_run_side_by_side(void **state)
{
    (void)state;
    counting counts[2] = {{.wanted = EVENTS / 2 + 1}, {.wanted = EVENTS / 2 + 1}};
    HANDLE threads[2];
    for (uint32_t i = 0; i < 2; i++) {
        setup with = {.providers = {{.id = i == 0 ? alpha : beta, .level = 5}},
                      .options = {.provider_count = 1}};
        counts[i].session = open_session(&with);
        threads[i] = CreateThread(NULL, 0, process_here, &counts[i], 0, NULL);
    }
    for (uint32_t i = 0; i < 2; i++) {
        join(threads[i]);
        assert_int_equal(counts[i].by_provider[i], EVENTS / 2);
        assert_int_equal(counts[i].by_provider[1 - i], 0);
        etw_session_close(counts[i].session);
    }
}

/* The caller is slower than the trace, whose events together are larger than the queue. */
static void next_gives_what_fits_the_queue_and_counts_the_rest(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    const etw_event *event = NULL, *before = NULL;
    assert_int_equal(etw_session_next(session, 60000, &event, NULL), ETW_OK);
    etw_session_losses losses = {0};
    for (uint32_t waited = 0; waited < 600 && losses.dropped_by_queue == 0; waited++) {
        Sleep(100);
        etw_session_get_losses(session, &losses);
    }
    assert_true(losses.dropped_by_queue > 0);
    uint32_t taken = 1;
    etw_status status;
    before = event;
    while ((status = etw_session_next(session, 1000, &event, NULL)) == ETW_OK) {
        assert_non_null(etw_event_record_of(event));
        before = event;
        taken++;
    }
    assert_int_equal(status, ETW_AGAIN); /* the session is there, and silent */
    assert_expired(before);
    etw_session_get_losses(session, &losses);
    assert_int_equal(taken + losses.dropped_by_queue, DELIVERED);
    etw_session_stop(session);
    assert_int_equal(etw_session_next(session, 60000, &event, NULL), ETW_END);
    assert_int_equal(etw_session_next(session, 60000, &event, NULL), ETW_END);
    etw_session_close(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_those_of_a_replay),
        cmocka_unit_test(an_event_ends_with_its_callback),
        cmocka_unit_test(options_change_while_it_runs),
        cmocka_unit_test(a_stopped_session_takes_no_options),
        cmocka_unit_test(it_stops_from_the_callback),
        cmocka_unit_test(it_stops_from_another_thread),
        cmocka_unit_test(closing_without_processing_stops_it),
        cmocka_unit_test(an_end_from_outside_is_its_own_status),
        cmocka_unit_test(a_session_killed_from_outside_is_started_again),
        cmocka_unit_test(two_sessions_run_side_by_side),
        cmocka_unit_test(next_gives_what_fits_the_queue_and_counts_the_rest),
    };
    return set_environment() ? cmocka_run_group_tests(tests, make_trace, remove_trace) : 1;
}
