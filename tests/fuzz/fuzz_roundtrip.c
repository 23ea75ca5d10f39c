/* Records of any content through the encoder of events blocks and back: they must come out byte for
 * byte, also where a schema lies about their payload.
 *
 * Input: one byte (zstd level), a piece (16-bit size, bytes) with a TRACE_EVENT_INFO, then records:
 * one byte of options (1: a header follows, else that of the record before; 2: names the schema;
 * the rest: how far the time moves), the header's 80 bytes where one follows, one byte each for the
 * number of items (modulo 4), and for each item its type and size, and a piece with user data. */
#include "format/etwcap/codec/codec.h"
#include "tests/fuzz/fuzz.h"

#define MAX_RECORDS 2000u

typedef struct records {
    etw_batch *batch;
    etw_event_header header;
    etw_schema_store *store;
    uint32_t schema_id;
} records;

static void add_record(records *to, etw_cursor *cursor)
{
    const uint8_t options = etw_cursor_u8(cursor);
    etw_extended_data_item items[3] = {{0}};
    etw_event_record record = {.ExtendedData = items};
    const uint8_t *header = (options & 1) != 0 ? etw_cursor_take(cursor, sizeof to->header) : NULL;
    if (header != NULL) {
        memcpy(&to->header, header, sizeof to->header);
    }
    to->header.TimeStamp =
        (int64_t)((uint64_t)to->header.TimeStamp + (uint64_t)(options >> 2) * 17);
    record.EventHeader = to->header;
    record.BufferContext.ProcessorIndex = options;
    record.ExtendedDataCount = etw_cursor_u8(cursor) % 4;
    for (uint16_t i = 0; i < record.ExtendedDataCount; i++) {
        items[i].ExtType = etw_cursor_u8(cursor);
        items[i].Linkage = (uint16_t)(i + 1 < record.ExtendedDataCount);
        const uint8_t size = etw_cursor_u8(cursor);
        const uint8_t *data = etw_cursor_take(cursor, size);
        items[i].DataSize = data == NULL ? 0 : size;
        items[i].DataPtr = (uint64_t)(uintptr_t)data;
    }
    const etw_bytes payload = fuzz_piece(cursor);
    record.UserData = (void *)(uintptr_t)payload.data;
    record.UserDataLength = (uint16_t)payload.size;
    (void)etw_batch_append(to->batch, &record, options & 3u,
                           (options & 2) != 0 ? to->schema_id : 0);
}

static bool same(const etw_item *a, const etw_item *b)
{
    const etw_event_record *left = a->record, *right = b->record;
    bool equal = a->trace_index == b->trace_index && a->schema_id == b->schema_id &&
                 memcmp(&left->EventHeader, &right->EventHeader, sizeof left->EventHeader) == 0 &&
                 left->BufferContext.ProcessorIndex == right->BufferContext.ProcessorIndex &&
                 left->ExtendedDataCount == right->ExtendedDataCount &&
                 left->UserDataLength == right->UserDataLength;
    for (uint32_t i = 0; equal && i < left->ExtendedDataCount; i++) {
        const etw_bytes one = etw_item_bytes(&left->ExtendedData[i]);
        const etw_bytes other = etw_item_bytes(&right->ExtendedData[i]);
        equal = left->ExtendedData[i].ExtType == right->ExtendedData[i].ExtType &&
                left->ExtendedData[i].Linkage == right->ExtendedData[i].Linkage &&
                one.size == other.size &&
                (one.size == 0 || memcmp(one.data, other.data, one.size) == 0);
    }
    return equal && (left->UserDataLength == 0 ||
                     memcmp(left->UserData, right->UserData, left->UserDataLength) == 0);
}

enum { LEVELS = 5 };

/* Used again and again, as in a recording: what one batch leaves behind must not change the next.
 * It also saves most of a run's time. */
static etw_encoder *encoder_of(int level)
{
    static etw_encoder *encoders[LEVELS + 1];
    if (encoders[level] == NULL) {
        encoders[level] = etw_encoder_new(level);
    }
    return encoders[level];
}

static void encode_and_compare(const records *of, int level)
{
    static etw_decoder *decoder;
    etw_text body = {0};
    uint32_t count = 0;
    etw_encoder *encoder = encoder_of(level);
    decoder = decoder == NULL ? etw_decoder_new() : decoder;
    FUZZ_CHECK(encoder != NULL && decoder != NULL);
    FUZZ_CHECK(etw_encoder_survey(encoder, of->batch) != NULL);
    FUZZ_CHECK(etw_encoder_encode(encoder, &body, NULL) == ETW_OK);
    uint8_t *copy = fuzz_copy((const uint8_t *)body.data, body.size);
    FUZZ_CHECK(etw_decoder_decode(decoder, (etw_bytes){copy, body.size}, ETW_DECODE_ALL, &count,
                                  NULL) == ETW_OK);
    FUZZ_CHECK(count == etw_batch_count(of->batch));
    for (uint32_t i = 0; i < count; i++) {
        etw_event_record record;
        etw_item given, got;
        etw_batch_item(of->batch, i, &record, &given);
        etw_decoder_item(decoder, i, &got);
        FUZZ_CHECK(same(&given, &got));
    }
    free(copy);
    etw_text_free(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    etw_cursor cursor = etw_cursor_over((etw_bytes){data, size});
    const int level = 1 + etw_cursor_u8(&cursor) % LEVELS;
    const etw_schema schema = {.origin = ETW_SCHEMA_MANIFEST, .tei = fuzz_piece(&cursor)};
    const etw_schema *kept = NULL;
    records all = {.batch = etw_batch_new((size_t)1 << 18, MAX_RECORDS),
                   .store = etw_schema_store_new()};
    FUZZ_CHECK(all.batch != NULL && all.store != NULL);
    if (etw_schema_store_intern(all.store, &schema, &kept, NULL) == ETW_OK) {
        all.schema_id = kept->id;
    }
    for (uint32_t i = 0; i < MAX_RECORDS && !cursor.failed && etw_cursor_left(&cursor) > 0; i++) {
        add_record(&all, &cursor);
    }
    encode_and_compare(&all, level);
    etw_batch_free(all.batch);
    etw_schema_store_free(all.store);
    return 0;
}
