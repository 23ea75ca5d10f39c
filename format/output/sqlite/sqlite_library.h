/* The library of SQLite. Natively it is loaded when the first database is written: it takes most of
 * the time that the linker needs at each start, whatever the tools are to do. */
#ifndef ETW_FORMAT_OUTPUT_SQLITE_LIBRARY_H
#define ETW_FORMAT_OUTPUT_SQLITE_LIBRARY_H

#include "format/base/status.h"

#include <sqlite3.h>

/* What is called of it, without "sqlite3_" in front. */
#define ETW_SQLITE_FUNCTIONS(X)                                                                    \
    X(open_v2)                                                                                     \
    X(close)                                                                                       \
    X(exec)                                                                                        \
    X(errcode)                                                                                     \
    X(errmsg)                                                                                      \
    X(prepare_v3)                                                                                  \
    X(finalize)                                                                                    \
    X(step)                                                                                        \
    X(reset)                                                                                       \
    X(clear_bindings)                                                                              \
    X(bind_null)                                                                                   \
    X(bind_int)                                                                                    \
    X(bind_int64)                                                                                  \
    X(bind_double)                                                                                 \
    X(bind_text)                                                                                   \
    X(bind_blob)

/* A database and the library that it is written by. */
typedef struct etw_sqlite {
    sqlite3 *database;
#define ETW_SQLITE_MEMBER(name) __typeof__(&sqlite3_##name) name;
    ETW_SQLITE_FUNCTIONS(ETW_SQLITE_MEMBER)
#undef ETW_SQLITE_MEMBER
} etw_sqlite;

/* ETW_ERROR_UNSUPPORTED where the library cannot be loaded: it is not installed, as a rule. It
 * stays loaded. */
etw_status etw_sqlite_load(etw_sqlite *sqlite, etw_error *error);

#endif
