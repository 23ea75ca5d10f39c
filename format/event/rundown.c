#include "format/event/rundown.h"

#include <stdlib.h>

/* --- making -------------------------------------------------------------------------------------
 */

static void append_u32(etw_text *text, uint32_t value)
{
    etw_text_append(text, (const char *)&value, sizeof value);
}

static void append_u64(etw_text *text, uint64_t value)
{
    etw_text_append(text, (const char *)&value, sizeof value);
}

static void append_path(etw_text *text, const char *path)
{
    const size_t length = strlen(path);
    const uint16_t size = (uint16_t)(length < ETW_RUNDOWN_MAX_PATH ? length : ETW_RUNDOWN_MAX_PATH);
    etw_text_append(text, (const char *)&size, sizeof size);
    etw_text_append(text, path, size);
}

/* A count is kept in place as its things are added. */
static void keep_count(etw_rundown_writer *writer, size_t at, uint32_t count)
{
    if (!writer->blob->failed) {
        etw_store_u32(writer->blob->data + at, count);
    }
}

void etw_rundown_begin(etw_rundown_writer *writer, etw_text *blob)
{
    *writer = (etw_rundown_writer){.blob = blob, .process_count_at = blob->size};
    append_u32(blob, 0);
}

void etw_rundown_process(etw_rundown_writer *writer, uint32_t process_id, uint32_t parent_id,
                         int64_t start_time_100ns, const char *path)
{
    append_u32(writer->blob, process_id);
    append_u32(writer->blob, parent_id);
    append_u64(writer->blob, (uint64_t)start_time_100ns);
    append_path(writer->blob, path);
    writer->image_count_at = writer->blob->size;
    writer->image_count = 0;
    append_u32(writer->blob, 0);
    keep_count(writer, writer->process_count_at, ++writer->process_count);
}

void etw_rundown_image(etw_rundown_writer *writer, uint64_t base, uint64_t size, const char *path)
{
    append_u64(writer->blob, base);
    append_u64(writer->blob, size);
    append_path(writer->blob, path);
    keep_count(writer, writer->image_count_at, ++writer->image_count);
}

/* --- reading ------------------------------------------------------------------------------------
 */

struct etw_rundown {
    etw_process *processes; /* by process id, lowest first */
    uint32_t count;
    uint32_t image_count; /* of all blobs, replaced processes included: bounds hostile files */
    uint8_t **blobs;      /* the copies that paths point into */
    uint32_t blob_count;
};

etw_rundown *etw_rundown_new(void)
{
    return calloc(1, sizeof(etw_rundown));
}

void etw_rundown_free(etw_rundown *rundown)
{
    if (rundown == NULL) {
        return;
    }
    for (uint32_t i = 0; i < rundown->count; i++) {
        free(rundown->processes[i].images);
    }
    for (uint32_t i = 0; i < rundown->blob_count; i++) {
        free(rundown->blobs[i]);
    }
    free(rundown->processes);
    free(rundown->blobs);
    free(rundown);
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

static bool take_images(etw_cursor *cursor, etw_process *process)
{
    const uint32_t count = etw_cursor_u32(cursor);
    if (cursor->failed || count > etw_cursor_left(cursor) / LEAST_IMAGE_BYTES) {
        return false;
    }
    process->images = calloc(count + 1u, sizeof *process->images);
    if (process->images == NULL) {
        return false;
    }
    process->image_count = count;
    for (uint32_t i = 0; i < count; i++) {
        process->images[i].base = etw_cursor_u64(cursor);
        process->images[i].size = etw_cursor_u64(cursor);
        process->images[i].path = take_path(cursor);
    }
    qsort(process->images, count, sizeof *process->images, by_base);
    return !cursor->failed;
}

static bool take_process(etw_cursor *cursor, etw_process *process)
{
    *process =
        (etw_process){.process_id = etw_cursor_u32(cursor), .parent_id = etw_cursor_u32(cursor)};
    process->start_time_100ns = (int64_t)etw_cursor_u64(cursor);
    process->path = take_path(cursor);
    return take_images(cursor, process);
}

/* Where the process is, or belongs. */
static uint32_t place_of(const etw_rundown *rundown, uint32_t process_id)
{
    uint32_t low = 0, high = rundown->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (rundown->processes[middle].process_id < process_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool keep_process(etw_rundown *rundown, const etw_process *process)
{
    const uint32_t at = place_of(rundown, process->process_id);
    if (at < rundown->count && rundown->processes[at].process_id == process->process_id) {
        free(rundown->processes[at].images);
        rundown->processes[at] = *process;
        return true;
    }
    if (rundown->count == ETW_RUNDOWN_MAX_PROCESSES) {
        return false;
    }
    etw_process *grown =
        realloc(rundown->processes, (rundown->count + 1u) * sizeof *rundown->processes);
    if (grown == NULL) {
        return false;
    }
    rundown->processes = grown;
    memmove(grown + at + 1, grown + at, (rundown->count - at) * sizeof *grown);
    grown[at] = *process;
    rundown->count++;
    return true;
}

static etw_status add_processes(etw_rundown *rundown, etw_cursor *cursor, etw_error *error)
{
    const uint32_t count = etw_cursor_u32(cursor);
    if (cursor->failed) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "rundown: too short for its count");
    }
    for (uint32_t i = 0; i < count; i++) {
        etw_process process;
        if (!take_process(cursor, &process)) {
            free(process.images);
            return etw_error_set(error, ETW_ERROR_DAMAGED, "rundown: process %u of %u is cut off",
                                 i, count);
        }
        rundown->image_count += process.image_count;
        if (rundown->image_count > ETW_RUNDOWN_MAX_IMAGES || !keep_process(rundown, &process)) {
            free(process.images);
            return etw_error_set(error, ETW_ERROR_LIMIT,
                                 "rundown: more than %u processes or %u images",
                                 ETW_RUNDOWN_MAX_PROCESSES, ETW_RUNDOWN_MAX_IMAGES);
        }
    }
    return ETW_OK;
}

etw_status etw_rundown_add(etw_rundown *rundown, etw_bytes blob, etw_error *error)
{
    uint8_t *copy = malloc(blob.size + 1);
    uint8_t **blobs = realloc(rundown->blobs, (rundown->blob_count + 1u) * sizeof *blobs);
    if (blobs != NULL) {
        rundown->blobs = blobs;
    }
    if (copy == NULL || blobs == NULL) {
        free(copy);
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a rundown");
    }
    if (blob.size > 0) {
        memcpy(copy, blob.data, blob.size);
    }
    rundown->blobs[rundown->blob_count++] = copy;
    etw_cursor cursor = etw_cursor_over((etw_bytes){copy, blob.size});
    return add_processes(rundown, &cursor, error);
}

uint32_t etw_rundown_count(const etw_rundown *rundown)
{
    return rundown->count;
}

const etw_process *etw_rundown_at(const etw_rundown *rundown, uint32_t index)
{
    return index < rundown->count ? &rundown->processes[index] : NULL;
}

const etw_process *etw_rundown_find(const etw_rundown *rundown, uint32_t process_id)
{
    const uint32_t at = place_of(rundown, process_id);
    const bool found = at < rundown->count && rundown->processes[at].process_id == process_id;
    return found ? &rundown->processes[at] : NULL;
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
    const etw_image *image = image_in(etw_rundown_find(rundown, process_id), address);
    return image != NULL ? image : image_in(etw_rundown_find(rundown, 0), address);
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
    etw_text_append_char(text, '+');
    etw_text_append_hex(text, address - image->base);
    return true;
}
