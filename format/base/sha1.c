#include "format/base/sha1.h"

void etw_sha1_begin(etw_sha1 *sha1)
{
    static const uint32_t first[5] = {0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u,
                                      0xC3D2E1F0u};
    for (size_t i = 0; i < 5; i++) {
        sha1->state[i] = first[i];
    }
    sha1->size_bytes = 0;
}

static uint32_t rotate(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

static uint32_t round_function(size_t round, uint32_t b, uint32_t c, uint32_t d)
{
    if (round < 20) {
        return ((b & c) | (~b & d)) + 0x5A827999u;
    }
    if (round < 40) {
        return (b ^ c ^ d) + 0x6ED9EBA1u;
    }
    if (round < 60) {
        return ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDCu;
    }
    return (b ^ c ^ d) + 0xCA62C1D6u;
}

static void add_block(etw_sha1 *sha1)
{
    uint32_t words[80];
    for (size_t i = 0; i < 16; i++) {
        const uint8_t *from = sha1->block + 4 * i;
        words[i] =
            (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
    }
    for (size_t i = 16; i < 80; i++) {
        words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    }
    uint32_t a = sha1->state[0], b = sha1->state[1], c = sha1->state[2];
    uint32_t d = sha1->state[3], e = sha1->state[4];
    for (size_t i = 0; i < 80; i++) {
        const uint32_t next = rotate(a, 5) + round_function(i, b, c, d) + e + words[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    sha1->state[0] += a;
    sha1->state[1] += b;
    sha1->state[2] += c;
    sha1->state[3] += d;
    sha1->state[4] += e;
}

void etw_sha1_add(etw_sha1 *sha1, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    for (size_t i = 0; i < size; i++) {
        sha1->block[sha1->size_bytes % 64] = from[i];
        sha1->size_bytes++;
        if (sha1->size_bytes % 64 == 0) {
            add_block(sha1);
        }
    }
}

void etw_sha1_end(etw_sha1 *sha1, uint8_t hash[ETW_SHA1_SIZE])
{
    const uint64_t bits = sha1->size_bytes * 8;
    const uint8_t one = 0x80, zero = 0;
    etw_sha1_add(sha1, &one, 1);
    while (sha1->size_bytes % 64 != 56) {
        etw_sha1_add(sha1, &zero, 1);
    }
    uint8_t length[8];
    for (unsigned i = 0; i < 8; i++) {
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    }
    etw_sha1_add(sha1, length, sizeof length);
    for (unsigned i = 0; i < ETW_SHA1_SIZE; i++) {
        hash[i] = (uint8_t)(sha1->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}
