/* Compiled instrumentation manifests: the WEVT_TEMPLATE resource that mc.exe makes (a CRIM block),
 * versions 3 and 5, read into the model that manifest XML is read into. SCHEMAS.md tells the
 * layout's rules that matter here.
 *
 * Nothing of the block is trusted. Work and memory are bounded by ETW_WEVT_WORK times the size of
 * the block and its message tables, however its references overlap. */
#ifndef ETW_FORMAT_SCHEMA_WEVT_H
#define ETW_FORMAT_SCHEMA_WEVT_H

#include "format/schema/manifest_model.h"
#include "format/schema/message_table.h"

/* The largest block that is read. Those of Windows stay below 1 MiB. */
#define ETW_WEVT_MAX_BYTES ((size_t)64 << 20)
/* Bytes of text and entries that may be read for each byte that is there. */
#define ETW_WEVT_WORK 16u
/* Message tables that are searched, in this order: of the file, of its .mui. */
#define ETW_WEVT_MAX_TABLES 4u

/* A block and where its texts are. All lent. */
typedef struct etw_wevt {
    etw_bytes block;
    const etw_message_table *tables;
    uint32_t table_count;
} etw_wevt;

/* Whether bytes begin as a block does. */
bool etw_wevt_is_block(etw_bytes bytes);

/* Whether its head is one that can be read: NOT_THIS, UNSUPPORTED or DAMAGED where not. */
etw_status etw_wevt_check(etw_bytes block, etw_error *error);

/* Calls take with the GUID of each provider in the block, cheaply: nothing else is looked at. */
void etw_wevt_providers(etw_bytes block, void (*take)(void *into, const etw_guid *provider),
                        void *into);

/* Adds the providers and events in it; *provider_count is how many providers it had. An event that
 * is known already stays as it is. What was read before an error stays. */
etw_status etw_wevt_read(etw_manifest_model *model, const etw_wevt *wevt, uint32_t *provider_count,
                         etw_error *error);

#endif
