#include "recorder/capture/etwcap_source.h"

#include <stdlib.h>

typedef struct etwcap_source {
    etw_source base;
    etw_source *reader;
    etw_etwcap_source_options options;
    uint32_t *ids; /* [a schema's id in the reader's store - 1]: its id in the capture's */
    uint32_t id_count, id_capacity;
    uint32_t name_count; /* providers whose names were taken over */
    etw_file_summary summary;
} etwcap_source;

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the file's schemas");
}

static etw_status grow_ids(etwcap_source *self, uint32_t count, etw_error *error)
{
    if (count <= self->id_capacity) {
        return ETW_OK;
    }
    const uint32_t capacity = count < 64 ? 64 : 2 * count;
    uint32_t *ids = realloc(self->ids, capacity * sizeof *ids);
    if (ids == NULL) {
        return no_memory(error);
    }
    self->ids = ids;
    self->id_capacity = capacity;
    return ETW_OK;
}

/* What the file told since the last time. */
static etw_status take_schemas(etwcap_source *self, etw_error *error)
{
    const etw_schema_store *theirs = etw_reader_schemas(self->reader);
    const uint32_t count = etw_schema_store_count(theirs);
    etw_status status = grow_ids(self, count, error);
    while (status == ETW_OK && self->id_count < count) {
        const etw_schema *kept;
        status = etw_schema_store_intern(
            self->options.store, etw_schema_store_get(theirs, self->id_count + 1), &kept, error);
        if (status == ETW_OK) {
            self->ids[self->id_count++] = kept->id;
        }
    }
    return status;
}

static etw_status take_names(etwcap_source *self, etw_error *error)
{
    const etw_schema_store *theirs = etw_reader_schemas(self->reader);
    const etw_guid *provider;
    const char *name;
    etw_status status = ETW_OK;
    while (status == ETW_OK &&
           etw_schema_store_provider_at(theirs, self->name_count, &provider, &name)) {
        status = etw_schema_store_set_provider_name(self->options.store, provider, name, error);
        self->name_count += status == ETW_OK;
    }
    return status;
}

static etw_status translate(etwcap_source *self, etw_item *item, etw_error *error)
{
    etw_status status = take_names(self, error);
    if (status == ETW_OK && item->schema_id > self->id_count) {
        status = take_schemas(self, error);
    }
    if (status != ETW_OK) {
        return status;
    }
    item->schema_id = item->schema_id == 0 || item->schema_id > self->id_count
                          ? 0
                          : self->ids[item->schema_id - 1];
    return item->schema_id == 0 ? etw_resolver_observe(self->options.resolver, item->record, error)
                                : ETW_OK;
}

static etw_status source_next(etw_source *source, etw_item *item, etw_error *error)
{
    etwcap_source *self = (etwcap_source *)source;
    const etw_status status = etw_source_next(self->reader, item, error);
    return status == ETW_OK && item->kind == ETW_ITEM_EVENT ? translate(self, item, error) : status;
}

static const etw_trace *source_trace(const etw_source *source, uint16_t trace_index)
{
    return etw_source_trace(((const etwcap_source *)source)->reader, trace_index);
}

static uint16_t source_trace_count(const etw_source *source)
{
    return etw_source_trace_count(((const etwcap_source *)source)->reader);
}

static void source_close(etw_source *source)
{
    etwcap_source *self = (etwcap_source *)source;
    etw_source_close(self->reader);
    free(self->ids);
    free(self);
}

etw_status etw_etwcap_source_open(const etw_os *os, const char *path,
                                  const etw_etwcap_source_options *options, etw_source **source,
                                  etw_error *error)
{
    static const etw_source_ops ops = {source_next, source_trace, source_trace_count, source_close};
    const etw_reader_options reading = {.block = options->block,
                                        .block_context = options->block_context};
    etwcap_source *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return no_memory(error);
    }
    self->base.ops = &ops;
    self->options = *options;
    etw_status status = etw_reader_open(os, path, &reading, &self->reader, error);
    if (status == ETW_OK) {
        status = etw_reader_summary(self->reader, &self->summary, error);
    }
    if (status != ETW_OK) {
        source_close(&self->base);
        return status;
    }
    *source = &self->base;
    return ETW_OK;
}

const char *etw_etwcap_source_redacted(const etw_source *source)
{
    return ((const etwcap_source *)source)->summary.redacted;
}
