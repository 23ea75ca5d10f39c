#include "format/etwcap/pack_reader.h"

#include "format/etwcap/catalog.h"
#include "format/etwcap/file_counts.h"
#include "format/etwcap/file_schemas.h"
#include "format/etwcap/index_chain.h"
#include "format/etwcap/packed_schemas.h"

#include <stdlib.h>

typedef struct pack {
    etw_donor base;
    const etw_os *os;
    int file;
    char *path;
    etw_scan scan;
    etw_catalog catalog;
    etw_file_schemas schemas;
    bool *was_read; /* by block */
} pack;

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a schema pack");
}

static etw_status keep(void *context, const etw_schema_entry *entry, etw_error *error)
{
    return etw_file_schemas_add(context, entry, error);
}

/* A block that is damaged is told once, and its schemas are absent. */
static etw_status read_block(pack *self, uint32_t number, etw_error *error)
{
    etw_scan_item block;
    etw_bytes body;
    if (number == self->catalog.block_count || self->was_read[number]) {
        return ETW_OK;
    }
    self->was_read[number] = true;
    etw_status status =
        etw_scan_at(&self->scan, self->catalog.blocks[number].offset, &block, error);
    if (status == ETW_OK && block.header.kind != ETW_BLOCK_PACKED_SCHEMAS) {
        status = etw_error_set(error, ETW_ERROR_DAMAGED, "the catalog names what is no schemas");
    }
    if (status == ETW_OK) {
        status = etw_scan_body(&self->scan, &body, error);
    }
    if (status == ETW_OK) {
        const etw_schemas_visitor visitor = {.schema = keep, .context = &self->schemas};
        status = etw_packed_schemas_load(body, &visitor, error);
    }
    return status == ETW_OK ? ETW_OK : etw_error_wrap(error, status, "%s", self->path);
}

static etw_status give(pack *self, const etw_catalog_row *row,
                       const etw_definition_visitor *visitor, etw_error *error)
{
    const etw_catalog_source *source = &self->catalog.sources[row->source];
    const etw_status status =
        read_block(self, etw_catalog_block_of(&self->catalog, row->schema_id), error);
    const uint32_t id = etw_file_schemas_id(&self->schemas, row->schema_id);
    const etw_schema *schema = etw_schema_store_get(self->schemas.store, id);
    return status != ETW_OK || schema == NULL
               ? status
               : visitor->take(visitor->context, schema, source->name, source->build, error);
}

static etw_status find(etw_donor *base, const etw_schema_key *key,
                       const etw_definition_visitor *visitor, etw_error *error)
{
    pack *self = (pack *)base;
    etw_status status = ETW_OK;
    for (uint32_t i = etw_catalog_find(&self->catalog, key);
         i < self->catalog.row_count && status == ETW_OK; i++) {
        const etw_catalog_row row = etw_catalog_row_at(&self->catalog, i);
        if (etw_catalog_compare(&row.key, key) != 0) {
            break;
        }
        status = give(self, &row, visitor, error);
    }
    return status;
}

static etw_status each(etw_donor *base, const etw_definition_visitor *visitor, etw_error *error)
{
    pack *self = (pack *)base;
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < self->catalog.row_count && status == ETW_OK; i++) {
        const etw_catalog_row row = etw_catalog_row_at(&self->catalog, i);
        status = give(self, &row, visitor, error);
    }
    return status;
}

static void guids(const etw_donor *base, void (*take)(void *into, const etw_guid *guid), void *into)
{
    const etw_catalog *catalog = &((const pack *)base)->catalog;
    for (uint32_t i = 0; i < catalog->provider_count; i++) {
        take(into, &catalog->providers[i]);
    }
}

static void free_pack(etw_donor *base)
{
    pack *self = (pack *)base;
    etw_scan_free(&self->scan);
    if (self->file >= 0) {
        (void)self->os->close(self->os->context, self->file);
    }
    etw_catalog_free(&self->catalog);
    etw_file_schemas_free(&self->schemas);
    free(self->was_read);
    free(self->path);
    free(self);
}

static void find_catalog(void *context, const etw_index_entry *entry)
{
    uint64_t *offset = context;
    *offset = entry->kind == ETW_BLOCK_CATALOG ? entry->offset : *offset;
}

static etw_status load_catalog(pack *self, uint64_t file_bytes, etw_error *error)
{
    etw_file_counts counts = {0};
    etw_index_chain chain = {0};
    etw_scan_item block;
    etw_bytes body;
    uint64_t offset = 0;
    if (etw_file_counts_load(&counts, &self->scan, file_bytes) && counts.totals.events == 0 &&
        etw_index_chain_open(&chain, &self->scan, &counts.totals, file_bytes)) {
        (void)etw_index_chain_each(&chain, find_catalog, &offset);
    }
    etw_index_chain_free(&chain);
    etw_file_counts_free(&counts);
    if (offset == 0 || etw_scan_at(&self->scan, offset, &block, NULL) != ETW_OK ||
        block.header.kind != ETW_BLOCK_CATALOG ||
        etw_scan_body(&self->scan, &body, NULL) != ETW_OK) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "no schema pack");
    }
    return etw_catalog_load(&self->catalog, body, error);
}

static etw_status open_file(pack *self, etw_error *error)
{
    const etw_os *os = self->os;
    uint8_t head[ETW_HEAD_SIZE];
    size_t got = 0;
    uint32_t major, minor;
    self->file = os->open(os->context, self->path, ETW_OPEN_READ);
    if (self->file < 0) {
        return etw_error_set_os(error, -self->file, "cannot open");
    }
    const int64_t size = os->size(os->context, self->file);
    if (size < 0 ||
        etw_os_read_at_full(os, self->file, (etw_room){head, sizeof head}, 0, &got, error) !=
            ETW_OK ||
        etw_head_load((etw_bytes){head, got}, &major, &minor, error) != ETW_OK ||
        major != ETW_FORMAT_BLOCKS) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "no schema pack");
    }
    etw_scan_init(&self->scan, os, self->file, true);
    return load_catalog(self, (uint64_t)size, error);
}

static etw_status give_names(const pack *self, etw_schema_store *store, etw_error *error)
{
    const etw_catalog *catalog = &self->catalog;
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < catalog->provider_count && status == ETW_OK; i++) {
        status = etw_schema_store_set_provider_name(store, &catalog->providers[i],
                                                    catalog->provider_names[i], error);
    }
    return status;
}

etw_status etw_pack_open(const etw_os *os, const char *path, etw_schema_store *store,
                         etw_donor **donor, etw_error *error)
{
    pack *self = calloc(1, sizeof *self);
    *donor = NULL;
    if (self == NULL) {
        return no_memory(error);
    }
    self->base = (etw_donor){find, each, guids, free_pack};
    self->os = os;
    self->file = -1;
    self->path = strdup(path);
    etw_status status = self->path == NULL || !etw_file_schemas_init(&self->schemas)
                            ? no_memory(error)
                            : open_file(self, error);
    if (status == ETW_OK) {
        self->was_read = calloc(self->catalog.block_count + 1u, sizeof *self->was_read);
        status = self->was_read == NULL ? no_memory(error) : give_names(self, store, error);
    }
    if (status != ETW_OK) {
        free_pack(&self->base);
        return status == ETW_ERROR_NOT_THIS ? status : etw_error_wrap(error, status, "%s", path);
    }
    *donor = &self->base;
    return ETW_OK;
}
