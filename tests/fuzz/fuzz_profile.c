/* Profile files of etw-record: the input is the file. */
#include "recorder/command/profile.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_files files;
    etw_profile profile = {0};
    etw_error error = {0};
    fuzz_files_init(&files, data, size);
    if (etw_profile_read(&files.os, "input", &profile, &error) == ETW_OK) {
        for (int i = 0; i < profile.count; i++) {
            FUZZ_CHECK(strncmp(profile.words[i], "--", 2) == 0);
            (void)fuzz_touch(profile.words[i], strlen(profile.words[i]));
        }
        etw_profile_free(&profile);
    } else {
        FUZZ_CHECK(error.message[0] != '\0');
    }
    return 0;
}
