/* The decoder of events blocks: the input is the body of one. Sections are mutated as they are when
 * expanded; see blocks.h. Leaving parts out must not change the rest. */
#include "format/etwcap/codec/codec.h"
#include "tests/fuzz/blocks.h"

static etw_decoder *new_decoder(void)
{
    etw_decoder *decoder = etw_decoder_new();
    FUZZ_CHECK(decoder != NULL);
    return decoder;
}

static void decode(etw_decoder *decoder, etw_bytes body, uint32_t parts, bool *good,
                   uint64_t *headers)
{
    uint32_t count = 0;
    etw_error error = {0};
    *good = etw_decoder_decode(decoder, body, parts, &count, &error) == ETW_OK;
    FUZZ_CHECK(*good || (count == 0 && error.status == ETW_ERROR_DAMAGED));
    FUZZ_CHECK(count <= ETW_BATCH_MAX_EVENTS);
    *headers = count;
    for (uint32_t i = 0; i < count; i++) {
        etw_item item;
        etw_decoder_item(decoder, i, &item);
        (void)fuzz_touch_record(item.record);
        const etw_event_header *header = &item.record->EventHeader;
        *headers = *headers * 31 + (uint64_t)header->TimeStamp + header->ProcessId;
    }
}

/* What the kinds alone tell must be what decoding tells. */
static void decode_kinds(etw_decoder *decoder, etw_bytes body, bool is_good)
{
    const uint32_t count = body.size < 4 ? 0 : etw_load_u32(body.data);
    uint32_t kinds = 0;
    uint64_t events = 0;
    etw_error error = {0};
    const bool has_kinds =
        etw_decoder_decode_kinds(decoder, body, count, &kinds, &error) == ETW_OK &&
        etw_decoder_count_kinds(decoder, &error) == ETW_OK;
    for (uint32_t i = 0; has_kinds && i < kinds; i++) {
        etw_item item;
        etw_decoder_kind(decoder, i, &item);
        events += etw_decoder_kind_events(decoder, i);
    }
    FUZZ_CHECK(has_kinds ? events == count : error.status == ETW_ERROR_DAMAGED);
    FUZZ_CHECK(!is_good || has_kinds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static etw_decoder *decoder; /* kept: what one body leaves behind must not harm the next */
    uint8_t *copy = fuzz_copy(data, size);
    const etw_bytes body = {copy, size};
    bool all_good, few_good;
    uint64_t all, few;
    if (decoder == NULL) {
        decoder = new_decoder();
    }
    decode(decoder, body, ETW_DECODE_ALL, &all_good, &all);
    decode(decoder, body, 0, &few_good, &few);
    FUZZ_CHECK(!all_good || (few_good && all == few));
    decode_kinds(decoder, body, all_good);
    free(copy);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    etw_text mutated = {0};
    if (fuzz_next_random(&seed) % 8 != 0 &&
        fuzz_mutate_events((etw_bytes){data, size}, &mutated, &seed) && mutated.size <= max_size) {
        memcpy(data, mutated.data, mutated.size);
        size = mutated.size;
    } else {
        size = LLVMFuzzerMutate(data, size, max_size);
    }
    etw_text_free(&mutated);
    return size;
}
