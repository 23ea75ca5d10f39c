/* Network addresses and SIDs back to bytes: what address_text.c writes. */
#ifndef ETW_FORMAT_EVENT_ADDRESS_BYTES_H
#define ETW_FORMAT_EVENT_ADDRESS_BYTES_H

#include "format/base/text.h"

/* All of the text must be the address; octets: 4 bytes, address: 16. */
bool etw_ipv4_parse(const char *text, size_t size, uint8_t *octets);
bool etw_ipv6_parse(const char *text, size_t size, uint8_t *address);
/* Appends a SOCKADDR_IN or SOCKADDR_IN6. */
bool etw_socket_address_parse(const char *text, size_t size, etw_buffer *bytes);
/* Appends a SID: "S-1-5-18". */
bool etw_sid_parse(const char *text, size_t size, etw_buffer *bytes);

#endif
