#include "format/schema/system_texts.h"

#include "format/schema/message_table.h"
#include "format/schema/pe_resources.h"

#include <stdlib.h>

/* Message tables of one file: Windows' own have one. */
typedef struct table {
    etw_message_table messages;
    uint8_t *bytes; /* owned; NULL: there is none */
} table;

typedef struct system_texts {
    etw_error_texts base;
    table tables[ETW_ERROR_TABLES];
} system_texts;

static bool get(const etw_error_texts *base, etw_error_table which, uint32_t code, etw_text *text)
{
    const table *from = &((const system_texts *)base)->tables[which];
    return from->bytes != NULL && etw_message_table_get(&from->messages, code, text);
}

static void free_texts(etw_error_texts *base)
{
    system_texts *self = (system_texts *)base;
    for (int i = 0; i < ETW_ERROR_TABLES; i++) {
        etw_message_table_free(&self->tables[i].messages);
        free(self->tables[i].bytes);
    }
    free(self);
}

static etw_error_texts *new_texts(void)
{
    system_texts *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->base = (etw_error_texts){get, free_texts};
    return &self->base;
}

/* Names. */

static const char *const names[ETW_ERROR_TABLES] = {"kernel32.dll", "ntdll.dll"};

static bool is_slash(char letter)
{
    return letter == '/' || letter == '\\';
}

/* Whether the path is that name, or ends with it behind a slash. */
static bool ends_with_part(const char *path, size_t size, const char *name)
{
    const size_t name_size = strlen(name);
    return size >= name_size && etw_file_name_matches(path + size - name_size, name, name_size) &&
           (size == name_size || is_slash(path[size - name_size - 1]));
}

static bool is_mui(const char *path)
{
    return etw_schema_file_ends_with(path, ".mui");
}

static bool find_table(const char *path, etw_error_table *which)
{
    const size_t size = strlen(path) - (is_mui(path) ? strlen(".mui") : 0);
    for (int i = 0; i < ETW_ERROR_TABLES; i++) {
        if (ends_with_part(path, size, names[i])) {
            *which = (etw_error_table)i;
            return true;
        }
    }
    return false;
}

static const char *language_of(const etw_schema_file_options *options)
{
    return options->language != NULL ? options->language : ETW_SCHEMA_FALLBACK_LANGUAGE;
}

static bool are_in(const char *path, const etw_schema_file_options *options)
{
    etw_error_table which;
    if (!find_table(path, &which)) {
        return false;
    }
    size_t size = strlen(path);
    while (size > 0 && !is_slash(path[size - 1])) {
        size--;
    }
    size -= size > 0;
    return !options->any_file || !is_mui(path) || ends_with_part(path, size, language_of(options));
}

/* Reading. */

static etw_status take_table(const etw_os *os, int file, table *into, etw_error *error)
{
    etw_resource_list resources = {0};
    uint8_t *bytes = NULL;
    const etw_resource *messages = NULL;
    if (etw_pe_resources_find(os, file, &resources, NULL) == ETW_OK) {
        messages = etw_resource_of_kind(&resources, ETW_RESOURCE_MESSAGES);
    }
    if (messages == NULL) {
        return ETW_OK;
    }
    etw_status status = etw_resource_read(os, file, messages, &bytes, error);
    if (status == ETW_OK) {
        status = etw_message_table_open((etw_bytes){bytes, messages->size_bytes}, &into->messages,
                                        error);
    }
    if (status != ETW_OK) {
        free(bytes);
        return status == ETW_ERROR_NO_MEMORY ? status : ETW_OK;
    }
    into->bytes = bytes;
    return ETW_OK;
}

static etw_status take_file(const etw_os *os, const char *path, table *into, etw_error *error)
{
    const int file = os->open(os->context, path, ETW_OPEN_READ);
    if (file < 0) {
        return ETW_OK;
    }
    const etw_status status = take_table(os, file, into, error);
    (void)os->close(os->context, file);
    return status;
}

static etw_status take_mui(const etw_os *os, const char *path, const char *language, table *into,
                           etw_error *error)
{
    etw_text mui = {0};
    etw_status status = ETW_OK;
    if (etw_file_name_find_mui(os, path, language, &mui)) {
        status = take_file(os, etw_text_z(&mui), into, error);
    }
    etw_text_free(&mui);
    return status;
}

static etw_status add(system_texts *texts, const char *path, const etw_schema_file_options *options,
                      bool *has, etw_error *error)
{
    const char *const languages[] = {language_of(options), ETW_SCHEMA_FALLBACK_LANGUAGE};
    etw_error_table which;
    etw_status status = ETW_OK;
    if (!find_table(path, &which)) {
        return ETW_OK;
    }
    table *into = &texts->tables[which];
    if (into->bytes == NULL) {
        status = take_file(options->os, path, into, error);
    }
    for (int i = 0; i < 2 && status == ETW_OK && into->bytes == NULL && !is_mui(path); i++) {
        status = take_mui(options->os, path, languages[i], into, error);
    }
    *has = into->bytes != NULL;
    return status;
}

etw_status etw_system_texts_add(etw_error_texts **texts, const char *path,
                                const etw_schema_file_options *options, bool *has, etw_error *error)
{
    *has = false;
    if (!are_in(path, options)) {
        return ETW_OK;
    }
    if (*texts == NULL) {
        *texts = new_texts();
    }
    return *texts == NULL
               ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for texts of error codes")
               : add((system_texts *)*texts, path, options, has, error);
}
