/* Strings found in bytes that no schema explains, as strings(1) finds them: runs of printable
 * characters. */
#ifndef ETW_FORMAT_EVENT_RENDER_FOUND_STRINGS_H
#define ETW_FORMAT_EVENT_RENDER_FOUND_STRINGS_H

#include "format/base/bytes.h"

/* Characters of the shortest one. */
#define ETW_FOUND_STRING_LEAST 4u

typedef struct etw_found_string {
    etw_bytes bytes; /* within what was looked at; without a terminator */
    bool is_utf16;   /* else ASCII */
} etw_found_string;

/* Where a search stands: zeroed but for the bytes at its start. */
typedef struct etw_string_search {
    etw_bytes bytes;
    size_t at;
    /* By the parity of the place: no UTF-16 with other than Latin characters begins before it. */
    size_t only_latin_before[2];
} etw_string_search;

/* The next one, false where there is none. UTF-16 may begin at any byte; where both forms begin at
 * one place, the one of more bytes counts. As many numbers could be text, UTF-16 with other than
 * Latin characters must end with a terminator, or with the bytes; and Chinese, Japanese and Korean
 * must be in the company of at least as much ASCII, and behind some. In time linear to the bytes.
 */
bool etw_found_string_next(etw_string_search *search, etw_found_string *found);

#endif
