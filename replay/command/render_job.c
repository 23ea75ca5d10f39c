#include "replay/command/render_job.h"

#include <stdlib.h>

bool etw_pen_open(etw_pen *pen, const etw_output_format *format, const etw_output_options *options)
{
    pen->format = format;
    pen->output = format->open(options);
    pen->maker = etw_event_maker_new(options->raw_time);
    return pen->output != NULL && pen->maker != NULL;
}

void etw_pen_close(etw_pen *pen)
{
    if (pen->output != NULL) {
        pen->format->close(pen->output);
    }
    etw_event_maker_free(pen->maker);
    *pen = (etw_pen){0};
}

bool etw_pen_event(const etw_pen *pen, const etw_replay_item *item, etw_text *text)
{
    const etw_event *event =
        etw_event_make(pen->maker, item->record, item->trace, item->schema, item->provider_name);
    if (event == NULL) {
        return false;
    }
    etw_event_set_trace_number(pen->maker, item->trace_number);
    etw_event_set_file(pen->maker, item->file);
    etw_event_set_process(pen->maker, item->has_process ? &item->process : NULL);
    etw_event_set_stack(pen->maker, item->has_stack ? &item->stack : NULL);
    pen->format->event(pen->output, event, text);
    return true;
}

static size_t aligned(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

size_t etw_render_job_size_of(const etw_event_record *record)
{
    size_t size =
        aligned(record->UserDataLength) + record->ExtendedDataCount * sizeof *record->ExtendedData;
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        size += aligned(record->ExtendedData[i].DataSize);
    }
    return size;
}

bool etw_render_job_has_room(const etw_render_job *job, size_t size)
{
    const size_t capacity =
        job->capacity > ETW_RENDER_JOB_BYTES ? job->capacity : ETW_RENDER_JOB_BYTES;
    return job->count == 0 || (job->count < ETW_RENDER_JOB_EVENTS && size <= capacity - job->size);
}

/* Memory for a copy of size bytes; has_room was true. */
static bool make_room(etw_render_job *job, size_t size)
{
    if (job->copies == NULL) {
        job->copies = malloc(ETW_RENDER_JOB_EVENTS * sizeof *job->copies);
    }
    if (job->bytes == NULL || size > job->capacity) {
        const size_t capacity = size > ETW_RENDER_JOB_BYTES ? size : ETW_RENDER_JOB_BYTES;
        uint8_t *bytes = realloc(job->bytes, capacity);
        if (bytes == NULL) {
            return false;
        }
        job->bytes = bytes;
        job->capacity = capacity;
    }
    return job->copies != NULL;
}

static void *take(etw_render_job *job, size_t size)
{
    void *at = job->bytes + job->size;
    job->size += aligned(size);
    return at;
}

static void copy_record(etw_render_job *job, const etw_event_record *from, etw_event_record *to)
{
    *to = *from;
    if (from->UserDataLength > 0) {
        to->UserData = take(job, from->UserDataLength);
        memcpy(to->UserData, from->UserData, from->UserDataLength);
    }
    if (from->ExtendedDataCount == 0) {
        return;
    }
    const size_t items_size = from->ExtendedDataCount * sizeof *from->ExtendedData;
    to->ExtendedData = take(job, items_size);
    memcpy(to->ExtendedData, from->ExtendedData, items_size);
    for (uint16_t i = 0; i < from->ExtendedDataCount; i++) {
        const etw_bytes data = etw_item_bytes(&from->ExtendedData[i]);
        void *copy = take(job, data.size);
        if (data.size > 0) {
            memcpy(copy, data.data, data.size);
        }
        to->ExtendedData[i].DataPtr = (uint64_t)(uintptr_t)copy;
    }
}

bool etw_render_job_add(etw_render_job *job, const etw_replay_item *item, bool is_lent)
{
    if (!is_lent && !make_room(job, etw_render_job_size_of(item->record))) {
        return false;
    }
    etw_render_entry *entry = &job->entries[job->count];
    entry->item = *item;
    entry->loss = NULL;
    if (!is_lent) {
        copy_record(job, item->record, &job->copies[job->count]);
        entry->item.record = &job->copies[job->count];
    }
    job->count++;
    return true;
}

bool etw_render_job_add_loss(etw_render_job *job, const etw_loss *loss)
{
    etw_loss *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        return false;
    }
    *copy = *loss;
    job->entries[job->count++].loss = copy;
    return true;
}

void etw_render_job_clear(etw_render_job *job)
{
    for (uint32_t i = 0; i < job->count; i++) {
        free(job->entries[i].loss);
    }
    job->count = 0;
    job->size = 0;
}

void etw_render_job_free(etw_render_job *job)
{
    etw_render_job_clear(job);
    free(job->bytes);
    free(job->copies);
    job->bytes = NULL;
    job->copies = NULL;
    job->capacity = 0;
}
