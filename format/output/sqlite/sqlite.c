/* A database of SQLite, where this build has its library: sqlite_tables.h says what is in it. */
#include "format/output/typed_rows.h"

#ifdef ETW_HAVE_SQLITE

#include "format/output/put.h"
#include "format/output/sqlite/sqlite_tables.h"

#include <stdio.h>
#include <stdlib.h>

/* FILETIME of 1970-01-01, and the FILETIMEs that nanoseconds since then can hold. */
#define UNIX_EPOCH_100NS   INT64_C(116444736000000000)
#define MAX_DISTANCE_100NS (INT64_MAX / 100)

struct etw_collector {
    etw_collector_target target;
    etw_sqlite sqlite;
    etw_sqlite_tables *tables;
    sqlite3_stmt *insert_event, *insert_loss;
    int64_t events;
    char guid[38]; /* of the event being written */
};

/* The file, too. */
static int release(etw_collector *c)
{
    etw_sqlite_tables_free(c->tables);
    (void)c->sqlite.finalize(c->insert_event);
    (void)c->sqlite.finalize(c->insert_loss);
    const int code = c->sqlite.close(c->sqlite.database);
    c->tables = NULL;
    c->insert_event = c->insert_loss = NULL;
    c->sqlite.database = code == SQLITE_OK ? NULL : c->sqlite.database;
    return code;
}

static void close_database(etw_collector *collector)
{
    if (collector != NULL) {
        (void)release(collector);
        free(collector);
    }
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a database");
}

/* Nobody reads it before it is whole: no journal is needed, and nothing waits for the disk. Large
 * pages, and ids that follow one another, take a fifth less time. */
static etw_status prepare_database(etw_collector *c, etw_error *error)
{
    etw_status status = etw_sqlite_run(&c->sqlite,
                                       "PRAGMA page_size = 32768;"
                                       "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                                       "PRAGMA locking_mode = EXCLUSIVE;"
                                       "PRAGMA cache_size = -32768; BEGIN",
                                       error);
    if (!etw_failed(status)) {
        status = etw_sqlite_tables_new(&c->sqlite, &c->tables, error);
    }
    if (!etw_failed(status)) {
        status = etw_sqlite_prepare(
            &c->sqlite,
            "INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            &c->insert_event, error);
    }
    if (!etw_failed(status)) {
        status = etw_sqlite_prepare(&c->sqlite, "INSERT INTO losses VALUES (?, ?, ?)",
                                    &c->insert_loss, error);
    }
    return status;
}

static etw_status open_database(const etw_output_options *options,
                                const etw_collector_target *target, etw_collector **collector,
                                etw_error *error)
{
    (void)options;
    *collector = NULL;
    if (target->path == NULL) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "a database of SQLite needs a file of its own, not a pipe");
    }
    etw_collector *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return no_memory(error);
    }
    made->target = *target;
    etw_status status = etw_sqlite_load(&made->sqlite, error);
    if (etw_failed(status)) {
        free(made);
        return status;
    }
    if (made->sqlite.open_v2(target->path, &made->sqlite.database,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        status = etw_sqlite_failed(&made->sqlite, error, target->path);
    }
    if (!etw_failed(status)) {
        status = prepare_database(made, error);
    }
    if (etw_failed(status)) {
        close_database(made);
        return status;
    }
    *collector = made;
    return ETW_OK;
}

/* Values. What is not bound is NULL: bindings are cleared for each row. */

static void bind_bytes(const etw_sqlite *sqlite, sqlite3_stmt *statement, int place, etw_bytes text)
{
    if (text.data != NULL) {
        (void)sqlite->bind_text(statement, place, (const char *)text.data, (int)text.size,
                                SQLITE_STATIC);
    }
}

static void bind_blob(const etw_sqlite *sqlite, sqlite3_stmt *statement, int place, etw_bytes blob)
{
    if (blob.data != NULL) {
        (void)sqlite->bind_blob(statement, place, blob.data, (int)blob.size, SQLITE_STATIC);
    }
}

/* False where memory is out: the digits are copied. */
static bool bind_unsigned(const etw_sqlite *sqlite, sqlite3_stmt *statement, int place,
                          uint64_t value)
{
    char digits[24];
    if (value <= INT64_MAX) {
        return sqlite->bind_int64(statement, place, (int64_t)value) == SQLITE_OK;
    }
    const int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    return sqlite->bind_text(statement, place, digits, size, SQLITE_TRANSIENT) == SQLITE_OK;
}

static void bind_time(const etw_sqlite *sqlite, sqlite3_stmt *statement, int place,
                      int64_t time_100ns)
{
    if (time_100ns > UNIX_EPOCH_100NS - MAX_DISTANCE_100NS &&
        time_100ns < UNIX_EPOCH_100NS + MAX_DISTANCE_100NS) {
        (void)sqlite->bind_int64(statement, place, (time_100ns - UNIX_EPOCH_100NS) * 100);
    }
}

static etw_status step(etw_collector *c, sqlite3_stmt *statement, etw_error *error)
{
    const int code = c->sqlite.step(statement);
    (void)c->sqlite.reset(statement);
    (void)c->sqlite.clear_bindings(statement);
    return code == SQLITE_DONE ? ETW_OK
                               : etw_sqlite_failed(&c->sqlite, error, "an event cannot be written");
}

/* Text without its type's affinity: digits would become a number. False where memory is out. */
static bool bind_cell(const etw_sqlite *sqlite, sqlite3_stmt *statement, int place,
                      const etw_cell *cell)
{
    switch (cell->kind) {
    case ETW_CELL_INT64:
        (void)sqlite->bind_int64(statement, place, cell->as.int64);
        break;
    case ETW_CELL_UINT64:
    case ETW_CELL_BOOL:
        return bind_unsigned(sqlite, statement, place, cell->as.uint64);
    case ETW_CELL_REAL:
        (void)sqlite->bind_double(statement, place, cell->as.real);
        break;
    case ETW_CELL_TIME:
    case ETW_CELL_TEXT:
    case ETW_CELL_JSON:
        bind_bytes(sqlite, statement, place, cell->bytes);
        break;
    case ETW_CELL_BYTES:
        bind_blob(sqlite, statement, place, cell->bytes);
        break;
    case ETW_CELL_MAPPED:
        bind_bytes(sqlite, statement, place, cell->bytes);
        return bind_unsigned(sqlite, statement, place + 1, cell->as.uint64);
    case ETW_CELL_NONE:
    default:
        break;
    }
    return true;
}

static etw_status put_properties(etw_collector *c, const etw_data_table *table, etw_row *row,
                                 etw_error *error)
{
    etw_cell cell;
    int place = 2;
    bool is_well = true;
    etw_text rest = {0};
    (void)c->sqlite.bind_int64(table->insert, 1, c->events);
    for (uint32_t i = 0; etw_typed_row_next(row, &cell); i++) {
        if (i < table->columns) {
            is_well &= bind_cell(&c->sqlite, table->insert, place, &cell);
            place += table->is_mapped[i] ? 2 : 1;
        } else {
            etw_typed_cell_append_json(&cell, i == table->columns ? "[" : ",", &rest);
        }
    }
    if (rest.size > 0) {
        etw_text_append_char(&rest, ']');
        bind_bytes(&c->sqlite, table->insert, place, etw_text_bytes(&rest));
    }
    const etw_status status =
        is_well && !rest.failed ? step(c, table->insert, error) : no_memory(error);
    etw_text_free(&rest);
    return status;
}

static void bind_event(etw_collector *c, const etw_row *row, int64_t kind)
{
    const etw_row_fixed *f = &row->fixed;
    sqlite3_stmt *insert = c->insert_event;
    bind_time(&c->sqlite, insert, 1, f->time_100ns);
    (void)c->sqlite.bind_int64(insert, 2, kind);
    (void)c->sqlite.bind_int64(insert, 3, f->process_id);
    (void)c->sqlite.bind_int64(insert, 4, f->thread_id);
    (void)c->sqlite.bind_int(insert, 5, f->processor);
    bind_bytes(&c->sqlite, insert, 6, row->fields[ETW_ROW_PROCESS_NAME]);
    if (!etw_guid_is_zero(&f->activity_id)) {
        (void)etw_put_guid(c->guid, &f->activity_id);
        (void)c->sqlite.bind_text(insert, 7, c->guid, sizeof c->guid, SQLITE_STATIC);
    }
    (void)c->sqlite.bind_int(insert, 8, f->flags);
    (void)c->sqlite.bind_int(insert, 9, f->event_property);
    if (f->has_cpu_times) {
        (void)c->sqlite.bind_int64(insert, 10, f->kernel_time);
        (void)c->sqlite.bind_int64(insert, 11, f->user_time);
    }
    bind_bytes(&c->sqlite, insert, 12, row->fields[ETW_ROW_MESSAGE]);
    bind_bytes(&c->sqlite, insert, 13, row->fields[ETW_ROW_PROBLEM]);
    bind_blob(&c->sqlite, insert, 14, row->fields[ETW_ROW_USER_DATA]);
    bind_bytes(&c->sqlite, insert, 15, row->fields[ETW_ROW_EXTENDED_INFO]);
    if (f->trace_number != 0) {
        (void)c->sqlite.bind_int(insert, 16, f->trace_number);
    }
}

static etw_status put_event(etw_collector *c, etw_row *row, etw_error *error)
{
    const etw_kind *kind;
    etw_status status = etw_sqlite_tables_find(c->tables, row, &kind, error);
    if (etw_failed(status)) {
        return status;
    }
    c->events++;
    bind_event(c, row, kind->number);
    status = step(c, c->insert_event, error);
    return etw_failed(status) || kind->table == NULL ? status
                                                     : put_properties(c, kind->table, row, error);
}

static etw_status put_loss(etw_collector *c, const etw_row *row, etw_error *error)
{
    (void)c->sqlite.bind_int64(c->insert_loss, 1, c->events + 1);
    bind_bytes(&c->sqlite, c->insert_loss, 2, row->fields[ETW_ROW_PROBLEM]);
    bind_bytes(&c->sqlite, c->insert_loss, 3, row->fields[ETW_ROW_EXTENDED_INFO]);
    return step(c, c->insert_loss, error);
}

static etw_status take_rows(etw_collector *collector, etw_bytes rows, etw_text *out,
                            etw_error *error)
{
    etw_row row;
    etw_status status = ETW_OK;
    (void)out;
    while (!etw_failed(status) && etw_row_next(&rows, &row)) {
        status = row.fixed.is_loss ? put_loss(collector, &row, error)
                                   : put_event(collector, &row, error);
    }
    return status;
}

/* Each may take as long as many events. */
static const char *const finish_sql[] = {
    "CREATE INDEX events_time ON events (time)", "CREATE INDEX events_kind ON events (kind)",
    "CREATE INDEX events_process ON events (process_id)",
    "CREATE INDEX kinds_provider ON kinds (provider)", "COMMIT"};
#define FINISH_STEPS (sizeof finish_sql / sizeof finish_sql[0])

/* Windows gives no other name to a file that is open: it is closed here. */
static etw_status finish_database(etw_collector *collector, etw_text *out, etw_error *error)
{
    etw_status status = ETW_OK;
    (void)out;
    for (size_t i = 0; !etw_failed(status) && i < FINISH_STEPS; i++) {
        if (collector->target.progress != NULL) {
            collector->target.progress(collector->target.progress_context, i, FINISH_STEPS,
                                       "steps");
        }
        status = etw_sqlite_run(&collector->sqlite, finish_sql[i], error);
    }
    return etw_failed(status) || release(collector) == SQLITE_OK
               ? status
               : etw_sqlite_failed(&collector->sqlite, error, "the database cannot be closed");
}

#else

static etw_status open_database(const etw_output_options *options,
                                const etw_collector_target *target, etw_collector **collector,
                                etw_error *error)
{
    (void)options;
    (void)target;
    *collector = NULL;
    return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                         "this program was built without SQLite: write Parquet, or use a build "
                         "that has it");
}

static etw_status take_rows(etw_collector *collector, etw_bytes rows, etw_text *out,
                            etw_error *error)
{
    (void)collector;
    (void)rows;
    (void)out;
    (void)error;
    return ETW_ERROR_INTERNAL;
}

static etw_status finish_database(etw_collector *collector, etw_text *out, etw_error *error)
{
    (void)collector;
    (void)out;
    (void)error;
    return ETW_ERROR_INTERNAL;
}

static void close_database(etw_collector *collector)
{
    (void)collector;
}

#endif

static void render_event(etw_output *output, const etw_event *event, etw_text *text)
{
    etw_typed_row_append(&output->options, event, text);
}

static void render_loss(etw_output *output, const etw_loss *loss, etw_text *text)
{
    (void)output;
    etw_row_append_loss(loss, text);
}

static const etw_collector_kind collector = {open_database, take_rows, finish_database,
                                             close_database};

const etw_output_format etw_output_sqlite = {
    .name = "sqlite",
    .help = "a database: events, and a table and a view for each kind of them",
    .binary = true,
    .open = etw_output_open_plain,
    .close = etw_output_free,
    .event = render_event,
    .loss = render_loss,
    .collector = &collector,
};
