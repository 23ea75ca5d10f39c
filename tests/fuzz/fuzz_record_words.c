/* The command line of etw-record: the input's lines are the words. */
#include "recorder/command/arguments.h"
#include "tests/fuzz/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_words words;
    etw_record_arguments arguments;
    etw_error error = {0};
    etw_text text = {0};
    fuzz_words_init(&words, "etw-record", data, size);
    const etw_status status =
        etw_record_arguments_parse(words.count, words.words, &arguments, &text, &error);
    if (status == ETW_OK) {
        etw_record_arguments_free(&arguments);
    } else {
        FUZZ_CHECK(status == ETW_END || error.message[0] != '\0');
    }
    etw_text_free(&text);
    fuzz_words_free(&words);
    return 0;
}
