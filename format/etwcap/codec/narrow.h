/* UTF-16 strings kept as 8-bit text: UTF-8, generalised so that a lone surrogate is kept as its own
 * three bytes (the form called WTF-8). Each sequence of units has exactly one such text and back.
 */
#ifndef ETW_FORMAT_ETWCAP_NARROW_H
#define ETW_FORMAT_ETWCAP_NARROW_H

#include "format/base/bytes.h"

/* units: count UTF-16LE units at any alignment. to: room for 3 * count bytes. Returns the bytes. */
size_t etw_narrow(const uint8_t *units, size_t count, uint8_t *to);

/* How many units text widens to, or SIZE_MAX where it is not such a text. */
size_t etw_wide_count(etw_bytes text);

/* text must be valid; to: room for its units, 2 bytes each, at any alignment. */
void etw_widen(etw_bytes text, uint8_t *to);

#endif
