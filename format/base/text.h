/* A growing UTF-8 text, and the conversions from Windows' encodings into it. */
#ifndef ETW_FORMAT_BASE_TEXT_H
#define ETW_FORMAT_BASE_TEXT_H

#include "format/base/buffer.h"
#include "format/base/status.h"

/* An event's payload is at most 64 KiB and each byte becomes at most six ("\u001f"), so real texts
 * stay far below this. */
#define ETW_TEXT_MAX_SIZE ETW_BUFFER_MAX_SIZE

/* A buffer that holds UTF-8; not NUL terminated, see etw_text_z. */
typedef etw_buffer etw_text;

/* How text that comes from a trace is made safe for where it goes. */
typedef enum etw_escape {
    ETW_ESCAPE_NONE, /* valid UTF-8; a lone surrogate becomes U+FFFD */
    ETW_ESCAPE_JSON, /* inside a JSON string; a lone surrogate becomes \udXXX */
    ETW_ESCAPE_XML,  /* inside XML text or a quoted attribute; what XML 1.0 cannot hold: U+FFFD;
                        DEL and C1 controls as references */
    ETW_ESCAPE_LINE  /* for a terminal: control characters (and C1) as \xXX, \n, \t; one line */
} etw_escape;

static inline void etw_text_free(etw_text *text)
{
    etw_buffer_free(text);
}

static inline void etw_text_clear(etw_text *text)
{
    etw_buffer_clear(text);
}

static inline etw_bytes etw_text_bytes(const etw_text *text)
{
    return etw_buffer_bytes(text);
}

/* As etw_buffer_reserve. */
static inline char *etw_text_reserve(etw_text *text, size_t extra)
{
    return (char *)etw_buffer_reserve(text, extra);
}

static inline void etw_text_append(etw_text *text, const char *bytes, size_t size)
{
    etw_buffer_append(text, bytes, size);
}

static inline void etw_text_append_char(etw_text *text, char character)
{
    etw_buffer_append_u8(text, (uint8_t)character);
}

ETW_API void etw_text_append_z(etw_text *text, const char *string);
ETW_API void etw_text_append_u64(etw_text *text, uint64_t value);
ETW_API void etw_text_append_i64(etw_text *text, int64_t value);
/* "0x" and upper-case digits without leading zeros, as TdhFormatProperty writes them. */
ETW_API void etw_text_append_hex(etw_text *text, uint64_t value);
/* Upper-case hex digits of all bytes, nothing around them. */
ETW_API void etw_text_append_hex_bytes(etw_text *text, const uint8_t *bytes, size_t size);
/* With commas: 1,197,705. */
ETW_API void etw_text_append_count(etw_text *text, uint64_t value);
ETW_API void etw_text_printf(etw_text *text, const char *format, ...) ETW_PRINTF(2, 3);

/* One code point, escaped. A surrogate value stands for a lone surrogate. */
ETW_API void etw_text_append_code_point(etw_text *text, uint32_t code_point, etw_escape escape);

/* units: UTF-16LE, size_bytes long (an odd last byte is ignored); embedded NULs are kept. */
ETW_API void etw_text_append_utf16(etw_text *text, const uint8_t *units, size_t size_bytes,
                                   etw_escape escape);

/* bytes: UTF-8; each byte that is no valid part of it becomes U+FFFD. */
ETW_API void etw_text_append_utf8(etw_text *text, const uint8_t *bytes, size_t size,
                                  etw_escape escape);

/* bytes: an 8-bit string of the recording machine's ANSI code page, read as Windows-1252, the code
 * page of Western systems; which one it was is not in a trace. Valid UTF-8 is taken as UTF-8. */
ETW_API void etw_text_append_ansi(etw_text *text, const uint8_t *bytes, size_t size,
                                  etw_escape escape);

/* The character of a byte in Windows-1252; the five bytes that it leaves out are C1 controls. */
ETW_API uint32_t etw_windows_1252(uint8_t byte);

/* The text as a C string, valid until the next append; "", and failed is set, where memory is out.
 */
ETW_API const char *etw_text_z(etw_text *text);

/* Size in bytes of the valid UTF-8 sequence that starts at bytes, with its *code_point; 0 where
 * there is none (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). size is at
 * least 1. */
ETW_API size_t etw_utf8_decode(const uint8_t *bytes, size_t size, uint32_t *code_point);

/* The code point as one or two UTF-16 units; returns how many. At most U+10FFFF. */
static inline size_t etw_utf16_encode(uint32_t code_point, uint16_t units[2])
{
    if (code_point < 0x10000u) {
        units[0] = (uint16_t)code_point;
        return 1;
    }
    units[0] = (uint16_t)(0xD800u + ((code_point - 0x10000u) >> 10));
    units[1] = (uint16_t)(0xDC00u + ((code_point - 0x10000u) & 0x3FFu));
    return 2;
}

/* Bytes of 8-bit text before its first NUL, looking at no more than size. */
ETW_API size_t etw_narrow_length_bytes(const uint8_t *bytes, size_t size);

/* Bytes of UTF-16LE text before its first NUL unit, looking at no more than size_bytes. */
ETW_API size_t etw_utf16_length_bytes(const uint8_t *units, size_t size_bytes);

#endif
