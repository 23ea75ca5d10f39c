/* Manifests: the input is the XML; events found in it are rendered. A manifest can ask for what no
 * payload can give (a count that is a text): then the plan says so. */
#include "format/schema/manifest.h"
#include "tests/fuzz/render.h"

#define MAX_BYTES ((size_t)16 << 20)
#define MAX_ID    40u

static void find(etw_manifest_set *set, etw_schema_store *store, const etw_guid *provider,
                 uint16_t id, uint8_t version)
{
    uint8_t payload[] = "\1\0\0\0a\0b\0\0\0\2\0\0\0\0\0\0\0payload that explains nothing";
    const etw_event_record record = {
        .EventHeader = {.ProviderId = *provider, .EventDescriptor = {.Id = id, .Version = version}},
        .UserData = payload,
        .UserDataLength = sizeof payload};
    const etw_schema *schema = NULL;
    etw_plan *plan = NULL;
    etw_error error = {0};
    if (etw_manifest_set_find(set, store, &record, 8, &schema, &error) != ETW_OK ||
        schema == NULL) {
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
    const etw_bytes xml = {copy, size};
    etw_schema_store *store = etw_schema_store_new();
    etw_manifest_set *set = etw_manifest_set_new(ETW_SCHEMA_MANIFEST, MAX_BYTES);
    FUZZ_CHECK(store != NULL && set != NULL);
    etw_error error = {0};
    const etw_guid *provider = NULL;
    const char *name = NULL;
    if (etw_manifest_set_add(set, xml, store, NULL, &error) != ETW_OK) {
        FUZZ_CHECK(error.message[0] != '\0');
    }
    if (etw_schema_store_provider_at(store, 0, &provider, &name)) {
        for (uint16_t id = 0; id < MAX_ID; id++) {
            find(set, store, provider, id, 0);
        }
        find(set, store, provider, 0xFFFE, 0);
        find(set, store, provider, 1, 1);
    }
    etw_manifest_set_free(set);
    etw_schema_store_free(store);
    free(copy);
    return 0;
}
