/* A WPP message's text, as tracefmt writes it: its format string with the arguments filled in. */
#include "format/event/calendar.h"
#include "format/event/render/error_name.h"
#include "format/event/render/plan_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Widths and precisions come from files. */
#define MAX_WIDTH 1024u

/* What stands between "%10!" and "!". */
typedef struct spec {
    char flags[8]; /* of printf: '-', '+', '#', '0', ' ' */
    unsigned width;
    int precision; /* -1: none */
    char conversion;
} spec;

typedef struct filler {
    const etw_plan *plan;
    const etw_event_record *record;
    etw_value *values; /* of the top-level properties; bytes.data NULL: not in the payload */
    etw_text scratch;
    etw_text *text;
    etw_escape escape;
} filler;

static etw_status on_value(void *context, const etw_value *value)
{
    filler *f = context;
    const uint32_t index = (uint32_t)(value->property - f->plan->properties);
    if (index < f->plan->top_count && f->values[index].property == NULL) {
        f->values[index] = *value;
    }
    return ETW_OK;
}

static bool is_integer(const etw_value *value)
{
    const uint16_t in_type = value->property->in_type;
    const size_t size = value->bytes.size;
    return ((in_type >= ETW_IN_INT8 && in_type <= ETW_IN_UINT64) || in_type == ETW_IN_POINTER ||
            in_type == ETW_IN_SIZET || in_type == ETW_IN_HEXINT32 || in_type == ETW_IN_HEXINT64 ||
            in_type == ETW_IN_BOOLEAN) &&
           (size == 1 || size == 2 || size == 4 || size == 8);
}

static bool is_real(const etw_value *value)
{
    return (value->property->in_type == ETW_IN_FLOAT && value->bytes.size == 4) ||
           (value->property->in_type == ETW_IN_DOUBLE && value->bytes.size == 8);
}

static double real_of(const etw_value *value)
{
    float narrow;
    double wide;
    if (value->bytes.size == sizeof narrow) {
        memcpy(&narrow, value->bytes.data, sizeof narrow);
        return (double)narrow;
    }
    memcpy(&wide, value->bytes.data, sizeof wide);
    return wide;
}

/* "0x00000002(DPC)" */
static void append_coded(etw_text *to, const char *form, uint32_t code, const char *name)
{
    etw_text_printf(to, form, code);
    if (name != NULL) {
        etw_text_append_char(to, '(');
        etw_text_append_z(to, name);
        etw_text_append_char(to, ')');
    }
}

static const char *mapped_name(const etw_property *property, uint32_t value)
{
    const etw_name *name = property->map == NULL ? NULL : etw_plan_map_name(property->map, value);
    return name == NULL ? NULL : name->utf8;
}

/* The names of all bits that are set, and what is left of the value. */
static uint32_t append_bits(etw_text *to, const etw_plan_map *map, uint32_t value,
                            const char *between)
{
    const size_t start = to->size;
    uint32_t left = value;
    for (uint32_t i = 0; map != NULL && i < map->count; i++) {
        const etw_plan_map_entry *entry = &map->entries[i];
        if (entry->value != 0 && (value & entry->value) == entry->value) {
            etw_text_append_z(to, to->size == start ? "" : between);
            etw_text_append_z(to, entry->text.utf8);
            left &= ~entry->value;
        }
    }
    return left;
}

/* "[1,3]": bits without a name stay, in hex. */
static void append_set(etw_text *to, const etw_property *property, uint32_t value)
{
    etw_text_append_char(to, '[');
    const size_t start = to->size;
    const uint32_t left = append_bits(to, property->map, value, ",");
    if (left != 0) {
        etw_text_printf(to, "%s0x%" PRIx32, to->size == start ? "" : ",", left);
    }
    etw_text_append_char(to, ']');
}

/* "FlagRead | FlagExec(0x5)" */
static void append_flags(etw_text *to, const etw_property *property, uint32_t value)
{
    const size_t start = to->size;
    (void)append_bits(to, property->map, value, " | ");
    etw_text_printf(to, to->size == start ? "0x%" PRIx32 : "(0x%" PRIx32 ")", value);
}

static void append_enum(etw_text *to, const etw_property *property, uint32_t value)
{
    const char *name = mapped_name(property, value);
    if (name != NULL) {
        etw_text_append_z(to, name);
    } else {
        etw_text_printf(to, "0x%" PRIx32, value);
    }
}

#define UNITS_PER_SECOND 10000000

/* "102ms", and from a second on "5.000s": both as tracefmt shows them. */
static void append_time_delta(etw_text *to, int64_t units)
{
    const uint64_t size = units < 0 ? 0 - (uint64_t)units : (uint64_t)units;
    const char *sign = units < 0 ? "-" : "";
    if (size < UNITS_PER_SECOND) {
        etw_text_printf(to, "%s%" PRIu64 "ms", sign, size / 10000);
    } else {
        etw_text_printf(to, "%s%" PRIu64 ".%03" PRIu64 "s", sign, size / UNITS_PER_SECOND,
                        size % UNITS_PER_SECOND / 10000);
    }
}

/* "1~02:03:04": days, hours, minutes, seconds. */
static void append_wait_time(etw_text *to, int64_t units)
{
    const uint64_t seconds = (units < 0 ? 0 - (uint64_t)units : (uint64_t)units) / UNITS_PER_SECOND;
    etw_text_printf(to, "%s%" PRIu64 "~%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64,
                    units < 0 ? "-" : "", seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60,
                    seconds % 60);
}

/* Milliseconds are what tracefmt shows too; the property has all digits. */
static void append_time(etw_text *to, uint64_t time_100ns, const char *form)
{
    const uint64_t day = UINT64_C(864000000000);
    const etw_date date = etw_date_of_days((int64_t)(time_100ns / day));
    const uint64_t milliseconds = time_100ns % day / 10000;
    const unsigned parts[] = {(unsigned)date.year, date.month, date.day};
    if (form[0] == 'y') {
        etw_text_printf(to, "%04u-%02u-%02u ", parts[0], parts[1], parts[2]);
    } else {
        etw_text_printf(to, "%02u/%02u/%04u-", parts[1], parts[2], parts[0]);
    }
    etw_text_printf(to, "%02u:%02u:%02u.%03u%s", (unsigned)(milliseconds / 3600000),
                    (unsigned)(milliseconds / 60000 % 60), (unsigned)(milliseconds / 1000 % 60),
                    (unsigned)(milliseconds % 1000), form[0] == 'y' ? "Z" : "");
}

static void append_guid(etw_text *to, etw_bytes bytes)
{
    const etw_guid guid = etw_load_guid(bytes.data);
    const size_t start = to->size;
    etw_text_append_guid(to, &guid);
    if (!to->failed) { /* without its braces */
        memmove(to->data + start, to->data + start + 1, to->size - start - 2);
        to->size -= 2;
    }
}

static void append_pointer(etw_text *to, const etw_value *value)
{
    etw_text_printf(to, "%0*" PRIX64, (int)(2 * value->bytes.size),
                    etw_value_unsigned(value->bytes));
}

static bool append_kind(etw_text *to, const etw_value *value)
{
    const etw_property *property = value->property;
    const uint64_t number = etw_value_unsigned(value->bytes);
    switch ((etw_wpp_kind)property->wpp_kind) {
    case ETW_WPP_LIST:
        append_coded(to, "0x%08x", (uint32_t)number, mapped_name(property, (uint32_t)number));
        return true;
    case ETW_WPP_SET:
        append_set(to, property, (uint32_t)number);
        return true;
    case ETW_WPP_ENUM:
        append_enum(to, property, (uint32_t)number);
        return true;
    case ETW_WPP_FLAGS:
        append_flags(to, property, (uint32_t)number);
        return true;
    case ETW_WPP_TIME_DELTA:
        append_time_delta(to, etw_value_signed(value->bytes));
        return true;
    case ETW_WPP_WAIT_TIME:
        append_wait_time(to, etw_value_signed(value->bytes));
        return true;
    case ETW_WPP_PLAIN:
        break;
    }
    return false;
}

/* Whether the value is a number that !s! shows with a name. */
static bool append_error(etw_text *to, const etw_value *value)
{
    const uint32_t code = (uint32_t)etw_value_unsigned(value->bytes);
    switch ((etw_show)value->property->show) {
    case ETW_SHOW_NTSTATUS:
        append_coded(to, "0x%08x", code, etw_ntstatus_name(code));
        return true;
    case ETW_SHOW_HRESULT:
        append_coded(to, "0x%08x", code, etw_hresult_name(code));
        return true;
    case ETW_SHOW_WIN32_ERROR:
        append_coded(to, "%u", code, etw_win32_error_name(code));
        return true;
    default:
        return false;
    }
}

/* What !s! shows. */
static void append_text(etw_text *to, const etw_value *value)
{
    const uint16_t in_type = value->property->in_type;
    if (is_integer(value) && (append_kind(to, value) || append_error(to, value))) {
        return;
    }
    if (in_type == ETW_IN_POINTER && is_integer(value)) {
        append_pointer(to, value);
    } else if (is_real(value)) {
        etw_text_printf(to, "%g", real_of(value));
    } else if (in_type == ETW_IN_GUID && value->bytes.size == 16) {
        append_guid(to, value->bytes);
    } else if (in_type == ETW_IN_FILETIME && value->bytes.size == 8 &&
               etw_load_i64(value->bytes.data) >= 0) {
        append_time(to, etw_load_u64(value->bytes.data), "y");
    } else {
        const size_t start = to->size;
        (void)etw_value_append_text(value, 0, ETW_ESCAPE_NONE, to);
        if (in_type == ETW_IN_MANIFEST_COUNTEDBINARY && !to->failed && to->size >= start + 2) {
            memmove(to->data + start, to->data + start + 2, to->size - start - 2);
            to->size -= 2; /* "0x" */
        }
    }
}

/* Of at most precision characters, in a field of width. */
static void append_in_field(filler *f, const spec *how)
{
    const uint8_t *at = (const uint8_t *)f->scratch.data;
    size_t size = 0;
    unsigned characters = 0;
    while (size < f->scratch.size &&
           (how->precision < 0 || characters < (unsigned)how->precision)) {
        uint32_t code_point;
        const size_t length = etw_utf8_decode(at + size, f->scratch.size - size, &code_point);
        size += length == 0 ? 1 : length;
        characters++;
    }
    const bool left = strchr(how->flags, '-') != NULL;
    const unsigned blanks = how->width > characters ? how->width - characters : 0;
    for (unsigned i = 0; i < blanks && !left; i++) {
        etw_text_append_char(f->text, ' ');
    }
    etw_text_append_utf8(f->text, at, size, f->escape);
    for (unsigned i = 0; i < blanks && left; i++) {
        etw_text_append_char(f->text, ' ');
    }
}

/* number: as wide as the conversion wants it, sign-extended for "d" and "i". */
static void append_number(filler *f, uint64_t number, const spec *how)
{
    char form[24];
    const char conversion = strchr("diuxXo", how->conversion) == NULL ? 'u' : how->conversion;
    (void)snprintf(form, sizeof form, "%%%s*.*ll%c", how->flags, conversion);
    etw_text_printf(f->text, form, (int)how->width, how->precision, (unsigned long long)number);
}

static void append_real(filler *f, const etw_value *value, const spec *how)
{
    char form[24];
    (void)snprintf(form, sizeof form, "%%%s*.*%c", how->flags, how->conversion);
    etw_text_printf(f->text, form, (int)how->width, how->precision, real_of(value));
}

static void append_argument(filler *f, const etw_value *value, const spec *how)
{
    const char conversion = how->conversion;
    if (is_integer(value) && strchr("diuxXo", conversion) != NULL) {
        const bool is_signed = conversion == 'd' || conversion == 'i';
        append_number(f,
                      is_signed ? (uint64_t)etw_value_signed(value->bytes)
                                : etw_value_unsigned(value->bytes),
                      how);
        return;
    }
    if (is_real(value) && strchr("efgEG", conversion) != NULL) {
        append_real(f, value, how);
        return;
    }
    etw_text_clear(&f->scratch);
    if (is_integer(value) && (conversion == 'c' || conversion == 'C')) {
        const uint64_t number = etw_value_unsigned(value->bytes);
        etw_text_append_code_point(&f->scratch, number > 0x10FFFF ? 0xFFFD : (uint32_t)number,
                                   ETW_ESCAPE_NONE);
    } else if (is_integer(value) && conversion == 'p') {
        append_pointer(&f->scratch, value);
    } else {
        append_text(&f->scratch, value);
    }
    append_in_field(f, how);
}

static unsigned take_number(const char **at)
{
    unsigned number = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        number = number > MAX_WIDTH ? number : number * 10 + (unsigned)(**at - '0');
    }
    return number > MAX_WIDTH ? MAX_WIDTH : number;
}

/* "012I64X!" behind the first '!'; *at then stands behind the last. Lengths are passed over: the
 * item type has the size. */
static bool parse_spec(const char **at, spec *how)
{
    const char *from = *at;
    size_t flags = 0;
    *how = (spec){.precision = -1};
    for (; *from != '\0' && strchr("-+#0 ", *from) != NULL; from++) {
        if (flags < sizeof how->flags - 1) {
            how->flags[flags++] = *from;
        }
    }
    how->width = take_number(&from);
    if (*from == '.') {
        from++;
        how->precision = (int)take_number(&from);
    }
    if (strncmp(from, "I64", 3) == 0 || strncmp(from, "I32", 3) == 0) {
        from += 3;
    }
    while (*from != '\0' && strchr("IlhwLz", *from) != NULL) {
        from++;
    }
    if (*from == '\0' || strchr("diuxXocCsSpefgEG", *from) == NULL || from[1] != '!') {
        return false;
    }
    how->conversion = *from;
    *at = from + 2;
    return true;
}

static void append_name(filler *f, const etw_name *name)
{
    etw_text_append_utf8(f->text, (const uint8_t *)name->utf8, name->utf8_size, f->escape);
}

/* The prefix variables of TRACE_FORMAT_PREFIX, which a format may name as well. */
static void append_variable(filler *f, unsigned number, const spec *how)
{
    const etw_event_header *header = &f->record->EventHeader;
    switch (number) {
    case 1:
        append_name(f, &f->plan->provider_name);
        return;
    case 2:
        append_name(f, &f->plan->opcode_name);
        return;
    case 3:
        append_number(f, header->ThreadId, how);
        return;
    case 4:
        if (header->TimeStamp >= 0) {
            append_time(f->text, (uint64_t)header->TimeStamp, "m");
        }
        return;
    case 5:
        append_number(f, header->KernelTime, how);
        return;
    case 6:
        append_number(f, header->UserTime, how);
        return;
    case 8:
        append_number(f, header->ProcessId, how);
        return;
    case 9:
        append_number(f, f->record->BufferContext.ProcessorIndex, how);
        return;
    default: /* 0 is the prefix itself; 7, a sequence number, is not kept in an EVENT_RECORD */
        return;
    }
}

/* "!FUNC!" behind '%': its end, or NULL where it is no such name. */
static const char *append_named(filler *f, const char *at)
{
    static const etw_name nothing = {"", 0, 0, ""};
    const etw_plan *plan = f->plan;
    const struct {
        const char *word;
        const etw_name *name;
    } names[] = {
        {"!FUNC!", &plan->task_name},
        {"!FILE!", &plan->source_file},
        {"!LEVEL!", &plan->level_name},
        {"!FLAGS!", plan->keyword_count == 0 ? &nothing : &plan->keywords[0]},
        {"!COMPNAME!", &plan->provider_name},
        {"!SUBCOMP!", &nothing},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t size = strlen(names[i].word);
        if (strncmp(at, names[i].word, size) == 0) {
            const bool is_file = names[i].name == &plan->source_file;
            const size_t skip = is_file && plan->source_file.utf8_size > 5 ? 5 : 0; /* "FILE=" */
            etw_text_append_utf8(f->text, (const uint8_t *)names[i].name->utf8 + skip,
                                 names[i].name->utf8_size - skip, f->escape);
            return at + size;
        }
    }
    return NULL;
}

/* "%10!s!" from its number on. */
static const char *append_numbered(filler *f, const char *at)
{
    const unsigned number = take_number(&at);
    spec how = {.precision = -1, .conversion = 's'};
    if (number < ETW_WPP_FIRST_ARGUMENT) {
        if (*at == '!') {
            const char *behind = at + 1;
            at = parse_spec(&behind, &how) ? behind : at;
        }
        append_variable(f, number, &how);
        return at;
    }
    if (*at == '!') {
        const char *behind = at + 1;
        if (parse_spec(&behind, &how)) {
            at = behind;
        } else {
            how = (spec){.precision = -1, .conversion = 's'};
        }
    }
    const uint32_t index = number - ETW_WPP_FIRST_ARGUMENT;
    if (index < f->plan->top_count && f->values[index].property != NULL) {
        append_argument(f, &f->values[index], &how);
    }
    return at;
}

/* What follows a '%'. */
static const char *append_special(filler *f, const char *at)
{
    if (*at >= '0' && *at <= '9') {
        return append_numbered(f, at);
    }
    const char *behind = *at == '!' ? append_named(f, at) : NULL;
    if (behind != NULL) {
        return behind;
    }
    const char special = *at == '%' ? '%' : *at == 'n' ? '\n' : *at == 't' ? '\t' : '\0';
    etw_text_append_code_point(f->text, special == '\0' ? (uint32_t)'%' : (uint32_t)special,
                               f->escape);
    return at + (special == '\0' ? 0 : 1);
}

static void append_filled(filler *f)
{
    const etw_name *message = &f->plan->event_message;
    const char *at = message->utf8;
    const char *end = at + message->utf8_size;
    if (end > at && end[-1] == ' ') {
        end--; /* the one that every message in a TRACE_EVENT_INFO has */
    }
    while (at < end) {
        const char *percent = memchr(at, '%', (size_t)(end - at));
        const char *stop = percent == NULL ? end : percent;
        etw_text_append_utf8(f->text, (const uint8_t *)at, (size_t)(stop - at), f->escape);
        at = percent == NULL ? end : append_special(f, percent + 1);
    }
}

etw_status etw_plan_append_wpp_message(const etw_plan *plan, const etw_event_record *record,
                                       uint32_t pointer_size, uint32_t form, etw_escape escape,
                                       etw_text *text)
{
    static const etw_visitor visitor = {.value = on_value};
    filler f = {.plan = plan, .record = record, .text = text, .escape = escape};
    (void)form;
    f.values = calloc(plan->top_count + (size_t)1, sizeof *f.values);
    if (f.values == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    etw_ignore(etw_plan_walk(plan, record, pointer_size, &visitor, &f, NULL));
    append_filled(&f);
    const bool failed = f.scratch.failed || text->failed;
    etw_text_free(&f.scratch);
    free(f.values);
    return failed ? ETW_ERROR_NO_MEMORY : ETW_OK;
}
