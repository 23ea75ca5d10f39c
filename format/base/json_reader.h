/* Reads JSON (RFC 8259), one value a text: the lines that tools and people write for us.
 *
 * The text is taken apart where it stands: strings are decoded into their own place, so nothing is
 * copied. Lone surrogates (\ud800), which Windows' texts may hold, become three bytes as UTF-8
 * would write them: etw_json_append_string writes them back as they were. */
#ifndef ETW_FORMAT_BASE_JSON_READER_H
#define ETW_FORMAT_BASE_JSON_READER_H

#include "format/base/text.h"

#define ETW_JSON_MAX_DEPTH  64u
#define ETW_JSON_MAX_VALUES ((uint32_t)4 << 20) /* of one text */

typedef enum etw_json_kind {
    ETW_JSON_NULL,
    ETW_JSON_FALSE,
    ETW_JSON_TRUE,
    ETW_JSON_NUMBER, /* text: as it is written */
    ETW_JSON_STRING, /* text: decoded */
    ETW_JSON_ARRAY,
    ETW_JSON_OBJECT
} etw_json_kind;

/* Lent by the text that was read. */
typedef struct etw_json_value {
    etw_json_kind kind;
    uint32_t name_size;
    const char *name; /* of a member; NULL elsewhere */
    const char *text; /* of all but arrays and objects */
    uint32_t text_size;
    uint32_t offset; /* of its first byte in the text */
    uint32_t end;    /* and of the one behind its last */
    uint32_t first;  /* index of its first member or element; 0: none */
    uint32_t next;   /* index of the one behind it; 0: it is the last */
} etw_json_value;

/* Zeroed memory is an empty document; used for any number of texts, one after the other. */
typedef struct etw_json_document {
    etw_json_value *values; /* owned; the first is the whole */
    uint32_t count;
    uint32_t capacity;
    char *text; /* what is read; the rest is the reader's own */
    size_t size;
    size_t at;
} etw_json_document;

void etw_json_document_free(etw_json_document *document);

/* text is changed, and must stay until the next read. ETW_ERROR_DAMAGED: it is no JSON, the message
 * tells the column (from 1, in bytes); ETW_ERROR_LIMIT. */
etw_status etw_json_read(etw_json_document *document, char *text, size_t size, etw_error *error);

/* The member with that name; NULL where object is none, or has none. */
const etw_json_value *etw_json_member(const etw_json_document *document,
                                      const etw_json_value *object, const char *name);
/* The first member or element, and the one behind; NULL: there is none. */
const etw_json_value *etw_json_first(const etw_json_document *document, const etw_json_value *of);
const etw_json_value *etw_json_next(const etw_json_document *document, const etw_json_value *value);

/* Whether it is a string with that content. */
bool etw_json_is_string(const etw_json_value *value, const char *content);
bool etw_json_has_name(const etw_json_value *value, const char *name);

/* Appends decoded text, escaped for the inside of a JSON string. */
void etw_json_append_string(etw_text *text, const char *decoded, size_t size);

#endif
