#include "format/input/donor_file.h"

#include "format/etl/etl.h"
#include "format/etwcap/pack_reader.h"
#include "format/etwcap/reader.h"
#include "format/input/input.h"
#include "format/schema/kept_donor.h"
#include "format/schema/resolver.h"

/* What one trace tells. */
typedef struct telling {
    const char *path;
    etw_schema_store *own; /* of the resolver */
    etw_resolver *resolver;
    etw_donor *donor;
    uint32_t build;
} telling;

static etw_status observe(void *context, const etw_event_record *record, const etw_trace *trace,
                          etw_error *error)
{
    telling *t = context;
    t->build = trace->os_build;
    return etw_resolver_observe(t->resolver, record, error);
}

static etw_status keep(void *context, const etw_schema *schema, const char *from, uint32_t build,
                       etw_error *error)
{
    const telling *t = context;
    (void)from;
    (void)build;
    return etw_kept_donor_add(t->donor, schema, t->path, t->build, error);
}

static etw_status give_names(const etw_schema_store *from, etw_schema_store *to, etw_error *error)
{
    const etw_guid *provider;
    const char *name;
    etw_status status = ETW_OK;
    for (uint32_t i = 0;
         status == ETW_OK && etw_schema_store_provider_at(from, i, &provider, &name); i++) {
        status = etw_schema_store_set_provider_name(to, provider, name, error);
    }
    return status;
}

static etw_status scan_etl(telling *t, const etw_os *os, const char *name, etw_error *error)
{
    const etw_etl_options options = {.scan = observe, .scan_context = t, .scan_schemas_only = true};
    etw_source *source;
    const etw_status status = etw_etl_open(os, name, &options, &source, error);
    etw_source_close(source);
    return status;
}

static etw_status keep_stored(telling *t, const etw_schema_store *stored, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t id = 1; status == ETW_OK && id <= etw_schema_store_count(stored); id++) {
        status = keep(t, etw_schema_store_get(stored, id), "", 0, error);
    }
    return status;
}

/* Damage costs what it touches: what the rest tells serves all the same. */
static etw_status read_etwcap(telling *t, const etw_os *os, const char *name,
                              etw_schema_store *store, etw_error *error)
{
    etw_source *source;
    etw_item item;
    etw_status status = etw_reader_open(os, name, NULL, &source, error);
    while (status == ETW_OK) {
        status = etw_source_next(source, &item, error);
        if (status == ETW_OK && item.kind == ETW_ITEM_EVENT) {
            status = observe(t, item.record, etw_source_trace(source, item.trace_index), error);
        }
    }
    if (status == ETW_END) {
        status = keep_stored(t, etw_reader_schemas(source), error);
    }
    if (status == ETW_OK) {
        status = give_names(etw_reader_schemas(source), store, error);
    }
    etw_source_close(source);
    return status;
}

static etw_status keep_from_pack(void *context, const etw_schema *schema, const char *from,
                                 uint32_t build, etw_error *error)
{
    return etw_kept_donor_add(context, schema, from, build, error);
}

/* A pack within a .gz or the like: all of it is taken, as what unwraps it does not stay open. */
static etw_status unwrap_pack(telling *t, const etw_os *os, const char *name,
                              etw_schema_store *store, etw_error *error)
{
    etw_donor *pack;
    const etw_definition_visitor visitor = {keep_from_pack, t->donor};
    etw_status status = etw_pack_open(os, name, store, &pack, error);
    if (status == ETW_OK) {
        status = pack->each(pack, &visitor, error);
        pack->free(pack);
    }
    return status;
}

/* All that the trace told. */
static etw_status read_trace(telling *t, etw_input *input, etw_schema_store *store,
                             etw_error *error)
{
    const etw_os *os = etw_input_os(input);
    const char *name = etw_input_name(input);
    const etw_resolver_options options = {.no_classic = true};
    etw_status status = etw_resolver_new(t->own, &options, &t->resolver, error);
    if (status == ETW_OK) {
        status = read_etwcap(t, os, name, store, error);
    }
    if (status == ETW_ERROR_NOT_THIS) {
        status = scan_etl(t, os, name, error);
    }
    if (status == ETW_OK) {
        const etw_definition_visitor visitor = {keep, t};
        status = etw_resolver_each(t->resolver, &visitor, error);
    }
    return status == ETW_OK ? give_names(t->own, store, error) : status;
}

static etw_status open_trace(const etw_os *os, const char *path, etw_schema_store *store,
                             etw_donor **donor, etw_error *error)
{
    const etw_input_options options = {.rereads = true};
    etw_input *input;
    telling t = {.path = path, .own = etw_schema_store_new(), .donor = etw_kept_donor_new()};
    etw_status status = t.own == NULL || t.donor == NULL
                            ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for schemas")
                            : etw_input_open(os, path, &options, &input, error);
    if (status == ETW_OK) {
        status = unwrap_pack(&t, etw_input_os(input), etw_input_name(input), store, error);
        if (status == ETW_ERROR_NOT_THIS) {
            status = read_trace(&t, input, store, error);
        }
        etw_input_close(input);
    }
    etw_resolver_free(t.resolver);
    etw_schema_store_free(t.own);
    if (status != ETW_OK && t.donor != NULL) {
        t.donor->free(t.donor);
        return status;
    }
    *donor = t.donor;
    return status;
}

etw_status etw_donor_open(const etw_os *os, const char *path, bool only_packs,
                          etw_schema_store *store, etw_donor **donor, etw_error *error)
{
    *donor = NULL;
    const etw_status status = etw_pack_open(os, path, store, donor, error);
    return status != ETW_ERROR_NOT_THIS || only_packs ? status
                                                      : open_trace(os, path, store, donor, error);
}
