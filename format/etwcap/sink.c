#include "format/etwcap/sink.h"

#include <errno.h>
#include <stdlib.h>

#include "format/etwcap/body.h"
#include "format/etwcap/fold.h"

struct etw_sink {
    const etw_os *os;
    int file;
    bool owns_file;
    etw_sink_options options;
    uint64_t offset; /* of the next block */
    uint64_t sequence;
    etw_totals totals;
    etw_guid_table providers;
    etw_index_builder index;
    etw_buffer out;  /* header and body of the block being written ... */
    size_t out_done; /* ... and how much of it the target took */
    /* The file so far, where it is held back or in memory; else what the target did not take yet.
     */
    etw_buffer held;
    size_t held_done; /* of it was taken */
    bool holding, in_memory;
    etw_buffer scratch;  /* bodies that the sink makes itself */
    etw_buffer deferred; /* an etw_sink_block and its body, again and again */
    etw_buffer traces;   /* in the same form: for the copies at the end */
    bool traces_cut;     /* they grew too large */
    uint64_t trace_offsets[ETW_MAX_TRACES];
    uint32_t trace_count;
    bool stuck; /* out is not wholly written */
    bool dead;  /* nothing will be written any more */
    int64_t retry_at_ns, sync_at_ns;
    bool unsynced;
    etw_loss dropped; /* events blocks that came while stuck */
    etw_error failure;
    etw_error sync_failure;
};

static int64_t now_ns(const etw_sink *sink)
{
    return sink->os->monotonic_ns(sink->os->context);
}

static etw_status failed(const etw_sink *sink, etw_error *error)
{
    if (error != NULL) {
        *error = sink->failure;
    }
    return sink->failure.status;
}

static etw_status give_up(etw_sink *sink, etw_status status, const char *why)
{
    sink->dead = true;
    return etw_error_set(&sink->failure, status, "%s", why);
}

static etw_sink *allocate(const etw_os *os, const etw_sink_options *options, etw_error *error)
{
    etw_sink *sink = calloc(1, sizeof *sink);
    if (sink != NULL) {
        sink->os = os;
        sink->options = *options;
        sink->file = ETW_FILE_STDOUT;
        sink->offset = ETW_HEAD_SIZE;
        sink->holding = options->hold_bytes > 0;
    }
    if (sink == NULL || !etw_guid_table_init(&sink->providers, ETW_MAX_COUNTED_PROVIDERS) ||
        !etw_index_builder_init(&sink->index)) {
        etw_sink_free(sink);
        (void)etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a writer");
        return NULL;
    }
    return sink;
}

/* The head goes out with what follows it: a folded file has another. */
static etw_status hold_head(etw_sink *sink, etw_error *error)
{
    uint8_t head[ETW_HEAD_SIZE];
    etw_head_store(head, ETW_FORMAT_BLOCKS);
    etw_buffer_append(&sink->held, head, sizeof head);
    return sink->held.failed
               ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a writer")
               : ETW_OK;
}

etw_status etw_sink_open_memory(etw_sink **opened, etw_error *error)
{
    const etw_sink_options options = {.sync = ETW_SYNC_NONE, .hold_bytes = ETW_SINK_MAX_MEMORY};
    etw_sink *sink = allocate(etw_os_default(), &options, error);
    if (sink == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    sink->in_memory = true;
    const etw_status status = hold_head(sink, error);
    if (status != ETW_OK) {
        etw_sink_free(sink);
        return status;
    }
    *opened = sink;
    return ETW_OK;
}

void etw_sink_take(etw_sink *sink, etw_buffer *file)
{
    *file = sink->held;
    sink->held = (etw_buffer){0};
}

etw_status etw_sink_open(const etw_os *os, const char *path, const etw_sink_options *options,
                         etw_sink **opened, etw_error *error)
{
    etw_sink *sink = allocate(os, options, error);
    if (sink == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    if (strcmp(path, "-") != 0) {
        const etw_open_mode mode = options->replace ? ETW_OPEN_REPLACE : ETW_OPEN_CREATE;
        sink->file = os->open(os->context, path, mode);
        sink->owns_file = sink->file >= 0;
    }
    uint8_t head[ETW_HEAD_SIZE];
    etw_head_store(head, ETW_FORMAT_BLOCKS);
    etw_status status = ETW_OK;
    if (sink->file < 0) {
        status = etw_error_set_os(error, -sink->file, "%s: cannot create", path);
    } else if (sink->holding) {
        status = hold_head(sink, error);
    } else {
        status = etw_os_write_full(os, sink->file, head, sizeof head, NULL, error);
        if (status != ETW_OK) {
            (void)etw_error_wrap(error, status, "%s", sink->owns_file ? path : "stdout");
        }
    }
    if (status != ETW_OK) {
        etw_sink_free(sink);
        return status;
    }
    sink->sync_at_ns = now_ns(sink) + (int64_t)options->sync_interval_ms * 1000000;
    *opened = sink;
    return ETW_OK;
}

void etw_sink_free(etw_sink *sink)
{
    if (sink == NULL) {
        return;
    }
    if (sink->owns_file) {
        (void)sink->os->close(sink->os->context, sink->file);
    }
    etw_guid_table_free(&sink->providers);
    etw_index_builder_free(&sink->index);
    etw_buffer_free(&sink->out);
    etw_buffer_free(&sink->held);
    etw_buffer_free(&sink->scratch);
    etw_buffer_free(&sink->deferred);
    etw_buffer_free(&sink->traces);
    free(sink);
}

const etw_totals *etw_sink_totals(const etw_sink *sink)
{
    return &sink->totals;
}

uint64_t etw_sink_written(const etw_sink *sink)
{
    return sink->held.size > 0 ? 0 : sink->totals.events;
}

uint64_t etw_sink_size(const etw_sink *sink)
{
    return sink->offset;
}

void etw_sink_block_put(etw_buffer *to, const etw_sink_block *block)
{
    etw_buffer_append(to, block, sizeof *block);
    etw_buffer_append(to, block->body.data, block->body.size);
}

etw_sink_block etw_sink_block_take(const etw_buffer *from, size_t *at)
{
    etw_sink_block block;
    memcpy(&block, from->data + *at, sizeof block);
    block.body.data = (const uint8_t *)from->data + *at + sizeof block;
    *at += sizeof block + block.body.size;
    return block;
}

static void note_trace(etw_sink *sink, const etw_sink_block *block)
{
    if (sink->trace_count < ETW_MAX_TRACES) {
        sink->trace_offsets[sink->trace_count++] = sink->offset;
    }
    sink->traces_cut = sink->traces_cut || sink->traces.size + block->body.size + sizeof *block >
                                               ETW_SINK_MAX_TRACE_COPIES;
    if (!sink->traces_cut) {
        etw_sink_block_put(&sink->traces, block);
    }
}

static etw_status sync_now(etw_sink *sink)
{
    const int result = sink->os->sync(sink->os->context, sink->file);
    sink->sync_at_ns = now_ns(sink) + (int64_t)sink->options.sync_interval_ms * 1000000;
    sink->unsynced = false;
    /* What the system could not sync it may have thrown away: the first failure stays. EINVAL: a
     * pipe or a terminal, which cannot be synced and need not be. */
    if (result < 0 && result != -EINVAL && sink->sync_failure.status == ETW_OK) {
        return etw_error_set_os(&sink->sync_failure, -result, "cannot sync");
    }
    return sink->sync_failure.status;
}

static void sync_if_due(etw_sink *sink)
{
    const bool due = sink->options.sync == ETW_SYNC_BLOCK ||
                     (sink->options.sync == ETW_SYNC_INTERVAL && now_ns(sink) >= sink->sync_at_ns);
    if (due && sink->unsynced) {
        (void)sync_now(sink);
    }
}

/* The target has all of out: counts the block. */
static void commit(etw_sink *sink)
{
    etw_block_header header;
    uint8_t *body = (uint8_t *)sink->out.data + ETW_BLOCK_HEADER_SIZE;
    const bool loaded = etw_block_header_load((const uint8_t *)sink->out.data, &header);
    if (!loaded) {
        (void)give_up(sink, ETW_ERROR_INTERNAL, "a block is above the stated sizes");
        return;
    }
    etw_block_xor(body, header.stored_size, etw_block_mask(&header));
    const etw_bytes head = {body, header.head_size};
    etw_totals_add(&sink->totals, &header, head, &sink->providers);
    if (header.kind == ETW_BLOCK_LOSS) {
        etw_cursor cursor = etw_cursor_over((etw_bytes){body, header.stored_size});
        etw_loss loss;
        bool own;
        for (uint32_t i = 0; i < header.count; i++) {
            if (etw_loss_load(&cursor, &loss, &own, NULL) == ETW_OK) {
                etw_totals_add_loss(&sink->totals, loss.cause, loss.events);
            }
        }
    }
    /* Never full: put appends an index block before that. */
    etw_index_builder_add(&sink->index, &header, sink->offset, head);
    sink->offset += sink->out.size;
    sink->sequence++;
    sink->unsynced = true;
}

/* Writes what the target did not take yet of from. */
static etw_status write_rest(etw_sink *sink, const etw_buffer *from, size_t *done)
{
    size_t written = 0;
    if (*done == from->size) {
        return ETW_OK;
    }
    const etw_status status = etw_os_write_full(sink->os, sink->file, from->data + *done,
                                                from->size - *done, &written, &sink->failure);
    *done += written;
    return status;
}

/* False where out must be written, and all that was held back before it. */
static bool hold_out(etw_sink *sink)
{
    if (!sink->holding || sink->held.size + sink->out.size > sink->options.hold_bytes) {
        return false;
    }
    etw_buffer_append(&sink->held, sink->out.data, sink->out.size);
    const bool is_held = !sink->held.failed;
    sink->held.failed = false;
    return is_held;
}

/* Goes on writing out, behind what is held back. */
static etw_status push(etw_sink *sink)
{
    if (hold_out(sink)) {
        commit(sink);
        return sink->failure.status;
    }
    if (sink->in_memory) {
        return sink->held.size + sink->out.size > sink->options.hold_bytes
                   ? give_up(sink, ETW_ERROR_LIMIT, "the file in memory is above the limit")
                   : give_up(sink, ETW_ERROR_NO_MEMORY, "out of memory for a block");
    }
    sink->holding = false;
    etw_status status = write_rest(sink, &sink->held, &sink->held_done);
    if (status == ETW_OK) {
        etw_buffer_free(&sink->held);
        sink->held_done = 0;
        status = write_rest(sink, &sink->out, &sink->out_done);
    }
    sink->stuck = status != ETW_OK;
    if (sink->stuck) {
        sink->retry_at_ns = now_ns(sink) + (int64_t)ETW_SINK_RETRY_MS * 1000000;
        return etw_error_wrap(&sink->failure, status, "block at offset %llu",
                              (unsigned long long)sink->offset);
    }
    sink->failure.status = ETW_OK;
    if (sink->out.size > 0) {
        commit(sink);
    }
    sync_if_due(sink);
    return sink->failure.status;
}

static etw_block_header header_of(const etw_sink *sink, const etw_sink_block *block)
{
    const etw_block_header header = {.kind = block->kind,
                                     .flags = block->flags,
                                     .stored_size = (uint32_t)block->body.size,
                                     .raw_size = block->raw_size,
                                     .sequence = sink->sequence,
                                     .first_time_100ns = block->first_time_100ns,
                                     .last_time_100ns = block->last_time_100ns,
                                     .count = block->count,
                                     .head_size = block->head_size};
    return header;
}

static etw_status write_block(etw_sink *sink, const etw_sink_block *block)
{
    if (block->kind == ETW_BLOCK_TRACE) {
        note_trace(sink, block);
    }
    if (sink->traces.failed) {
        return give_up(sink, ETW_ERROR_NO_MEMORY, "out of memory for a trace's copy");
    }
    etw_block_header header = header_of(sink, block);
    etw_buffer_clear(&sink->out);
    sink->out_done = 0;
    char *to = etw_buffer_reserve(&sink->out, ETW_BLOCK_HEADER_SIZE + block->body.size);
    if (to == NULL) {
        return give_up(sink, ETW_ERROR_NO_MEMORY, "out of memory for a block");
    }
    uint8_t *body = (uint8_t *)to + ETW_BLOCK_HEADER_SIZE;
    if (block->body.size > 0) {
        memcpy(body, block->body.data, block->body.size);
    }
    etw_block_mask_body(body, block->body.size, &header.flags);
    header.body_hash = etw_block_hash((etw_bytes){body, block->body.size});
    etw_block_header_store(&header, (uint8_t *)to);
    sink->out.size = ETW_BLOCK_HEADER_SIZE + block->body.size;
    return push(sink);
}

static etw_status write_scratch(etw_sink *sink, uint16_t kind, uint32_t count)
{
    if (sink->scratch.failed) {
        return give_up(sink, ETW_ERROR_NO_MEMORY, "out of memory for a block");
    }
    etw_buffer packed = {0};
    const etw_bytes raw = etw_buffer_bytes(&sink->scratch);
    etw_sink_block block = {
        .kind = kind, .raw_size = (uint32_t)raw.size, .count = count, .body = raw};
    if (kind == ETW_BLOCK_INDEX && etw_block_compress(NULL, raw, &packed)) {
        block.flags = ETW_BLOCK_ZSTD;
        block.body = etw_buffer_bytes(&packed);
    }
    const etw_status status = write_block(sink, &block);
    etw_buffer_free(&packed);
    return status;
}

static etw_status write_index(etw_sink *sink)
{
    const uint64_t offset = sink->offset;
    const uint32_t count = sink->index.count;
    etw_buffer_clear(&sink->scratch);
    etw_index_builder_take(&sink->index, sink->totals.last_index_offset, &sink->scratch);
    sink->totals.last_index_offset = offset;
    sink->totals.index_blocks++;
    return write_scratch(sink, ETW_BLOCK_INDEX, count);
}

/* False where the target is stuck, and block is not even the one that waits in out. */
static bool write_indexed(etw_sink *sink, const etw_sink_block *block)
{
    const etw_block_header header = header_of(sink, block);
    const etw_bytes head = {block->body.data, block->head_size};
    if (!etw_index_builder_has_room(&sink->index, &header, head)) {
        (void)write_index(sink);
    }
    if (sink->stuck || sink->dead) {
        return false;
    }
    (void)write_block(sink, block);
    return true;
}

static void drop_events(etw_sink *sink, const etw_sink_block *block)
{
    etw_loss *dropped = &sink->dropped;
    if (dropped->events == 0) {
        memset(dropped, 0, sizeof *dropped);
        dropped->cause = ETW_LOSS_DISK;
        dropped->from_time_100ns = block->first_time_100ns;
        dropped->to_time_100ns = block->last_time_100ns;
        etw_loss_set_detail(dropped, "%s", sink->failure.message);
    }
    dropped->events += block->count;
    dropped->buffers++;
    if (block->first_time_100ns < dropped->from_time_100ns) {
        dropped->from_time_100ns = block->first_time_100ns;
    }
    if (block->last_time_100ns > dropped->to_time_100ns) {
        dropped->to_time_100ns = block->last_time_100ns;
    }
}

static void set_aside(etw_sink *sink, const etw_sink_block *block)
{
    if (sink->dead) {
        return;
    }
    if (block->kind == ETW_BLOCK_EVENTS) {
        drop_events(sink, block);
        return;
    }
    if (sink->deferred.size + sizeof *block + block->body.size > ETW_SINK_MAX_DEFERRED) {
        (void)give_up(sink, ETW_ERROR_LIMIT,
                      "gave up writing: too much waits for the target to take bytes again");
        return;
    }
    etw_sink_block_put(&sink->deferred, block);
}

static void write_dropped(etw_sink *sink)
{
    etw_buffer body = {0};
    etw_loss_append(&body, &sink->dropped, true);
    const etw_sink_block block = {.kind = ETW_BLOCK_LOSS,
                                  .raw_size = (uint32_t)body.size,
                                  .count = 1,
                                  .first_time_100ns = sink->dropped.from_time_100ns,
                                  .last_time_100ns = sink->dropped.to_time_100ns,
                                  .body = etw_buffer_bytes(&body)};
    if (!body.failed && write_indexed(sink, &block)) {
        sink->dropped.events = 0;
    }
    etw_buffer_free(&body);
}

/* Writes what waited, in its order, the loss first: it happened among them. */
static void write_deferred(etw_sink *sink)
{
    if (sink->dropped.events > 0) {
        write_dropped(sink);
    }
    size_t at = 0;
    while (!sink->stuck && !sink->dead && at < sink->deferred.size) {
        size_t next = at;
        const etw_sink_block block = etw_sink_block_take(&sink->deferred, &next);
        if (write_indexed(sink, &block)) {
            at = next;
        }
    }
    if (at > 0) {
        memmove(sink->deferred.data, sink->deferred.data + at, sink->deferred.size - at);
        sink->deferred.size -= at;
    }
}

static void retry(etw_sink *sink)
{
    if (push(sink) == ETW_OK) {
        write_deferred(sink);
    }
}

static bool is_clear(const etw_sink *sink)
{
    return !sink->stuck && !sink->dead;
}

etw_status etw_sink_put(etw_sink *sink, const etw_sink_block *block, etw_error *error)
{
    if (sink->stuck && !sink->dead && now_ns(sink) >= sink->retry_at_ns) {
        retry(sink);
    }
    if (!is_clear(sink) || !write_indexed(sink, block)) {
        set_aside(sink, block);
    }
    return is_clear(sink) ? ETW_OK : failed(sink, error);
}

etw_status etw_sink_tick(etw_sink *sink, etw_error *error)
{
    if (sink->stuck && !sink->dead && now_ns(sink) >= sink->retry_at_ns) {
        retry(sink);
    }
    sync_if_due(sink);
    return is_clear(sink) ? ETW_OK : failed(sink, error);
}

static const char *provider_name(const void *context, const etw_guid *guid)
{
    return context == NULL ? NULL : etw_schema_store_provider_name(context, guid);
}

static void write_trace_copies(etw_sink *sink)
{
    const uint32_t originals = sink->trace_count;
    const bool copy = !sink->traces_cut && !sink->traces.failed;
    sink->traces_cut = true; /* copies are not copied */
    size_t at = 0;
    while (copy && is_clear(sink) && at < sink->traces.size) {
        const etw_sink_block block = etw_sink_block_take(&sink->traces, &at);
        (void)write_indexed(sink, &block);
    }
    sink->trace_count = originals;
}

static void write_end(etw_sink *sink, uint64_t received, const etw_schema_store *store)
{
    etw_end end = {.summary_offset = sink->offset};
    sink->totals.received = received;
    sink->totals.dropped = received - sink->totals.events;
    etw_buffer_clear(&sink->scratch);
    const etw_summary summary = {&sink->totals,    sink->trace_offsets, sink->trace_count,
                                 &sink->providers, provider_name,       store};
    etw_summary_append(&sink->scratch, &summary);
    (void)write_scratch(sink, ETW_BLOCK_SUMMARY, 1);
    if (is_clear(sink)) {
        end.file_size = sink->offset + ETW_TAIL_SIZE;
        end.blocks = sink->sequence + 1;
        etw_buffer_clear(&sink->scratch);
        etw_end_append(&sink->scratch, &end);
        (void)write_scratch(sink, ETW_BLOCK_END, 0);
    }
}

void etw_sink_release(etw_sink *sink)
{
    if (sink->holding) {
        sink->holding = false;
        etw_buffer_clear(&sink->out);
        sink->out_done = 0;
        (void)push(sink);
    }
}

/* The whole file was held back: it goes out as it is, or folded where that is smaller. */
static void fold_held(etw_sink *sink)
{
    etw_buffer folded = {0};
    if (etw_fold(etw_buffer_bytes(&sink->held), sink->options.is_archive, &folded) &&
        folded.size < sink->held.size) {
        etw_buffer_free(&sink->held);
        sink->held = folded;
        sink->offset = folded.size;
    } else {
        etw_buffer_free(&folded);
    }
    etw_sink_release(sink);
}

etw_status etw_sink_finish(etw_sink *sink, uint64_t received, const etw_schema_store *store,
                           etw_error *error)
{
    if (sink->stuck && !sink->dead) {
        retry(sink);
    }
    if (is_clear(sink)) {
        write_trace_copies(sink);
    }
    if (is_clear(sink)) {
        (void)write_index(sink);
    }
    if (is_clear(sink)) {
        write_end(sink, received, store);
    }
    if (is_clear(sink) && sink->holding && !sink->in_memory) {
        fold_held(sink);
    }
    if (!is_clear(sink)) {
        return failed(sink, error);
    }
    if (sink->options.sync != ETW_SYNC_NONE && sync_now(sink) != ETW_OK) {
        if (error != NULL) {
            *error = sink->sync_failure;
        }
        return sink->sync_failure.status;
    }
    if (sink->owns_file) {
        sink->owns_file = false;
        const int result = sink->os->close(sink->os->context, sink->file);
        return result < 0 ? etw_error_set_os(error, -result, "cannot close") : ETW_OK;
    }
    return ETW_OK;
}
