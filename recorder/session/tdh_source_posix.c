#include "recorder/session/tdh_source.h"

#include <stdlib.h>

/* There is no TDH here, and so no kind of event that it knows. */
static etw_status find(etw_schema_source *self, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    (void)self;
    (void)store;
    (void)record;
    (void)pointer_size;
    (void)error;
    *schema = NULL;
    return ETW_OK;
}

static void release(etw_schema_source *self)
{
    free(self);
}

etw_schema_source *etw_tdh_source_new(void)
{
    etw_schema_source *source = malloc(sizeof *source);
    if (source != NULL) {
        *source = (etw_schema_source){.name = "TDH", .find = find, .free = release};
    }
    return source;
}
