#include "format/base/guid.h"

#include "format/base/sha1.h"

static const char digits[] = "0123456789abcdef";

/* Positions of the 16 bytes in the text's order: the first three groups are little-endian numbers.
 */
static const uint8_t byte_order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

static bool dash_before(size_t index)
{
    return index == 4 || index == 6 || index == 8 || index == 10;
}

void etw_text_append_guid(etw_text *text, const etw_guid *guid)
{
    char *to = etw_text_reserve(text, ETW_GUID_TEXT_SIZE);
    if (to == NULL) {
        return;
    }
    uint8_t bytes[16];
    memcpy(bytes, guid, sizeof bytes);
    *to++ = '{';
    for (size_t i = 0; i < 16; i++) {
        if (dash_before(i)) {
            *to++ = '-';
        }
        const uint8_t byte = bytes[byte_order[i]];
        *to++ = digits[byte >> 4];
        *to++ = digits[byte & 15u];
    }
    *to = '}';
    text->size += ETW_GUID_TEXT_SIZE;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool etw_guid_parse(const char *string, etw_guid *guid)
{
    const bool braces = *string == '{';
    const char *at = string + (braces ? 1 : 0);
    uint8_t bytes[16];
    for (size_t i = 0; i < 16; i++) {
        if (dash_before(i) && *at++ != '-') {
            return false;
        }
        const int high = digit_value(at[0]);
        const int low = high < 0 ? -1 : digit_value(at[1]);
        if (low < 0) {
            return false;
        }
        bytes[byte_order[i]] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    if (braces && *at++ != '}') {
        return false;
    }
    if (*at != '\0') {
        return false;
    }
    memcpy(guid, bytes, sizeof bytes);
    return true;
}

/* The namespace of EventSource's name-based GUIDs (documented with EventSource and TraceLogging).
 */
static const uint8_t provider_namespace[16] = {0x48, 0x2C, 0x2D, 0xB2, 0xC3, 0x90, 0x47, 0xC8,
                                               0x87, 0xF8, 0x1A, 0x15, 0xBF, 0xC1, 0x30, 0xFB};

static void add_upper(etw_sha1 *sha1, uint32_t code_point)
{
    const bool small = code_point >= 'a' && code_point <= 'z';
    uint16_t units[2];
    const size_t count = etw_utf16_encode(small ? code_point - 'a' + 'A' : code_point, units);
    for (size_t i = 0; i < count; i++) {
        const uint8_t big_endian[2] = {(uint8_t)(units[i] >> 8), (uint8_t)units[i]};
        etw_sha1_add(sha1, big_endian, sizeof big_endian);
    }
}

etw_guid etw_guid_from_provider_name(const char *utf8_name)
{
    etw_sha1 sha1;
    etw_sha1_begin(&sha1);
    etw_sha1_add(&sha1, provider_namespace, sizeof provider_namespace);
    const uint8_t *at = (const uint8_t *)utf8_name;
    for (size_t left = strlen(utf8_name); left > 0;) {
        uint32_t code_point = 0xFFFD;
        const size_t decoded = etw_utf8_decode(at, left, &code_point);
        const size_t used = decoded == 0 ? 1 : decoded;
        at += used;
        left -= used;
        add_upper(&sha1, code_point);
    }
    uint8_t hash[ETW_SHA1_SIZE];
    etw_sha1_end(&sha1, hash);
    hash[7] = (uint8_t)((hash[7] & 0x0Fu) | 0x50u);
    return etw_load_guid(hash);
}
