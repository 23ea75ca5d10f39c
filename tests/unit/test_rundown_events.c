/* The rundown as events: what the recorder makes of a host, a replay's state reads as the kernel's
 * own. And what is read of an image's file for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "recorder/rundown/identity_cache.h"
#include "recorder/rundown/rundown_events.h"
#include "replay/query/state.h"

static const uint8_t system_sid[] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};
static const etw_pe_identity identity = {.time_date_stamp = 0x5F000001,
                                         .size_of_image = 0x3000,
                                         .checksum = 77,
                                         .has_pdb = true,
                                         .pdb_guid = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}},
                                         .pdb_age = 3,
                                         .pdb_name = "a.pdb",
                                         .has_version = true,
                                         .file_version = {10, 0, 19041, 1}};

static void append_host(etw_buffer *events, const char *command_line)
{
    const etw_rundown_process_facts process = {.process_id = 42,
                                               .parent_id = 4,
                                               .session_id = 1,
                                               .sid = {system_sid, sizeof system_sid},
                                               .name = "a.exe",
                                               .command_line = command_line};
    const etw_rundown_image_facts image = {42, 0x7FF000000000, 0x3000, "C:\\x\\a.dll", &identity};
    const etw_rundown_image_facts unread = {42, 0x7FF100000000, 0x1000, "C:\\x\\b.dll", NULL};
    etw_rundown_events_process(events, &process);
    etw_rundown_events_image(events, &image);
    etw_rundown_events_image(events, &unread);
    assert_false(events->failed);
}

static etw_state *state_of(const etw_buffer *events, uint32_t *count)
{
    const etw_trace trace = {.clock = {.type = ETW_CLOCK_SYSTEM_TIME, .frequency_hz = 10000000},
                             .pointer_size = 8};
    etw_state *state = etw_state_new();
    etw_bytes left = etw_buffer_bytes(events);
    etw_rundown_event event;
    assert_non_null(state);
    for (*count = 0; etw_rundown_events_next(&left, &event); (*count)++) {
        event.record.EventHeader.TimeStamp = INT64_C(132000000000000000);
        assert_true(etw_state_feed(state, &event.record, &trace));
    }
    assert_int_equal(left.size, 0);
    return state;
}

static void a_state_reads_them_as_the_kernels(void **unused)
{
    (void)unused;
    etw_buffer events = {0};
    uint32_t count;
    append_host(&events, "a.exe -x \xC3\xBC \xF0\x9F\x98\x80");
    etw_state *state = state_of(&events, &count);
    assert_int_equal(count, 5); /* the process, two images, RSDS, the version */
    const etw_state_process *process = etw_state_first_process(state);
    assert_non_null(process);
    assert_int_equal(process->process_id, 42);
    assert_int_equal(process->parent_id, 4);
    assert_int_equal(process->session_id, 1);
    assert_string_equal(process->name, "a.exe");
    assert_string_equal(process->command_line, "a.exe -x \xC3\xBC \xF0\x9F\x98\x80");
    assert_string_equal(process->user, "S-1-5-18");
    const etw_state_image *image = etw_state_first_image(state);
    assert_non_null(image);
    assert_string_equal(image->path, "C:\\x\\a.dll");
    assert_int_equal(image->size, 0x3000);
    assert_int_equal(image->time_date_stamp, 0x5F000001);
    assert_int_equal(image->checksum, 77);
    assert_string_equal(image->pdb_name, "a.pdb");
    assert_true(etw_guid_equal(&image->pdb_guid, &identity.pdb_guid));
    assert_int_equal(image->pdb_age, 3);
    assert_non_null(image->next);
    assert_string_equal(image->next->pdb_name, "");
    etw_state_free(state);
    etw_buffer_free(&events);
}

static void services_and_start_keys_are_those_of_their_process(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t process_id;
        const char *name;
    } services[] = {{42, "Dnscache"}, {43, "Other"}, {42, "NlaSvc"}, {42, "Dnscache"}};
    etw_buffer events = {0};
    uint32_t count;
    for (uint32_t id = 42; id <= 43; id++) {
        const etw_rundown_process_facts facts = {.process_id = id,
                                                 .name = "svchost.exe",
                                                 .command_line = "",
                                                 .start_key = id == 42 ? 0x1234567890ABCDEF : 0};
        etw_rundown_events_process(&events, &facts);
    }
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        const etw_rundown_service_facts facts = {services[i].process_id, 4, services[i].name, ""};
        etw_rundown_events_service(&events, &facts);
    }
    etw_state *state = state_of(&events, &count);
    assert_int_equal(count, 6);
    const etw_state_process *process = etw_state_first_process(state);
    assert_string_equal(process->services, "Dnscache,NlaSvc");
    assert_int_equal(process->start_key, 0x1234567890ABCDEF);
    assert_string_equal(process->next->services, "Other");
    assert_int_equal(process->next->start_key, 0);
    etw_state_free(state);
    etw_buffer_free(&events);
}

static void a_long_command_line_is_cut_to_a_record(void **unused)
{
    (void)unused;
    static char line[70000];
    etw_buffer events = {0};
    uint32_t count;
    memset(line, 'x', sizeof line - 1);
    append_host(&events, line);
    etw_state *state = state_of(&events, &count);
    assert_int_equal(count, 5);
    const size_t kept = strlen(etw_state_first_process(state)->command_line);
    assert_true(kept >= 16000 && kept < 32000);
    etw_state_free(state);
    etw_buffer_free(&events);
}

static void broken_runs_end(void **unused)
{
    (void)unused;
    static const uint8_t wrong[][8] = {{9, 0, 0, 0},
                                       {5, 0, 4, 0, 1},
                                       {0, 1, 0, 0, 1},
                                       {0, 0, 200, 0, 1, 2, 3, 4},
                                       {0, 0, 0xFF, 0xFF, 1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        etw_bytes left = {wrong[i], sizeof wrong[i]};
        etw_rundown_event event;
        assert_false(etw_rundown_events_next(&left, &event));
    }
}

/* ---- Files ---- */

static void store_u32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, sizeof value);
}

/* A PE file of 64 bits with one section at 0x1000, 0x400 in the file: a debug directory whose
 * second entry is CodeView. */
static size_t make_pe(uint8_t file[0x600])
{
    static const char rsds[] = "RSDS\1\0\0\0\2\0\3\0\4\5\6\7\x8\x9\xA\xB\3\0\0\0C:\\build\\a.pdb";
    memset(file, 0, 0x600);
    memcpy(file, "MZ", 2);
    store_u32(file + 0x3C, 0x80);
    uint8_t *coff = file + 0x80;
    memcpy(coff, "PE\0\0\x64\x86\1", 7);
    store_u32(coff + 8, 0x5F000001);
    store_u32(coff + 20, 240); /* size of the optional header */
    uint8_t *optional = coff + 24;
    store_u32(optional, 0x20B);
    store_u32(optional + 56, 0x3000);
    store_u32(optional + 64, 77);
    store_u32(optional + 108, 16);
    store_u32(optional + 112 + 6 * 8, 0x1000);
    store_u32(optional + 112 + 6 * 8 + 4, 56);
    uint8_t *section = optional + 240;
    store_u32(section + 8, 0x200);
    store_u32(section + 12, 0x1000);
    store_u32(section + 16, 0x200);
    store_u32(section + 20, 0x400);
    uint8_t *debug = file + 0x400;
    store_u32(debug + 12, 16);
    store_u32(debug + 28 + 12, 2);
    store_u32(debug + 28 + 16, sizeof rsds);
    store_u32(debug + 28 + 24, 0x480);
    memcpy(file + 0x480, rsds, sizeof rsds);
    return 0x600;
}

static void write_file(const etw_os *os, const char *path, const uint8_t *bytes, size_t size)
{
    const int file = os->open(os->context, path, ETW_OPEN_REPLACE);
    assert_true(file >= 0);
    assert_int_equal(os->write(os->context, file, bytes, size), size);
    assert_int_equal(os->close(os->context, file), 0);
}

static void a_files_identity_is_read_once(void **unused)
{
    (void)unused;
    uint8_t bytes[0x600];
    const etw_os *os = etw_os_default();
    const char *path = "test_rundown_events.tmp";
    write_file(os, path, bytes, make_pe(bytes));
    etw_identity_cache *cache = etw_identity_cache_new();
    assert_non_null(cache);
    const etw_pe_identity *got = etw_identity_of(cache, os, path);
    assert_non_null(got);
    assert_int_equal(got->time_date_stamp, 0x5F000001);
    assert_int_equal(got->size_of_image, 0x3000);
    assert_int_equal(got->checksum, 77);
    assert_true(got->has_pdb);
    assert_true(etw_guid_equal(&got->pdb_guid, &identity.pdb_guid));
    assert_int_equal(got->pdb_age, 3);
    assert_string_equal(got->pdb_name, "C:\\build\\a.pdb");
    assert_false(got->has_version);
    assert_int_equal(os->remove(os->context, path), 0);
    assert_ptr_equal(etw_identity_of(cache, os, path), got);
    assert_null(etw_identity_of(cache, os, "missing.tmp"));
    etw_identity_cache_free(cache);
}

/* Each cut and each flipped byte gives an answer, and reads nothing outside. */
static void damaged_files_are_harmless(void **unused)
{
    (void)unused;
    uint8_t bytes[0x600];
    const etw_os *os = etw_os_default();
    const char *path = "test_rundown_events.tmp";
    const size_t size = make_pe(bytes);
    for (size_t at = 0; at < size; at += at < 0x1C0 ? 7 : 61) {
        etw_pe_identity got;
        uint8_t broken[0x600];
        memcpy(broken, bytes, size);
        broken[at] ^= 0xFF;
        write_file(os, path, broken, at % 2 == 0 ? size : at);
        const int file = os->open(os->context, path, ETW_OPEN_READ);
        const etw_status status = etw_pe_identity_read(os, file, &got, NULL);
        assert_true(status == ETW_OK || status == ETW_ERROR_NOT_THIS ||
                    status == ETW_ERROR_DAMAGED);
        assert_true(strlen(got.pdb_name) < sizeof got.pdb_name);
        (void)os->close(os->context, file);
    }
    (void)os->remove(os->context, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_reads_them_as_the_kernels),
        cmocka_unit_test(services_and_start_keys_are_those_of_their_process),
        cmocka_unit_test(a_long_command_line_is_cut_to_a_record),
        cmocka_unit_test(broken_runs_end),
        cmocka_unit_test(a_files_identity_is_read_once),
        cmocka_unit_test(damaged_files_are_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
