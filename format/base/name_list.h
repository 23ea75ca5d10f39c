/* The names in a folder, in their order, whatever the file system's is. */
#ifndef ETW_FORMAT_BASE_NAME_LIST_H
#define ETW_FORMAT_BASE_NAME_LIST_H

#include "format/base/os.h"

typedef struct etw_name_list {
    uint32_t limit;                                       /* set before: of names */
    bool (*wants)(const void *context, const char *name); /* NULL: all but "." and ".." */
    const void *context;
    char **names;
    uint32_t count, capacity;
    etw_status status; /* ETW_ERROR_LIMIT or ETW_ERROR_NO_MEMORY where these are not all */
} etw_name_list;

/* 0, or the negated errno: -ENOTDIR where path is a file, or the system has no folders. The list is
 * to be freed in any case. */
int etw_name_list_read(etw_name_list *list, const etw_os *os, const char *path);
void etw_name_list_free(etw_name_list *list);

#endif
