#include "format/etwcap/write_job.h"

#include <stdlib.h>

#include "format/etwcap/codec/kinds.h"

bool etw_write_job_is_empty(const etw_write_job *job)
{
    return etw_batch_count(job->batch) == 0 && job->before.size == 0 && job->schemas.size == 0 &&
           job->names.size == 0 && !job->releases;
}

void etw_write_job_clear(etw_write_job *job)
{
    etw_batch_clear(job->batch);
    etw_buffer_clear(&job->before);
    etw_buffer_clear(&job->schemas);
    etw_buffer_clear(&job->names);
    etw_buffer_clear(&job->out);
    job->encoded = false;
    job->releases = false;
}

void etw_write_job_free(etw_write_job *job)
{
    etw_batch_free(job->batch);
    etw_buffer_free(&job->before);
    etw_buffer_free(&job->schemas);
    etw_buffer_free(&job->names);
    etw_buffer_free(&job->out);
}

bool etw_job_encoder_init(etw_job_encoder *encoder, int level, const etw_clock *clocks)
{
    encoder->clocks = clocks;
    encoder->encoder = etw_encoder_new(level);
    return encoder->encoder != NULL &&
           etw_guid_table_init(&encoder->providers, ETW_BATCH_MAX_EVENTS);
}

void etw_job_encoder_free(etw_job_encoder *encoder)
{
    etw_encoder_free(encoder->encoder);
    etw_guid_table_free(&encoder->providers);
    etw_buffer_free(&encoder->scratch);
}

/* Small blocks are compressed here where it helps. Losses and anchors stay plain: a reader that
 * scans wants them without a decoder. Events were compressed by whoever encoded them. */
static void put_packed(etw_job_encoder *self, etw_buffer *to, etw_sink_block block)
{
    etw_buffer_clear(&self->scratch);
    const bool plain = block.kind == ETW_BLOCK_LOSS || block.kind == ETW_BLOCK_CLOCK_ANCHORS ||
                       block.kind == ETW_BLOCK_EVENTS;
    if (!plain &&
        etw_block_compress(etw_encoder_state(self->encoder), block.body, &self->scratch)) {
        block.flags = ETW_BLOCK_ZSTD;
        block.body = (etw_bytes){(const uint8_t *)self->scratch.data, self->scratch.size};
    }
    etw_sink_block_put(to, &block);
}

static void encode_before(etw_job_encoder *self, etw_write_job *current)
{
    size_t at = 0;
    while (at < current->before.size) {
        put_packed(self, &current->out, etw_sink_block_take(&current->before, &at));
    }
}

static void encode_schemas(etw_job_encoder *self, etw_write_job *current)
{
    const etw_schema_entry *entries = (const etw_schema_entry *)(const void *)current->schemas.data;
    const uint32_t count = (uint32_t)(current->schemas.size / sizeof *entries);
    etw_buffer raw = {0};
    uint32_t done = 0;
    etw_buffer_append(&raw, current->names.data, current->names.size);
    while (done < count || raw.size > 0) {
        uint32_t taken = 0;
        /* entries is NULL where there are names alone */
        etw_schemas_append(&raw, count > 0 ? entries + done : NULL, count - done, &taken);
        const etw_sink_block block = {.kind = ETW_BLOCK_SCHEMAS,
                                      .raw_size = (uint32_t)raw.size,
                                      .count = taken,
                                      .body = {(const uint8_t *)raw.data, raw.size}};
        put_packed(self, &current->out, block);
        current->out.failed = current->out.failed || raw.failed;
        done += taken;
        etw_buffer_clear(&raw);
    }
    etw_buffer_free(&raw);
}

typedef struct survey {
    uint32_t trace_count;
    uint64_t raw_bytes;
    int64_t first_time_100ns, last_time_100ns;
} survey;

static void survey_ticks(etw_job_encoder *self, survey *found, const etw_kind *kind)
{
    const uint16_t trace_index = kind->first->trace_index;
    uint32_t *slot = &self->trace_slots[trace_index];
    if (*slot == 0) {
        self->traces[found->trace_count] = (etw_trace_count){trace_index, 0};
        self->first_ticks[found->trace_count] = kind->first_ticks;
        self->last_ticks[found->trace_count] = kind->last_ticks;
        *slot = ++found->trace_count;
    }
    const uint32_t at = *slot - 1;
    self->traces[at].events += kind->count;
    if (kind->first_ticks < self->first_ticks[at]) {
        self->first_ticks[at] = kind->first_ticks;
    }
    if (kind->last_ticks > self->last_ticks[at]) {
        self->last_ticks[at] = kind->last_ticks;
    }
}

/* Whose events, and of which time, the batch holds. */
static void survey_kinds(etw_job_encoder *self, const etw_kinds *kinds, survey *found)
{
    *found = (survey){.raw_bytes = kinds->raw_bytes};
    etw_guid_table_clear(&self->providers);
    for (uint32_t k = 0; k < kinds->count; k++) {
        const etw_kind *kind = &kinds->kinds[k];
        const etw_guid *provider = &kind->first->record.EventHeader.ProviderId;
        self->providers.counts[etw_guid_table_put(&self->providers, provider)] += kind->count;
        survey_ticks(self, found, kind);
    }
    for (uint32_t i = 0; i < found->trace_count; i++) {
        const etw_clock *clock = &self->clocks[self->traces[i].trace_index];
        const int64_t first = etw_clock_to_filetime(clock, self->first_ticks[i]);
        const int64_t last = etw_clock_to_filetime(clock, self->last_ticks[i]);
        if (i == 0 || first < found->first_time_100ns) {
            found->first_time_100ns = first;
        }
        if (i == 0 || last > found->last_time_100ns) {
            found->last_time_100ns = last;
        }
        self->trace_slots[self->traces[i].trace_index] = 0;
    }
}

static void append_events_head(etw_job_encoder *self, const survey *found, etw_buffer *to)
{
    etw_provider_count *providers = malloc((self->providers.count + 1u) * sizeof *providers);
    if (providers == NULL) {
        to->failed = true;
        return;
    }
    for (uint32_t i = 0; i < self->providers.count; i++) {
        providers[i].provider = self->providers.guids[i];
        providers[i].events = (uint32_t)self->providers.counts[i];
    }
    etw_events_head_append(to, providers, self->providers.count, self->traces, found->trace_count);
    free(providers);
}

void etw_write_loss_start(etw_loss *loss, uint32_t cause, const char *detail)
{
    memset(loss, 0, sizeof *loss);
    loss->cause = cause;
    etw_loss_set_detail(loss, "%s", detail);
}

void etw_write_own_loss(etw_buffer *to, etw_buffer *scratch, const etw_loss *loss)
{
    etw_buffer_clear(scratch);
    etw_loss_append(scratch, loss, true);
    const etw_sink_block block = {.kind = ETW_BLOCK_LOSS,
                                  .raw_size = (uint32_t)scratch->size,
                                  .count = 1,
                                  .first_time_100ns = loss->from_time_100ns,
                                  .last_time_100ns = loss->to_time_100ns,
                                  .body = {(const uint8_t *)scratch->data, scratch->size}};
    etw_sink_block_put(to, &block);
}

/* One block of the batch's events. A block above the limits is a failure as well. */
static etw_status encode_batch(etw_job_encoder *self, const etw_batch *batch, etw_buffer *out,
                               etw_error *error)
{
    survey found;
    const size_t start = out->size;
    etw_sink_block block = {.kind = ETW_BLOCK_EVENTS, .count = etw_batch_count(batch)};
    const etw_kinds *kinds = etw_encoder_survey(self->encoder, batch);
    if (kinds == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a block's kinds");
    }
    survey_kinds(self, kinds, &found);
    block.raw_size = (uint32_t)found.raw_bytes;
    block.first_time_100ns = found.first_time_100ns;
    block.last_time_100ns = found.last_time_100ns;
    etw_sink_block_put(out, &block);
    append_events_head(self, &found, out);
    const size_t body = start + sizeof block;
    block.head_size = (uint32_t)(out->size - body);
    const etw_status status = etw_encoder_encode(self->encoder, out, error);
    block.body.size = out->size - body;
    if (status != ETW_OK || out->failed) {
        return status != ETW_OK ? status
                                : etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory");
    }
    if (block.body.size > ETW_BLOCK_MAX_STORED || block.raw_size > ETW_BLOCK_MAX_EVENTS_RAW) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "a block is above the limit");
    }
    memcpy(out->data + start, &block, sizeof block);
    return ETW_OK;
}

static etw_status encode_parts(etw_job_encoder *self, etw_batch *batch, uint32_t parts,
                               etw_buffer *out, etw_error *error)
{
    const uint64_t count = etw_batch_count(batch);
    etw_status status = ETW_OK;
    etw_batch *part = etw_batch_new(ETW_BATCH_MAX_BYTES, ETW_BATCH_MAX_EVENTS);
    if (part == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory");
    }
    for (uint64_t i = 0; status == ETW_OK && i < parts; i++) {
        etw_batch_clear(part);
        for (uint64_t e = i * count / parts; e < (i + 1) * count / parts; e++) {
            etw_event_record record;
            etw_item item;
            etw_batch_item(batch, (uint32_t)e, &record, &item);
            (void)etw_batch_append(part, &record, item.trace_index, item.schema_id);
        }
        if (etw_batch_count(part) > 0) {
            status = encode_batch(self, part, out, error);
        }
    }
    etw_batch_free(part);
    return status;
}

/* Where nothing compresses, a batch may not fit a block: it then becomes two, four, ... blocks. */
static void encode_events(etw_job_encoder *self, etw_write_job *current)
{
    etw_error error = {ETW_OK, 0, ""};
    etw_buffer *out = &current->out;
    const size_t start = out->size;
    const uint32_t count = etw_batch_count(current->batch);
    etw_status status = encode_batch(self, current->batch, out, &error);
    for (uint32_t parts = 2; status == ETW_ERROR_LIMIT && parts < 2 * count; parts *= 2) {
        out->size = start;
        status = encode_parts(self, current->batch, parts, out, &error);
    }
    if (status == ETW_OK) {
        return;
    }
    etw_loss loss;
    etw_write_loss_start(&loss, ETW_LOSS_LIMIT, error.message);
    loss.events = count;
    out->size = start;
    out->failed = false;
    etw_write_own_loss(out, &self->scratch, &loss);
}

void etw_write_job_encode(etw_job_encoder *self, etw_write_job *current)
{
    encode_before(self, current);
    encode_schemas(self, current);
    if (etw_batch_count(current->batch) > 0) {
        encode_events(self, current);
    }
}

/* In blocks that were added whole. */
static uint64_t events_before(const etw_write_job *current)
{
    uint64_t events = 0;
    size_t at = 0;
    while (at < current->before.size) {
        const etw_sink_block block = etw_sink_block_take(&current->before, &at);
        events += block.kind == ETW_BLOCK_EVENTS ? block.count : 0;
    }
    return events;
}

void etw_write_job_give_up(etw_write_job *current)
{
    etw_loss loss;
    etw_write_loss_start(&loss, ETW_LOSS_LIMIT, "out of memory for a block");
    loss.events = events_before(current) + etw_batch_count(current->batch);
    etw_buffer_clear(&current->out);
    etw_buffer_clear(&current->names);
    etw_write_own_loss(&current->out, &current->names, &loss);
}
