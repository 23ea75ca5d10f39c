#include "format/schema/pe_resources.h"

#include "format/schema/pe_file.h"

#include <stdlib.h>

#define HIGH_BIT       0x80000000u
#define DIRECTORY_HEAD 16u
#define ENTRY_SIZE     8u
#define MAX_TYPE_NAME  32u /* UTF-16 units of a type's name that are looked at */
#define TYPE_MESSAGES  11u
#define TYPE_VERSION   16u
#define RES_HEAD_SIZE  32u
#define RES_MAX_HEAD   1024u
#define FIXED_VERSION  0xFEEF04BDu

typedef struct reader {
    etw_pe_file pe; /* of a .res or .bin file only what reads */
    etw_resource_list *list;
    uint64_t root; /* where the resource directory lies in the file */
} reader;

static bool read_piece(const reader *self, uint64_t offset, void *into, size_t size)
{
    return etw_pe_file_read(&self->pe, offset, into, size);
}

static void take(const reader *self, etw_resource_kind kind, uint32_t language, uint64_t offset,
                 uint32_t size)
{
    etw_resource_list *list = self->list;
    if (list->count < ETW_PE_MAX_RESOURCES && size > 0 && size <= ETW_PE_MAX_RESOURCE_BYTES &&
        offset <= self->pe.file_size && size <= self->pe.file_size - offset) {
        list->items[list->count++] = (etw_resource){kind, (uint16_t)language, size, offset};
    }
}

/* Kinds by name, without regard to case, and by number. */
static bool kind_of_name(const char *name, etw_resource_kind *kind)
{
    *kind = ETW_RESOURCE_WEVT;
    if (strcmp(name, "WEVT_TEMPLATE") == 0) {
        return true;
    }
    *kind = ETW_RESOURCE_MUI;
    return strcmp(name, "MUI") == 0;
}

static bool kind_of_number(uint32_t number, etw_resource_kind *kind)
{
    *kind = number == TYPE_MESSAGES ? ETW_RESOURCE_MESSAGES : ETW_RESOURCE_VERSION;
    return number == TYPE_MESSAGES || number == TYPE_VERSION;
}

/* units: UTF-16; name gets its ASCII letters in upper case, and nothing where it is no such name.
 */
static void plain_name(const uint8_t *units, uint32_t count, char name[MAX_TYPE_NAME + 1])
{
    name[0] = '\0';
    for (uint32_t i = 0; i < count && count <= MAX_TYPE_NAME; i++) {
        const uint16_t unit = etw_load_u16(units + (size_t)i * 2);
        name[i] = unit >= 'a' && unit <= 'z' ? (char)(unit - 'a' + 'A')
                                             : (char)(unit < 0x80 ? unit : '?');
        name[i + 1] = '\0';
    }
}

static bool kind_of_entry(const reader *self, uint32_t type, etw_resource_kind *kind)
{
    uint8_t units[MAX_TYPE_NAME * 2];
    char name[MAX_TYPE_NAME + 1];
    uint8_t length[2];
    const uint64_t at = self->root + (type & ~HIGH_BIT);
    if ((type & HIGH_BIT) == 0) {
        return kind_of_number(type, kind);
    }
    if (!read_piece(self, at, length, sizeof length)) {
        return false;
    }
    const uint32_t count = etw_load_u16(length);
    if (count > MAX_TYPE_NAME || !read_piece(self, at + 2, units, (size_t)count * 2)) {
        return false;
    }
    plain_name(units, count, name);
    return kind_of_name(name, kind);
}

/* The entries of the directory at an offset from the root; NULL where there are none. To be freed.
 */
static uint8_t *entries_of(const reader *self, uint32_t directory, uint32_t *count)
{
    uint8_t head[DIRECTORY_HEAD];
    *count = 0;
    if (!read_piece(self, self->root + directory, head, sizeof head)) {
        return NULL;
    }
    const uint32_t stated = (uint32_t)etw_load_u16(head + 12) + etw_load_u16(head + 14);
    *count = stated > ETW_PE_MAX_ENTRIES ? ETW_PE_MAX_ENTRIES : stated;
    uint8_t *entries = *count == 0 ? NULL : malloc((size_t)*count * ENTRY_SIZE);
    if (entries == NULL || !read_piece(self, self->root + directory + sizeof head, entries,
                                       (size_t)*count * ENTRY_SIZE)) {
        free(entries);
        *count = 0;
        return NULL;
    }
    return entries;
}

static void take_data(const reader *self, etw_resource_kind kind, uint32_t language, uint32_t at)
{
    uint8_t data[8];
    uint64_t offset;
    if (read_piece(self, self->root + at, data, sizeof data) &&
        etw_pe_file_place(&self->pe, etw_load_u32(data), &offset)) {
        take(self, kind, language, offset, etw_load_u32(data + 4));
    }
}

/* The languages of one name. */
static void take_languages(const reader *self, etw_resource_kind kind, uint32_t directory)
{
    uint32_t count;
    uint8_t *entries = entries_of(self, directory, &count);
    for (uint32_t i = 0; i < count && self->list->count < ETW_PE_MAX_RESOURCES; i++) {
        const uint8_t *entry = entries + (size_t)i * ENTRY_SIZE;
        const uint32_t at = etw_load_u32(entry + 4);
        if ((at & HIGH_BIT) == 0) {
            take_data(self, kind, etw_load_u32(entry), at);
        }
    }
    free(entries);
}

static void take_names(const reader *self, etw_resource_kind kind, uint32_t directory)
{
    uint32_t count;
    uint8_t *entries = entries_of(self, directory, &count);
    for (uint32_t i = 0; i < count && self->list->count < ETW_PE_MAX_RESOURCES; i++) {
        const uint32_t at = etw_load_u32(entries + (size_t)i * ENTRY_SIZE + 4);
        if ((at & HIGH_BIT) != 0) {
            take_languages(self, kind, at & ~HIGH_BIT);
        }
    }
    free(entries);
}

static void take_types(const reader *self)
{
    uint32_t count;
    uint8_t *entries = entries_of(self, 0, &count);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = entries + (size_t)i * ENTRY_SIZE;
        const uint32_t at = etw_load_u32(entry + 4);
        etw_resource_kind kind;
        if ((at & HIGH_BIT) != 0 && kind_of_entry(self, etw_load_u32(entry), &kind)) {
            take_names(self, kind, at & ~HIGH_BIT);
        }
    }
    free(entries);
}

static etw_status find_in_pe(reader *self, uint64_t at, etw_error *error)
{
    const etw_status status = etw_pe_file_headers(&self->pe, at, error);
    if (status == ETW_OK && self->pe.directories[ETW_PE_RESOURCES].size > 0 &&
        etw_pe_file_place(&self->pe, self->pe.directories[ETW_PE_RESOURCES].address, &self->root)) {
        take_types(self);
    }
    return status;
}

/* The type of a .res entry: 0xFFFF and a number, or a name. */
static bool kind_of_res(const uint8_t *head, uint32_t size, etw_resource_kind *kind)
{
    char name[MAX_TYPE_NAME + 1];
    if (etw_load_u16(head + 8) == 0xFFFF) {
        return kind_of_number(etw_load_u16(head + 10), kind);
    }
    const size_t bytes = etw_utf16_length_bytes(head + 8, size - 8);
    plain_name(head + 8, (uint32_t)(bytes / 2), name);
    return kind_of_name(name, kind);
}

static uint64_t padded(uint64_t size)
{
    return (size + 3) & ~UINT64_C(3);
}

static void find_in_res(const reader *self)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < ETW_RES_MAX_ENTRIES; i++) {
        uint8_t head[RES_MAX_HEAD];
        if (!read_piece(self, at, head, 8)) {
            return;
        }
        const uint32_t data_size = etw_load_u32(head);
        const uint32_t head_size = etw_load_u32(head + 4);
        if (head_size < RES_HEAD_SIZE || head_size > RES_MAX_HEAD ||
            !read_piece(self, at, head, head_size)) {
            return;
        }
        etw_resource_kind kind;
        if (kind_of_res(head, head_size, &kind)) {
            take(self, kind, etw_load_u16(head + head_size - 10), at + head_size, data_size);
        }
        at += padded(head_size) + padded(data_size);
    }
}

/* A raw message table has no magic: its first block must begin behind the blocks. */
static bool is_raw_messages(const uint8_t head[64], uint64_t file_size)
{
    const uint32_t blocks = etw_load_u32(head);
    return blocks > 0 && file_size <= ETW_PE_MAX_RESOURCE_BYTES && blocks < file_size / 12 &&
           etw_load_u32(head + 4) <= etw_load_u32(head + 8) &&
           etw_load_u32(head + 12) == 4 + blocks * 12;
}

etw_status etw_pe_resources_find(const etw_os *os, int file, etw_resource_list *list,
                                 etw_error *error)
{
    static const uint8_t empty_res[8] = {0, 0, 0, 0, RES_HEAD_SIZE, 0, 0, 0};
    reader self = {.list = list};
    uint8_t head[64];
    list->count = 0;
    etw_pe_file_init(&self.pe, os, file);
    memset(head, 0, sizeof head);
    if (!read_piece(&self, 0, head,
                    self.pe.file_size < sizeof head ? (size_t)self.pe.file_size : sizeof head)) {
        return etw_error_set(error, ETW_ERROR_IO, "cannot read its start");
    }
    if (head[0] == 'M' && head[1] == 'Z') {
        return find_in_pe(&self, etw_load_u32(head + 0x3C), error);
    }
    if (memcmp(head, empty_res, sizeof empty_res) == 0) {
        find_in_res(&self);
        return ETW_OK;
    }
    if (memcmp(head, "CRIM", 4) == 0) {
        take(&self, ETW_RESOURCE_WEVT, 0, 0,
             (uint32_t)(self.pe.file_size > UINT32_MAX ? UINT32_MAX : self.pe.file_size));
        return ETW_OK;
    }
    if (is_raw_messages(head, self.pe.file_size)) {
        take(&self, ETW_RESOURCE_MESSAGES, 0, 0, (uint32_t)self.pe.file_size);
        return ETW_OK;
    }
    return etw_error_set(error, ETW_ERROR_NOT_THIS, "no file with resources");
}

const etw_resource *etw_resource_of_kind(const etw_resource_list *list, etw_resource_kind kind)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == kind) {
            return &list->items[i];
        }
    }
    return NULL;
}

etw_status etw_resource_read(const etw_os *os, int file, const etw_resource *resource,
                             uint8_t **bytes, etw_error *error)
{
    size_t got = 0;
    *bytes = malloc(resource->size_bytes);
    if (*bytes == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a resource");
    }
    etw_status status = etw_os_read_at_full(os, file, (etw_room){*bytes, resource->size_bytes},
                                            resource->offset, &got, error);
    if (status == ETW_OK && got != resource->size_bytes) {
        status = etw_error_set(error, ETW_ERROR_DAMAGED, "a resource is cut off");
    }
    if (status != ETW_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

bool etw_resource_version(etw_bytes version, uint16_t parts[4])
{
    const size_t fixed_size = 52;
    for (size_t at = 0; at + fixed_size <= version.size; at += 4) {
        const uint8_t *fixed = version.data + at;
        if (etw_load_u32(fixed) == FIXED_VERSION) {
            /* Two numbers of 32 bits, the higher half of each first. */
            parts[0] = etw_load_u16(fixed + 10);
            parts[1] = etw_load_u16(fixed + 8);
            parts[2] = etw_load_u16(fixed + 14);
            parts[3] = etw_load_u16(fixed + 12);
            return true;
        }
    }
    return false;
}

uint32_t etw_resource_build(etw_bytes version)
{
    uint16_t parts[4];
    return etw_resource_version(version, parts) ? parts[2] : 0;
}
