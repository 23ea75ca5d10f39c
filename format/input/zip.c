/* The directory of a zip archive: PKWARE's APPNOTE.TXT, 4.3 and 4.5.3 (zip64). */
#include "format/base/names.h"
#include "format/input/archive.h"
#include "format/input/input.h"

#include <stdlib.h>
#ifdef ETW_HAVE_ZLIB
#include <zlib.h>
#endif

#define END_SIZE       22u
#define MAX_COMMENT    65535u
#define LOCATOR_SIZE   20u
#define END64_SIZE     56u
#define ENTRY_SIZE     46u
#define LOCAL_SIZE     30u
#define MAX_DIRECTORY  ((size_t)16 << 20)
#define FLAG_ENCRYPTED 1u

/* A file in the archive. */
typedef struct member {
    char *name; /* owned by the list */
    uint64_t offset;
    uint64_t stored_size;
    uint32_t crc;
    uint16_t method;
    uint16_t flags;
} member;

typedef struct member_list {
    member *members;
    uint32_t count;
} member_list;

typedef struct directory {
    uint64_t offset;
    uint64_t size;
} directory;

static etw_status damaged(etw_error *error, const char *what)
{
    return etw_error_set(error, ETW_ERROR_DAMAGED, "the zip archive %s", what);
}

static etw_status read_exactly(const etw_os *os, int file, void *into, size_t size, uint64_t offset,
                               etw_error *error)
{
    size_t got;
    const etw_status status =
        etw_os_read_at_full(os, file, (etw_room){into, size}, offset, &got, error);
    return status != ETW_OK || got == size ? status : damaged(error, "ends early");
}

/* Where the archive has a zip64 end, that one counts. */
static etw_status use_end64(const etw_os *os, int file, uint64_t end_at, directory *found,
                            etw_error *error)
{
    uint8_t bytes[END64_SIZE];
    if (end_at < LOCATOR_SIZE) {
        return ETW_OK;
    }
    etw_status status = read_exactly(os, file, bytes, LOCATOR_SIZE, end_at - LOCATOR_SIZE, error);
    if (status != ETW_OK || memcmp(bytes, "PK\x06\x07", 4) != 0) {
        return status;
    }
    status = read_exactly(os, file, bytes, END64_SIZE, etw_load_u64(bytes + 8), error);
    if (status == ETW_OK && memcmp(bytes, "PK\x06\x06", 4) == 0) {
        found->size = etw_load_u64(bytes + 40);
        found->offset = etw_load_u64(bytes + 48);
    }
    return status;
}

static etw_status find_directory(const etw_os *os, int file, uint64_t size, directory *found,
                                 etw_error *error)
{
    const size_t tail_size = size < END_SIZE + MAX_COMMENT ? (size_t)size : END_SIZE + MAX_COMMENT;
    uint8_t *tail = malloc(tail_size + 1);
    if (tail == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a zip archive");
    }
    etw_status status = read_exactly(os, file, tail, tail_size, size - tail_size, error);
    size_t at = tail_size < END_SIZE ? 0 : tail_size - END_SIZE + 1;
    while (status == ETW_OK && at > 0 && memcmp(tail + at - 1, "PK\x05\x06", 4) != 0) {
        at--;
    }
    if (status == ETW_OK && at == 0) {
        status = damaged(error, "has no directory at its end");
    } else if (status == ETW_OK) {
        const uint8_t *end = tail + at - 1;
        found->size = etw_load_u32(end + 12);
        found->offset = etw_load_u32(end + 16);
        status = use_end64(os, file, size - tail_size + at - 1, found, error);
    }
    free(tail);
    return status;
}

/* The 64-bit values stand in the extra field 1, in this order, if the entry's are all ones. */
static void use_extra64(etw_bytes extra, uint32_t size32, uint32_t stored32, uint32_t offset32,
                        member *entry)
{
    while (extra.size >= 4) {
        const uint16_t id = etw_load_u16(extra.data);
        const size_t length = etw_load_u16(extra.data + 2);
        if (length > extra.size - 4) {
            return;
        }
        size_t at = size32 == UINT32_MAX ? 8 : 0;
        if (id == 1 && stored32 == UINT32_MAX && at + 8 <= length) {
            entry->stored_size = etw_load_u64(extra.data + 4 + at);
            at += 8;
        }
        if (id == 1 && offset32 == UINT32_MAX && at + 8 <= length) {
            entry->offset = etw_load_u64(extra.data + 4 + at);
        }
        extra.data += 4 + length;
        extra.size -= 4 + length;
    }
}

/* *entry_size: 0 where the directory ends. */
static etw_status add_entry(etw_bytes left, member_list *list, size_t *entry_size, etw_error *error)
{
    *entry_size = 0;
    if (left.size < ENTRY_SIZE || memcmp(left.data, "PK\x01\x02", 4) != 0) {
        return ETW_OK;
    }
    const size_t name_size = etw_load_u16(left.data + 28);
    const size_t extra_size = etw_load_u16(left.data + 30);
    const size_t size = ENTRY_SIZE + name_size + extra_size + etw_load_u16(left.data + 32);
    if (size > left.size) {
        return damaged(error, "has a damaged directory");
    }
    if (list->count == ETW_INPUT_MAX_FILES) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "the archive has more than %u files",
                             ETW_INPUT_MAX_FILES);
    }
    member *entry = &list->members[list->count];
    *entry = (member){.flags = etw_load_u16(left.data + 8),
                      .method = etw_load_u16(left.data + 10),
                      .crc = etw_load_u32(left.data + 16),
                      .stored_size = etw_load_u32(left.data + 20),
                      .offset = etw_load_u32(left.data + 42)};
    const etw_bytes extra = {left.data + ENTRY_SIZE + name_size, extra_size};
    use_extra64(extra, etw_load_u32(left.data + 24), etw_load_u32(left.data + 20),
                etw_load_u32(left.data + 42), entry);
    entry->name = etw_name_copy((const char *)left.data + ENTRY_SIZE, name_size);
    if (entry->name == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a zip archive");
    }
    list->count++;
    *entry_size = size;
    return ETW_OK;
}

static etw_status read_directory(const etw_os *os, int file, const directory *found,
                                 member_list *list, etw_error *error)
{
    if (found->size > MAX_DIRECTORY) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "the zip archive's directory is above 16 MiB");
    }
    uint8_t *bytes = malloc((size_t)found->size + 1);
    list->members = calloc(ETW_INPUT_MAX_FILES, sizeof *list->members);
    if (bytes == NULL || list->members == NULL) {
        free(bytes);
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a zip archive");
    }
    etw_status status = read_exactly(os, file, bytes, (size_t)found->size, found->offset, error);
    etw_bytes left = {bytes, (size_t)found->size};
    size_t entry_size = 1;
    while (status == ETW_OK && entry_size > 0) {
        status = add_entry(left, list, &entry_size, error);
        left.data += entry_size;
        left.size -= entry_size;
    }
    free(bytes);
    return status;
}

static void free_list(member_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        free(list->members[i].name);
    }
    free(list->members);
    *list = (member_list){0};
}

/* What was unwrapped is what was wrapped. */
static etw_status check_crc(const etw_unwrap *unwrap, const member *entry, etw_error *error)
{
#ifdef ETW_HAVE_ZLIB
    uint8_t piece[16384];
    uLong crc = crc32(0, NULL, 0);
    size_t got = sizeof piece;
    for (uint64_t at = 0; got == sizeof piece; at += got) {
        const etw_status status = etw_os_read_at_full(
            unwrap->os, unwrap->to, (etw_room){piece, sizeof piece}, at, &got, error);
        if (status != ETW_OK) {
            return status;
        }
        crc = crc32(crc, piece, (uInt)got);
    }
    return crc == entry->crc ? ETW_OK
                             : etw_error_set(error, ETW_ERROR_DAMAGED,
                                             "%s: damaged in the archive (CRC)", entry->name);
#else
    (void)unwrap;
    (void)entry;
    (void)error;
    return ETW_OK;
#endif
}

static etw_status extract(etw_unwrap *unwrap, const member *entry, etw_error *error)
{
    static const struct {
        uint16_t method;
        etw_status (*take_off)(etw_unwrap *unwrap, etw_error *error);
    } methods[] = {{0, etw_unwrap_copy}, {8, etw_unwrap_deflate}, {93, etw_unwrap_zstd}};
    uint8_t local[LOCAL_SIZE];
    if ((entry->flags & FLAG_ENCRYPTED) != 0) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED, "%s: encrypted: unwrap it first",
                             entry->name);
    }
    etw_status status =
        read_exactly(unwrap->os, unwrap->from, local, sizeof local, entry->offset, error);
    if (status != ETW_OK) {
        return status;
    }
    unwrap->at = entry->offset + LOCAL_SIZE + etw_load_u16(local + 26) + etw_load_u16(local + 28);
    if (memcmp(local, "PK\x03\x04", 4) != 0 ||
        __builtin_add_overflow(unwrap->at, entry->stored_size, &unwrap->end)) {
        return damaged(error, "has a damaged directory");
    }
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (methods[i].method == entry->method) {
            status = methods[i].take_off(unwrap, error);
            return status == ETW_OK ? check_crc(unwrap, entry, error)
                                    : etw_error_wrap(error, status, "%s", entry->name);
        }
    }
    return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                         "%s: compressed with method %u, which is not known: unwrap it first",
                         entry->name, entry->method);
}

static etw_status take_member(const etw_archive *from, const member *entry, etw_error *error)
{
    const int file = from->os->open_temporary(from->os->context);
    if (file < 0) {
        return etw_error_set_os(error, -file, "a temporary file for %s", entry->name);
    }
    etw_unwrap unwrap = {
        .os = from->os, .from = from->file, .can_seek = true, .spool = from->spool, .to = file};
    const etw_status status = extract(&unwrap, entry, error);
    if (status != ETW_OK) {
        (void)from->os->close(from->os->context, file);
        return status;
    }
    return from->take(from->context, entry->name, file, error);
}

etw_status etw_archive_zip(const etw_archive *from, etw_error *error)
{
    directory found = {0};
    member_list list = {0};
    etw_status status = find_directory(from->os, from->file, from->size, &found, error);
    if (status == ETW_OK) {
        status = read_directory(from->os, from->file, &found, &list, error);
    }
    for (uint32_t i = 0; i < list.count && status == ETW_OK; i++) {
        if (from->is_wanted(from->context, list.members[i].name)) {
            status = take_member(from, &list.members[i], error);
        }
    }
    free_list(&list);
    return status;
}
