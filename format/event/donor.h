/* Another trace, or a pack, whose schemas serve: definitions by key. Who reads the file gives the
 * functions. */
#ifndef ETW_FORMAT_EVENT_DONOR_H
#define ETW_FORMAT_EVENT_DONOR_H

#include "format/base/os.h"
#include "format/event/schema_key.h"

/* Takes one definition after the other; a failure ends it. from: the file that it was read from,
 * build: that of its Windows, 0 where not known; both lent for the call. */
typedef struct etw_definition_visitor {
    etw_status (*take)(void *context, const etw_schema *schema, const char *from, uint32_t build,
                       etw_error *error);
    void *context;
} etw_definition_visitor;

typedef struct etw_donor etw_donor;
struct etw_donor {
    /* Those of one key, in order; schemas and texts live as long as the donor. */
    etw_status (*find)(etw_donor *self, const etw_schema_key *key,
                       const etw_definition_visitor *visitor, etw_error *error);
    /* All of them. */
    etw_status (*each)(etw_donor *self, const etw_definition_visitor *visitor, etw_error *error);
    /* The GUIDs of their keys; one may come twice. */
    void (*guids)(const etw_donor *self, void (*take)(void *into, const etw_guid *guid),
                  void *into);
    void (*free)(etw_donor *self);
};

/* Opens a trace as a donor, whose names of providers go to store. only_packs: other traces are
 * ETW_ERROR_NOT_THIS, as are files that are no traces. Errors name the path. */
typedef etw_status etw_open_donor(const etw_os *os, const char *path, bool only_packs,
                                  etw_schema_store *store, etw_donor **donor, etw_error *error);

#endif
