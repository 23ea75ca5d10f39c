/* Network addresses as Windows' Rtl...AddressToString functions write them. */
#ifndef ETW_FORMAT_EVENT_ADDRESS_TEXT_H
#define ETW_FORMAT_EVENT_ADDRESS_TEXT_H

#include "format/base/text.h"

/* octets: 4 bytes in network order. */
void etw_text_append_ipv4(etw_text *text, const uint8_t *octets);
/* address: 16 bytes. Lower case, the longest run of two or more zero groups as "::", and a dotted
 * tail for IPv4-compatible, -mapped, -translated and ISATAP addresses. */
void etw_text_append_ipv6(etw_text *text, const uint8_t *address);
/* A SOCKADDR: "192.168.204.233:5000", "[fe80::1%7]:445"; port 0 leaves out port and brackets. False
 * (and nothing appended) for other families and for too few bytes. */
bool etw_text_append_socket_address(etw_text *text, etw_bytes address);

#endif
