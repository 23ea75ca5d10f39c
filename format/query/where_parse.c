/* From text to tree: one character of look-ahead, one function for each rule.
 *
 *     any  := all { or all }            all := one { and one }
 *     one  := not one | ( any ) | has NAME | NAME [& VALUE] [operator value]
 */
#include "format/base/options.h"
#include "format/query/where_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CARET_CONTEXT 60u /* characters of the text shown on either side of the caret */

typedef struct parser {
    etw_where *where;
    const char *text; /* the whole */
    const char *at;
    uint32_t depth;
    uint32_t literals;
    bool
        is_pattern; /* the value that is taken is a regular expression, which has its own escapes */
    etw_error *error;
} parser;

static const struct {
    const char *word;
    etw_where_operator operator_;
} operators[] = {
    {"==", ETW_WHERE_EQUAL},
    {"!=", ETW_WHERE_UNEQUAL},
    {"<=", ETW_WHERE_LESS_EQUAL},
    {">=", ETW_WHERE_GREATER_EQUAL},
    {"<", ETW_WHERE_LESS},
    {">", ETW_WHERE_GREATER},
    {"~", ETW_WHERE_MATCHES},
    {"=", ETW_WHERE_EQUAL},
    {"contains", ETW_WHERE_CONTAINS},
    {"startswith", ETW_WHERE_STARTS_WITH},
    {"endswith", ETW_WHERE_ENDS_WITH},
    {"like", ETW_WHERE_LIKE},
    {"in", ETW_WHERE_EQUAL},
};

/* Errors. */

/* The line of the text with a caret below the place. */
static etw_status fail_at(const parser *p, const char *place, const char *format, ...)
    ETW_PRINTF(3, 4);
static etw_status fail_at(const parser *p, const char *place, const char *format, ...)
{
    char what[300];
    char line[2 * CARET_CONTEXT + 1];
    va_list arguments;
    const size_t offset = (size_t)(place - p->text);
    const char *start = offset > CARET_CONTEXT ? place - CARET_CONTEXT : p->text;
    int size = 0;
    while (start[size] != '\0' && size < (int)sizeof line - 1) {
        const char c = start[size];
        line[size++] = (uint8_t)c < ' ' ? ' ' : c;
    }
    line[size] = '\0';
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return etw_error_set(p->error, ETW_ERROR_INVALID_ARGUMENT, "%s\n  %s\n  %*s^", what, line,
                         (int)(place - start), "");
}

static etw_status no_memory(const parser *p)
{
    return etw_error_set(p->error, ETW_ERROR_NO_MEMORY, "no memory for a filter");
}

/* Words. */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_spaces(parser *p)
{
    while (is_space(*p->at)) {
        p->at++;
    }
}

static bool is_name_character(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
           c == '.' || c == '#' || c == '[' || c == ']' || c == ':' || c == '-' || c == '@' ||
           c == '$' || c == '%' || (uint8_t)c >= 0x80;
}

/* Whether the word stands here, on its own; takes it then. Case is ignored. */
static bool take_word(parser *p, const char *word)
{
    skip_spaces(p);
    const size_t size = strlen(word);
    const bool is_letters = (word[0] | 0x20) >= 'a' && (word[0] | 0x20) <= 'z';
    const size_t there = strlen(p->at);
    if (there < size ||
        !etw_where_text_equal((etw_where_slice){p->at, size}, (etw_where_slice){word, size}) ||
        (is_letters && is_name_character(p->at[size]))) {
        return false;
    }
    p->at += size;
    return true;
}

/* The value of two hexadecimal digits; 0 where there are none. */
static unsigned hex_pair(const char *at)
{
    static const char digits[] = "0123456789abcdef";
    unsigned value = 0;
    for (int i = 0; i < 2; i++) {
        const char lower = (char)(at[i] >= 'A' && at[i] <= 'F' ? at[i] + 32 : at[i]);
        const char *found = lower == '\0' ? NULL : strchr(digits, lower);
        if (found == NULL) {
            return 0;
        }
        value = value * 16 + (unsigned)(found - digits);
    }
    return value;
}

/* What a backslash and the character behind it stand for; p->at is at that. Both, where that is
 * nothing known: "C:\Windows"; of a pattern they are always both, but not before the quote. */
static void take_escape(parser *p, char quote, char *out, size_t *size)
{
    static const char escapes[] = "n\nt\tr\r\\\\\"\"''";
    const char c = *p->at++;
    const char *known = NULL;
    for (const char *e = escapes; *e != '\0' && known == NULL; e += 2) {
        known = *e == c ? e : NULL;
    }
    if (p->is_pattern ? c == quote : known != NULL) {
        out[(*size)++] = p->is_pattern ? c : known[1];
    } else if (!p->is_pattern && c == 'x' && hex_pair(p->at) != 0) {
        out[(*size)++] = (char)hex_pair(p->at);
        p->at += 2;
    } else {
        out[(*size)++] = '\\';
        out[(*size)++] = c;
    }
}

/* The text between quotes, with \\ \" \' \n \t \r \xHH. p->at is at the quote. */
static etw_status take_quoted(parser *p, const char **text, size_t *size)
{
    const char *start = p->at;
    const char quote = *p->at++;
    char *out = etw_arena_alloc(&p->where->arena, strlen(p->at) + 1);
    *text = out;
    *size = 0;
    if (out == NULL) {
        return no_memory(p);
    }
    while (*p->at != quote) {
        const char c = *p->at;
        if (c == '\0') {
            return fail_at(p, start, "the quote that begins here does not end");
        }
        p->at++;
        if (c == '\\' && *p->at != '\0') {
            take_escape(p, quote, out, size);
        } else {
            out[(*size)++] = c;
        }
    }
    p->at++;
    out[*size] = '\0';
    return ETW_OK;
}

/* Nodes. */

static etw_status add_node(parser *p, const etw_where_node *node, uint32_t *index)
{
    etw_where *where = p->where;
    if (where->node_count == where->node_capacity) {
        const uint32_t capacity = where->node_capacity == 0 ? 16 : 2 * where->node_capacity;
        if (capacity > ETW_WHERE_MAX_NODES) {
            return fail_at(p, p->at, "the filter has more than %u parts", ETW_WHERE_MAX_NODES);
        }
        etw_where_node *longer = realloc(where->nodes, capacity * sizeof *longer);
        if (longer == NULL) {
            return no_memory(p);
        }
        where->nodes = longer;
        where->node_capacity = capacity;
    }
    *index = where->node_count;
    where->nodes[where->node_count++] = *node;
    return ETW_OK;
}

static etw_status join(parser *p, etw_where_kind kind, uint32_t left, uint32_t right,
                       uint32_t *index)
{
    return add_node(p, &(etw_where_node){.kind = kind, .left = left, .right = right}, index);
}

/* Fields. */

/* One part of a property's name: an index in brackets and #2 are taken off its end. */
static etw_status add_part(parser *p, etw_where_node *node, const char *start, size_t size,
                           bool is_quoted)
{
    if (node->part_count == ETW_WHERE_MAX_PATH) {
        return fail_at(p, p->at, "a property's name has more than %u parts", ETW_WHERE_MAX_PATH);
    }
    char *name = etw_arena_copy(&p->where->arena, start, size);
    if (name == NULL) {
        return no_memory(p);
    }
    etw_where_part *part = &node->parts[node->part_count++];
    *part = (etw_where_part){.name = name, .nth = 1};
    char *bracket = is_quoted ? NULL : strchr(name, '[');
    if (bracket != NULL) {
        char *end;
        part->has_element = true;
        part->element = (uint32_t)strtoul(bracket + 1, &end, 10);
        if (end == bracket + 1 || strcmp(end, "]") != 0) {
            return fail_at(p, p->at, "expected a number in brackets, such as Tags[2]");
        }
        *bracket = '\0';
    }
    char *hash = is_quoted ? NULL : strchr(name, '#');
    if (hash != NULL && hash != name && hash[1] >= '1' && hash[1] <= '9') {
        part->nth = (uint32_t)strtoul(hash + 1, NULL, 10);
        *hash = '\0';
    }
    return ETW_OK;
}

static etw_status read_parts(parser *p, etw_where_node *node, const char *name)
{
    const char *start = name;
    for (;;) {
        const char *dot = strchr(start, '.');
        const size_t size = dot != NULL ? (size_t)(dot - start) : strlen(start);
        if (size == 0) {
            return fail_at(p, p->at, "'%s' is no name: a part of it is empty; quote it", name);
        }
        const etw_status status = add_part(p, node, start, size, false);
        if (etw_failed(status) || dot == NULL) {
            return status;
        }
        start = dot + 1;
    }
}

static bool is_reserved(const char *name)
{
    static const char *const words[] = {"and", "or", "not", "in", "has"};
    for (size_t i = 0; i < ETW_COUNT_OF(words); i++) {
        if (etw_where_text_equal((etw_where_slice){name, strlen(name)},
                                 (etw_where_slice){words[i], strlen(words[i])})) {
            return true;
        }
    }
    return false;
}

static bool starts_with_properties(const char *name)
{
    static const char prefix[] = "EventProperties.";
    const size_t size = sizeof prefix - 1;
    return strlen(name) > size &&
           etw_where_text_equal((etw_where_slice){name, size}, (etw_where_slice){prefix, size});
}

static etw_status take_field(parser *p, etw_where_node *node)
{
    skip_spaces(p);
    const char *start = p->at;
    if (*start == '"' || *start == '\'') {
        size_t size;
        const etw_status status = take_quoted(p, &node->name, &size);
        return etw_failed(status) ? status : add_part(p, node, node->name, size, true);
    }
    p->at += *start == '*' ? 1 : 0;
    while (*start != '*' && is_name_character(*p->at)) {
        p->at++;
    }
    char *name = etw_arena_copy(&p->where->arena, start, (size_t)(p->at - start));
    if (name == NULL) {
        return no_memory(p);
    }
    if (name[0] == '\0' || is_reserved(name)) {
        return fail_at(p, start, "expected the name of a field");
    }
    node->name = name;
    node->field = etw_where_find_field(name);
    if (node->field != ETW_WHERE_PROPERTY) {
        return ETW_OK;
    }
    return read_parts(p, node,
                      starts_with_properties(name) ? name + strlen("EventProperties.") : name);
}

/* Values. */

static bool ends_bare(const char *at, bool in_list)
{
    return *at == '\0' || is_space(*at) || strchr("(),&|=<>!'\"", *at) != NULL ||
           (in_list && at[0] == '.' && at[1] == '.');
}

static etw_status take_literal(parser *p, etw_where_literal *literal, bool in_list)
{
    bool is_quoted = false;
    skip_spaces(p);
    const char *start = p->at;
    if (*start == '"' || *start == '\'') {
        is_quoted = true;
        const etw_status status = take_quoted(p, &literal->text, &literal->text_size);
        if (etw_failed(status)) {
            return status;
        }
    } else {
        while (!ends_bare(p->at, in_list)) {
            p->at++;
        }
        literal->text_size = (size_t)(p->at - start);
        literal->text = etw_arena_copy(&p->where->arena, start, literal->text_size);
        if (literal->text == NULL) {
            return no_memory(p);
        }
        if (literal->text_size == 0) {
            return fail_at(p, start, "expected a value");
        }
    }
    if (++p->literals > ETW_WHERE_MAX_LITERALS) {
        return fail_at(p, start, "the filter has more than %u values", ETW_WHERE_MAX_LITERALS);
    }
    etw_where_read_literal(literal, is_quoted);
    p->where->wants_first |= literal->time_kind == ETW_WHERE_AFTER_FIRST;
    p->where->wants_last |= literal->time_kind == ETW_WHERE_BEFORE_LAST;
    return ETW_OK;
}

typedef struct literal_list {
    etw_where_literal *rows;
    uint32_t count, capacity;
} literal_list;

static etw_status add_literal(parser *p, literal_list *list)
{
    if (list->count == list->capacity) {
        const uint32_t capacity = list->capacity == 0 ? 4 : 2 * list->capacity;
        etw_where_literal *longer = etw_arena_alloc(&p->where->arena, capacity * sizeof *longer);
        if (longer == NULL) {
            return no_memory(p);
        }
        if (list->count > 0) {
            memcpy(longer, list->rows, list->count * sizeof *longer);
        }
        list->rows = longer;
        list->capacity = capacity;
    }
    return take_literal(p, &list->rows[list->count++], true);
}

/* One value or a..b. */
static etw_status take_item(parser *p, literal_list *list)
{
    etw_status status = add_literal(p, list);
    if (!etw_failed(status) && take_word(p, "..")) {
        list->rows[list->count - 1].is_range = true;
        status = add_literal(p, list);
    }
    return status;
}

static etw_status take_list(parser *p, etw_where_node *node)
{
    literal_list list = {0};
    const bool has_parentheses = take_word(p, "(");
    etw_status status = take_item(p, &list);
    while (!etw_failed(status) && has_parentheses && take_word(p, ",")) {
        status = take_item(p, &list);
    }
    if (!etw_failed(status) && has_parentheses && !take_word(p, ")")) {
        return fail_at(p, p->at, "expected , or ) in the list");
    }
    node->literals = list.rows;
    node->literal_count = list.count;
    return status;
}

static etw_status take_one_value(parser *p, etw_where_node *node)
{
    etw_where_literal *literal = etw_arena_alloc(&p->where->arena, sizeof *literal);
    if (literal == NULL) {
        return no_memory(p);
    }
    node->literals = literal;
    node->literal_count = 1;
    return take_literal(p, literal, false);
}

/* Tests. */

static const char *operator_at(const void *context, size_t index)
{
    (void)context;
    return operators[index].word;
}

static etw_status fail_no_operator(const parser *p)
{
    char word[40];
    size_t size = 0;
    while (size < sizeof word - 1 && is_name_character(p->at[size])) {
        word[size] = p->at[size];
        size++;
    }
    word[size] = '\0';
    const char *nearest = etw_nearest_name(word, ETW_COUNT_OF(operators), operator_at, NULL);
    if (nearest != NULL) {
        return fail_at(p, p->at, "there is no operator '%s'; did you mean '%s'?", word, nearest);
    }
    return fail_at(p, p->at, "expected an operator, and, or, or the end");
}

static etw_status compile_regex(parser *p, etw_where_node *node, const char *place)
{
    size_t offset;
    etw_error error = {0};
    const etw_where_slice pattern = {node->literals[0].text, node->literals[0].text_size};
    const etw_status status = etw_where_regex_compile(pattern, &node->regex, &offset, &error);
    if (status == ETW_ERROR_INVALID_ARGUMENT) {
        return fail_at(p, place, "a regular expression, at its character %zu: %s", offset + 1,
                       error.message);
    }
    return etw_failed(status) ? etw_error_set(p->error, status, "%s", error.message) : ETW_OK;
}

static etw_status take_operator(parser *p, etw_where_node *node)
{
    for (size_t i = 0; i < ETW_COUNT_OF(operators); i++) {
        if (!take_word(p, operators[i].word)) {
            continue;
        }
        node->operator_ = operators[i].operator_;
        if (strcmp(operators[i].word, "in") == 0) {
            return take_list(p, node);
        }
        skip_spaces(p);
        const char *place = p->at;
        p->is_pattern = node->operator_ == ETW_WHERE_MATCHES;
        const etw_status status = take_one_value(p, node);
        p->is_pattern = false;
        return etw_failed(status) || node->operator_ != ETW_WHERE_MATCHES
                   ? status
                   : compile_regex(p, node, place);
    }
    node->operator_ = ETW_WHERE_IS_SET;
    return ETW_OK;
}

static etw_status take_mask(parser *p, etw_where_node *node)
{
    etw_where_literal literal = {0};
    skip_spaces(p);
    if (p->at[0] != '&' || p->at[1] == '&') {
        return ETW_OK;
    }
    p->at++;
    skip_spaces(p);
    const char *place = p->at;
    const etw_status status = take_literal(p, &literal, false);
    if (etw_failed(status)) {
        return status;
    }
    if (!literal.has_number || literal.is_negative) {
        return fail_at(p, place, "expected a number behind &");
    }
    node->has_mask = true;
    node->mask = literal.magnitude;
    return ETW_OK;
}

/* Where a test for a property of one part remembers what it found, schema by schema. */
static etw_status give_places(parser *p, etw_where_node *node)
{
    if (node->field == ETW_WHERE_ANYTHING ||
        (node->field == ETW_WHERE_PROPERTY && node->part_count == 1)) {
        node->places = etw_arena_alloc(&p->where->arena, ETW_WHERE_CACHE * sizeof *node->places);
        return node->places == NULL ? no_memory(p) : ETW_OK;
    }
    return ETW_OK;
}

static bool takes_texts(const etw_where_node *node)
{
    return node->operator_ == ETW_WHERE_EQUAL || node->operator_ >= ETW_WHERE_CONTAINS;
}

static etw_status take_test(parser *p, uint32_t *index)
{
    skip_spaces(p);
    const char *start = p->at;
    etw_where_node node = {.kind = ETW_WHERE_TEST};
    bool is_turned = false;
    const bool is_has = take_word(p, "has");
    etw_status status = take_field(p, &node);
    if (!etw_failed(status) && !is_has) {
        status = take_mask(p, &node);
    }
    if (!etw_failed(status) && is_has) {
        node.operator_ = ETW_WHERE_IS_THERE;
    } else if (!etw_failed(status)) {
        const char *before = p->at;
        is_turned = take_word(p, "not");
        status = take_operator(p, &node);
        if (!etw_failed(status) && is_turned && node.operator_ == ETW_WHERE_IS_SET) {
            return fail_at(p, before, "expected in, contains, ... behind not");
        }
    }
    if (!etw_failed(status) && node.field == ETW_WHERE_ANYTHING && !takes_texts(&node)) {
        status = fail_at(p, start,
                         "* stands for texts: ==, in, contains, startswith, endswith, "
                         "like or ~ must follow");
    }
    if (!etw_failed(status) && node.field == ETW_WHERE_ANYTHING) {
        etw_where_prepare_any(&node);
    }
    if (!etw_failed(status)) {
        status = give_places(p, &node);
    }
    const uint32_t made = p->where->node_count;
    if (!etw_failed(status)) {
        status = add_node(p, &node, index);
    }
    if (etw_failed(status)) {
        etw_where_regex_free(node.regex);
        return status;
    }
    return is_turned ? join(p, ETW_WHERE_NOT, made, 0, index) : ETW_OK;
}

static etw_status take_any(parser *p, uint32_t *index);

static etw_status take_one(parser *p, uint32_t *index)
{
    const char *start = p->at;
    etw_status status;
    if (++p->depth > ETW_WHERE_MAX_DEPTH) {
        return fail_at(p, start, "more than %u parentheses and nots within each other",
                       ETW_WHERE_MAX_DEPTH);
    }
    skip_spaces(p);
    if (take_word(p, "not") || (p->at[0] == '!' && p->at[1] != '=' && take_word(p, "!"))) {
        uint32_t inner = 0;
        status = take_one(p, &inner);
        status = etw_failed(status) ? status : join(p, ETW_WHERE_NOT, inner, 0, index);
    } else if (take_word(p, "(")) {
        start = p->at;
        status = take_any(p, index);
        if (!etw_failed(status) && !take_word(p, ")")) {
            status = *p->at == '\0'
                         ? fail_at(p, start - 1, "the parenthesis that begins here does not end")
                         : fail_no_operator(p);
        }
    } else {
        status = take_test(p, index);
    }
    p->depth--;
    return status;
}

static etw_status take_all(parser *p, uint32_t *index)
{
    etw_status status = take_one(p, index);
    while (!etw_failed(status) && (take_word(p, "and") || take_word(p, "&&"))) {
        const uint32_t left = *index;
        uint32_t right = 0;
        status = take_one(p, &right);
        status = etw_failed(status) ? status : join(p, ETW_WHERE_AND, left, right, index);
    }
    return status;
}

static etw_status take_any(parser *p, uint32_t *index)
{
    etw_status status = take_all(p, index);
    while (!etw_failed(status) && (take_word(p, "or") || take_word(p, "||"))) {
        const uint32_t left = *index;
        uint32_t right = 0;
        status = take_all(p, &right);
        status = etw_failed(status) ? status : join(p, ETW_WHERE_OR, left, right, index);
    }
    return status;
}

static etw_status parse(etw_where *where, const char *text, etw_error *error)
{
    parser p = {.where = where, .text = text, .at = text, .error = error};
    if (strlen(text) > ETW_WHERE_MAX_TEXT) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "a filter of more than %zu bytes",
                             ETW_WHERE_MAX_TEXT);
    }
    const etw_status status = take_any(&p, &where->root);
    if (etw_failed(status)) {
        return status;
    }
    skip_spaces(&p);
    if (*p.at == ')') {
        return fail_at(&p, p.at, "a parenthesis ends here that did not begin");
    }
    return *p.at == '\0' ? ETW_OK : fail_no_operator(&p);
}

etw_status etw_where_compile(const char *text, etw_where **where, etw_error *error)
{
    etw_where *made = calloc(1, sizeof *made);
    *where = NULL;
    if (made == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a filter");
    }
    etw_status status = parse(made, text, error);
    if (!etw_failed(status)) {
        made->text = etw_arena_copy(&made->arena, text, strlen(text));
        status = made->text != NULL
                     ? ETW_OK
                     : etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a filter");
    }
    if (etw_failed(status)) {
        etw_where_free(made);
        return status;
    }
    *where = made;
    return ETW_OK;
}

const char *etw_where_text(const etw_where *where)
{
    return where->text;
}

etw_status etw_where_copy(const etw_where *where, etw_where **copy, etw_error *error)
{
    return etw_where_compile(where->text, copy, error);
}

void etw_where_free(etw_where *where)
{
    if (where == NULL) {
        return;
    }
    for (uint32_t i = 0; i < where->node_count; i++) {
        etw_where_regex_free(where->nodes[i].regex);
    }
    free(where->nodes);
    etw_arena_free(&where->arena);
    etw_text_free(&where->scratch);
    etw_text_free(&where->view);
    free(where);
}
