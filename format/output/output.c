#include "format/output/output.h"
#include "format/output/spool.h"
#include "format/output/stack_texts.h"

#include "format/base/names.h"

#include <stdio.h>
#include <stdlib.h>

#define COLLECTOR_CHUNK ((size_t)256 << 10)

static const etw_output_format *const formats[] = {
    &etw_output_json,       &etw_output_text,   &etw_output_xml,        &etw_output_eventviewer,
    &etw_output_csv,        &etw_output_pcapng, &etw_output_parquet,    &etw_output_packets,
    &etw_output_sqlite,     &etw_output_folded, &etw_output_speedscope, &etw_output_chrome,
    &etw_output_perfetto,   &etw_output_etl,    &etw_output_json_array, &etw_output_parquet_folder,
    &etw_output_csv_folder, &etw_output_html,
};

const etw_output_format *etw_output_at(size_t index)
{
    return index < sizeof formats / sizeof formats[0] ? formats[index] : NULL;
}

const etw_output_format *etw_output_find(const char *name)
{
    for (size_t index = 0; etw_output_at(index) != NULL; index++) {
        if (strcmp(etw_output_at(index)->name, name) == 0) {
            return etw_output_at(index);
        }
    }
    return NULL;
}

/* A row for each ending: the format it stands for; longer ones before those they end in. */
static const struct {
    const char *ending;
    const etw_output_format *format;
} endings[] = {{".trace.json", &etw_output_chrome}, {".perfetto-trace", &etw_output_perfetto},
               {".pftrace", &etw_output_perfetto},  {".speedscope.json", &etw_output_speedscope},
               {".folded", &etw_output_folded},     {".etl", &etw_output_etl},
               {".html", &etw_output_html},         {".json", &etw_output_json},
               {".ndjson", &etw_output_json},       {".jsonl", &etw_output_json},
               {".txt", &etw_output_text},          {".log", &etw_output_text},
               {".xml", &etw_output_xml},           {".csv", &etw_output_csv},
               {".pcapng", &etw_output_pcapng},     {".parquet", &etw_output_parquet},
               {".db", &etw_output_sqlite},         {".sqlite", &etw_output_sqlite},
               {".sqlite3", &etw_output_sqlite}};

const char *etw_output_ending_at(size_t index)
{
    return index < sizeof endings / sizeof endings[0] ? endings[index].ending : NULL;
}

const etw_output_format *etw_output_for_file(const char *path)
{
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (etw_name_ends_with(path, endings[i].ending)) {
            return endings[i].format;
        }
    }
    return NULL;
}

etw_status etw_collector_put(const etw_collector_target *target, etw_text *out, etw_error *error)
{
    if (out->failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the output");
    }
    if (out->size < COLLECTOR_CHUNK) {
        return ETW_OK;
    }
    const etw_status status = target->write(target->write_context, etw_text_bytes(out), error);
    etw_text_clear(out);
    return status;
}

void etw_collector_open_spool(const etw_collector_target *target, etw_output_spool *spool)
{
    etw_output_spool_open(spool, target->os);
    spool->progress = target->progress;
    spool->progress_context = target->progress_context;
}

void etw_collector_say(const etw_collector_target *target, uint64_t count, const char *noun,
                       const char *what)
{
    const char *plural = count == 1 ? "" : etw_name_ends_with(noun, "s") ? "es" : "s";
    if (count > 0 && target->note != NULL) {
        char text[200];
        (void)snprintf(text, sizeof text, "%llu %s%s %s", (unsigned long long)count, noun, plural,
                       what);
        target->note(target->note_context, text);
    }
}

etw_output *etw_output_new(size_t size, const etw_output_options *options)
{
    etw_output *output = calloc(1, size);
    if (output != NULL) {
        output->options = *options;
        output->options.stack_texts = etw_stack_texts_new(); /* without, each is made anew */
    }
    return output;
}

etw_output *etw_output_open_plain(const etw_output_options *options)
{
    return etw_output_new(sizeof(etw_output), options);
}

void etw_output_free(etw_output *output)
{
    etw_stack_texts_free(output->options.stack_texts);
    free(output);
}
