/* The catalog of a schema pack: which schema of the file explains which events, in which of its
 * schemas blocks it is, and what it was read from (FORMAT.md, "Catalog"). */
#ifndef ETW_FORMAT_ETWCAP_CATALOG_H
#define ETW_FORMAT_ETWCAP_CATALOG_H

#include "format/base/buffer.h"
#include "format/event/schema_key.h"

#define ETW_CATALOG_MAX_SOURCES   0xFFFFu
#define ETW_CATALOG_MAX_PROVIDERS 0xFFFFu
#define ETW_CATALOG_MAX_BLOCKS    0xFFFFu
/* Bytes of a source's name. */
#define ETW_CATALOG_MAX_NAME 1023u

typedef struct etw_catalog_row {
    etw_schema_key key;
    uint16_t source;
    uint32_t schema_id; /* the file's */
} etw_catalog_row;

typedef struct etw_catalog_source {
    const char *name; /* of the file */
    uint32_t build;
} etw_catalog_source;

typedef struct etw_catalog_block {
    uint64_t offset;
    uint32_t first_id; /* the lowest id of its schemas */
} etw_catalog_block;

/* What is written; rows are sorted by GUID (as bytes), id, version and form. */
typedef struct etw_catalog_content {
    const etw_catalog_source *sources;
    uint32_t source_count;
    const etw_guid *providers; /* those of the rows, each once, in their order */
    const char *(*name_of)(const void *context, const etw_guid *provider); /* or NULL */
    const void *name_context;
    uint32_t provider_count;
    const etw_catalog_block *blocks;
    uint32_t block_count;
    const etw_catalog_row *rows;
    uint32_t row_count;
} etw_catalog_content;

void etw_catalog_append(etw_buffer *body, const etw_catalog_content *content);

/* A catalog that was read; the bytes are its own. */
typedef struct etw_catalog {
    uint8_t *bytes;
    char *names; /* of sources and providers, each with its NUL */
    etw_catalog_source *sources;
    etw_guid *providers;
    const char **provider_names; /* "" where none is told */
    etw_catalog_block *blocks;
    uint32_t source_count, provider_count, block_count, row_count;
    const uint8_t *rows; /* columns, in bytes */
} etw_catalog;

/* Sizes and numbers are checked; to be freed also on failure. */
etw_status etw_catalog_load(etw_catalog *catalog, etw_bytes body, etw_error *error);
void etw_catalog_free(etw_catalog *catalog);

etw_catalog_row etw_catalog_row_at(const etw_catalog *catalog, uint32_t index);
/* The first row that is not before the key; row_count where there is none. */
uint32_t etw_catalog_find(const etw_catalog *catalog, const etw_schema_key *key);
/* The number of the block that has a schema; block_count where none has. */
uint32_t etw_catalog_block_of(const etw_catalog *catalog, uint32_t schema_id);

/* GUID as bytes, id, version, form. */
int etw_catalog_compare(const etw_schema_key *a, const etw_schema_key *b);

#endif
