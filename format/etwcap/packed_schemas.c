#include "format/etwcap/packed_schemas.h"

#include "format/event/tei.h"

#include <stdlib.h>

#define HEAD_WORDS     (sizeof(etw_trace_event_info) / sizeof(uint32_t))
#define PROPERTY_WORDS (sizeof(etw_event_property_info) / sizeof(uint32_t))
#define COLUMNS        (HEAD_WORDS + PROPERTY_WORDS)
#define WORD(field)    (offsetof(etw_trace_event_info, field) / sizeof(uint32_t))

/* Words of a property that are offsets. */
enum { PROPERTY_FLAGS = 0, PROPERTY_NAME = 1, PROPERTY_MAP = 3 };

/* How a TRACE_EVENT_INFO is kept. */
enum { FORM_RAW = 0, FORM_SPLIT = 1 };

/* Offsets of strings in the head, in the order in which strings follow each other. */
static const uint8_t string_words[] = {WORD(ProviderNameOffset), WORD(LevelNameOffset),
                                       WORD(ChannelNameOffset),  WORD(KeywordsNameOffset),
                                       WORD(TaskNameOffset),     WORD(OpcodeNameOffset),
                                       WORD(EventMessageOffset), WORD(ProviderMessageOffset),
                                       WORD(EventNameOffset),    WORD(EventAttributesOffset)};

/* Strings may overlap: no more of them is looked at than so many times the blob. */
#define MAX_LOOKS 16u

/* One TRACE_EVENT_INFO whose offsets are turned into distances, or back. */
typedef struct turning {
    uint8_t *tei; /* all but the offsets is in place */
    size_t size;
    bool to_distances;
    uint32_t next; /* where the string before ends */
    size_t looks;  /* bytes that may still be looked at */
    bool failed;
} turning;

static uint32_t word_at(const turning *t, size_t place)
{
    return etw_load_u32(t->tei + place);
}

/* Just past the string at offset. */
static uint32_t end_of_string(turning *t, uint32_t offset)
{
    size_t at = offset;
    while (at + 2 <= t->size && (t->tei[at] != 0 || t->tei[at + 1] != 0)) {
        at += 2;
    }
    const size_t seen = at < offset ? 0 : at - offset + 2;
    t->failed |= offset >= t->size || seen > t->looks;
    t->looks -= t->failed ? 0 : seen;
    return (uint32_t)(at + 2);
}

/* The offset at place; where it is not 0, *next moves behind its string. */
static uint32_t turn_word(turning *t, size_t place)
{
    const uint32_t word = word_at(t, place);
    if (word == 0 || t->failed) {
        return 0;
    }
    const uint32_t offset = t->to_distances ? word : t->next + word - 1;
    const uint32_t distance = offset - t->next + 1;
    t->failed |= distance == 0 || offset == 0;
    const uint32_t turned = t->to_distances ? distance : offset;
    memcpy(t->tei + place, &turned, sizeof turned);
    return offset;
}

static void turn_string(turning *t, size_t place)
{
    const uint32_t offset = turn_word(t, place);
    if (offset != 0 && !t->failed) {
        t->next = end_of_string(t, offset);
    }
}

/* Several strings, the last one empty. */
static void turn_list(turning *t, size_t place)
{
    const uint32_t offset = turn_word(t, place);
    for (uint32_t at = offset; at != 0 && !t->failed;) {
        t->next = end_of_string(t, at);
        at = t->next - at > 2 ? t->next : 0;
    }
}

/* Of a struct the map's place holds something else. */
static void turn_property(turning *t, size_t place)
{
    const uint32_t flags = word_at(t, place + PROPERTY_FLAGS * sizeof(uint32_t));
    turn_string(t, place + PROPERTY_NAME * sizeof(uint32_t));
    if ((flags & (ETW_PROP_STRUCT | ETW_PROP_HAS_CUSTOM_SCHEMA)) != 0) {
        return;
    }
    const size_t map = place + PROPERTY_MAP * sizeof(uint32_t);
    const uint32_t before = t->next;
    const uint32_t offset = turn_word(t, map);
    if (offset != 0 && offset == before && !t->failed) { /* not one that was there already */
        t->next = end_of_string(t, offset);
    }
}

static size_t fixed_size(uint32_t property_count)
{
    return sizeof(etw_trace_event_info) + property_count * sizeof(etw_event_property_info);
}

/* False where it cannot be turned; then it is as it was no more. */
static bool turn(uint8_t *tei, size_t size, bool to_distances)
{
    turning t = {.tei = tei, .size = size, .to_distances = to_distances, .looks = size * MAX_LOOKS};
    const uint32_t properties = word_at(&t, WORD(PropertyCount) * sizeof(uint32_t));
    t.next = (uint32_t)fixed_size(properties);
    for (size_t i = 0; i < sizeof string_words && !t.failed; i++) {
        const size_t place = string_words[i] * sizeof(uint32_t);
        if (string_words[i] == WORD(KeywordsNameOffset)) {
            turn_list(&t, place);
        } else {
            turn_string(&t, place);
        }
    }
    for (uint32_t i = 0; i < properties && !t.failed; i++) {
        turn_property(&t, fixed_size(i));
    }
    return !t.failed;
}

static bool has_room_for_properties(etw_bytes tei, uint32_t *properties)
{
    *properties = 0;
    if (tei.size < sizeof(etw_trace_event_info)) {
        return false;
    }
    *properties = etw_load_u32(tei.data + WORD(PropertyCount) * sizeof(uint32_t));
    return *properties <= ETW_MAX_PROPERTIES && fixed_size(*properties) <= tei.size;
}

/* Writing. */

typedef struct packing {
    etw_buffer origins, forms, map_counts, sizes, map_refs, map_sizes, maps, low, high;
    etw_buffer columns[COLUMNS];
    etw_bytes known_maps[64]; /* the latest */
    uint32_t map_count;
    etw_buffer scratch;
} packing;

static uint32_t put_map(packing *p, etw_bytes map)
{
    const uint32_t room = sizeof p->known_maps / sizeof p->known_maps[0];
    const uint32_t kept = p->map_count < room ? p->map_count : room;
    for (uint32_t back = 1; back <= kept; back++) {
        if (etw_bytes_equal(p->known_maps[(p->map_count - back) % room], map)) {
            return p->map_count - back;
        }
    }
    etw_buffer_append_u32(&p->map_sizes, (uint32_t)map.size);
    etw_buffer_append(&p->maps, map.data, map.size);
    p->known_maps[p->map_count % room] = map;
    return p->map_count++;
}

/* Bytes at even and at odd places: of UTF-16 the one and the other half. */
static void put_halves(packing *p, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        etw_buffer_append_u8(i % 2 == 0 ? &p->low : &p->high, (uint8_t)bytes[i]);
    }
}

/* A copy with distances that turns back into the very blob; else NULL. Lent until the next call. */
static uint8_t *turned_copy(packing *p, etw_bytes tei)
{
    uint32_t properties;
    etw_buffer_clear(&p->scratch);
    etw_buffer_append(&p->scratch, tei.data, tei.size);
    etw_buffer_append(&p->scratch, tei.data, tei.size);
    p->forms.failed |= p->scratch.failed; /* which is cleared for the next schema */
    if (p->scratch.failed || !has_room_for_properties(tei, &properties)) {
        return NULL;
    }
    uint8_t *turned = (uint8_t *)p->scratch.data;
    uint8_t *back = turned + tei.size;
    if (!turn(turned, tei.size, true)) {
        return NULL;
    }
    memcpy(back, turned, tei.size);
    return turn(back, tei.size, false) && memcmp(back, tei.data, tei.size) == 0 ? turned : NULL;
}

static void put_words(packing *p, size_t first, const uint8_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        etw_buffer_append(&p->columns[first + i], words + i * sizeof(uint32_t), sizeof(uint32_t));
    }
}

static void put_tei(packing *p, etw_bytes tei)
{
    const uint8_t *turned = turned_copy(p, tei);
    uint32_t properties = 0;
    etw_buffer_append_u32(&p->sizes, (uint32_t)tei.size);
    etw_buffer_append_u8(&p->forms, turned == NULL ? FORM_RAW : FORM_SPLIT);
    if (turned == NULL) {
        put_halves(p, tei.data, tei.size);
        return;
    }
    (void)has_room_for_properties(tei, &properties);
    put_words(p, 0, turned, HEAD_WORDS);
    for (uint32_t i = 0; i < properties; i++) {
        put_words(p, HEAD_WORDS, turned + fixed_size(i), PROPERTY_WORDS);
    }
    put_halves(p, turned + fixed_size(properties), tei.size - fixed_size(properties));
}

static void put_stream(etw_buffer *body, etw_buffer *stream)
{
    etw_buffer_append_u32(body, (uint32_t)stream->size);
    etw_buffer_append(body, stream->data, stream->size);
    body->failed |= stream->failed;
    etw_buffer_free(stream);
}

void etw_packed_schemas_append(etw_buffer *body, uint32_t first_id,
                               const etw_schema *const *schemas, uint32_t count)
{
    packing p = {0};
    for (uint32_t i = 0; i < count; i++) {
        const etw_schema *schema = schemas[i];
        etw_buffer_append_u8(&p.origins, (uint8_t)schema->origin);
        etw_buffer_append_u16(&p.map_counts, (uint16_t)schema->map_count);
        for (uint32_t m = 0; m < schema->map_count; m++) {
            etw_buffer_append_u32(&p.map_refs, put_map(&p, schema->maps[m]));
        }
        put_tei(&p, schema->tei);
    }
    etw_buffer_append_u32(body, first_id);
    etw_buffer_append_u32(body, count);
    etw_buffer_append_u32(body, p.map_count);
    etw_buffer *const streams[] = {&p.origins,   &p.forms, &p.map_counts, &p.sizes, &p.map_refs,
                                   &p.map_sizes, &p.maps,  &p.low,        &p.high};
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        put_stream(body, streams[i]);
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        put_stream(body, &p.columns[i]);
    }
    etw_buffer_free(&p.scratch);
}

/* Reading. */

typedef struct unpacking {
    uint32_t first_id, count, map_count;
    etw_cursor origins, forms, map_counts, sizes, map_refs, map_sizes, maps, low, high;
    etw_cursor columns[COLUMNS];
    etw_bytes *known_maps; /* map_count of them */
    uint8_t *tei;          /* room for the largest */
} unpacking;

static etw_status damaged(etw_error *error, const char *what)
{
    return etw_error_set(error, ETW_ERROR_DAMAGED, "packed schemas: %s", what);
}

static void take_halves(unpacking *u, uint8_t *to, size_t size)
{
    const uint8_t *low = etw_cursor_take(&u->low, (size + 1) / 2);
    const uint8_t *high = etw_cursor_take(&u->high, size / 2);
    for (size_t i = 0; i < size && low != NULL && high != NULL; i++) {
        to[i] = i % 2 == 0 ? low[i / 2] : high[i / 2];
    }
}

static void take_words(unpacking *u, size_t first, uint8_t *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t word = etw_cursor_u32(&u->columns[first + i]);
        memcpy(to + i * sizeof word, &word, sizeof word);
    }
}

static bool has_failed(const unpacking *u)
{
    bool failed = u->origins.failed || u->forms.failed || u->map_counts.failed || u->sizes.failed ||
                  u->map_refs.failed || u->low.failed || u->high.failed;
    for (size_t i = 0; i < COLUMNS; i++) {
        failed |= u->columns[i].failed;
    }
    return failed;
}

static etw_status take_tei(unpacking *u, etw_bytes *tei, etw_error *error)
{
    const uint8_t form = etw_cursor_u8(&u->forms);
    uint32_t properties = 0;
    *tei = (etw_bytes){u->tei, etw_cursor_u32(&u->sizes)};
    if (tei->size > ETW_MAX_TEI_SIZE) {
        return damaged(error, "a schema is too large");
    }
    if (form == FORM_RAW) {
        take_halves(u, u->tei, tei->size);
        return has_failed(u) ? damaged(error, "it is cut off") : ETW_OK;
    }
    memset(u->tei, 0, sizeof(etw_trace_event_info));
    take_words(u, 0, u->tei, HEAD_WORDS);
    if (!has_room_for_properties(*tei, &properties)) {
        return damaged(error, "a schema has more properties than room for them");
    }
    for (uint32_t i = 0; i < properties; i++) {
        take_words(u, HEAD_WORDS, u->tei + fixed_size(i), PROPERTY_WORDS);
    }
    take_halves(u, u->tei + fixed_size(properties), tei->size - fixed_size(properties));
    if (has_failed(u)) {
        return damaged(error, "it is cut off");
    }
    return turn(u->tei, tei->size, false) ? ETW_OK : damaged(error, "a string is not there");
}

static etw_status take_schema(unpacking *u, uint32_t index, const etw_schemas_visitor *visitor,
                              etw_error *error)
{
    etw_bytes maps[ETW_MAX_MAPS_PER_SCHEMA];
    etw_schema schema = {.origin = etw_cursor_u8(&u->origins), .maps = maps};
    schema.map_count = etw_cursor_u16(&u->map_counts);
    if (schema.map_count > ETW_MAX_MAPS_PER_SCHEMA) {
        return damaged(error, "a schema has too many maps");
    }
    for (uint32_t i = 0; i < schema.map_count; i++) {
        const uint32_t map = etw_cursor_u32(&u->map_refs);
        if (map >= u->map_count) {
            return damaged(error, "a map is not there");
        }
        maps[i] = u->known_maps[map];
    }
    const etw_status status = take_tei(u, &schema.tei, error);
    const etw_schema_entry entry = {u->first_id + index, &schema};
    return status == ETW_OK ? visitor->schema(visitor->context, &entry, error) : status;
}

static etw_status take_maps(unpacking *u, etw_error *error)
{
    for (uint32_t i = 0; i < u->map_count; i++) {
        const size_t size = etw_cursor_u32(&u->map_sizes);
        u->known_maps[i] = (etw_bytes){etw_cursor_take(&u->maps, size), size};
        if (u->map_sizes.failed || u->maps.failed) {
            return damaged(error, "it ends inside a map");
        }
    }
    return ETW_OK;
}

static void take_stream(etw_cursor *body, etw_cursor *stream)
{
    const size_t size = etw_cursor_u32(body);
    const uint8_t *bytes = etw_cursor_take(body, size);
    *stream = etw_cursor_over((etw_bytes){bytes, bytes == NULL ? 0 : size});
}

static etw_status take_streams(unpacking *u, etw_bytes bytes, etw_error *error)
{
    etw_cursor body = etw_cursor_over(bytes);
    u->first_id = etw_cursor_u32(&body);
    u->count = etw_cursor_u32(&body);
    u->map_count = etw_cursor_u32(&body);
    etw_cursor *const streams[] = {&u->origins, &u->forms,    &u->map_counts,
                                   &u->sizes,   &u->map_refs, &u->map_sizes,
                                   &u->maps,    &u->low,      &u->high};
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        take_stream(&body, streams[i]);
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        take_stream(&body, &u->columns[i]);
    }
    if (body.failed || u->count > ETW_PACKED_MAX_SCHEMAS || u->map_count > ETW_PACKED_MAX_MAPS ||
        u->first_id == 0 || u->first_id > ETW_FILE_MAX_SCHEMA_ID - ETW_PACKED_MAX_SCHEMAS) {
        return damaged(error, "it claims more than it has");
    }
    return ETW_OK;
}

etw_status etw_packed_schemas_load(etw_bytes body, const etw_schemas_visitor *visitor,
                                   etw_error *error)
{
    unpacking u = {0};
    etw_status status = take_streams(&u, body, error);
    if (status != ETW_OK) {
        return status;
    }
    u.known_maps = calloc((size_t)u.map_count + 1, sizeof *u.known_maps);
    u.tei = malloc(ETW_MAX_TEI_SIZE);
    status = u.known_maps == NULL || u.tei == NULL
                 ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for packed schemas")
                 : take_maps(&u, error);
    for (uint32_t i = 0; i < u.count && status == ETW_OK; i++) {
        status = take_schema(&u, i, visitor, error);
    }
    free(u.known_maps);
    free(u.tei);
    return status;
}
