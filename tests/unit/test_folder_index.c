/* The index of a folder of schemas: no file is opened twice that is as it was, and none is believed
 * that is not. */
#include "format/schema/folder_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/faulty_os.h"

#define FILES    80u
#define LONG_AGO (INT64_C(131000000) * 1000000000)
#define MANIFEST                                                                                   \
    "<instrumentationManifest><instrumentation><events><provider name=\"P%u\" "                    \
    "guid=\"{00000000-0000-0000-0000-0000000000%02x}\"><events><event value=\"1\"/>"               \
    "</events></provider></events></instrumentation></instrumentationManifest>"

typedef struct fixture {
    faulty_os *files;
    etw_os os;
    etw_text notes;
} fixture;

static int64_t modified_100ns[FILES];

static void path_of(uint32_t number, char path[32])
{
    (void)snprintf(path, 32, "mem:f/%02u.%s", number, number % 4 == 0 ? "man" : "dll");
}

static int state_of(void *context, const char *path, etw_file_state *state)
{
    const uint32_t number = (uint32_t)strtoul(path + 6, NULL, 10);
    *state = (etw_file_state){.identity = {1, number},
                              .size_bytes = faulty_os_get(context, path + 4).size,
                              .modified_100ns = modified_100ns[number]};
    return 0;
}

static void put(const fixture *self, uint32_t number, const char *text)
{
    char path[32];
    path_of(number, path);
    assert_true(
        faulty_os_put(self->files, path + 4, (etw_bytes){(const uint8_t *)text, strlen(text)}));
}

static int64_t now(void *context)
{
    (void)context;
    return LONG_AGO + 1000 * INT64_C(10000000);
}

static int set_up(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return -1;
    }
#ifdef _WIN32
    (void)_putenv_s("LOCALAPPDATA", "mem:cache");
#else
    (void)setenv("XDG_CACHE_HOME", "mem:cache", 1);
#endif
    self->files = faulty_os_new();
    self->os = *faulty_os_table(self->files);
    self->os.state = state_of;
    self->os.filetime_now = now;
    for (uint32_t i = 0; i < FILES; i++) {
        char text[400];
        (void)snprintf(text, sizeof text,
                       i == 8       ? "<broken"
                       : i % 4 == 0 ? MANIFEST
                                    : "no schemas",
                       i, i);
        put(self, i, text);
        modified_100ns[i] = LONG_AGO;
    }
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    fixture *self = *state;
    const uint32_t open_files = faulty_os_open_files(self->files);
    faulty_os_free(self->files);
    etw_text_free(&self->notes);
    free(self);
    return open_files == 0 ? 0 : -1;
}

static void take_note(void *context, const char *message)
{
    etw_text_append_z(context, message);
}

/* Searches the folder: each file's status, checked against what it is; the names it tells. */
static uint64_t search(fixture *self, uint32_t broken, uint32_t names)
{
    etw_schema_store *store = etw_schema_store_new();
    const etw_schema_file_options options = {.os = &self->os, .any_file = true};
    uint32_t bad = 0, seen = 0;
    etw_text_clear(&self->notes);
    faulty_os_reset_calls(self->files);
    etw_folder_index *index = etw_folder_index_new(&self->os, "mem:f");
    assert_non_null(index);
    for (uint32_t i = 0; i < FILES; i++) {
        char path[32];
        etw_schema_file *file;
        etw_error error = {0};
        path_of(i, path);
        const etw_status status =
            etw_folder_index_open_file(index, path, &options, store, &file, &error);
        bad += status == ETW_ERROR_DAMAGED;
        assert_true(status != ETW_ERROR_DAMAGED || strncmp(error.message, path, strlen(path)) == 0);
        assert_true(status == ETW_OK || status == ETW_ERROR_DAMAGED ||
                    (status == ETW_ERROR_NOT_THIS && i % 4 != 0));
        etw_schema_file_free(file);
    }
    for (const etw_guid *guid; seen < FILES; seen++) {
        const char *name;
        if (!etw_schema_store_provider_at(store, seen, &guid, &name)) {
            break;
        }
        assert_int_equal(name[0], 'P');
    }
    etw_folder_index_finish(index, take_note, &self->notes);
    etw_schema_store_free(store);
    assert_int_equal(bad, broken);
    assert_int_equal(seen, names);
    return faulty_os_calls(self->files, FAULTY_OPEN);
}

static void what_is_as_it_was_is_not_opened_again(void **state)
{
    fixture *self = *state;
    assert_true(search(self, 1, 19) >= FILES);
    assert_int_equal(search(self, 1, 19), 1); /* the index */
    assert_int_equal(search(self, 1, 19), 1);
    assert_int_equal(self->notes.size, 0);
}

static void what_changed_is_looked_at_again(void **state)
{
    fixture *self = *state;
    (void)search(self, 1, 19);
    put(self, 4, "<broken");
    modified_100ns[4]++;
    assert_int_equal(search(self, 2, 18), 3); /* the index, the file, the new index */
    assert_int_equal(search(self, 2, 18), 1);
    put(self, 4, "<brokem"); /* the clock had not ticked: the same size and time */
    assert_int_equal(search(self, 2, 18), 1);
}

static void what_changed_a_moment_ago_is_not_kept(void **state)
{
    fixture *self = *state;
    modified_100ns[4] = now(NULL);
    (void)search(self, 1, 19);
    assert_int_equal(search(self, 1, 19), 3);
    modified_100ns[4] = LONG_AGO;
    (void)search(self, 1, 19);
    assert_int_equal(search(self, 1, 19), 1);
}

/* What is asked of a file that was not opened is what the opened one gives. */
static void a_known_file_gives_its_manifests(void **state)
{
    fixture *self = *state;
    (void)search(self, 1, 19);
    etw_schema_store *store = etw_schema_store_new();
    const etw_schema_file_options options = {.os = &self->os, .any_file = true};
    etw_folder_index *index = etw_folder_index_new(&self->os, "mem:f");
    etw_schema_file *file;
    etw_manifest_set *set = NULL;
    const etw_event_record record = {
        .EventHeader = {.ProviderId = {.Data4 = {[7] = 12}}, .EventDescriptor = {.Id = 1}}};
    const etw_schema *schema = NULL;
    faulty_os_reset_calls(self->files);
    assert_int_equal(
        etw_folder_index_open_file(index, "mem:f/12.man", &options, store, &file, NULL), ETW_OK);
    assert_int_equal(faulty_os_calls(self->files, FAULTY_OPEN), 1);
    assert_int_equal(etw_schema_file_set(file, store, &set, NULL), ETW_OK);
    assert_int_equal(etw_manifest_set_find(set, store, &record, 8, &schema, NULL), ETW_OK);
    assert_non_null(schema);
    etw_schema_file_free(file);
    etw_folder_index_finish(index, NULL, NULL);
    etw_schema_store_free(store);
}

static const char *index_name(const fixture *self)
{
    static char name[64];
    for (uint32_t i = 0; i < ETW_FOLDER_INDEX_SLOTS; i++) {
        (void)snprintf(name, sizeof name, "cache/etwcap/schemas-%u.index", i);
        if (faulty_os_get(self->files, name).data != NULL) {
            return name;
        }
    }
    return NULL;
}

static void a_damaged_index_is_told_and_made_anew(void **state)
{
    fixture *self = *state;
    (void)search(self, 1, 19);
    const char *name = index_name(self);
    assert_non_null(name);
    const etw_bytes whole = faulty_os_get(self->files, name);
    uint8_t *copy = malloc(whole.size);
    assert_non_null(copy);
    memcpy(copy, whole.data, whole.size);
    for (size_t at = 0; at < whole.size; at += whole.size / 40) {
        copy[at] ^= 1;
        assert_true(faulty_os_put(self->files, name, (etw_bytes){copy, whole.size}));
        assert_true(search(self, 1, 19) > FILES);
        assert_non_null(strstr(etw_text_z(&self->notes), "is damaged"));
        copy[at] ^= 1;
        assert_int_equal(search(self, 1, 19), 1);
        assert_true(faulty_os_put(self->files, name, (etw_bytes){copy, at}));
        assert_true(search(self, 1, 19) > FILES);
        assert_int_equal(search(self, 1, 19), 1);
    }
    free(copy);
}

static void a_cache_that_cannot_be_written_costs_nothing_else(void **state)
{
    fixture *self = *state;
    const faulty_faults faults = {.fail_at = {[FAULTY_WRITE] = 1}, .keep_failing = true};
    faulty_os_set(self->files, &faults);
    (void)search(self, 1, 19);
    assert_non_null(strstr(etw_text_z(&self->notes), "without the index of a folder of schemas"));
    assert_null(index_name(self));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_as_it_was_is_not_opened_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_changed_is_looked_at_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_changed_a_moment_ago_is_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_known_file_gives_its_manifests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_index_is_told_and_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cache_that_cannot_be_written_costs_nothing_else, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("folder index", tests, NULL, NULL);
}
