#include "format/event/render/address_bytes.h"

#include "format/base/digits.h"

#define FAMILY_IPV4 2u
#define FAMILY_IPV6 23u /* Windows' own number */
#define MAX_GROUPS  8u
#define MAX_PARTS   15u /* of a SID */

typedef struct reading {
    const char *at;
    const char *end;
} reading;

static bool take(reading *r, char character)
{
    const bool is_there = r->at < r->end && *r->at == character;
    r->at += is_there ? 1 : 0;
    return is_there;
}

static bool take_number(reading *r, uint32_t base, uint64_t most, uint64_t *value)
{
    const char *start = r->at;
    *value = 0;
    while (r->at < r->end && etw_hex_digit(*r->at) >= 0 && (uint32_t)etw_hex_digit(*r->at) < base) {
        *value = *value * base + (uint32_t)etw_hex_digit(*r->at++);
        if (*value > most) {
            return false;
        }
    }
    return r->at > start;
}

static bool take_ipv4(reading *r, uint8_t *octets)
{
    for (size_t i = 0; i < 4; i++) {
        uint64_t octet;
        if ((i > 0 && !take(r, '.')) || !take_number(r, 10, 255, &octet)) {
            return false;
        }
        octets[i] = (uint8_t)octet;
    }
    return true;
}

bool etw_ipv4_parse(const char *text, size_t size, uint8_t *octets)
{
    reading r = {text, text + size};
    return take_ipv4(&r, octets) && r.at == r.end;
}

static bool has_dotted_tail(const reading *r)
{
    const char *at = r->at;
    while (at < r->end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at > r->at && at < r->end && *at == '.';
}

/* Groups up to the end; *gap: where "::" stands, or MAX_GROUPS + 1. */
static bool take_groups(reading *r, uint8_t *bytes, size_t *count, size_t *gap)
{
    *count = 0;
    *gap = MAX_GROUPS + 1;
    if (r->end - r->at >= 2 && r->at[0] == ':' && r->at[1] == ':') {
        r->at += 2;
        *gap = 0;
    }
    while (r->at < r->end && *count < MAX_GROUPS) {
        uint64_t group;
        if (*count < MAX_GROUPS - 1 && has_dotted_tail(r)) {
            *count += 2;
            return take_ipv4(r, bytes + 2 * (*count - 2));
        }
        if (!take_number(r, 16, 0xFFFF, &group)) {
            return false;
        }
        bytes[2 * *count] = (uint8_t)(group >> 8);
        bytes[2 * *count + 1] = (uint8_t)group;
        (*count)++;
        if (r->at == r->end) {
            return true;
        }
        if (!take(r, ':')) {
            return false;
        }
        if (take(r, ':')) {
            if (*gap <= MAX_GROUPS) {
                return false;
            }
            *gap = *count;
        } else if (r->at == r->end) {
            return false;
        }
    }
    return true;
}

bool etw_ipv6_parse(const char *text, size_t size, uint8_t *address)
{
    reading r = {text, text + size};
    uint8_t bytes[16] = {0};
    size_t count;
    size_t gap;
    if (!take_groups(&r, bytes, &count, &gap) || r.at != r.end ||
        (gap > MAX_GROUPS ? count != MAX_GROUPS : count >= MAX_GROUPS)) {
        return false;
    }
    memset(address, 0, 16);
    const size_t before = gap > MAX_GROUPS ? count : gap;
    memcpy(address, bytes, 2 * before);
    memcpy(address + 16 - 2 * (count - before), bytes + 2 * before, 2 * (count - before));
    return true;
}

static void append_port(etw_buffer *bytes, uint64_t port)
{
    etw_buffer_append_u8(bytes, (uint8_t)(port >> 8));
    etw_buffer_append_u8(bytes, (uint8_t)port);
}

static bool parse_socket_ipv4(reading r, etw_buffer *bytes)
{
    static const uint8_t zeros[8];
    uint8_t octets[4];
    uint64_t port = 0;
    if (!take_ipv4(&r, octets) || (take(&r, ':') && !take_number(&r, 10, 65535, &port)) ||
        r.at != r.end) {
        return false;
    }
    etw_buffer_append_u16(bytes, FAMILY_IPV4);
    append_port(bytes, port);
    etw_buffer_append(bytes, octets, sizeof octets);
    etw_buffer_append(bytes, zeros, sizeof zeros);
    return true;
}

/* "[fe80::1%7]:445"; port 0 leaves out port and brackets. */
static bool parse_socket_ipv6(reading r, etw_buffer *bytes)
{
    uint8_t address[16];
    uint64_t scope = 0;
    uint64_t port = 0;
    const bool has_brackets = take(&r, '[');
    const char *start = r.at;
    while (r.at < r.end && *r.at != '%' && *r.at != ']') {
        r.at++;
    }
    if (!etw_ipv6_parse(start, (size_t)(r.at - start), address) ||
        (take(&r, '%') && !take_number(&r, 10, UINT32_MAX, &scope)) ||
        (has_brackets && !(take(&r, ']') && take(&r, ':') && take_number(&r, 10, 65535, &port))) ||
        r.at != r.end) {
        return false;
    }
    etw_buffer_append_u16(bytes, FAMILY_IPV6);
    append_port(bytes, port);
    etw_buffer_append_u32(bytes, 0); /* flow information, which the text has not */
    etw_buffer_append(bytes, address, sizeof address);
    etw_buffer_append_u32(bytes, (uint32_t)scope);
    return true;
}

bool etw_socket_address_parse(const char *text, size_t size, etw_buffer *bytes)
{
    const reading r = {text, text + size};
    return parse_socket_ipv4(r, bytes) || parse_socket_ipv6(r, bytes);
}

bool etw_sid_parse(const char *text, size_t size, etw_buffer *bytes)
{
    reading r = {text, text + size};
    uint64_t revision;
    uint64_t authority;
    uint64_t parts[MAX_PARTS];
    uint8_t count = 0;
    if (!take(&r, 'S') || !take(&r, '-') || !take_number(&r, 10, 255, &revision) ||
        !take(&r, '-')) {
        return false;
    }
    const bool is_hex = r.end - r.at > 2 && r.at[0] == '0' && (r.at[1] | 0x20) == 'x';
    r.at += is_hex ? 2 : 0;
    if (!take_number(&r, is_hex ? 16 : 10, UINT64_C(0xFFFFFFFFFFFF), &authority)) {
        return false;
    }
    while (take(&r, '-')) {
        if (count == MAX_PARTS || !take_number(&r, 10, UINT32_MAX, &parts[count++])) {
            return false;
        }
    }
    if (r.at != r.end) {
        return false;
    }
    etw_buffer_append_u8(bytes, (uint8_t)revision);
    etw_buffer_append_u8(bytes, count);
    for (unsigned shift = 48; shift > 0; shift -= 8) {
        etw_buffer_append_u8(bytes, (uint8_t)(authority >> (shift - 8)));
    }
    for (uint8_t i = 0; i < count; i++) {
        etw_buffer_append_u32(bytes, (uint32_t)parts[i]);
    }
    return true;
}
