/* Lives of images and methods, and the names they give to addresses. */
#include "format/base/grown.h"
#include "replay/query/state_lives.h"
#include "replay/query/symbols.h"

/* Images. */

static etw_image_list *image_list(etw_state *state, uint16_t host, uint32_t process_id)
{
    const uint64_t key = etw_life_key(host, process_id);
    etw_image_list *list = etw_life_newest(&state->images, key);
    if (list == NULL) {
        list = etw_arena_alloc(&state->life_arena, sizeof *list);
        if (list == NULL || !etw_life_put(&state->images, key, list)) {
            state->is_out_of_memory = true;
            return NULL;
        }
    }
    return list;
}

/* How many begin at or below that address. */
static uint32_t count_up_to(const etw_image_list *list, uint64_t address)
{
    uint32_t low = 0, high = list->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (list->images[middle]->base <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool insert_image(etw_state *state, etw_image_list *list, etw_state_image *image)
{
    etw_state_image **wider =
        etw_grown(list->images, &list->capacity, list->count, 16, sizeof *wider);
    if (wider == NULL) {
        state->is_out_of_memory = true;
        return false;
    }
    list->images = wider;
    const uint32_t at = count_up_to(list, image->base);
    memmove(&list->images[at + 1], &list->images[at], (list->count - at) * sizeof *list->images);
    list->images[at] = image;
    list->count++;
    if (state->last_image != NULL) {
        state->last_image->next = image;
    } else {
        state->first_image = image;
    }
    state->last_image = image;
    state->totals.images++;
    state->totals.kernel_images += image->process_id == 0 ? 1 : 0;
    return true;
}

static etw_state_image *new_image(etw_state *state, etw_image_list *list, uint16_t host,
                                  const etw_state_image *told, int64_t load_100ns)
{
    if (list->count >= ETW_STATE_MAX_IMAGES_OF_PROCESS) {
        state->totals.dropped++;
        return NULL;
    }
    etw_state_image *image =
        etw_state_new_life(state, sizeof *image, state->totals.images, ETW_STATE_MAX_IMAGES);
    if (image == NULL) {
        return NULL;
    }
    *image = *told;
    image->host = host;
    image->load_100ns = load_100ns;
    image->unload_100ns = INT64_MAX;
    image->pdb_name = image->pdb_name == NULL ? "" : image->pdb_name;
    image->path = image->path == NULL ? "" : image->path;
    image->next = NULL;
    return insert_image(state, list, image) ? image : NULL;
}

/* The newest image at that base. */
static etw_state_image *image_with_base(const etw_image_list *list, uint64_t base)
{
    const uint32_t at = count_up_to(list, base);
    return at > 0 && list->images[at - 1]->base == base ? list->images[at - 1] : NULL;
}

static void end_image(etw_state_image *image, int64_t time_100ns)
{
    image->unload_100ns = image->has_unload ? image->unload_100ns : time_100ns;
    image->has_unload = true;
}

static void learn_image(etw_state_image *image, const etw_state_image *told)
{
    etw_state_take_text(&image->path, told->path);
    image->size = image->size == 0 ? told->size : image->size;
    image->checksum = image->checksum == 0 ? told->checksum : image->checksum;
    if (image->time_date_stamp == 0) {
        image->time_date_stamp = told->time_date_stamp;
    }
    if (image->pdb_name[0] == '\0' && told->pdb_name != NULL) {
        image->pdb_name = told->pdb_name;
        image->pdb_guid = told->pdb_guid;
        image->pdb_age = told->pdb_age;
    }
}

void etw_state_image_identified(etw_state *state, uint16_t host, const etw_state_image *told)
{
    etw_image_list *list = image_list(state, host, told->process_id);
    etw_state_image *image = list == NULL ? NULL : image_with_base(list, told->base);
    if (image != NULL) {
        learn_image(image, told);
    } else if (list != NULL) {
        (void)new_image(state, list, host, told, INT64_MIN);
    }
}

/* Only an ImageID event told of it, which may stand before the event of its load. */
static bool is_only_identified(const etw_state_image *image)
{
    return image->size == 0 && image->path[0] == '\0' && !image->has_load && !image->has_unload;
}

etw_state_image *etw_state_image_told(etw_state *state, uint16_t host, int64_t time_100ns,
                                      etw_life_event event, const etw_state_image *told)
{
    etw_image_list *list = image_list(state, host, told->process_id);
    if (list == NULL) {
        return NULL;
    }
    etw_state_image *image = image_with_base(list, told->base);
    if (event == ETW_LIFE_START) {
        if (image != NULL && is_only_identified(image)) {
            image->load_100ns = time_100ns;
            image->has_load = true;
        }
        if (image != NULL && !image->has_unload &&
            etw_state_is_same(image->load_100ns, time_100ns)) {
            learn_image(image, told); /* told by two providers */
            return image;
        }
        if (image != NULL) {
            end_image(image, etw_time_after(time_100ns, -1));
        }
        image = new_image(state, list, host, told, time_100ns);
        if (image != NULL) {
            image->has_load = true;
        }
        return image;
    }
    if (image == NULL ||
        (image->has_unload && !etw_state_is_same(time_100ns, image->unload_100ns))) {
        image = new_image(state, list, host, told,
                          image == NULL ? INT64_MIN : etw_time_after(image->unload_100ns, 1));
    } else {
        learn_image(image, told);
    }
    if (image != NULL && event == ETW_LIFE_END) {
        end_image(image, time_100ns);
    }
    return image;
}

/* Images do not overlap at one time: so few may lie between an address and the start of its own. */
#define MAX_STEPS_BACK 64u

static const etw_state_image *image_in(const etw_image_list *list, const etw_state_place *place,
                                       etw_time_span *same, bool *is_timely)
{
    const etw_state_image *untimely = NULL;
    uint32_t at = list == NULL ? 0 : count_up_to(list, place->address);
    for (uint32_t steps = 0; at > 0 && steps < MAX_STEPS_BACK; at--, steps++) {
        const etw_state_image *image = list->images[at - 1];
        if (place->address - image->base >= image->size) {
            continue;
        }
        if (etw_time_is_within(place->time_100ns, image->load_100ns, image->unload_100ns, same)) {
            *is_timely = true;
            return image;
        }
        untimely = untimely == NULL ? image : untimely;
    }
    *is_timely = false;
    return untimely;
}

static const etw_state_image *image_at(const etw_state *state, const etw_state_place *place,
                                       etw_time_span *same, bool *is_timely)
{
    const etw_image_list *own =
        etw_life_newest(&state->images, etw_life_key(place->host, place->process_id));
    const etw_state_image *image = image_in(own, place, same, is_timely);
    if (image != NULL) {
        return image;
    }
    const etw_image_list *kernel = etw_life_newest(&state->images, etw_life_key(place->host, 0));
    return image_in(kernel, place, same, is_timely);
}

const etw_state_image *etw_state_image_at(const etw_state *state, uint16_t host,
                                          uint32_t process_id, uint64_t address, int64_t time_100ns,
                                          bool *is_timely)
{
    const etw_state_place place = {host, process_id, address, time_100ns};
    etw_time_span same = {INT64_MIN, INT64_MAX};
    return image_at(state, &place, &same, is_timely);
}

/* Methods. */

void etw_state_settle(etw_state *state)
{
    etw_method_list_settle(&state->methods);
    state->is_settled = true;
    state->totals.dropped += state->methods.dropped;
    state->totals.methods = state->methods.count;
}

static bool method_at(const etw_state *state, const etw_state_place *place, etw_time_span *same,
                      const char **name, uint64_t *offset)
{
    const etw_method *m =
        etw_method_list_find(&state->methods, etw_life_key(place->host, place->process_id),
                             place->address, place->time_100ns, same);
    if (m == NULL) {
        return false;
    }
    *name = m->name;
    *offset = place->address - m->start;
    return true;
}

bool etw_state_method_at(const etw_state *state, const etw_state_place *place, const char **name,
                         uint64_t *offset)
{
    etw_time_span same = {INT64_MIN, INT64_MAX};
    return method_at(state, place, &same, name, offset);
}

/* Names of addresses. */

static bool append_name(const void *context, const etw_address *address, etw_time_span *same,
                        etw_text *text)
{
    const etw_state *state = context;
    const etw_state_place place = {etw_state_host(state, etw_event_trace(address->event)),
                                   address->process_id, address->value,
                                   etw_event_time_100ns(address->event)};
    const bool with_methods = address->with_methods;
    bool is_timely;
    const etw_state_image *image = image_at(state, &place, same, &is_timely);
    const char *method = "";
    uint64_t offset = image == NULL ? 0 : address->value - image->base;
    bool has_method =
        (image == NULL || with_methods) && method_at(state, &place, same, &method, &offset);
    if (!state->is_settled) {
        *same = (etw_time_span){INT64_MAX, INT64_MIN}; /* what comes may tell more */
    }
    if (with_methods && image != NULL && !has_method && state->symbols != NULL) {
        const char *found = etw_symbols_find(state->symbols, image, address->value, &offset);
        has_method = found != NULL;
        method = has_method ? found : "";
    }
    if (image == NULL && !has_method) {
        return false;
    }
    const char *name = image == NULL ? "" : etw_path_last_part(image->path);
    etw_text_append_utf8(text, (const uint8_t *)name, strlen(name), ETW_ESCAPE_NONE);
    etw_text_append_z(text, image != NULL && has_method ? "!" : "");
    etw_text_append_utf8(text, (const uint8_t *)method, strlen(method), ETW_ESCAPE_NONE);
    etw_text_append_char(text, '+');
    etw_text_append_hex(text, offset);
    return true;
}

void etw_state_set_symbols(etw_state *state, etw_symbols *symbols)
{
    state->symbols = symbols;
}

void etw_state_get_namer(const etw_state *state, etw_address_namer *namer)
{
    *namer = (etw_address_namer){.context = state, .append = append_name};
}
