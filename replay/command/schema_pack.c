#include "replay/command/schema_pack.h"

#include "format/etwcap/pack_reader.h"
#include "format/etwcap/pack_writer.h"
#include "format/input/donor_file.h"
#include "format/schema/resolver.h"
#include "replay/command/stream.h"
#include "replay/command/tool.h"

#include <inttypes.h>

typedef struct packing {
    const etw_replay_arguments *arguments;
    const char *output;
    etw_schema_store *store; /* names, and schemas on their way */
    etw_resolver *resolver;
    etw_pack_writer *writer;
    etw_definition_visitor taken;
} packing;

static void say_note(void *context, const char *message)
{
    (void)context;
    etw_tool_say("%s", message);
}

static etw_status take_given(packing *p, etw_error *error)
{
    const etw_replay_options *given = &p->arguments->replay;
    const etw_resolver_options options = {.manifest_paths = given->manifest_paths,
                                          .manifest_path_count = given->manifest_path_count,
                                          .no_classic = true,
                                          .language = given->language,
                                          .open_donor = etw_donor_open,
                                          .note = say_note};
    const etw_status status = etw_resolver_new(p->store, &options, &p->resolver, error);
    return etw_failed(status) ? status : etw_resolver_each(p->resolver, &p->taken, error);
}

static bool say_errors(const packing *p)
{
    const uint64_t errors = p->resolver == NULL ? 0 : etw_resolver_error_count(p->resolver);
    if (errors > 0) {
        etw_tool_say("not all could be packed; first: %s", etw_resolver_first_error(p->resolver));
    }
    return errors > 0;
}

static etw_status take_traces(packing *p, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < p->arguments->input_count && !etw_failed(status); i++) {
        etw_donor *donor;
        status = etw_donor_open(etw_os_default(), p->arguments->inputs[i], false, p->store, &donor,
                                error);
        if (!etw_failed(status)) {
            status = donor->each(donor, &p->taken, error);
            donor->free(donor);
        }
    }
    return status;
}

static etw_status write_pack(packing *p, etw_pack_counts *counts, etw_error *error)
{
    const etw_replay_arguments *arguments = p->arguments;
    const etw_pack_options options = {.application = arguments->writer.application,
                                      .replace = arguments->writer.replace};
    return etw_pack_writer_save(p->writer, etw_os_default(), p->output, &options, counts, error);
}

static etw_status pack_all(packing *p, etw_pack_counts *counts, etw_error *error)
{
    bool wants_part;
    etw_status status = etw_tool_wants_part(etw_os_default(), p->output,
                                            p->arguments->writer.replace, &wants_part, error);
    p->store = etw_schema_store_new();
    p->writer = p->store == NULL ? NULL : etw_pack_writer_new(p->store);
    p->taken = (etw_definition_visitor){etw_pack_writer_take, p->writer};
    if (p->writer == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a schema pack");
    }
    if (!etw_failed(status)) {
        status = take_given(p, error);
    }
    if (!etw_failed(status)) {
        status = take_traces(p, error);
    }
    return etw_failed(status) ? status : write_pack(p, counts, error);
}

static etw_exit export_to(const char *output, const etw_replay_arguments *arguments)
{
    packing p = {.arguments = arguments, .output = output};
    etw_error error = {0};
    etw_pack_counts counts = {0};
    const etw_status status = pack_all(&p, &counts, &error);
    const bool is_all = !say_errors(&p);
    etw_resolver_free(p.resolver);
    etw_pack_writer_free(p.writer);
    etw_schema_store_free(p.store);
    if (etw_failed(status)) {
        return etw_tool_fail(&error);
    }
    if (!arguments->quiet) {
        etw_tool_say("%s: schemas of %" PRIu32 " events of %" PRIu32 " providers, %" PRIu32
                     " definitions, %" PRIu64 " bytes",
                     output, counts.events, counts.providers, counts.definitions, counts.bytes);
    }
    return is_all ? ETW_EXIT_WELL : ETW_EXIT_MISSING;
}

etw_exit etw_schema_pack_export(const etw_replay_arguments *arguments)
{
    return export_to(arguments->export_path, arguments);
}

/* Only files are looked at: what a pipe gives once is the copy's. */
static bool is_pack(const char *path)
{
    const etw_os *os = etw_os_default();
    etw_schema_store *store = etw_schema_store_new();
    etw_donor *donor = NULL;
    const bool is_one = store != NULL && os->kind(os->context, path) == ETW_PATH_FILE &&
                        etw_pack_open(os, path, store, &donor, NULL) == ETW_OK;
    if (is_one) {
        donor->free(donor);
    }
    etw_schema_store_free(store);
    return is_one;
}

bool etw_schema_pack_are_all(const etw_replay_arguments *arguments)
{
    bool are_all = arguments->input_count > 0;
    for (uint32_t i = 0; i < arguments->input_count && are_all; i++) {
        are_all = is_pack(arguments->inputs[i]);
    }
    return are_all;
}

etw_exit etw_schema_pack_copy(const etw_replay_arguments *arguments)
{
    return export_to(arguments->output, arguments);
}
