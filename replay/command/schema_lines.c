#include "replay/command/schema_lines.h"

#include "format/output/schema_listing.h"

#include <stdlib.h>

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for schemas");
}

etw_status etw_schema_lines_add(etw_schema_lines *lines, const char *line, size_t size,
                                etw_error *error)
{
    const bool is_full = (lines->count & (lines->count - 1)) == 0;
    if (lines->count == ETW_SCHEMA_LINES_MAX) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u schemas", ETW_SCHEMA_LINES_MAX);
    }
    if (is_full) {
        const size_t room = lines->count == 0 ? 1 : 2 * (size_t)lines->count;
        char **longer = realloc(lines->lines, room * sizeof *longer);
        if (longer == NULL) {
            return no_memory(error);
        }
        lines->lines = longer;
    }
    char *copy = malloc(size + 1);
    if (copy == NULL) {
        return no_memory(error);
    }
    memcpy(copy, line, size);
    copy[size] = '\0';
    lines->lines[lines->count++] = copy;
    return ETW_OK;
}

etw_status etw_schema_lines_of_replay(etw_schema_lines *lines, etw_replay *replay, etw_error *error)
{
    const etw_event *event;
    etw_text line = {0};
    etw_plan_cache *plans = etw_plan_cache_new();
    etw_status status = plans == NULL ? no_memory(error) : ETW_OK;
    while (status == ETW_OK) {
        status = etw_replay_next(replay, &event, error);
    }
    const etw_schema_store *store = etw_replay_schemas(replay);
    status = status == ETW_END ? ETW_OK : status;
    for (uint32_t id = 1; status == ETW_OK && id <= etw_schema_store_count(store); id++) {
        etw_text_clear(&line);
        status =
            etw_schema_json(etw_schema_store_get(store, id), (etw_schema_choice){0}, plans, &line);
        status = status != ETW_OK || line.failed
                     ? no_memory(error)
                     : etw_schema_lines_add(lines, line.data, line.size, error);
    }
    etw_plan_cache_free(plans);
    etw_text_free(&line);
    return status;
}

/* Sorting: each line with what it is sorted by. */

typedef struct keyed {
    char *key;
    char *line;
} keyed;

static int compare(const void *a, const void *b)
{
    return strcmp(((const keyed *)a)->key, ((const keyed *)b)->key);
}

static void append_key(const etw_json_document *d, etw_text *key)
{
    static const char *const names[] = {"ProviderId", "EventGuid", "Id",        "Version",
                                        "Opcode",     "EventName", "SchemaHash"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const etw_json_value *value = etw_json_member(d, &d->values[0], names[i]);
        if (value != NULL && value->kind < ETW_JSON_ARRAY) {
            /* Numbers in the order of their values. */
            const bool is_number = value->kind == ETW_JSON_NUMBER && value->text_size < 8;
            etw_text_append(key, "00000000", is_number ? 8u - value->text_size : 0);
            etw_text_append(key, value->text, value->text_size);
        }
        etw_text_append_char(key, '|');
    }
}

static char *key_of(etw_json_document *d, const char *line, etw_error *error, etw_status *status)
{
    etw_text copy = {0};
    etw_text key = {0};
    etw_text_append_z(&copy, line);
    *status = copy.failed ? no_memory(error) : etw_json_read(d, copy.data, copy.size, error);
    if (*status == ETW_OK) {
        append_key(d, &key);
        etw_text_append_char(&key, '\0');
        *status = key.failed ? no_memory(error) : ETW_OK;
    }
    etw_text_free(&copy);
    if (*status != ETW_OK) {
        etw_text_free(&key);
        return NULL;
    }
    return key.data;
}

etw_status etw_schema_lines_sort(etw_schema_lines *lines, etw_error *error)
{
    etw_json_document document = {0};
    keyed *rows = calloc((size_t)lines->count + 1, sizeof *rows);
    etw_status status = rows == NULL ? no_memory(error) : ETW_OK;
    for (uint32_t i = 0; status == ETW_OK && i < lines->count; i++) {
        rows[i].line = lines->lines[i];
        rows[i].key = key_of(&document, lines->lines[i], error, &status);
    }
    if (status == ETW_OK) {
        qsort(rows, lines->count, sizeof *rows, compare);
        for (uint32_t i = 0; i < lines->count; i++) {
            lines->lines[i] = rows[i].line;
        }
    }
    for (uint32_t i = 0; rows != NULL && i < lines->count; i++) {
        free(rows[i].key);
    }
    free(rows);
    etw_json_document_free(&document);
    return status;
}

void etw_schema_lines_free(etw_schema_lines *lines)
{
    for (uint32_t i = 0; i < lines->count; i++) {
        free(lines->lines[i]);
    }
    free(lines->lines);
    *lines = (etw_schema_lines){0};
}
