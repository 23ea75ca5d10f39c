#include "format/etwcap/scan.h"

#include <stdlib.h>

/* Bytes looked at in one go while searching for a header. */
#define SEARCH_STEP ((size_t)256 << 10)

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for reading");
}

static bool reserve(etw_input *input, size_t size)
{
    if (size <= input->capacity) {
        return true;
    }
    uint8_t *wider = realloc(input->buffer, size);
    if (wider == NULL) {
        return false;
    }
    input->buffer = wider;
    input->capacity = size;
    return true;
}

/* Piece by piece, with zeros for what cannot be read. */
static size_t read_around_errors(etw_input *input, uint8_t *to, size_t size, uint64_t offset)
{
    size_t done = 0;
    while (done < size && offset + done < input->skip_unreadable_to) {
        const uint64_t at = offset + done;
        size_t piece = ETW_INPUT_UNREADABLE_STEP - (size_t)(at % ETW_INPUT_UNREADABLE_STEP);
        size_t got = 0;
        piece = piece < size - done ? piece : size - done;
        if (etw_os_read_at_full(input->os, input->file, (etw_room){to + done, piece}, at, &got,
                                NULL) != ETW_OK) {
            memset(to + done, 0, piece);
            input->unreadable_bytes += piece;
            got = piece;
        }
        done += got;
        if (got < piece) {
            break;
        }
    }
    return done;
}

static etw_status fill(etw_input *input, size_t size, etw_error *error)
{
    size_t got = 0;
    etw_status status;
    uint8_t *to = input->buffer + input->filled;
    const uint64_t offset = input->start + input->filled;
    if (input->seekable) {
        status =
            etw_os_read_at_full(input->os, input->file, (etw_room){to, size}, offset, &got, error);
        if (status == ETW_ERROR_IO && input->skip_unreadable_to != 0) {
            got = read_around_errors(input, to, size, offset);
            status = ETW_OK;
        }
    } else {
        status = etw_os_read_full(input->os, input->file, to, size, &got, error);
    }
    input->filled += got;
    input->bytes_read += got;
    return status;
}

/* Makes the window start at offset. */
static etw_status move_window(etw_input *input, uint64_t offset, etw_error *error)
{
    etw_status status = ETW_OK;
    while (!input->seekable && status == ETW_OK && input->start + input->filled < offset) {
        const uint64_t missing = offset - input->start - input->filled;
        const size_t filled = input->filled;
        input->start += filled;
        input->filled = 0;
        if (!reserve(input, SEARCH_STEP)) {
            return no_memory(error);
        }
        status = fill(input, missing < SEARCH_STEP ? (size_t)missing : SEARCH_STEP, error);
        if (input->filled == 0) {
            return status;
        }
    }
    if (offset >= input->start && offset - input->start <= input->filled) {
        const size_t passed = (size_t)(offset - input->start);
        if (passed > 0) {
            memmove(input->buffer, input->buffer + passed, input->filled - passed);
        }
        input->filled -= passed;
    } else if (input->seekable) {
        input->filled = 0;
    } else {
        return etw_error_set(error, ETW_ERROR_INTERNAL, "a pipe cannot go back");
    }
    input->start = offset;
    return status;
}

etw_status etw_input_need(etw_input *input, uint64_t offset, size_t size, size_t ahead,
                          etw_bytes *bytes, etw_error *error)
{
    if (input->image.data != NULL) {
        const size_t whole = input->image.size;
        const size_t skip = offset < whole ? (size_t)offset : whole;
        bytes->data = input->image.data + skip;
        bytes->size = whole - skip < size ? whole - skip : size;
        return ETW_OK;
    }
    const bool inside = offset >= input->start && offset - input->start <= input->filled &&
                        size <= input->filled - (size_t)(offset - input->start);
    etw_status status = ETW_OK;
    if (!inside) {
        const size_t wanted = size + (input->seekable ? ahead : 0);
        status = move_window(input, offset, error);
        if (status == ETW_OK && !reserve(input, wanted)) {
            status = no_memory(error);
        }
        if (status == ETW_OK && input->start == offset && input->filled < wanted) {
            status = fill(input, wanted - input->filled, error);
        }
    }
    const bool reached = offset >= input->start && offset - input->start <= input->filled;
    const size_t skip = reached ? (size_t)(offset - input->start) : input->filled;
    bytes->data = input->buffer + skip;
    bytes->size = input->filled - skip < size ? input->filled - skip : size;
    return status;
}

int64_t etw_input_content_size(const etw_input *input)
{
    return input->image.data != NULL ? (int64_t)input->image.size
                                     : input->os->size(input->os->context, input->file);
}

void etw_input_use_image(etw_input *input, etw_bytes image)
{
    free(input->buffer);
    input->buffer = NULL;
    input->capacity = input->filled = 0;
    input->image = image;
    input->seekable = true;
}

void etw_scan_init(etw_scan *scan, const etw_os *os, int file, bool seekable)
{
    memset(scan, 0, sizeof *scan);
    scan->input.os = os;
    scan->input.file = file;
    scan->input.seekable = seekable;
    scan->position = ETW_HEAD_SIZE;
}

void etw_scan_free(etw_scan *scan)
{
    free(scan->input.buffer);
    etw_block_expand_free(scan->zstd);
    etw_buffer_free(&scan->expanded);
}

void etw_scan_release(etw_scan *scan)
{
    etw_scan_free(scan);
    scan->input.buffer = NULL;
    scan->input.capacity = scan->input.filled = 0;
    scan->zstd = NULL;
}

static etw_status note(etw_scan *scan, etw_status status)
{
    scan->out_of_memory = scan->out_of_memory || status == ETW_ERROR_NO_MEMORY;
    return status;
}

static etw_status need(etw_scan *scan, uint64_t offset, size_t size, size_t ahead, etw_bytes *bytes,
                       etw_error *error)
{
    return note(scan, etw_input_need(&scan->input, offset, size, ahead, bytes, error));
}

static uint64_t past(uint64_t offset, const etw_block_header *header)
{
    return offset + ETW_BLOCK_HEADER_SIZE + header->stored_size;
}

typedef struct search {
    bool found;
    uint64_t offset; /* of what was found, or the file's end */
    bool all_zero;   /* everything passed over, from scan->position on */
} search;

static bool is_zero(etw_bytes bytes)
{
    return bytes.size == 0 ||
           (bytes.data[0] == 0 && memcmp(bytes.data, bytes.data + 1, bytes.size - 1) == 0);
}

/* Moves on by size bytes, and looks at those of them that count. */
static void pass_over(const etw_scan *scan, search *result, etw_bytes bytes, size_t size)
{
    const uint64_t before = result->offset < scan->position ? scan->position - result->offset : 0;
    if (before < size) {
        const etw_bytes counted = {bytes.data + before, size - (size_t)before};
        result->all_zero = result->all_zero && is_zero(counted);
    }
    result->offset += size;
}

/* The next good header at from or behind it whose sequence number fits. */
static etw_status find_header(etw_scan *scan, uint64_t from, search *result, etw_error *error)
{
    *result = (search){.offset = from, .all_zero = true};
    for (;;) {
        etw_bytes bytes;
        const etw_status status = need(scan, result->offset, SEARCH_STEP, 0, &bytes, error);
        if (status != ETW_OK) {
            return status;
        }
        size_t at = etw_block_find_marker(bytes, 0);
        while (bytes.size - at >= ETW_BLOCK_HEADER_SIZE) {
            etw_block_header header;
            if (etw_block_header_load(bytes.data + at, &header) &&
                header.sequence >= scan->next_sequence) {
                pass_over(scan, result, bytes, at);
                result->found = true;
                return ETW_OK;
            }
            at = etw_block_find_marker(bytes, at + 1);
        }
        const bool last = bytes.size < SEARCH_STEP;
        /* A header may start in the last bytes of a step: they are looked at again. */
        pass_over(scan, result, bytes, last ? bytes.size : SEARCH_STEP - ETW_BLOCK_HEADER_SIZE + 1);
        if (last) {
            return ETW_OK;
        }
    }
}

static etw_status gap(etw_scan *scan, etw_scan_item *item, uint64_t offset, uint64_t size,
                      const char *what)
{
    *item = (etw_scan_item){.kind = ETW_SCAN_GAP,
                            .offset = offset,
                            .size = size,
                            .first_missing = scan->next_sequence,
                            .what = what};
    return ETW_OK;
}

static etw_status at_end(etw_scan *scan, uint64_t offset, uint64_t torn_bytes)
{
    scan->end_offset = offset;
    scan->torn_bytes = torn_bytes;
    scan->ended = scan->complete || !scan->follow || !scan->input.seekable;
    return ETW_END;
}

/* Looks from `from` on for where to go on; [position, there) is lost. */
static etw_status resync(etw_scan *scan, uint64_t from, const char *what, etw_scan_item *item,
                         etw_error *error)
{
    search found;
    const uint64_t start = scan->position;
    const etw_status status = find_header(scan, from, &found, error);
    if (status != ETW_OK) {
        return status;
    }
    if (!found.found && (found.all_zero || found.offset - start < ETW_BLOCK_HEADER_SIZE)) {
        return at_end(scan, start, found.all_zero ? 0 : found.offset - start);
    }
    scan->position = found.offset;
    return gap(scan, item, start, found.offset > start ? found.offset - start : 0, what);
}

/* A header whose body the file does not hold: cut off, or a wrong size amid good blocks. */
static etw_status cut_off(etw_scan *scan, etw_scan_item *item, etw_error *error)
{
    search found = {.offset = scan->position};
    if (!scan->follow) {
        const etw_status status =
            find_header(scan, scan->position + ETW_BLOCK_HEADER_SIZE, &found, error);
        if (status != ETW_OK) {
            return status;
        }
    }
    scan->has_current = false;
    if (!found.found) {
        scan->has_torn = true;
        scan->torn = scan->current;
        return at_end(scan, scan->position, found.offset - scan->position);
    }
    const uint64_t start = scan->position;
    scan->position = found.offset;
    return gap(scan, item, start, found.offset - start, "a block runs into the next");
}

/* Whether the file reaches to the end of the block; a pipe is read to find out. */
static etw_status check_whole(etw_scan *scan, bool *whole, etw_error *error)
{
    const uint64_t end = past(scan->position, &scan->current);
    etw_bytes bytes;
    if (scan->input.seekable) {
        const int64_t size = etw_input_content_size(&scan->input);
        *whole = size >= 0 && (uint64_t)size >= end;
        return size < 0 ? etw_error_set_os(error, (int)-size, "cannot tell the file's size")
                        : ETW_OK;
    }
    const size_t size = (size_t)(end - scan->position);
    const etw_status status = need(scan, scan->position, size, 0, &bytes, error);
    *whole = bytes.size == size;
    return status;
}

/* The end block: reading is over if it is a good one. */
static etw_status read_end(etw_scan *scan, etw_error *error)
{
    etw_bytes body;
    const etw_status status = etw_scan_body(scan, &body, error);
    if (status == ETW_OK && etw_end_load(body, &scan->end, error) == ETW_OK) {
        scan->complete = true;
        return at_end(scan, past(scan->position, &scan->current), 0);
    }
    return status == ETW_OK || etw_scan_is_damage(status) ? ETW_ERROR_DAMAGED : status;
}

bool etw_scan_leave(etw_scan *scan)
{
    if (scan->has_current && !scan->body_bad) {
        scan->has_current = false;
        scan->position = past(scan->position, &scan->current);
    }
    return !scan->has_current;
}

/* Leaves the current block behind. Where its body is broken, bytes may be missing or too many in
 * it: if no good header follows, the next one is looked for inside it. */
static etw_status leave_current(etw_scan *scan, etw_scan_item *item, bool *have_item,
                                etw_error *error)
{
    const uint64_t inside = scan->position + ETW_BLOCK_HEADER_SIZE;
    etw_block_header next;
    etw_bytes bytes;
    *have_item = false;
    if (etw_scan_leave(scan)) {
        return ETW_OK;
    }
    scan->has_current = false;
    const size_t size = ETW_BLOCK_HEADER_SIZE + scan->current.stored_size;
    etw_status status = need(scan, scan->position, size + ETW_BLOCK_HEADER_SIZE, 0, &bytes, error);
    if (status != ETW_OK) {
        return status;
    }
    scan->position += bytes.size < size ? bytes.size : size;
    scan->searched_inside += size;
    const bool next_is_good = bytes.size == size + ETW_BLOCK_HEADER_SIZE &&
                              etw_block_header_load(bytes.data + size, &next);
    if (!next_is_good && scan->searched_inside <= ETW_SCAN_MAX_INSIDE) {
        status = resync(scan, inside, "no block header", item, error);
        *have_item = status == ETW_OK;
    }
    return status;
}

/* A good header at position: what to make of it. */
static etw_status take_header(etw_scan *scan, etw_scan_item *item, bool *again, etw_error *error)
{
    const uint64_t offset = scan->position;
    bool whole = false;
    if (scan->current.sequence < scan->next_sequence) {
        /* A copy may be cut off by what comes behind it: its size is not to be relied on. */
        return resync(scan, offset + ETW_BLOCK_HEADER_SIZE, "a block that was there before", item,
                      error);
    }
    if (scan->current.sequence > scan->next_sequence) {
        (void)gap(scan, item, offset, 0, "blocks are missing");
        item->missing = scan->current.sequence - scan->next_sequence;
        scan->next_sequence = scan->current.sequence;
        return ETW_OK;
    }
    etw_status status = check_whole(scan, &whole, error);
    if (status != ETW_OK) {
        return status;
    }
    if (!whole) {
        return cut_off(scan, item, error);
    }
    scan->has_current = true;
    scan->body_bad = false;
    scan->next_sequence++;
    if (scan->current.kind == ETW_BLOCK_END) {
        status = read_end(scan, error);
        *again = status == ETW_ERROR_DAMAGED;
        return status;
    }
    *item = (etw_scan_item){.kind = ETW_SCAN_BLOCK, .offset = offset, .header = scan->current};
    return ETW_OK;
}

/* The gap and the count of what is missing in it are one item. */
static etw_status add_missing(etw_scan *scan, etw_scan_item *item, etw_error *error)
{
    etw_bytes bytes;
    etw_block_header next;
    const etw_status status = need(scan, scan->position, ETW_BLOCK_HEADER_SIZE, 0, &bytes, error);
    if (status == ETW_OK && bytes.size == ETW_BLOCK_HEADER_SIZE &&
        etw_block_header_load(bytes.data, &next) && next.sequence > scan->next_sequence) {
        item->missing = next.sequence - scan->next_sequence;
        scan->next_sequence = next.sequence;
    }
    return status;
}

etw_status etw_scan_next(etw_scan *scan, etw_scan_item *item, etw_error *error)
{
    bool again = true;
    etw_status status = ETW_OK;
    if (scan->ended) {
        return ETW_END;
    }
    while (again) {
        again = false;
        bool have_item = false;
        if (scan->has_current) {
            status = leave_current(scan, item, &have_item, error);
        }
        if (status != ETW_OK) {
            return status;
        }
        if (have_item) {
            return add_missing(scan, item, error);
        }
        etw_bytes bytes;
        status = need(scan, scan->position, ETW_BLOCK_HEADER_SIZE, 0, &bytes, error);
        if (status != ETW_OK) {
            return status;
        }
        if (bytes.size < ETW_BLOCK_HEADER_SIZE) {
            return at_end(scan, scan->position, is_zero(bytes) ? 0 : bytes.size);
        }
        if (!etw_block_header_load(bytes.data, &scan->current)) {
            status = resync(scan, scan->position + 1, "no block header", item, error);
            return status == ETW_OK ? add_missing(scan, item, error) : status;
        }
        status = take_header(scan, item, &again, error);
    }
    return status;
}

static etw_status body_damaged(etw_scan *scan, etw_error *error, const char *what)
{
    scan->body_bad = true;
    return etw_error_set(error, ETW_ERROR_DAMAGED, "%s", what);
}

/* Copies masked bytes without their mask; others are only lent. */
static etw_status unmask(etw_scan *scan, etw_bytes masked, etw_bytes *plain, etw_error *error)
{
    const uint8_t mask = etw_block_mask(&scan->current);
    *plain = masked;
    if (mask == 0) {
        return ETW_OK;
    }
    etw_buffer_clear(&scan->expanded);
    etw_buffer_append(&scan->expanded, masked.data, masked.size);
    if (scan->expanded.failed) {
        return note(scan, no_memory(error));
    }
    etw_block_xor((uint8_t *)scan->expanded.data, masked.size, mask);
    *plain = (etw_bytes){(const uint8_t *)scan->expanded.data, masked.size};
    return ETW_OK;
}

etw_status etw_scan_stored(etw_scan *scan, etw_bytes *stored, etw_error *error)
{
    const etw_block_header *header = &scan->current;
    const size_t size = ETW_BLOCK_HEADER_SIZE + header->stored_size;
    etw_bytes bytes;
    const etw_status status =
        need(scan, scan->position, size, ETW_BLOCK_HEADER_SIZE, &bytes, error);
    if (status != ETW_OK) {
        return status;
    }
    if (bytes.size < size) {
        return body_damaged(scan, error, "the body is cut off");
    }
    const etw_bytes masked = {bytes.data + ETW_BLOCK_HEADER_SIZE, header->stored_size};
    if (etw_block_hash(masked) != header->body_hash) {
        return body_damaged(scan, error, "the body's checksum is wrong");
    }
    return unmask(scan, masked, stored, error);
}

etw_status etw_scan_body(etw_scan *scan, etw_bytes *body, etw_error *error)
{
    const etw_block_header *header = &scan->current;
    etw_status status = etw_scan_stored(scan, body, error);
    if (status != ETW_OK) {
        return status;
    }
    if ((header->flags & 0xFFu & ~(unsigned)ETW_BLOCK_KNOWN_FLAGS) != 0) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "block flags 0x%x are of a newer version", header->flags);
    }
    if ((header->flags & ETW_BLOCK_ZSTD) != 0) {
        etw_buffer raw = {0};
        status = note(scan, etw_block_expand_again(&scan->zstd, header, *body, &raw, error));
        etw_buffer_free(&scan->expanded);
        scan->expanded = raw;
        *body = etw_buffer_bytes(&raw);
    } else if (header->kind != ETW_BLOCK_EVENTS && header->raw_size != header->stored_size) {
        status = etw_error_set(error, ETW_ERROR_DAMAGED, "the raw size is wrong");
    }
    return status;
}

etw_status etw_scan_events_head(etw_scan *scan, etw_events_head *head, etw_error *error)
{
    const etw_block_header *header = &scan->current;
    const size_t size = ETW_BLOCK_HEADER_SIZE + header->head_size;
    etw_bytes bytes;
    const etw_status status = need(scan, scan->position, size, 0, &bytes, error);
    if (status != ETW_OK) {
        return status;
    }
    if (bytes.size < size) {
        return body_damaged(scan, error, "the events head is cut off");
    }
    const etw_bytes masked = {bytes.data + ETW_BLOCK_HEADER_SIZE, header->head_size};
    etw_bytes plain;
    const etw_status unmasked = unmask(scan, masked, &plain, error);
    if (unmasked != ETW_OK) {
        return unmasked;
    }
    return etw_events_head_load(plain, header->count, head, error);
}

void etw_scan_jump(etw_scan *scan, uint64_t offset, uint64_t sequence)
{
    scan->position = offset;
    scan->next_sequence = sequence;
    scan->has_current = false;
    scan->ended = false;
    scan->complete = false;
    scan->has_torn = false;
}

etw_status etw_scan_at(etw_scan *scan, uint64_t offset, etw_scan_item *item, etw_error *error)
{
    etw_bytes bytes;
    etw_scan_jump(scan, offset, 0);
    const etw_status status = need(scan, offset, ETW_BLOCK_HEADER_SIZE, 0, &bytes, error);
    if (status != ETW_OK) {
        return status;
    }
    if (bytes.size < ETW_BLOCK_HEADER_SIZE || !etw_block_header_load(bytes.data, &scan->current)) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "no block header at offset %llu",
                             (unsigned long long)offset);
    }
    scan->has_current = true;
    scan->body_bad = false;
    *item = (etw_scan_item){.kind = ETW_SCAN_BLOCK, .offset = offset, .header = scan->current};
    return ETW_OK;
}
