#include "format/schema/wpp.h"

#include "format/schema/wpp_files.h"
#include "format/schema/wpp_model.h"

#include <stdlib.h>

etw_wpp_set *etw_wpp_set_new(size_t max_bytes)
{
    etw_wpp_set *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return NULL;
    }
    set->model.arena.limit_bytes = max_bytes;
    set->builder = etw_tei_builder_new();
    if (set->builder == NULL) {
        free(set);
        return NULL;
    }
    return set;
}

void etw_wpp_set_free(etw_wpp_set *set)
{
    if (set == NULL) {
        return;
    }
    etw_table_free(&set->model.messages);
    etw_table_free(&set->model.enums);
    etw_arena_free(&set->model.arena);
    etw_tei_builder_free(set->builder);
    etw_text_free(&set->key);
    free(set);
}

uint32_t etw_wpp_set_count(const etw_wpp_set *set)
{
    return set->model.count;
}

uint32_t etw_wpp_set_conflicts(const etw_wpp_set *set)
{
    return set->model.conflicts;
}

etw_status etw_wpp_finish_document(etw_wpp_set *set, const etw_wpp_message *last,
                                   etw_schema_store *store, uint32_t met, uint32_t *added,
                                   etw_error *error)
{
    uint32_t count = 0;
    etw_status status = ETW_OK;
    const etw_wpp_message *at = last == NULL ? set->model.first : last->next;
    for (; at != NULL && status == ETW_OK; at = at->next, count++) {
        if (at->component[0] != '\0') {
            status = etw_schema_store_set_provider_name(store, &at->key.guid, at->component, error);
        }
    }
    if (added != NULL) {
        *added = count;
    }
    if (status == ETW_OK && met == 0) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "no WPP message in it");
    }
    return status;
}

static etw_status read_lines(etw_wpp_reader *reader, etw_bytes text, etw_error *error)
{
    etw_status status = ETW_OK;
    size_t at = 0;
    while (status == ETW_OK && at < text.size) {
        const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
        const size_t size = end == NULL ? text.size - at : (size_t)(end - text.data) - at;
        status = etw_wpp_read_line(reader, (etw_bytes){text.data + at, size}, error);
        at += size + 1;
    }
    return status;
}

etw_status etw_wpp_set_add_tmf(etw_wpp_set *set, etw_bytes text, etw_schema_store *store,
                               uint32_t *added, etw_error *error)
{
    etw_text utf8 = {0};
    if (text.size >= 2 && text.data[0] == 0xFF && text.data[1] == 0xFE) {
        etw_text_append_utf16(&utf8, text.data + 2, text.size - 2, ETW_ESCAPE_NONE);
        text = etw_text_bytes(&utf8);
    } else if (text.size >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0) {
        text = (etw_bytes){text.data + 3, text.size - 3};
    }
    const etw_wpp_message *last = set->model.last;
    etw_wpp_reader reader = {.model = &set->model};
    set->model.document++;
    etw_status status = utf8.failed ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for it")
                                    : read_lines(&reader, text, error);
    etw_wpp_reader_free(&reader);
    etw_text_free(&utf8);
    return status == ETW_OK ? etw_wpp_finish_document(set, last, store, reader.met, added, error)
                            : status;
}

bool etw_wpp_set_key_at(const etw_wpp_set *set, uint32_t index, etw_guid *message, uint32_t *number)
{
    const etw_wpp_message *at = set->model.first;
    while (at != NULL && index-- > 0) {
        at = at->next;
    }
    if (at == NULL) {
        return false;
    }
    *message = at->key.guid;
    *number = at->key.number;
    return true;
}

etw_status etw_wpp_set_find(etw_wpp_set *set, etw_schema_store *store,
                            const etw_event_record *record, uint32_t pointer_size,
                            const etw_schema **schema, etw_error *error)
{
    const etw_wpp_key key = {record->EventHeader.ProviderId,
                             record->EventHeader.EventDescriptor.Id};
    *schema = NULL;
    if ((record->EventHeader.Flags & ETW_FLAG_TRACE_MESSAGE) == 0) {
        return ETW_OK;
    }
    etw_wpp_message *message = etw_table_get(&set->model.messages, &key, sizeof key);
    if (message == NULL) {
        return ETW_OK;
    }
    const etw_schema **made = &message->made[pointer_size == 4 ? 0 : 1];
    if (*made == NULL) {
        const etw_status status =
            etw_wpp_make_schema(set, message, pointer_size, store, made, error);
        if (status != ETW_OK) {
            *made = NULL;
            return etw_error_wrap(error, status, "message %u of %s", (unsigned)key.number,
                                  message->component);
        }
    }
    *schema = *made;
    return ETW_OK;
}

typedef struct wpp_source {
    etw_schema_source base;
    etw_wpp_set *set;
    etw_wpp_files *files;
} wpp_source;

static etw_status find(etw_schema_source *base, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    const wpp_source *self = (const wpp_source *)base;
    etw_status status = etw_wpp_set_find(self->set, store, record, pointer_size, schema, error);
    if (status == ETW_OK && *schema == NULL) {
        status = etw_wpp_files_read(self->files, &record->EventHeader.ProviderId, self->set, store,
                                    error);
        if (status == ETW_OK) {
            status = etw_wpp_set_find(self->set, store, record, pointer_size, schema, error);
        }
    }
    return status;
}

static etw_status each(etw_schema_source *base, etw_schema_store *store,
                       const etw_definition_visitor *visitor, etw_error *error)
{
    wpp_source *self = (wpp_source *)base;
    etw_wpp_set *set = self->set;
    etw_schema_key key = {.form = ETW_KEY_MESSAGE};
    uint32_t number;
    const etw_status read = etw_wpp_files_read_all(self->files, set, store, error);
    etw_status status = read == ETW_ERROR_NO_MEMORY ? read : ETW_OK;
    for (uint32_t i = 0; status == ETW_OK && etw_wpp_set_key_at(set, i, &key.guid, &number); i++) {
        const etw_schema *schema = NULL;
        key.id = (uint16_t)number;
        const etw_event_record record = etw_schema_key_ask(&key);
        status = etw_wpp_set_find(set, store, &record, sizeof(uint64_t), &schema, error);
        if (status == ETW_OK && schema != NULL) {
            status = visitor->take(visitor->context, schema, "TMF", 0, error);
        }
    }
    return status == ETW_OK ? read : status;
}

static void free_source(etw_schema_source *base)
{
    etw_wpp_set_free(((wpp_source *)base)->set);
    etw_wpp_files_free(((wpp_source *)base)->files);
    free(base);
}

etw_schema_source *etw_wpp_source_new(etw_wpp_set *set, etw_wpp_files *files)
{
    wpp_source *self = calloc(1, sizeof *self);
    if (self == NULL) {
        etw_wpp_set_free(set);
        etw_wpp_files_free(files);
        return NULL;
    }
    self->base = (etw_schema_source){.name = "WPP formats",
                                     .explains = ETW_EXPLAINS_MESSAGES,
                                     .find = find,
                                     .each = each,
                                     .free = free_source};
    self->set = set;
    self->files = files;
    return &self->base;
}
