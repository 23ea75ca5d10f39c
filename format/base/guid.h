/* GUIDs: the same 16 bytes as Windows' GUID. */
#ifndef ETW_FORMAT_BASE_GUID_H
#define ETW_FORMAT_BASE_GUID_H

#include "format/base/text.h"

typedef struct etw_guid {
    uint32_t Data1;
    uint16_t Data2;
    uint16_t Data3;
    uint8_t Data4[8];
} etw_guid;

/* "{700b51d6-54ef-45d3-adf3-60cad277d1bd}" is 38 characters. */
#define ETW_GUID_TEXT_SIZE 38u

static inline bool etw_guid_equal(const etw_guid *a, const etw_guid *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static inline bool etw_guid_is_zero(const etw_guid *guid)
{
    static const etw_guid zero = {0, 0, 0, {0}};
    return etw_guid_equal(guid, &zero);
}

static inline etw_guid etw_load_guid(const void *from)
{
    etw_guid guid;
    memcpy(&guid, from, sizeof guid);
    return guid;
}

/* Braces and lower case, as TdhFormatProperty writes GUIDs. */
ETW_API void etw_text_append_guid(etw_text *text, const etw_guid *guid);

/* With or without braces, any case, nothing before or after. */
ETW_API bool etw_guid_parse(const char *string, etw_guid *guid);

/* The GUID that EventSource and TraceLogging derive from a provider's name when none is given:
 * SHA-1 of a namespace GUID and the upper-case UTF-16BE name, version nibble 5 (EventSource
 * documentation). Letters beyond ASCII, which no provider is known to have, keep their case. */
ETW_API etw_guid etw_guid_from_provider_name(const char *utf8_name);

#endif
