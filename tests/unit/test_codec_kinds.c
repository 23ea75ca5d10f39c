/* Of the events-block codec, what is read without all events: kinds, and those that are chosen. */
#include "format/etwcap/codec/references.h"
#include "tests/support/codec_sample.h"

/* Two providers whose rows are told from one another by chance alone: the keys have one tag. */
enum { KEYED_ROWS = 240, KEYS = 12, ONE_REALM = 0x1234, ONE_KEY = 2, OTHER_REALM = 0x5000 };
#define OTHER_KEY 0x25CE7C65u

static void append_keyed(etw_batch *batch, uint32_t realm, uint32_t first_key)
{
    sample *one = malloc(sizeof *one);
    uint32_t values[KEYS][4];
    for (uint32_t key = 0; key < KEYS; key++) {
        values[key][0] = key == 0 ? first_key : first_key + 0x01010101u * key;
        for (uint32_t i = 1; i < 4; i++) {
            values[key][i] = random_below(1u << 30) << 2;
        }
    }
    for (uint32_t i = 0; i < KEYED_ROWS; i++) {
        start(one, 1);
        one->record.EventHeader.ProviderId.Data1 = realm;
        add_data(one, values[i < KEYS ? i : random_below(KEYS)], sizeof values[0]);
        assert_true(etw_batch_append(batch, &one->record, 0, 0));
    }
    free(one);
}

static bool is_of_realm(void *context, const etw_event_header *header)
{
    return header->ProviderId.Data1 == *(const uint32_t *)context;
}

static void test_chosen_rows_told_from_rows_not_chosen_come_back(void **state)
{
    (void)state;
    uint32_t realm = OTHER_REALM;
    const etw_kind_choice choice = {.wants = is_of_realm, .context = &realm};
    etw_batch *batch = full_batch();
    etw_text body = {0};
    etw_decoder *decoder = etw_decoder_new();
    uint32_t count = 0;
    assert_int_equal(etw_reference_tag(ONE_REALM, ONE_KEY),
                     etw_reference_tag(OTHER_REALM, OTHER_KEY));
    random_state = 7;
    append_keyed(batch, ONE_REALM, ONE_KEY);
    append_keyed(batch, OTHER_REALM, OTHER_KEY);
    encode(batch, &body);
    etw_decoder_choose(decoder, &choice);
    assert_int_equal(
        etw_decoder_decode(decoder, etw_text_bytes(&body), ETW_DECODE_ALL, &count, NULL), ETW_OK);
    assert_int_equal(count, 2 * KEYED_ROWS);
    for (uint32_t i = KEYED_ROWS; i < count; i++) {
        etw_event_record want;
        etw_item wanted;
        etw_item got;
        etw_batch_item(batch, i, &want, &wanted);
        assert_true(etw_decoder_has(decoder, i));
        etw_decoder_item(decoder, i, &got);
        assert_same(got.record, &want);
    }
    etw_decoder_free(decoder);
    etw_text_free(&body);
    etw_batch_free(batch);
}

/* Events by kind, from the table and the column of kinds, are those that decoding gives; kinds have
 * ids of their own here. */
static void assert_kinds_count(etw_batch *batch)
{
    etw_text body = {0};
    etw_decoder *decoder = etw_decoder_new();
    uint32_t kinds, count, sum = 0;
    encode(batch, &body);
    const etw_bytes bytes = etw_text_bytes(&body);
    assert_int_equal(etw_decoder_decode_kinds(decoder, bytes, etw_batch_count(batch), &kinds, NULL),
                     ETW_OK);
    assert_int_equal(etw_decoder_count_kinds(decoder, NULL), ETW_OK);
    uint32_t *told = calloc(kinds, sizeof *told);
    etw_event_header *headers = calloc(kinds, sizeof *headers);
    for (uint32_t k = 0; k < kinds; k++) {
        etw_item item;
        etw_decoder_kind(decoder, k, &item);
        told[k] = etw_decoder_kind_events(decoder, k);
        headers[k] = item.record->EventHeader;
        sum += told[k];
    }
    assert_int_equal(sum, etw_batch_count(batch));
    assert_int_equal(etw_decoder_decode(decoder, bytes, 0, &count, NULL), ETW_OK);
    for (uint32_t i = 0; i < count; i++) {
        etw_item item;
        etw_decoder_item(decoder, i, &item);
        uint32_t k = 0;
        while (k < kinds &&
               memcmp(&headers[k].EventDescriptor, &item.record->EventHeader.EventDescriptor,
                      sizeof headers[k].EventDescriptor) != 0) {
            k++;
        }
        assert_true(k < kinds);
        told[k]--;
    }
    for (uint32_t k = 0; k < kinds; k++) {
        assert_int_equal(told[k], 0);
    }
    free(told);
    free(headers);
    etw_decoder_free(decoder);
    etw_text_free(&body);
    etw_batch_free(batch);
}

/* So many that their table is larger than the first piece of the headers, and random. */
static etw_batch *batch_of_many_kinds(uint32_t kinds, uint32_t count)
{
    etw_batch *batch = full_batch();
    sample *one = malloc(sizeof *one);
    random_state = 99;
    for (uint32_t i = 0; i < count; i++) {
        start(one, (uint16_t)random_below(kinds));
        one->record.EventHeader.EventDescriptor.Keyword =
            one->record.EventHeader.EventDescriptor.Id;
        one->record.EventHeader.TimeStamp = (int64_t)i * 1000 + random_below(1000);
        assert_true(etw_batch_append(batch, &one->record, 0, 0));
    }
    free(one);
    return batch;
}

static void test_kinds_are_counted_without_events(void **state)
{
    (void)state;
    assert_kinds_count(batch_of_many_kinds(1, 1));
    assert_kinds_count(batch_of_many_kinds(1, 60000));
    assert_kinds_count(batch_of_many_kinds(3, 60000));
    assert_kinds_count(batch_of_many_kinds(300, 20000));
    assert_kinds_count(batch_of_many_kinds(20000, 65000));
}

static void test_kinds_of_cut_bodies_and_of_other_counts_are_refused(void **state)
{
    (void)state;
    etw_batch *batch = batch_of_many_kinds(300, 2000);
    etw_text body = {0};
    etw_decoder *decoder = etw_decoder_new();
    encode(batch, &body);
    for (size_t size = 0; size <= body.size; size++) {
        uint32_t kinds = 1;
        const etw_bytes cut = {(const uint8_t *)body.data, size};
        const uint32_t count = 2000 + (size == body.size);
        assert_int_equal(etw_decoder_decode_kinds(decoder, cut, count, &kinds, NULL),
                         ETW_ERROR_DAMAGED);
        assert_int_equal(kinds, 0);
        assert_int_equal(etw_decoder_count_kinds(decoder, NULL), ETW_OK);
    }
    etw_decoder_free(decoder);
    etw_text_free(&body);
    etw_batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chosen_rows_told_from_rows_not_chosen_come_back),
        cmocka_unit_test(test_kinds_are_counted_without_events),
        cmocka_unit_test(test_kinds_of_cut_bodies_and_of_other_counts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
