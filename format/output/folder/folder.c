/* A folder with a file for each kind of event. Which kinds there are is known at the end, and so
 * many files cannot be open at once: rows are put aside in a temporary file, which is read again
 * for as many kinds at a time as memory holds. */
#include "format/base/grown.h"
#include "format/output/folder/kind_file.h"
#include "format/output/folder/kind_names.h"

#include "format/base/part_file.h"
#include "format/output/spool.h"

#include <errno.h>
#include <stdlib.h>

#define BATCH       64u /* files at one time, which may hold so much: */
#define BATCH_BYTES ((uint64_t)16 * ETW_KIND_FILE_BYTES)
#define CHUNK       ((size_t)256 << 10)
#define MAX_KINDS   ((uint32_t)1 << 20)
/* What a file of many columns holds besides, for each byte of their schema: 24 are a property. */
#define SCHEMA_COST 128u
#define MAX_SEGMENT 4096u /* of a path */

typedef struct kind_key {
    const etw_schema *schema;
    etw_guid provider; /* only where it tells kinds apart */
    uint32_t day;
    uint16_t trace;
    uint8_t is_loss, is_explained;
} kind_key;

typedef struct kind {
    kind_key key;
    uint32_t number;
    const char *path; /* below the folder, without its ending */
    uint64_t bytes;   /* of its rows */
} kind;

/* One that is being written. */
typedef struct open_file {
    etw_kind_file *file; /* NULL: none of its rows has come */
    etw_part_file part;
    etw_text path, out;
    int handle;
} open_file;

struct etw_collector {
    etw_collector_target target;
    etw_output_options options;
    const etw_kind_form *form;
    etw_output_spool spool;
    etw_table kinds;
    etw_unique_names names;
    etw_arena memory;
    kind **list;
    uint32_t count, capacity;
    kind *latest; /* of the row before */
    etw_text record;
    open_file files[BATCH];
};

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a folder of files");
}

static void close_file(etw_collector *c, open_file *f)
{
    if (f->file != NULL) {
        c->form->close(f->file);
    }
    if (f->handle >= 0) {
        (void)c->target.os->close(c->target.os->context, f->handle);
    }
    etw_part_free(&f->part);
    etw_text_free(&f->path);
    etw_text_free(&f->out);
    *f = (open_file){.handle = -1};
}

static void close_folder(etw_collector *collector)
{
    if (collector != NULL) {
        for (uint32_t i = 0; i < BATCH; i++) {
            close_file(collector, &collector->files[i]);
        }
        etw_output_spool_close(&collector->spool);
        etw_table_free(&collector->kinds);
        etw_unique_names_free(&collector->names);
        etw_arena_free(&collector->memory);
        etw_text_free(&collector->record);
        free(collector->list);
        free(collector);
    }
}

static etw_status open_folder(const etw_kind_form *form, const etw_output_options *options,
                              const etw_collector_target *target, etw_collector **collector,
                              etw_error *error)
{
    *collector = NULL;
    if (target->path == NULL) {
        return etw_error_set_missing(error, "folder");
    }
    etw_collector *made = calloc(1, sizeof *made);
    *collector = made;
    if (made == NULL) {
        return no_memory(error);
    }
    made->target = *target;
    made->options = *options;
    made->form = form;
    etw_collector_open_spool(target, &made->spool);
    for (uint32_t i = 0; i < BATCH; i++) {
        made->files[i].handle = -1;
    }
    return ETW_OK;
}

static etw_status open_parquet(const etw_output_options *options,
                               const etw_collector_target *target, etw_collector **collector,
                               etw_error *error)
{
    return open_folder(&etw_kind_parquet, options, target, collector, error);
}

static etw_status open_csv(const etw_output_options *options, const etw_collector_target *target,
                           etw_collector **collector, etw_error *error)
{
    return open_folder(&etw_kind_csv, options, target, collector, error);
}

/* First: each row, with the number of its kind. */

#define DAY_100NS INT64_C(864000000000)

static kind_key key_of(const etw_collector *c, const etw_row *row)
{
    const etw_row_fixed *f = &row->fixed;
    const uint32_t partition = c->options.partition;
    kind_key key;
    memset(&key, 0, sizeof key);
    key.is_loss = f->is_loss;
    key.is_explained = f->property_count != ETW_ROW_NONE;
    key.schema = key.is_explained ? f->schema : NULL;
    if (!f->is_loss && (partition & ETW_PARTITION_PROVIDER) != 0) {
        key.provider = f->provider_id;
    }
    if (!f->is_loss && (partition & ETW_PARTITION_DATE) != 0) {
        key.day = f->time_100ns < 0 ? 0 : (uint32_t)(f->time_100ns / DAY_100NS) + 1;
    }
    key.trace = (partition & ETW_PARTITION_HOST) != 0 ? f->trace_number : 0;
    return key;
}

static etw_status add_kind(etw_collector *c, const etw_row *row, const kind_key *key, kind **added,
                           etw_error *error)
{
    kind *k = etw_arena_alloc(&c->memory, sizeof *k);
    etw_text path = {0};
    if (c->count == MAX_KINDS) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u kinds of events", MAX_KINDS);
    }
    kind **longer = etw_grown(c->list, &c->capacity, c->count, 64, sizeof *longer);
    if (longer == NULL) {
        return no_memory(error);
    }
    c->list = longer;
    if (!row->fixed.is_loss) {
        etw_kind_folders_append(&c->options, row, &path);
    }
    etw_kind_name_append(&c->names, row, &path);
    const char *copy = path.failed ? NULL : etw_arena_copy(&c->memory, path.data, path.size);
    etw_text_free(&path);
    if (k == NULL || copy == NULL) {
        return no_memory(error);
    }
    k->key = *key;
    k->number = c->count;
    k->path = copy;
    k->bytes = 0;
    c->list[c->count++] = k;
    *added = k;
    return etw_table_set(&c->kinds, &k->key, sizeof k->key, k) ? ETW_OK : no_memory(error);
}

static etw_status take_row(etw_collector *c, const etw_row *row, etw_bytes whole, etw_error *error)
{
    const kind_key key = key_of(c, row);
    kind *k = c->latest;
    if (k == NULL || memcmp(&k->key, &key, sizeof key) != 0) {
        k = etw_table_get(&c->kinds, &key, sizeof key);
    }
    if (k == NULL) {
        const etw_status status = add_kind(c, row, &key, &k, error);
        if (etw_failed(status)) {
            return status;
        }
    }
    c->latest = k;
    k->bytes += whole.size;
    etw_text_clear(&c->record);
    etw_text_append(&c->record, (const char *)&k->number, sizeof k->number);
    etw_text_append(&c->record, (const char *)whole.data, whole.size);
    return c->record.failed ? no_memory(error)
                            : etw_output_spool_append(&c->spool, etw_text_bytes(&c->record), error);
}

static etw_status take_rows(etw_collector *collector, etw_bytes rows, etw_text *out,
                            etw_error *error)
{
    etw_row row;
    etw_status status = ETW_OK;
    (void)out;
    while (!etw_failed(status) && rows.size > 0) {
        etw_bytes whole = rows;
        (void)etw_row_next(&rows, &row);
        whole.size -= rows.size;
        status = take_row(collector, &row, whole, error);
    }
    return status;
}

/* Then: the files. */

/* Makes the folders that a path below the first one leads through. */
static etw_status make_folders(const etw_collector *c, const char *path, size_t from,
                               etw_error *error)
{
    char folder[MAX_SEGMENT];
    for (size_t i = from; path[i] != '\0'; i++) {
        if (path[i] != '/' || i >= sizeof folder) {
            continue;
        }
        memcpy(folder, path, i);
        folder[i] = '\0';
        const int made = c->target.os->make_folder(c->target.os->context, folder);
        if (made < 0 && made != -EEXIST) {
            return etw_error_set_os(error, -made, "%s", folder);
        }
    }
    return ETW_OK;
}

static etw_status open_kind(etw_collector *c, open_file *f, const kind *k, const etw_row *row,
                            etw_error *error)
{
    etw_text_append_z(&f->path, c->target.path);
    etw_text_append_char(&f->path, '/');
    etw_text_append_z(&f->path, k->path);
    etw_text_append_z(&f->path, c->form->ending);
    if (f->path.failed) {
        return no_memory(error);
    }
    etw_status status = make_folders(c, etw_text_z(&f->path), strlen(c->target.path) + 1, error);
    if (!etw_failed(status)) {
        status = etw_part_create(c->target.os, etw_text_z(&f->path), &f->part, &f->handle, error);
    }
    const etw_plan *plan = NULL;
    bool owns = false;
    if (!etw_failed(status) && !row->fixed.is_loss) {
        status = etw_typed_row_plan(row, &plan, &owns, error);
    }
    if (!etw_failed(status)) {
        status = c->form->open(plan, &f->file, &f->out, error);
    }
    if (owns) {
        etw_plan_free((etw_plan *)(uintptr_t)plan);
    }
    return status;
}

static etw_status write_out(const etw_collector *c, open_file *f, size_t least, etw_error *error)
{
    if (f->out.failed) {
        return no_memory(error);
    }
    if (f->out.size < least) {
        return ETW_OK;
    }
    const etw_status status =
        etw_os_write_full(c->target.os, f->handle, f->out.data, f->out.size, NULL, error);
    etw_text_clear(&f->out);
    return etw_failed(status) ? etw_error_wrap(error, status, "%s", etw_text_z(&f->part.name))
                              : status;
}

static etw_status finish_file(etw_collector *c, open_file *f, etw_error *error)
{
    etw_status status = c->form->finish(f->file, &f->out, error);
    if (!etw_failed(status)) {
        status = write_out(c, f, 1, error);
    }
    const int closed = c->target.os->close(c->target.os->context, f->handle);
    f->handle = -1;
    if (!etw_failed(status) && closed < 0) {
        status = etw_error_set_os(error, -closed, "%s", etw_text_z(&f->part.name));
    }
    if (!etw_failed(status)) {
        status = etw_part_settle(c->target.os, &f->part, etw_text_z(&f->path), false, error);
    }
    close_file(c, f);
    return status;
}

/* The kinds from first on that are written together: up to the one returned. */
static uint32_t end_of_batch(const etw_collector *c, uint32_t first)
{
    uint64_t held = 0;
    uint32_t end = first;
    while (end < c->count && end - first < BATCH && (end == first || held < BATCH_BYTES)) {
        const kind *k = c->list[end];
        held += k->bytes < ETW_KIND_FILE_BYTES ? k->bytes : ETW_KIND_FILE_BYTES;
        held += k->key.schema == NULL ? 0 : SCHEMA_COST * (uint64_t)k->key.schema->tei.size;
        end++;
    }
    return end;
}

static etw_status write_batch(etw_collector *c, uint32_t first, uint32_t end, etw_error *error)
{
    etw_bytes record;
    etw_row row;
    etw_status status = etw_output_spool_rewind(&c->spool, error);
    while (!etw_failed(status)) {
        status = etw_output_spool_next(&c->spool, &record, error);
        if (status != ETW_OK) {
            break;
        }
        const uint32_t number = etw_load_u32(record.data);
        if (number < first || number >= end) {
            continue;
        }
        open_file *f = &c->files[number - first];
        etw_bytes rest = {record.data + sizeof number, record.size - sizeof number};
        (void)etw_row_next(&rest, &row);
        if (f->file == NULL) {
            status = open_kind(c, f, c->list[number], &row, error);
        }
        if (!etw_failed(status)) {
            status = c->form->put(f->file, &row, &f->out, error);
        }
        if (!etw_failed(status)) {
            status = write_out(c, f, CHUNK, error);
        }
    }
    for (uint32_t i = 0; !etw_failed(status) && i < BATCH; i++) {
        if (c->files[i].file != NULL) {
            status = finish_file(c, &c->files[i], error);
        }
    }
    return status;
}

static etw_status finish_folder(etw_collector *collector, etw_text *out, etw_error *error)
{
    etw_status status = ETW_OK;
    (void)out;
    for (uint32_t first = 0; !etw_failed(status) && first < collector->count;) {
        const uint32_t end = end_of_batch(collector, first);
        status = write_batch(collector, first, end, error);
        first = end;
    }
    return etw_failed(status) ? status : ETW_OK;
}

/* The renderer's half. */

static void render_nested(etw_output *output, const etw_event *event, etw_text *text)
{
    etw_nested_row_append(&output->options, event, text);
}

static void render_typed(etw_output *output, const etw_event *event, etw_text *text)
{
    etw_typed_row_append(&output->options, event, text);
}

static void render_loss(etw_output *output, const etw_loss *loss, etw_text *text)
{
    (void)output;
    etw_row_append_loss(loss, text);
}

static const etw_collector_kind parquet = {open_parquet, take_rows, finish_folder, close_folder};
static const etw_collector_kind csv = {open_csv, take_rows, finish_folder, close_folder};

const etw_output_format etw_output_parquet_folder = {
    .name = "parquet-folder",
    .help = "a Parquet table for each kind of event: --per-event",
    .binary = true,
    .is_folder = true,
    .open = etw_output_open_plain,
    .close = etw_output_free,
    .event = render_nested,
    .loss = render_loss,
    .collector = &parquet,
};

const etw_output_format etw_output_csv_folder = {
    .name = "csv-folder",
    .help = "a CSV file for each kind of event: --per-event --format csv",
    .binary = true,
    .is_folder = true,
    .open = etw_output_open_plain,
    .close = etw_output_free,
    .event = render_typed,
    .loss = render_loss,
    .collector = &csv,
};
