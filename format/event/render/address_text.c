#include "format/event/render/address_text.h"

#define FAMILY_INET  2u
#define FAMILY_INET6 23u
#define GROUPS       8u
#define ISATAP_MARK  0x5EFEu

static unsigned group_of(const uint8_t *address, unsigned group)
{
    const uint8_t *at = address + (size_t)2 * group;
    return (unsigned)at[0] << 8 | at[1];
}

void etw_text_append_ipv4(etw_text *text, const uint8_t *octets)
{
    for (unsigned i = 0; i < 4; i++) {
        if (i != 0) {
            etw_text_append_char(text, '.');
        }
        etw_text_append_u64(text, octets[i]);
    }
}

static bool all_zero(const uint8_t *address, unsigned groups)
{
    for (unsigned i = 0; i < groups; i++) {
        if (group_of(address, i) != 0) {
            return false;
        }
    }
    return true;
}

static bool has_dotted_tail(const uint8_t *address)
{
    const unsigned fourth = group_of(address, 4);
    const unsigned fifth = group_of(address, 5);
    if (fifth == ISATAP_MARK && (fourth & 0xFDFFu) == 0) {
        return true;
    }
    if (!all_zero(address, 4) || group_of(address, 6) == 0) {
        return false;
    }
    return (fourth == 0 && (fifth == 0 || fifth == 0xFFFFu)) || (fourth == 0xFFFFu && fifth == 0);
}

/* The first longest run of zero groups; *length is 0 where none has two. */
static unsigned longest_zero_run(const uint8_t *address, unsigned groups, unsigned *length)
{
    unsigned best = 0;
    *length = 0;
    for (unsigned i = 0; i < groups;) {
        unsigned run = 0;
        while (i + run < groups && group_of(address, i + run) == 0) {
            run++;
        }
        if (run > 1 && run > *length) {
            best = i;
            *length = run;
        }
        i += run + 1;
    }
    return best;
}

static void append_group(etw_text *text, unsigned value)
{
    static const char digits[] = "0123456789abcdef";
    char out[4];
    size_t size = 0;
    for (unsigned shift = 16; shift != 0;) {
        shift -= 4;
        if (size != 0 || shift == 0 || value >> shift != 0) {
            out[size++] = digits[value >> shift & 15u];
        }
    }
    etw_text_append(text, out, size);
}

void etw_text_append_ipv6(etw_text *text, const uint8_t *address)
{
    const bool dotted = has_dotted_tail(address);
    const unsigned groups = dotted ? GROUPS - 2 : GROUPS;
    unsigned run;
    const unsigned run_at = longest_zero_run(address, groups, &run);
    for (unsigned i = 0; i < groups;) {
        if (run != 0 && i == run_at) {
            etw_text_append(text, "::", 2);
            i += run;
            continue;
        }
        if (i != 0 && !(run != 0 && i == run_at + run)) {
            etw_text_append_char(text, ':');
        }
        append_group(text, group_of(address, i));
        i++;
    }
    if (dotted) {
        if (run == 0 || run_at + run != groups) {
            etw_text_append_char(text, ':');
        }
        etw_text_append_ipv4(text, address + 12);
    }
}

static void append_port(etw_text *text, unsigned port)
{
    etw_text_append_char(text, ':');
    etw_text_append_u64(text, port);
}

bool etw_text_append_socket_address(etw_text *text, etw_bytes address)
{
    const unsigned family = address.size < 8 ? 0u : etw_load_u16(address.data);
    if (family == FAMILY_INET) {
        const unsigned port = group_of(address.data, 1);
        etw_text_append_ipv4(text, address.data + 4);
        if (port != 0) {
            append_port(text, port);
        }
        return true;
    }
    if (family != FAMILY_INET6 || address.size < 24) {
        return false;
    }
    const unsigned port = group_of(address.data, 1);
    const uint32_t scope = address.size < 28 ? 0u : etw_load_u32(address.data + 24);
    if (port != 0) {
        etw_text_append_char(text, '[');
    }
    etw_text_append_ipv6(text, address.data + 8);
    if (scope != 0) {
        etw_text_append_char(text, '%');
        etw_text_append_u64(text, scope);
    }
    if (port != 0) {
        etw_text_append_char(text, ']');
        append_port(text, port);
    }
    return true;
}
