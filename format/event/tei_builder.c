#include "format/event/tei_builder.h"

#include "format/event/schema.h"

#include <stdlib.h>

typedef struct blob {
    uint8_t *data;
    size_t size;
    size_t capacity;
} blob;

/* One added property; handles are its index plus one. */
typedef struct node {
    etw_tei_property_spec spec; /* pointers in it are not used after the call that added it */
    size_t name_at;             /* where its strings stand in the builder's strings */
    size_t name_size;
    size_t map_name_at;
    size_t map_name_size;
    size_t custom_at;
    uint32_t parent;
    uint32_t first_child;
    uint32_t last_child;
    uint32_t next_sibling;
    uint32_t child_count;
    uint32_t index; /* in the property array, once laid out */
} node;

struct etw_tei_builder {
    node *nodes;
    uint32_t node_count;
    uint32_t node_capacity;
    uint32_t *order; /* handles in the order of the property array; node_capacity of them */
    node root;       /* parent of the top level */
    blob strings;
    blob out;
    etw_error failure; /* the first one; ETW_OK where none */
    bool handed_out;   /* the next property starts a new event */
};

static etw_status fail(etw_tei_builder *builder, etw_status status, const char *what)
{
    if (builder->failure.status == ETW_OK) {
        (void)etw_error_set(&builder->failure, status, "%s", what);
    }
    return status;
}

static bool failed(const etw_tei_builder *builder)
{
    return builder->failure.status != ETW_OK;
}

static uint8_t *reserve(etw_tei_builder *builder, blob *into, size_t extra)
{
    if (failed(builder)) {
        return NULL;
    }
    if (extra > ETW_MAX_TEI_SIZE || into->size > ETW_MAX_TEI_SIZE - extra) {
        (void)fail(builder, ETW_ERROR_LIMIT, "schema is larger than 1 MiB");
        return NULL;
    }
    if (into->size + extra > into->capacity) {
        const size_t capacity = (into->size + extra) * 2;
        uint8_t *data = realloc(into->data, capacity);
        if (data == NULL) {
            (void)fail(builder, ETW_ERROR_NO_MEMORY, "no memory for a schema");
            return NULL;
        }
        into->data = data;
        into->capacity = capacity;
    }
    return into->data + into->size;
}

static void append(etw_tei_builder *builder, blob *into, const void *bytes, size_t size)
{
    uint8_t *to = reserve(builder, into, size);
    if (to != NULL && size != 0) {
        memcpy(to, bytes, size);
        into->size += size;
    }
}

static void append_unit(etw_tei_builder *builder, blob *into, uint16_t unit)
{
    append(builder, into, &unit, sizeof unit);
}

/* A byte that is no valid part of UTF-8 gives U+FFFD. */
static void append_utf16(etw_tei_builder *builder, blob *into, const char *utf8)
{
    const uint8_t *at = (const uint8_t *)utf8;
    for (size_t left = strlen(utf8); left > 0 && !failed(builder);) {
        uint32_t code_point = 0xFFFD;
        const size_t decoded = etw_utf8_decode(at, left, &code_point);
        const size_t used = decoded == 0 ? 1 : decoded;
        uint16_t units[2];
        append(builder, into, units, etw_utf16_encode(code_point, units) * sizeof units[0]);
        at += used;
        left -= used;
    }
}

/* The string with its NUL at the blob's end; returns its offset, or 0 where there is no string. */
static uint32_t append_string(etw_tei_builder *builder, blob *into, const char *utf8,
                              const char *suffix)
{
    if (utf8 == NULL) {
        return 0;
    }
    const uint32_t offset = (uint32_t)into->size;
    append_utf16(builder, into, utf8);
    append_utf16(builder, into, suffix);
    append_unit(builder, into, 0);
    return offset;
}

etw_tei_builder *etw_tei_builder_new(void)
{
    return calloc(1, sizeof(etw_tei_builder));
}

void etw_tei_builder_free(etw_tei_builder *builder)
{
    if (builder == NULL) {
        return;
    }
    free(builder->nodes);
    free(builder->order);
    free(builder->strings.data);
    free(builder->out.data);
    free(builder);
}

static void start_event(etw_tei_builder *builder)
{
    builder->node_count = 0;
    builder->strings.size = 0;
    builder->failure.status = ETW_OK;
    builder->handed_out = false;
    memset(&builder->root, 0, sizeof builder->root);
}

static bool grow_nodes(etw_tei_builder *builder)
{
    if (builder->node_count < builder->node_capacity) {
        return true;
    }
    if (builder->node_count >= ETW_MAX_PROPERTIES) {
        (void)fail(builder, ETW_ERROR_LIMIT, "schema has more than 4096 properties");
        return false;
    }
    const uint32_t capacity = builder->node_capacity == 0 ? 16 : builder->node_capacity * 2;
    node *nodes = realloc(builder->nodes, capacity * sizeof *nodes);
    if (nodes != NULL) {
        builder->nodes = nodes;
    }
    uint32_t *order = realloc(builder->order, capacity * sizeof *order);
    if (order != NULL) {
        builder->order = order;
    }
    if (nodes == NULL || order == NULL) {
        (void)fail(builder, ETW_ERROR_NO_MEMORY, "no memory for a schema");
        return false;
    }
    builder->node_capacity = capacity;
    return true;
}

/* NULL where the handle does not exist: kept as a failure. */
static node *node_of(etw_tei_builder *builder, uint32_t handle)
{
    if (handle == 0 || handle > builder->node_count) {
        (void)fail(builder, ETW_ERROR_INVALID_ARGUMENT, "no property with that handle");
        return NULL;
    }
    return &builder->nodes[handle - 1];
}

static void keep_strings(etw_tei_builder *builder, node *added)
{
    const etw_tei_property_spec *spec = &added->spec;
    blob *strings = &builder->strings;
    added->name_at = strings->size;
    (void)append_string(builder, strings, spec->name == NULL ? "" : spec->name, "");
    added->name_size = strings->size - added->name_at;
    added->map_name_at = strings->size;
    (void)append_string(builder, strings, spec->map_name, "");
    added->map_name_size = strings->size - added->map_name_at;
    added->custom_at = strings->size;
    append(builder, strings, spec->custom_schema.data, spec->custom_schema.size);
}

static void link_child(etw_tei_builder *builder, node *parent, uint32_t child)
{
    if (parent->last_child == 0) {
        parent->first_child = child;
    } else {
        builder->nodes[parent->last_child - 1].next_sibling = child;
    }
    parent->last_child = child;
    parent->child_count++;
}

uint32_t etw_tei_builder_add(etw_tei_builder *builder, uint32_t parent,
                             const etw_tei_property_spec *property)
{
    if (builder->handed_out) {
        start_event(builder);
    }
    if (failed(builder) || !grow_nodes(builder)) {
        return 0;
    }
    node *const owner = parent == 0 ? &builder->root : node_of(builder, parent);
    if (owner == NULL) {
        return 0;
    }
    if (property->custom_schema.size > UINT16_MAX) {
        (void)fail(builder, ETW_ERROR_LIMIT, "custom schema is larger than 65535 bytes");
        return 0;
    }
    node *added = &builder->nodes[builder->node_count++];
    memset(added, 0, sizeof *added);
    added->spec = *property;
    added->parent = parent;
    keep_strings(builder, added);
    link_child(builder, owner, builder->node_count);
    return failed(builder) ? 0 : builder->node_count;
}

void etw_tei_builder_count_from(etw_tei_builder *builder, uint32_t handle, uint32_t from)
{
    node *found = node_of(builder, handle);
    if (found != NULL) {
        found->spec.count_from = from;
    }
}

void etw_tei_builder_length_from(etw_tei_builder *builder, uint32_t handle, uint32_t from)
{
    node *found = node_of(builder, handle);
    if (found != NULL) {
        found->spec.length_from = from;
    }
}

/* The top level first, then the members of each struct as a block, in the order of the structs. */
static void lay_out(etw_tei_builder *builder)
{
    uint32_t placed = 0;
    const node *owner = &builder->root;
    for (uint32_t next = 0;; next++) {
        for (uint32_t child = owner->first_child; child != 0;
             child = builder->nodes[child - 1].next_sibling) {
            builder->nodes[child - 1].index = placed;
            builder->order[placed++] = child;
        }
        if (next == placed) {
            return;
        }
        owner = &builder->nodes[builder->order[next] - 1];
    }
}

static uint16_t index_of(etw_tei_builder *builder, uint32_t handle)
{
    const node *found = node_of(builder, handle);
    return found == NULL ? (uint16_t)0 : (uint16_t)found->index;
}

static void fill_counts(etw_tei_builder *builder, const etw_tei_property_spec *spec,
                        etw_event_property_info *info)
{
    info->count = spec->count == 0 ? 1 : spec->count;
    info->length = spec->length;
    if (spec->count_from != 0) {
        info->Flags |= ETW_PROP_PARAM_COUNT;
        info->countPropertyIndex = index_of(builder, spec->count_from);
    }
    if (spec->length_from != 0) {
        info->Flags |= ETW_PROP_PARAM_LENGTH;
        info->lengthPropertyIndex = index_of(builder, spec->length_from);
    }
    if (spec->tags != 0) {
        info->Flags |= ETW_PROP_HAS_TAGS;
        info->Tags = spec->tags << ETW_TEI_TAGS_SHIFT;
    }
}

static void fill_type(etw_tei_builder *builder, const node *from, etw_event_property_info *info)
{
    if (!from->spec.is_struct) {
        info->InType = from->spec.in_type;
        info->OutType = from->spec.out_type;
        return;
    }
    info->Flags |= ETW_PROP_STRUCT;
    info->StructStartIndex =
        from->first_child == 0 ? (uint16_t)0 : index_of(builder, from->first_child);
    info->NumOfStructMembers = (uint16_t)from->child_count;
}

static uint32_t copy_strings(etw_tei_builder *builder, size_t at, size_t size)
{
    const uint32_t offset = (uint32_t)builder->out.size;
    append(builder, &builder->out, builder->strings.data + at, size);
    return offset;
}

static void append_custom_schema(etw_tei_builder *builder, const node *from,
                                 etw_event_property_info *info)
{
    const uint16_t size = (uint16_t)from->spec.custom_schema.size;
    const uint16_t head[2] = {from->spec.custom_protocol, size};
    info->Flags |= ETW_PROP_HAS_CUSTOM_SCHEMA;
    info->CustomSchemaOffset = (uint32_t)builder->out.size;
    append(builder, &builder->out, head, sizeof head);
    append(builder, &builder->out, builder->strings.data + from->custom_at, size);
}

static void append_property(etw_tei_builder *builder, uint32_t index)
{
    const node *from = &builder->nodes[builder->order[index] - 1];
    etw_event_property_info info = {.Flags = from->spec.flags};
    fill_type(builder, from, &info);
    fill_counts(builder, &from->spec, &info);
    info.NameOffset = copy_strings(builder, from->name_at, from->name_size);
    if (from->map_name_size != 0) {
        info.MapNameOffset = copy_strings(builder, from->map_name_at, from->map_name_size);
    } else if (from->spec.custom_schema.size != 0) {
        append_custom_schema(builder, from, &info);
    }
    if (!failed(builder)) {
        memcpy(builder->out.data + sizeof(etw_trace_event_info) + index * sizeof info, &info,
               sizeof info);
    }
}

static uint32_t append_keywords(etw_tei_builder *builder, const etw_tei_event_spec *event)
{
    const uint32_t offset = (uint32_t)builder->out.size;
    for (uint32_t i = 0; i < event->keyword_count; i++) {
        const char *name = event->keyword_names[i];
        if (name != NULL && name[0] != '\0') {
            (void)append_string(builder, &builder->out, name, "");
        }
    }
    if (builder->out.size == offset) {
        return 0;
    }
    append_unit(builder, &builder->out, 0);
    return offset;
}

static void append_names(etw_tei_builder *builder, const etw_tei_event_spec *event,
                         etw_trace_event_info *info)
{
    blob *out = &builder->out;
    info->ProviderNameOffset = append_string(builder, out, event->provider_name, "");
    info->LevelNameOffset = append_string(builder, out, event->level_name, "");
    info->ChannelNameOffset = append_string(builder, out, event->channel_name, "");
    info->KeywordsNameOffset = append_keywords(builder, event);
    info->TaskNameOffset = append_string(builder, out, event->task_name, "");
    info->OpcodeNameOffset = append_string(builder, out, event->opcode_name, "");
    info->EventMessageOffset = append_string(builder, out, event->event_message, " ");
    info->ProviderMessageOffset = append_string(builder, out, event->provider_message, " ");
    info->EventNameOffset = append_string(builder, out, event->event_name, "");
    info->EventAttributesOffset = append_string(builder, out, event->event_attributes, "");
}

static void append_event(etw_tei_builder *builder, const etw_tei_event_spec *event)
{
    etw_trace_event_info info = {.ProviderGuid = event->provider_guid,
                                 .EventGuid = event->event_guid,
                                 .EventDescriptor = event->descriptor,
                                 .DecodingSource = event->decoding_source};
    const size_t fixed = sizeof info + builder->node_count * sizeof(etw_event_property_info);
    builder->out.size = 0;
    uint8_t *start = reserve(builder, &builder->out, fixed);
    if (start == NULL) {
        return;
    }
    memset(start, 0, fixed);
    builder->out.size = fixed;
    for (uint32_t i = 0; i < builder->node_count; i++) {
        append_property(builder, i);
    }
    append_names(builder, event, &info);
    info.PropertyCount = builder->node_count;
    info.TopLevelPropertyCount = builder->root.child_count;
    info.Flags = (event->template_flags & 0xFu) | event->tags << ETW_TEI_TAGS_SHIFT;
    if (!failed(builder)) {
        memcpy(builder->out.data, &info, sizeof info);
    }
}

etw_status etw_tei_builder_finish(etw_tei_builder *builder, const etw_tei_event_spec *event,
                                  etw_bytes *out, etw_error *error)
{
    if (builder->handed_out) {
        start_event(builder);
    }
    lay_out(builder);
    append_event(builder, event);
    builder->handed_out = true;
    if (failed(builder)) {
        return etw_error_set(error, builder->failure.status, "%s", builder->failure.message);
    }
    *out = (etw_bytes){builder->out.data, builder->out.size};
    return ETW_OK;
}

static void append_map(etw_tei_builder *builder, const etw_map_spec *map)
{
    const uint32_t entry_count = map->entry_count;
    const bool manifest = (map->flag & (ETW_MAP_MANIFEST_VALUEMAP | ETW_MAP_MANIFEST_BITMAP)) != 0;
    const size_t fixed = sizeof(etw_event_map_info) + entry_count * sizeof(etw_event_map_entry);
    etw_event_map_info info = {.Flag = map->flag, .EntryCount = entry_count};
    builder->out.size = 0;
    if (reserve(builder, &builder->out, fixed) == NULL) {
        return;
    }
    builder->out.size = fixed;
    info.NameOffset = append_string(builder, &builder->out, map->name, "");
    for (uint32_t i = 0; i < entry_count && !failed(builder); i++) {
        etw_event_map_entry entry = {.Value = map->entries[i].value};
        entry.OutputOffset =
            append_string(builder, &builder->out, map->entries[i].text, manifest ? " " : "");
        memcpy(builder->out.data + sizeof info + i * sizeof entry, &entry, sizeof entry);
    }
    memcpy(builder->out.data, &info, sizeof info);
}

etw_status etw_tei_builder_map(etw_tei_builder *builder, const etw_map_spec *map, etw_bytes *out,
                               etw_error *error)
{
    const etw_error kept = builder->failure;
    builder->failure.status = ETW_OK;
    if (map->entry_count > ETW_MAX_MAP_SIZE / sizeof(etw_event_map_entry)) {
        (void)fail(builder, ETW_ERROR_LIMIT, "map has too many entries");
    } else {
        append_map(builder, map);
    }
    const etw_error failure = builder->failure;
    builder->failure = kept;
    if (failure.status != ETW_OK) {
        return etw_error_set(error, failure.status, "%s", failure.message);
    }
    *out = (etw_bytes){builder->out.data, builder->out.size};
    return ETW_OK;
}

etw_status etw_tei_builder_keep_map(etw_tei_builder *builder, const etw_map_spec *map,
                                    etw_arena *arena, etw_bytes *kept, etw_error *error)
{
    etw_bytes lent;
    const etw_status status = etw_tei_builder_map(builder, map, &lent, error);
    if (status != ETW_OK) {
        return status;
    }
    const void *copy = etw_arena_copy(arena, lent.data, lent.size);
    if (copy == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a map");
    }
    *kept = (etw_bytes){copy, lent.size};
    return ETW_OK;
}
