/* The lines of a TMF file; annotations in symbols hold the same lines. */
#include "format/schema/wpp_model.h"

#include <stdlib.h>

/* A piece of the line at hand. */
typedef struct piece {
    const char *at;
    size_t size;
} piece;

static etw_status no_memory(const etw_wpp_model *model, etw_error *error)
{
    if (etw_arena_full(&model->arena, 1024)) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "WPP formats take more than %zu bytes",
                             model->arena.limit_bytes);
    }
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for WPP formats");
}

static bool is_space(char character)
{
    return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

static piece trim(piece text)
{
    while (text.size > 0 && is_space(text.at[0])) {
        text.at++;
        text.size--;
    }
    while (text.size > 0 && is_space(text.at[text.size - 1])) {
        text.size--;
    }
    return text;
}

static bool starts_with(piece text, const char *with)
{
    const size_t size = strlen(with);
    return text.size >= size && memcmp(text.at, with, size) == 0;
}

static piece after(piece text, size_t size)
{
    return (piece){text.at + size, text.size - size};
}

/* Takes what stands before the next blank off *text. */
static piece next_word(piece *text)
{
    *text = trim(*text);
    size_t size = 0;
    while (size < text->size && !is_space(text->at[size])) {
        size++;
    }
    const piece word = {text->at, size};
    *text = after(*text, size);
    return word;
}

/* Where with stands last in text, or text.size. */
static size_t last_of(piece text, const char *with)
{
    const size_t size = strlen(with);
    for (size_t at = text.size; at >= size && at > 0; at--) {
        if (memcmp(text.at + at - size, with, size) == 0) {
            return at - size;
        }
    }
    return text.size;
}

static bool parse_number(piece text, uint32_t *number)
{
    char digits[24];
    if (text.size == 0 || text.size >= sizeof digits) {
        return false;
    }
    memcpy(digits, text.at, text.size);
    digits[text.size] = '\0';
    char *end;
    const long long value = strtoll(digits, &end, 0);
    *number = (uint32_t)value;
    return *end == '\0' && value >= INT32_MIN && value <= (long long)UINT32_MAX;
}

static const char *keep(etw_wpp_model *model, piece text)
{
    return etw_arena_copy(&model->arena, text.at, text.size);
}

/* The value of KEY=value among the words behind "//", or nothing. Keys without case. */
static piece trailer_value(piece trailer, const char *key)
{
    const size_t key_size = strlen(key);
    while (trailer.size > 0) {
        const piece word = next_word(&trailer);
        if (word.size <= key_size || word.at[key_size] != '=') {
            continue;
        }
        size_t same = 0;
        while (same < key_size && (word.at[same] & ~0x20) == key[same]) {
            same++;
        }
        if (same == key_size) {
            return after(word, key_size + 1);
        }
    }
    return (piece){NULL, 0};
}

/* "<guid> <component> // SRC=<file> MJ= MN=" */
static bool read_block(etw_wpp_reader *reader, piece line)
{
    piece rest = line;
    const piece word = next_word(&rest);
    char guid[40];
    if (word.size < 36 || word.size > 38) {
        return false;
    }
    memcpy(guid, word.at, word.size);
    guid[word.size] = '\0';
    if (!etw_guid_parse(guid, &reader->guid)) {
        return false;
    }
    const piece component = next_word(&rest);
    reader->component = starts_with(component, "//") ? "" : keep(reader->model, component);
    reader->source_file = keep(reader->model, trailer_value(rest, "SRC"));
    return true;
}

/* The format ends at the last quote that blanks and "//", or the line's end, follow. */
static bool split_format(piece text, piece *format, piece *trailer)
{
    for (size_t at = text.size; at > 0; at--) {
        if (text.at[at - 1] != '"') {
            continue;
        }
        const piece rest = trim(after(text, at));
        if (rest.size == 0 || starts_with(rest, "//")) {
            *format = (piece){text.at, at - 1};
            *trailer = rest.size == 0 ? rest : after(rest, 2);
            return true;
        }
    }
    return false;
}

static const char *keep_value(etw_wpp_model *model, piece trailer, const char *key)
{
    const piece value = trailer_value(trailer, key);
    return value.size == 0 ? NULL : keep(model, value);
}

static void append_message(etw_wpp_model *model, etw_wpp_message *message)
{
    if (model->last == NULL) {
        model->first = message;
    } else {
        model->last->next = message;
    }
    model->last = message;
    model->count++;
}

/* Inlined code gives a message several times, equally. */
static void meet_again(etw_wpp_model *model, const etw_wpp_message *known, piece format)
{
    if (strlen(known->format) != format.size ||
        memcmp(known->format, format.at, format.size) != 0) {
        model->conflicts++;
    }
}

static etw_status add_message(etw_wpp_reader *reader, piece tag, uint32_t number, piece format,
                              piece trailer, etw_error *error)
{
    etw_wpp_model *model = reader->model;
    const etw_wpp_key key = {reader->guid, number};
    const etw_wpp_message *known = etw_table_get(&model->messages, &key, sizeof key);
    if (known != NULL) {
        meet_again(model, known, format);
        return ETW_OK;
    }
    etw_wpp_message *message = etw_arena_alloc(&model->arena, sizeof *message);
    if (message == NULL) {
        return no_memory(model, error);
    }
    message->key = key;
    message->document = model->document;
    message->component = reader->component;
    message->source_file = reader->source_file;
    message->tag = keep(model, tag);
    message->format = keep(model, format);
    message->function = keep_value(model, trailer, "FUNC");
    if (message->function == NULL) {
        message->function = reader->function;
    }
    message->level = keep_value(model, trailer, "LEVEL");
    message->flags = keep_value(model, trailer, "FLAGS");
    if (message->flags == NULL) {
        message->flags = keep_value(model, trailer, "FLAG");
    }
    if (message->component == NULL || message->tag == NULL || message->format == NULL ||
        !etw_table_set(&model->messages, &message->key, sizeof message->key, message)) {
        return no_memory(model, error);
    }
    append_message(model, message);
    reader->message = message;
    return ETW_OK;
}

/* "#typev <tag> <number> "<format>" //   LEVEL=... FLAGS=... FUNC=..." */
static etw_status read_type(etw_wpp_reader *reader, piece line, etw_error *error)
{
    piece rest = after(line, strlen("#typev"));
    const piece tag = next_word(&rest);
    uint32_t number;
    piece format;
    piece trailer;
    if (!parse_number(next_word(&rest), &number) || number > UINT16_MAX ||
        etw_guid_is_zero(&reader->guid)) {
        return ETW_OK;
    }
    rest = trim(rest);
    if (rest.size == 0 || rest.at[0] != '"' || !split_format(after(rest, 1), &format, &trailer)) {
        return ETW_OK;
    }
    reader->met++;
    return add_message(reader, tag, number, format, trailer, error);
}

static const etw_text *enum_key(etw_text *key, uint32_t document, const char *name, size_t size)
{
    etw_text_clear(key);
    etw_text_append(key, (const char *)&document, sizeof document);
    etw_text_append(key, name, size);
    return key;
}

etw_wpp_enum *etw_wpp_find_enum(const etw_wpp_model *model, uint32_t document, const char *name,
                                size_t name_size, etw_text *key)
{
    const etw_text *made = enum_key(key, document, name, name_size);
    return made->failed ? NULL : etw_table_get(&model->enums, made->data, made->size);
}

/* "#enumv <name>" */
static etw_status read_enum(etw_wpp_reader *reader, piece line, etw_error *error)
{
    etw_wpp_model *model = reader->model;
    const piece name = trim(after(line, strlen("#enumv")));
    if (etw_wpp_find_enum(model, model->document, name.at, name.size, &reader->key) != NULL) {
        return ETW_OK;
    }
    etw_wpp_enum *made = etw_arena_alloc(&model->arena, sizeof *made);
    const char *key = etw_arena_copy(&model->arena, reader->key.data, reader->key.size);
    if (made == NULL || key == NULL || reader->key.failed ||
        !etw_table_set(&model->enums, key, reader->key.size, made)) {
        return no_memory(model, error);
    }
    reader->enumeration = made;
    return ETW_OK;
}

/* "<name>,0x<value>" */
static etw_status read_enum_value(etw_wpp_reader *reader, piece line, etw_error *error)
{
    etw_wpp_enum *to = reader->enumeration;
    const size_t comma = last_of(line, ",");
    uint32_t value;
    if (comma == line.size || to->count == ETW_WPP_MAX_NAMES ||
        !parse_number(trim(after(line, comma + 1)), &value)) {
        return ETW_OK;
    }
    etw_wpp_enum_value *made = etw_arena_alloc(&reader->model->arena, sizeof *made);
    const char *name = keep(reader->model, trim((piece){line.at, comma}));
    if (made == NULL || name == NULL) {
        return no_memory(reader->model, error);
    }
    *made = (etw_wpp_enum_value){.name = name, .value = value};
    if (to->last == NULL) {
        to->first = made;
    } else {
        to->last->next = made;
    }
    to->last = made;
    to->count++;
    return ETW_OK;
}

static void insert_argument(etw_wpp_message *message, etw_wpp_argument *made)
{
    etw_wpp_argument **at = &message->first;
    while (*at != NULL && (*at)->index < made->index) {
        at = &(*at)->next;
    }
    if (*at != NULL && (*at)->index == made->index) {
        return;
    }
    made->next = *at;
    *at = made;
    message->argument_count++;
}

/* "<expression>, <item type> -- <index>": the expression is C text and may hold anything. */
static etw_status read_argument(etw_wpp_reader *reader, piece line, etw_error *error)
{
    const size_t dashes = last_of(line, " -- ");
    const piece before = {line.at, dashes};
    const size_t type = last_of(before, ", Item");
    uint32_t index;
    if (dashes == line.size || type == dashes ||
        reader->message->argument_count == ETW_WPP_MAX_ARGUMENTS ||
        !parse_number(trim(after(line, dashes + 4)), &index)) {
        return ETW_OK;
    }
    etw_wpp_argument *made = etw_arena_alloc(&reader->model->arena, sizeof *made);
    if (made == NULL) {
        return no_memory(reader->model, error);
    }
    made->expression = keep(reader->model, trim((piece){line.at, type}));
    made->type = keep(reader->model, trim(after(before, type + 2)));
    made->index = index;
    if (made->expression == NULL || made->type == NULL) {
        return no_memory(reader->model, error);
    }
    insert_argument(reader->message, made);
    return ETW_OK;
}

void etw_wpp_reader_free(etw_wpp_reader *reader)
{
    etw_text_free(&reader->line);
    etw_text_free(&reader->key);
}

void etw_wpp_read_end(etw_wpp_reader *reader)
{
    reader->message = NULL;
    reader->enumeration = NULL;
    reader->in_braces = false;
}

static etw_status read_inside(etw_wpp_reader *reader, piece line, etw_error *error)
{
    if (line.size == 1 && line.at[0] == '}') {
        etw_wpp_read_end(reader);
        return ETW_OK;
    }
    if (reader->message != NULL) {
        return read_argument(reader, line, error);
    }
    return reader->enumeration == NULL ? ETW_OK : read_enum_value(reader, line, error);
}

static etw_status read_outside(etw_wpp_reader *reader, piece line, etw_error *error)
{
    if (line.size == 1 && line.at[0] == '{') {
        reader->in_braces = true;
        return ETW_OK;
    }
    if (starts_with(line, "#typev")) {
        etw_wpp_read_end(reader);
        return read_type(reader, line, error);
    }
    if (starts_with(line, "#enumv")) {
        etw_wpp_read_end(reader);
        return read_enum(reader, line, error);
    }
    if (!starts_with(line, "//") && read_block(reader, line)) {
        etw_wpp_read_end(reader);
        return reader->component == NULL ? no_memory(reader->model, error) : ETW_OK;
    }
    return ETW_OK;
}

etw_status etw_wpp_read_line(etw_wpp_reader *reader, etw_bytes line, etw_error *error)
{
    if (line.size > ETW_WPP_MAX_LINE_BYTES) {
        return ETW_OK;
    }
    etw_text_clear(&reader->line);
    etw_text_append_ansi(&reader->line, line.data, line.size, ETW_ESCAPE_NONE);
    if (reader->line.failed) {
        return no_memory(reader->model, error);
    }
    const piece text = trim((piece){reader->line.data, reader->line.size});
    if (text.size == 0) {
        return ETW_OK;
    }
    return reader->in_braces ? read_inside(reader, text, error) : read_outside(reader, text, error);
}
