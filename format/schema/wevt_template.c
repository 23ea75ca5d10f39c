/* Templates of compiled manifests. */
#include "format/event/tei.h"
#include "format/schema/wevt_reader.h"

#include <stdio.h>

#define TEMPLATE_HEAD 40u
#define PROPERTY_SIZE 20u
#define MAX_TID       16

/* Property flags as stored. */
enum { STRUCT = 1, FIXED_LENGTH = 2, LENGTH_FROM = 4, FIXED_COUNT = 8, COUNT_FROM = 16 };

/* A property whose map is a pattern map has its name all the same. */
static const char *map_name(etw_wevt_reader *self, uint32_t offset)
{
    const uint8_t *head = offset == 0 ? NULL : etw_wevt_bytes_at(self, offset, ETW_WEVT_LIST_HEAD);
    return head == NULL ? NULL : etw_wevt_counted_string(self, etw_load_u32(head + 8));
}

typedef struct property_row {
    const uint8_t *first;
    uint32_t count;
    uint32_t top_level;
    etw_manifest_field *fields; /* in the order of the template's array, as TRACE_EVENT_INFO's */
} property_row;

static const etw_manifest_field *field_at(etw_wevt_reader *self, const property_row *row,
                                          uint32_t index)
{
    if (index >= row->count) {
        etw_wevt_fail(self, ETW_ERROR_DAMAGED, "a property refers to one that is not there");
        return NULL;
    }
    return &row->fields[index];
}

static void read_sizes(etw_wevt_reader *self, const property_row *row, const uint8_t *from,
                       etw_manifest_field *field)
{
    const uint32_t flags = etw_load_u32(from);
    const uint16_t count = etw_load_u16(from + 12);
    const uint16_t length = etw_load_u16(from + 14);
    if ((flags & COUNT_FROM) != 0) {
        field->count_from = field_at(self, row, count);
    } else if ((flags & FIXED_COUNT) != 0) {
        field->fixed_count = count;
    }
    if ((flags & LENGTH_FROM) != 0) {
        field->length_from = field_at(self, row, length);
    } else if ((flags & FIXED_LENGTH) != 0) {
        field->fixed_length = length;
    }
}

static void read_struct(etw_wevt_reader *self, const property_row *row, const uint8_t *from,
                        etw_manifest_field *field)
{
    const uint32_t start = etw_load_u16(from + 4);
    const uint32_t members = etw_load_u16(from + 6);
    field->is_struct = true;
    if (start < row->top_level || start + members > row->count) {
        etw_wevt_fail(self, ETW_ERROR_DAMAGED, "a struct's members are not there");
        return;
    }
    for (uint32_t i = start; i < start + members; i++) {
        if (row->fields[i].parent != NULL) {
            etw_wevt_fail(self, ETW_ERROR_DAMAGED, "a member of two structs");
            return;
        }
        row->fields[i].parent = field;
    }
}

static void read_property(etw_wevt_reader *self, const property_row *row, uint32_t index)
{
    const uint8_t *from = row->first + (size_t)index * PROPERTY_SIZE;
    etw_manifest_field *field = &row->fields[index];
    field->handle = index + 1; /* as the builder will count: what follows may be referred to */
    field->next = index + 1 < row->count ? field + 1 : NULL;
    field->name = etw_wevt_counted_string(self, etw_load_u32(from + 16));
    read_sizes(self, row, from, field);
    if ((etw_load_u32(from) & STRUCT) == 0) {
        field->in_type = from[4];
        field->out_type = from[5];
        field->map = map_name(self, etw_load_u32(from + 8));
    } else if (index < row->top_level) {
        read_struct(self, row, from, field);
    } else {
        etw_wevt_fail(self, ETW_ERROR_DAMAGED, "a struct inside a struct");
    }
}

static void check_members(etw_wevt_reader *self, const property_row *row)
{
    for (uint32_t i = row->top_level; i < row->count && !etw_wevt_failed(self); i++) {
        if (row->fields[i].parent == NULL) {
            etw_wevt_fail(self, ETW_ERROR_DAMAGED, "a property belongs to no struct");
        }
    }
}

static void read_template(etw_wevt_reader *self, uint32_t offset, etw_manifest_template *template)
{
    const uint8_t *head = etw_wevt_bytes_at(self, offset, TEMPLATE_HEAD);
    if (head == NULL) {
        return;
    }
    property_row row = {.top_level = etw_load_u32(head + 8), .count = etw_load_u32(head + 12)};
    template->flags = etw_load_u32(head + 20) & (ETW_TEMPLATE_EVENT_DATA | ETW_TEMPLATE_USER_DATA);
    template->is_resolved = true;
    if (memcmp(head, "TEMP", 4) != 0 || row.top_level > row.count ||
        row.count > ETW_MAX_PROPERTIES) {
        etw_wevt_fail(self, ETW_ERROR_DAMAGED,
                      "a template that is none, or has too many properties");
        return;
    }
    row.first =
        etw_wevt_bytes_at(self, etw_load_u32(head + 16), (uint64_t)row.count * PROPERTY_SIZE);
    row.fields = row.count == 0 ? NULL : etw_wevt_allocate(self, row.count * sizeof *row.fields);
    for (uint32_t i = 0; i < row.count && !etw_wevt_failed(self); i++) {
        read_property(self, &row, i);
    }
    check_members(self, &row);
    if (row.count > 0 && !etw_wevt_failed(self)) {
        template->first = row.fields;
        template->last = &row.fields[row.count - 1];
        template->field_count = row.count;
    }
}

const char *etw_wevt_template_at(etw_wevt_reader *self, uint32_t offset)
{
    char tid[MAX_TID];
    if (offset == 0 || etw_wevt_failed(self)) {
        return NULL;
    }
    const int size = snprintf(tid, sizeof tid, "@%x", (unsigned)offset);
    etw_manifest_template *template = etw_table_get(&self->provider->templates, tid, (size_t)size);
    if (template != NULL) {
        return template->tid;
    }
    template = etw_wevt_allocate(self, sizeof *template);
    char *kept = etw_wevt_allocate(self, (size_t)size + 1);
    if (template == NULL || kept == NULL) {
        return NULL;
    }
    memcpy(kept, tid, (size_t)size);
    template->tid = kept;
    read_template(self, offset, template);
    etw_wevt_put(self, &self->provider->templates, kept, (size_t)size, template);
    return kept;
}
