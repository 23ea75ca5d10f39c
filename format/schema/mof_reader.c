/* MOF text (DMTF DSP0004, what event classes need of it): qualifiers, classes, properties. */
#include "format/schema/mof_model.h"

#include <ctype.h>
#include <stdlib.h>

typedef enum token_kind {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_MARK
} token_kind;

typedef struct reader {
    etw_mof_model *model;
    const char *at;
    const char *end;
    uint32_t line;
    token_kind kind;
    char mark;     /* of TOKEN_MARK */
    etw_text text; /* of the others; strings without quotes and escapes */
    etw_error *error;
} reader;

static etw_status no_memory(const reader *r)
{
    if (etw_arena_full(&r->model->arena, 1024)) {
        return etw_error_set(r->error, ETW_ERROR_LIMIT, "MOF classes take more than %zu bytes",
                             r->model->arena.limit_bytes);
    }
    return etw_error_set(r->error, ETW_ERROR_NO_MEMORY, "no memory for MOF classes");
}

static etw_status unexpected(const reader *r, const char *wanted)
{
    return etw_error_set(r->error, ETW_ERROR_DAMAGED, "line %u: %s expected", (unsigned)r->line,
                         wanted);
}

static void skip_line(reader *r)
{
    while (r->at < r->end && *r->at != '\n') {
        r->at++;
    }
}

static void skip_comment(reader *r)
{
    for (r->at += 2; r->at < r->end; r->at++) {
        r->line += *r->at == '\n' ? 1 : 0;
        if (r->at[0] == '*' && r->at + 1 < r->end && r->at[1] == '/') {
            r->at += 2;
            return;
        }
    }
}

/* Blanks, comments, and lines of "#pragma". */
static void skip_blanks(reader *r)
{
    while (r->at < r->end) {
        const char after = r->at + 1 < r->end ? r->at[1] : '\0';
        if (*r->at == '#' || (*r->at == '/' && after == '/')) {
            skip_line(r);
        } else if (*r->at == '/' && after == '*') {
            skip_comment(r);
        } else if (isspace((unsigned char)*r->at)) {
            r->line += *r->at == '\n' ? 1 : 0;
            r->at++;
        } else {
            return;
        }
    }
}

/* Strings that follow each other are one. */
static void read_string(reader *r)
{
    r->kind = TOKEN_STRING;
    while (r->at < r->end && *r->at == '"') {
        for (r->at++; r->at < r->end && *r->at != '"'; r->at++) {
            if (*r->at == '\\' && r->at + 1 < r->end) {
                r->at++;
                const char c = *r->at;
                etw_text_append_char(&r->text, c == 'n' ? '\n' : c == 't' ? '\t' : c);
                continue;
            }
            r->line += *r->at == '\n' ? 1 : 0;
            etw_text_append_char(&r->text, *r->at);
        }
        r->at += r->at < r->end ? 1 : 0;
        skip_blanks(r);
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '+' || c == '.' || c == '$' ||
           (unsigned char)c >= 0x80;
}

static void next_token(reader *r)
{
    r->text.size = 0; /* failed stays: it is looked at later */
    skip_blanks(r);
    if (r->at >= r->end || *r->at == '\0') {
        r->kind = TOKEN_END;
        return;
    }
    if (*r->at == '"') {
        read_string(r);
        return;
    }
    if (!is_word(*r->at)) {
        r->kind = TOKEN_MARK;
        r->mark = *r->at++;
        return;
    }
    r->kind = isdigit((unsigned char)*r->at) || *r->at == '-' ? TOKEN_NUMBER : TOKEN_WORD;
    while (r->at < r->end && is_word(*r->at)) {
        etw_text_append_char(&r->text, *r->at++);
    }
}

static bool at_mark(const reader *r, char mark)
{
    return r->kind == TOKEN_MARK && r->mark == mark;
}

static bool take_mark(reader *r, char mark)
{
    if (!at_mark(r, mark)) {
        return false;
    }
    next_token(r);
    return true;
}

static void to_lower(char *text)
{
    for (; *text != '\0'; text++) {
        *text = (char)tolower((unsigned char)*text);
    }
}

static const char *keep(reader *r, bool lower)
{
    char *copy =
        r->text.failed
            ? NULL
            : etw_arena_copy(&r->model->arena, r->text.size == 0 ? "" : r->text.data, r->text.size);
    if (lower && copy != NULL) {
        to_lower(copy);
    }
    return copy;
}

/* "(2)", "{1, 2, 3}": the values up to close. */
static etw_status read_values(reader *r, char close, etw_mof_qualifier *to)
{
    etw_mof_value **last = &to->first;
    while (!take_mark(r, close)) {
        if (r->kind == TOKEN_END || at_mark(r, ';') || at_mark(r, '[')) {
            return unexpected(r, "the end of a list of values");
        }
        if (r->kind == TOKEN_MARK) { /* "," */
            next_token(r);
            continue;
        }
        if (to->count == ETW_MOF_MAX_LIST) {
            return etw_error_set(r->error, ETW_ERROR_LIMIT, "line %u: more than %u values",
                                 (unsigned)r->line, ETW_MOF_MAX_LIST);
        }
        etw_mof_value *value = etw_arena_alloc(&r->model->arena, sizeof *value);
        const char *text = keep(r, false);
        if (value == NULL || text == NULL) {
            return no_memory(r);
        }
        value->text = text;
        *last = value;
        last = &value->next;
        to->count++;
        next_token(r);
    }
    return ETW_OK;
}

/* "EventType{1, 2}: amended" */
static etw_status read_qualifier(reader *r, etw_mof_qualifier *to)
{
    to->name = keep(r, true);
    next_token(r);
    etw_status status = to->name == NULL ? no_memory(r) : ETW_OK;
    if (status == ETW_OK && take_mark(r, '(')) {
        status = read_values(r, ')', to);
    } else if (status == ETW_OK && take_mark(r, '{')) {
        status = read_values(r, '}', to);
    }
    if (status == ETW_OK && take_mark(r, ':')) { /* flavors: "amended ToSubclass" */
        while (r->kind == TOKEN_WORD) {
            next_token(r);
        }
    }
    return status;
}

/* Behind "[". */
static etw_status read_qualifiers(reader *r, etw_mof_qualifier **list)
{
    uint32_t count = 0;
    etw_status status = ETW_OK;
    while (status == ETW_OK && !take_mark(r, ']')) {
        if (take_mark(r, ',')) {
            continue;
        }
        if (r->kind != TOKEN_WORD) {
            return unexpected(r, "a qualifier");
        }
        if (count++ == ETW_MOF_MAX_LIST) {
            return etw_error_set(r->error, ETW_ERROR_LIMIT, "line %u: more than %u qualifiers",
                                 (unsigned)r->line, ETW_MOF_MAX_LIST);
        }
        etw_mof_qualifier *made = etw_arena_alloc(&r->model->arena, sizeof *made);
        if (made == NULL) {
            return no_memory(r);
        }
        made->next = *list;
        *list = made;
        status = read_qualifier(r, made);
    }
    return status;
}

const etw_mof_qualifier *etw_mof_find_qualifier(const etw_mof_qualifier *list, const char *name)
{
    while (list != NULL && strcmp(list->name, name) != 0) {
        list = list->next;
    }
    return list;
}

static uint32_t number_of(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 0);
}

/* Only what has a WmiDataId is in the payload; in its order. */
static etw_status keep_property(reader *r, etw_mof_class *to, etw_mof_property *property)
{
    const etw_mof_qualifier *id = etw_mof_find_qualifier(property->qualifiers, "wmidataid");
    if (id == NULL || id->first == NULL) {
        return ETW_OK;
    }
    if (to->property_count++ == ETW_MOF_MAX_PROPERTIES) {
        return etw_error_set(r->error, ETW_ERROR_LIMIT, "class %s has more than %u properties",
                             to->name, ETW_MOF_MAX_PROPERTIES);
    }
    property->data_id = number_of(id->first->text);
    const bool is_last = to->last == NULL || to->last->data_id <= property->data_id;
    etw_mof_property **at = is_last && to->last != NULL ? &to->last->next : &to->first;
    while (*at != NULL && (*at)->data_id <= property->data_id) {
        at = &(*at)->next;
    }
    property->next = *at;
    *at = property;
    to->last = is_last ? property : to->last;
    return ETW_OK;
}

/* Up to the ; of a property or method: a default value, or parameters, whose lists have braces. */
static etw_status skip_rest(reader *r)
{
    uint32_t open_braces = 0;
    while (open_braces > 0 || !at_mark(r, ';')) {
        if (r->kind == TOKEN_END || (open_braces == 0 && at_mark(r, '}'))) {
            return unexpected(r, "; behind a property");
        }
        open_braces += at_mark(r, '{') ? 1 : 0;
        open_braces -= at_mark(r, '}') ? 1 : 0;
        next_token(r);
    }
    next_token(r);
    return ETW_OK;
}

/* "uint32 Name[8];" behind its qualifiers. */
static etw_status read_property(reader *r, etw_mof_class *to, const etw_mof_qualifier *qualifiers)
{
    etw_mof_property *property = etw_arena_alloc(&r->model->arena, sizeof *property);
    if (property == NULL) {
        return no_memory(r);
    }
    property->qualifiers = qualifiers;
    property->type = keep(r, true);
    next_token(r);
    if (r->kind != TOKEN_WORD) {
        return unexpected(r, "a property's name");
    }
    property->name = keep(r, false);
    next_token(r);
    if (take_mark(r, '[')) {
        property->array_count = r->kind == TOKEN_NUMBER ? number_of(etw_text_z(&r->text)) : 1;
        while (!take_mark(r, ']')) {
            if (r->kind == TOKEN_END) {
                return unexpected(r, "]");
            }
            next_token(r);
        }
    }
    const etw_status status = skip_rest(r);
    if (status != ETW_OK) {
        return status;
    }
    return property->type == NULL || property->name == NULL ? no_memory(r)
                                                            : keep_property(r, to, property);
}

static etw_status read_body(reader *r, etw_mof_class *to)
{
    etw_status status = ETW_OK;
    while (status == ETW_OK && !take_mark(r, '}')) {
        etw_mof_qualifier *qualifiers = NULL;
        if (take_mark(r, '[')) {
            status = read_qualifiers(r, &qualifiers);
        }
        if (status == ETW_OK && r->kind != TOKEN_WORD) {
            return unexpected(r, "a property or }");
        }
        if (status == ETW_OK) {
            status = read_property(r, to, qualifiers);
        }
    }
    return status;
}

static etw_status keep_class(const reader *r, etw_mof_class *made)
{
    etw_mof_model *model = r->model;
    char *key = etw_arena_copy(&model->arena, made->name, strlen(made->name));
    if (key == NULL) {
        return no_memory(r);
    }
    to_lower(key);
    if (etw_table_get(&model->classes, key, strlen(key)) != NULL) {
        return ETW_OK;
    }
    if (!etw_table_set(&model->classes, key, strlen(key), made)) {
        return no_memory(r);
    }
    if (model->last == NULL) {
        model->first = made;
    } else {
        model->last->next = made;
    }
    model->last = made;
    return ETW_OK;
}

/* Behind "class". */
static etw_status read_class(reader *r, const etw_mof_qualifier *qualifiers)
{
    etw_mof_class *made = etw_arena_alloc(&r->model->arena, sizeof *made);
    if (made == NULL || (made->name = keep(r, false)) == NULL) {
        return no_memory(r);
    }
    made->qualifiers = qualifiers;
    next_token(r);
    if (take_mark(r, ':')) {
        made->base = keep(r, true);
        if (made->base == NULL) {
            return no_memory(r);
        }
        next_token(r);
    }
    if (!take_mark(r, '{')) {
        return unexpected(r, "{ of a class");
    }
    const etw_status status = keep_class(r, made);
    return status == ETW_OK ? read_body(r, made) : status;
}

static bool at_word(reader *r, const char *word)
{
    const char *text = etw_text_z(&r->text);
    size_t i = 0;
    while (text[i] != '\0' && tolower((unsigned char)text[i]) == word[i]) {
        i++;
    }
    return r->kind == TOKEN_WORD && text[i] == '\0' && word[i] == '\0';
}

etw_status etw_mof_read(etw_mof_model *model, etw_bytes text, uint32_t *class_count,
                        etw_error *error)
{
    reader r = {.model = model,
                .at = (const char *)text.data,
                .end = text.size == 0 ? NULL : (const char *)text.data + text.size,
                .line = 1,
                .error = error};
    etw_mof_qualifier *qualifiers = NULL;
    etw_status status = ETW_OK;
    *class_count = 0;
    if (text.size == 0) {
        return ETW_OK;
    }
    next_token(&r);
    while (status == ETW_OK && r.kind != TOKEN_END) {
        if (take_mark(&r, '[')) {
            qualifiers = NULL;
            status = read_qualifiers(&r, &qualifiers);
        } else if (at_word(&r, "class")) {
            next_token(&r);
            status = read_class(&r, qualifiers);
            qualifiers = NULL;
            (*class_count)++;
        } else { /* "instance of ...", stray text */
            next_token(&r);
        }
        if (status == ETW_OK && r.text.failed) {
            status = no_memory(&r);
        }
    }
    etw_text_free(&r.text);
    return status;
}
