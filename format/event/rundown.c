#include "format/event/rundown.h"

#include "format/base/arena.h"
#include "format/base/grown.h"
#include "format/base/table.h"

#include <stdlib.h>

/* Making. */

static void append_path(etw_buffer *text, const char *path)
{
    const size_t length = strlen(path);
    const uint16_t size = (uint16_t)(length < ETW_RUNDOWN_MAX_PATH ? length : ETW_RUNDOWN_MAX_PATH);
    etw_buffer_append_u16(text, size);
    etw_buffer_append(text, path, size);
}

/* A count is kept in place as its things are added. */
static void keep_count(etw_rundown_writer *writer, size_t at, uint32_t count)
{
    if (!writer->blob->failed) {
        etw_store_u32(writer->blob->data + at, count);
    }
}

void etw_rundown_begin(etw_rundown_writer *writer, etw_buffer *blob)
{
    *writer = (etw_rundown_writer){.blob = blob, .process_count_at = blob->size};
    etw_buffer_append_u32(blob, 0);
}

void etw_rundown_process(etw_rundown_writer *writer, uint32_t process_id, uint32_t parent_id,
                         int64_t start_time_100ns, const char *path)
{
    etw_buffer_append_u32(writer->blob, process_id);
    etw_buffer_append_u32(writer->blob, parent_id);
    etw_buffer_append_u64(writer->blob, (uint64_t)start_time_100ns);
    append_path(writer->blob, path);
    writer->image_count_at = writer->blob->size;
    writer->image_count = 0;
    etw_buffer_append_u32(writer->blob, 0);
    keep_count(writer, writer->process_count_at, ++writer->process_count);
}

void etw_rundown_image(etw_rundown_writer *writer, uint64_t base, uint64_t size, const char *path)
{
    etw_buffer_append_u64(writer->blob, base);
    etw_buffer_append_u64(writer->blob, size);
    append_path(writer->blob, path);
    keep_count(writer, writer->image_count_at, ++writer->image_count);
}

/* Reading. */

struct etw_rundown {
    etw_process **processes;
    uint32_t count, capacity;
    etw_table by_id; /* process id -> etw_process */
    etw_arena arena; /* processes, images, and copies of the blobs that paths point into */
};

etw_rundown *etw_rundown_new(void)
{
    etw_rundown *rundown = calloc(1, sizeof *rundown);
    if (rundown != NULL) {
        rundown->arena.limit_bytes = ETW_RUNDOWN_MAX_BYTES;
    }
    return rundown;
}

void etw_rundown_free(etw_rundown *rundown)
{
    if (rundown == NULL) {
        return;
    }
    etw_table_free(&rundown->by_id);
    etw_arena_free(&rundown->arena);
    free(rundown->processes);
    free(rundown);
}

static etw_status no_room(const etw_rundown *rundown, size_t size, etw_error *error)
{
    if (etw_arena_full(&rundown->arena, size + sizeof(max_align_t))) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "rundown: more than %zu bytes",
                             ETW_RUNDOWN_MAX_BYTES);
    }
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a rundown");
}

static etw_bytes take_path(etw_cursor *cursor)
{
    const uint16_t size = etw_cursor_u16(cursor);
    const etw_bytes path = {etw_cursor_take(cursor, size), size};
    return path;
}

static int by_base(const void *a, const void *b)
{
    const uint64_t base_a = ((const etw_image *)a)->base, base_b = ((const etw_image *)b)->base;
    return (base_a > base_b) - (base_a < base_b);
}

/* Least bytes of an image in a blob: a count above what is left by them is a lie. */
#define LEAST_IMAGE_BYTES 18u

/* The count was checked against what is left. */
static etw_status take_images(etw_rundown *rundown, etw_cursor *cursor, etw_process *process,
                              etw_error *error)
{
    const size_t size = process->image_count * sizeof *process->images;
    process->images = etw_arena_alloc(&rundown->arena, size);
    if (process->images == NULL) {
        return no_room(rundown, size, error);
    }
    for (uint32_t i = 0; i < process->image_count; i++) {
        process->images[i].base = etw_cursor_u64(cursor);
        process->images[i].size = etw_cursor_u64(cursor);
        process->images[i].path = take_path(cursor);
    }
    qsort(process->images, process->image_count, sizeof *process->images, by_base);
    return ETW_OK;
}

static etw_status take_process(etw_rundown *rundown, etw_cursor *cursor, etw_process *process,
                               etw_error *error)
{
    *process = (etw_process){.process_id = etw_cursor_u32(cursor)};
    process->parent_id = etw_cursor_u32(cursor);
    process->start_time_100ns = (int64_t)etw_cursor_u64(cursor);
    process->path = take_path(cursor);
    process->image_count = etw_cursor_u32(cursor);
    etw_status status = ETW_OK;
    if (!cursor->failed && process->image_count <= etw_cursor_left(cursor) / LEAST_IMAGE_BYTES) {
        status = take_images(rundown, cursor, process, error);
    } else {
        cursor->failed = true;
    }
    return status == ETW_OK && cursor->failed
               ? etw_error_set(error, ETW_ERROR_DAMAGED, "rundown: a process is cut off")
               : status;
}

static etw_status add_process(etw_rundown *rundown, const etw_process *process, etw_error *error)
{
    if (rundown->count == ETW_RUNDOWN_MAX_PROCESSES) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "rundown: more than %u processes",
                             ETW_RUNDOWN_MAX_PROCESSES);
    }
    etw_process **wider =
        etw_grown(rundown->processes, &rundown->capacity, rundown->count, 64, sizeof *wider);
    if (wider == NULL) {
        return no_room(rundown, 0, error);
    }
    rundown->processes = wider;
    etw_process *added = etw_arena_alloc(&rundown->arena, sizeof *added);
    if (added == NULL) {
        return no_room(rundown, sizeof *added, error);
    }
    *added = *process;
    if (!etw_table_set(&rundown->by_id, &added->process_id, sizeof added->process_id, added)) {
        return no_room(rundown, 0, error);
    }
    rundown->processes[rundown->count++] = added;
    return ETW_OK;
}

static etw_process *find(const etw_rundown *rundown, uint32_t process_id)
{
    return etw_table_get(&rundown->by_id, &process_id, sizeof process_id);
}

static etw_status add_processes(etw_rundown *rundown, etw_cursor *cursor, etw_error *error)
{
    const uint32_t count = etw_cursor_u32(cursor);
    if (cursor->failed) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "rundown: too short for its count");
    }
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < count && status == ETW_OK; i++) {
        etw_process process;
        status = take_process(rundown, cursor, &process, error);
        etw_process *known = status == ETW_OK ? find(rundown, process.process_id) : NULL;
        if (known != NULL) {
            *known = process;
        } else if (status == ETW_OK) {
            status = add_process(rundown, &process, error);
        }
    }
    return status;
}

etw_status etw_rundown_add(etw_rundown *rundown, etw_bytes blob, etw_error *error)
{
    const char *copy = etw_arena_copy(&rundown->arena, blob.data, blob.size);
    if (copy == NULL) {
        return no_room(rundown, blob.size + 1, error);
    }
    etw_cursor cursor = etw_cursor_over((etw_bytes){(const uint8_t *)copy, blob.size});
    return add_processes(rundown, &cursor, error);
}
uint32_t etw_rundown_count(const etw_rundown *rundown)
{
    return rundown->count;
}

const etw_process *etw_rundown_at(const etw_rundown *rundown, uint32_t index)
{
    return index < rundown->count ? rundown->processes[index] : NULL;
}

const etw_process *etw_rundown_find(const etw_rundown *rundown, uint32_t process_id)
{
    return find(rundown, process_id);
}

static const etw_image *image_in(const etw_process *process, uint64_t address)
{
    uint32_t low = 0, high = process == NULL ? 0 : process->image_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (process->images[middle].base <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const etw_image *image = low == 0 ? NULL : &process->images[low - 1];
    return image != NULL && address - image->base < image->size ? image : NULL;
}

const etw_image *etw_rundown_image_of(const etw_rundown *rundown, uint32_t process_id,
                                      uint64_t address)
{
    const etw_image *image = image_in(find(rundown, process_id), address);
    return image != NULL ? image : image_in(find(rundown, 0), address);
}

static etw_bytes last_part(etw_bytes path)
{
    size_t start = path.size;
    while (start > 0 && path.data[start - 1] != '\\' && path.data[start - 1] != '/') {
        start--;
    }
    const etw_bytes part = {path.data + start, path.size - start};
    return part;
}

bool etw_rundown_append_symbol(const etw_rundown *rundown, uint32_t process_id, uint64_t address,
                               etw_escape escape, etw_text *text)
{
    const etw_image *image = etw_rundown_image_of(rundown, process_id, address);
    if (image == NULL) {
        return false;
    }
    const etw_bytes name = last_part(image->path);
    etw_text_append_utf8(text, name.data, name.size, escape);
    etw_buffer_append_u8(text, '+');
    etw_text_append_hex(text, address - image->base);
    return true;
}
