/* SHA-1 (FIPS 180-4), for the GUIDs that providers derive from their names; not for security. */
#ifndef ETW_FORMAT_BASE_SHA1_H
#define ETW_FORMAT_BASE_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define ETW_SHA1_SIZE 20u

typedef struct etw_sha1 {
    uint32_t state[5];
    uint64_t size_bytes;
    uint8_t block[64];
} etw_sha1;

void etw_sha1_begin(etw_sha1 *sha1);
void etw_sha1_add(etw_sha1 *sha1, const void *bytes, size_t size);
void etw_sha1_end(etw_sha1 *sha1, uint8_t hash[ETW_SHA1_SIZE]);

#endif
