#include "format/schema/wevt_reader.h"

#include "format/schema/manifest.h"

#define NO_MESSAGE UINT32_MAX

bool etw_wevt_failed(const etw_wevt_reader *self)
{
    return self->failure.status != ETW_OK;
}

void etw_wevt_fail(etw_wevt_reader *self, etw_status status, const char *what)
{
    if (!etw_wevt_failed(self)) {
        (void)etw_error_set(&self->failure, status, "compiled manifest: %s", what);
    }
}

void *etw_wevt_allocate(etw_wevt_reader *self, size_t size)
{
    void *memory = etw_wevt_failed(self) ? NULL : etw_arena_alloc(&self->model->arena, size);
    if (memory == NULL && etw_arena_full(&self->model->arena, size + sizeof(max_align_t))) {
        etw_wevt_fail(self, ETW_ERROR_LIMIT, "larger than what may be kept of manifests");
    } else if (memory == NULL) {
        etw_wevt_fail(self, ETW_ERROR_NO_MEMORY, "no memory");
    }
    return memory;
}

void etw_wevt_put(etw_wevt_reader *self, etw_table *table, const void *key, size_t key_size,
                  void *value)
{
    if (value != NULL && !etw_wevt_failed(self) && !etw_table_set(table, key, key_size, value)) {
        etw_wevt_fail(self, ETW_ERROR_NO_MEMORY, "no memory");
    }
}

const uint8_t *etw_wevt_bytes_at(etw_wevt_reader *self, uint64_t offset, uint64_t size)
{
    if (etw_wevt_failed(self)) {
        return NULL;
    }
    if (offset > self->block.size || size > self->block.size - offset) {
        etw_wevt_fail(self, ETW_ERROR_DAMAGED, "an offset points outside of it");
        return NULL;
    }
    if (size > self->work) {
        etw_wevt_fail(self, ETW_ERROR_LIMIT, "its parts overlap too often");
        return NULL;
    }
    self->work -= (size_t)size;
    return self->block.data + offset;
}

const char *etw_wevt_keep_text(etw_wevt_reader *self)
{
    if (self->text.failed) {
        etw_wevt_fail(self, ETW_ERROR_NO_MEMORY, "no memory");
    }
    if (self->text.size > self->work) {
        etw_wevt_fail(self, ETW_ERROR_LIMIT, "its texts overlap too often");
    }
    char *kept = etw_wevt_allocate(self, self->text.size + 1);
    if (kept == NULL) {
        return NULL;
    }
    self->work -= self->text.size;
    if (self->text.size != 0) {
        memcpy(kept, self->text.data, self->text.size);
    }
    return kept;
}

static const char *keep_utf16(etw_wevt_reader *self, const uint8_t *units, size_t size)
{
    if (units == NULL) {
        return NULL;
    }
    etw_text_clear(&self->text);
    etw_text_append_utf16(&self->text, units, etw_utf16_length_bytes(units, size), ETW_ESCAPE_NONE);
    return etw_wevt_keep_text(self);
}

const char *etw_wevt_counted_string(etw_wevt_reader *self, uint32_t offset)
{
    const uint8_t *head = etw_wevt_bytes_at(self, offset, sizeof(uint32_t));
    const uint32_t size = head == NULL ? 0 : etw_load_u32(head);
    if (head == NULL) {
        return NULL;
    }
    if (size < sizeof(uint32_t) || size > ETW_MANIFEST_MAX_TEXT_BYTES) {
        etw_wevt_fail(self, ETW_ERROR_DAMAGED, "a string has a bad size");
        return NULL;
    }
    const uint8_t *units =
        etw_wevt_bytes_at(self, (uint64_t)offset + sizeof(uint32_t), size - sizeof(uint32_t));
    return keep_utf16(self, units, size - sizeof(uint32_t));
}

const char *etw_wevt_nul_string(etw_wevt_reader *self, uint32_t offset)
{
    if (etw_wevt_bytes_at(self, offset, 0) == NULL) {
        return NULL;
    }
    size_t room = self->block.size - offset;
    room = room > ETW_MANIFEST_MAX_TEXT_BYTES ? ETW_MANIFEST_MAX_TEXT_BYTES : room;
    const size_t size = etw_utf16_length_bytes(self->block.data + offset, room);
    return keep_utf16(self, etw_wevt_bytes_at(self, offset, size), size);
}

const char *etw_wevt_message(etw_wevt_reader *self, uint32_t id)
{
    if (id == NO_MESSAGE || etw_wevt_failed(self)) {
        return NULL;
    }
    const char *kept = etw_table_get(&self->known, &id, sizeof id);
    for (uint32_t i = 0; i < self->wevt->table_count && kept == NULL; i++) {
        if (etw_message_table_get(&self->wevt->tables[i], id, &self->text)) {
            kept = etw_wevt_keep_text(self);
            uint32_t *key = etw_wevt_allocate(self, sizeof *key);
            if (key != NULL) {
                *key = id;
                etw_wevt_put(self, &self->known, key, sizeof *key, (void *)(uintptr_t)kept);
            }
        }
    }
    return kept;
}

const uint8_t *etw_wevt_list_entries(etw_wevt_reader *self, uint32_t offset, uint32_t head_size,
                                     uint32_t entry_size, uint32_t *count)
{
    const uint8_t *head = etw_wevt_bytes_at(self, offset, ETW_WEVT_LIST_HEAD);
    *count = head == NULL ? 0 : etw_load_u32(head + 8);
    return *count == 0 ? NULL
                       : etw_wevt_bytes_at(self, (uint64_t)offset + head_size,
                                           (uint64_t)*count * entry_size);
}
