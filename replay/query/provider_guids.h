/* The GUIDs under which a file has events of providers that a filter names, so that blocks without
 * them need not be read. */
#ifndef ETW_REPLAY_PROVIDER_GUIDS_H
#define ETW_REPLAY_PROVIDER_GUIDS_H

#include "format/etwcap/reader.h"
#include "replay/replay.h"

typedef struct etw_guid_list {
    etw_guid *guids; /* owned */
    uint32_t count;
} etw_guid_list;

/* Adds the providers of the file at path that may have events which pass the filter, its expression
 * included. *is_complete is false where the file has no index: then it may have more. A list that
 * is complete is never empty. */
etw_status etw_provider_guids_find(const etw_os *os, const char *path, const etw_filter *filter,
                                   etw_guid_list *list, bool *is_complete, etw_error *error);
void etw_guid_list_free(etw_guid_list *list);

#endif
