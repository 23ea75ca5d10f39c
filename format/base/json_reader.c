#include "format/base/json_reader.h"

#include "format/base/digits.h"
#include "format/base/grown.h"

#include <stdlib.h>

typedef etw_json_document doc;

static etw_status wrong(const doc *d, const char *what, etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_DAMAGED, "column %zu: %s", d->at + 1, what);
}

static void skip_space(doc *d)
{
    while (d->at < d->size && (d->text[d->at] == ' ' || d->text[d->at] == '\t' ||
                               d->text[d->at] == '\n' || d->text[d->at] == '\r')) {
        d->at++;
    }
}

static bool is_at(const doc *d, char character)
{
    return d->at < d->size && d->text[d->at] == character;
}

static bool take(doc *d, char character)
{
    const bool is_there = is_at(d, character);
    d->at += is_there ? 1 : 0;
    return is_there;
}

static etw_status add_value(doc *d, uint32_t *index, etw_error *error)
{
    if (d->count == ETW_JSON_MAX_VALUES) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u values", ETW_JSON_MAX_VALUES);
    }
    etw_json_value *longer = etw_grown(d->values, &d->capacity, d->count, 64, sizeof *longer);
    if (longer == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a JSON text");
    }
    d->values = longer;
    *index = d->count++;
    d->values[*index] = (etw_json_value){.offset = (uint32_t)d->at};
    return ETW_OK;
}

/* Strings. */

/* The four digits behind \u. */
static bool take_unit(doc *d, uint32_t *unit)
{
    *unit = 0;
    for (size_t i = 0; i < 4; i++) {
        const int digit = d->at < d->size ? etw_hex_digit(d->text[d->at]) : -1;
        if (digit < 0) {
            return false;
        }
        *unit = (*unit << 4) | (uint32_t)digit;
        d->at++;
    }
    return true;
}

static char *put_code_point(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (char)(0xC0 | (c >> 6));
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | (c >> 12));
        *to++ = (char)(0x80 | ((c >> 6) & 0x3F));
    } else {
        *to++ = (char)(0xF0 | (c >> 18));
        *to++ = (char)(0x80 | ((c >> 12) & 0x3F));
        *to++ = (char)(0x80 | ((c >> 6) & 0x3F));
    }
    *to++ = (char)(0x80 | (c & 0x3F));
    return to;
}

/* A surrogate and, where it follows, the other half of its pair. */
static bool take_escaped_unit(doc *d, char **to)
{
    uint32_t unit;
    if (!take_unit(d, &unit)) {
        return false;
    }
    if (unit >= 0xD800 && unit < 0xDC00 && d->size - d->at >= 6 && d->text[d->at] == '\\' &&
        d->text[d->at + 1] == 'u') {
        const size_t back = d->at;
        uint32_t low;
        d->at += 2;
        if (!take_unit(d, &low)) {
            return false;
        }
        if (low >= 0xDC00 && low < 0xE000) {
            unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        } else {
            d->at = back;
        }
    }
    *to = put_code_point(*to, unit);
    return true;
}

static bool take_escape(doc *d, char **to)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char letter = d->at < d->size ? d->text[d->at] : '\0';
    const char *found = letter == '\0' ? NULL : strchr(letters, letter);
    if (letter == 'u') {
        d->at++;
        return take_escaped_unit(d, to);
    }
    if (found == NULL) {
        return false;
    }
    d->at++;
    *(*to)++ = meanings[found - letters];
    return true;
}

/* at: behind the opening quote. */
static etw_status take_string(doc *d, const char **text, uint32_t *size, etw_error *error)
{
    char *const start = d->text + d->at;
    char *to = start;
    while (d->at < d->size && d->text[d->at] != '"') {
        const uint8_t byte = (uint8_t)d->text[d->at];
        uint32_t code_point;
        if (byte < 0x20) {
            return wrong(d, "a control character in a string must be written as \\u00XX", error);
        }
        if (byte == '\\') {
            d->at++;
            if (!take_escape(d, &to)) {
                return wrong(d, "this is no escape", error);
            }
            continue;
        }
        const size_t length =
            etw_utf8_decode((const uint8_t *)d->text + d->at, d->size - d->at, &code_point);
        if (length == 0) {
            return wrong(d, "this is no UTF-8", error);
        }
        memmove(to, d->text + d->at, length);
        to += length;
        d->at += length;
    }
    if (!take(d, '"')) {
        return wrong(d, "the string has no end", error);
    }
    *text = start;
    *size = (uint32_t)(to - start);
    return ETW_OK;
}

/* Numbers and words. */

static size_t take_digits(doc *d)
{
    const size_t start = d->at;
    while (d->at < d->size && d->text[d->at] >= '0' && d->text[d->at] <= '9') {
        d->at++;
    }
    return d->at - start;
}

static bool take_number(doc *d)
{
    (void)take(d, '-');
    const bool is_zero = is_at(d, '0');
    const size_t digits = take_digits(d);
    if (digits == 0 || (is_zero && digits > 1)) {
        return false;
    }
    if (take(d, '.') && take_digits(d) == 0) {
        return false;
    }
    if (take(d, 'e') || take(d, 'E')) {
        (void)(take(d, '+') || take(d, '-'));
        return take_digits(d) > 0;
    }
    return true;
}

static bool take_word(doc *d, const char *word)
{
    const size_t size = strlen(word);
    if (d->size - d->at < size || memcmp(d->text + d->at, word, size) != 0) {
        return false;
    }
    d->at += size;
    return true;
}

static etw_status take_plain(doc *d, uint32_t index, etw_error *error)
{
    static const struct {
        const char *word;
        etw_json_kind kind;
    } words[] = {{"null", ETW_JSON_NULL}, {"false", ETW_JSON_FALSE}, {"true", ETW_JSON_TRUE}};
    const size_t start = d->at;
    etw_json_value *v = &d->values[index];
    bool is_known = false;
    for (size_t i = 0; i < sizeof words / sizeof words[0] && !is_known; i++) {
        is_known = take_word(d, words[i].word);
        v->kind = words[i].kind;
    }
    if (!is_known) {
        v->kind = ETW_JSON_NUMBER;
        is_known = take_number(d);
    }
    v->text = d->text + start;
    v->text_size = (uint32_t)(d->at - start);
    return is_known ? ETW_OK : wrong(d, "a value is expected", error);
}

/* Arrays and objects. */

static etw_status take_value(doc *d, uint32_t depth, uint32_t *index, etw_error *error);

static etw_status take_name(doc *d, const char **name, uint32_t *size, etw_error *error)
{
    if (!take(d, '"')) {
        return wrong(d, "the name of a member is expected", error);
    }
    const etw_status status = take_string(d, name, size, error);
    if (etw_failed(status)) {
        return status;
    }
    skip_space(d);
    return take(d, ':') ? ETW_OK : wrong(d, "':' is expected", error);
}

static etw_status take_member(doc *d, uint32_t depth, bool has_name, uint32_t *index,
                              etw_error *error)
{
    const char *name = NULL;
    uint32_t size = 0;
    skip_space(d);
    etw_status status = has_name ? take_name(d, &name, &size, error) : ETW_OK;
    if (!etw_failed(status)) {
        status = take_value(d, depth + 1, index, error);
    }
    if (!etw_failed(status)) {
        d->values[*index].name = name;
        d->values[*index].name_size = size;
    }
    return status;
}

/* at: behind the opening bracket. */
static etw_status take_members(doc *d, uint32_t depth, uint32_t parent, etw_error *error)
{
    const bool is_object = d->values[parent].kind == ETW_JSON_OBJECT;
    const char end = is_object ? '}' : ']';
    uint32_t last = 0;
    skip_space(d);
    if (take(d, end)) {
        return ETW_OK;
    }
    if (depth == ETW_JSON_MAX_DEPTH) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "column %zu: nested deeper than %u", d->at + 1,
                             ETW_JSON_MAX_DEPTH);
    }
    do {
        uint32_t index;
        const etw_status status = take_member(d, depth, is_object, &index, error);
        if (etw_failed(status)) {
            return status;
        }
        if (last == 0) {
            d->values[parent].first = index;
        } else {
            d->values[last].next = index;
        }
        last = index;
        skip_space(d);
    } while (take(d, ','));
    return take(d, end)
               ? ETW_OK
               : wrong(d, is_object ? "',' or '}' is expected" : "',' or ']' is expected", error);
}

static etw_status take_content(doc *d, uint32_t depth, uint32_t index, etw_error *error)
{
    if (take(d, '"')) {
        const char *text;
        uint32_t size;
        const etw_status taken = take_string(d, &text, &size, error);
        etw_json_value *v = &d->values[index];
        v->kind = ETW_JSON_STRING;
        v->text = text;
        v->text_size = size;
        return taken;
    }
    if (take(d, '{')) {
        d->values[index].kind = ETW_JSON_OBJECT;
        return take_members(d, depth, index, error);
    }
    if (take(d, '[')) {
        d->values[index].kind = ETW_JSON_ARRAY;
        return take_members(d, depth, index, error);
    }
    return take_plain(d, index, error);
}

static etw_status take_value(doc *d, uint32_t depth, uint32_t *index, etw_error *error)
{
    skip_space(d);
    etw_status status = add_value(d, index, error);
    if (!etw_failed(status)) {
        status = take_content(d, depth, *index, error);
        d->values[*index].end = (uint32_t)d->at;
    }
    return status;
}

void etw_json_document_free(etw_json_document *document)
{
    free(document->values);
    *document = (etw_json_document){0};
}

etw_status etw_json_read(etw_json_document *document, char *text, size_t size, etw_error *error)
{
    uint32_t whole;
    document->count = 0;
    document->text = text;
    document->size = size;
    document->at = 0;
    if (size > ETW_TEXT_MAX_SIZE) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "a JSON text of %zu bytes, above %zu", size,
                             ETW_TEXT_MAX_SIZE);
    }
    const etw_status status = take_value(document, 0, &whole, error);
    if (etw_failed(status)) {
        return status;
    }
    skip_space(document);
    return document->at == size ? ETW_OK : wrong(document, "more follows the value", error);
}

const etw_json_value *etw_json_first(const etw_json_document *document, const etw_json_value *of)
{
    return of == NULL || of->first == 0 ? NULL : &document->values[of->first];
}

const etw_json_value *etw_json_next(const etw_json_document *document, const etw_json_value *value)
{
    return value->next == 0 ? NULL : &document->values[value->next];
}

bool etw_json_has_name(const etw_json_value *value, const char *name)
{
    return value->name != NULL && value->name_size == strlen(name) &&
           memcmp(value->name, name, value->name_size) == 0;
}

bool etw_json_is_string(const etw_json_value *value, const char *content)
{
    return value->kind == ETW_JSON_STRING && value->text_size == strlen(content) &&
           memcmp(value->text, content, value->text_size) == 0;
}

const etw_json_value *etw_json_member(const etw_json_document *document,
                                      const etw_json_value *object, const char *name)
{
    const etw_json_value *member =
        object != NULL && object->kind == ETW_JSON_OBJECT ? etw_json_first(document, object) : NULL;
    while (member != NULL && !etw_json_has_name(member, name)) {
        member = etw_json_next(document, member);
    }
    return member;
}

void etw_json_append_string(etw_text *text, const char *decoded, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)decoded;
    size_t at = 0;
    while (at < size) {
        uint32_t code_point;
        size_t length = etw_utf8_decode(bytes + at, size - at, &code_point);
        if (length == 0 && size - at >= 3 && bytes[at] == 0xED) {
            code_point = 0xD000u | ((bytes[at + 1] & 0x3Fu) << 6) | (bytes[at + 2] & 0x3Fu);
            length = 3;
        } else if (length == 0) {
            code_point = 0xFFFD;
            length = 1;
        }
        etw_text_append_code_point(text, code_point, ETW_ESCAPE_JSON);
        at += length;
    }
}
