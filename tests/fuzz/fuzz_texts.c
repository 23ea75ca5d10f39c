/* Times, GUIDs, sizes, durations and numbers as users write them: the first byte is the relative
 * time's start, the rest the text. What is read and written again must read the same. */
#include "format/base/quantities.h"
#include "format/event/clock.h"
#include "replay/command/arguments.h"
#include "tests/fuzz/fuzz.h"

static void try_times(const char *text, int64_t start_100ns)
{
    int64_t time_100ns = 0;
    int64_t again_100ns = 0;
    (void)etw_replay_time_parse(text, start_100ns, &time_100ns);
    if (etw_time_parse(text, &time_100ns)) {
        etw_text written = {0};
        etw_text_append_time(&written, time_100ns);
        FUZZ_CHECK(!etw_time_parse(etw_text_z(&written), &again_100ns) ||
                   again_100ns == time_100ns);
        etw_text_free(&written);
    }
}

static void try_guid(const char *text)
{
    etw_guid id, again;
    if (etw_guid_parse(text, &id)) {
        etw_text written = {0};
        etw_text_append_guid(&written, &id);
        FUZZ_CHECK(etw_guid_parse(etw_text_z(&written), &again));
        FUZZ_CHECK(memcmp(&id, &again, sizeof id) == 0);
        etw_text_free(&written);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    char *text = (char *)fuzz_copy(data, size);
    memmove(text, text + 1, size - 1);
    text[size - 1] = '\0';
    uint64_t number;
    try_times(text, data[0] < 128 ? (int64_t)data[0] << 50 : INT64_MAX - data[0]);
    try_guid(text);
    (void)etw_parse_size(text, &number);
    (void)etw_parse_duration(text, &number);
    (void)etw_parse_number(text, &number);
    free(text);
    return 0;
}
