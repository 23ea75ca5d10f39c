#include "format/output/terminal.h"

/* U+2026, three points as one character. */
#define CUT      "\xE2\x80\xA6"
#define CUT_SIZE (sizeof CUT - 1)

/* One character of the text takes one cell; wide ones are rare in traces. */
static void cut(etw_text *text, size_t start, uint32_t width)
{
    uint32_t cells = 0;
    size_t last = start; /* where the last character within the width begins */
    for (size_t i = start; i < text->size; i++) {
        if (((uint8_t)text->data[i] & 0xC0) == 0x80) {
            continue;
        }
        if (cells == width) {
            text->size = last;
            etw_text_append(text, CUT, CUT_SIZE);
            return;
        }
        last = i;
        cells++;
    }
}

static const char *color_of(uint32_t level)
{
    switch (level) {
    case 1:
    case ETW_TERMINAL_LOSS:
        return "\x1B[1;31m";
    case 2:
        return "\x1B[31m";
    case 3:
        return "\x1B[33m";
    case 5:
        return "\x1B[2m";
    default:
        return NULL;
    }
}

static void color(etw_text *text, size_t start, const char *escape)
{
    static const char end[] = "\x1B[0m";
    const size_t size = strlen(escape);
    if (text->failed || etw_text_reserve(text, size + sizeof end) == NULL) {
        return;
    }
    memmove(text->data + start + size, text->data + start, text->size - start);
    memcpy(text->data + start, escape, size);
    text->size += size;
    etw_text_append_z(text, end);
}

void etw_terminal_finish_line(const etw_output_options *options, uint32_t level, size_t start,
                              etw_text *text)
{
    if (options->width > 0 && !text->failed) {
        cut(text, start, options->width);
    }
    if (options->colors && color_of(level) != NULL) {
        color(text, start, color_of(level));
    }
    etw_text_append_char(text, '\n');
}
