#include "replay/command/expectation.h"

#include "format/base/line_reader.h"
#include "format/output/json_writer.h"

void etw_expectation_free(etw_expectation *expectation)
{
    etw_rules_free(&expectation->rules);
    etw_text_free(&expectation->where);
}

void etw_expectation_add_where(etw_expectation *expectation, const char *where)
{
    etw_text *all = &expectation->where;
    etw_text both = {0};
    if (all->size == 0) {
        etw_text_printf(&both, "(%s)", where);
    } else {
        etw_text_printf(&both, "(%s) and (%s)", etw_text_z(all), where);
    }
    both.failed |= all->failed;
    etw_text_free(all);
    *all = both;
}

static etw_status take_text(etw_expectation *e, const etw_json_value *list, const char *text,
                            etw_error *error)
{
    if (etw_json_has_name(list, "Ignore")) {
        return etw_rules_add_names(&e->rules, &e->rules.ignored, text, error);
    }
    if (etw_json_has_name(list, "Key")) {
        return etw_rules_add_names(&e->rules, &e->rules.keys, text, error);
    }
    if (etw_json_has_name(list, "Normalize")) {
        return etw_rules_add_normalized(&e->rules, text, error);
    }
    if (etw_json_has_name(list, "Where")) {
        if (e->where.size == 0) {
            etw_text_append_z(&e->where, text); /* to be written again as it is */
        } else {
            etw_expectation_add_where(e, text);
        }
        return ETW_OK;
    }
    return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                         "'%.*s' is not known: Ignore, Normalize, Key, Where",
                         (int)(list->name_size < 64 ? list->name_size : 64), list->name);
}

static etw_status take_value(etw_expectation *e, const etw_json_value *list,
                             const etw_json_value *value, etw_error *error)
{
    etw_text copy = {0};
    if (value->kind != ETW_JSON_STRING) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "column %u: a string is expected",
                             value->offset + 1);
    }
    etw_text_append(&copy, value->text, value->text_size);
    const etw_status status = take_text(e, list, etw_text_z(&copy), error);
    etw_text_free(&copy);
    return status;
}

static etw_status take_list(etw_expectation *e, const etw_json_document *d,
                            const etw_json_value *list, etw_error *error)
{
    etw_status status = ETW_OK;
    if (list->kind != ETW_JSON_ARRAY) {
        return take_value(e, list, list, error);
    }
    for (const etw_json_value *value = etw_json_first(d, list);
         value != NULL && !etw_failed(status); value = etw_json_next(d, value)) {
        status = take_value(e, list, value, error);
    }
    return status;
}

static etw_status take_head(etw_expectation *e, const etw_json_document *d, etw_error *error)
{
    const etw_json_value *head = etw_json_member(d, &d->values[0], "Expectation");
    etw_status status = ETW_OK;
    e->has_head = head != NULL;
    for (const etw_json_value *list = etw_json_first(d, head); list != NULL && !etw_failed(status);
         list = etw_json_next(d, list)) {
        status = take_list(e, d, list, error);
    }
    return status;
}

etw_status etw_expectation_read(etw_expectation *expectation, const char *path, etw_error *error)
{
    const etw_os *os = etw_os_default();
    etw_line_reader lines;
    etw_json_document document = {0};
    char *line;
    size_t size;
    etw_status status = etw_line_reader_open(&lines, os, path, error);
    /* Its events are read later, from the start. */
    if (!etw_failed(status) && (strcmp(path, "-") == 0 || os->size(os->context, lines.file) < 0)) {
        status = etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                               "%s: an expectation is read twice: name a file", lines.path);
    }
    if (!etw_failed(status)) {
        status = etw_line_reader_next(&lines, &line, &size, error);
    }
    if (status == ETW_OK) {
        status = etw_json_read(&document, line, size, error);
        status = etw_failed(status) ? status : take_head(expectation, &document, error);
        if (etw_failed(status)) {
            status = etw_error_wrap(error, status, "%s: line 1", path);
        }
    }
    etw_json_document_free(&document);
    etw_line_reader_close(&lines);
    return etw_failed(status) ? status : ETW_OK;
}

static void append_names(etw_text *text, const char *member, const etw_name_list *list)
{
    if (list->count == 0) {
        return;
    }
    etw_json_open(text, member, '[');
    for (uint32_t i = 0; i < list->count; i++) {
        etw_json_string(text, NULL, list->names[i]);
    }
    etw_json_close(text, ']');
}

void etw_expectation_append(const etw_expectation *expectation, etw_text *text)
{
    const etw_rules *rules = &expectation->rules;
    etw_name_list kinds = {0};
    for (size_t i = 0; i < ETW_NORMAL_KINDS; i++) {
        if ((rules->normalized & (1u << i)) != 0) {
            kinds.names[kinds.count++] = etw_normal_name((etw_normal_kind)i);
        }
    }
    etw_json_open(text, NULL, '{');
    etw_json_open(text, "Expectation", '{');
    append_names(text, "Ignore", &rules->ignored);
    append_names(text, "Normalize", &kinds);
    append_names(text, "Key", &rules->keys);
    if (expectation->where.size > 0) {
        etw_json_utf8(text, "Where", expectation->where.data, expectation->where.size);
    }
    etw_json_close(text, '}');
    etw_text_append_z(text, "}\n");
}
