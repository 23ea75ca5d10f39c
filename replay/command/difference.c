#include "replay/command/difference.h"

#include "format/output/json_writer.h"

typedef enum colour { PLAIN, HEAD, REMOVED, ADDED } colour;

typedef struct printing {
    etw_text *text;
    const etw_difference *difference;
    bool colours;
    bool is_json;
    uint32_t fields; /* that differ */
} printing;

static void set_colour(const printing *p, colour which)
{
    static const char *const codes[] = {"\x1b[0m", "\x1b[36m", "\x1b[31m", "\x1b[32m"};
    etw_text_append_z(p->text, p->colours ? codes[which] : "");
}

/* Values. */

/* Where two values begin to differ. */
static uint32_t common_size(const etw_entry *left, const etw_entry_field *l, const etw_entry *right,
                            const etw_entry_field *r)
{
    uint32_t size = 0;
    while (l != NULL && r != NULL && size < l->value_size && size < r->value_size &&
           etw_entry_text(left, l->value)[size] == etw_entry_text(right, r->value)[size]) {
        size++;
    }
    return size;
}

static bool is_continuation(char c)
{
    return ((uint8_t)c & 0xC0) == 0x80;
}

/* Long values from shortly before where they differ; never a part of a character. */
static void append_value(etw_text *text, const etw_entry *entry, const etw_entry_field *f,
                         uint32_t common)
{
    const char *value = etw_entry_text(entry, f->value);
    uint32_t from = f->value_size > ETW_DIFFERENCE_MAX_VALUE && common > 32 ? common - 32 : 0;
    uint32_t to = f->value_size;
    while (from > 0 && from < to && is_continuation(value[from])) {
        from--;
    }
    if (to - from > ETW_DIFFERENCE_MAX_VALUE) {
        to = from + ETW_DIFFERENCE_MAX_VALUE;
        while (to > from && is_continuation(value[to])) {
            to--;
        }
    }
    etw_text_append_z(text, f->is_quoted ? "\"" : "");
    etw_text_append_z(text, from > 0 ? "..." : "");
    etw_text_append_utf8(text, (const uint8_t *)value + from, to - from, ETW_ESCAPE_LINE);
    etw_text_append_z(text, to < f->value_size ? "..." : "");
    etw_text_append_z(text, f->is_quoted ? "\"" : "");
    if (f->value_size == 0 && !f->is_quoted) {
        etw_text_append_z(text, "empty");
    }
}

static void append_name(etw_text *text, const etw_entry *entry, const etw_entry_field *f)
{
    const char *name = etw_field_shown_name(etw_entry_text(entry, f->name));
    etw_text_append_utf8(text, (const uint8_t *)name, strlen(name), ETW_ESCAPE_LINE);
}

static void append_whole_value(etw_text *text, const char *name, const etw_entry *entry,
                               const etw_entry_field *f)
{
    etw_json_begin(text, name);
    etw_text_append_z(text, f->is_quoted ? "\"" : "");
    if (f->value_size == 0 && !f->is_quoted) {
        etw_text_append_z(text, "[]");
    }
    etw_text_append(text, etw_entry_text(entry, f->value), f->value_size);
    etw_text_append_z(text, f->is_quoted ? "\"" : "");
}

static void json_field(const printing *p, const etw_entry_field *l, const etw_entry_field *r)
{
    const etw_entry *of = l != NULL ? p->difference->left : p->difference->right;
    const char *name = etw_field_shown_name(etw_entry_text(of, (l != NULL ? l : r)->name));
    etw_json_open(p->text, NULL, '{');
    etw_json_utf8(p->text, "Name", name, strlen(name));
    if (l != NULL) {
        append_whole_value(p->text, "Left", p->difference->left, l);
    }
    if (r != NULL) {
        append_whole_value(p->text, "Right", p->difference->right, r);
    }
    etw_json_close(p->text, '}');
}

static void text_side(const printing *p, const etw_entry *entry, const etw_entry_field *f,
                      uint32_t common)
{
    if (f == NULL) {
        etw_text_append_z(p->text, "absent");
        return;
    }
    append_value(p->text, entry, f, common);
}

static void text_field(const printing *p, const etw_entry_field *l, const etw_entry_field *r)
{
    const etw_difference *d = p->difference;
    const uint32_t common = common_size(d->left, l, d->right, r);
    etw_text_append_z(p->text, "    ");
    append_name(p->text, l != NULL ? d->left : d->right, l != NULL ? l : r);
    etw_text_append_z(p->text, ": ");
    set_colour(p, REMOVED);
    text_side(p, d->left, l, common);
    set_colour(p, PLAIN);
    etw_text_append_z(p->text, " -> ");
    set_colour(p, ADDED);
    text_side(p, d->right, r, common);
    set_colour(p, PLAIN);
    etw_text_append_char(p->text, '\n');
}

static void on_field(void *context, const etw_entry_field *l, const etw_entry_field *r)
{
    printing *p = context;
    p->fields++;
    if (p->is_json) {
        json_field(p, l, r);
    } else if (p->fields <= ETW_DIFFERENCE_MAX_FIELDS) {
        text_field(p, l, r);
    }
}

/* Bytes that no field tells. */

static const char *const part_names[ETW_ENTRY_PARTS] = {"header", "buffer context", "user data",
                                                        "extended items"};

static bool differs_in(const etw_difference *d, size_t part)
{
    return d->left->parts[part] != d->right->parts[part];
}

static void text_parts(const printing *p)
{
    for (size_t i = 0; i < ETW_ENTRY_PARTS; i++) {
        if (differs_in(p->difference, i)) {
            etw_text_printf(p->text, "    %s: bytes differ that no field shows\n", part_names[i]);
        }
    }
}

static void json_parts(const printing *p)
{
    etw_json_open(p->text, "Bytes", '[');
    for (size_t i = 0; i < ETW_ENTRY_PARTS; i++) {
        if (differs_in(p->difference, i)) {
            etw_json_string(p->text, NULL, part_names[i]);
        }
    }
    etw_json_close(p->text, ']');
}

/* Events. */

static const char *const titles[] = {"TimeStamp", "ProviderName", "EventName", "Id", "Version"};

static void text_title(const printing *p, const etw_entry *entry)
{
    static const char *const before[] = {" ", " ", "/", " id ", " version "};
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        const etw_entry_field *f = etw_entry_find(entry, titles[i]);
        if (f == NULL && i == 1) {
            f = etw_entry_find(entry, "ProviderId");
        }
        if (f != NULL) {
            etw_text_append_z(p->text, before[i]);
            etw_text_append_utf8(p->text, (const uint8_t *)etw_entry_text(entry, f->value),
                                 f->value_size, ETW_ESCAPE_LINE);
        }
    }
}

/* Names of a header are the same for all events of a kind: its title says enough. */
static bool is_of_title(const char *name)
{
    static const char *const known[] = {
        "TimeStamp", "ProviderName",  "ProviderId", "EventName", "Id",           "Version",
        "Channel",   "Level",         "Opcode",     "Task",      "Keyword",      "ThreadId",
        "Flags",     "EventProperty", "KernelTime", "UserTime",  "ProcessorTime"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* An event that only one side has. */
static void text_whole(printing *p, const etw_entry *entry)
{
    const bool is_left = entry == p->difference->left;
    for (uint32_t i = 0; i < entry->count; i++) {
        const etw_entry_field *f = &entry->fields[i];
        if (is_of_title(etw_entry_text(entry, f->name)) ||
            ++p->fields > ETW_DIFFERENCE_MAX_FIELDS) {
            continue;
        }
        set_colour(p, is_left ? REMOVED : ADDED);
        etw_text_append_z(p->text, is_left ? "-   " : "+   ");
        append_name(p->text, entry, f);
        etw_text_append_z(p->text, ": ");
        append_value(p->text, entry, f, 0);
        set_colour(p, PLAIN);
        etw_text_append_char(p->text, '\n');
    }
}

static void text_head(const printing *p)
{
    const etw_difference *d = p->difference;
    set_colour(p, HEAD);
    etw_text_append_z(p->text, "@@ ");
    if (d->left != NULL) {
        etw_text_printf(p->text, "-%llu ", (unsigned long long)d->left->number);
    }
    if (d->right != NULL) {
        etw_text_printf(p->text, "+%llu ", (unsigned long long)d->right->number);
    }
    etw_text_printf(p->text, "@@ %s:", etw_difference_name(d->kind));
    set_colour(p, PLAIN);
    text_title(p, d->left != NULL ? d->left : d->right);
    etw_text_append_char(p->text, '\n');
}

etw_status etw_difference_append_text(const etw_difference *difference, bool colours,
                                      etw_text *text)
{
    const etw_entry *left = difference->left;
    const etw_entry *right = difference->right;
    printing p = {.text = text, .difference = difference, .colours = colours};
    etw_status status = ETW_OK;
    text_head(&p);
    if (left == NULL || right == NULL) {
        text_whole(&p, left == NULL ? right : left);
    } else {
        status = etw_entry_compare(left, right, on_field, &p);
    }
    if (p.fields > ETW_DIFFERENCE_MAX_FIELDS) {
        etw_text_printf(text, "    and %u more\n", p.fields - ETW_DIFFERENCE_MAX_FIELDS);
    }
    if (p.fields == 0 && left != NULL && right != NULL) {
        text_parts(&p);
    }
    return text->failed ? ETW_ERROR_NO_MEMORY : status;
}

static void json_one(void *context, const etw_entry *entry)
{
    const printing *p = context;
    for (uint32_t i = 0; i < entry->count; i++) {
        const etw_entry_field *f = &entry->fields[i];
        const bool is_left = entry == p->difference->left;
        json_field(p, is_left ? f : NULL, is_left ? NULL : f);
    }
}

etw_status etw_difference_append_json(const etw_difference *difference, etw_text *text)
{
    const etw_entry *left = difference->left;
    const etw_entry *right = difference->right;
    const etw_entry *one = left != NULL ? left : right;
    printing p = {.text = text, .difference = difference, .is_json = true};
    etw_status status = ETW_OK;
    etw_json_open(text, NULL, '{');
    etw_json_string(text, "Change", etw_difference_name(difference->kind));
    if (left != NULL) {
        etw_json_u64(text, "Left", left->number);
    }
    if (right != NULL) {
        etw_json_u64(text, "Right", right->number);
    }
    for (size_t i = 1; i < sizeof titles / sizeof titles[0]; i++) {
        const etw_entry_field *f = etw_entry_find(one, titles[i]);
        if (f != NULL) {
            append_whole_value(text, titles[i], one, f);
        }
    }
    etw_json_open(text, "Fields", '[');
    if (left == NULL || right == NULL) {
        json_one(&p, one);
    } else {
        status = etw_entry_compare(left, right, on_field, &p);
    }
    etw_json_close(text, ']');
    if (left != NULL && right != NULL && p.fields == 0) {
        json_parts(&p);
    }
    etw_text_append_z(text, "}\n");
    return text->failed ? ETW_ERROR_NO_MEMORY : status;
}

/* Summaries. */

static uint64_t compared(const etw_comparison_result *result)
{
    return result->same + etw_comparison_differences(result);
}

void etw_comparison_append_summary(const etw_comparison_result *result, etw_text *text)
{
    const uint64_t different = etw_comparison_differences(result);
    etw_text_printf(text, "%llu events compared, %llu differ", (unsigned long long)compared(result),
                    (unsigned long long)different);
    for (size_t i = 0; different > 0 && i < ETW_DIFFERENCE_KINDS; i++) {
        if (result->differences[i] > 0) {
            etw_text_printf(text, ", %llu %s", (unsigned long long)result->differences[i],
                            etw_difference_name((etw_difference_kind)i));
        }
    }
}

void etw_comparison_append_summary_json(const etw_comparison_result *result, etw_text *text)
{
    static const char *const names[ETW_DIFFERENCE_KINDS] = {"Changed", "Moved", "Removed", "Added"};
    etw_json_open(text, NULL, '{');
    etw_json_open(text, "Summary", '{');
    etw_json_u64(text, "LeftEvents", result->events[0]);
    etw_json_u64(text, "RightEvents", result->events[1]);
    etw_json_u64(text, "Same", result->same);
    for (size_t i = 0; i < ETW_DIFFERENCE_KINDS; i++) {
        etw_json_u64(text, names[i], result->differences[i]);
    }
    etw_json_close(text, '}');
    etw_text_append_z(text, "}\n");
}
