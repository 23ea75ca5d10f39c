/* From text to tree: one character of look-ahead, one function for each rule.
 *
 *     any  := all { or all }            all := one { and one }
 *     one  := not one | ( any ) | has NAME | NAME [& VALUE] [operator value]
 */
#include "format/base/options.h"
#include "format/query/where_tree.h"
#include "format/query/where_words.h"

#include <stdlib.h>

typedef struct parser {
    etw_where *where;
    etw_where_words words;
    uint32_t depth;
    uint32_t literals;
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

/* Nodes. */

static etw_status add_node(parser *p, const etw_where_node *node, uint32_t *index)
{
    etw_where *where = p->where;
    if (where->node_count == where->node_capacity) {
        const uint32_t capacity = where->node_capacity == 0 ? 16 : 2 * where->node_capacity;
        if (capacity > ETW_WHERE_MAX_NODES) {
            return etw_where_fail_at(&p->words, p->words.at, "the filter has more than %u parts",
                                     ETW_WHERE_MAX_NODES);
        }
        etw_where_node *longer = realloc(where->nodes, capacity * sizeof *longer);
        if (longer == NULL) {
            return etw_where_no_memory(&p->words);
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
        return etw_where_fail_at(&p->words, p->words.at, "a property's name has more than %u parts",
                                 ETW_WHERE_MAX_PATH);
    }
    char *name = etw_arena_copy(&p->where->arena, start, size);
    if (name == NULL) {
        return etw_where_no_memory(&p->words);
    }
    etw_where_part *part = &node->parts[node->part_count++];
    *part = (etw_where_part){.name = name, .nth = 1};
    char *bracket = is_quoted ? NULL : strchr(name, '[');
    if (bracket != NULL) {
        char *end;
        part->has_element = true;
        part->element = (uint32_t)strtoul(bracket + 1, &end, 10);
        if (end == bracket + 1 || strcmp(end, "]") != 0) {
            return etw_where_fail_at(&p->words, p->words.at,
                                     "expected a number in brackets, such as Tags[2]");
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
            return etw_where_fail_at(&p->words, p->words.at,
                                     "'%s' is no name: a part of it is empty; quote it", name);
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
    etw_where_skip_spaces(&p->words);
    const char *start = p->words.at;
    if (*start == '"' || *start == '\'') {
        size_t size;
        const etw_status status = etw_where_take_quoted(&p->words, &node->name, &size);
        return etw_failed(status) ? status : add_part(p, node, node->name, size, true);
    }
    p->words.at += *start == '*' ? 1 : 0;
    while (*start != '*' && etw_where_is_name_character(*p->words.at)) {
        p->words.at++;
    }
    char *name = etw_arena_copy(&p->where->arena, start, (size_t)(p->words.at - start));
    if (name == NULL) {
        return etw_where_no_memory(&p->words);
    }
    if (name[0] == '\0' || is_reserved(name)) {
        return etw_where_fail_at(&p->words, start, "expected the name of a field");
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
    return *at == '\0' || etw_where_is_space(*at) || strchr("(),&|=<>!'\"", *at) != NULL ||
           (in_list && at[0] == '.' && at[1] == '.');
}

static etw_status take_literal(parser *p, etw_where_literal *literal, bool in_list)
{
    bool is_quoted = false;
    etw_where_skip_spaces(&p->words);
    const char *start = p->words.at;
    if (*start == '"' || *start == '\'') {
        is_quoted = true;
        const etw_status status =
            etw_where_take_quoted(&p->words, &literal->text, &literal->text_size);
        if (etw_failed(status)) {
            return status;
        }
    } else {
        while (!ends_bare(p->words.at, in_list)) {
            p->words.at++;
        }
        literal->text_size = (size_t)(p->words.at - start);
        literal->text = etw_arena_copy(&p->where->arena, start, literal->text_size);
        if (literal->text == NULL) {
            return etw_where_no_memory(&p->words);
        }
        if (literal->text_size == 0) {
            return etw_where_fail_at(&p->words, start, "expected a value");
        }
    }
    if (++p->literals > ETW_WHERE_MAX_LITERALS) {
        return etw_where_fail_at(&p->words, start, "the filter has more than %u values",
                                 ETW_WHERE_MAX_LITERALS);
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
            return etw_where_no_memory(&p->words);
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
    if (!etw_failed(status) && etw_where_take_word(&p->words, "..")) {
        list->rows[list->count - 1].is_range = true;
        status = add_literal(p, list);
    }
    return status;
}

static etw_status take_list(parser *p, etw_where_node *node)
{
    literal_list list = {0};
    const bool has_parentheses = etw_where_take_word(&p->words, "(");
    etw_status status = take_item(p, &list);
    while (!etw_failed(status) && has_parentheses && etw_where_take_word(&p->words, ",")) {
        status = take_item(p, &list);
    }
    if (!etw_failed(status) && has_parentheses && !etw_where_take_word(&p->words, ")")) {
        return etw_where_fail_at(&p->words, p->words.at, "expected , or ) in the list");
    }
    node->literals = list.rows;
    node->literal_count = list.count;
    return status;
}

static etw_status take_one_value(parser *p, etw_where_node *node)
{
    etw_where_literal *literal = etw_arena_alloc(&p->where->arena, sizeof *literal);
    if (literal == NULL) {
        return etw_where_no_memory(&p->words);
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
    while (size < sizeof word - 1 && etw_where_is_name_character(p->words.at[size])) {
        word[size] = p->words.at[size];
        size++;
    }
    word[size] = '\0';
    const char *nearest = etw_nearest_name(word, ETW_COUNT_OF(operators), operator_at, NULL);
    if (nearest != NULL) {
        return etw_where_fail_at(&p->words, p->words.at,
                                 "there is no operator '%s'; did you mean '%s'?", word, nearest);
    }
    return etw_where_fail_at(&p->words, p->words.at, "expected an operator, and, or, or the end");
}

static etw_status compile_regex(parser *p, etw_where_node *node, const char *place)
{
    size_t offset;
    etw_error error = {0};
    const etw_where_slice pattern = {node->literals[0].text, node->literals[0].text_size};
    const etw_status status = etw_where_regex_compile(pattern, &node->regex, &offset, &error);
    if (status == ETW_ERROR_INVALID_ARGUMENT) {
        return etw_where_fail_at(&p->words, place, "a regular expression, at its character %zu: %s",
                                 offset + 1, error.message);
    }
    return etw_failed(status) ? etw_error_set(p->words.error, status, "%s", error.message) : ETW_OK;
}

static etw_status take_operator(parser *p, etw_where_node *node)
{
    for (size_t i = 0; i < ETW_COUNT_OF(operators); i++) {
        if (!etw_where_take_word(&p->words, operators[i].word)) {
            continue;
        }
        node->operator_ = operators[i].operator_;
        if (strcmp(operators[i].word, "in") == 0) {
            return take_list(p, node);
        }
        etw_where_skip_spaces(&p->words);
        const char *place = p->words.at;
        p->words.is_pattern = node->operator_ == ETW_WHERE_MATCHES;
        const etw_status status = take_one_value(p, node);
        p->words.is_pattern = false;
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
    etw_where_skip_spaces(&p->words);
    if (p->words.at[0] != '&' || p->words.at[1] == '&') {
        return ETW_OK;
    }
    p->words.at++;
    etw_where_skip_spaces(&p->words);
    const char *place = p->words.at;
    const etw_status status = take_literal(p, &literal, false);
    if (etw_failed(status)) {
        return status;
    }
    if (!literal.has_number || literal.is_negative) {
        return etw_where_fail_at(&p->words, place, "expected a number behind &");
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
        return node->places == NULL ? etw_where_no_memory(&p->words) : ETW_OK;
    }
    return ETW_OK;
}

static bool takes_texts(const etw_where_node *node)
{
    return node->operator_ == ETW_WHERE_EQUAL || node->operator_ >= ETW_WHERE_CONTAINS;
}

static etw_status take_test(parser *p, uint32_t *index)
{
    etw_where_skip_spaces(&p->words);
    const char *start = p->words.at;
    etw_where_node node = {.kind = ETW_WHERE_TEST};
    bool is_turned = false;
    const bool is_has = etw_where_take_word(&p->words, "has");
    etw_status status = take_field(p, &node);
    if (!etw_failed(status) && !is_has) {
        status = take_mask(p, &node);
    }
    if (!etw_failed(status) && is_has) {
        node.operator_ = ETW_WHERE_IS_THERE;
    } else if (!etw_failed(status)) {
        const char *before = p->words.at;
        is_turned = etw_where_take_word(&p->words, "not");
        status = take_operator(p, &node);
        if (!etw_failed(status) && is_turned && node.operator_ == ETW_WHERE_IS_SET) {
            return etw_where_fail_at(&p->words, before, "expected in, contains, ... behind not");
        }
    }
    if (!etw_failed(status) && node.field == ETW_WHERE_ANYTHING && !takes_texts(&node)) {
        status = etw_where_fail_at(&p->words, start,
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
    const char *start = p->words.at;
    etw_status status;
    if (++p->depth > ETW_WHERE_MAX_DEPTH) {
        return etw_where_fail_at(&p->words, start,
                                 "more than %u parentheses and nots within each other",
                                 ETW_WHERE_MAX_DEPTH);
    }
    etw_where_skip_spaces(&p->words);
    if (etw_where_take_word(&p->words, "not") ||
        (p->words.at[0] == '!' && p->words.at[1] != '=' && etw_where_take_word(&p->words, "!"))) {
        uint32_t inner = 0;
        status = take_one(p, &inner);
        status = etw_failed(status) ? status : join(p, ETW_WHERE_NOT, inner, 0, index);
    } else if (etw_where_take_word(&p->words, "(")) {
        start = p->words.at;
        status = take_any(p, index);
        if (!etw_failed(status) && !etw_where_take_word(&p->words, ")")) {
            status = *p->words.at == '\0'
                         ? etw_where_fail_at(&p->words, start - 1,
                                             "the parenthesis that begins here does not end")
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
    while (!etw_failed(status) &&
           (etw_where_take_word(&p->words, "and") || etw_where_take_word(&p->words, "&&"))) {
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
    while (!etw_failed(status) &&
           (etw_where_take_word(&p->words, "or") || etw_where_take_word(&p->words, "||"))) {
        const uint32_t left = *index;
        uint32_t right = 0;
        status = take_all(p, &right);
        status = etw_failed(status) ? status : join(p, ETW_WHERE_OR, left, right, index);
    }
    return status;
}

static etw_status parse(etw_where *where, const char *text, etw_error *error)
{
    parser p = {.where = where,
                .words = {.text = text, .at = text, .arena = &where->arena, .error = error}};
    if (strlen(text) > ETW_WHERE_MAX_TEXT) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "a filter of more than %zu bytes",
                             ETW_WHERE_MAX_TEXT);
    }
    const etw_status status = take_any(&p, &where->root);
    if (etw_failed(status)) {
        return status;
    }
    etw_where_skip_spaces(&p.words);
    if (*p.words.at == ')') {
        return etw_where_fail_at(&p.words, p.words.at,
                                 "a parenthesis ends here that did not begin");
    }
    return *p.words.at == '\0' ? ETW_OK : fail_no_operator(&p);
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
