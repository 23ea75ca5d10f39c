#include "format/event/render/plan_compiler.h"

#include <inttypes.h>
#include <stdlib.h>

void etw_plan_free(etw_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    etw_arena_free(&plan->arena);
    free(plan->properties);
    free(plan->keywords);
    free(plan);
}

size_t etw_plan_size_bytes(const etw_plan *plan)
{
    return sizeof *plan + plan->property_count * sizeof *plan->properties +
           plan->keyword_count * sizeof *plan->keywords + plan->arena.used_bytes;
}

/* Other in types do not look at a map (TEXT.md). */
static bool takes_map(uint16_t in_type)
{
    return in_type == ETW_IN_UINT8 || in_type == ETW_IN_UINT16 || in_type == ETW_IN_UINT32 ||
           in_type == ETW_IN_HEXINT32;
}

static bool is_reference_type(uint16_t in_type)
{
    return (in_type >= ETW_IN_INT8 && in_type <= ETW_IN_UINT64) || in_type == ETW_IN_HEXINT32 ||
           in_type == ETW_IN_HEXINT64 || in_type == ETW_IN_POINTER || in_type == ETW_IN_SIZET;
}

/* Gives the referenced property a slot, and the referring one its number. */
static etw_status compile_reference(etw_plan_compiler *c, uint32_t from, uint16_t to,
                                    uint16_t *slot)
{
    if (to >= c->plan->property_count) {
        return etw_error_set(c->error, ETW_ERROR_DAMAGED,
                             "property %" PRIu32 " takes its count or length from property %u, but "
                             "there are only %" PRIu32,
                             from, to, c->plan->property_count);
    }
    const etw_event_property_info target = etw_tei_property(&c->tei, to);
    if ((target.Flags & ETW_PROP_STRUCT) != 0 || !is_reference_type(target.InType)) {
        return etw_error_set(c->error, ETW_ERROR_DAMAGED,
                             "property %" PRIu32 " takes its count or length from property %u, "
                             "which is no integer",
                             from, to);
    }
    etw_property *referenced = &c->plan->properties[to];
    if (referenced->value_slot == ETW_NO_SLOT) {
        referenced->value_slot = (uint16_t)c->plan->slot_count++;
    }
    *slot = referenced->value_slot;
    return ETW_OK;
}

/* Members stand behind their struct, so that no struct can hold itself. */
static etw_status compile_struct(etw_plan_compiler *c, uint32_t index,
                                 const etw_event_property_info *info, etw_property *property)
{
    const uint32_t first = info->StructStartIndex;
    const uint32_t count = info->NumOfStructMembers;
    if (count != 0 && (first <= index || first + count > c->plan->property_count)) {
        return etw_error_set(c->error, ETW_ERROR_DAMAGED,
                             "struct %" PRIu32 " has members %" PRIu32 " to %" PRIu32 " of %" PRIu32
                             " properties",
                             index, first, first + count, c->plan->property_count);
    }
    uint8_t deepest = 0;
    for (uint32_t i = first; i < first + count; i++) {
        deepest = c->struct_depths[i] > deepest ? c->struct_depths[i] : deepest;
    }
    if (deepest >= ETW_MAX_STRUCT_DEPTH) {
        return etw_error_set(c->error, ETW_ERROR_LIMIT, "structs are nested deeper than %u",
                             ETW_MAX_STRUCT_DEPTH);
    }
    c->struct_depths[index] = (uint8_t)(deepest + 1);
    property->take = ETW_TAKE_STRUCT;
    property->first_member = (uint16_t)first;
    property->member_count = (uint16_t)count;
    return ETW_OK;
}

static bool is_character_array(const etw_property *property)
{
    return property->is_array && property->out_type == ETW_OUT_STRING &&
           (property->in_type == ETW_IN_UNICODECHAR || property->in_type == ETW_IN_ANSICHAR);
}

static etw_status compile_plain(etw_plan_compiler *c, const etw_event_property_info *info,
                                etw_property *property)
{
    property->in_type = info->InType;
    property->out_type = info->OutType;
    property->take = (uint8_t)etw_take_of(info->InType);
    property->show = (uint8_t)etw_show_of(info->InType, info->OutType);
    property->errors = c->schema->errors;
    property->fixed_size = etw_in_type_size(info->InType);
    property->no_print = info->OutType == ETW_OUT_NOPRINT;
    if (c->plan->decoding_source == ETW_DECODING_WPP && (info->Flags & ETW_PROP_HAS_TAGS) != 0) {
        property->wpp_kind = (uint8_t)(info->Tags >> ETW_TEI_TAGS_SHIFT);
    }
    property->is_marked = info->OutType != ETW_OUT_CULTURE_INSENSITIVE_DATETIME;
    property->has_length =
        info->length != 0 ||
        (info->Flags & (ETW_PROP_PARAM_LENGTH | ETW_PROP_PARAM_FIXED_LENGTH)) != 0;
    if (is_character_array(property)) {
        property->take = ETW_TAKE_CHARACTERS;
        property->is_array = false;
    }
    if (info->MapNameOffset == 0 || !takes_map(info->InType)) {
        return ETW_OK;
    }
    etw_bytes name;
    if (!etw_tei_string(&c->tei, info->MapNameOffset, &name)) {
        return etw_plan_string_outside(c, "map name", info->MapNameOffset);
    }
    if (!etw_plan_take_name_bytes(c, name.size)) {
        return etw_plan_too_many_names(c);
    }
    return etw_plan_find_map(c, name, &property->map);
}

static etw_status compile_property(etw_plan_compiler *c, uint32_t index)
{
    const etw_event_property_info info = etw_tei_property(&c->tei, index);
    etw_property *property = &c->plan->properties[index];
    const uint32_t array_flags = ETW_PROP_PARAM_COUNT | ETW_PROP_PARAM_FIXED_COUNT;
    property->count = info.count;
    property->length = info.length;
    property->is_array = (info.Flags & array_flags) != 0 || info.count > 1;
    etw_status status = etw_plan_compile_property_name(c, index, info.NameOffset);
    if (status == ETW_OK && (info.Flags & ETW_PROP_PARAM_COUNT) != 0) {
        status = compile_reference(c, index, info.countPropertyIndex, &property->count_slot);
    }
    if (status == ETW_OK && (info.Flags & ETW_PROP_PARAM_LENGTH) != 0) {
        status = compile_reference(c, index, info.lengthPropertyIndex, &property->length_slot);
    }
    if (status != ETW_OK) {
        return status;
    }
    return (info.Flags & ETW_PROP_STRUCT) != 0 ? compile_struct(c, index, &info, property)
                                               : compile_plain(c, &info, property);
}

static etw_status compile_properties(etw_plan_compiler *c)
{
    etw_plan *plan = c->plan;
    plan->property_count = c->tei.info.PropertyCount;
    plan->top_count = c->tei.info.TopLevelPropertyCount;
    if (plan->property_count == 0) {
        return ETW_OK;
    }
    plan->properties = calloc(plan->property_count, sizeof *plan->properties);
    c->struct_depths = calloc(plan->property_count, 1);
    c->maps = calloc(c->schema->map_count + (size_t)1, sizeof *c->maps);
    c->name_ids = calloc(plan->property_count, sizeof *c->name_ids);
    if (plan->properties == NULL || c->struct_depths == NULL || c->maps == NULL ||
        c->name_ids == NULL) {
        return etw_plan_no_memory(c);
    }
    for (uint32_t i = 0; i < plan->property_count; i++) {
        etw_property *property = &plan->properties[i];
        property->count_slot = property->length_slot = property->value_slot = ETW_NO_SLOT;
    }
    /* From the last to the first: a struct's members then know their depth. */
    for (uint32_t i = plan->property_count; i-- > 0;) {
        const etw_status status = compile_property(c, i);
        if (status != ETW_OK) {
            return etw_error_wrap(c->error, status, "property %" PRIu32, i);
        }
    }
    return etw_plan_number_namesakes(c);
}

etw_status etw_plan_compile(const etw_schema *schema, etw_plan **plan, etw_error *error)
{
    if (plan != NULL) {
        *plan = NULL;
    }
    if (schema == NULL || plan == NULL) {
        return etw_error_set_missing(error, "schema and plan");
    }
    etw_plan_compiler c = {.schema = schema, .error = error};
    etw_status status = etw_tei_open(schema->tei, &c.tei, error);
    if (status != ETW_OK) {
        return status;
    }
    if (schema->map_count > ETW_MAX_MAPS_PER_SCHEMA) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "schema has %" PRIu32 " maps",
                             schema->map_count);
    }
    c.plan = calloc(1, sizeof *c.plan);
    if (c.plan == NULL) {
        return etw_plan_no_memory(&c);
    }
    c.plan->decoding_source = c.tei.info.DecodingSource;
    status = etw_plan_compile_names(&c);
    if (status == ETW_OK) {
        status = compile_properties(&c);
    }
    etw_text_free(&c.utf8);
    etw_text_free(&c.json);
    free(c.maps);
    free(c.struct_depths);
    free(c.name_ids);
    etw_table_free(&c.offsets);
    etw_table_free(&c.contents);
    etw_arena_free(&c.known);
    if (status != ETW_OK) {
        etw_plan_free(c.plan);
        return status;
    }
    *plan = c.plan;
    return ETW_OK;
}

/* EventWriteString sends text and nothing that describes it. */
static const etw_property string_only_property = {
    .name = {"Message", 7, 7, "Message"},
    .count = 1,
    .nth = 1,
    .count_slot = ETW_NO_SLOT,
    .length_slot = ETW_NO_SLOT,
    .value_slot = ETW_NO_SLOT,
    .in_type = ETW_IN_UNICODESTRING,
    .out_type = ETW_OUT_STRING,
    .take = ETW_TAKE_WIDE_STRING,
    .show = ETW_SHOW_UTF16,
};
#define NO_NAME                                                                                    \
    {                                                                                              \
        "", 0, 0, ""                                                                               \
    }
static const etw_plan string_only_plan = {
    .properties = (etw_property *)&string_only_property,
    .property_count = 1,
    .top_count = 1,
    .provider_name = NO_NAME,
    .event_name = NO_NAME,
    .task_name = NO_NAME,
    .opcode_name = NO_NAME,
    .level_name = NO_NAME,
    .channel_name = NO_NAME,
    .event_message = NO_NAME,
    .source_file = NO_NAME,
};

const etw_plan *etw_plan_string_only(void)
{
    return &string_only_plan;
}

const etw_name *etw_plan_provider_name(const etw_plan *plan)
{
    return &plan->provider_name;
}

const etw_name *etw_plan_event_name(const etw_plan *plan)
{
    return &plan->event_name;
}

const etw_name *etw_plan_task_name(const etw_plan *plan)
{
    return &plan->task_name;
}

const etw_name *etw_plan_opcode_name(const etw_plan *plan)
{
    return &plan->opcode_name;
}

const etw_name *etw_plan_level_name(const etw_plan *plan)
{
    return &plan->level_name;
}

const etw_name *etw_plan_channel_name(const etw_plan *plan)
{
    return &plan->channel_name;
}

const etw_name *etw_plan_event_message(const etw_plan *plan)
{
    return &plan->event_message;
}

uint32_t etw_plan_keyword_count(const etw_plan *plan)
{
    return plan->keyword_count;
}

const etw_name *etw_plan_keyword_name(const etw_plan *plan, uint32_t index)
{
    return &plan->keywords[index];
}

uint32_t etw_plan_decoding_source(const etw_plan *plan)
{
    return plan->decoding_source;
}

uint32_t etw_plan_top_count(const etw_plan *plan)
{
    return plan->top_count;
}

const etw_property *etw_plan_property(const etw_plan *plan, uint32_t index)
{
    return index < plan->property_count ? &plan->properties[index] : NULL;
}

uint32_t etw_property_member_count(const etw_property *property)
{
    return property->take == ETW_TAKE_STRUCT ? property->member_count : 0;
}

uint32_t etw_property_first_member(const etw_property *property)
{
    return property->take == ETW_TAKE_STRUCT ? property->first_member : 0;
}

const etw_name *etw_property_name(const etw_property *property)
{
    return &property->name;
}

bool etw_property_has_bit_map(const etw_property *property)
{
    return property->map != NULL && property->map->is_bit_map;
}

bool etw_property_shows_words(const etw_property *property)
{
    switch (property->show) {
    case ETW_SHOW_BOOLEAN:
    case ETW_SHOW_HRESULT:
    case ETW_SHOW_WIN32_ERROR:
    case ETW_SHOW_NTSTATUS:
    case ETW_SHOW_LZNT1:
        return true;
    default:
        return property->map != NULL;
    }
}

uint32_t etw_property_nth(const etw_property *property)
{
    return property->nth;
}

uint16_t etw_property_in_type(const etw_property *property)
{
    return property->in_type;
}

uint16_t etw_property_out_type(const etw_property *property)
{
    return property->out_type;
}

bool etw_property_is_array(const etw_property *property)
{
    return property->is_array;
}

bool etw_property_has_map(const etw_property *property)
{
    return property->map != NULL;
}

uint32_t etw_plan_property_index(const etw_plan *plan, const etw_property *property)
{
    return (uint32_t)(property - plan->properties);
}

/* 0 where it differs from event to event. */
static size_t size_always(const etw_property *property, uint32_t pointer_size)
{
    if (property->is_array) {
        return 0;
    }
    if (property->take == ETW_TAKE_POINTER) {
        return pointer_size;
    }
    return property->take == ETW_TAKE_FIXED ? property->fixed_size : 0;
}

bool etw_plan_property_offset(const etw_plan *plan, const etw_property *property,
                              uint32_t pointer_size, size_t *offset, size_t *size)
{
    *offset = 0;
    for (uint32_t i = 0; i < plan->top_count; i++) {
        *size = size_always(&plan->properties[i], pointer_size);
        if (*size == 0) {
            return false;
        }
        if (&plan->properties[i] == property) {
            return true;
        }
        *offset += *size;
    }
    return false;
}
