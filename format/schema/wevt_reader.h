/* Reads the parts of a compiled manifest: bytes, strings, messages and lists by their offsets, none
 * outside of it and none too often. After the first failure, which stays, all of them give NULL.
 * For wevt*.c only. */
#ifndef ETW_FORMAT_SCHEMA_WEVT_READER_H
#define ETW_FORMAT_SCHEMA_WEVT_READER_H

#include "format/base/text.h"
#include "format/schema/manifest_model.h"
#include "format/schema/wevt.h"

/* What every list begins with: magic, size, count of its entries. */
#define ETW_WEVT_LIST_HEAD 12u

typedef struct etw_wevt_reader {
    etw_manifest_model *model;
    const etw_wevt *wevt;
    etw_bytes block;
    etw_manifest_provider *provider;
    size_t work;     /* bytes that may still be read */
    etw_text text;   /* the latest one, before it is kept */
    etw_table known; /* message id -> its text, so that each is kept once */
    etw_error failure;
} etw_wevt_reader;

bool etw_wevt_failed(const etw_wevt_reader *self);
void etw_wevt_fail(etw_wevt_reader *self, etw_status status, const char *what);

/* Cleared memory of the model. */
void *etw_wevt_allocate(etw_wevt_reader *self, size_t size);
/* Nothing where value is NULL. */
void etw_wevt_put(etw_wevt_reader *self, etw_table *table, const void *key, size_t key_size,
                  void *value);

/* size bytes at offset; they count as work. */
const uint8_t *etw_wevt_bytes_at(etw_wevt_reader *self, uint64_t offset, uint64_t size);
/* A copy of self->text in the model. */
const char *etw_wevt_keep_text(etw_wevt_reader *self);
/* A string behind its size in bytes, which counts the size itself. */
const char *etw_wevt_counted_string(etw_wevt_reader *self, uint32_t offset);
/* A string up to its NUL. */
const char *etw_wevt_nul_string(etw_wevt_reader *self, uint32_t offset);
/* NULL where no message table has it. */
const char *etw_wevt_message(etw_wevt_reader *self, uint32_t id);
/* The entries of a list at offset, and how many; NULL where there are none. */
const uint8_t *etw_wevt_list_entries(etw_wevt_reader *self, uint32_t offset, uint32_t head_size,
                                     uint32_t entry_size, uint32_t *count);

/* wevt_template.c: the name of the template at offset, which is read when it is met first. */
const char *etw_wevt_template_at(etw_wevt_reader *self, uint32_t offset);

#endif
