/* A live recording from end to end, with a stand-in for the session: it delivers its events at
 * once, while TDH or the disk stands still until it has done so. Built with mode=tsan, it shows the
 * races of the whole live path: ETW's thread, the recorder's, encoders, rundown, the stop's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "format/etwcap/reader.h"
#include "recorder/command/jobs.h"
#include "recorder/rundown/rundown_events.h"
#include "recorder/rundown/rundown_job.h"
#include "recorder/session/provider_fields.h"
#include "recorder/session/tdh_source.h"

#define PAYLOAD_BYTES   2048u
#define FITS            13000u /* with its payload 28 MiB: less than the queue has */
#define TOO_MANY        40000u
#define EVENTS_PER_LOSS 1000u
#define PROVIDER        "11111111-2222-3333-4444-555555555555"

/* What happens in a test; one at a time. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint32_t events; /* that the session delivers */
    bool delivered, stopped;
    bool tdh_waits;
    const char *provider;    /* as --provider has it */
    const char *run;         /* as --run has it; NULL: without */
    const char *const *more; /* further words of the command line, NULL at their end; NULL: none */
    bool loses;              /* the session tells of a loss and an anchor now and then */
    etw_provider_options enabled;
} stage = {
    .provider = PROVIDER, .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void raise_flag(bool *flag)
{
    (void)pthread_mutex_lock(&stage.mutex);
    *flag = true;
    (void)pthread_cond_broadcast(&stage.changed);
    (void)pthread_mutex_unlock(&stage.mutex);
}

static void wait_for_flag(const bool *flag)
{
    (void)pthread_mutex_lock(&stage.mutex);
    while (!*flag) {
        (void)pthread_cond_wait(&stage.changed, &stage.mutex);
    }
    (void)pthread_mutex_unlock(&stage.mutex);
}

/* ---- The session, in place of the one that Windows has ---- */

struct etw_session {
    etw_trace trace;
};

static struct etw_session the_session = {
    .trace = {.pointer_size = 8,
              .processor_count = 1,
              .clock = {.type = ETW_CLOCK_SYSTEM_TIME, .frequency_hz = 10000000}}};

etw_status etw_session_open(const etw_session_options *options, etw_session **session,
                            etw_error *error)
{
    (void)error;
    stage.enabled = options->providers[0];
    *session = &the_session;
    return ETW_OK;
}

/* Payloads do not compress: a pipe that nobody reads is soon full. */
static void make_event(uint32_t number, uint64_t *payload, etw_event_record *record)
{
    uint64_t random = number + 1;
    for (uint32_t i = 0; i < PAYLOAD_BYTES / sizeof *payload; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        payload[i] = random ^ random >> 29;
    }
    *record = (etw_event_record){.EventHeader.TimeStamp = 132500000000000000 + number,
                                 .UserData = payload,
                                 .UserDataLength = PAYLOAD_BYTES};
    record->EventHeader.EventDescriptor.Id = (uint16_t)(number % 3);
}

static etw_status tell_loss(const etw_session_sink *sink, int64_t time_100ns)
{
    const etw_loss loss = {.cause = ETW_LOSS_ETW_EVENTS,
                           .events = 1,
                           .from_time_100ns = time_100ns,
                           .to_time_100ns = time_100ns};
    const etw_status status = sink->loss(sink->context, &loss);
    return status == ETW_OK ? sink->anchor(sink->context, time_100ns, time_100ns) : status;
}

etw_status etw_session_pump(etw_session *session, const etw_session_sink *sink, etw_error *error)
{
    (void)session;
    (void)error;
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < stage.events && status == ETW_OK; i++) {
        uint64_t payload[PAYLOAD_BYTES / sizeof(uint64_t)];
        etw_event_record record;
        make_event(i, payload, &record);
        status = sink->event(sink->context, &record);
        if (status == ETW_OK && stage.loses && i % EVENTS_PER_LOSS == EVENTS_PER_LOSS - 1) {
            status = tell_loss(sink, record.EventHeader.TimeStamp);
        }
    }
    raise_flag(&stage.delivered);
    wait_for_flag(&stage.stopped);
    return status;
}

void etw_session_stop(etw_session *session)
{
    (void)session;
    raise_flag(&stage.stopped);
}

void etw_session_close(etw_session *session)
{
    (void)session;
}

const etw_trace *etw_session_trace(const etw_session *session)
{
    return &session->trace;
}

const char *etw_session_name(const etw_session *session)
{
    (void)session;
    return "stand-in";
}

etw_status etw_provider_find(const char *name_or_guid, etw_guid *id, etw_error *error)
{
    return etw_guid_parse(name_or_guid, id) ? ETW_OK
                                            : etw_error_set(error, ETW_ERROR_NOT_FOUND, "no GUID");
}

etw_status etw_provider_fields(const etw_guid *provider, etw_provider_field field,
                               etw_provider_field_visit visit, void *context, etw_error *error)
{
    (void)provider;
    (void)error;
    assert_int_equal(field, ETW_PROVIDER_KEYWORDS);
    visit(context, 0x1, "Query", "");
    visit(context, 0x2, "QueryName", "");
    visit(context, 0x4, "Cache", "");
    return ETW_OK;
}

/* What the recorder links and these tests do not use. */
static etw_status unused(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_UNSUPPORTED, "not in these tests");
}

etw_status etw_session_process(etw_session *session, etw_event_callback callback, void *context,
                               etw_error *error)
{
    (void)session;
    (void)callback;
    (void)context;
    return unused(error);
}

etw_status etw_session_next(etw_session *session, uint32_t timeout_ms, const etw_event **event,
                            etw_error *error)
{
    (void)session;
    (void)timeout_ms;
    (void)event;
    return unused(error);
}

etw_status etw_session_update(etw_session *session, const etw_provider_options *provider,
                              etw_error *error)
{
    (void)session;
    (void)provider;
    return unused(error);
}

void etw_session_get_losses(const etw_session *session, etw_session_losses *losses)
{
    (void)session;
    *losses = (etw_session_losses){0};
}

const char *etw_session_fixed_name(const etw_session_options *options)
{
    return options->name;
}

etw_status etw_session_kill(const char *name, etw_error *error)
{
    (void)name;
    return unused(error);
}

etw_status etw_session_list(etw_session_visit visit, void *context, etw_error *error)
{
    (void)visit;
    (void)context;
    return unused(error);
}

etw_status etw_session_reclaim(uint32_t *stopped, etw_error *error)
{
    *stopped = 0;
    return unused(error);
}

etw_status etw_provider_list(const char *name_part, etw_provider_visit visit, void *context,
                             etw_error *error)
{
    (void)name_part;
    (void)visit;
    (void)context;
    return unused(error);
}

/* ---- The host ---- */

etw_status etw_host_rundown(etw_rundown_sink *sink, etw_error *error)
{
    (void)error;
    const etw_rundown_process_facts process = {
        .process_id = 42, .name = "a.exe", .command_line = "", .start_key = 7};
    etw_rundown_events_process(sink->events, &process);
    sink->gaps = (etw_rundown_gaps){.processes = 1};
    return ETW_OK;
}

/* ---- TDH ---- */

static etw_status ask_tdh(etw_schema_source *self, etw_schema_store *store,
                          const etw_event_record *record, uint32_t pointer_size,
                          const etw_schema **schema, etw_error *error)
{
    (void)self;
    (void)store;
    (void)record;
    (void)pointer_size;
    (void)error;
    *schema = NULL;
    if (stage.tdh_waits) {
        wait_for_flag(&stage.delivered);
    }
    return ETW_OK;
}

static void free_tdh(etw_schema_source *self)
{
    free(self);
}

etw_schema_source *etw_tdh_source_new(void)
{
    etw_schema_source *source = malloc(sizeof *source);
    assert_non_null(source);
    *source = (etw_schema_source){.name = "TDH", .find = ask_tdh, .free = free_tdh};
    return source;
}

/* ---- The disk: a pipe that is read once the session has delivered its events ---- */

typedef struct slow_disk {
    int pipe[2];
    int stdout_before;
    FILE *file;
    pthread_t thread;
} slow_disk;

static void *read_late(void *context)
{
    const slow_disk *disk = context;
    char bytes[4096];
    wait_for_flag(&stage.delivered);
    for (ssize_t got; (got = read(disk->pipe[0], bytes, sizeof bytes)) > 0;) {
        (void)fwrite(bytes, 1, (size_t)got, disk->file);
    }
    return NULL;
}

static void begin_slow_disk(slow_disk *disk, const char *path)
{
    assert_int_equal(pipe(disk->pipe), 0);
    disk->file = fopen(path, "wb");
    assert_non_null(disk->file);
    (void)fflush(stdout);
    disk->stdout_before = dup(STDOUT_FILENO);
    assert_true(dup2(disk->pipe[1], STDOUT_FILENO) >= 0);
    (void)close(disk->pipe[1]);
    assert_int_equal(pthread_create(&disk->thread, NULL, read_late, disk), 0);
}

static void end_slow_disk(slow_disk *disk)
{
    assert_true(dup2(disk->stdout_before, STDOUT_FILENO) >= 0);
    (void)close(disk->stdout_before);
    assert_int_equal(pthread_join(disk->thread, NULL), 0);
    (void)close(disk->pipe[0]);
    assert_int_equal(fclose(disk->file), 0);
}

/* ---- What was recorded ---- */

#define MAX_WORDS 16u

/* A user's wishes while a recording runs. */
static etw_stop_signal the_signal;

/* With one provider and no summary; ends once most events were received. */
static int record_all(uint32_t events, uint32_t most, const char *output)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%u", (unsigned)most);
    char *words[MAX_WORDS + 1] = {"etw-record",
                                  "-p",
                                  (char *)(uintptr_t)stage.provider,
                                  "-q",
                                  "-o",
                                  (char *)(uintptr_t)output,
                                  "-f",
                                  "--max-events",
                                  number,
                                  "--run",
                                  (char *)(uintptr_t)stage.run};
    int count = stage.run == NULL ? 9 : 11;
    for (size_t i = 0; stage.more != NULL && stage.more[i] != NULL; i++) {
        assert_in_range(count, 0, MAX_WORDS - 1);
        words[count++] = (char *)(uintptr_t)stage.more[i];
    }
    etw_record_arguments arguments;
    etw_text text = {0};
    etw_error error = {0};
    stage.events = events;
    assert_int_equal(etw_record_arguments_parse(count, words, &arguments, &text, &error), ETW_OK);
    const int status = etw_record_live(&arguments, &the_signal);
    etw_record_arguments_free(&arguments);
    return status;
}

static int record(uint32_t events, const char *output)
{
    return record_all(events, events, output);
}

typedef struct content {
    uint32_t events;
    uint64_t lost;
    bool in_order;
} content;

static content read_back(const char *path)
{
    content found = {.in_order = true};
    etw_source *source = NULL;
    etw_item item;
    int64_t before = 0;
    assert_int_equal(etw_reader_open(etw_os_default(), path, NULL, &source, NULL), ETW_OK);
    while (etw_source_next(source, &item, NULL) == ETW_OK) {
        if (item.kind == ETW_ITEM_LOSS) {
            found.lost += item.loss->events;
            continue;
        }
        if (item.record->BufferContext.LoggerId == ETW_RUNDOWN_LOGGER_ID) {
            continue;
        }
        found.events++;
        found.in_order &= item.record->EventHeader.TimeStamp > before;
        before = item.record->EventHeader.TimeStamp;
    }
    etw_source_close(source);
    return found;
}

static const char path[] = "live-recording-test.etwcap";

static int clean(void **state)
{
    (void)state;
    (void)remove(path);
    stage.provider = PROVIDER;
    stage.run = NULL;
    stage.more = NULL;
    stage.loses = false;
    the_signal = (etw_stop_signal){0};
    stage.tdh_waits = stage.delivered = stage.stopped = false;
    return 0;
}

static void a_slow_look_up_loses_nothing_that_fits_the_queue(void **state)
{
    (void)state;
    stage.tdh_waits = true;
    assert_int_equal(record(FITS, path), 0);
    const content found = read_back(path);
    assert_int_equal(found.events, FITS);
    assert_int_equal(found.lost, 0);
    assert_true(found.in_order);
}

static int record_to_slow_disk(uint32_t events)
{
    slow_disk disk;
    begin_slow_disk(&disk, path);
    const int status = record(events, "-");
    end_slow_disk(&disk);
    return status;
}

static void a_slow_disk_loses_nothing_that_fits_the_queue(void **state)
{
    (void)state;
    assert_int_equal(record_to_slow_disk(FITS), 0);
    const content found = read_back(path);
    assert_int_equal(found.events, FITS);
    assert_int_equal(found.lost, 0);
    assert_true(found.in_order);
}

static void what_does_not_fit_the_queue_is_counted_in_its_place(void **state)
{
    (void)state;
    assert_int_equal(record_to_slow_disk(TOO_MANY), 3);
    const content found = read_back(path);
    assert_true(found.lost > 0);
    assert_int_equal(found.events + found.lost, TOO_MANY);
    assert_true(found.in_order);
}

static void keywords_are_enabled_by_their_names(void **state)
{
    (void)state;
    stage.provider = PROVIDER ":verbose:Query+cache:0x8";
    assert_int_equal(record(1, path), 0);
    assert_int_equal(stage.enabled.level, 5);
    assert_int_equal(stage.enabled.any_keyword, 0x5);
    assert_int_equal(stage.enabled.all_keyword, 0x8);
    stage.provider = PROVIDER ":verbose:Quer";
    assert_int_equal(record(1, path), 1);
}

/* More events are allowed than come: it is the command that ends these recordings. */
static void a_recording_ends_with_its_command(void **state)
{
    (void)state;
    stage.run = "true";
    assert_int_equal(record_all(FITS, 2 * FITS, path), 0);
    assert_int_equal(read_back(path).events, FITS);
    stage.stopped = false;
    stage.run = "exit 7";
    assert_int_equal(record_all(1, 2, path), 1);
}

/* Gives what restore_stdout takes. */
static int silence_stdout(void)
{
    (void)fflush(stdout);
    const int before = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY);
    assert_true(dup2(nowhere, STDOUT_FILENO) >= 0);
    (void)close(nowhere);
    return before;
}

static void restore_stdout(int before)
{
    (void)fflush(stdout);
    assert_true(dup2(before, STDOUT_FILENO) >= 0);
    (void)close(before);
}

/* Takes away NAME-0001.etwcap, ... and tells how many there were. */
static uint32_t remove_segments(void)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i < 20; i++) {
        char segment[64];
        (void)snprintf(segment, sizeof segment, "live-recording-test-%04u.etwcap", (unsigned)i);
        count += remove(segment) == 0;
    }
    return count;
}

/* Rotation, a ring, a command for each segment, the rundown of each, losses, and all of it printed.
 */
static void segments_prints_and_rundowns_go_on_beside_each_other(void **state)
{
    (void)state;
    static const char *const more[] = {"--rotate-size", "1M",   "--ring",  "3",
                                       "--on-segment",  "true", "--print", NULL};
    stage.more = more;
    stage.loses = true;
    const int before = silence_stdout();
    const int status = record_all(FITS, FITS, path);
    restore_stdout(before);
    assert_int_equal(status, 3); /* for the losses */
    /* How many there were depends on how far the encoders were behind. */
    assert_in_range(remove_segments(), 2, 3);
}

/* What a user asks for from a thread of his own: a dump whenever one was written, and then the end.
 */
static void *ask_for_dumps(void *context)
{
    (void)context;
    for (int i = 0; i < 3; i++) {
        atomic_store(&the_signal.dump, true);
        for (int k = 0; k < 60000 && atomic_load(&the_signal.dump); k++) {
            (void)usleep(1000);
        }
    }
    atomic_store(&the_signal.stop, true);
    return NULL;
}

static void a_flight_recorder_dumps_while_events_come(void **state)
{
    (void)state;
    static const char *const more[] = {"--flight", "2M", NULL};
    pthread_t user;
    stage.more = more;
    assert_int_equal(pthread_create(&user, NULL, ask_for_dumps, NULL), 0);
    assert_int_equal(record_all(FITS, 2 * FITS, path), 0);
    assert_int_equal(pthread_join(user, NULL), 0);
    assert_int_equal(remove_segments(), 4); /* three that were asked for, and the last */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_slow_look_up_loses_nothing_that_fits_the_queue, clean),
        cmocka_unit_test_teardown(a_slow_disk_loses_nothing_that_fits_the_queue, clean),
        cmocka_unit_test_teardown(keywords_are_enabled_by_their_names, clean),
        cmocka_unit_test_teardown(a_recording_ends_with_its_command, clean),
        cmocka_unit_test_teardown(segments_prints_and_rundowns_go_on_beside_each_other, clean),
        cmocka_unit_test_teardown(a_flight_recorder_dumps_while_events_come, clean),
        cmocka_unit_test_teardown(what_does_not_fit_the_queue_is_counted_in_its_place, clean),
    };
    return cmocka_run_group_tests_name("live recording", tests, NULL, NULL);
}
