/* Traces and schemas get new numbers in the copy. */
#include "replay/command/copy_inside.h"

#include "format/etwcap/body.h"
#include "replay/command/offsets.h"

#include <stdlib.h>

static etw_status add_trace(etw_copy *c, const etw_copy_input *in, const etw_trace *trace,
                            uint16_t *index, etw_error *error)
{
    if (c->options->redaction == NULL && in->offset_100ns == 0) {
        return etw_copy_wrote(c, etw_writer_add_trace(c->writer, trace, index, error), error);
    }
    etw_trace *safe = malloc(sizeof *safe);
    if (safe == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a trace");
    }
    *safe = *trace;
    if (c->options->redaction != NULL) {
        etw_redact_trace(safe);
    }
    etw_offset_trace(safe, in->offset_100ns);
    const etw_status status = etw_writer_add_trace(c->writer, safe, index, error);
    free(safe);
    return etw_copy_wrote(c, status, error);
}

etw_status etw_copy_add_new_traces(etw_copy *c, etw_copy_input *in, etw_error *error)
{
    const etw_source *source = etw_replay_source(in->replay);
    const uint16_t count = etw_source_trace_count(source);
    if (count <= in->trace_count) {
        return ETW_OK;
    }
    uint16_t *traces = realloc(in->traces, count * sizeof *traces);
    if (traces == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for %u traces", count);
    }
    in->traces = traces;
    while (in->trace_count < count) {
        const etw_status status = add_trace(c, in, etw_source_trace(source, in->trace_count),
                                            &in->traces[in->trace_count], error);
        if (etw_failed(status)) {
            return status;
        }
        in->trace_count++;
    }
    return ETW_OK;
}

static etw_status add_names_of(etw_copy *c, const etw_schema_store *from, etw_error *error)
{
    const etw_guid *provider;
    const char *name;
    etw_status status = ETW_OK;
    for (uint32_t i = 0;
         !etw_failed(status) && etw_schema_store_provider_at(from, i, &provider, &name); i++) {
        status = etw_schema_store_set_provider_name(c->store, provider, name, error);
    }
    return status;
}

etw_status etw_copy_add_names(etw_copy *c, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < c->input_count && !etw_failed(status); i++) {
        etw_replay *replay = c->inputs[i].replay;
        status = add_names_of(c, etw_replay_schemas(replay), error);
        if (!etw_failed(status) && !etw_replay_is_etl(replay)) {
            status = add_names_of(c, etw_reader_schemas(etw_replay_source(replay)), error);
        }
    }
    return status;
}

etw_status etw_copy_map_schema(etw_copy *c, etw_copy_input *in, const etw_schema *schema,
                               uint32_t *id, etw_error *error)
{
    *id = 0;
    if (schema == NULL) {
        return ETW_OK;
    }
    if (schema->id > in->schema_count) {
        const uint32_t count = 2 * schema->id + 64;
        uint32_t *longer = realloc(in->schemas, count * sizeof *longer);
        if (longer == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for %u schemas", count);
        }
        memset(longer + in->schema_count, 0, (count - in->schema_count) * sizeof *longer);
        in->schemas = longer;
        in->schema_count = count;
    }
    uint32_t *mapped = &in->schemas[schema->id - 1];
    if (*mapped == 0) {
        const etw_schema *kept;
        const etw_status status = etw_schema_store_intern(c->store, schema, &kept, error);
        if (etw_failed(status)) {
            return status;
        }
        *mapped = kept->id;
    }
    *id = *mapped;
    return ETW_OK;
}

uint32_t etw_copy_count_schemas(const etw_copy *c)
{
    const etw_copy_input *in = c->inputs;
    uint32_t count = 0;
    if (!c->takes_blocks) {
        return etw_schema_store_count(c->store);
    }
    for (uint32_t i = 0; i < in->schema_count; i++) {
        count += in->schemas[i] != 0 ? 1 : 0;
    }
    return count;
}
