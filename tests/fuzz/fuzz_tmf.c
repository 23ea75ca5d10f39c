/* WPP formats: the input is a TMF file, or a program database where its first byte is not printable
 * or it begins as one; the messages found in it are rendered with a payload that fits few of them.
 */
#include "format/schema/wpp.h"
#include "tests/fuzz/render.h"

#define MAX_BYTES    ((size_t)16 << 20)
#define MAX_MESSAGES 40u

static void render(etw_wpp_set *set, etw_schema_store *store, const etw_guid *message,
                   uint32_t number)
{
    uint8_t payload[] = "\1\0\0\0a\0b\0\0\0\2\0\0\0\0\0\0\0payload that explains nothing";
    const etw_event_record record = {.EventHeader = {.ProviderId = *message,
                                                     .Flags = ETW_FLAG_TRACE_MESSAGE,
                                                     .EventDescriptor = {.Id = (uint16_t)number}},
                                     .UserData = payload,
                                     .UserDataLength = sizeof payload};
    const etw_schema *schema = NULL;
    etw_plan *plan = NULL;
    etw_error error = {0};
    if (etw_wpp_set_find(set, store, &record, 8, &schema, &error) != ETW_OK || schema == NULL) {
        FUZZ_CHECK(error.message[0] != '\0');
        return;
    }
    if (etw_plan_compile(schema, &plan, &error) == ETW_OK) {
        fuzz_walk_plan(plan, &record, 8);
        etw_plan_free(plan);
    } else {
        FUZZ_CHECK(error.message[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    const etw_bytes file = {copy, size};
    etw_schema_store *store = etw_schema_store_new();
    etw_wpp_set *set = etw_wpp_set_new(MAX_BYTES);
    FUZZ_CHECK(store != NULL && set != NULL);
    etw_error error = {0};
    const bool is_pdb = size > 9 && memcmp(copy, "Microsoft", 9) == 0;
    const etw_status status = is_pdb ? etw_wpp_set_add_pdb(set, file, store, NULL, &error)
                                     : etw_wpp_set_add_tmf(set, file, store, NULL, &error);
    FUZZ_CHECK(status == ETW_OK || error.message[0] != '\0');
    etw_guid message;
    uint32_t number;
    for (uint32_t i = 0; i < MAX_MESSAGES && etw_wpp_set_key_at(set, i, &message, &number); i++) {
        render(set, store, &message, number);
    }
    etw_wpp_set_free(set);
    etw_schema_store_free(store);
    free(copy);
    return 0;
}
