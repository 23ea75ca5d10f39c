#include "recorder/command/record_catalog.h"

#include "format/etwcap/pack_writer.h"
#include "recorder/command/report.h"
#include "recorder/session/provider_catalog.h"

#include <inttypes.h>

static etw_status write_catalog(const etw_record_arguments *arguments, etw_schema_store *names,
                                etw_pack_writer *writer, etw_provider_catalog_counts *told,
                                etw_pack_counts *counts, etw_error *error)
{
    const etw_definition_visitor visitor = {etw_pack_writer_take, writer};
    const etw_pack_options options = {.application = arguments->writer.application,
                                      .replace = arguments->writer.replace};
    etw_status status = etw_provider_catalog(NULL, &visitor, names, told, error);
    if (status == ETW_OK) {
        status = etw_pack_writer_save(writer, etw_os_default(), arguments->output, &options, counts,
                                      error);
    }
    return etw_record_advise(ETW_STEP_OPEN_OUTPUT, status, error);
}

static void report(const etw_record_arguments *arguments, const etw_provider_catalog_counts *told,
                   const etw_pack_counts *counts)
{
    etw_text text = {0};
    if (!arguments->quiet) {
        etw_text_printf(
            &text, "%s: schemas of %" PRIu32 " events of %" PRIu32 " providers, %" PRIu64 " bytes",
            arguments->output, counts->events, counts->providers, counts->bytes);
        etw_report_note(NULL, etw_text_z(&text));
        etw_text_clear(&text);
    }
    if (told->failed > 0) {
        etw_text_printf(&text, "Windows could not tell of %" PRIu32 " providers or events",
                        told->failed);
        etw_report_note(NULL, etw_text_z(&text));
    }
    etw_text_free(&text);
}

int etw_record_catalog(const etw_record_arguments *arguments)
{
    etw_error error = {0};
    etw_provider_catalog_counts told = {0};
    etw_pack_counts counts = {0};
    etw_schema_store *names = etw_schema_store_new();
    etw_pack_writer *writer = names == NULL ? NULL : etw_pack_writer_new(names);
    const etw_status status =
        writer == NULL ? etw_error_set(&error, ETW_ERROR_NO_MEMORY, "out of memory for a catalog")
                       : write_catalog(arguments, names, writer, &told, &counts, &error);
    etw_pack_writer_free(writer);
    etw_schema_store_free(names);
    if (status != ETW_OK) {
        etw_report_error(&error);
        return ETW_EXIT_FAILED;
    }
    report(arguments, &told, &counts);
    return told.failed > 0 ? ETW_EXIT_MISSING : ETW_EXIT_WELL;
}
