#include "format/schema/pe_identity.h"

#include "format/base/text.h"
#include "format/schema/pe_file.h"
#include "format/schema/pe_resources.h"

#include <stdlib.h>

#define DEBUG_ENTRY_SIZE  28u
#define MAX_DEBUG_ENTRIES 64u
#define TYPE_CODEVIEW     2u
#define RSDS_SIZE         24u /* the name follows */

/* A CodeView entry's data: "RSDS", GUID, age, name. */
static bool take_rsds(const etw_pe_file *pe, uint32_t at, uint32_t size, etw_pe_identity *identity)
{
    uint8_t head[RSDS_SIZE];
    if (size <= sizeof head || !etw_pe_file_read(pe, at, head, sizeof head) ||
        memcmp(head, "RSDS", 4) != 0) {
        return false;
    }
    const size_t left = size - sizeof head;
    const size_t room = sizeof identity->pdb_name - 1;
    const size_t name_size = left < room ? left : room;
    if (!etw_pe_file_read(pe, (uint64_t)at + sizeof head, identity->pdb_name, name_size)) {
        return false;
    }
    identity->pdb_name[name_size] = '\0';
    etw_trim_partial_utf8(identity->pdb_name, sizeof identity->pdb_name);
    memcpy(&identity->pdb_guid, head + 4, sizeof identity->pdb_guid);
    identity->pdb_age = etw_load_u32(head + 20);
    identity->has_pdb = true;
    return true;
}

static void find_pdb(const etw_pe_file *pe, etw_pe_identity *identity)
{
    const uint32_t stated = pe->directories[ETW_PE_DEBUG].size / DEBUG_ENTRY_SIZE;
    const uint32_t count = stated < MAX_DEBUG_ENTRIES ? stated : MAX_DEBUG_ENTRIES;
    uint64_t at;
    if (count == 0 || !etw_pe_file_place(pe, pe->directories[ETW_PE_DEBUG].address, &at)) {
        return;
    }
    for (uint32_t i = 0; i < count && !identity->has_pdb; i++) {
        uint8_t entry[DEBUG_ENTRY_SIZE];
        if (etw_pe_file_read(pe, at + (uint64_t)i * sizeof entry, entry, sizeof entry) &&
            etw_load_u32(entry + 12) == TYPE_CODEVIEW) {
            (void)take_rsds(pe, etw_load_u32(entry + 24), etw_load_u32(entry + 16), identity);
        }
    }
}

static etw_status find_version(const etw_os *os, int file, etw_pe_identity *identity,
                               etw_error *error)
{
    etw_resource_list list;
    uint8_t *bytes = NULL;
    if (etw_pe_resources_find(os, file, &list, NULL) != ETW_OK) {
        return ETW_OK; /* the headers were good: it has no version then */
    }
    const etw_resource *version = etw_resource_of_kind(&list, ETW_RESOURCE_VERSION);
    if (version == NULL || version->size_bytes > 65536) {
        return ETW_OK;
    }
    const etw_status status = etw_resource_read(os, file, version, &bytes, error);
    if (status == ETW_OK) {
        identity->has_version =
            etw_resource_version((etw_bytes){bytes, version->size_bytes}, identity->file_version);
    }
    free(bytes);
    return status == ETW_ERROR_NO_MEMORY ? status : ETW_OK;
}

etw_status etw_pe_identity_read(const etw_os *os, int file, etw_pe_identity *identity,
                                etw_error *error)
{
    etw_pe_file pe;
    uint8_t head[64];
    memset(identity, 0, sizeof *identity);
    etw_pe_file_init(&pe, os, file);
    if (!etw_pe_file_read(&pe, 0, head, sizeof head) || head[0] != 'M' || head[1] != 'Z') {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "no PE file");
    }
    const etw_status status = etw_pe_file_headers(&pe, etw_load_u32(head + 0x3C), error);
    if (status != ETW_OK) {
        return status;
    }
    identity->time_date_stamp = pe.time_date_stamp;
    identity->size_of_image = pe.size_of_image;
    identity->checksum = pe.checksum;
    find_pdb(&pe, identity);
    return find_version(os, file, identity, error);
}
