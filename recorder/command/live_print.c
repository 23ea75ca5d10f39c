#include "recorder/command/live_print.h"

#include "format/base/os.h"

#include <stdlib.h>

#define CHUNK_BYTES ((size_t)64 << 10)

struct etw_live_print {
    const etw_output_format *format;
    etw_output *output;
    etw_event_maker *maker;
    const etw_schema_store *store;
    etw_text text;
    etw_error error; /* of the first write that failed; ETW_END: the reader has gone */
};

etw_live_print *etw_live_print_new(const etw_output_format *format, const etw_schema_store *store)
{
    static const etw_output_options options = {0};
    etw_live_print *print = calloc(1, sizeof *print);
    if (print == NULL) {
        return NULL;
    }
    print->format = format;
    print->store = store;
    print->output = format->open(&options);
    print->maker = etw_event_maker_new(false);
    if (print->output == NULL || print->maker == NULL) {
        etw_live_print_free(print);
        return NULL;
    }
    if (format->begin != NULL) {
        format->begin(print->output, &print->text);
    }
    return print;
}

void etw_live_print_free(etw_live_print *print)
{
    if (print == NULL) {
        return;
    }
    if (print->output != NULL) {
        print->format->close(print->output);
    }
    etw_event_maker_free(print->maker);
    etw_text_free(&print->text);
    free(print);
}

static void write_text(etw_live_print *print)
{
    const etw_os *os = etw_os_default();
    etw_error *error = &print->error;
    if (print->error.status == ETW_OK && print->text.failed) {
        etw_ignore(etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for printing"));
    }
    if (print->error.status == ETW_OK &&
        etw_os_write_full(os, ETW_FILE_STDOUT, print->text.data, print->text.size, NULL, error) !=
            ETW_OK) {
        print->error.status = etw_os_is_reader_gone(error->os_code) ? ETW_END : error->status;
        (void)etw_error_wrap(error, error->status, "printing to stdout");
    }
    etw_text_clear(&print->text);
}

static void write_chunks(etw_live_print *print)
{
    if (print->text.size >= CHUNK_BYTES) {
        write_text(print);
    }
}

void etw_live_print_event(etw_live_print *print, const etw_trace *trace,
                          const etw_event_record *record, const etw_schema *schema)
{
    if (print->error.status != ETW_OK) {
        return;
    }
    const etw_event *event = etw_event_make(
        print->maker, record, trace, schema,
        etw_schema_store_provider_name(print->store, &record->EventHeader.ProviderId));
    if (event == NULL) {
        print->text.failed = true;
        return;
    }
    print->format->event(print->output, event, &print->text);
    etw_event_expire(print->maker);
    write_chunks(print);
}

void etw_live_print_loss(etw_live_print *print, const etw_loss *loss)
{
    if (print->error.status == ETW_OK && print->format->loss != NULL) {
        print->format->loss(print->output, loss, &print->text);
        write_chunks(print);
    }
}

etw_status etw_live_print_flush(etw_live_print *print, etw_error *error)
{
    if (print->text.size > 0 || print->text.failed) {
        write_text(print);
    }
    if (print->error.status != ETW_OK && error != NULL) {
        *error = print->error;
    }
    return print->error.status;
}

etw_status etw_live_print_finish(etw_live_print *print, etw_error *error)
{
    if (print->format->end != NULL) {
        print->format->end(print->output, &print->text);
    }
    return etw_live_print_flush(print, error);
}
