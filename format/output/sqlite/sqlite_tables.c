#ifdef ETW_HAVE_SQLITE

#include "format/output/sqlite/sqlite_tables.h"

#include "format/base/arena.h"
#include "format/base/grown.h"
#include "format/event/tei.h"
#include "format/output/unique_names.h"

#include <stdlib.h>

struct etw_sqlite_tables {
    const etw_sqlite *sqlite;
    etw_table kinds;          /* by etw_kind_key */
    etw_table tables;         /* etw_data_table, by the schema's pointer */
    etw_unique_names names;   /* of tables */
    etw_unique_names columns; /* of the table being made */
    etw_arena kind_memory, table_memory;
    uint32_t kind_count;
    sqlite3_stmt *insert_kind, *insert_provider;
    etw_text sql, view, name;
    etw_kind last;
    bool has_last;
    etw_data_table **list;
    uint32_t table_count, table_capacity;
};

etw_status etw_sqlite_failed(const etw_sqlite *sqlite, etw_error *error, const char *what)
{
    const int code = sqlite->errcode(sqlite->database);
    const etw_status status = code == SQLITE_FULL    ? ETW_ERROR_NO_SPACE
                              : code == SQLITE_NOMEM ? ETW_ERROR_NO_MEMORY
                                                     : ETW_ERROR_IO;
    return etw_error_set(error, status, "SQLite: %s: %.200s", sqlite->errmsg(sqlite->database),
                         what);
}

etw_status etw_sqlite_run(const etw_sqlite *sqlite, const char *sql, etw_error *error)
{
    return sqlite->exec(sqlite->database, sql, NULL, NULL, NULL) == SQLITE_OK
               ? ETW_OK
               : etw_sqlite_failed(sqlite, error, sql);
}

etw_status etw_sqlite_prepare(const etw_sqlite *sqlite, const char *sql, sqlite3_stmt **statement,
                              etw_error *error)
{
    return sqlite->prepare_v3(sqlite->database, sql, -1, SQLITE_PREPARE_PERSISTENT, statement,
                              NULL) == SQLITE_OK
               ? ETW_OK
               : etw_sqlite_failed(sqlite, error, sql);
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the tables of events");
}

static const char *const schema_sql =
    "CREATE TABLE providers (guid TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID;"
    "CREATE TABLE kinds (id INTEGER PRIMARY KEY, provider TEXT, name TEXT, event_id INTEGER,"
    " version INTEGER, channel INTEGER, level INTEGER, opcode INTEGER, task INTEGER, keyword TEXT,"
    " table_name TEXT);"
    "CREATE TABLE events (id INTEGER PRIMARY KEY, time INTEGER, kind INTEGER, process_id INTEGER,"
    " thread_id INTEGER, processor INTEGER, process_name TEXT, activity_id TEXT, flags INTEGER,"
    " event_property INTEGER, kernel_time INTEGER, user_time INTEGER, message TEXT, error TEXT,"
    " user_data BLOB, extended_info TEXT, trace INTEGER);"
    "CREATE TABLE losses (before_event INTEGER, cause TEXT, detail TEXT);"
    "CREATE VIEW event_list AS SELECT e.id AS event,"
    " strftime('%Y-%m-%dT%H:%M:%S', e.time / 1000000000, 'unixepoch')"
    " || printf('.%07dZ', e.time % 1000000000 / 100) AS event_time,"
    " p.name AS event_provider, k.name AS event_name, k.event_id, k.level AS event_level,"
    " k.opcode AS event_opcode, k.task AS event_task, k.keyword AS event_keyword,"
    " e.process_id AS event_process_id, e.thread_id AS event_thread_id,"
    " e.process_name AS event_process_name, e.processor AS event_processor,"
    " e.activity_id AS event_activity_id, e.message AS event_message, e.error AS event_error,"
    " e.extended_info AS event_extended_info"
    " FROM events e JOIN kinds k ON k.id = e.kind LEFT JOIN providers p ON p.guid = k.provider;";

etw_status etw_sqlite_tables_new(const etw_sqlite *sqlite, etw_sqlite_tables **tables,
                                 etw_error *error)
{
    etw_sqlite_tables *made = calloc(1, sizeof *made);
    *tables = made;
    if (made == NULL) {
        return no_memory(error);
    }
    made->sqlite = sqlite;
    etw_status status = etw_sqlite_run(sqlite, schema_sql, error);
    if (!etw_failed(status)) {
        status = etw_sqlite_prepare(sqlite, "INSERT OR IGNORE INTO providers VALUES (?, ?)",
                                    &made->insert_provider, error);
    }
    if (!etw_failed(status)) {
        status =
            etw_sqlite_prepare(sqlite, "INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                               &made->insert_kind, error);
    }
    return status;
}

void etw_sqlite_tables_free(etw_sqlite_tables *tables)
{
    if (tables == NULL) {
        return;
    }
    for (uint32_t i = 0; i < tables->table_count; i++) {
        (void)tables->sqlite->finalize(tables->list[i]->insert);
    }
    free(tables->list);
    (void)tables->sqlite->finalize(tables->insert_kind);
    (void)tables->sqlite->finalize(tables->insert_provider);
    etw_table_free(&tables->kinds);
    etw_table_free(&tables->tables);
    etw_unique_names_free(&tables->names);
    etw_unique_names_free(&tables->columns);
    etw_arena_free(&tables->kind_memory);
    etw_arena_free(&tables->table_memory);
    etw_text_free(&tables->sql);
    etw_text_free(&tables->view);
    etw_text_free(&tables->name);
    free(tables);
}

/* Names: SQLite tells them apart without regard to the case of ASCII. */

#define MAX_NAME_BYTES 200u

/* In double quotes, those within doubled. */
static void append_quoted(etw_text *sql, const char *prefix, const etw_text *name)
{
    etw_text_append_char(sql, '"');
    etw_text_append_z(sql, prefix);
    for (size_t i = 0; i < name->size; i++) {
        if (name->data[i] == '"') {
            etw_text_append_char(sql, '"');
        }
        etw_text_append_char(sql, name->data[i]);
    }
    etw_text_append_char(sql, '"');
}

/* Leaves name as it is, or with a number behind it that makes it the first of its kind. */
static void make_unique(etw_unique_names *names, etw_text *name)
{
    etw_name_cut(name, MAX_NAME_BYTES);
    etw_unique_name(names, 0, " #", name);
}

static const char *const types[] = {
    [ETW_CELL_NONE] = "",       [ETW_CELL_INT64] = " INTEGER", [ETW_CELL_UINT64] = " INTEGER",
    [ETW_CELL_REAL] = " REAL",  [ETW_CELL_BOOL] = " INTEGER",  [ETW_CELL_TIME] = " TEXT",
    [ETW_CELL_TEXT] = " TEXT",  [ETW_CELL_JSON] = " TEXT",     [ETW_CELL_BYTES] = " BLOB",
    [ETW_CELL_MAPPED] = " TEXT"};

/* A column of type INTEGER would make a real of the text of a number above 2^63. */
static const char *type_of(const etw_property *property)
{
    const uint16_t in_type = etw_property_in_type(property);
    const bool is_wide = in_type == ETW_IN_UINT64 || in_type == ETW_IN_HEXINT64 ||
                         in_type == ETW_IN_POINTER || in_type == ETW_IN_SIZET;
    const etw_cell_kind kind = etw_typed_row_kind(property);
    return kind == ETW_CELL_UINT64 && is_wide ? "" : types[kind];
}

static void add_column(etw_sqlite_tables *t, const char *type)
{
    etw_text_append_z(&t->sql, ", ");
    append_quoted(&t->sql, "", &t->name);
    etw_text_append_z(&t->sql, type);
    etw_text_append_z(&t->view, ", d.");
    append_quoted(&t->view, "", &t->name);
    t->sql.failed |= t->name.failed;
}

static void take_name(etw_sqlite_tables *t, const etw_name *name, const char *suffix)
{
    etw_text_clear(&t->name);
    etw_text_append(&t->name, name->utf8, name->utf8_size);
    etw_text_append_z(&t->name, t->name.size == 0 ? "_" : "");
    etw_text_append_z(&t->name, suffix);
    make_unique(&t->columns, &t->name);
}

static void add_columns(etw_sqlite_tables *t, const etw_plan *plan, etw_data_table *table)
{
    const uint32_t count = etw_plan_top_count(plan);
    table->columns = count < ETW_SQLITE_MAX_COLUMNS ? count : ETW_SQLITE_MAX_COLUMNS;
    table->has_rest = table->columns < count;
    for (uint32_t i = 0; i < table->columns; i++) {
        const etw_property *property = etw_plan_property(plan, i);
        table->is_mapped[i] = etw_typed_row_kind(property) == ETW_CELL_MAPPED;
        take_name(t, etw_property_name(property), "");
        add_column(t, type_of(property));
        if (table->is_mapped[i]) {
            take_name(t, etw_property_name(property), " #");
            add_column(t, " INTEGER");
        }
    }
    if (table->has_rest) {
        static const etw_name rest = {.utf8 = "more", .utf8_size = 4};
        take_name(t, &rest, "");
        add_column(t, " TEXT");
    }
}

/* Columns that the views and tables have themselves. */
static bool begin_columns(etw_sqlite_tables *t)
{
    static const char *const own[] = {"event",
                                      "event_time",
                                      "event_provider",
                                      "event_name",
                                      "event_id",
                                      "event_level",
                                      "event_opcode",
                                      "event_task",
                                      "event_keyword",
                                      "event_process_id",
                                      "event_thread_id",
                                      "event_process_name",
                                      "event_processor",
                                      "event_activity_id",
                                      "event_message",
                                      "event_error",
                                      "event_extended_info"};
    bool failed = false;
    etw_unique_names_free(&t->columns);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        etw_text_clear(&t->name);
        etw_text_append_z(&t->name, own[i]);
        etw_unique_name(&t->columns, 0, " #", &t->name);
        failed |= t->name.failed;
    }
    return !failed;
}

static void name_table(etw_sqlite_tables *t, const etw_row *row, const etw_plan *plan)
{
    const etw_bytes provider = row->fields[ETW_ROW_PROVIDER_NAME];
    const etw_name *name = etw_plan_event_name(plan);
    etw_text_clear(&t->name);
    if (provider.size > 0) {
        etw_text_append(&t->name, (const char *)provider.data, provider.size);
    } else {
        etw_text_append_guid(&t->name, &row->fixed.provider_id);
    }
    etw_text_append_char(&t->name, '/');
    if (name->utf8_size > 0) {
        etw_text_append(&t->name, name->utf8, name->utf8_size);
    } else {
        etw_text_append_u64(&t->name, row->fixed.id);
    }
    make_unique(&t->names, &t->name);
}

static etw_status prepare_insert(etw_sqlite_tables *t, etw_data_table *table, const char *name,
                                 etw_error *error)
{
    etw_text_clear(&t->sql);
    etw_text_printf(&t->sql, "INSERT INTO %s VALUES (?", name);
    uint32_t values = table->columns + (table->has_rest ? 1 : 0);
    for (uint32_t i = 0; i < table->columns; i++) {
        values += table->is_mapped[i] ? 1 : 0;
    }
    for (uint32_t i = 0; i < values; i++) {
        etw_text_append_z(&t->sql, ",?");
    }
    etw_text_append_char(&t->sql, ')');
    return t->sql.failed
               ? no_memory(error)
               : etw_sqlite_prepare(t->sqlite, etw_text_z(&t->sql), &table->insert, error);
}

static etw_status create(etw_sqlite_tables *t, const etw_plan *plan, etw_data_table *table,
                         etw_text *quoted, etw_error *error)
{
    etw_text view_name = {0};
    append_quoted(quoted, "data:", &t->name);
    append_quoted(&view_name, "", &t->name);
    etw_text_clear(&t->sql);
    etw_text_clear(&t->view);
    etw_text_printf(&t->sql, "CREATE TABLE %s (event INTEGER PRIMARY KEY", etw_text_z(quoted));
    etw_text_printf(&t->view, "CREATE VIEW %s AS SELECT l.*", etw_text_z(&view_name));
    const bool is_ready = begin_columns(t);
    add_columns(t, plan, table);
    etw_text_append_z(&t->sql, ")");
    etw_text_printf(&t->view, " FROM %s d JOIN event_list l ON l.event = d.event",
                    etw_text_z(quoted));
    const bool failed = t->sql.failed || t->view.failed || quoted->failed || view_name.failed ||
                        t->name.failed || !is_ready;
    etw_text_free(&view_name);
    if (failed) {
        return no_memory(error);
    }
    const etw_status status = etw_sqlite_run(t->sqlite, etw_text_z(&t->sql), error);
    return etw_failed(status) ? status : etw_sqlite_run(t->sqlite, etw_text_z(&t->view), error);
}

static bool grow_list(etw_sqlite_tables *t)
{
    etw_data_table **longer =
        etw_grown(t->list, &t->table_capacity, t->table_count, 64, sizeof(*longer));
    t->list = longer == NULL ? t->list : longer;
    return longer != NULL;
}

/* A table for a schema that has none. */
static etw_status make_table(etw_sqlite_tables *t, const etw_row *row, const etw_plan *plan,
                             etw_data_table **made, etw_error *error)
{
    etw_data_table *table = etw_arena_alloc(&t->table_memory, sizeof *table);
    etw_data_table **key = etw_arena_alloc(&t->table_memory, sizeof(*key));
    etw_text quoted = {0};
    if (table == NULL || key == NULL || !grow_list(t)) {
        return no_memory(error);
    }
    name_table(t, row, plan);
    if (t->name.failed) {
        return no_memory(error);
    }
    table->name = etw_arena_copy(&t->table_memory, t->name.data, t->name.size);
    if (table->name == NULL) {
        return no_memory(error);
    }
    etw_status status = create(t, plan, table, &quoted, error);
    if (!etw_failed(status)) {
        status = prepare_insert(t, table, etw_text_z(&quoted), error);
    }
    etw_text_free(&quoted);
    if (etw_failed(status)) {
        return status;
    }
    t->list[t->table_count++] = table;
    *made = table;
    memcpy(key, &row->fixed.schema, sizeof row->fixed.schema);
    return etw_table_set(&t->tables, key, sizeof row->fixed.schema, table) ? ETW_OK
                                                                           : no_memory(error);
}

static etw_status find_table(etw_sqlite_tables *t, const etw_row *row, etw_data_table **table,
                             etw_error *error)
{
    const etw_plan *plan;
    bool owns;
    *table = NULL;
    if (row->fixed.property_count == ETW_ROW_NONE) {
        return ETW_OK;
    }
    *table = etw_table_get(&t->tables, &row->fixed.schema, sizeof row->fixed.schema);
    if (*table != NULL) {
        return ETW_OK;
    }
    etw_status status = etw_typed_row_plan(row, &plan, &owns, error);
    if (!etw_failed(status)) {
        status = make_table(t, row, plan, table, error);
    }
    if (owns) {
        etw_plan_free((etw_plan *)(uintptr_t)plan);
    }
    return status;
}

/* Kinds. */

static void bind_text(const etw_sqlite *sqlite, sqlite3_stmt *statement, int place, etw_bytes text)
{
    if (text.data == NULL) {
        (void)sqlite->bind_null(statement, place);
    } else {
        (void)sqlite->bind_text(statement, place, (const char *)text.data, (int)text.size,
                                SQLITE_STATIC);
    }
}

static etw_status step(etw_sqlite_tables *t, sqlite3_stmt *statement, etw_error *error)
{
    const int code = t->sqlite->step(statement);
    (void)t->sqlite->reset(statement);
    return code == SQLITE_DONE
               ? ETW_OK
               : etw_sqlite_failed(t->sqlite, error, "a kind of event cannot be written");
}

static etw_status write_kind(etw_sqlite_tables *t, const etw_row *row, const etw_kind *kind,
                             etw_error *error)
{
    const etw_kind_key *key = &kind->key;
    etw_text guid = {0};
    etw_text keyword = {0};
    etw_text_append_guid(&guid, &key->provider);
    etw_text_append_hex(&keyword, key->keyword);
    bind_text(t->sqlite, t->insert_provider, 1, etw_text_bytes(&guid));
    bind_text(t->sqlite, t->insert_provider, 2, row->fields[ETW_ROW_PROVIDER_NAME]);
    etw_status status = step(t, t->insert_provider, error);
    sqlite3_stmt *insert = t->insert_kind;
    (void)t->sqlite->bind_int64(insert, 1, kind->number);
    bind_text(t->sqlite, insert, 2, etw_text_bytes(&guid));
    bind_text(t->sqlite, insert, 3, row->fields[ETW_ROW_EVENT_NAME]);
    const int numbers[] = {key->id, key->version, key->channel, key->level, key->opcode, key->task};
    for (int i = 0; i < 6; i++) {
        (void)t->sqlite->bind_int(insert, 4 + i, numbers[i]);
    }
    bind_text(t->sqlite, insert, 10, etw_text_bytes(&keyword));
    if (kind->table != NULL) {
        (void)t->sqlite->bind_text(insert, 11, kind->table->name, -1, SQLITE_STATIC);
    } else {
        (void)t->sqlite->bind_null(insert, 11);
    }
    if (guid.failed || keyword.failed) {
        status = no_memory(error);
    }
    if (!etw_failed(status)) {
        status = step(t, insert, error);
    }
    etw_text_free(&guid);
    etw_text_free(&keyword);
    return status;
}

static etw_status add_kind(etw_sqlite_tables *t, const etw_row *row, const etw_kind_key *key,
                           etw_kind **added, etw_error *error)
{
    if (t->kind_count % ETW_SQLITE_MAX_KINDS == ETW_SQLITE_MAX_KINDS - 1) {
        etw_table_free(&t->kinds);
        etw_arena_free(&t->kind_memory);
    }
    etw_kind *kind = etw_arena_alloc(&t->kind_memory, sizeof *kind);
    if (kind == NULL) {
        return no_memory(error);
    }
    memcpy(&kind->key, key, sizeof *key);
    kind->number = ++t->kind_count;
    etw_status status = find_table(t, row, &kind->table, error);
    if (!etw_failed(status)) {
        status = write_kind(t, row, kind, error);
    }
    if (!etw_failed(status) && !etw_table_set(&t->kinds, &kind->key, sizeof kind->key, kind)) {
        return no_memory(error);
    }
    *added = kind;
    return status;
}

etw_status etw_sqlite_tables_find(etw_sqlite_tables *tables, const etw_row *row,
                                  const etw_kind **kind, etw_error *error)
{
    const etw_row_fixed *f = &row->fixed;
    etw_kind_key key;
    memset(&key, 0, sizeof key);
    key.schema = f->schema;
    key.provider = f->provider_id;
    key.keyword = f->keyword;
    key.has_properties = f->property_count != ETW_ROW_NONE;
    key.id = f->id;
    key.task = f->task;
    key.version = f->version;
    key.channel = f->channel;
    key.level = f->level;
    key.opcode = f->opcode;
    if (tables->has_last && memcmp(&tables->last.key, &key, sizeof key) == 0) {
        *kind = &tables->last;
        return ETW_OK;
    }
    etw_status status = ETW_OK;
    etw_kind *found = etw_table_get(&tables->kinds, &key, sizeof key);
    if (found == NULL) {
        status = add_kind(tables, row, &key, &found, error);
    }
    if (!etw_failed(status)) {
        tables->last = *found;
        tables->has_last = true;
        *kind = &tables->last;
    }
    return status;
}

#endif
