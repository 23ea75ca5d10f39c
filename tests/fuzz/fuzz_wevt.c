/* Windows files with compiled manifests: the input is one (PE, .res, or a raw block). What is found
 * in it is read, and events of it are rendered. */
#include "format/event/render/plan.h"
#include "format/schema/schema_files.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#define MAX_ID 40u

static int open_input(void *context, const char *path, etw_open_mode mode)
{
    (void)context;
    (void)mode;
    return strcmp(path, "input") == 0 ? 3 : -ENOENT;
}

static int64_t read_input(void *context, int file, void *into, size_t size, uint64_t offset)
{
    const etw_bytes *input = context;
    (void)file;
    const size_t left = offset < input->size ? input->size - (size_t)offset : 0;
    const size_t count = size < left ? size : left;
    if (count != 0) {
        memcpy(into, input->data + offset, count);
    }
    return (int64_t)count;
}

static int64_t size_of_input(void *context, int file)
{
    (void)file;
    return (int64_t)((const etw_bytes *)context)->size;
}

static int close_input(void *context, int file)
{
    (void)context;
    (void)file;
    return 0;
}

/* Asks for events of the first provider whose name became known, and of the GUID of the seeds. */
static void ask(etw_schema_source *source, etw_schema_store *store, const etw_guid *provider)
{
    for (uint16_t id = 0; id < MAX_ID; id++) {
        const etw_event_record record = {
            .EventHeader = {.ProviderId = *provider, .EventDescriptor = {.Id = id}}};
        const etw_schema *schema = NULL;
        etw_plan *plan = NULL;
        etw_error error = {0};
        if (source->find(source, store, &record, 8, &schema, &error) == ETW_OK && schema != NULL &&
            etw_plan_compile(schema, &plan, &error) == ETW_OK) {
            etw_plan_free(plan);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const etw_guid of_seeds = {0x11223344, 0x5566, 0x7788, {1, 2, 3, 4, 5, 6, 7, 8}};
    static const char *const path = "input";
    etw_bytes input = {data, size};
    const etw_os os = {.context = &input,
                       .open = open_input,
                       .read_at = read_input,
                       .size = size_of_input,
                       .close = close_input};
    const etw_resolver_options options = {
        .manifest_paths = &path, .manifest_path_count = 1, .os = &os};
    etw_schema_store *store = etw_schema_store_new();
    etw_schema_source *source;
    etw_error error = {0};
    FUZZ_CHECK(store != NULL);
    if (etw_schema_files_new(&options, NULL, store, &source, &error) == ETW_OK) {
        const etw_guid *provider;
        const char *name;
        ask(source, store, &of_seeds);
        if (etw_schema_store_provider_at(store, 0, &provider, &name)) {
            ask(source, store, provider);
        }
        source->free(source);
    } else {
        FUZZ_CHECK(error.message[0] != '\0');
    }
    etw_schema_store_free(store);
    return 0;
}
