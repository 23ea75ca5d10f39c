#include "replay/event_batch.h"

#include "format/base/arena.h"
#include "format/event/extended.h"
#include "format/output/event_json.h"
#include "format/output/schema_listing.h"
#include "format/query/where.h"
#include "replay/replay.h"

#include <stdlib.h>

#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(etw_batched_event) == 192, "other languages read it by this layout");
_Static_assert(offsetof(etw_batched_event, provider_name) == 56, "as above");
_Static_assert(offsetof(etw_batched_event, user_data_size) == 80, "as above");
_Static_assert(offsetof(etw_batched_event, version) == 104, "as above");
_Static_assert(offsetof(etw_batched_event, schema_hash) == 112, "as above");
_Static_assert(sizeof(etw_batched_value) == 24, "as above");
_Static_assert(sizeof(etw_event_batch_options) == 56, "as above");
#endif

/* Bytes of user data and items that end a batch early. */
#define ENOUGH_BYTES ((size_t)4 << 20)

/* What makes the event again. */
typedef struct kept {
    etw_event_record record;
    const char *provider_name; /* as the replay told it */
    const etw_trace *trace;
    const etw_schema *schema;
    uint16_t trace_number;
} kept;

struct etw_event_batch {
    etw_replay *replay;
    etw_where *where;
    etw_event_maker *maker;
    etw_plan_cache *plans; /* of schemas that were asked for */
    etw_arena arena;       /* user data and items of the batch */
    kept *kept;
    etw_batched_event *events;
    uint32_t count;
    etw_text text; /* of a value */
    etw_text json;
    etw_text losses;
};

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a batch of events");
}

static void on_loss(void *context, const etw_loss *loss)
{
    etw_event_batch *batch = context;
    etw_json_append_loss(loss, &batch->losses);
    etw_text_append_char(&batch->losses, '\n');
}

static etw_status open_replay(etw_event_batch *batch, const char *path,
                              const etw_event_batch_options *given, etw_error *error)
{
    etw_replay_options options = {.use_default_schemas = given->without_default_schemas == 0,
                                  .manifest_paths = given->schemas,
                                  .manifest_path_count = given->schema_count,
                                  .loss = on_loss,
                                  .loss_context = batch};
    etw_status status = ETW_OK;
    if (given->where != NULL) {
        status = etw_where_compile(given->where, &batch->where, error);
        options.filter.where = batch->where;
    }
    return status == ETW_OK ? etw_replay_open(path, &options, &batch->replay, error) : status;
}

etw_status etw_event_batch_open(const char *path, const etw_event_batch_options *options,
                                etw_event_batch **batch, etw_error *error)
{
    static const etw_event_batch_options defaults;
    if (batch != NULL) {
        *batch = NULL;
    }
    if (path == NULL || batch == NULL) {
        return etw_error_set_missing(error, "path and batch");
    }
    etw_event_batch *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return no_memory(error);
    }
    made->maker = etw_event_maker_new(true);
    made->kept = malloc(ETW_BATCHED_MAX_EVENTS * sizeof *made->kept);
    made->events = malloc(ETW_BATCHED_MAX_EVENTS * sizeof *made->events);
    const etw_status status =
        made->maker == NULL || made->kept == NULL || made->events == NULL
            ? no_memory(error)
            : open_replay(made, path, options == NULL ? &defaults : options, error);
    if (status != ETW_OK) {
        etw_event_batch_close(made);
        return status;
    }
    *batch = made;
    return ETW_OK;
}

void etw_event_batch_close(etw_event_batch *batch)
{
    if (batch == NULL) {
        return;
    }
    etw_event_maker_free(batch->maker);
    etw_plan_cache_free(batch->plans);
    etw_replay_close(batch->replay);
    etw_where_free(batch->where);
    etw_arena_free(&batch->arena);
    etw_text_free(&batch->text);
    etw_text_free(&batch->json);
    etw_text_free(&batch->losses);
    free(batch->kept);
    free(batch->events);
    free(batch);
}

/* The record with its data and items, in the arena. */
static bool copy_record(etw_event_batch *batch, const etw_event_record *from, etw_event_record *to)
{
    *to = *from;
    if (from->UserDataLength > 0) {
        to->UserData = etw_arena_copy(&batch->arena, from->UserData, from->UserDataLength);
    }
    if (from->ExtendedDataCount == 0) {
        return to->UserData != NULL || from->UserDataLength == 0;
    }
    to->ExtendedData =
        etw_arena_alloc(&batch->arena, from->ExtendedDataCount * sizeof *from->ExtendedData);
    bool is_well = to->ExtendedData != NULL && (to->UserData != NULL || from->UserDataLength == 0);
    for (uint16_t i = 0; is_well && i < from->ExtendedDataCount; i++) {
        const etw_bytes data = etw_item_bytes(&from->ExtendedData[i]);
        const char *copy =
            data.size == 0 ? "" : etw_arena_copy(&batch->arena, data.data, data.size);
        to->ExtendedData[i] = from->ExtendedData[i];
        to->ExtendedData[i].DataPtr = (uint64_t)(uintptr_t)copy;
        is_well = copy != NULL;
    }
    return is_well;
}

static const etw_event *make_event(etw_event_batch *batch, uint32_t index)
{
    const kept *of = &batch->kept[index];
    const etw_event *event =
        etw_event_make(batch->maker, &of->record, of->trace, of->schema, of->provider_name);
    if (event != NULL) {
        etw_event_set_trace_number(batch->maker, of->trace_number);
    }
    return event;
}

/* Texts of plans live no longer than the plan. */
static bool keep_text(etw_event_batch *batch, const char *from, const char **to)
{
    const bool is_there = from != NULL && from[0] != '\0';
    *to = is_there ? etw_arena_copy(&batch->arena, from, strlen(from)) : NULL;
    return !is_there || *to != NULL;
}

static bool keep(etw_event_batch *batch, const etw_replay_item *item)
{
    const uint32_t index = batch->count;
    kept *to = &batch->kept[index];
    etw_batched_event *out = &batch->events[index];
    *to = (kept){.provider_name = item->provider_name,
                 .trace = item->trace,
                 .schema = item->schema,
                 .trace_number = item->trace_number};
    if (!copy_record(batch, item->record, &to->record)) {
        return false;
    }
    const etw_event_header *header = &to->record.EventHeader;
    const etw_event_descriptor *d = &header->EventDescriptor;
    *out = (etw_batched_event){.keyword = d->Keyword,
                               .processor_time = header->ProcessorTime,
                               .provider_id = header->ProviderId,
                               .activity_id = header->ActivityId,
                               .user_data = to->record.UserData,
                               .user_data_size = to->record.UserDataLength,
                               .process_id = header->ProcessId,
                               .thread_id = header->ThreadId,
                               .id = d->Id,
                               .task = d->Task,
                               .flags = header->Flags,
                               .event_property = header->EventProperty,
                               .processor = etw_record_processor(&to->record),
                               .trace_number = item->trace_number,
                               .version = d->Version,
                               .channel = d->Channel,
                               .level = d->Level,
                               .opcode = d->Opcode,
                               .has_schema = item->schema != NULL,
                               .has_cpu_times = etw_trace_has_cpu_times(item->trace, &to->record),
                               .schema_hash = item->schema == NULL ? 0 : item->schema->hash,
                               .record = &to->record};
    const etw_event *event = make_event(batch, index);
    if (event == NULL) {
        return false;
    }
    const etw_plan *plan = etw_event_plan(event);
    const char *name = plan == NULL ? "" : etw_plan_event_name(plan)->utf8;
    out->time_100ns = etw_event_time_100ns(event);
    batch->count++;
    return keep_text(batch, etw_event_provider_name(event), &out->provider_name) &&
           keep_text(batch, name, &out->event_name);
}

etw_status etw_event_batch_next(etw_event_batch *batch, const etw_batched_event **events,
                                uint32_t *count, etw_error *error)
{
    etw_status status = ETW_OK;
    etw_event_expire(batch->maker);
    etw_arena_free(&batch->arena);
    batch->count = 0;
    while (batch->count < ETW_BATCHED_MAX_EVENTS && batch->arena.used_bytes < ENOUGH_BYTES) {
        etw_replay_item item;
        status = etw_replay_next_item(batch->replay, &item, error);
        if (status != ETW_OK) {
            break;
        }
        if (!keep(batch, &item)) {
            return no_memory(error);
        }
    }
    (void)etw_text_z(&batch->losses); /* so that it can be asked for */
    if (batch->losses.failed) {
        return no_memory(error);
    }
    *events = batch->events;
    *count = batch->count;
    return status == ETW_END && batch->count > 0 ? ETW_OK : status;
}

/* Values. */

static etw_status take_text(etw_event_batch *batch, const etw_typed_value *from,
                            etw_batched_value *to)
{
    etw_text_clear(&batch->text);
    (void)etw_value_append_text(&from->value, 0, ETW_ESCAPE_NONE, &batch->text);
    to->kind = ETW_BATCHED_TEXT;
    to->data = etw_text_z(&batch->text);
    to->size = (uint32_t)batch->text.size;
    if (batch->text.failed) {
        *to = (etw_batched_value){0};
        return ETW_ERROR_NO_MEMORY;
    }
    return ETW_OK;
}

static etw_status take_value(etw_event_batch *batch, const etw_typed_value *from,
                             etw_batched_value *to)
{
    switch (from->kind) {
    case ETW_VALUE_NONE:
        return ETW_OK;
    case ETW_VALUE_INT64:
        to->number.int64 = from->as.int64;
        to->kind = ETW_BATCHED_INT64;
        break;
    case ETW_VALUE_UINT64:
        to->number.uint64 = from->as.uint64;
        to->kind = ETW_BATCHED_UINT64;
        break;
    case ETW_VALUE_DOUBLE:
        to->number.real = from->as.real;
        to->kind = ETW_BATCHED_DOUBLE;
        break;
    case ETW_VALUE_BOOL:
        to->number.uint64 = from->as.boolean;
        to->kind = ETW_BATCHED_BOOL;
        break;
    case ETW_VALUE_FILETIME:
        to->number.int64 = from->as.time_100ns;
        to->kind = ETW_BATCHED_TIME;
        break;
    case ETW_VALUE_BINARY:
        to->data = (const char *)from->bytes.data;
        to->size = (uint32_t)from->bytes.size;
        to->kind = ETW_BATCHED_BYTES;
        break;
    default:
        return take_text(batch, from, to);
    }
    return from->is_mapped ? take_text(batch, from, to) : ETW_OK;
}

etw_status etw_event_batch_value(etw_event_batch *batch, uint32_t index, const char *name,
                                 etw_batched_value *value)
{
    etw_typed_value typed;
    *value = (etw_batched_value){0};
    if (index >= batch->count) {
        return ETW_ERROR_INVALID_ARGUMENT;
    }
    const etw_event *event = make_event(batch, index);
    if (event == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    const etw_status status = etw_event_property_value(event, name, &typed);
    return status == ETW_OK ? take_value(batch, &typed, value) : status;
}

etw_status etw_event_batch_json(etw_event_batch *batch, uint32_t index, uint32_t typed,
                                const char **json, size_t *size)
{
    const etw_output_options options = {.typed = typed != 0, .hex_numbers = typed != 0};
    etw_text_clear(&batch->json);
    *json = "";
    *size = 0;
    if (index >= batch->count) {
        return ETW_ERROR_INVALID_ARGUMENT;
    }
    const etw_event *event = make_event(batch, index);
    const etw_status status =
        event == NULL ? ETW_ERROR_NO_MEMORY : etw_event_json(event, &options, &batch->json);
    if (status != ETW_OK) {
        return status;
    }
    *json = etw_text_z(&batch->json);
    if (batch->json.failed) {
        return ETW_ERROR_NO_MEMORY;
    }
    *size = batch->json.size;
    return ETW_OK;
}

/* Schemas. */

static etw_status append_schema(etw_event_batch *batch, const etw_schema *schema)
{
    if (batch->plans == NULL) {
        batch->plans = etw_plan_cache_new();
    }
    return batch->plans == NULL
               ? ETW_ERROR_NO_MEMORY
               : etw_schema_json(schema, (etw_schema_choice){0}, batch->plans, &batch->json);
}

static etw_status lend_json(etw_event_batch *batch, etw_status status, const char **json,
                            size_t *size)
{
    *json = etw_text_z(&batch->json);
    *size = batch->json.size;
    return status == ETW_OK && batch->json.failed ? ETW_ERROR_NO_MEMORY : status;
}

etw_status etw_event_batch_schema(etw_event_batch *batch, uint32_t index, const char **json,
                                  size_t *size)
{
    etw_text_clear(&batch->json);
    if (index >= batch->count) {
        return lend_json(batch, ETW_ERROR_INVALID_ARGUMENT, json, size);
    }
    const etw_schema *schema = batch->kept[index].schema;
    const etw_status status = schema == NULL ? ETW_OK : append_schema(batch, schema);
    if (status == ETW_OK && batch->json.size > 0) {
        batch->json.size--; /* the line break */
    }
    return lend_json(batch, status, json, size);
}

etw_status etw_event_batch_schemas(etw_event_batch *batch, const char **json, size_t *size)
{
    const etw_schema_store *store = etw_replay_schemas(batch->replay);
    etw_status status = ETW_OK;
    etw_text_clear(&batch->json);
    for (uint32_t id = 1; status == ETW_OK && id <= etw_schema_store_count(store); id++) {
        status = append_schema(batch, etw_schema_store_get(store, id));
    }
    return lend_json(batch, status, json, size);
}

const char *etw_event_batch_losses(etw_event_batch *batch)
{
    return etw_text_z(&batch->losses);
}
