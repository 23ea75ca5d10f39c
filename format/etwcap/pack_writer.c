#include "format/etwcap/pack_writer.h"

#include "format/base/part_file.h"
#include "format/etwcap/catalog.h"
#include "format/etwcap/packed_schemas.h"
#include "format/etwcap/sink.h"

#include <stdio.h>
#include <stdlib.h>

/* Schemas of one block, raw: what a reader expands for one event. Larger ones compress better. */
#define BLOCK_BYTES ((size_t)512 << 10)
#define LEVEL       19
#define MAX_BLOCKS  4000u
#define MAX_BUILDS  32u

typedef struct definition {
    etw_schema_key key;
    uint32_t order; /* in which it came */
    uint32_t kept_id;
    uint16_t source;
} definition;

struct etw_pack_writer {
    const etw_schema_store *names;
    etw_schema_store *store;
    etw_buffer definitions; /* definition each */
    etw_buffer sources;     /* etw_catalog_source each; names are freed */
    /* While it is written: */
    etw_sink *sink;
    etw_buffer providers; /* etw_guid each */
    etw_buffer rows;      /* etw_catalog_row each */
    etw_buffer schemas;   /* const etw_schema * each */
    etw_buffer blocks;    /* etw_catalog_block each */
    uint32_t *file_ids;   /* by kept_id; 0: not yet given */
};

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a schema pack");
}

#define COUNT_OF(list, type) ((uint32_t)((list).size / sizeof(type)))
#define ITEMS_OF(list, type) ((type *)(void *)(list).data)

etw_pack_writer *etw_pack_writer_new(const etw_schema_store *names)
{
    etw_pack_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return NULL;
    }
    writer->names = names;
    writer->store = etw_schema_store_new();
    if (writer->store == NULL) {
        free(writer);
        return NULL;
    }
    return writer;
}

void etw_pack_writer_free(etw_pack_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    const etw_catalog_source *sources = ITEMS_OF(writer->sources, etw_catalog_source);
    for (uint32_t i = 0; i < COUNT_OF(writer->sources, etw_catalog_source); i++) {
        free((void *)(uintptr_t)sources[i].name);
    }
    etw_sink_free(writer->sink);
    etw_buffer_free(&writer->sources);
    etw_buffer_free(&writer->definitions);
    etw_buffer_free(&writer->providers);
    etw_buffer_free(&writer->rows);
    etw_buffer_free(&writer->schemas);
    etw_buffer_free(&writer->blocks);
    free(writer->file_ids);
    etw_schema_store_free(writer->store);
    free(writer);
}

/* Taking. */

static const char *base_name(const char *path)
{
    const char *name = path;
    for (const char *at = path; *at != '\0'; at++) {
        name = *at == '/' || *at == '\\' ? at + 1 : name;
    }
    return name;
}

/* The number of a source; definitions come source by source, so that the latest serve. */
static etw_status source_of(etw_pack_writer *writer, const char *from, uint32_t build,
                            uint16_t *number, etw_error *error)
{
    const char *name = base_name(from);
    const uint32_t count = COUNT_OF(writer->sources, etw_catalog_source);
    const etw_catalog_source *sources = ITEMS_OF(writer->sources, etw_catalog_source);
    for (uint32_t i = count; i > 0; i--) {
        if (sources[i - 1].build == build && strcmp(sources[i - 1].name, name) == 0) {
            *number = (uint16_t)(i - 1);
            return ETW_OK;
        }
    }
    if (count == ETW_CATALOG_MAX_SOURCES) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "schemas of more than %u files in one pack",
                             ETW_CATALOG_MAX_SOURCES);
    }
    const etw_catalog_source added = {strdup(name), build};
    etw_buffer_append(&writer->sources, &added, sizeof added);
    *number = (uint16_t)count;
    return added.name == NULL || writer->sources.failed ? no_memory(error) : ETW_OK;
}

etw_status etw_pack_writer_take(void *context, const etw_schema *schema, const char *from,
                                uint32_t build, etw_error *error)
{
    etw_pack_writer *writer = context;
    etw_tei tei;
    const etw_schema *kept;
    definition added = {.order = COUNT_OF(writer->definitions, definition)};
    if (etw_tei_open(schema->tei, &tei, NULL) != ETW_OK ||
        !etw_schema_key_of_tei(&tei, &added.key)) {
        return ETW_OK;
    }
    if (added.order == ETW_PACK_MAX_DEFINITIONS) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u definitions in one pack",
                             ETW_PACK_MAX_DEFINITIONS);
    }
    etw_status status = etw_schema_store_intern(writer->store, schema, &kept, error);
    if (status == ETW_OK) {
        status = source_of(writer, from, build, &added.source, error);
    }
    if (status != ETW_OK) {
        return status;
    }
    added.kept_id = kept->id;
    etw_buffer_append(&writer->definitions, &added, sizeof added);
    return writer->definitions.failed ? no_memory(error) : ETW_OK;
}

/* Writing. */

static int compare_definitions(const void *left, const void *right)
{
    const definition *a = left;
    const definition *b = right;
    const int key = etw_catalog_compare(&a->key, &b->key);
    return key != 0 ? key : a->order < b->order ? -1 : 1;
}

/* What the same build says twice counts once. */
static bool is_said(const etw_pack_writer *writer, const definition *sorted, uint32_t at)
{
    const etw_catalog_source *sources = ITEMS_OF(writer->sources, etw_catalog_source);
    for (uint32_t i = at; i > 0; i--) {
        const definition *before = &sorted[i - 1];
        if (etw_catalog_compare(&before->key, &sorted[at].key) != 0) {
            return false;
        }
        if (before->kept_id == sorted[at].kept_id &&
            sources[before->source].build == sources[sorted[at].source].build) {
            return true;
        }
    }
    return false;
}

/* Schemas get their numbers in the order of the rows. */
static void add_row(etw_pack_writer *writer, const definition *from)
{
    uint32_t *file_id = &writer->file_ids[from->kept_id];
    const uint32_t providers = COUNT_OF(writer->providers, etw_guid);
    const etw_guid *last = ITEMS_OF(writer->providers, etw_guid);
    if (providers == 0 || !etw_guid_equal(&last[providers - 1], &from->key.guid)) {
        etw_buffer_append(&writer->providers, &from->key.guid, sizeof from->key.guid);
    }
    if (*file_id == 0) {
        const etw_schema *schema = etw_schema_store_get(writer->store, from->kept_id);
        *file_id = COUNT_OF(writer->schemas, const etw_schema *) + 1;
        etw_buffer_append(&writer->schemas, &schema, sizeof schema);
    }
    const etw_catalog_row row = {from->key, from->source, *file_id};
    etw_buffer_append(&writer->rows, &row, sizeof row);
}

static etw_status make_rows(etw_pack_writer *writer, etw_pack_counts *counts, etw_error *error)
{
    definition *sorted = ITEMS_OF(writer->definitions, definition);
    const uint32_t count = COUNT_OF(writer->definitions, definition);
    writer->file_ids = calloc(etw_schema_store_count(writer->store) + 1u, sizeof *writer->file_ids);
    if (writer->file_ids == NULL) {
        return no_memory(error);
    }
    if (count > 0) {
        qsort(sorted, count, sizeof *sorted, compare_definitions);
    }
    for (uint32_t i = 0; i < count; i++) {
        counts->events += i == 0 || etw_catalog_compare(&sorted[i].key, &sorted[i - 1].key) != 0;
        if (!is_said(writer, sorted, i)) {
            add_row(writer, &sorted[i]);
        }
    }
    counts->definitions = COUNT_OF(writer->rows, etw_catalog_row);
    counts->providers = COUNT_OF(writer->providers, etw_guid);
    if (counts->providers > ETW_CATALOG_MAX_PROVIDERS) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u providers in one pack",
                             ETW_CATALOG_MAX_PROVIDERS);
    }
    return writer->rows.failed || writer->schemas.failed || writer->providers.failed
               ? no_memory(error)
               : ETW_OK;
}

static etw_status too_large(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_LIMIT, "the pack is too large; make several");
}

static etw_status put(etw_pack_writer *writer, uint16_t kind, uint32_t count,
                      const etw_buffer *body, etw_error *error)
{
    etw_buffer packed = {0};
    if (body->failed || body->size > ETW_BLOCK_MAX_RAW) {
        return body->failed ? no_memory(error) : too_large(error);
    }
    etw_sink_block block = {.kind = kind,
                            .raw_size = (uint32_t)body->size,
                            .count = count,
                            .body = etw_buffer_bytes(body)};
    if (etw_block_compress_at(NULL, LEVEL, block.body, &packed)) {
        block.flags = ETW_BLOCK_ZSTD;
        block.body = etw_buffer_bytes(&packed);
    }
    const etw_status status = etw_sink_put(writer->sink, &block, error);
    etw_buffer_free(&packed);
    return status;
}

/* The builds that the schemas are of, ascending: "19041, 22621"; cut to what a pair holds. */
static void tell_builds(const etw_pack_writer *writer, char *text, size_t size)
{
    const etw_catalog_source *sources = ITEMS_OF(writer->sources, etw_catalog_source);
    uint32_t last = 0;
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t n = 0; n < MAX_BUILDS; n++) {
        uint32_t next = UINT32_MAX;
        for (uint32_t i = 0; i < COUNT_OF(writer->sources, etw_catalog_source); i++) {
            const uint32_t build = sources[i].build;
            next = build > last && build < next ? build : next;
        }
        if (next == UINT32_MAX || used + 16 > size) {
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%u", n == 0 ? "" : ", ", next);
        last = next;
    }
}

static etw_status put_file_info(etw_pack_writer *writer, const etw_pack_options *options,
                                etw_error *error)
{
    char builds[ETW_FILE_INFO_MAX_TEXT];
    tell_builds(writer, builds, sizeof builds);
    const char *const keys[] = {"application", "builds"};
    const char *const values[] = {options->application, builds};
    etw_buffer body = {0};
    etw_file_info_append(&body, builds[0] == '\0' ? 1 : 2, keys, values);
    const etw_status status =
        put(writer, ETW_BLOCK_FILE_INFO, builds[0] == '\0' ? 1 : 2, &body, error);
    etw_buffer_free(&body);
    return status;
}

/* How many of the schemas make a block. */
static uint32_t count_for_block(const etw_schema *const *schemas, uint32_t count)
{
    size_t bytes = 0;
    uint32_t taken = 0;
    uint32_t maps = 0;
    while (taken < count && bytes < BLOCK_BYTES && taken < ETW_PACKED_MAX_SCHEMAS &&
           maps < ETW_PACKED_MAX_MAPS - ETW_MAX_MAPS_PER_SCHEMA) {
        maps += schemas[taken]->map_count;
        bytes += etw_schema_size_bytes(schemas[taken++]);
    }
    return taken;
}

static etw_status put_schemas(etw_pack_writer *writer, etw_error *error)
{
    const etw_schema *const *schemas = ITEMS_OF(writer->schemas, const etw_schema *);
    const uint32_t count = COUNT_OF(writer->schemas, const etw_schema *);
    etw_buffer body = {0};
    etw_status status = ETW_OK;
    for (uint32_t done = 0; status == ETW_OK && done < count;) {
        const uint32_t taken = count_for_block(schemas + done, count - done);
        const etw_catalog_block block = {etw_sink_size(writer->sink), done + 1};
        if (COUNT_OF(writer->blocks, etw_catalog_block) == MAX_BLOCKS) {
            status = too_large(error);
            break;
        }
        etw_packed_schemas_append(&body, done + 1, schemas + done, taken);
        etw_buffer_append(&writer->blocks, &block, sizeof block);
        status = put(writer, ETW_BLOCK_PACKED_SCHEMAS, taken, &body, error);
        done += taken;
        etw_buffer_clear(&body);
    }
    etw_buffer_free(&body);
    return status;
}

static const char *name_of(const void *context, const etw_guid *provider)
{
    return etw_schema_store_provider_name(context, provider);
}

static etw_status put_catalog(etw_pack_writer *writer, etw_error *error)
{
    const etw_catalog_content content = {.sources = ITEMS_OF(writer->sources, etw_catalog_source),
                                         .source_count =
                                             COUNT_OF(writer->sources, etw_catalog_source),
                                         .providers = ITEMS_OF(writer->providers, etw_guid),
                                         .name_of = name_of,
                                         .name_context = writer->names,
                                         .provider_count = COUNT_OF(writer->providers, etw_guid),
                                         .blocks = ITEMS_OF(writer->blocks, etw_catalog_block),
                                         .block_count = COUNT_OF(writer->blocks, etw_catalog_block),
                                         .rows = ITEMS_OF(writer->rows, etw_catalog_row),
                                         .row_count = COUNT_OF(writer->rows, etw_catalog_row)};
    etw_buffer body = {0};
    etw_catalog_append(&body, &content);
    const etw_status status = put(writer, ETW_BLOCK_CATALOG, content.row_count, &body, error);
    etw_buffer_free(&body);
    return status;
}

static etw_status write_file(etw_pack_writer *writer, const etw_os *os, const char *path,
                             const etw_pack_options *options, etw_pack_counts *counts,
                             etw_error *error)
{
    const etw_sink_options sink = {.replace = true}; /* it is reserved */
    *counts = (etw_pack_counts){0};
    etw_status status = make_rows(writer, counts, error);
    if (status == ETW_OK) {
        status = etw_sink_open(os, path, &sink, &writer->sink, error);
    }
    if (status == ETW_OK) {
        status = put_file_info(writer, options, error);
    }
    if (status == ETW_OK) {
        status = put_schemas(writer, error);
    }
    if (status == ETW_OK) {
        status = put_catalog(writer, error);
    }
    if (status == ETW_OK) {
        status = etw_sink_finish(writer->sink, 0, writer->names, error);
        counts->bytes = etw_sink_size(writer->sink);
    }
    return status;
}

static etw_status write_part(etw_pack_writer *writer, const etw_os *os, const char *part,
                             const etw_pack_options *options, etw_pack_counts *counts,
                             etw_error *error)
{
    const etw_status status = write_file(writer, os, part, options, counts, error);
    return status == ETW_OK && counts->events == 0
               ? etw_error_set(error, ETW_ERROR_NOT_FOUND, "there are no schemas to pack")
               : status;
}

etw_status etw_pack_writer_save(etw_pack_writer *writer, const etw_os *os, const char *path,
                                const etw_pack_options *options, etw_pack_counts *counts,
                                etw_error *error)
{
    etw_part_file part = {0};
    etw_status status = etw_part_reserve(os, path, &part, error);
    if (status == ETW_OK) {
        status = write_part(writer, os, etw_text_z(&part.name), options, counts, error);
        if (status == ETW_OK) {
            status = etw_part_settle(os, &part, path, options->replace, error);
        }
        if (status != ETW_OK) {
            etw_part_remove(os, &part);
        }
    }
    etw_part_free(&part);
    return status;
}
