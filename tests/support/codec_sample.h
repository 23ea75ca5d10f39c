/* Records for tests of the events-block codec, with what they point to, and batches of them
 * encoded. */
#ifndef ETW_TESTS_CODEC_SAMPLE_H
#define ETW_TESTS_CODEC_SAMPLE_H

#include "format/etwcap/codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MAX_ITEMS = 6, MEMORY = 1 << 16 };

/* A record with everything it points to. */
typedef struct sample {
    etw_event_record record;
    etw_extended_data_item items[MAX_ITEMS];
    uint8_t memory[MEMORY];
    size_t used;
} sample;

static uint64_t random_state;

static inline uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % limit;
}

static inline void start(sample *of, uint16_t id)
{
    memset(&of->record, 0, sizeof of->record);
    of->used = 0;
    of->record.EventHeader.Flags = ETW_FLAG_64_BIT_HEADER;
    of->record.EventHeader.ProviderId.Data1 = 0x1234;
    of->record.EventHeader.EventDescriptor.Id = id;
    of->record.ExtendedData = of->items;
}

static inline void add_item(sample *of, uint16_t type, const void *data, uint16_t size)
{
    etw_extended_data_item *item = &of->items[of->record.ExtendedDataCount++];
    uint8_t *to = of->memory + of->used;
    memset(item, 0, sizeof *item);
    item->ExtType = type;
    item->DataSize = size;
    item->DataPtr = (uint64_t)(uintptr_t)to;
    memcpy(to, data, size);
    of->used += size;
}

static inline void add_data(sample *of, const void *data, size_t size)
{
    uint8_t *to = of->memory + of->used;
    if (of->record.UserDataLength == 0) {
        of->record.UserData = to;
    }
    memcpy(to, data, size);
    of->used += size;
    of->record.UserDataLength = (uint16_t)(of->record.UserDataLength + size);
}

static inline void add_wide(sample *of, const char *text)
{
    do {
        const uint16_t unit = (uint8_t)*text;
        add_data(of, &unit, 2);
    } while (*text++ != 0);
}

static inline void assert_same(const etw_event_record *got, const etw_event_record *want)
{
    assert_memory_equal(&got->EventHeader, &want->EventHeader, sizeof got->EventHeader);
    assert_memory_equal(&got->BufferContext, &want->BufferContext, sizeof got->BufferContext);
    assert_int_equal(got->ExtendedDataCount, want->ExtendedDataCount);
    assert_int_equal(got->UserDataLength, want->UserDataLength);
    assert_memory_equal(got->UserData, want->UserData, want->UserDataLength);
    for (uint32_t i = 0; i < want->ExtendedDataCount; i++) {
        assert_memory_equal(&got->ExtendedData[i], &want->ExtendedData[i], 8);
        assert_memory_equal(etw_item_bytes(&got->ExtendedData[i]).data,
                            etw_item_bytes(&want->ExtendedData[i]).data,
                            want->ExtendedData[i].DataSize);
    }
}

static inline void encode_with(etw_encoder *encoder, const etw_batch *batch, etw_text *body)
{
    etw_text_clear(body);
    assert_non_null(etw_encoder_survey(encoder, batch));
    assert_int_equal(etw_encoder_encode(encoder, body, NULL), ETW_OK);
}

static inline void encode(const etw_batch *batch, etw_text *body)
{
    etw_encoder *encoder = etw_encoder_new(3);
    assert_non_null(encoder);
    encode_with(encoder, batch, body);
    etw_encoder_free(encoder);
}

static inline etw_batch *full_batch(void)
{
    etw_batch *batch = etw_batch_new(ETW_BATCH_MAX_BYTES, ETW_BATCH_MAX_EVENTS);
    assert_non_null(batch);
    return batch;
}

#endif
