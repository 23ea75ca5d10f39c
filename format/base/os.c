#include "format/base/os.h"

#include "format/base/text.h"

#include <errno.h>
#include <stdlib.h>

etw_status etw_os_read_full(const etw_os *os, int file, void *into, size_t size, size_t *got,
                            etw_error *error)
{
    *got = 0;
    while (*got < size) {
        const int64_t count = os->read(os->context, file, (uint8_t *)into + *got, size - *got);
        if (count == -EINTR) {
            continue;
        }
        if (count < 0) {
            return etw_error_set_os(error, (int)-count, "reading");
        }
        if (count == 0) {
            break;
        }
        *got += (size_t)count;
    }
    return ETW_OK;
}

etw_status etw_os_read_at_full(const etw_os *os, int file, etw_room into, uint64_t offset,
                               size_t *got, etw_error *error)
{
    *got = 0;
    while (*got < into.size) {
        const int64_t count = os->read_at(os->context, file, (uint8_t *)into.data + *got,
                                          into.size - *got, offset + *got);
        if (count == -EINTR) {
            continue;
        }
        if (count < 0) {
            return etw_error_set_os(error, (int)-count, "reading at offset 0x%llx",
                                    (unsigned long long)(offset + *got));
        }
        if (count == 0) {
            break;
        }
        *got += (size_t)count;
    }
    return ETW_OK;
}

etw_status etw_os_write_full(const etw_os *os, int file, const void *from, size_t size,
                             size_t *written, etw_error *error)
{
    size_t done = 0;
    etw_status status = ETW_OK;
    while (done < size) {
        const int64_t count =
            os->write(os->context, file, (const uint8_t *)from + done, size - done);
        if (count == -EINTR) {
            continue;
        }
        if (count <= 0) {
            /* A write that takes nothing would loop for ever; the target is as good as full. */
            status = etw_error_set_os(error, count == 0 ? ENOSPC : (int)-count, "writing");
            break;
        }
        done += (size_t)count;
    }
    if (written != NULL) {
        *written = done;
    }
    return status;
}

typedef struct user_place {
    const char *variable;
    const char *below;
} user_place;

/* In the first of three places whose variable is set. */
static char *path_of(const user_place *places, const char *name)
{
    etw_text path = {0};
    for (size_t i = 0; i < 3 && path.size == 0; i++) {
        char *folder = etw_os_environment(places[i].variable);
        if (folder != NULL) {
            etw_text_append_z(&path, folder);
            etw_text_append_z(&path, places[i].below);
            etw_text_append_z(&path, name);
        }
        free(folder);
    }
    char *found = path.size == 0 || path.failed ? NULL : strdup(etw_text_z(&path));
    etw_text_free(&path);
    return found;
}

char *etw_os_data_path(const char *name)
{
    static const user_place places[] = {
        {"LOCALAPPDATA", "/"}, {"XDG_DATA_HOME", "/"}, {"HOME", "/.local/share/"}};
    return path_of(places, name);
}

char *etw_os_cache_path(const char *name)
{
    static const user_place places[] = {
        {"LOCALAPPDATA", "/"}, {"XDG_CACHE_HOME", "/"}, {"HOME", "/.cache/"}};
    return path_of(places, name);
}

bool etw_os_is_still(const etw_os *os, int file, const etw_file_identity *identity)
{
    etw_file_identity now;
    return os->identity == NULL || os->identity(os->context, file, &now) < 0 ||
           (now.volume == identity->volume && now.file == identity->file);
}

uint32_t etw_os_spare_processors(void)
{
    const uint32_t count = etw_os_processors();
    return (count < ETW_OS_MOST_PROCESSORS ? count : ETW_OS_MOST_PROCESSORS) - 1;
}
