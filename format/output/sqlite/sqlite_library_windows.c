#ifdef ETW_HAVE_SQLITE

#include "format/output/sqlite/sqlite_library.h"

/* It is linked in: a tool is one file. */
etw_status etw_sqlite_load(etw_sqlite *sqlite, etw_error *error)
{
    (void)error;
#define TAKE(name) sqlite->name = sqlite3_##name;
    ETW_SQLITE_FUNCTIONS(TAKE)
#undef TAKE
    return ETW_OK;
}

#endif
