/* The tables of a database of events, and the statements that fill them.
 *
 *   events        one row for each event: time (ns since 1970, UTC), kind, process, thread, ...
 *   kinds         what events share: provider, name, id, version, level, keyword, ...
 *   providers     GUID and name
 *   data:NAME     one for each schema: its properties, each a column of its type
 *   losses        what is missing, and before which event
 *   event_list    a view: events with the names of their kinds
 *   NAME          a view for each data:NAME: the same, and the properties
 *
 * NAME is "Provider/Event". Integers of 64 bits without a sign are texts above 2^63, which SQLite
 * has no type for. A mapped value is its text, its number stands in a column of the same name with
 * " #" behind it. */
#ifndef ETW_FORMAT_OUTPUT_SQLITE_TABLES_H
#define ETW_FORMAT_OUTPUT_SQLITE_TABLES_H

#include "format/base/table.h"
#include "format/output/sqlite/sqlite_library.h"
#include "format/output/typed_rows.h"

/* Properties with columns: SQLite has 2,000, and a mapped value takes two. */
#define ETW_SQLITE_MAX_COLUMNS 900u
/* Kinds that are kept to be found again; beyond, the list starts anew. */
#define ETW_SQLITE_MAX_KINDS ((uint32_t)1 << 16)

typedef struct etw_data_table {
    sqlite3_stmt *insert;
    const char *name; /* of its view */
    uint32_t columns; /* properties */
    bool has_rest;    /* and some beyond them */
    bool is_mapped[ETW_SQLITE_MAX_COLUMNS];
} etw_data_table;

typedef struct etw_kind_key {
    const etw_schema *schema;
    etw_guid provider;
    uint64_t keyword;
    uint32_t has_properties;
    uint16_t id, task;
    uint8_t version, channel, level, opcode;
} etw_kind_key;

typedef struct etw_kind {
    etw_kind_key key;
    int64_t number;
    etw_data_table *table; /* NULL: nothing explains the events */
} etw_kind;

typedef struct etw_sqlite_tables etw_sqlite_tables;

/* sqlite is lent for as long. */
etw_status etw_sqlite_tables_new(const etw_sqlite *sqlite, etw_sqlite_tables **tables,
                                 etw_error *error);
void etw_sqlite_tables_free(etw_sqlite_tables *tables);
/* The kind of a row; lent until the next call. */
etw_status etw_sqlite_tables_find(etw_sqlite_tables *tables, const etw_row *row,
                                  const etw_kind **kind, etw_error *error);
/* The error of the last call, and SQL that failed. */
etw_status etw_sqlite_failed(const etw_sqlite *sqlite, etw_error *error, const char *what);
etw_status etw_sqlite_run(const etw_sqlite *sqlite, const char *sql, etw_error *error);
etw_status etw_sqlite_prepare(const etw_sqlite *sqlite, const char *sql, sqlite3_stmt **statement,
                              etw_error *error);

#endif
