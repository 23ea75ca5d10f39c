#include "format/base/part_file.h"

#include <errno.h>

etw_status etw_part_create(const etw_os *os, const char *path, etw_part_file *part, int *file,
                           etw_error *error)
{
    etw_text *name = &part->name;
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
    if (*file < 0) {
        return etw_error_set_os(error, -*file, "%s: cannot create", etw_text_z(name));
    }
    const int known = os->identity == NULL ? 0 : os->identity(os->context, *file, &part->identity);
    if (known < 0) {
        (void)os->close(os->context, *file);
        (void)os->remove(os->context, etw_text_z(name));
        *file = -1;
        return etw_error_set_os(error, -known, "%s", etw_text_z(name));
    }
    return ETW_OK;
}

etw_status etw_part_reserve(const etw_os *os, const char *path, etw_part_file *part,
                            etw_error *error)
{
    int file;
    const etw_status status = etw_part_create(os, path, part, &file, error);
    if (status == ETW_OK) {
        (void)os->close(os->context, file);
    }
    return status;
}

/* ETW_ERROR_IO: the part's name leads to another file than the one that was made. */
static etw_status check_ours(const etw_os *os, etw_part_file *part, etw_error *error)
{
    const char *name = etw_text_z(&part->name);
    if (os->identity == NULL) {
        return ETW_OK;
    }
    const int file = os->open(os->context, name, ETW_OPEN_READ);
    if (file < 0) {
        return etw_error_set_os(error, -file, "%s", name);
    }
    const bool is_ours = etw_os_is_still(os, file, &part->identity);
    (void)os->close(os->context, file);
    return is_ours ? ETW_OK
                   : etw_error_set(error, ETW_ERROR_IO,
                                   "%s is another file than the one that was written: not renamed",
                                   name);
}

etw_status etw_part_settle(const etw_os *os, etw_part_file *part, const char *path, bool replace,
                           etw_error *error)
{
    const char *name = etw_text_z(&part->name);
    const etw_status ours = check_ours(os, part, error);
    if (etw_failed(ours)) {
        return ours;
    }
    /* Another writer may have been faster. */
    const int kind = replace ? ETW_PATH_NOTHING : os->kind(os->context, path);
    if (kind < 0) {
        return etw_error_set_os(error, -kind, "%s", path);
    }
    if (kind != ETW_PATH_NOTHING) {
        return etw_error_set(error, ETW_ERROR_EXISTS, "%s exists by now", path);
    }
    const int renamed = os->rename(os->context, name, path);
    return renamed < 0 ? etw_error_set_os(error, -renamed, "%s: cannot rename to %s", name, path)
                       : ETW_OK;
}

void etw_part_remove(const etw_os *os, etw_part_file *part)
{
    if (!etw_failed(check_ours(os, part, NULL))) {
        (void)os->remove(os->context, etw_text_z(&part->name));
    }
}

void etw_part_free(etw_part_file *part)
{
    etw_text_free(&part->name);
}
