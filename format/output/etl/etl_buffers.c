#include "format/output/etl/etl_buffers.h"

#include "format/base/arena.h"
#include "format/base/table.h"

#include <stdlib.h>

#define MAX_STREAMS    65536u
#define MAX_PROCESSORS 2048u
#define ROOM        (ETW_ETL_WIDE_SIZE - ETW_BUFFER_HEADER_SIZE)
#define USUAL_ROOM  (ETW_ETL_BUFFER_SIZE - ETW_BUFFER_HEADER_SIZE)

typedef struct held {
    struct held *next; /* begun after it */
    struct stream *stream;
    uint64_t number; /* in the order of beginning */
    bool is_ended;
    uint32_t used;
    etw_spooled_buffer head; /* and behind it, the records: spooled at once */
    uint8_t records[ROOM];
} held;

typedef struct stream {
    etw_spooled_buffer key;
    held *open; /* NULL: none */
    bool has_last;
    int64_t last_ticks;
} stream;

struct etw_etl_buffers {
    etw_output_spool *spool;
    etw_table streams;
    etw_arena memory;
    uint32_t stream_count;
    held *first, *last; /* in the order of beginning */
    held *spare;
    uint32_t held_count;
    uint64_t numbers, written, disorder;
    uint64_t record_bytes, wasted_bytes;
    bool is_wide;
    stream *latest; /* where the record before went */
    int64_t latest_ticks;
    bool keeps_sequence;
    uint64_t newest[MAX_PROCESSORS]; /* the number of the buffer begun last on each */
};

etw_etl_buffers *etw_etl_buffers_new(etw_output_spool *spool)
{
    etw_etl_buffers *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->spool = spool;
    }
    return made;
}

static void free_list(held *list)
{
    while (list != NULL) {
        held *next = list->next;
        free(list);
        list = next;
    }
}

void etw_etl_buffers_free(etw_etl_buffers *buffers)
{
    if (buffers != NULL) {
        free_list(buffers->first);
        free_list(buffers->spare);
        etw_table_free(&buffers->streams);
        etw_arena_free(&buffers->memory);
        free(buffers);
    }
}

void etw_etl_buffers_keep_sequence(etw_etl_buffers *buffers)
{
    buffers->keeps_sequence = true;
}

uint64_t etw_etl_buffers_count(const etw_etl_buffers *buffers)
{
    return buffers->written;
}

bool etw_etl_buffers_are_wide(const etw_etl_buffers *buffers)
{
    return buffers->is_wide;
}

uint64_t etw_etl_buffers_disorder(const etw_etl_buffers *buffers)
{
    return buffers->disorder;
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for buffers");
}

/* Writes those that have ended, up to the first that has not. */
static etw_status write_ended(etw_etl_buffers *b, etw_error *error)
{
    etw_status status = ETW_OK;
    while (!etw_failed(status) && b->first != NULL && b->first->is_ended) {
        held *h = b->first;
        const etw_bytes whole = {(const uint8_t *)&h->head, sizeof h->head + h->used};
        status = etw_output_spool_append(b->spool, whole, error);
        b->first = h->next;
        b->last = b->first == NULL ? NULL : b->last;
        h->next = b->spare;
        b->spare = h;
        b->held_count--;
        b->written++;
    }
    return status;
}

static etw_status end_buffer(etw_etl_buffers *b, held *h, etw_error *error)
{
    h->is_ended = true;
    h->stream->open = NULL;
    return write_ended(b, error);
}

static uint64_t *newest_of(etw_etl_buffers *b, const stream *s)
{
    return &b->newest[s->key.context.ProcessorIndex % MAX_PROCESSORS];
}

static etw_status begin_buffer(etw_etl_buffers *b, stream *s, etw_error *error)
{
    if (b->held_count == ETW_ETL_MAX_HELD) {
        const etw_status status = end_buffer(b, b->first, error);
        if (etw_failed(status)) {
            return status;
        }
    }
    held *h = b->spare;
    if (h != NULL) {
        b->spare = h->next;
    } else if ((h = malloc(sizeof *h)) == NULL) {
        return no_memory(error);
    }
    h->next = NULL;
    h->stream = s;
    h->number = ++b->numbers;
    *newest_of(b, s) = h->number;
    h->is_ended = false;
    h->used = 0;
    h->head = s->key;
    if (b->last != NULL) {
        b->last->next = h;
    } else {
        b->first = h;
    }
    b->last = h;
    b->held_count++;
    s->open = h;
    return ETW_OK;
}

static etw_status find_stream(etw_etl_buffers *b, const etw_spooled_buffer *where, stream **found,
                              etw_error *error)
{
    stream *s = b->latest;
    if (s == NULL || memcmp(&s->key, where, sizeof *where) != 0) {
        s = etw_table_get(&b->streams, where, sizeof *where);
    }
    if (s == NULL) {
        if (b->stream_count == MAX_STREAMS) {
            return etw_error_set(error, ETW_ERROR_LIMIT,
                                 "events of more than %u processors and sessions", MAX_STREAMS);
        }
        s = etw_arena_alloc(&b->memory, sizeof *s);
        if (s == NULL) {
            return no_memory(error);
        }
        s->key = *where;
        b->stream_count++;
        if (!etw_table_set(&b->streams, &s->key, sizeof s->key, s)) {
            return no_memory(error);
        }
    }
    *found = s;
    return ETW_OK;
}

/* Whether the record, if it went into the open buffer, would be read before one that came first. */
static bool stands_before_others(etw_etl_buffers *b, const stream *s, int64_t ticks)
{
    const stream *latest = b->latest;
    if (b->keeps_sequence && s->open != NULL && s->open->number < *newest_of(b, s)) {
        return true;
    }
    return latest != NULL && latest != s && b->latest_ticks == ticks && s->open != NULL &&
           (latest->open == NULL || s->open->number < latest->open->number);
}

/* Of what buffers that end early leave unused. */
static bool may_waste(etw_etl_buffers *b, uint32_t bytes)
{
    if (b->wasted_bytes + bytes > ETW_ETL_FREE_WASTE + 3 * b->record_bytes) {
        return false;
    }
    b->wasted_bytes += bytes;
    return true;
}

static etw_status make_room(etw_etl_buffers *b, stream *s, int64_t ticks, uint32_t size,
                            etw_error *error)
{
    etw_status status = ETW_OK;
    if (stands_before_others(b, s, ticks)) {
        if (may_waste(b, USUAL_ROOM - s->open->used)) {
            status = end_buffer(b, s->open, error);
        } else {
            b->disorder++;
        }
    }
    const uint32_t room = size > USUAL_ROOM ? ROOM : USUAL_ROOM;
    if (!etw_failed(status) && s->open != NULL && s->open->used + size > room) {
        status = end_buffer(b, s->open, error);
    }
    if (!etw_failed(status) && s->open == NULL) {
        status = begin_buffer(b, s, error);
    }
    return status;
}

etw_status etw_etl_buffers_add(etw_etl_buffers *buffers, const etw_spooled_buffer *where,
                               int64_t ticks, etw_bytes record, etw_error *error)
{
    stream *s = NULL;
    const uint32_t size = ((uint32_t)record.size + 7u) & ~7u;
    etw_status status = find_stream(buffers, where, &s, error);
    if (!etw_failed(status)) {
        status = make_room(buffers, s, ticks, size, error);
    }
    if (etw_failed(status)) {
        return status;
    }
    held *h = s->open;
    memcpy(h->records + h->used, record.data, record.size);
    memset(h->records + h->used + record.size, 0, size - record.size);
    h->used += size;
    buffers->record_bytes += size;
    buffers->is_wide |= size > USUAL_ROOM;
    buffers->disorder += (buffers->latest != NULL && ticks < buffers->latest_ticks) ? 1 : 0;
    buffers->latest = s;
    buffers->latest_ticks = ticks;
    return ETW_OK;
}

etw_status etw_etl_buffers_end(etw_etl_buffers *buffers, etw_error *error)
{
    for (held *h = buffers->first; h != NULL; h = h->next) {
        h->is_ended = true;
        h->stream->open = NULL;
    }
    return write_ended(buffers, error);
}
