#include "recorder/rundown/identity_cache.h"

#include "format/base/table.h"

#include <stdlib.h>

typedef struct known {
    struct known *next;
    bool is_readable;
    etw_pe_identity identity;
    char path[];
} known;

struct etw_identity_cache {
    etw_table by_path;
    known *all;
    uint32_t count;
};

etw_identity_cache *etw_identity_cache_new(void)
{
    return calloc(1, sizeof(etw_identity_cache));
}

void etw_identity_cache_free(etw_identity_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (known *at = cache->all, *next; at != NULL; at = next) {
        next = at->next;
        free(at);
    }
    etw_table_free(&cache->by_path);
    free(cache);
}

static void read_file(const etw_os *os, known *file)
{
    const int opened = os->open(os->context, file->path, ETW_OPEN_READ);
    if (opened >= 0) {
        file->is_readable = etw_pe_identity_read(os, opened, &file->identity, NULL) == ETW_OK;
        (void)os->close(os->context, opened);
    }
}

const etw_pe_identity *etw_identity_of(etw_identity_cache *cache, const etw_os *os,
                                       const char *path)
{
    const size_t size = strlen(path);
    known *file = etw_table_get(&cache->by_path, path, size);
    if (file == NULL && cache->count < ETW_IDENTITY_CACHE_MAX) {
        file = calloc(1, sizeof *file + size + 1);
        if (file == NULL) {
            return NULL;
        }
        memcpy(file->path, path, size);
        if (!etw_table_set(&cache->by_path, file->path, size, file)) {
            free(file);
            return NULL;
        }
        file->next = cache->all;
        cache->all = file;
        cache->count++;
        read_file(os, file);
    }
    return file != NULL && file->is_readable ? &file->identity : NULL;
}
