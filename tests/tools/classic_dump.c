/* classic_dump FILE.etl: the classic records of a trace, one line each, for tests to count and
 * compare:
 *
 *     GUID opcode version pointer_size ticks payload_bytes consumed_bytes state <TAB> Task/Opcode
 * <TAB> Name=text ...
 *
 * state: ok, left (bytes behind the last property), short (the payload ends too early), none (no
 * schema). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/etl/etl.h"
#include "format/event/render/plan.h"
#include "format/schema/classic.h"

typedef struct dump {
    etw_schema_source *schemas;
    etw_schema_store *store;
    etw_plan_cache *plans;
    etw_text values;
    etw_text guid;
} dump;

static etw_status append_value(void *context, const etw_value *value)
{
    etw_text *text = context;
    etw_text_append_char(text, '\t');
    etw_text_append_z(text, etw_property_name(value->property)->utf8);
    etw_text_append_char(text, '=');
    etw_value_append_text(value, 0, ETW_ESCAPE_LINE, text);
    return ETW_OK;
}

static const char *state_of(const etw_walk_end *end)
{
    if (end->short_payload) {
        return "short";
    }
    return end->left_bytes > 0 || end->reason != NULL ? "left" : "ok";
}

static etw_status print_record(dump *to, const etw_event_record *record, uint32_t pointer_size,
                               etw_error *error)
{
    static const etw_visitor visitor = {.value = append_value};
    const etw_event_header *header = &record->EventHeader;
    const etw_schema *schema;
    etw_walk_end end = {0};
    const char *state = "none";
    etw_text_clear(&to->values);
    etw_text_clear(&to->guid);
    etw_text_append_guid(&to->guid, &header->ProviderId);
    etw_status status =
        to->schemas->find(to->schemas, to->store, record, pointer_size, &schema, error);
    const etw_plan *plan = status == ETW_OK ? etw_plan_cache_get(to->plans, schema, NULL) : NULL;
    if (plan != NULL) {
        etw_text_printf(&to->values, "%s/%s", etw_plan_task_name(plan)->utf8,
                        etw_plan_opcode_name(plan)->utf8);
        status = etw_plan_walk(plan, record, pointer_size, &visitor, &to->values, &end);
        state = state_of(&end);
    }
    printf("%s %u %u %u %" PRId64 " %u %u %s\t%s\n", etw_text_z(&to->guid),
           header->EventDescriptor.Opcode, header->EventDescriptor.Version, pointer_size,
           header->TimeStamp, record->UserDataLength, end.consumed_bytes, state,
           etw_text_z(&to->values));
    return status;
}

static etw_status print_all(dump *to, etw_source *source, etw_error *error)
{
    etw_item item;
    etw_status status;
    while ((status = etw_source_next(source, &item, error)) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT &&
            (item.record->EventHeader.Flags & ETW_FLAG_CLASSIC_HEADER) != 0) {
            const uint32_t pointer_size = etw_record_pointer_size(
                item.record, etw_source_trace(source, item.trace_index)->pointer_size);
            status = print_record(to, item.record, pointer_size, error);
            if (status != ETW_OK) {
                break;
            }
        }
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: classic_dump FILE.etl\n");
        return 2;
    }
    etw_error error = {0};
    etw_source *source = NULL;
    dump to = {etw_classic_source_new(), etw_schema_store_new(), etw_plan_cache_new(), {0}, {0}};
    if (to.schemas == NULL || to.store == NULL || to.plans == NULL) {
        fprintf(stderr, "classic_dump: no memory\n");
        return 1;
    }
    etw_status status = etw_etl_open(etw_os_default(), argv[1], NULL, &source, &error);
    if (status == ETW_OK) {
        status = print_all(&to, source, &error);
    }
    etw_source_close(source);
    etw_text_free(&to.values);
    etw_text_free(&to.guid);
    etw_plan_cache_free(to.plans);
    etw_schema_store_free(to.store);
    to.schemas->free(to.schemas);
    if (status != ETW_END) {
        fprintf(stderr, "classic_dump: %s\n", error.message);
        return 1;
    }
    return 0;
}
