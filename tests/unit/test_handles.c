/* What a failed call leaves in its handle: always NULL, whatever was wrong, with a message. */
#include "replay/etwcap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Each opens something with one thing missing or wrong. handle NULL: nowhere to put it. */
typedef etw_status (*opening)(void *handle, etw_error *error);

/* A path that nothing can be created in or read from. */
#define NOWHERE "no/such/folder/a.etwcap"

#define OPENING(name, call)                                                                        \
    static etw_status name(void *handle, etw_error *error)                                         \
    {                                                                                              \
        return call;                                                                               \
    }

OPENING(reader_without_path, etw_reader_open(NULL, NULL, NULL, handle, error))
OPENING(reader_of_nothing, etw_reader_open(NULL, NOWHERE, NULL, handle, error))
OPENING(etl_without_path, etw_etl_open(NULL, NULL, NULL, handle, error))
OPENING(etl_of_nothing, etw_etl_open(NULL, NOWHERE, NULL, handle, error))
OPENING(replay_without_path, etw_replay_open(NULL, NULL, handle, error))
OPENING(replay_of_nothing, etw_replay_open(NOWHERE, NULL, handle, error))
OPENING(consumer_without_path, etw_replay_consumer(NULL, NULL, handle, error))
OPENING(consumer_of_nothing, etw_replay_consumer(NOWHERE, NULL, handle, error))
OPENING(writer_without_path, etw_writer_create(NULL, NULL, NULL, handle, error))
OPENING(writer_to_nowhere, etw_writer_create(NULL, NOWHERE, NULL, handle, error))
OPENING(capture_without_options, etw_capture_open(NULL, handle, error))
OPENING(session_without_options, etw_session_open(NULL, handle, error))
OPENING(live_consumer_without_options, etw_session_consumer(NULL, handle, error))
OPENING(resolver_without_store, etw_resolver_new(NULL, NULL, handle, error))
OPENING(plan_without_schema, etw_plan_compile(NULL, handle, error))
OPENING(store_without_schema, etw_schema_store_intern(NULL, NULL, handle, error))

static etw_status capture_without_path(void *handle, etw_error *error)
{
    const etw_capture_options options = {.path = NULL};
    return etw_capture_open(&options, handle, error);
}

static etw_status capture_to_nowhere(void *handle, etw_error *error)
{
    etw_resolver *resolver = NULL;
    etw_schema_store *store = etw_schema_store_new();
    assert_int_equal(etw_resolver_new(store, NULL, &resolver, NULL), ETW_OK);
    const etw_capture_options options = {.path = NOWHERE, .resolver = resolver, .store = store};
    const etw_status status = etw_capture_open(&options, handle, error);
    etw_resolver_free(resolver);
    etw_schema_store_free(store);
    return status;
}

static etw_status manifest_of_nothing(void *handle, etw_error *error)
{
    const char *path = NOWHERE;
    const etw_resolver_options options = {.manifest_paths = &path, .manifest_path_count = 1};
    etw_schema_store *store = etw_schema_store_new();
    const etw_status status = etw_resolver_new(store, &options, handle, error);
    etw_schema_store_free(store);
    return status;
}

static etw_status plan_of_nonsense(void *handle, etw_error *error)
{
    const etw_schema schema = {.tei = {(const uint8_t *)"nonsense", 8}};
    return etw_plan_compile(&schema, handle, error);
}

static etw_status session_that_cannot_start(void *handle, etw_error *error)
{
    const etw_session_options options = {.buffer_size_kb = UINT32_MAX};
    return etw_session_open(&options, handle, error);
}

static etw_status live_consumer_that_cannot_start(void *handle, etw_error *error)
{
    const etw_session_options options = {.buffer_size_kb = UINT32_MAX};
    return etw_session_consumer(&options, handle, error);
}

static const opening missing[] = {
    reader_without_path,    etl_without_path,        replay_without_path,
    consumer_without_path,  writer_without_path,     capture_without_options,
    capture_without_path,   session_without_options, live_consumer_without_options,
    resolver_without_store, plan_without_schema,     store_without_schema,
};

static const opening failing[] = {
    reader_of_nothing,         etl_of_nothing,
    replay_of_nothing,         consumer_of_nothing,
    writer_to_nowhere,         capture_to_nowhere,
    manifest_of_nothing,       plan_of_nonsense,
    session_that_cannot_start, live_consumer_that_cannot_start,
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int something;

static void check(opening open, size_t index, bool is_missing)
{
    void *handle = &something;
    etw_error error = {ETW_OK, 0, ""};
    const etw_status status = open((void *)&handle, &error);
    if (!etw_failed(status) || (is_missing && status != ETW_ERROR_INVALID_ARGUMENT) ||
        handle != NULL || error.status != status || error.message[0] == '\0') {
        fail_msg("%s case %u: %s, handle %s, \"%s\"", is_missing ? "missing" : "failing",
                 (unsigned)index, etw_status_name(status), handle == NULL ? "NULL" : "left",
                 error.message);
    }
    handle = &something;
    assert_int_equal(open((void *)&handle, NULL), status);
    assert_null(handle);
}

static void a_failed_call_leaves_null(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(missing); i++) {
        check(missing[i], i, true);
    }
    for (size_t i = 0; i < COUNT(failing); i++) {
        check(failing[i], i, false);
    }
}

static void nowhere_to_put_the_handle_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(missing); i++) {
        assert_int_equal(missing[i](NULL, NULL), ETW_ERROR_INVALID_ARGUMENT);
    }
    for (size_t i = 0; i < COUNT(failing); i++) {
        assert_int_equal(failing[i](NULL, NULL), ETW_ERROR_INVALID_ARGUMENT);
    }
}

static void closing_null_does_nothing(void **state)
{
    (void)state;
    etw_source_close(NULL);
    etw_replay_close(NULL);
    etw_consumer_close(NULL);
    etw_writer_free(NULL);
    etw_capture_free(NULL);
    etw_session_close(NULL);
    etw_resolver_free(NULL);
    etw_plan_free(NULL);
    etw_schema_store_free(NULL);
    etw_rundown_free(NULL);
    etw_decoder_free(NULL);
    etw_event_maker_free(NULL);
    etw_plan_cache_free(NULL);
}

static void no_os_is_the_real_one(void **state)
{
    (void)state;
    etw_verify_report verified;
    etw_recover_report recovered;
    assert_int_equal(etw_verify(NULL, NOWHERE, NULL, NULL, &verified, NULL), ETW_ERROR_NOT_FOUND);
    assert_int_equal(etw_recover(NULL, NOWHERE, NOWHERE, NULL, &recovered, NULL),
                     ETW_ERROR_NOT_FOUND);
    assert_int_equal(etw_verify(NULL, NULL, NULL, NULL, &verified, NULL),
                     ETW_ERROR_INVALID_ARGUMENT);
    assert_int_equal(etw_recover(NULL, NULL, NOWHERE, NULL, &recovered, NULL),
                     ETW_ERROR_INVALID_ARGUMENT);
}

static void the_version_is_that_of_the_header(void **state)
{
    (void)state;
    char text[32];
    (void)snprintf(text, sizeof text, "%d.%d.%d", ETW_VERSION_MAJOR, ETW_VERSION_MINOR,
                   ETW_VERSION_PATCH);
    assert_string_equal(ETW_VERSION, text);
    assert_string_equal(etw_version(), text);
}

static void results_that_are_no_failures(void **state)
{
    (void)state;
    assert_false(etw_failed(ETW_OK));
    assert_false(etw_failed(ETW_END));
    assert_false(etw_failed(ETW_AGAIN));
    assert_true(etw_failed(ETW_ERROR_INVALID_ARGUMENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_call_leaves_null),
        cmocka_unit_test(nowhere_to_put_the_handle_is_an_error),
        cmocka_unit_test(closing_null_does_nothing),
        cmocka_unit_test(no_os_is_the_real_one),
        cmocka_unit_test(the_version_is_that_of_the_header),
        cmocka_unit_test(results_that_are_no_failures),
    };
    return cmocka_run_group_tests_name("handles", tests, NULL, NULL);
}
