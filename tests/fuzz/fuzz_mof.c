/* MOF files: the input is the text; events of the types found in it are rendered. */
#include "format/schema/mof.h"
#include "tests/fuzz/render.h"

#define MAX_BYTES ((size_t)16 << 20)
#define MAX_KINDS 40u

static void render(etw_mof_set *set, etw_schema_store *store, const etw_guid *class_guid,
                   uint8_t opcode, uint8_t version)
{
    uint8_t payload[] = "\1\0\0\0a\0b\0\0\0\2\0\0\0\0\0\0\0payload that explains nothing";
    const etw_event_record record = {
        .EventHeader = {.ProviderId = *class_guid,
                        .Flags = ETW_FLAG_CLASSIC_HEADER,
                        .EventDescriptor = {.Opcode = opcode, .Version = version}},
        .UserData = payload,
        .UserDataLength = sizeof payload};
    const etw_schema *schema = NULL;
    etw_plan *plan = NULL;
    etw_error error = {0};
    if (etw_mof_set_find(set, store, &record, 8, &schema, &error) != ETW_OK) {
        FUZZ_CHECK(error.message[0] != '\0');
        return;
    }
    FUZZ_CHECK(schema != NULL);
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
    etw_schema_store *store = etw_schema_store_new();
    etw_mof_set *set = etw_mof_set_new(MAX_BYTES);
    FUZZ_CHECK(store != NULL && set != NULL);
    etw_error error = {0};
    const etw_status status = etw_mof_set_add(set, (etw_bytes){copy, size}, store, &error);
    FUZZ_CHECK(status == ETW_OK || error.message[0] != '\0');
    etw_guid class_guid;
    uint8_t opcode;
    uint8_t version;
    for (uint32_t i = 0;
         i < MAX_KINDS && etw_mof_set_kind_at(set, i, &class_guid, &opcode, &version); i++) {
        render(set, store, &class_guid, opcode, version);
    }
    etw_mof_set_free(set);
    etw_schema_store_free(store);
    free(copy);
    return 0;
}
