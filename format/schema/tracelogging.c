#include "format/schema/tracelogging.h"

#include <inttypes.h>
#include <stdlib.h>

#define CHANNEL_TRACELOGGING 11u

/* Trace logging's own numbers (TraceLoggingProvider.h), where they are not TDH's. */
enum {
    IN_TYPE_MASK = 0x1F,
    IN_COUNT_MASK = 0x60,
    IN_COUNT_CONSTANT = 0x20,
    IN_COUNT_VARIABLE = 0x40,
    IN_CUSTOM = 0x60,
    CHAIN = 0x80, /* one more byte of description follows */
    IN_COUNTED_UTF16 = 22,
    IN_COUNTED_ANSI = 23,
    IN_STRUCT = 24
};
enum {
    TL_OUT_NOPRINT = 1,
    TL_OUT_STRING,
    TL_OUT_BOOLEAN,
    TL_OUT_HEX,
    TL_OUT_PID,
    TL_OUT_TID,
    TL_OUT_PORT,
    TL_OUT_IPV4,
    TL_OUT_IPV6,
    TL_OUT_SOCKETADDRESS,
    TL_OUT_XML,
    TL_OUT_JSON,
    TL_OUT_WIN32ERROR,
    TL_OUT_NTSTATUS,
    TL_OUT_HRESULT,
    TL_OUT_DATETIME,
    TL_OUT_SIGNED,
    TL_OUT_UNSIGNED
};

/* A blob that begins with its own 16-bit size: cut to that, or all of it where it says more. */
static etw_bytes own_size(etw_bytes bytes)
{
    if (bytes.size >= 2) {
        const size_t size = etw_load_u16(bytes.data);
        bytes.size = size < bytes.size ? size : bytes.size;
    }
    return bytes;
}

/* Both blobs stand at the start of the user data. */
static bool locate_in_user_data(const etw_event_record *record, etw_tracelogging *found)
{
    const etw_bytes data = etw_record_user_data(record);
    found->traits = own_size(data);
    if (found->traits.size < 3) {
        return false;
    }
    found->metadata =
        own_size((etw_bytes){data.data + found->traits.size, data.size - found->traits.size});
    return found->metadata.size >= 4 && etw_load_u16(found->metadata.data) == found->metadata.size;
}

bool etw_tracelogging_locate(const etw_event_record *record, etw_tracelogging *found)
{
    *found = (etw_tracelogging){0};
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_extended_data_item *item = &record->ExtendedData[i];
        if (item->ExtType == ETW_EXT_EVENT_SCHEMA_TL && found->metadata.data == NULL) {
            found->metadata = own_size(etw_item_bytes(item));
        } else if (item->ExtType == ETW_EXT_PROV_TRAITS && found->traits.data == NULL) {
            found->traits = own_size(etw_item_bytes(item));
        }
    }
    if (found->metadata.size != 0) {
        return true;
    }
    return record->EventHeader.EventDescriptor.Channel == CHANNEL_TRACELOGGING &&
           locate_in_user_data(record, found);
}

typedef struct open_struct {
    uint32_t handle;
    uint32_t members_left;
} open_struct;

typedef struct parser {
    etw_cursor at;
    etw_tei_builder *builder;
    uint32_t pointer_size;
    etw_text name; /* of synthetic properties */
    open_struct open[ETW_MAX_STRUCT_DEPTH];
    uint32_t depth;
} parser;

/* One field as the metadata has it. */
typedef struct field {
    const char *name;
    uint8_t type;
    uint8_t count_kind;
    uint8_t out_type;
    uint16_t count;
    uint32_t tags;
    etw_bytes type_info;
} field;

/* The string with its NUL; fails the cursor where there is no NUL. */
static const char *take_string(etw_cursor *at)
{
    const size_t left = etw_cursor_left(at);
    const uint8_t *end = left == 0 ? NULL : memchr(at->at, 0, left);
    if (end == NULL) {
        at->failed = true;
        return NULL;
    }
    return (const char *)etw_cursor_take(at, (size_t)(end - at->at) + 1);
}

/* 7 bits a byte, the first ones highest; of more than four bytes the rest has no place and is
 * passed over. */
static uint32_t take_tags(etw_cursor *at)
{
    uint32_t tags = 0;
    int shift = 21;
    uint8_t byte;
    do {
        byte = etw_cursor_u8(at);
        if (shift >= 0) {
            tags |= (uint32_t)(byte & 0x7Fu) << shift;
        }
        shift -= 7;
    } while ((byte & CHAIN) != 0 && !at->failed);
    return tags;
}

static field take_field(etw_cursor *at)
{
    field taken = {.name = take_string(at)};
    const uint8_t in = etw_cursor_u8(at);
    taken.type = in & IN_TYPE_MASK;
    taken.count_kind = in & IN_COUNT_MASK;
    if ((in & CHAIN) != 0) {
        const uint8_t out = etw_cursor_u8(at);
        taken.out_type = out & (uint8_t)~CHAIN;
        if ((out & CHAIN) != 0) {
            taken.tags = take_tags(at);
        }
    }
    if (taken.count_kind == IN_COUNT_CONSTANT) {
        taken.count = etw_cursor_u16(at);
    } else if (taken.count_kind == IN_CUSTOM) {
        taken.type_info.size = etw_cursor_u16(at);
        taken.type_info.data = etw_cursor_take(at, taken.type_info.size);
    }
    return taken;
}

static uint16_t hex_out_type(uint16_t in_type, uint32_t pointer_size)
{
    const uint32_t size = in_type == ETW_IN_POINTER ? pointer_size : etw_in_type_size(in_type);
    switch (size) {
    case 1:
        return ETW_OUT_HEXINT8;
    case 2:
        return ETW_OUT_HEXINT16;
    case 4:
        return ETW_OUT_HEXINT32;
    case 8:
        return ETW_OUT_HEXINT64;
    default:
        return ETW_OUT_HEXBINARY;
    }
}

/* The decimal out type of the in type's width; BYTE.. and UNSIGNEDBYTE.. stand two apart. */
static uint16_t decimal_out_type(uint16_t in_type, uint16_t first)
{
    switch (etw_in_type_size(in_type)) {
    case 1:
        return first;
    case 2:
        return (uint16_t)(first + 2);
    case 4:
        return (uint16_t)(first + 4);
    case 8:
        return (uint16_t)(first + 6);
    default:
        return ETW_OUT_NULL;
    }
}

static uint16_t out_type_of(uint8_t out, uint16_t in_type, uint32_t pointer_size)
{
    static const uint16_t same_for_all[] = {[TL_OUT_NOPRINT] = ETW_OUT_NOPRINT,
                                            [TL_OUT_STRING] = ETW_OUT_STRING,
                                            [TL_OUT_BOOLEAN] = ETW_OUT_BOOLEAN,
                                            [TL_OUT_PID] = ETW_OUT_PID,
                                            [TL_OUT_TID] = ETW_OUT_TID,
                                            [TL_OUT_PORT] = ETW_OUT_PORT,
                                            [TL_OUT_IPV4] = ETW_OUT_IPV4,
                                            [TL_OUT_IPV6] = ETW_OUT_IPV6,
                                            [TL_OUT_SOCKETADDRESS] = ETW_OUT_SOCKETADDRESS,
                                            [TL_OUT_XML] = ETW_OUT_XML,
                                            [TL_OUT_JSON] = ETW_OUT_JSON,
                                            [TL_OUT_WIN32ERROR] = ETW_OUT_WIN32ERROR,
                                            [TL_OUT_NTSTATUS] = ETW_OUT_NTSTATUS,
                                            [TL_OUT_HRESULT] = ETW_OUT_HRESULT,
                                            [TL_OUT_DATETIME] = ETW_OUT_DATETIME};
    if (out == TL_OUT_HEX) {
        return hex_out_type(in_type, pointer_size);
    }
    if (out == TL_OUT_SIGNED) {
        return decimal_out_type(in_type, ETW_OUT_BYTE);
    }
    if (out == TL_OUT_UNSIGNED) {
        return decimal_out_type(in_type, ETW_OUT_UNSIGNEDBYTE);
    }
    return out < sizeof same_for_all / sizeof same_for_all[0] ? same_for_all[out] : out;
}

static uint16_t in_type_of(const field *from)
{
    switch (from->type) {
    case IN_COUNTED_UTF16:
        return ETW_IN_COUNTEDSTRING;
    case IN_COUNTED_ANSI:
        return ETW_IN_COUNTEDANSISTRING;
    case ETW_IN_BINARY:
        /* Each element of an array has a length of its own, which only the counted form can say. */
        return from->count_kind == 0 ? ETW_IN_BINARY : ETW_IN_MANIFEST_COUNTEDBINARY;
    default:
        return from->type;
    }
}

static uint16_t length_of(uint16_t in_type, uint32_t pointer_size)
{
    return (uint16_t)(in_type == ETW_IN_POINTER ? pointer_size : etw_in_type_size(in_type));
}

/* "Name.Count" or "Name.Length": the 16-bit number that stands before what it counts. */
static uint32_t add_synthetic(parser *self, uint32_t parent, const char *name, const char *suffix)
{
    self->name.size = 0; /* failed stays: it is looked at when all are there */
    etw_text_append_z(&self->name, name);
    etw_text_append_z(&self->name, suffix);
    const etw_tei_property_spec spec = {
        .name = etw_text_z(&self->name), .in_type = ETW_IN_UINT16, .length = 2};
    return etw_tei_builder_add(self->builder, parent, &spec);
}

static uint32_t add_property(parser *self, uint32_t parent, const field *from)
{
    etw_tei_property_spec spec = {.name = from->name, .tags = from->tags};
    if (from->count_kind == IN_COUNT_CONSTANT) {
        spec.flags = ETW_PROP_PARAM_FIXED_COUNT;
        spec.count = from->count;
    } else if (from->count_kind != 0) {
        spec.count_from = add_synthetic(self, parent, from->name, ".Count");
    }
    if (from->type == IN_STRUCT) {
        spec.is_struct = true;
        return etw_tei_builder_add(self->builder, parent, &spec);
    }
    spec.in_type = in_type_of(from);
    spec.length = length_of(spec.in_type, self->pointer_size);
    if (from->count_kind == IN_CUSTOM) {
        spec.custom_schema = from->type_info;
        spec.custom_protocol = from->out_type;
    } else {
        spec.out_type = out_type_of(from->out_type, spec.in_type, self->pointer_size);
    }
    if (spec.in_type == ETW_IN_BINARY) {
        spec.length_from = add_synthetic(self, parent, from->name, ".Length");
    }
    return etw_tei_builder_add(self->builder, parent, &spec);
}

static void close_full_structs(parser *self)
{
    while (self->depth != 0 && self->open[self->depth - 1].members_left == 0) {
        self->depth--;
    }
}

static etw_status add_field(parser *self, const field *from, etw_error *error)
{
    uint32_t parent = 0;
    if (self->depth != 0) {
        parent = self->open[self->depth - 1].handle;
        self->open[self->depth - 1].members_left--;
    }
    const uint32_t handle = add_property(self, parent, from);
    if (from->type == IN_STRUCT && from->out_type != 0) {
        if (self->depth == ETW_MAX_STRUCT_DEPTH) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "structs nest deeper than %u",
                                 ETW_MAX_STRUCT_DEPTH);
        }
        self->open[self->depth++] = (open_struct){handle, from->out_type};
    }
    close_full_structs(self);
    return ETW_OK;
}

static etw_status add_fields(parser *self, etw_error *error)
{
    while (etw_cursor_left(&self->at) != 0) {
        const field next = take_field(&self->at);
        if (self->at.failed) {
            return etw_error_set(error, ETW_ERROR_DAMAGED, "a field runs past the end");
        }
        const etw_status status = add_field(self, &next, error);
        if (status != ETW_OK) {
            return status;
        }
    }
    if (self->depth != 0) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "a struct lacks %" PRIu32 " of its members",
                             self->open[self->depth - 1].members_left);
    }
    return ETW_OK;
}

/* The provider's name, or NULL. */
static const char *traits_name(etw_bytes traits)
{
    etw_cursor at = etw_cursor_over(traits);
    (void)etw_cursor_u16(&at);
    const char *name = take_string(&at);
    return at.failed ? NULL : name;
}

static etw_status parse(parser *self, const etw_tracelogging *from, const etw_event_record *record,
                        etw_bytes *tei, etw_error *error)
{
    const uint16_t size = etw_cursor_u16(&self->at);
    if (self->at.failed || size > from->metadata.size || size < 2) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "size %u, but there are %zu bytes", size,
                             from->metadata.size);
    }
    const uint32_t tags = take_tags(&self->at);
    const char *name = take_string(&self->at);
    if (self->at.failed) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "the event's name runs past the end");
    }
    const etw_status status = add_fields(self, error);
    if (status != ETW_OK) {
        return status;
    }
    if (self->name.failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a name");
    }
    const etw_tei_event_spec event = {.provider_guid = record->EventHeader.ProviderId,
                                      .descriptor = record->EventHeader.EventDescriptor,
                                      .decoding_source = ETW_DECODING_TLG,
                                      .tags = tags,
                                      .provider_name = traits_name(from->traits),
                                      .task_name = name,
                                      .event_name = name};
    return etw_tei_builder_finish(self->builder, &event, tei, error);
}

etw_status etw_tracelogging_tei(const etw_tracelogging *from, const etw_event_record *record,
                                uint32_t pointer_size, etw_tei_builder *builder, etw_bytes *tei,
                                etw_error *error)
{
    parser self = {
        .at = etw_cursor_over(from->metadata), .builder = builder, .pointer_size = pointer_size};
    const etw_status status = parse(&self, from, record, tei, error);
    if (status != ETW_OK) {
        /* Leaves the builder empty for the next event. */
        etw_bytes unused;
        (void)etw_tei_builder_finish(builder, &(etw_tei_event_spec){0}, &unused, NULL);
        (void)etw_error_wrap(error, status, "TraceLogging metadata");
    }
    etw_text_free(&self.name);
    return status;
}

typedef struct tracelogging_source {
    etw_schema_source base;
    etw_tei_builder *builder;
} tracelogging_source;

static etw_status find(etw_schema_source *base, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    tracelogging_source *self = (tracelogging_source *)base;
    etw_tracelogging from;
    *schema = NULL;
    if (!etw_tracelogging_locate(record, &from)) {
        return ETW_OK;
    }
    etw_schema made = {.origin = ETW_SCHEMA_TRACELOGGING};
    etw_status status =
        etw_tracelogging_tei(&from, record, pointer_size, self->builder, &made.tei, error);
    const char *name = traits_name(from.traits);
    if (status == ETW_OK && name != NULL && name[0] != '\0') {
        status =
            etw_schema_store_set_provider_name(store, &record->EventHeader.ProviderId, name, error);
    }
    return status == ETW_OK ? etw_schema_store_intern(store, &made, schema, error) : status;
}

/* A name counts from the start of the trace, also for events in front of the one that tells it. */
static etw_status observe(etw_schema_source *base, etw_schema_store *store,
                          const etw_event_record *record, etw_error *error)
{
    etw_tracelogging from;
    (void)base;
    const char *name = etw_tracelogging_locate(record, &from) ? traits_name(from.traits) : NULL;
    return name == NULL || name[0] == '\0'
               ? ETW_OK
               : etw_schema_store_set_provider_name(store, &record->EventHeader.ProviderId, name,
                                                    error);
}

static void free_source(etw_schema_source *base)
{
    etw_tei_builder_free(((tracelogging_source *)base)->builder);
    free(base);
}

etw_schema_source *etw_tracelogging_source_new(void)
{
    tracelogging_source *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->base = (etw_schema_source){
        .name = "TraceLogging", .observe = observe, .find = find, .free = free_source};
    self->builder = etw_tei_builder_new();
    if (self->builder == NULL) {
        free(self);
        return NULL;
    }
    return &self->base;
}
