#include "recorder/rundown/kernel_rundown.h"

#include "recorder/rundown/rundown_events.h"

#include <stdlib.h>

#define OPCODE_DC_START 3u
#define HEAD_SIZE       (sizeof(etw_event_header) + sizeof(etw_buffer_context))

/* Layouts: format/schema/classic_table.inc. */
static const etw_guid process_class = {
    0x3D6FA8D0, 0xFE05, 0x11D0, {0x9D, 0xDA, 0x00, 0xC0, 0x4F, 0xD7, 0xBA, 0x7C}};

void etw_kernel_rundown_free(etw_kernel_rundown *rundown)
{
    etw_buffer_free(&rundown->bytes);
    etw_buffer_free(&rundown->records);
}

static uint64_t take_pointer(etw_cursor *cursor, uint32_t size)
{
    return size == 4 ? etw_cursor_u32(cursor) : etw_cursor_u64(cursor);
}

/* TOKEN_USER and the SID behind it; 4 zeros: none. */
static void skip_sid(etw_cursor *cursor, uint32_t pointer_size)
{
    if (cursor->failed || etw_cursor_left(cursor) < 4 || etw_load_u32(cursor->at) == 0) {
        (void)etw_cursor_take(cursor, 4);
        return;
    }
    (void)etw_cursor_take(cursor, (size_t)2 * pointer_size);
    (void)etw_cursor_u8(cursor);
    (void)etw_cursor_take(cursor, 6 + (size_t)4 * etw_cursor_u8(cursor));
}

static void read_process(etw_cursor *cursor, uint32_t pointer_size, uint8_t version,
                         etw_kernel_record *read)
{
    (void)take_pointer(cursor, pointer_size);
    read->process_id = etw_cursor_u32(cursor);
    read->parent_id = etw_cursor_u32(cursor);
    (void)etw_cursor_take(cursor, 8); /* SessionId, ExitStatus */
    (void)take_pointer(cursor, pointer_size);
    if (version >= 4) {
        (void)etw_cursor_u32(cursor);
    }
    skip_sid(cursor, pointer_size);
}

static void read_image(etw_cursor *cursor, uint32_t pointer_size, etw_kernel_record *read)
{
    read->base = take_pointer(cursor, pointer_size);
    read->size = take_pointer(cursor, pointer_size);
    read->process_id = etw_cursor_u32(cursor);
    (void)etw_cursor_take(cursor, 12); /* checksum, time stamp, signature */
    (void)take_pointer(cursor, pointer_size);
    (void)etw_cursor_take(cursor, 16);
}

static bool read_record(const etw_event_record *record, etw_kernel_record *read)
{
    const etw_event_header *header = &record->EventHeader;
    const uint8_t version = header->EventDescriptor.Version;
    read->is_image = etw_rundown_is_image(record);
    if (header->EventDescriptor.Opcode != OPCODE_DC_START ||
        (!read->is_image && !etw_guid_equal(&header->ProviderId, &process_class)) ||
        version < (read->is_image ? 2 : 3)) {
        return false;
    }
    const etw_bytes data = etw_record_user_data(record);
    const uint32_t pointer_size = etw_record_pointer_size(record, sizeof(void *));
    etw_cursor cursor = etw_cursor_over(data);
    if (read->is_image) {
        read_image(&cursor, pointer_size, read);
    } else {
        read_process(&cursor, pointer_size, version, read);
    }
    read->text_at = cursor.failed ? 0 : (size_t)(cursor.at - data.data);
    return !cursor.failed;
}

bool etw_kernel_rundown_add(etw_kernel_rundown *rundown, const etw_event_record *record)
{
    etw_kernel_record read = {.at = rundown->bytes.size,
                              .number = (uint32_t)(rundown->records.size / sizeof read),
                              .size_bytes = HEAD_SIZE + record->UserDataLength};
    if (!read_record(record, &read)) {
        return false;
    }
    etw_buffer_append(&rundown->bytes, &record->EventHeader, sizeof record->EventHeader);
    etw_buffer_append(&rundown->bytes, &record->BufferContext, sizeof record->BufferContext);
    etw_buffer_append(&rundown->bytes, record->UserData, record->UserDataLength);
    etw_buffer_append(&rundown->records, &read, sizeof read);
    return true;
}

static int compare(const void *a, const void *b)
{
    const etw_kernel_record *one = a, *two = b;
    if (one->process_id != two->process_id) {
        return one->process_id < two->process_id ? -1 : 1;
    }
    if (one->is_image != two->is_image) {
        return one->is_image ? 1 : -1;
    }
    return (one->number > two->number) - (one->number < two->number);
}

bool etw_kernel_rundown_sort(etw_kernel_rundown *rundown)
{
    size_t count;
    etw_kernel_record *records = etw_kernel_rundown_all(rundown, &count);
    if (count > 0) {
        qsort(records, count, sizeof *records, compare);
    }
    return !rundown->bytes.failed && !rundown->records.failed;
}

etw_kernel_record *etw_kernel_rundown_all(const etw_kernel_rundown *rundown, size_t *count)
{
    *count = rundown->records.size / sizeof(etw_kernel_record);
    return (etw_kernel_record *)(void *)rundown->records.data;
}

/* The first record that is not below the process. */
static size_t find(const etw_kernel_record *records, size_t count, uint32_t process_id)
{
    size_t low = 0;
    while (low < count) {
        const size_t middle = low + (count - low) / 2;
        if (records[middle].process_id < process_id) {
            low = middle + 1;
        } else {
            count = middle;
        }
    }
    return low;
}

etw_kernel_record *etw_kernel_rundown_of(const etw_kernel_rundown *rundown, uint32_t process_id,
                                         size_t *count)
{
    size_t all;
    etw_kernel_record *records = etw_kernel_rundown_all(rundown, &all);
    const size_t first = find(records, all, process_id);
    for (*count = 0; first + *count < all && records[first + *count].process_id == process_id;) {
        ++*count;
    }
    return *count == 0 ? NULL : records + first;
}

etw_bytes etw_kernel_rundown_event(const etw_kernel_rundown *rundown,
                                   const etw_kernel_record *record)
{
    const etw_bytes bytes = {(const uint8_t *)rundown->bytes.data + record->at, record->size_bytes};
    return bytes;
}

void etw_kernel_rundown_append_text(const etw_kernel_rundown *rundown,
                                    const etw_kernel_record *record, etw_text *text)
{
    const etw_bytes event = etw_kernel_rundown_event(rundown, record);
    const uint8_t *at = event.data + HEAD_SIZE + record->text_at;
    const size_t left = event.size - HEAD_SIZE - record->text_at;
    if (record->is_image) {
        etw_text_append_utf16(text, at, etw_utf16_length_bytes(at, left), ETW_ESCAPE_NONE);
    } else {
        etw_text_append_ansi(text, at, etw_narrow_length_bytes(at, left), ETW_ESCAPE_NONE);
    }
}
