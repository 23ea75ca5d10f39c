/* Floating point and times as TdhFormatProperty writes them. */
#ifndef ETW_FORMAT_EVENT_NUMBER_TEXT_H
#define ETW_FORMAT_EVENT_NUMBER_TEXT_H

#include "format/base/text.h"

/* "%f" of the C locale: six decimals, the exact binary value rounded half to even, as Microsoft's
 * runtime does since Windows 10 2004. Infinities and NaNs as that runtime: inf, nan, -nan(ind). */
void etw_text_append_fixed6(etw_text *text, double value);

/* "2017-11-04T02:46:22.305045900Z", nine digits; with marks, U+200E around the parts
 * of the date (TEXT.md). Values from 2^63 up are no time: "low:high" in decimal. */
void etw_text_append_filetime(etw_text *text, uint64_t time_100ns, bool marks);
/* The same for a SYSTEMTIME of 16 bytes, its fields as stored, three digits. */
void etw_text_append_systemtime(etw_text *text, const uint8_t *fields, bool marks);

#endif
