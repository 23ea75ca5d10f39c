#include "format/etwcap/unfold.h"

#include "format/etwcap/fold.h"

typedef struct unfolding {
    etw_sink *sink;
    etw_schema_store *names; /* of providers, for the summary */
    uint64_t received;
} unfolding;

static etw_status keep_name(void *context, const etw_guid *provider, const char *utf8_name,
                            etw_error *error)
{
    unfolding *self = context;
    const etw_status status =
        etw_schema_store_set_provider_name(self->names, provider, utf8_name, error);
    return status == ETW_ERROR_LIMIT ? ETW_OK : status; /* the summary may lack a name */
}

/* Events that the recorder dropped itself were received, too. */
static etw_status count_dropped(unfolding *self, const etw_sink_block *block, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(block->body);
    etw_status status = ETW_OK;
    for (uint32_t i = 0; status == ETW_OK && i < block->count; i++) {
        etw_loss loss;
        bool is_own;
        status = etw_loss_load(&cursor, &loss, &is_own, error);
        self->received += status == ETW_OK && is_own ? loss.events : 0;
    }
    return status;
}

static etw_status put(void *context, const etw_sink_block *block, etw_error *error)
{
    unfolding *self = context;
    const etw_schemas_visitor visitor = {.provider = keep_name, .context = self};
    etw_status status = ETW_OK;
    if (block->kind == ETW_BLOCK_SCHEMAS) {
        status = etw_schemas_load(block->body, &visitor, error);
    } else if (block->kind == ETW_BLOCK_LOSS) {
        status = count_dropped(self, block, error);
    } else if (block->kind == ETW_BLOCK_EVENTS) {
        self->received += block->count;
    }
    return status == ETW_OK ? etw_sink_put(self->sink, block, error) : status;
}

/* The image of all blocks; DAMAGED, UNSUPPORTED. */
static etw_status make_image(const etw_fold_head *head, etw_bytes stored, etw_buffer *image,
                             etw_error *error)
{
    unfolding self = {.names = etw_schema_store_new()};
    const etw_fold_visitor visitor = {put, &self};
    etw_status status = self.names == NULL
                            ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for reading")
                            : etw_sink_open_memory(&self.sink, error);
    if (status == ETW_OK) {
        status = etw_fold_each(head->dictionary, stored, &visitor, error);
    }
    if (status == ETW_OK) {
        status = etw_sink_finish(self.sink, self.received, self.names, error);
    }
    if (status == ETW_OK) {
        etw_sink_take(self.sink, image);
    }
    etw_sink_free(self.sink);
    etw_schema_store_free(self.names);
    return status;
}

/* An image that has only the loss of all, of so many bytes; not closed where the file is cut off.
 */
static etw_status make_loss(etw_unfolded *unfolded, bool is_cut_off, etw_error *error)
{
    static const uint8_t no_pairs[4] = {0, 0, 0, 0};
    const etw_sink_block info = {.kind = ETW_BLOCK_FILE_INFO,
                                 .raw_size = sizeof no_pairs,
                                 .body = {no_pairs, sizeof no_pairs}};
    etw_loss loss = {.cause = ETW_LOSS_DAMAGE,
                     .events = ETW_LOSS_COUNT_UNKNOWN,
                     .buffers = 1,
                     .bytes = unfolded->bytes};
    etw_buffer body = {0};
    etw_sink *sink = NULL;
    etw_loss_set_detail(&loss, "%s", unfolded->damage.message);
    etw_loss_append(&body, &loss, false);
    etw_status status = body.failed
                            ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for reading")
                            : etw_sink_open_memory(&sink, error);
    if (status == ETW_OK) {
        status = etw_sink_put(sink, &info, error);
    }
    if (status == ETW_OK && !is_cut_off) {
        const etw_sink_block block = {.kind = ETW_BLOCK_LOSS,
                                      .raw_size = (uint32_t)body.size,
                                      .count = 1,
                                      .body = etw_buffer_bytes(&body)};
        status = etw_sink_put(sink, &block, error);
    }
    if (status == ETW_OK && !is_cut_off) {
        status = etw_sink_finish(sink, 0, NULL, error);
    }
    if (status == ETW_OK) {
        etw_sink_take(sink, &unfolded->image);
    }
    etw_sink_free(sink);
    etw_buffer_free(&body);
    return status;
}

/* The bytes behind the head as it says, or what is wrong with them. */
static etw_status check_stored(const etw_fold_head *head, etw_bytes bytes, etw_error *damage)
{
    if (bytes.size < ETW_FOLD_HEAD_SIZE || bytes.size - ETW_FOLD_HEAD_SIZE < head->stored_size) {
        return etw_error_set(damage, ETW_ERROR_DAMAGED,
                             "the file is cut off: it has %zu bytes of %zu", bytes.size,
                             (size_t)ETW_FOLD_HEAD_SIZE + head->stored_size);
    }
    const etw_bytes stored = {bytes.data + ETW_FOLD_HEAD_SIZE, head->stored_size};
    return head->stored_size > ETW_BLOCK_MAX_STORED || etw_block_hash(stored) != head->hash
               ? etw_error_set(damage, ETW_ERROR_DAMAGED, "the file's checksum is wrong")
               : ETW_OK;
}

static etw_status read_image(etw_bytes bytes, etw_unfolded *unfolded, etw_error *error)
{
    etw_fold_head head = {0};
    if (bytes.size >= ETW_FOLD_HEAD_SIZE) {
        head = etw_fold_head_load(bytes.data);
    }
    etw_status status = check_stored(&head, bytes, &unfolded->damage);
    const bool is_whole = status == ETW_OK;
    if (is_whole) {
        const etw_bytes stored = {bytes.data + ETW_FOLD_HEAD_SIZE, head.stored_size};
        status = make_image(&head, stored, &unfolded->image, &unfolded->damage);
    }
    if (status == ETW_OK) {
        return ETW_OK;
    }
    if (!etw_scan_is_damage(status)) {
        if (error != NULL) {
            *error = unfolded->damage;
        }
        return status;
    }
    unfolded->damage.status = status;
    etw_buffer_free(&unfolded->image);
    const size_t needed = (size_t)ETW_FOLD_HEAD_SIZE + head.stored_size;
    return make_loss(unfolded, bytes.size < needed, error);
}

etw_status etw_unfold(etw_input *input, etw_unfolded *unfolded, etw_error *error)
{
    etw_bytes bytes;
    etw_status status = etw_input_need(input, 0, ETW_FOLD_HEAD_SIZE, 0, &bytes, error);
    if (status == ETW_OK && bytes.size == ETW_FOLD_HEAD_SIZE) {
        const size_t most = (size_t)ETW_FOLD_HEAD_SIZE + ETW_BLOCK_MAX_STORED;
        const size_t size = ETW_FOLD_HEAD_SIZE + etw_fold_head_load(bytes.data).stored_size;
        status = etw_input_need(input, 0, size < most ? size : most, 0, &bytes, error);
    }
    if (status == ETW_OK) {
        unfolded->bytes = bytes.size;
        status = read_image(bytes, unfolded, error);
    }
    if (status == ETW_OK) {
        etw_input_use_image(input, etw_buffer_bytes(&unfolded->image));
    }
    return status;
}

void etw_unfolded_free(etw_unfolded *unfolded)
{
    etw_buffer_free(&unfolded->image);
}
