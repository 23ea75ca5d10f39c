/* The headers of a PE file (exe, dll, sys) of any machine type: PE/COFF specification. Read in
 * small pieces; nothing of it is trusted. */
#ifndef ETW_FORMAT_SCHEMA_PE_FILE_H
#define ETW_FORMAT_SCHEMA_PE_FILE_H

#include "format/base/os.h"

#define ETW_PE_MAX_SECTIONS 96u
#define ETW_PE_SECTION_SIZE 40u

/* Of the data directories. */
enum { ETW_PE_RESOURCES = 2, ETW_PE_DEBUG = 6, ETW_PE_DIRECTORIES = 7 };

typedef struct etw_pe_file {
    const etw_os *os;
    int file;
    uint64_t file_size;
    uint32_t time_date_stamp, size_of_image, checksum;
    struct {
        uint32_t address, size; /* 0, 0: there is none */
    } directories[ETW_PE_DIRECTORIES];
    uint8_t sections[ETW_PE_MAX_SECTIONS * ETW_PE_SECTION_SIZE];
    uint32_t section_count;
} etw_pe_file;

/* For reading pieces alone; no header is looked at. */
void etw_pe_file_init(etw_pe_file *self, const etw_os *os, int file);
/* False where they do not lie in the file. */
bool etw_pe_file_read(const etw_pe_file *self, uint64_t offset, void *into, size_t size);

/* at: of "PE\0\0". NOT_THIS where that is not there, DAMAGED where the headers are cut off. */
etw_status etw_pe_file_headers(etw_pe_file *self, uint64_t at, etw_error *error);

/* Where an address of the loaded file lies in the file; false where nowhere. */
bool etw_pe_file_place(const etw_pe_file *self, uint32_t address, uint64_t *offset);

#endif
