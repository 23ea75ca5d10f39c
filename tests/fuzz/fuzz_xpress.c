/* The LZ77 decoder: the first byte is the size of the windows, the rest the compressed stream.
 * Decoding in windows must give what decoding at once gives; what was decoded is encoded, and must
 * decode to itself. */
#include "format/etl/xpress.h"
#include "format/etl/xpress_write.h"
#include "tests/fuzz/fuzz.h"

#define MAX_OUT ((size_t)256 << 10)

/* Decodes with limits that grow by step, as a reader does that unpacks into a window. */
static etw_xpress_result decode(etw_bytes input, size_t step, uint8_t *out, size_t *out_size)
{
    etw_xpress stream = {0};
    etw_xpress_result result = ETW_XPRESS_FULL;
    *out_size = 0;
    while (result == ETW_XPRESS_FULL && *out_size < MAX_OUT) {
        size_t used = 0;
        const size_t limit = MAX_OUT - *out_size < step ? MAX_OUT : *out_size + step;
        result = etw_xpress_decode(&stream, input, &used, out, out_size, limit);
        FUZZ_CHECK(used <= input.size);
        FUZZ_CHECK(*out_size <= limit);
        FUZZ_CHECK(result != ETW_XPRESS_FULL || *out_size == limit);
        input.data += used;
        input.size -= used;
    }
    return result;
}

static void encode(const uint8_t *data, size_t size)
{
    etw_buffer stream = {0};
    uint8_t *again = malloc(MAX_OUT);
    size_t again_size = 0;
    size_t used;
    etw_xpress state = {0};
    FUZZ_CHECK(again != NULL);
    etw_xpress_encode((etw_bytes){data, size}, &stream);
    FUZZ_CHECK(!stream.failed && stream.size <= size + size / 8 + 8);
    FUZZ_CHECK(etw_xpress_decode(&state, etw_buffer_bytes(&stream), &used, again, &again_size,
                                 size) == ETW_XPRESS_FULL);
    FUZZ_CHECK(again_size == size && memcmp(again, data, size) == 0);
    free(again);
    etw_buffer_free(&stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    uint8_t *copy = fuzz_copy(data + 1, size - 1);
    const etw_bytes input = {copy, size - 1};
    uint8_t *whole = malloc(MAX_OUT);
    uint8_t *pieces = malloc(MAX_OUT);
    FUZZ_CHECK(whole != NULL && pieces != NULL);
    size_t whole_size, pieces_size;
    const etw_xpress_result at_once = decode(input, MAX_OUT, whole, &whole_size);
    const etw_xpress_result in_pieces =
        decode(input, 1 + (size_t)data[0] * 37, pieces, &pieces_size);
    FUZZ_CHECK(at_once == in_pieces);
    FUZZ_CHECK(whole_size == pieces_size);
    FUZZ_CHECK(memcmp(whole, pieces, whole_size) == 0);
    encode(whole, whole_size);
    free(pieces);
    free(whole);
    free(copy);
    return 0;
}
