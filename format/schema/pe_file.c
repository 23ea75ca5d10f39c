#include "format/schema/pe_file.h"

#define COFF_SIZE 24u /* with the signature */

void etw_pe_file_init(etw_pe_file *self, const etw_os *os, int file)
{
    const int64_t size = os->size(os->context, file);
    *self = (etw_pe_file){.os = os, .file = file, .file_size = size < 0 ? 0 : (uint64_t)size};
}

bool etw_pe_file_read(const etw_pe_file *self, uint64_t offset, void *into, size_t size)
{
    size_t got = 0;
    return offset <= self->file_size && size <= self->file_size - offset &&
           etw_os_read_at_full(self->os, self->file, (etw_room){into, size}, offset, &got, NULL) ==
               ETW_OK &&
           got == size;
}

bool etw_pe_file_place(const etw_pe_file *self, uint32_t address, uint64_t *offset)
{
    for (uint32_t i = 0; i < self->section_count; i++) {
        const uint8_t *section = self->sections + (size_t)i * ETW_PE_SECTION_SIZE;
        const uint32_t start = etw_load_u32(section + 12);
        const uint32_t size = etw_load_u32(section + 16);
        if (address >= start && address - start < size) {
            *offset = (uint64_t)etw_load_u32(section + 20) + (address - start);
            return true;
        }
    }
    return false;
}

static etw_status damaged(etw_error *error, const char *what)
{
    return etw_error_set(error, ETW_ERROR_DAMAGED, "PE file: %s", what);
}

/* The optional header: what is of interest lies in its first 168 bytes, of 64-bit files. */
static void take_optional(etw_pe_file *self, const uint8_t *optional, size_t size)
{
    const size_t count_at = etw_load_u16(optional) == 0x20B ? 108 : 92;
    if (size < count_at + 4) {
        return;
    }
    const uint32_t count = etw_load_u32(optional + count_at);
    self->size_of_image = etw_load_u32(optional + 56);
    self->checksum = etw_load_u32(optional + 64);
    for (uint32_t i = 0; i < count && i < ETW_PE_DIRECTORIES; i++) {
        const size_t at = count_at + 4 + (size_t)i * 8;
        if (at + 8 <= size) {
            self->directories[i].address = etw_load_u32(optional + at);
            self->directories[i].size = etw_load_u32(optional + at + 4);
        }
    }
}

etw_status etw_pe_file_headers(etw_pe_file *self, uint64_t at, etw_error *error)
{
    uint8_t head[COFF_SIZE];
    uint8_t optional[168];
    memset(optional, 0, sizeof optional);
    if (!etw_pe_file_read(self, at, head, sizeof head) || memcmp(head, "PE\0\0", 4) != 0) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "no PE file");
    }
    const size_t optional_size = etw_load_u16(head + 20);
    const size_t looked_at = optional_size < sizeof optional ? optional_size : sizeof optional;
    if (looked_at < 2 || !etw_pe_file_read(self, at + sizeof head, optional, looked_at)) {
        return damaged(error, "its header is cut off");
    }
    self->time_date_stamp = etw_load_u32(head + 8);
    take_optional(self, optional, looked_at);
    const uint32_t sections = etw_load_u16(head + 6);
    self->section_count = sections > ETW_PE_MAX_SECTIONS ? ETW_PE_MAX_SECTIONS : sections;
    return etw_pe_file_read(self, at + sizeof head + optional_size, self->sections,
                            (size_t)self->section_count * ETW_PE_SECTION_SIZE)
               ? ETW_OK
               : damaged(error, "its sections are cut off");
}
