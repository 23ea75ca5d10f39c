#include "format/etwcap/catalog.h"

#include "format/etwcap/body.h"

#include <stdlib.h>

/* A row's columns, each for all rows: u16 provider, u16 id, u8 version, u8 form, u16 source, u32
 * schema id. */
enum {
    COLUMN_PROVIDER = 0,
    COLUMN_ID = 2,
    COLUMN_VERSION = 4,
    COLUMN_FORM = 5,
    COLUMN_SOURCE = 6,
    COLUMN_SCHEMA = 8,
    ROW_SIZE = 12
};

int etw_catalog_compare(const etw_schema_key *a, const etw_schema_key *b)
{
    const int guid = memcmp(&a->guid, &b->guid, sizeof a->guid);
    if (guid != 0) {
        return guid;
    }
    if (a->id != b->id) {
        return a->id < b->id ? -1 : 1;
    }
    if (a->version != b->version) {
        return a->version < b->version ? -1 : 1;
    }
    return a->form == b->form ? 0 : a->form < b->form ? -1 : 1;
}

/* Writing. */

static void append_name(etw_buffer *body, const char *name)
{
    size_t size = name == NULL ? 0 : strlen(name);
    size = size > ETW_CATALOG_MAX_NAME ? ETW_CATALOG_MAX_NAME : size;
    etw_buffer_append_u16(body, (uint16_t)size);
    etw_buffer_append(body, name, size);
}

static void append_rows(etw_buffer *body, const etw_catalog_content *content)
{
    const etw_catalog_row *rows = content->rows;
    const uint32_t count = content->row_count;
    uint32_t provider = 0;
    for (uint32_t i = 0; i < count; i++) {
        while (!etw_guid_equal(&content->providers[provider], &rows[i].key.guid)) {
            provider++;
        }
        etw_buffer_append_u16(body, (uint16_t)provider);
    }
    for (uint32_t i = 0; i < count; i++) {
        etw_buffer_append_u16(body, rows[i].key.id);
    }
    for (uint32_t i = 0; i < count; i++) {
        etw_buffer_append_u8(body, (uint8_t)rows[i].key.version);
    }
    for (uint32_t i = 0; i < count; i++) {
        etw_buffer_append_u8(body, (uint8_t)rows[i].key.form);
    }
    for (uint32_t i = 0; i < count; i++) {
        etw_buffer_append_u16(body, rows[i].source);
    }
    for (uint32_t i = 0; i < count; i++) {
        etw_buffer_append_u32(body, rows[i].schema_id - (i == 0 ? 0 : rows[i - 1].schema_id));
    }
}

void etw_catalog_append(etw_buffer *body, const etw_catalog_content *content)
{
    etw_buffer_append_u32(body, content->source_count);
    etw_buffer_append_u32(body, content->provider_count);
    etw_buffer_append_u32(body, content->block_count);
    etw_buffer_append_u32(body, content->row_count);
    for (uint32_t i = 0; i < content->source_count; i++) {
        etw_buffer_append_u32(body, content->sources[i].build);
        append_name(body, content->sources[i].name);
    }
    for (uint32_t i = 0; i < content->provider_count; i++) {
        etw_buffer_append(body, &content->providers[i], sizeof content->providers[i]);
        append_name(body, content->name_of(content->name_context, &content->providers[i]));
    }
    for (uint32_t i = 0; i < content->block_count; i++) {
        etw_buffer_append_u64(body, content->blocks[i].offset);
        etw_buffer_append_u32(body, content->blocks[i].first_id);
    }
    append_rows(body, content);
}

/* Reading. */

static etw_status damaged(etw_error *error, const char *what)
{
    return etw_error_set(error, ETW_ERROR_DAMAGED, "catalog: %s", what);
}

/* Copies the next text16 to *to, with a NUL, and moves *to on. */
static const char *take_name(etw_cursor *at, char **to)
{
    const size_t size = etw_cursor_u16(at);
    const uint8_t *text = etw_cursor_take(at, size);
    char *name = *to;
    if (text != NULL) {
        memcpy(name, text, size);
    }
    name[text == NULL ? 0 : size] = '\0';
    *to += (text == NULL ? 0 : size) + 1;
    return name;
}

static void load_sources(etw_catalog *catalog, etw_cursor *at, char **names)
{
    for (uint32_t i = 0; i < catalog->source_count && !at->failed; i++) {
        catalog->sources[i].build = etw_cursor_u32(at);
        catalog->sources[i].name = take_name(at, names);
    }
}

static void load_providers(etw_catalog *catalog, etw_cursor *at, char **names)
{
    for (uint32_t i = 0; i < catalog->provider_count && !at->failed; i++) {
        const uint8_t *guid = etw_cursor_take(at, sizeof(etw_guid));
        if (guid != NULL) {
            memcpy(&catalog->providers[i], guid, sizeof(etw_guid));
        }
        catalog->provider_names[i] = take_name(at, names);
    }
}

static void load_blocks(etw_catalog *catalog, etw_cursor *at)
{
    for (uint32_t i = 0; i < catalog->block_count && !at->failed; i++) {
        catalog->blocks[i].offset = etw_cursor_u64(at);
        catalog->blocks[i].first_id = etw_cursor_u32(at);
    }
}

static bool allocate(etw_catalog *catalog, etw_bytes body)
{
    catalog->bytes = malloc(body.size + 1);
    /* every name has two bytes of its size, so that its NUL finds room */
    catalog->names = malloc(body.size + 1);
    catalog->sources = calloc(catalog->source_count + 1, sizeof *catalog->sources);
    catalog->providers = calloc(catalog->provider_count + 1, sizeof *catalog->providers);
    catalog->provider_names = calloc(catalog->provider_count + 1, sizeof(const char *));
    catalog->blocks = calloc(catalog->block_count + 1, sizeof *catalog->blocks);
    return catalog->bytes != NULL && catalog->names != NULL && catalog->sources != NULL &&
           catalog->providers != NULL && catalog->provider_names != NULL && catalog->blocks != NULL;
}

/* Rows are found by searching halves: their order is not trusted, but their numbers are used. Ids
 * of schemas are added up in place. */
static etw_status check_rows(etw_catalog *catalog, uint8_t *rows, etw_error *error)
{
    const size_t count = catalog->row_count;
    uint32_t id = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t *place = rows + count * COLUMN_SCHEMA + i * sizeof id;
        id += etw_load_u32(place);
        memcpy(place, &id, sizeof id);
        if (etw_load_u16(rows + count * COLUMN_PROVIDER + i * 2) >= catalog->provider_count ||
            etw_load_u16(rows + count * COLUMN_SOURCE + i * 2) >= catalog->source_count) {
            return damaged(error, "a row names what is not there");
        }
    }
    catalog->rows = rows;
    return ETW_OK;
}

etw_status etw_catalog_load(etw_catalog *catalog, etw_bytes body, etw_error *error)
{
    etw_cursor at = etw_cursor_over(body);
    *catalog = (etw_catalog){.source_count = etw_cursor_u32(&at)};
    catalog->provider_count = etw_cursor_u32(&at);
    catalog->block_count = etw_cursor_u32(&at);
    catalog->row_count = etw_cursor_u32(&at);
    if (at.failed || catalog->source_count > ETW_CATALOG_MAX_SOURCES ||
        catalog->provider_count > ETW_CATALOG_MAX_PROVIDERS ||
        catalog->block_count > ETW_CATALOG_MAX_BLOCKS ||
        catalog->row_count > body.size / ROW_SIZE) {
        return damaged(error, "it claims more than it has");
    }
    if (!allocate(catalog, body)) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a catalog of schemas");
    }
    char *names = catalog->names;
    load_sources(catalog, &at, &names);
    load_providers(catalog, &at, &names);
    load_blocks(catalog, &at);
    const size_t size = (size_t)catalog->row_count * ROW_SIZE;
    const uint8_t *rows = etw_cursor_take(&at, size);
    if (at.failed) {
        return damaged(error, "it is cut off");
    }
    memcpy(catalog->bytes, rows, size);
    return check_rows(catalog, catalog->bytes, error);
}

void etw_catalog_free(etw_catalog *catalog)
{
    free(catalog->bytes);
    free(catalog->names);
    free(catalog->sources);
    free(catalog->providers);
    free(catalog->provider_names);
    free(catalog->blocks);
    *catalog = (etw_catalog){0};
}

etw_catalog_row etw_catalog_row_at(const etw_catalog *catalog, uint32_t index)
{
    const size_t count = catalog->row_count;
    const uint8_t *rows = catalog->rows;
    const size_t i = index;
    uint32_t schema_id;
    memcpy(&schema_id, rows + count * COLUMN_SCHEMA + i * sizeof schema_id, sizeof schema_id);
    const uint16_t provider = etw_load_u16(rows + count * COLUMN_PROVIDER + i * 2);
    return (etw_catalog_row){.key = {.guid = catalog->providers[provider],
                                     .id = etw_load_u16(rows + count * COLUMN_ID + i * 2),
                                     .version = rows[count * COLUMN_VERSION + i],
                                     .form = rows[count * COLUMN_FORM + i]},
                             .source = etw_load_u16(rows + count * COLUMN_SOURCE + i * 2),
                             .schema_id = schema_id};
}

uint32_t etw_catalog_find(const etw_catalog *catalog, const etw_schema_key *key)
{
    uint32_t low = 0, high = catalog->row_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const etw_catalog_row row = etw_catalog_row_at(catalog, middle);
        if (etw_catalog_compare(&row.key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t etw_catalog_block_of(const etw_catalog *catalog, uint32_t schema_id)
{
    uint32_t low = 0, high = catalog->block_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (catalog->blocks[middle].first_id <= schema_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? catalog->block_count : low - 1;
}
