/* The events-block codec: every record comes back byte for byte, equal batches give equal bodies,
 * and a body that was tampered with is refused or gives records, at bounded cost, but never a
 * crash. */
#include "format/base/probe.h"
#include "format/etwcap/codec/kinds.h"
#include "tests/support/codec_sample.h"

#include <zstd.h>

/* Encodes, decodes, compares with what the batch holds. */
static void assert_round_trip(etw_batch *batch)
{
    etw_text body = {0};
    etw_decoder *decoder = etw_decoder_new();
    uint32_t count = 0;
    encode(batch, &body);
    assert_int_equal(
        etw_decoder_decode(decoder, etw_text_bytes(&body), ETW_DECODE_ALL, &count, NULL), ETW_OK);
    assert_int_equal(count, etw_batch_count(batch));
    for (uint32_t i = 0; i < count; i++) {
        etw_event_record want;
        etw_item wanted;
        etw_item got;
        etw_batch_item(batch, i, &want, &wanted);
        etw_decoder_item(decoder, i, &got);
        assert_int_equal(got.trace_index, wanted.trace_index);
        assert_int_equal(got.schema_id, wanted.schema_id);
        assert_same(got.record, &want);
    }
    etw_decoder_free(decoder);
    etw_text_free(&body);
}

static void test_no_events_come_back_as_none(void **state)
{
    (void)state;
    etw_batch *batch = full_batch();
    assert_round_trip(batch);
    etw_batch_free(batch);
}

static void test_header_fields_at_their_limits_come_back(void **state)
{
    (void)state;
    sample *one = malloc(sizeof *one);
    etw_batch *batch = full_batch();
    for (int i = 0; i < 40; i++) {
        start(one, 1);
        memset(&one->record.EventHeader, i % 2 == 0 ? 0xFF : i, sizeof one->record.EventHeader);
        memset(&one->record.BufferContext, 0xFF - i, sizeof one->record.BufferContext);
        one->record.EventHeader.TimeStamp = i % 3 == 0 ? INT64_MIN : INT64_MAX - i;
        assert_true(etw_batch_append(batch, &one->record,
                                     (uint16_t)(ETW_MAX_TRACES - 1u - (unsigned)i), UINT32_MAX));
    }
    assert_round_trip(batch);
    etw_batch_free(batch);
    free(one);
}

static void test_largest_payload_and_items_come_back(void **state)
{
    (void)state;
    sample *one = malloc(sizeof *one);
    uint8_t *noise = malloc(UINT16_MAX);
    random_state = 7;
    for (int i = 0; i < UINT16_MAX; i++) {
        noise[i] = (uint8_t)random_below(256);
    }
    etw_batch *batch = full_batch();
    for (int i = 0; i < 12; i++) {
        start(one, 2);
        add_data(one, noise, (size_t)(i % 2 == 0 ? UINT16_MAX : i));
        assert_true(etw_batch_append(batch, &one->record, 0, 0));
        start(one, 3);
        add_item(one, 0x7777, noise, (uint16_t)(UINT16_MAX - i % 3));
        one->items[0].Reserved1 = 0xABCD;
        one->items[0].Linkage = 0xFFFE;
        assert_true(etw_batch_append(batch, &one->record, 0, 0));
    }
    assert_round_trip(batch);
    etw_batch_free(batch);
    free(noise);
    free(one);
}

static void test_items_of_every_shape_come_back(void **state)
{
    (void)state;
    static const uint16_t sizes[] = {0, 1, 3, 4, 7, 8, 9, 12, 16, 24, 40, 41};
    uint8_t data[64];
    sample *one = malloc(sizeof *one);
    etw_batch *batch = full_batch();
    random_state = 11;
    for (uint32_t i = 0; i < 3000; i++) {
        start(one, 4);
        for (uint32_t n = random_below(4); n > 0; n--) {
            for (uint32_t b = 0; b < sizeof data; b++) {
                data[b] = (uint8_t)random_below(i % 2 == 0 ? 3 : 256);
            }
            add_item(one, (uint16_t)(1 + random_below(6)), data,
                     i < 1500 ? 24 : sizes[random_below(12)]);
        }
        assert_true(etw_batch_append(batch, &one->record, 0, 0));
    }
    assert_round_trip(batch);
    etw_batch_free(batch);
    free(one);
}

/* Fields of the kinds that real events have, some rows out of shape. */
static void add_typical(etw_batch *batch, sample *one, uint32_t i)
{
    static const char *const names[] = {
        "", "a", "C:\\Windows\\System32\\ntdll.dll", "svchost.exe", "kernel32.dll", "C:\\a\\b"};
    const uint64_t pointer = UINT64_C(0xFFFFF80012340000) + random_below(64) * 4096;
    const uint32_t number = random_below(10);
    const char *name = names[random_below(6)];
    start(one, (uint16_t)(10 + i % 6));
    one->record.EventHeader.TimeStamp = (int64_t)(1000000 + i * 37 + random_below(30));
    one->record.EventHeader.ThreadId = 4 * random_below(20);
    one->record.EventHeader.KernelTime = i / 100;
    one->record.EventHeader.ActivityId.Data1 = random_below(5);
    one->record.BufferContext.ProcessorIndex = (uint16_t)random_below(4);
    one->record.EventHeader.Size = (uint16_t)random_below(65536);
    if (i % 6 == 5) {
        const uint64_t stack[4] = {i, pointer, pointer + 16 * number, pointer};
        add_item(one, ETW_EXT_STACK_TRACE64, stack, (uint16_t)(16 + 8 * random_below(3)));
        add_item(one, ETW_EXT_RELATED_ACTIVITYID, stack, 16);
        add_item(one, ETW_EXT_EVENT_KEY, stack, 8);
    }
    add_data(one, &pointer, sizeof pointer);
    switch (i % 6) {
    case 0:
        add_wide(one, name);
        break;
    case 1:
        add_data(one, &number, sizeof number);
        add_data(one, name, strlen(name) + 1);
        add_data(one, &i, sizeof i);
        break;
    case 2:
        for (uint32_t n = random_below(30); n > 0; n--) {
            const uint64_t address = UINT64_C(0x7FF812340000) + random_below(50) * 7;
            add_data(one, &address, sizeof address);
        }
        break;
    case 3:
        add_data(one, &number, sizeof number);
        for (uint32_t n = 0; n < 3 * number; n++) {
            const uint32_t offset = n * 9;
            add_data(one, &offset, sizeof offset);
        }
        add_data(one, "xy", 2);
        break;
    case 4:
        add_wide(one, name);
        add_wide(one, names[random_below(6)]);
        if (random_below(50) == 0) {
            add_data(one, name, strlen(name));
        }
        break;
    default:
        add_data(one, &i, sizeof i);
        break;
    }
    assert_true(etw_batch_append(batch, &one->record, 1, i % 6));
}

static etw_batch *typical_batch(uint32_t count)
{
    sample *one = malloc(sizeof *one);
    etw_batch *batch = full_batch();
    random_state = 42;
    for (uint32_t i = 0; i < count; i++) {
        add_typical(batch, one, i);
    }
    free(one);
    return batch;
}

static void test_typical_events_come_back_and_small(void **state)
{
    (void)state;
    for (uint32_t count = 1; count < 20000; count = count * 3 + 1) {
        etw_batch *batch = typical_batch(count);
        assert_round_trip(batch);
        etw_batch_free(batch);
    }
    etw_batch *batch = typical_batch(20000);
    etw_text body = {0};
    encode(batch, &body);
    assert_true(body.size * 10 < etw_batch_size_bytes(batch));
    etw_text_free(&body);
    etw_batch_free(batch);
}

static void test_random_payloads_come_back(void **state)
{
    (void)state;
    sample *one = malloc(sizeof *one);
    for (uint32_t round = 0; round < 60; round++) {
        etw_batch *batch = full_batch();
        random_state = 1000 + round;
        const uint32_t alphabet = 1 + random_below(round % 3 == 0 ? 4 : 256);
        const uint32_t longest = 1 + random_below(80);
        for (uint32_t i = 0; i < 300; i++) {
            uint8_t data[80];
            start(one, (uint16_t)(i % 3));
            const uint32_t size = random_below(longest);
            for (uint32_t b = 0; b < size; b++) {
                data[b] = (uint8_t)random_below(alphabet);
            }
            add_data(one, data, size);
            assert_true(etw_batch_append(batch, &one->record, 0, 0));
        }
        assert_round_trip(batch);
        etw_batch_free(batch);
    }
    free(one);
}

static void test_wide_text_of_any_units_comes_back(void **state)
{
    (void)state;
    static const uint16_t units[] = {'a',    'b',    0x7F,   0x80,   0x7FF,  0x800,
                                     0xD800, 0xDC00, 0xDBFF, 0xDFFF, 0xFFFF, 0x20AC};
    sample *one = malloc(sizeof *one);
    etw_batch *batch = full_batch();
    random_state = 5;
    for (uint32_t i = 0; i < 2000; i++) {
        start(one, 1);
        add_wide(one, "readable text in front");
        one->record.UserDataLength = (uint16_t)(one->record.UserDataLength - 2);
        one->used -= 2;
        for (uint32_t n = i < 100 ? 0 : random_below(12); n > 0; n--) {
            add_data(one, &units[random_below(12)], 2);
        }
        add_data(one, "\0\0", 2);
        add_data(one, &i, 4);
        assert_true(etw_batch_append(batch, &one->record, 0, 0));
    }
    assert_round_trip(batch);
    etw_batch_free(batch);
    free(one);
}

static void test_equal_batches_give_equal_bodies(void **state)
{
    (void)state;
    etw_batch *a = typical_batch(5000);
    etw_batch *b = typical_batch(5000);
    etw_batch *other = typical_batch(700);
    etw_text first = {0};
    etw_text second = {0};
    etw_encoder *used = etw_encoder_new(3);
    encode(a, &first);
    encode_with(used, other, &second);
    encode_with(used, b, &second);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    etw_encoder_free(used);
    etw_text_free(&first);
    etw_text_free(&second);
    etw_batch_free(a);
    etw_batch_free(b);
    etw_batch_free(other);
}

static void test_headers_alone_have_no_data(void **state)
{
    (void)state;
    etw_batch *batch = typical_batch(1000);
    etw_text body = {0};
    etw_decoder *decoder = etw_decoder_new();
    uint32_t count = 0;
    encode(batch, &body);
    assert_int_equal(etw_decoder_decode(decoder, etw_text_bytes(&body), 0, &count, NULL), ETW_OK);
    for (uint32_t i = 0; i < count; i++) {
        etw_event_record want;
        etw_item wanted;
        etw_item got;
        etw_batch_item(batch, i, &want, &wanted);
        etw_decoder_item(decoder, i, &got);
        assert_int_equal(got.record->EventHeader.TimeStamp, want.EventHeader.TimeStamp);
        assert_int_equal(got.record->EventHeader.ThreadId, want.EventHeader.ThreadId);
        assert_int_equal(got.record->UserDataLength, 0);
        assert_int_equal(got.record->ExtendedDataCount, 0);
    }
    etw_decoder_free(decoder);
    etw_text_free(&body);
    etw_batch_free(batch);
}

/* Reads all that a decoded item points to, for the sanitizers to see. */
static uint32_t touch(etw_decoder *decoder, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        etw_item item;
        etw_decoder_item(decoder, i, &item);
        const etw_bytes data = etw_record_user_data(item.record);
        for (size_t b = 0; b < data.size; b++) {
            sum += data.data[b];
        }
        for (uint32_t e = 0; e < item.record->ExtendedDataCount; e++) {
            const etw_bytes bytes = etw_item_bytes(&item.record->ExtendedData[e]);
            for (size_t b = 0; b < bytes.size; b++) {
                sum += bytes.data[b];
            }
        }
    }
    return sum;
}

static void test_cut_bodies_are_refused(void **state)
{
    (void)state;
    etw_batch *batch = typical_batch(300);
    etw_text body = {0};
    etw_decoder *decoder = etw_decoder_new();
    encode(batch, &body);
    for (size_t size = 0; size < body.size; size++) {
        uint32_t count = 0;
        const etw_bytes cut = {(const uint8_t *)body.data, size};
        assert_int_equal(etw_decoder_decode(decoder, cut, ETW_DECODE_ALL, &count, NULL),
                         ETW_ERROR_DAMAGED);
        assert_int_equal(count, 0);
    }
    etw_decoder_free(decoder);
    etw_text_free(&body);
    etw_batch_free(batch);
}

static void test_events_of_a_trace_above_the_limit_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint16_t trace_index;
        etw_status expected;
    } rows[] = {
        {ETW_MAX_TRACES - 1, ETW_OK},
        {ETW_MAX_TRACES, ETW_ERROR_DAMAGED},
        {UINT16_MAX, ETW_ERROR_DAMAGED},
    };
    etw_decoder *decoder = etw_decoder_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        etw_batch *batch = etw_batch_new((size_t)1 << 16, 1);
        const etw_event_record record = {0};
        etw_text body = {0};
        uint32_t count = 0;
        assert_true(etw_batch_append(batch, &record, rows[i].trace_index, 0));
        encode(batch, &body);
        assert_int_equal(
            etw_decoder_decode(decoder, etw_text_bytes(&body), ETW_DECODE_ALL, &count, NULL),
            rows[i].expected);
        etw_text_free(&body);
        etw_batch_free(batch);
    }
    etw_decoder_free(decoder);
}

/* The body with one section's expanded bytes changed and compressed again, so that the change gets
 * past zstd to the columns. */
static void change_section(const etw_text *body, uint32_t section, etw_text *changed)
{
    static char raw[1 << 22];
    const uint8_t *at = (const uint8_t *)body->data + 4;
    etw_text_clear(changed);
    for (uint32_t s = 0; s < section; s++) {
        at += 8 + etw_load_u32(at + 4);
    }
    const size_t raw_size = etw_load_u32(at);
    const size_t stored_size = etw_load_u32(at + 4);
    assert_int_equal(ZSTD_decompress(raw, sizeof raw, at + 8, stored_size), raw_size);
    for (uint32_t n = 1 + random_below(4); n > 0; n--) {
        const uint32_t place = random_below((uint32_t)raw_size);
        const uint32_t near_start = random_below(2000);
        const uint32_t where = random_below(2) == 0 && near_start < raw_size ? near_start : place;
        raw[where] = (char)(random_below(2) == 0 ? random_below(256)
                                                 : (uint32_t)raw[where] ^ (1u << random_below(8)));
    }
    etw_text_append(changed, body->data, (size_t)(at - (const uint8_t *)body->data));
    char *to = etw_text_reserve(changed, 8 + ZSTD_compressBound(raw_size));
    const size_t size = ZSTD_compress(to + 8, ZSTD_compressBound(raw_size), raw, raw_size, 1);
    etw_store_u32(to, (uint32_t)raw_size);
    etw_store_u32(to + 4, (uint32_t)size);
    changed->size += 8 + size;
    at += 8 + stored_size;
    etw_text_append(changed, (const char *)at,
                    body->size - (size_t)(at - (const uint8_t *)body->data));
}

static void test_changed_columns_are_refused_or_read_within_bounds(void **state)
{
    (void)state;
    etw_batch *batch = typical_batch(400);
    etw_text body = {0};
    etw_text changed = {0};
    etw_decoder *decoder = etw_decoder_new();
    uint32_t refused = 0;
    uint32_t sum = 0;
    encode(batch, &body);
    random_state = 77;
    for (uint32_t round = 0; round < 4000; round++) {
        uint32_t count = 0;
        change_section(&body, round % 4, &changed);
        const etw_status status =
            etw_decoder_decode(decoder, etw_text_bytes(&changed), ETW_DECODE_ALL, &count, NULL);
        assert_true(status == ETW_OK || status == ETW_ERROR_DAMAGED);
        refused += status != ETW_OK;
        sum += touch(decoder, count);
    }
    assert_true(refused > 100);
    assert_true(sum != 0);
    etw_decoder_free(decoder);
    etw_text_free(&changed);
    etw_text_free(&body);
    etw_batch_free(batch);
}

/* Where things lie in the tables differs from run to run, what is written never. */
static void test_seeds_of_tables_change_no_byte(void **state)
{
    (void)state;
    static const uint64_t seeds[] = {1, 2, UINT64_MAX};
    etw_batch *batch = typical_batch(5000);
    etw_text first = {0};
    encode(batch, &first);
    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++) {
        etw_text again = {0};
        etw_seed_force(seeds[i]);
        encode(batch, &again);
        assert_int_equal(first.size, again.size);
        assert_memory_equal(first.data, again.data, first.size);
        etw_text_free(&again);
    }
    assert_round_trip(batch);
    etw_seed_force(0);
    etw_text_free(&first);
    etw_batch_free(batch);
}

/* Alike in all bits but a few high ones, which a multiplication alone throws together. */
static uint64_t chosen_keyword(uint32_t i)
{
    return (uint64_t)i << 48;
}

static uint64_t random_keyword(uint32_t i)
{
    return (uint64_t)random_below(UINT32_MAX) << 32 | i;
}

static uint64_t steps_for(uint64_t (*keyword)(uint32_t), uint32_t count)
{
    etw_batch *batch = full_batch();
    etw_kinds kinds = {0};
    sample one;
    assert_true(etw_kinds_init(&kinds));
    start(&one, 1);
    for (uint32_t i = 0; i < count; i++) {
        one.record.EventHeader.EventDescriptor.Keyword = keyword(i);
        assert_true(etw_batch_append(batch, &one.record, 0, 0));
        (void)etw_kinds_find(&kinds, etw_batch_staged(batch, i));
    }
    assert_int_equal(kinds.count, count);
    const uint64_t steps = etw_probe_steps(&kinds.probe);
    etw_kinds_free(&kinds);
    etw_batch_free(batch);
    return steps;
}

/* By steps, not by time: at random it is about one and a half for each. */
static void test_chosen_keywords_cost_no_more_than_random_ones(void **state)
{
    (void)state;
    enum { COUNT = 65000 };
    random_state = 11;
    assert_in_range(steps_for(random_keyword, COUNT), COUNT, 2 * COUNT);
    assert_in_range(steps_for(chosen_keyword, COUNT), COUNT, 2 * COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_events_come_back_as_none),
        cmocka_unit_test(test_header_fields_at_their_limits_come_back),
        cmocka_unit_test(test_largest_payload_and_items_come_back),
        cmocka_unit_test(test_items_of_every_shape_come_back),
        cmocka_unit_test(test_typical_events_come_back_and_small),
        cmocka_unit_test(test_random_payloads_come_back),
        cmocka_unit_test(test_wide_text_of_any_units_comes_back),
        cmocka_unit_test(test_equal_batches_give_equal_bodies),
        cmocka_unit_test(test_seeds_of_tables_change_no_byte),
        cmocka_unit_test(test_chosen_keywords_cost_no_more_than_random_ones),
        cmocka_unit_test(test_headers_alone_have_no_data),
        cmocka_unit_test(test_cut_bodies_are_refused),
        cmocka_unit_test(test_events_of_a_trace_above_the_limit_are_refused),
        cmocka_unit_test(test_changed_columns_are_refused_or_read_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
