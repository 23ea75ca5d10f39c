#include "format/schema/manifest_xml_reader.h"

#include "format/schema/manifest.h"

#include <stdlib.h>

#define BASE_TEN     10
#define BASE_SIXTEEN 16

void etw_manifest_xml_fail(etw_manifest_xml_reader *self, etw_status status, const char *what)
{
    if (self->failure.status == ETW_OK) {
        (void)etw_error_set(&self->failure, status, "line %lu: %s",
                            (unsigned long)XML_GetCurrentLineNumber(self->parser), what);
        (void)XML_StopParser(self->parser, XML_FALSE);
    }
}

void *etw_manifest_xml_allocate(etw_manifest_xml_reader *self, size_t size)
{
    etw_arena *arena = &self->model->arena;
    void *memory = etw_arena_alloc(arena, size);
    if (memory == NULL && etw_arena_full(arena, size + sizeof(max_align_t))) {
        etw_manifest_xml_fail(self, ETW_ERROR_LIMIT,
                              "manifests are larger than what may be kept of them");
    } else if (memory == NULL) {
        etw_manifest_xml_fail(self, ETW_ERROR_NO_MEMORY, "no memory for a manifest");
    }
    return memory;
}

const char *etw_manifest_xml_copy(etw_manifest_xml_reader *self, const char *text)
{
    const size_t size = text == NULL ? 0 : strlen(text) + 1;
    if (size > ETW_MANIFEST_MAX_TEXT_BYTES) {
        etw_manifest_xml_fail(self, ETW_ERROR_LIMIT, "an attribute is longer than 64 KiB");
        return NULL;
    }
    char *kept = size == 0 ? NULL : etw_manifest_xml_allocate(self, size);
    if (kept != NULL) {
        memcpy(kept, text, size);
    }
    return kept;
}

void etw_manifest_xml_put(etw_manifest_xml_reader *self, etw_table *table, const void *key,
                          size_t key_size, void *value)
{
    if (value != NULL && !etw_table_set(table, key, key_size, value)) {
        etw_manifest_xml_fail(self, ETW_ERROR_NO_MEMORY, "no memory for a manifest");
    }
}

const char *etw_manifest_xml_attribute(etw_manifest_attributes given, const char *name)
{
    for (; given[0] != NULL; given += 2) {
        if (strcmp(given[0], name) == 0) {
            return given[1];
        }
    }
    return NULL;
}

bool etw_manifest_xml_number(const char *text, uint64_t *value)
{
    if (text == NULL || text[0] < '0' || text[0] > '9') {
        return false;
    }
    const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    char *end;
    *value = strtoull(text, &end, hex ? BASE_SIXTEEN : BASE_TEN);
    return *end == '\0';
}

uint32_t etw_manifest_xml_number_or(etw_manifest_attributes given, const char *name,
                                    uint32_t otherwise)
{
    uint64_t value;
    return etw_manifest_xml_number(etw_manifest_xml_attribute(given, name), &value)
               ? (uint32_t)value
               : otherwise;
}
