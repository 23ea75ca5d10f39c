#ifdef ETW_HAVE_SQLITE

#include "format/output/sqlite/sqlite_library.h"

#include <dlfcn.h>
#include <errno.h>

/* Of SQLite 3, whose interface does not change. */
#define SONAME "libsqlite3.so.0"

etw_status etw_sqlite_load(etw_sqlite *sqlite, etw_error *error)
{
    errno = 0;
    void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL && errno == ENOMEM) { /* dlerror names the step alone */
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to load SQLite");
    }
    bool is_whole = handle != NULL;
    /* As dlsym's page does it: C has no cast from an object's pointer to a function's. */
#define FIND(name)                                                                                 \
    if (is_whole) {                                                                                \
        *(void **)(void *)&sqlite->name = dlsym(handle, "sqlite3_" #name);                         \
        is_whole = sqlite->name != NULL;                                                           \
    }
    ETW_SQLITE_FUNCTIONS(FIND)
#undef FIND
    const char *why = is_whole ? NULL : dlerror();
    return is_whole ? ETW_OK
                    : etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                                    "it takes SQLite, which cannot be loaded: %.200s; install it, "
                                    "or write Parquet",
                                    why == NULL ? "no reason given" : why);
}

#endif
