#include "format/etl/buffer_chain.h"

#include "format/etl/buffer_table.h"

/* Below this distance from the last look, it pays to read on rather than to jump. */
#define JUMP ((uint64_t)16 << 10)
/* A buffer's header and first record headers, also in compressed form. */
#define LOOK ((size_t)512)

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

etw_status etw_chain_peek(etw_chain *chain, uint64_t offset, size_t size, etw_bytes *bytes,
                          etw_error *error)
{
    const uint64_t wanted = smaller(size, chain->file_size - offset);
    const uint64_t held_to = chain->ahead_at + chain->ahead_size;
    if (offset < chain->ahead_at || offset + wanted > held_to) {
        const bool near = offset >= chain->last && offset - chain->last <= JUMP;
        const size_t ask = near || size > chain->look ? ETW_CHAIN_AHEAD : chain->look;
        chain->ahead_at = offset;
        const etw_room room = {chain->ahead, (size_t)smaller(ask, chain->file_size - offset)};
        const etw_status status =
            etw_os_read_at_full(chain->os, chain->file, room, offset, &chain->ahead_size, error);
        if (status != ETW_OK) {
            chain->ahead_size = 0;
            return status;
        }
    }
    chain->last = offset;
    const size_t skipped = (size_t)(offset - chain->ahead_at);
    *bytes =
        (etw_bytes){chain->ahead + skipped, (size_t)smaller(wanted, chain->ahead_size - skipped)};
    return ETW_OK;
}

void etw_chain_expect(etw_chain *chain, const etw_buffer_header *header)
{
    const size_t usual = header == NULL ? 0 : etw_buffer_usual_bytes(header);
    chain->look = usual < LOOK ? LOOK : usual < ETW_CHAIN_AHEAD ? usual : ETW_CHAIN_AHEAD;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Enough of a header where the buffer before ends. */
static bool is_possible(const uint8_t *bytes)
{
    const etw_buffer_header header = etw_buffer_header_read(bytes);
    return etw_buffer_header_problem(&header) == NULL;
}

/* A header to go on at after damage: possible in itself, and, where any place may hold one, with
 * the session's number: of merged files one of several. */
static bool is_header(const etw_chain *chain, const uint8_t *bytes)
{
    const etw_buffer_header header = etw_buffer_header_read(bytes);
    return is_possible(bytes) && (chain->step != 1 || header.context.LoggerId == chain->logger_id);
}

/* Whether a buffer, unused space, or the end of the file is at offset. */
static etw_status fits_at(etw_chain *chain, uint64_t offset, bool *fits, etw_error *error)
{
    *fits = offset == chain->file_size;
    if (offset >= chain->file_size) {
        return ETW_OK;
    }
    etw_bytes bytes;
    const etw_status status = etw_chain_peek(chain, offset, ETW_BUFFER_HEADER_SIZE, &bytes, error);
    if (status == ETW_OK) {
        *fits = is_zero(bytes.data, bytes.size) ||
                (bytes.size == ETW_BUFFER_HEADER_SIZE && is_possible(bytes.data));
    }
    return status;
}

/* The first place before end, from the given one on, at which a header stands; end where there is
 * none. In files whose buffers have one size they start at multiples of it. */
static etw_status find_header(etw_chain *chain, uint64_t from, uint64_t end, uint64_t *found,
                              etw_error *error)
{
    const size_t look = chain->step == 1 ? ETW_CHAIN_AHEAD : (size_t)ETW_BUFFER_HEADER_SIZE;
    for (*found = from; *found < end;) {
        etw_bytes bytes;
        const etw_status status = etw_chain_peek(chain, *found, look, &bytes, error);
        if (status != ETW_OK) {
            return status;
        }
        if (bytes.size < ETW_BUFFER_HEADER_SIZE) {
            break;
        }
        const uint64_t start = *found;
        for (; *found < end && *found - start + ETW_BUFFER_HEADER_SIZE <= bytes.size;
             *found += chain->step) {
            if (is_header(chain, bytes.data + (*found - start))) {
                return ETW_OK;
            }
        }
    }
    *found = end;
    return ETW_OK;
}

/* Where the next buffer may start at the earliest, if the one at the chain's place tells nothing.
 */
static uint64_t next_start(const etw_chain *chain)
{
    const uint64_t next = chain->at - chain->at % chain->step + chain->step;
    return smaller(next, chain->file_size);
}

/* Zeros from the chain's place on: unused space where they reach the end of the file, as in one
 * that is laid out ahead or not closed yet; else a buffer that was never written. */
static etw_status take_zeros(etw_chain *chain, etw_buffer_entry *entry, etw_error *error)
{
    uint64_t offset = chain->at;
    size_t zeros = 0;
    etw_bytes bytes = {NULL, 0};
    do {
        offset += zeros;
        const etw_status status = etw_chain_peek(chain, offset, ETW_CHAIN_AHEAD, &bytes, error);
        if (status != ETW_OK) {
            return status;
        }
        for (zeros = 0; zeros < bytes.size && bytes.data[zeros] == 0;) {
            zeros++;
        }
    } while (bytes.size != 0 && zeros == bytes.size);
    offset += zeros;
    if (bytes.size == 0 && offset < chain->file_size) {
        entry->kind = ETW_BUFFER_KIND_GONE;
        entry->size = chain->file_size - chain->at;
        return ETW_OK;
    }
    if (bytes.size == 0) {
        chain->unused_bytes = chain->file_size - chain->at;
        return ETW_END;
    }
    offset -= offset % chain->step;
    entry->kind = ETW_BUFFER_KIND_ZEROS;
    entry->size = (offset > next_start(chain) ? offset : next_start(chain)) - chain->at;
    return ETW_OK;
}

/* Bytes without a header: up to the next one. */
static etw_status take_damage(etw_chain *chain, etw_buffer_entry *entry, etw_error *error)
{
    uint64_t found = next_start(chain);
    etw_status status = ETW_OK;
    if (chain->step == 1) {
        status = find_header(chain, found, chain->file_size, &found, error);
    }
    entry->kind = ETW_BUFFER_KIND_NO_HEADER;
    entry->size = found - chain->at;
    return status;
}

/* The bytes that belong to the buffer with this header: what it says, unless the next buffer shows
 * that to be wrong. */
static etw_status take_buffer(etw_chain *chain, const etw_buffer_header *header,
                              etw_buffer_entry *entry, etw_error *error)
{
    const uint64_t left = chain->file_size - chain->at;
    entry->kind = ETW_BUFFER_KIND_WHOLE;
    entry->size = header->stored_size;
    if (header->stored_size == chain->step && left >= chain->step) {
        return ETW_OK;
    }
    bool fits;
    etw_status status = fits_at(chain, chain->at + header->stored_size, &fits, error);
    if (status != ETW_OK || fits) {
        return status;
    }
    const uint64_t end = chain->at + smaller(header->stored_size, left);
    const uint64_t from = chain->step == 1 ? chain->at + ETW_BUFFER_HEADER_SIZE : next_start(chain);
    uint64_t found = end;
    if (from < end) {
        status = find_header(chain, from, end, &found, error);
    } else {
        status = fits_at(chain, from, &fits, error);
        found = fits ? from : end;
    }
    if (found != end) {
        entry->kind = ETW_BUFFER_KIND_WRONG_SIZE;
        entry->size = found - chain->at;
    } else if (left < header->stored_size) {
        entry->kind = ETW_BUFFER_KIND_CUT;
        entry->size = left;
    }
    return status;
}

etw_status etw_chain_next(etw_chain *chain, etw_buffer_entry *entry, etw_buffer_header *header,
                          etw_error *error)
{
    if (chain->at >= chain->file_size) {
        return ETW_END;
    }
    etw_bytes bytes;
    etw_status status = etw_chain_peek(chain, chain->at, ETW_BUFFER_HEADER_SIZE, &bytes, error);
    if (status != ETW_OK) {
        return status;
    }
    *entry = (etw_buffer_entry){
        INT64_MIN, chain->at, bytes.size, chain->number, ETW_BUFFER_KIND_TAIL, 0};
    if (is_zero(bytes.data, bytes.size)) {
        status = take_zeros(chain, entry, error);
    } else if (bytes.size == ETW_BUFFER_HEADER_SIZE) {
        *header = etw_buffer_header_read(bytes.data);
        status = etw_buffer_header_problem(header) == NULL
                     ? take_buffer(chain, header, entry, error)
                     : take_damage(chain, entry, error);
    }
    if (status == ETW_OK) {
        chain->at += entry->size;
        chain->number++;
    }
    return status;
}
