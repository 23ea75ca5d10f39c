/* There is no TDH here: nothing is gathered. */
#include "recorder/session/oracle_source.h"

#include <stdlib.h>

struct etw_oracle_source {
    uint8_t none;
};

etw_oracle_source *etw_oracle_source_new(uint32_t events_per_schema)
{
    (void)events_per_schema;
    return calloc(1, sizeof(etw_oracle_source));
}

void etw_oracle_source_free(etw_oracle_source *oracle)
{
    free(oracle);
}

void etw_oracle_source_event(etw_oracle_source *oracle, const etw_event_record *record,
                             const etw_schema *schema, uint32_t pointer_size, uint64_t event_number)
{
    (void)oracle;
    (void)record;
    (void)schema;
    (void)pointer_size;
    (void)event_number;
}

etw_status etw_oracle_source_take(etw_oracle_source *oracle, etw_bytes *blob, uint32_t *events,
                                  etw_error *error)
{
    (void)oracle;
    (void)error;
    *blob = (etw_bytes){NULL, 0};
    *events = 0;
    return ETW_OK;
}
