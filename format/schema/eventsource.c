#include "format/schema/eventsource.h"

#include "format/base/grown.h"
#include "format/base/text.h"
#include "format/event/tei_builder.h"
#include "format/schema/manifest.h"
#include "format/schema/xml_mender.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CHUNK_HEADER_SIZE 8u
#define FORMAT_XML        1u
#define MAGIC             0x5Bu

typedef struct chunk {
    uint8_t *data; /* NULL: not here yet */
    uint32_t size;
} chunk;

/* Chunks of one manifest share all of this. */
typedef struct pending_key {
    etw_guid provider;
    uint32_t process_id;
    uint16_t chunk_count;
    uint8_t major;
    uint8_t minor;
} pending_key;

/* One manifest that is being put together. */
typedef struct pending {
    pending_key key;
    chunk *chunks; /* key.chunk_count of them; NULL: this place is free */
    uint32_t chunks_here;
    size_t bytes;
    uint64_t touched; /* when its latest chunk came, in chunks */
    int64_t ticks;    /* of its earliest chunk */
} pending;

/* One manifest, whoever sent it. */
typedef struct manifest {
    XXH128_hash_t hash; /* of its XML */
    etw_manifest_set *set;
} manifest;

/* Who sent a manifest, and when. Each is kept twice, once as sent by ANY_PROCESS. */
typedef struct sent {
    etw_guid provider;
    uint32_t process_id;
    uint32_t manifest; /* index */
    int64_t ticks;
} sent;

#define ANY_PROCESS UINT32_MAX

typedef struct eventsource {
    etw_schema_source base;
    manifest *manifests;
    uint32_t manifest_count;
    sent *sent; /* by provider, process, ticks */
    uint32_t sent_count;
    uint32_t sent_capacity;
    size_t kept_bytes; /* of all manifests */
    etw_tei_builder *builder;
    pending pending[ETW_EVENTSOURCE_MAX_PENDING];
    size_t pending_bytes;
    uint64_t chunks_seen;
} eventsource;

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a manifest in the trace");
}

static void drop(eventsource *self, pending *dropped)
{
    for (uint32_t i = 0; dropped->chunks != NULL && i < dropped->key.chunk_count; i++) {
        free(dropped->chunks[i].data);
    }
    free(dropped->chunks);
    self->pending_bytes -= dropped->bytes;
    *dropped = (pending){0};
}

/* The one touched longest ago, but not spared; NULL where there is no other. */
static pending *oldest(eventsource *self, const pending *spared)
{
    pending *found = NULL;
    for (uint32_t i = 0; i < ETW_EVENTSOURCE_MAX_PENDING; i++) {
        pending *at = &self->pending[i];
        if (at->chunks != NULL && at != spared && (found == NULL || at->touched < found->touched)) {
            found = at;
        }
    }
    return found;
}

/* The manifest that the chunk belongs to, begun if need be; NULL where memory is out. */
static pending *pending_of(eventsource *self, const pending_key *key)
{
    pending *unused = NULL;
    for (uint32_t i = 0; i < ETW_EVENTSOURCE_MAX_PENDING; i++) {
        pending *at = &self->pending[i];
        if (at->chunks == NULL) {
            unused = unused == NULL ? at : unused;
        } else if (memcmp(&at->key, key, sizeof *key) == 0) {
            return at;
        }
    }
    if (unused == NULL) {
        unused = oldest(self, NULL);
        drop(self, unused);
    }
    unused->chunks = calloc(key->chunk_count, sizeof *unused->chunks);
    unused->key = *key;
    return unused->chunks == NULL ? NULL : unused;
}

/* Makes room within the limit for all pending manifests. */
static void bound_bytes(eventsource *self, const pending *spared, size_t extra)
{
    while (self->pending_bytes + extra > ETW_EVENTSOURCE_MAX_PENDING_BYTES) {
        pending *victim = oldest(self, spared);
        if (victim == NULL) {
            return; /* one manifest alone is bounded by its number of chunks */
        }
        drop(self, victim);
    }
}

static etw_status keep_chunk(eventsource *self, pending *into, uint16_t number, etw_bytes data,
                             etw_error *error)
{
    chunk *place = &into->chunks[number];
    into->touched = ++self->chunks_seen;
    if (place->data != NULL && place->size == data.size &&
        memcmp(place->data, data.data, data.size) == 0) {
        return ETW_OK;
    }
    if (place->data != NULL) {
        /* The same provider now sends another manifest: what is here of the old one is of no use.
         */
        for (uint32_t i = 0; i < into->key.chunk_count; i++) {
            free(into->chunks[i].data);
            into->chunks[i] = (chunk){0};
        }
        self->pending_bytes -= into->bytes;
        into->bytes = 0;
        into->chunks_here = 0;
    }
    bound_bytes(self, into, data.size);
    place->data = malloc(data.size + 1);
    if (place->data == NULL) {
        return no_memory(error);
    }
    memcpy(place->data, data.data, data.size);
    place->size = (uint32_t)data.size;
    into->bytes += data.size;
    into->chunks_here++;
    self->pending_bytes += data.size;
    return ETW_OK;
}

/* Whom a manifest is for. Memory order of the GUID, as it only has to be an order. */
static int compare_sent(const sent *a, const sent *b)
{
    const int provider = memcmp(&a->provider, &b->provider, sizeof a->provider);
    if (provider != 0) {
        return provider;
    }
    if (a->process_id != b->process_id) {
        return a->process_id < b->process_id ? -1 : 1;
    }
    return a->ticks < b->ticks ? -1 : a->ticks > b->ticks;
}

static bool is_same_sender(const sent *a, const sent *b)
{
    return a->process_id == b->process_id && etw_guid_equal(&a->provider, &b->provider);
}

/* How many were sent before the given one, or at its moment. */
static uint32_t sent_until(const eventsource *self, const sent *moment)
{
    uint32_t low = 0, high = self->sent_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (compare_sent(&self->sent[middle], moment) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* What the sender sent last until that moment; before its first, the first; NULL: it sent none. */
static const sent *choose_of(const eventsource *self, const sent *moment)
{
    const uint32_t at = sent_until(self, moment);
    if (at != 0 && is_same_sender(&self->sent[at - 1], moment)) {
        return &self->sent[at - 1];
    }
    return at < self->sent_count && is_same_sender(&self->sent[at], moment) ? &self->sent[at]
                                                                            : NULL;
}

/* The manifest for a record: its process' own, else that of any process; NULL: none is known. */
static const sent *choose(const eventsource *self, const etw_event_record *record)
{
    const etw_event_header *header = &record->EventHeader;
    sent moment = {header->ProviderId, header->ProcessId, 0, header->TimeStamp};
    const sent *chosen = choose_of(self, &moment);
    if (chosen == NULL) {
        moment.process_id = ANY_PROCESS;
        chosen = choose_of(self, &moment);
    }
    return chosen;
}

/* An etw_schema_source function, set once a provider has several manifests. */
static uint32_t variant(const etw_schema_source *base, const etw_event_record *record)
{
    const sent *chosen = choose((const eventsource *)base, record);
    return chosen == NULL ? 0 : chosen->manifest + 1;
}

static etw_status insert_sent(eventsource *self, const sent *added, etw_error *error)
{
    const uint32_t at = sent_until(self, added);
    const bool has_before = at != 0 && is_same_sender(&self->sent[at - 1], added);
    const bool has_after = at < self->sent_count && is_same_sender(&self->sent[at], added);
    if (has_before && self->sent[at - 1].manifest == added->manifest) {
        return ETW_OK; /* sent again */
    }
    if (has_before && self->sent[at - 1].ticks == added->ticks) {
        self->sent[at - 1].manifest = added->manifest;
        self->base.variant = variant;
        return ETW_OK;
    }
    if (self->sent_count == ETW_EVENTSOURCE_MAX_SENT) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u manifests were sent",
                             ETW_EVENTSOURCE_MAX_SENT / 2);
    }
    sent *wider = etw_grown(self->sent, &self->sent_capacity, self->sent_count, 16, sizeof *wider);
    if (wider == NULL) {
        return no_memory(error);
    }
    self->sent = wider;
    memmove(&self->sent[at + 1], &self->sent[at], (self->sent_count - at) * sizeof *self->sent);
    self->sent[at] = *added;
    self->sent_count++;
    self->base.variant = has_before || has_after ? variant : self->base.variant;
    return ETW_OK;
}

/* The known manifest with this XML, or a new one without a set. */
static etw_status manifest_of(eventsource *self, etw_bytes xml, uint32_t *index, etw_error *error)
{
    const XXH128_hash_t hash = XXH3_128bits(xml.data, xml.size);
    for (*index = 0; *index < self->manifest_count; ++*index) {
        if (XXH128_isEqual(self->manifests[*index].hash, hash)) {
            return ETW_OK;
        }
    }
    if (self->manifest_count == ETW_EVENTSOURCE_MAX_MANIFESTS) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u manifests",
                             ETW_EVENTSOURCE_MAX_MANIFESTS);
    }
    manifest *more = realloc(self->manifests, (self->manifest_count + 1u) * sizeof *more);
    if (more == NULL) {
        return no_memory(error);
    }
    self->manifests = more;
    more[self->manifest_count++] = (manifest){hash, NULL};
    return ETW_OK;
}

static etw_status read_into(eventsource *self, manifest *into, etw_bytes xml,
                            etw_schema_store *store, uint32_t *events, etw_error *error)
{
    etw_manifest_set_free(into->set);
    into->set =
        etw_manifest_set_new(ETW_SCHEMA_EVENTSOURCE, ETW_EVENTSOURCE_MAX_BYTES - self->kept_bytes);
    return into->set == NULL ? no_memory(error)
                             : etw_manifest_set_add(into->set, xml, store, events, error);
}

/* EventSource puts names into attributes as they are, such as "<Main>b__0". ETW_ERROR_NO_MEMORY, or
 * OK whatever is in it. */
static etw_status read_mended(eventsource *self, manifest *into, etw_bytes xml,
                              etw_schema_store *store, uint32_t *events, etw_error *error)
{
    etw_text mended = {0};
    etw_error ignored = {0};
    const uint32_t places = etw_xml_mend(xml, &mended);
    etw_status status = mended.failed ? ETW_ERROR_NO_MEMORY : ETW_OK;
    if (status == ETW_OK && places > 0) {
        const etw_bytes bytes = {(const uint8_t *)mended.data, mended.size};
        status = read_into(self, into, bytes, store, events, &ignored);
    }
    etw_text_free(&mended);
    return status == ETW_ERROR_NO_MEMORY ? no_memory(error) : ETW_OK;
}

/* A manifest that is no XML is an error, also where its events can be read once it is mended.
 * *events: how many it has. */
static etw_status compile(eventsource *self, manifest *into, etw_bytes xml, etw_schema_store *store,
                          uint32_t *events, etw_error *error)
{
    etw_status status = read_into(self, into, xml, store, events, error);
    if (status == ETW_ERROR_DAMAGED &&
        read_mended(self, into, xml, store, events, error) != ETW_OK) {
        status = ETW_ERROR_NO_MEMORY;
    }
    self->kept_bytes += into->set == NULL ? 0 : etw_manifest_set_bytes(into->set);
    return status;
}

/* A manifest is complete: it explains what its process sends from then on. */
static etw_status keep(eventsource *self, etw_bytes xml, const sent *sender,
                       etw_schema_store *store, etw_error *error)
{
    while (xml.size != 0 && xml.data[xml.size - 1] == 0) {
        xml.size--;
    }
    sent added = *sender;
    etw_status status = manifest_of(self, xml, &added.manifest, error);
    if (status != ETW_OK) {
        return status;
    }
    manifest *into = &self->manifests[added.manifest];
    const bool is_varying = self->base.variant != NULL;
    uint32_t events = 0;
    const etw_status compiled =
        into->set == NULL ? compile(self, into, xml, store, &events, error) : ETW_OK;
    if (compiled == ETW_ERROR_NO_MEMORY) {
        return compiled;
    }
    status = insert_sent(self, &added, error);
    if (status == ETW_OK) {
        added.process_id = ANY_PROCESS;
        status = insert_sent(self, &added, error);
    }
    self->base.learnt += events != 0 || is_varying != (self->base.variant != NULL);
    return compiled != ETW_OK ? compiled : status;
}

static etw_status complete(eventsource *self, pending *done, etw_schema_store *store,
                           etw_error *error)
{
    uint8_t *xml = malloc(done->bytes + 1);
    if (xml == NULL) {
        return no_memory(error);
    }
    size_t size = 0;
    for (uint32_t i = 0; i < done->key.chunk_count; i++) {
        memcpy(xml + size, done->chunks[i].data, done->chunks[i].size);
        size += done->chunks[i].size;
    }
    const sent sender = {done->key.provider, done->key.process_id, 0, done->ticks};
    drop(self, done);
    const etw_status status = keep(self, (etw_bytes){xml, size}, &sender, store, error);
    free(xml);
    if (status == ETW_OK) {
        return status;
    }
    etw_text provider = {0};
    etw_text_append_guid(&provider, &sender.provider);
    (void)etw_error_wrap(error, status, "sent by process %u for provider %s", sender.process_id,
                         etw_text_z(&provider));
    etw_text_free(&provider);
    return status;
}

/* What stands at the start of each chunk. */
typedef struct chunk_header {
    uint8_t major;
    uint8_t minor;
    uint16_t chunk_count;
    uint16_t number;
    etw_bytes data;
} chunk_header;

/* False for records that are no chunk, whatever their id. */
static bool is_chunk(const etw_event_record *record, chunk_header *header)
{
    const uint16_t other = ETW_FLAG_CLASSIC_HEADER | ETW_FLAG_TRACE_MESSAGE;
    if (record->EventHeader.EventDescriptor.Id != ETW_MANIFEST_EVENT_ID ||
        (record->EventHeader.Flags & other) != 0) {
        return false;
    }
    etw_cursor at = etw_cursor_over(etw_record_user_data(record));
    const uint8_t format = etw_cursor_u8(&at);
    header->major = etw_cursor_u8(&at);
    header->minor = etw_cursor_u8(&at);
    const uint8_t magic = etw_cursor_u8(&at);
    header->chunk_count = etw_cursor_u16(&at);
    header->number = etw_cursor_u16(&at);
    header->data = (etw_bytes){at.at, etw_cursor_left(&at)};
    return !at.failed && format == FORMAT_XML && magic == MAGIC;
}

static etw_status take_chunk(eventsource *self, etw_schema_store *store,
                             const etw_event_record *record, const chunk_header *header,
                             etw_error *error)
{
    if (header->number >= header->chunk_count || header->chunk_count > ETW_EVENTSOURCE_MAX_CHUNKS) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "chunk %u of %u", header->number,
                             header->chunk_count);
    }
    const pending_key key = {.provider = record->EventHeader.ProviderId,
                             .process_id = record->EventHeader.ProcessId,
                             .chunk_count = header->chunk_count,
                             .major = header->major,
                             .minor = header->minor};
    pending *into = pending_of(self, &key);
    if (into == NULL) {
        return no_memory(error);
    }
    if (into->chunks_here == 0 || record->EventHeader.TimeStamp < into->ticks) {
        into->ticks = record->EventHeader.TimeStamp;
    }
    const etw_status status = keep_chunk(self, into, header->number, header->data, error);
    if (status == ETW_OK && into->chunks_here == key.chunk_count) {
        return complete(self, into, store, error);
    }
    return status;
}

static etw_status observe(etw_schema_source *base, etw_schema_store *store,
                          const etw_event_record *record, etw_error *error)
{
    chunk_header header;
    if (!is_chunk(record, &header)) {
        return ETW_OK;
    }
    const etw_status status = take_chunk((eventsource *)base, store, record, &header, error);
    return status == ETW_OK ? ETW_OK : etw_error_wrap(error, status, "manifest in the trace");
}

/* The schema of the chunks themselves, which no manifest describes; names as TraceEvent gives them.
 */
static etw_status describe_chunk(eventsource *self, etw_schema_store *store,
                                 const etw_event_record *record, const etw_schema **schema,
                                 etw_error *error)
{
    static const etw_tei_property_spec properties[] = {
        {.name = "Format", .in_type = ETW_IN_UINT8, .length = 1},
        {.name = "MajorVersion", .in_type = ETW_IN_UINT8, .length = 1},
        {.name = "MinorVersion", .in_type = ETW_IN_UINT8, .length = 1},
        {.name = "Magic", .in_type = ETW_IN_UINT8, .length = 1},
        {.name = "TotalChunks", .in_type = ETW_IN_UINT16, .length = 2},
        {.name = "ChunkNumber", .in_type = ETW_IN_UINT16, .length = 2},
        {.name = "Data", .in_type = ETW_IN_NONNULLTERMINATEDANSISTRING, .out_type = ETW_OUT_UTF8},
    };
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        (void)etw_tei_builder_add(self->builder, 0, &properties[i]);
    }
    const etw_guid *provider = &record->EventHeader.ProviderId;
    const etw_tei_event_spec event = {.provider_guid = *provider,
                                      .descriptor = record->EventHeader.EventDescriptor,
                                      .template_flags = ETW_TEMPLATE_EVENT_DATA,
                                      .provider_name =
                                          etw_schema_store_provider_name(store, provider),
                                      .event_name = "ManifestData"};
    etw_schema made = {.origin = ETW_SCHEMA_EVENTSOURCE};
    const etw_status status = etw_tei_builder_finish(self->builder, &event, &made.tei, error);
    return status == ETW_OK ? etw_schema_store_intern(store, &made, schema, error) : status;
}

static etw_status find(etw_schema_source *base, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    eventsource *self = (eventsource *)base;
    chunk_header header;
    if (is_chunk(record, &header)) {
        return describe_chunk(self, store, record, schema, error);
    }
    const sent *chosen = choose(self, record);
    const uint32_t first = chosen == NULL ? 0 : chosen->manifest;
    const uint32_t end = chosen == NULL ? self->manifest_count : first + 1;
    etw_status status = ETW_OK;
    *schema = NULL;
    for (uint32_t i = first; i < end && *schema == NULL && status == ETW_OK; i++) {
        etw_manifest_set *set = self->manifests[i].set;
        status = set == NULL
                     ? ETW_OK
                     : etw_manifest_set_find(set, store, record, pointer_size, schema, error);
    }
    return status;
}

/* What cannot be made of one manifest costs no other. */
static etw_status each(etw_schema_source *base, etw_schema_store *store,
                       const etw_definition_visitor *visitor, etw_error *error)
{
    eventsource *self = (eventsource *)base;
    for (uint32_t i = 0; i < self->manifest_count; i++) {
        etw_manifest_set *set = self->manifests[i].set;
        etw_error failure = {0};
        const etw_status status =
            set == NULL ? ETW_OK
                        : etw_manifest_set_each(set, store, visitor, "", base->build, &failure);
        if (status == ETW_ERROR_NO_MEMORY || status == ETW_ERROR_LIMIT) {
            return etw_error_set(error, status, "%s", failure.message);
        }
    }
    return ETW_OK;
}

static void free_source(etw_schema_source *base)
{
    eventsource *self = (eventsource *)base;
    for (uint32_t i = 0; i < ETW_EVENTSOURCE_MAX_PENDING; i++) {
        drop(self, &self->pending[i]);
    }
    for (uint32_t i = 0; i < self->manifest_count; i++) {
        etw_manifest_set_free(self->manifests[i].set);
    }
    free(self->manifests);
    free(self->sent);
    etw_tei_builder_free(self->builder);
    free(self);
}

etw_schema_source *etw_eventsource_source_new(void)
{
    eventsource *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->base = (etw_schema_source){.name = "EventSource manifests",
                                     .find = find,
                                     .observe = observe,
                                     .each = each,
                                     .free = free_source};
    self->builder = etw_tei_builder_new();
    if (self->builder == NULL) {
        free_source(&self->base);
        return NULL;
    }
    return &self->base;
}
