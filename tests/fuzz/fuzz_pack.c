/* What schema packs have beside other files: a catalog, and packed schemas. The first byte says which
 * of the two bodies follows. */
#include "format/etwcap/catalog.h"
#include "format/etwcap/packed_schemas.h"
#include "format/event/render/plan.h"
#include "tests/fuzz/fuzz.h"

static etw_status take_schema(void *context, const etw_schema_entry *entry, etw_error *error)
{
    uint32_t *left = context;
    etw_plan *plan = NULL;
    if (*left == 0) {
        return ETW_OK;
    }
    --*left;
    if (etw_plan_compile(entry->schema, &plan, error) == ETW_OK) {
        etw_plan_free(plan);
    }
    return ETW_OK;
}

static void unpack(etw_bytes body)
{
    uint32_t left = 64; /* that are compiled */
    etw_error error = {0};
    const etw_schemas_visitor visitor = {.schema = take_schema, .context = &left};
    const etw_status status = etw_packed_schemas_load(body, &visitor, &error);
    FUZZ_CHECK(status == ETW_OK || error.message[0] != '\0');
}

/* Each row is found by its key, where the rows are in order. */
static void look_up(etw_bytes body)
{
    etw_catalog catalog;
    etw_error error = {0};
    if (etw_catalog_load(&catalog, body, &error) == ETW_OK) {
        for (uint32_t i = 0; i < catalog.row_count && i < 64; i++) {
            const etw_catalog_row row = etw_catalog_row_at(&catalog, i);
            FUZZ_CHECK(etw_catalog_find(&catalog, &row.key) <= catalog.row_count);
            FUZZ_CHECK(etw_catalog_block_of(&catalog, row.schema_id) <= catalog.block_count);
            FUZZ_CHECK(strlen(catalog.sources[row.source].name) <= body.size);
        }
    } else {
        FUZZ_CHECK(error.message[0] != '\0');
    }
    etw_catalog_free(&catalog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        const etw_bytes body = {data + 1, size - 1};
        (data[0] % 2 == 0 ? look_up : unpack)(body);
    }
    return 0;
}
