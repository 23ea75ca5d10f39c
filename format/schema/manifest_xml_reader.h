/* What is kept while a manifest's XML is read, and how its attributes are taken. After the first
 * failure, which stays, the parser stops. For manifest_xml*.c only. */
#ifndef ETW_FORMAT_SCHEMA_MANIFEST_XML_READER_H
#define ETW_FORMAT_SCHEMA_MANIFEST_XML_READER_H

#include "format/schema/manifest_model.h"

#include <expat.h>

typedef struct etw_manifest_xml_reader {
    XML_Parser parser;
    etw_manifest_model *model;
    etw_manifest_document *document;
    uint32_t provider_count;
    uint32_t depth;
    uint32_t skip_below; /* inside the element at this depth nothing is looked at; 0: none */
    bool english;        /* inside <resources culture="en-US"> */
    etw_manifest_provider *provider;
    etw_manifest_map *map;
    etw_manifest_template *template;
    const etw_manifest_field *structure; /* the innermost open <struct> */
    uint32_t structure_depth;
    uint32_t task; /* whose <opcodes> are open, or ETW_MANIFEST_ANY_TASK */
    etw_error failure;
} etw_manifest_xml_reader;

/* Of an element: name, value, name, value, ..., NULL. */
typedef const char *const *etw_manifest_attributes;

void etw_manifest_xml_fail(etw_manifest_xml_reader *self, etw_status status, const char *what);

/* Cleared memory of the model; NULL after a failure. */
void *etw_manifest_xml_allocate(etw_manifest_xml_reader *self, size_t size);
/* A copy of text in the model; NULL where there is none. */
const char *etw_manifest_xml_copy(etw_manifest_xml_reader *self, const char *text);
/* Nothing where value is NULL. */
void etw_manifest_xml_put(etw_manifest_xml_reader *self, etw_table *table, const void *key,
                          size_t key_size, void *value);

/* NULL where the element does not have it. */
const char *etw_manifest_xml_attribute(etw_manifest_attributes given, const char *name);
/* Decimal, or hexadecimal with 0x; false for anything else. */
bool etw_manifest_xml_number(const char *text, uint64_t *value);
uint32_t etw_manifest_xml_number_or(etw_manifest_attributes given, const char *name,
                                    uint32_t otherwise);

/* manifest_xml_names.c: what the numbers of a descriptor are called. */
void etw_manifest_xml_start_channel(etw_manifest_xml_reader *self, etw_manifest_attributes given);
void etw_manifest_xml_start_import_channel(etw_manifest_xml_reader *self,
                                           etw_manifest_attributes given);
void etw_manifest_xml_start_level(etw_manifest_xml_reader *self, etw_manifest_attributes given);
void etw_manifest_xml_start_task(etw_manifest_xml_reader *self, etw_manifest_attributes given);
void etw_manifest_xml_end_task(etw_manifest_xml_reader *self);
void etw_manifest_xml_start_opcode(etw_manifest_xml_reader *self, etw_manifest_attributes given);
void etw_manifest_xml_start_keyword(etw_manifest_xml_reader *self, etw_manifest_attributes given);
/* Once a provider ends. As mc.exe does: channels without a number get, in their order, the lowest
 * that no channel states. */
void etw_manifest_xml_number_channels(etw_manifest_xml_reader *self);
/* A predefined name counts as the provider's own once an event of it refers to it, as mc.exe
 * compiles it in only then. names: separated by white space. */
void etw_manifest_xml_use_predefined(etw_manifest_xml_reader *self, etw_manifest_name_kind kind,
                                     const char *name);
void etw_manifest_xml_use_predefined_keywords(etw_manifest_xml_reader *self, const char *names);

#endif
