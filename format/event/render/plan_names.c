#include "format/event/render/plan_compiler.h"

#include <inttypes.h>
#include <stdlib.h>

/* The strings of one plan. A blob may name the rest of one long string from each of its characters,
 * so that copies need a bound of their own. */
#define MAX_NAME_BYTES ((size_t)4 << 20)

etw_status etw_plan_no_memory(etw_plan_compiler *c)
{
    return etw_error_set(c->error, ETW_ERROR_NO_MEMORY, "no memory to compile a schema");
}

bool etw_plan_take_name_bytes(etw_plan_compiler *c, size_t size)
{
    c->name_bytes += size;
    return c->name_bytes <= MAX_NAME_BYTES;
}

etw_status etw_plan_too_many_names(etw_plan_compiler *c)
{
    return etw_error_set(c->error, ETW_ERROR_LIMIT, "names of a schema take more than 4 MiB");
}

/* Copies what c->utf8 and c->json hold; both in one piece, each NUL terminated. */
static etw_status keep_name(etw_plan_compiler *c, etw_name *name)
{
    if (c->utf8.failed || c->json.failed) {
        return etw_plan_no_memory(c);
    }
    const bool same =
        c->utf8.size == c->json.size && memcmp(c->utf8.data, c->json.data, c->utf8.size) == 0;
    const size_t size = c->utf8.size + 1 + (same ? 0 : c->json.size + 1);
    if (!etw_plan_take_name_bytes(c, size)) {
        return etw_plan_too_many_names(c);
    }
    char *copy = etw_arena_alloc(&c->plan->arena, size);
    if (copy == NULL) {
        return etw_plan_no_memory(c);
    }
    memcpy(copy, c->utf8.data, c->utf8.size);
    copy[c->utf8.size] = '\0';
    name->utf8 = copy;
    name->utf8_size = (uint32_t)c->utf8.size;
    name->json = copy;
    name->json_size = (uint32_t)c->json.size;
    if (!same) {
        char *json = copy + c->utf8.size + 1;
        memcpy(json, c->json.data, c->json.size);
        json[c->json.size] = '\0';
        name->json = json;
    }
    return ETW_OK;
}

etw_status etw_plan_name_from_units(etw_plan_compiler *c, etw_bytes units, etw_name *name)
{
    etw_text_clear(&c->utf8);
    etw_text_clear(&c->json);
    etw_text_append_utf16(&c->utf8, units.data, units.size, ETW_ESCAPE_NONE);
    etw_text_append_utf16(&c->json, units.data, units.size, ETW_ESCAPE_JSON);
    if (c->utf8.size == 0 && !c->utf8.failed) {
        *name = (etw_name){"", 0, 0, ""};
        return ETW_OK;
    }
    return keep_name(c, name);
}

etw_status etw_plan_string_outside(etw_plan_compiler *c, const char *what, uint32_t offset)
{
    return etw_error_set(c->error, ETW_ERROR_DAMAGED,
                         "%s at offset %" PRIu32 " of a TRACE_EVENT_INFO of %zu bytes has no end "
                         "inside it",
                         what, offset, c->tei.bytes.size);
}

uint32_t etw_plan_name_id(const etw_plan_compiler *c, const char *utf8, size_t size)
{
    const etw_known_name *known = etw_table_get(&c->contents, utf8, size);
    return known == NULL ? 0 : known->id;
}

static etw_status know_name(etw_plan_compiler *c, const char *what, uint32_t offset,
                            const etw_known_name **found)
{
    etw_bytes units;
    if (!etw_tei_string(&c->tei, offset, &units)) {
        return etw_plan_string_outside(c, what, offset);
    }
    etw_known_name *known = etw_arena_alloc(&c->known, sizeof *known);
    if (known == NULL) {
        return etw_plan_no_memory(c);
    }
    const etw_status status = etw_plan_name_from_units(c, units, &known->name);
    if (status != ETW_OK) {
        return status;
    }
    known->offset = offset;
    known->id = etw_plan_name_id(c, known->name.utf8, known->name.utf8_size);
    const bool is_new = known->id == 0;
    if (is_new) {
        known->id = c->contents.probe.used + 1;
    }
    if (!etw_table_set(&c->offsets, &known->offset, sizeof known->offset, known) ||
        (is_new && !etw_table_set(&c->contents, known->name.utf8, known->name.utf8_size, known))) {
        return etw_plan_no_memory(c);
    }
    *found = known;
    return ETW_OK;
}

/* Looks at each string once, however often it is named. */
static etw_status find_name(etw_plan_compiler *c, const char *what, uint32_t offset,
                            const etw_known_name **found)
{
    *found = etw_table_get(&c->offsets, &offset, sizeof offset);
    return *found != NULL ? ETW_OK : know_name(c, what, offset, found);
}

etw_status etw_plan_compile_name(etw_plan_compiler *c, const char *what, uint32_t offset,
                                 etw_name *name)
{
    const etw_known_name *known;
    const etw_status status = find_name(c, what, offset, &known);
    if (status == ETW_OK) {
        *name = known->name;
    }
    return status;
}

etw_status etw_plan_compile_property_name(etw_plan_compiler *c, uint32_t index, uint32_t offset)
{
    const etw_known_name *known;
    const etw_status status = find_name(c, "property name", offset, &known);
    if (status == ETW_OK) {
        c->plan->properties[index].name = known->name;
        c->name_ids[index] = known->id;
    }
    return status;
}

static etw_status count_keywords(etw_plan_compiler *c, uint32_t *count)
{
    uint32_t offset = c->tei.info.KeywordsNameOffset;
    *count = 0;
    while (offset != 0) {
        etw_bytes units;
        if (!etw_tei_string(&c->tei, offset, &units)) {
            return etw_plan_string_outside(c, "keyword", offset);
        }
        if (units.size == 0) {
            break;
        }
        offset += (uint32_t)units.size + 2;
        (*count)++;
    }
    return ETW_OK;
}

static etw_status compile_keywords(etw_plan_compiler *c)
{
    uint32_t count;
    etw_status status = count_keywords(c, &count);
    if (status != ETW_OK || count == 0) {
        return status;
    }
    c->plan->keywords = calloc(count, sizeof *c->plan->keywords);
    if (c->plan->keywords == NULL) {
        return etw_plan_no_memory(c);
    }
    c->plan->keyword_count = count;
    uint32_t offset = c->tei.info.KeywordsNameOffset;
    for (uint32_t i = 0; i < count && status == ETW_OK; i++) {
        etw_bytes units;
        (void)etw_tei_string(&c->tei, offset, &units);
        status = etw_plan_name_from_units(c, units, &c->plan->keywords[i]);
        offset += (uint32_t)units.size + 2;
    }
    return status;
}

/* "win:Start" in the blobs of merged traces is "Start" live. */
static const char *short_opcode(const char *opcode)
{
    return strncmp(opcode, "win:", 4) == 0 ? opcode + 4 : opcode;
}

static etw_status compile_event_name(etw_plan_compiler *c)
{
    etw_plan *plan = c->plan;
    const bool may_have_name =
        plan->decoding_source == ETW_DECODING_XML_FILE ||
        (plan->decoding_source == ETW_DECODING_TLG && plan->task_name.utf8_size == 0);
    if (may_have_name && c->tei.info.EventNameOffset != 0) {
        return etw_plan_compile_name(c, "event name", c->tei.info.EventNameOffset,
                                     &plan->event_name);
    }
    const char *opcode = short_opcode(plan->opcode_name.utf8);
    const bool only_task = plan->decoding_source == ETW_DECODING_TLG || opcode[0] == '\0' ||
                           strcmp(opcode, "Info") == 0;
    if (only_task && plan->task_name.utf8_size != 0) {
        plan->event_name = plan->task_name;
        return ETW_OK;
    }
    etw_text_clear(&c->utf8);
    etw_text_append_z(&c->utf8, plan->task_name.utf8);
    if (plan->task_name.utf8_size != 0) {
        etw_text_append_char(&c->utf8, '/');
    }
    etw_text_append_z(&c->utf8, opcode);
    etw_text_clear(&c->json);
    etw_text_append_utf8(&c->json, (const uint8_t *)c->utf8.data, c->utf8.size, ETW_ESCAPE_JSON);
    if (c->utf8.size == 0) {
        plan->event_name = (etw_name){"", 0, 0, ""};
        return ETW_OK;
    }
    return keep_name(c, &plan->event_name);
}

etw_status etw_plan_compile_names(etw_plan_compiler *c)
{
    etw_plan *plan = c->plan;
    const etw_trace_event_info *info = &c->tei.info;
    const struct {
        const char *what;
        uint32_t offset;
        etw_name *name;
    } names[] = {
        {"provider name", info->ProviderNameOffset, &plan->provider_name},
        {"task name", info->TaskNameOffset, &plan->task_name},
        {"opcode name", info->OpcodeNameOffset, &plan->opcode_name},
        {"level name", info->LevelNameOffset, &plan->level_name},
        {"channel name", info->ChannelNameOffset, &plan->channel_name},
        {"event message", info->EventMessageOffset, &plan->event_message},
        {"source file",
         plan->decoding_source == ETW_DECODING_WPP ? info->EventAttributesOffset : 0,
         &plan->source_file},
    };
    etw_status status = ETW_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == ETW_OK; i++) {
        status = etw_plan_compile_name(c, names[i].what, names[i].offset, names[i].name);
    }
    if (status == ETW_OK) {
        status = compile_keywords(c);
    }
    return status == ETW_OK ? compile_event_name(c) : status;
}
