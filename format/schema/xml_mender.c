#include "format/schema/xml_mender.h"

/* A name of an attribute is not longer, nor is a reference. */
#define MAX_NAME 128u

typedef struct mender {
    etw_bytes xml;
    size_t at;
    etw_text *to;
    uint32_t mended;
} mender;

static char letter_at(const mender *m, size_t at)
{
    return at < m->xml.size ? (char)m->xml.data[at] : '\0';
}

static bool is_white(char letter)
{
    return letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n';
}

static bool is_name_letter(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_' || letter == '-' || letter == ':' ||
           letter == '.';
}

static size_t pass_white(const mender *m, size_t at)
{
    while (is_white(letter_at(m, at))) {
        at++;
    }
    return at;
}

static size_t pass_name(const mender *m, size_t at)
{
    const size_t end = at + MAX_NAME;
    while (at < end && is_name_letter(letter_at(m, at))) {
        at++;
    }
    return at;
}

static bool starts_with(const mender *m, const char *text)
{
    const size_t size = strlen(text);
    return m->xml.size - m->at >= size && memcmp(m->xml.data + m->at, text, size) == 0;
}

static void copy_to(mender *m, size_t end)
{
    end = end > m->xml.size ? m->xml.size : end;
    etw_text_append(m->to, (const char *)m->xml.data + m->at, end - m->at);
    m->at = end;
}

/* Copies up to and with the text; all of it where that does not come. */
static void copy_behind(mender *m, const char *text)
{
    while (m->at < m->xml.size && !starts_with(m, text)) {
        copy_to(m, m->at + 1);
    }
    copy_to(m, m->at + strlen(text));
}

/* Whether what stands behind a quote shows that it ends its value. */
static bool ends_value(const mender *m, size_t behind)
{
    const size_t at = pass_white(m, behind);
    const char letter = letter_at(m, at);
    if (letter == '>' || letter == '\0') {
        return true;
    }
    if (letter == '/' || letter == '?') {
        return letter_at(m, at + 1) == '>';
    }
    const size_t name_end = pass_name(m, at);
    const size_t equals = pass_white(m, name_end);
    const char quote = letter_at(m, pass_white(m, equals + 1));
    return at > behind && name_end > at && letter_at(m, equals) == '=' &&
           (quote == '"' || quote == '\'');
}

/* "&amp;", "&#10;" */
static bool is_reference(const mender *m)
{
    const size_t start = m->at + 1 + (letter_at(m, m->at + 1) == '#');
    const size_t end = pass_name(m, start);
    return end > start && letter_at(m, end) == ';';
}

static void put(mender *m, const char *escape)
{
    etw_text_append_z(m->to, escape);
    m->at++;
    m->mended++;
}

/* at is behind the quote that begins it. */
static void copy_value(mender *m, char quote)
{
    while (m->at < m->xml.size) {
        const char letter = letter_at(m, m->at);
        if (letter == quote && ends_value(m, m->at + 1)) {
            copy_to(m, m->at + 1);
            return;
        }
        if (letter == quote) {
            put(m, quote == '"' ? "&quot;" : "&apos;");
        } else if (letter == '<') {
            put(m, "&lt;");
        } else if (letter == '&' && !is_reference(m)) {
            put(m, "&amp;");
        } else {
            copy_to(m, m->at + 1);
        }
    }
}

static void copy_tag(mender *m)
{
    char before = '\0'; /* the last letter that is not white */
    while (m->at < m->xml.size) {
        const char letter = letter_at(m, m->at);
        copy_to(m, m->at + 1);
        if (letter == '>') {
            return;
        }
        if ((letter == '"' || letter == '\'') && before == '=') {
            copy_value(m, letter);
        }
        before = is_white(letter) ? before : letter;
    }
}

uint32_t etw_xml_mend(etw_bytes xml, etw_text *mended)
{
    mender m = {.xml = xml, .to = mended};
    while (m.at < xml.size) {
        if (starts_with(&m, "<!--")) {
            copy_behind(&m, "-->");
        } else if (starts_with(&m, "<![CDATA[")) {
            copy_behind(&m, "]]>");
        } else if (letter_at(&m, m.at) == '<') {
            copy_tag(&m);
        } else {
            copy_to(&m, m.at + 1);
        }
    }
    return m.mended;
}
