#include "format/base/part_file.h"

#include <errno.h>

etw_status etw_part_create(const etw_os *os, const char *path, etw_text *name, int *file,
                           etw_error *error)
{
    *file = -EEXIST;
    for (unsigned i = 1; *file == -EEXIST && i <= ETW_PART_MAX_FILES; i++) {
        etw_text_clear(name);
        etw_text_append_z(name, path);
        if (i > 1) {
            etw_text_printf(name, ".%u", i);
        }
        etw_text_append_z(name, ETW_PART_SUFFIX);
        if (name->failed) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a file's name");
        }
        *file = os->open(os->context, etw_text_z(name), ETW_OPEN_CREATE);
    }
    if (*file == -EEXIST) {
        return etw_error_set(error, ETW_ERROR_EXISTS,
                             "%s: %u files named like %s" ETW_PART_SUFFIX
                             " are there: remove what was left behind",
                             path, ETW_PART_MAX_FILES, path);
    }
    return *file < 0 ? etw_error_set_os(error, -*file, "%s: cannot create", etw_text_z(name))
                     : ETW_OK;
}

etw_status etw_part_reserve(const etw_os *os, const char *path, etw_text *name, etw_error *error)
{
    int file;
    const etw_status status = etw_part_create(os, path, name, &file, error);
    if (status == ETW_OK) {
        (void)os->close(os->context, file);
    }
    return status;
}

etw_status etw_part_settle(const etw_os *os, const char *part, const char *path, bool replace,
                           etw_error *error)
{
    /* Another writer may have been faster. */
    const int kind = replace ? ETW_PATH_NOTHING : os->kind(os->context, path);
    if (kind < 0) {
        return etw_error_set_os(error, -kind, "%s", path);
    }
    if (kind != ETW_PATH_NOTHING) {
        return etw_error_set(error, ETW_ERROR_EXISTS, "%s exists by now", path);
    }
    const int renamed = os->rename(os->context, part, path);
    return renamed < 0 ? etw_error_set_os(error, -renamed, "%s: cannot rename to %s", part, path)
                       : ETW_OK;
}
