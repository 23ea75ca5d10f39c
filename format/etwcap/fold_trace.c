#include "format/etwcap/fold_body.h"

/* Of a trace's body: what stands before its texts, and the texts. */
#define FIXED_SIZE 136u
#define TEXTS      4u
/* Those of the texts that the log-file header has, too: session name, log file name. */
#define NAMES 2u
/* A text's size where the header says it. Real ones are at most 1,023. */
#define AS_IN_HEADER UINT16_MAX

enum form { FORM_AS_IS, FORM_BY_HEADER };

/* A field of the trace, and where TRACE_LOGFILE_HEADER has it: of a 32-bit, of a 64-bit system. */
typedef struct field {
    uint8_t at;
    uint16_t in_header[2];
    uint8_t size;
} field;

static const field fields[] = {
    {4, {264, 272}, 4},  {8, {52, 52}, 4},    {16, {248, 256}, 8}, {24, {256, 264}, 8},
    {32, {256, 264}, 8}, {40, {12, 12}, 4},   {44, {4, 4}, 4},     {48, {8, 8}, 4},
    {52, {24, 24}, 4},   {56, {52, 52}, 4},   {60, {32, 32}, 4},   {64, {0, 0}, 4},
    {68, {36, 36}, 4},   {72, {40, 40}, 4},   {76, {28, 28}, 4},   {80, {48, 48}, 4},
    {84, {268, 276}, 4}, {88, {64, 72}, 4},   {96, {240, 248}, 8}, {104, {256, 264}, 8},
    {112, {16, 16}, 8},  {120, {40, 40}, 16},
};
static const uint16_t names_at[2] = {272, 280};

typedef struct trace_parts {
    const uint8_t *fixed;
    etw_bytes texts[TEXTS];
    bool in_header[TEXTS]; /* folded: the text is the header's */
    etw_bytes header, rest;
    uint32_t wide; /* index of the columns above: 0 for a 32-bit system, 1 for a 64-bit one */
} trace_parts;

static bool take_parts(etw_cursor *cursor, trace_parts *parts)
{
    parts->fixed = etw_cursor_take(cursor, FIXED_SIZE);
    for (uint32_t i = 0; i < TEXTS; i++) {
        const uint16_t size = etw_cursor_u16(cursor);
        parts->in_header[i] = size == AS_IN_HEADER;
        parts->texts[i].size = parts->in_header[i] ? 0 : size;
        parts->texts[i].data = etw_cursor_take(cursor, parts->texts[i].size);
    }
    parts->header.size = etw_cursor_u32(cursor);
    parts->header.data = etw_cursor_take(cursor, parts->header.size);
    if (cursor->failed) {
        return false;
    }
    parts->rest = (etw_bytes){cursor->at, etw_cursor_left(cursor)};
    const uint32_t pointer_size = etw_load_u32(parts->fixed + 12);
    parts->wide = pointer_size == 8;
    return (pointer_size == 4 || pointer_size == 8) && parts->header.size >= names_at[parts->wide];
}

/* The numbered text of those behind the header's fields, where all of its units are ASCII. */
static bool append_name(const trace_parts *parts, uint32_t number, etw_buffer *to)
{
    const size_t start = to->size;
    etw_cursor cursor = etw_cursor_over(parts->header);
    (void)etw_cursor_take(&cursor, names_at[parts->wide]);
    for (uint32_t i = 0; i <= number; i++) {
        to->size = start;
        for (uint16_t unit = etw_cursor_u16(&cursor); unit != 0; unit = etw_cursor_u16(&cursor)) {
            if (i == number && unit >= 0x80) {
                return false;
            }
            etw_buffer_append_u8(to, (uint8_t)unit);
        }
    }
    return !cursor.failed && to->size - start < AS_IN_HEADER;
}

static void append_fixed(const trace_parts *parts, etw_buffer *to)
{
    uint8_t fixed[FIXED_SIZE];
    memcpy(fixed, parts->fixed, sizeof fixed);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const uint8_t *from = parts->header.data + fields[i].in_header[parts->wide];
        for (uint32_t k = 0; k < fields[i].size; k++) {
            fixed[fields[i].at + k] ^= from[k];
        }
    }
    etw_buffer_append(to, fixed, sizeof fixed);
}

static void append_rest(const trace_parts *parts, etw_buffer *to)
{
    etw_buffer_append_u32(to, (uint32_t)parts->header.size);
    etw_buffer_append(to, parts->header.data, parts->header.size);
    etw_buffer_append(to, parts->rest.data, parts->rest.size);
}

bool etw_fold_trace(etw_bytes body, etw_buffer *to)
{
    trace_parts parts;
    etw_buffer name = {0};
    etw_cursor cursor = etw_cursor_over(body);
    bool by_header = take_parts(&cursor, &parts);
    for (uint32_t i = 0; by_header && i < TEXTS; i++) {
        by_header = !parts.in_header[i];
    }
    etw_buffer_append_u8(to, by_header ? FORM_BY_HEADER : FORM_AS_IS);
    if (!by_header) {
        etw_buffer_append(to, body.data, body.size);
        return !to->failed;
    }
    append_fixed(&parts, to);
    for (uint32_t i = 0; i < TEXTS; i++) {
        etw_buffer_clear(&name);
        if (i < NAMES && append_name(&parts, i, &name) && !name.failed &&
            etw_bytes_equal(etw_buffer_bytes(&name), parts.texts[i])) {
            etw_buffer_append_u16(to, AS_IN_HEADER);
        } else {
            etw_buffer_append_u16(to, (uint16_t)parts.texts[i].size);
            etw_buffer_append(to, parts.texts[i].data, parts.texts[i].size);
        }
    }
    etw_buffer_free(&name);
    append_rest(&parts, to);
    return !to->failed;
}

static bool append_text(const trace_parts *parts, uint32_t number, etw_buffer *to)
{
    const size_t start = to->size;
    bool is_good = true;
    etw_buffer_append_u16(to, (uint16_t)parts->texts[number].size);
    if (parts->in_header[number]) {
        is_good = number < NAMES && append_name(parts, number, to) && !to->failed;
    } else {
        etw_buffer_append(to, parts->texts[number].data, parts->texts[number].size);
    }
    if (is_good && !to->failed) {
        etw_store_u16(to->data + start, (uint16_t)(to->size - start - sizeof(uint16_t)));
    }
    return is_good && !to->failed;
}

bool etw_unfold_trace(etw_bytes folded, etw_buffer *to)
{
    trace_parts parts;
    etw_cursor cursor = etw_cursor_over(folded);
    const uint8_t form = etw_cursor_u8(&cursor);
    if (cursor.failed || form > FORM_BY_HEADER) {
        return false;
    }
    if (form == FORM_AS_IS) {
        etw_buffer_append(to, cursor.at, etw_cursor_left(&cursor));
        return !to->failed;
    }
    bool is_good = take_parts(&cursor, &parts);
    if (is_good) {
        append_fixed(&parts, to);
    }
    for (uint32_t i = 0; is_good && i < TEXTS; i++) {
        is_good = append_text(&parts, i, to);
    }
    if (is_good) {
        append_rest(&parts, to);
    }
    return is_good && !to->failed;
}
