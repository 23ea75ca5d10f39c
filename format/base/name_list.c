#include "format/base/name_list.h"

#include "format/base/grown.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(etw_name_list *list)
{
    char **names = etw_grown(list->names, &list->capacity, list->count, 64, sizeof *names);
    list->names = names == NULL ? list->names : names;
    return names != NULL;
}

static void take_name(void *into, const char *name)
{
    etw_name_list *list = into;
    if (list->status != ETW_OK || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        (list->wants != NULL && !list->wants(list->context, name))) {
        return;
    }
    if (list->count == list->limit) {
        list->status = ETW_ERROR_LIMIT;
        return;
    }
    char *copy = make_room(list) ? strdup(name) : NULL;
    if (copy == NULL) {
        list->status = ETW_ERROR_NO_MEMORY;
        return;
    }
    list->names[list->count++] = copy;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int etw_name_list_read(etw_name_list *list, const etw_os *os, const char *path)
{
    const int listed = os->list == NULL ? -ENOTDIR : os->list(os->context, path, take_name, list);
    if (list->count > 0) {
        qsort(list->names, list->count, sizeof *list->names, compare_names);
    }
    return listed < 0 ? listed : 0;
}

void etw_name_list_free(etw_name_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        free(list->names[i]);
    }
    free(list->names);
    list->names = NULL;
    list->count = list->capacity = 0;
}
