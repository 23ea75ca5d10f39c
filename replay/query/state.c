/* Lives: kept by id, looked up by id and time. */
#include "replay/query/state_lives.h"
#include "replay/query/symbols.h"

#include <stdlib.h>

/* Indexes. */

void *etw_life_newest(const etw_life_index *index, uint64_t key)
{
    if (index->count == 0) {
        return NULL;
    }
    const uint32_t hash = (uint32_t)etw_hash_pair(index->probe.seed, key, key >> 32);
    uint32_t at = etw_probe_home(&index->probe, hash);
    while (index->probe.slots[at].id_plus_1 != 0) {
        const etw_probe_slot slot = index->probe.slots[at];
        if (slot.hash == hash && index->keys[slot.id_plus_1 - 1] == key) {
            return index->newest[slot.id_plus_1 - 1];
        }
        at = etw_probe_next(&index->probe, at);
    }
    return NULL;
}

static bool grow_index(etw_life_index *index)
{
    if (index->capacity == 0 && !etw_probe_begin(&index->probe, ETW_PROBE_LEAST, ETW_PROBE_LEAST)) {
        return false;
    }
    if (!etw_probe_reserve(&index->probe)) {
        return false;
    }
    if (index->count < index->capacity) {
        return true;
    }
    const uint32_t capacity = index->capacity == 0 ? 64 : 2 * index->capacity;
    void **newest = realloc(index->newest, capacity * sizeof *newest);
    index->newest = newest != NULL ? newest : index->newest;
    uint64_t *keys = realloc(index->keys, capacity * sizeof *keys);
    index->keys = keys != NULL ? keys : index->keys;
    index->capacity = newest != NULL && keys != NULL ? capacity : index->capacity;
    return newest != NULL && keys != NULL;
}

bool etw_life_put(etw_life_index *index, uint64_t key, void *newest)
{
    if (!grow_index(index)) {
        return false;
    }
    const uint32_t hash = (uint32_t)etw_hash_pair(index->probe.seed, key, key >> 32);
    uint32_t at = etw_probe_home(&index->probe, hash);
    while (index->probe.slots[at].id_plus_1 != 0) {
        const etw_probe_slot slot = index->probe.slots[at];
        if (slot.hash == hash && index->keys[slot.id_plus_1 - 1] == key) {
            index->newest[slot.id_plus_1 - 1] = newest;
            return true;
        }
        at = etw_probe_next(&index->probe, at);
    }
    index->newest[index->count] = newest;
    index->keys[index->count] = key;
    etw_probe_put(&index->probe, at, hash, index->count++);
    return true;
}

void etw_life_index_free(etw_life_index *index)
{
    etw_probe_free(&index->probe);
    free(index->newest);
    free(index->keys);
}

/* The state. */

etw_state *etw_state_new(void)
{
    etw_state *state = calloc(1, sizeof *state);
    if (state != NULL) {
        state->text_arena.limit_bytes = ETW_STATE_MAX_TEXT;
    }
    return state;
}

void etw_state_free(etw_state *state)
{
    if (state == NULL) {
        return;
    }
    for (uint32_t i = 0; i < state->images.count; i++) {
        free(((etw_image_list *)state->images.newest[i])->images);
    }
    etw_method_list_free(&state->methods);
    etw_life_index_free(&state->processes);
    etw_life_index_free(&state->threads);
    etw_life_index_free(&state->images);
    etw_table_free(&state->texts);
    etw_arena_free(&state->text_arena);
    etw_arena_free(&state->life_arena);
    free(state);
}

const char *etw_state_text(etw_state *state, const char *text, size_t size)
{
    if (size == 0) {
        return "";
    }
    const char *known = etw_table_get(&state->texts, text, size);
    if (known != NULL) {
        return known;
    }
    char *copy = etw_arena_copy(&state->text_arena, text, size);
    const bool is_full =
        copy == NULL && etw_arena_full(&state->text_arena, size + 1 + sizeof(max_align_t));
    if (copy == NULL || !etw_table_set(&state->texts, copy, size, copy)) {
        state->totals.dropped += is_full;
        state->is_out_of_memory = state->is_out_of_memory || !is_full;
        return "";
    }
    return copy;
}

/* Traces of one boot are of one host; one that does not tell its boot is with the first. The clock
 * that the boot time comes from is set now and then, by less than this. */
#define SAME_BOOT_100NS (5000 * ETW_STATE_MS_100NS)

static bool is_same_boot(int64_t a_100ns, int64_t b_100ns)
{
    return etw_time_apart(a_100ns, b_100ns) < SAME_BOOT_100NS &&
           etw_time_apart(b_100ns, a_100ns) < SAME_BOOT_100NS;
}

uint16_t etw_state_host(const etw_state *state, const etw_trace *trace)
{
    if (trace->boot_time_100ns == 0 || state->host_count == 0) {
        return 0; /* what a rundown alone tells is of the first, too */
    }
    for (uint16_t i = 0; i < state->host_count; i++) {
        const int64_t boot_100ns = state->boot_times_100ns[i];
        if (boot_100ns == 0 || is_same_boot(boot_100ns, trace->boot_time_100ns)) {
            return i;
        }
    }
    return UINT16_MAX;
}

uint16_t etw_state_host_of(etw_state *state, const etw_trace *trace)
{
    uint16_t host = etw_state_host(state, trace);
    if (state->host_count == 0 || (host == UINT16_MAX && state->host_count < ETW_STATE_MAX_HOSTS)) {
        host = state->host_count;
        state->boot_times_100ns[state->host_count++] = trace->boot_time_100ns;
    }
    return host;
}

/* A life's memory, or NULL with what that means noted. */
static void *new_life(etw_state *state, size_t size, uint64_t count, uint64_t limit)
{
    if (count >= limit) {
        state->totals.dropped++;
        return NULL;
    }
    void *life = etw_arena_alloc(&state->life_arena, size);
    state->is_out_of_memory = state->is_out_of_memory || life == NULL;
    return life;
}

/* Two providers tell of one start or end. */
static bool is_same(int64_t a_100ns, int64_t b_100ns)
{
    return etw_time_apart(a_100ns, b_100ns) <= ETW_STATE_SAME_100NS &&
           etw_time_apart(b_100ns, a_100ns) <= ETW_STATE_SAME_100NS;
}

static bool is_near(int64_t a_100ns, int64_t b_100ns)
{
    return etw_time_apart(a_100ns, b_100ns) <= ETW_STATE_NEAR_100NS &&
           etw_time_apart(b_100ns, a_100ns) <= ETW_STATE_NEAR_100NS;
}

/* Processes. */

static etw_state_process *new_process(etw_state *state, uint16_t host, uint32_t process_id,
                                      int64_t start_100ns)
{
    etw_state_process *p =
        new_life(state, sizeof *p, state->totals.processes, ETW_STATE_MAX_PROCESSES);
    if (p == NULL) {
        return NULL;
    }
    const uint64_t key = etw_life_key(host, process_id);
    *p = (etw_state_process){.process_id = process_id,
                             .session_id = UINT32_MAX,
                             .host = host,
                             .start_100ns = start_100ns,
                             .end_100ns = INT64_MAX,
                             .name = "",
                             .path = "",
                             .command_line = "",
                             .user = "",
                             .services = "",
                             .older = etw_life_newest(&state->processes, key)};
    if (!etw_life_put(&state->processes, key, p)) {
        state->is_out_of_memory = true;
        return NULL;
    }
    if (state->last_process != NULL) {
        state->last_process->next = p;
    } else {
        state->first_process = p;
    }
    state->last_process = p;
    state->totals.processes++;
    return p;
}

static void take_text(const char **known, const char *told)
{
    if (told != NULL && strlen(told) > strlen(*known)) {
        *known = told;
    }
}

static bool has_service(const char *services, const char *name)
{
    const size_t size = strlen(name);
    for (const char *at = services; at != NULL && *at != '\0';) {
        const char *comma = strchr(at, ',');
        const size_t length = comma == NULL ? strlen(at) : (size_t)(comma - at);
        if (length == size && memcmp(at, name, size) == 0) {
            return true;
        }
        at = comma == NULL ? NULL : comma + 1;
    }
    return false;
}

static void learn_service(etw_state *state, etw_state_process *p, const char *name)
{
    etw_text joined = {0};
    if (name == NULL || name[0] == '\0' || has_service(p->services, name) ||
        strlen(p->services) + strlen(name) >= ETW_STATE_MAX_SERVICES_TEXT) {
        return;
    }
    etw_text_printf(&joined, "%s%s%s", p->services, p->services[0] == '\0' ? "" : ",", name);
    state->is_out_of_memory = state->is_out_of_memory || joined.failed;
    const char *kept = joined.failed ? "" : etw_state_text(state, joined.data, joined.size);
    p->services = kept[0] == '\0' ? p->services : kept;
    etw_text_free(&joined);
}

static void learn_process(etw_state *state, etw_state_process *p, const etw_process_told *told)
{
    p->parent_id = told->has_parent ? told->parent_id : p->parent_id;
    p->session_id = told->session_id != UINT32_MAX ? told->session_id : p->session_id;
    /* Kernel-Process cuts names at 14 characters: the longer one is the name. */
    take_text(&p->name, told->name);
    take_text(&p->path, told->path);
    take_text(&p->command_line, told->command_line);
    take_text(&p->user, told->user);
    p->start_key = told->start_key != 0 ? told->start_key : p->start_key;
    learn_service(state, p, told->service);
}

/* The life that a start begins: a new one, but where another provider has told of the same. */
static etw_state_process *started(etw_state *state, uint16_t host, uint32_t id, int64_t time_100ns)
{
    etw_state_process *p = etw_life_newest(&state->processes, etw_life_key(host, id));
    if (p != NULL && p->has_start && is_same(p->start_100ns, time_100ns)) {
        return p;
    }
    if (p != NULL && !p->has_end) { /* its end was missed */
        p->end_100ns = etw_time_after(time_100ns, -1);
        p->has_end = true;
    }
    p = new_process(state, host, id, time_100ns);
    if (p != NULL) {
        p->has_start = true;
    }
    return p;
}

/* The life that lasts now; where none is known, one whose start was not seen: it can have begun
 * when the one before had ended. */
static etw_state_process *living(etw_state *state, uint16_t host, uint32_t id, int64_t time_100ns)
{
    etw_state_process *p = etw_life_newest(&state->processes, etw_life_key(host, id));
    if (p != NULL &&
        (!p->has_end || etw_time_apart(time_100ns, p->end_100ns) <= ETW_STATE_GRACE_100NS)) {
        return p;
    }
    return new_process(state, host, id, p == NULL ? INT64_MIN : etw_time_after(p->end_100ns, 1));
}

void etw_state_process_told(etw_state *state, uint16_t host, int64_t time_100ns,
                            etw_life_event event, const etw_process_told *told)
{
    etw_state_process *p = event == ETW_LIFE_START
                               ? started(state, host, told->process_id, time_100ns)
                               : living(state, host, told->process_id, time_100ns);
    if (p == NULL) {
        return;
    }
    learn_process(state, p, told);
    if (event == ETW_LIFE_END) {
        p->end_100ns = p->has_end ? p->end_100ns : time_100ns;
        p->has_end = true;
        p->exit_status = told->has_exit_status ? told->exit_status : p->exit_status;
        p->has_exit_status = p->has_exit_status || told->has_exit_status;
    }
}

const etw_state_process *etw_state_process_at(const etw_state *state, uint16_t host,
                                              uint32_t process_id, int64_t time_100ns)
{
    const etw_state_process *p = etw_life_newest(&state->processes, etw_life_key(host, process_id));
    const etw_state_process *near = NULL;
    for (uint32_t i = 0; p != NULL && i < ETW_STATE_MAX_WALK; i++, p = p->older) {
        if (p->start_100ns <= time_100ns && time_100ns <= p->end_100ns) {
            return p;
        }
        if (is_near(p->start_100ns, time_100ns) || is_near(p->end_100ns, time_100ns)) {
            near = p;
        }
    }
    return near;
}

const etw_state_process *etw_state_parent(const etw_state *state, const etw_state_process *process)
{
    if (process->parent_id == 0 || process->parent_id == process->process_id) {
        return NULL;
    }
    const etw_state_process *parent =
        etw_life_newest(&state->processes, etw_life_key(process->host, process->parent_id));
    for (uint32_t i = 0; parent != NULL && i < ETW_STATE_MAX_WALK; i++, parent = parent->older) {
        const bool lived = process->has_start ? parent->start_100ns <= process->start_100ns &&
                                                    process->start_100ns <= parent->end_100ns
                                              : !parent->has_start;
        if (lived) {
            return parent;
        }
    }
    return NULL;
}

void etw_state_describe(const etw_state *state, const etw_state_process *process,
                        etw_event_process *description)
{
    const etw_state_process *parent = etw_state_parent(state, process);
    *description =
        (etw_event_process){.process_id = process->process_id,
                            .parent_id = process->parent_id,
                            .session_id = process->session_id,
                            .start_100ns = process->has_start ? process->start_100ns : INT64_MIN,
                            .end_100ns = process->has_end ? process->end_100ns : INT64_MAX,
                            .name = process->name,
                            .parent_name = parent == NULL ? "" : parent->name,
                            .path = process->path,
                            .command_line = process->command_line,
                            .user = process->user};
}

/* Threads. */

static etw_thread_life *new_thread(etw_state *state, uint16_t host, uint32_t thread_id,
                                   uint32_t process_id, int64_t start_100ns)
{
    const uint64_t key = etw_life_key(host, thread_id);
    etw_thread_life *t = new_life(state, sizeof *t, state->totals.threads, ETW_STATE_MAX_THREADS);
    if (t == NULL) {
        return NULL;
    }
    *t = (etw_thread_life){.thread_id = thread_id,
                           .process_id = process_id,
                           .host = host,
                           .start_100ns = start_100ns,
                           .end_100ns = INT64_MAX,
                           .older = etw_life_newest(&state->threads, key)};
    if (!etw_life_put(&state->threads, key, t)) {
        state->is_out_of_memory = true;
        return NULL;
    }
    state->totals.threads++;
    return t;
}

static void end_thread(etw_thread_life *t, int64_t time_100ns)
{
    t->end_100ns = t->has_end ? t->end_100ns : time_100ns;
    t->has_end = true;
}

void etw_state_thread_told(etw_state *state, uint16_t host, int64_t time_100ns,
                           etw_life_event event, uint32_t thread_id, uint32_t process_id)
{
    if (thread_id == 0) { /* the idle thread, of each processor; it never ends */
        state->totals.threads += state->has_idle_thread ? 0 : 1;
        state->has_idle_thread = true;
        return;
    }
    etw_thread_life *t = etw_life_newest(&state->threads, etw_life_key(host, thread_id));
    if (event == ETW_LIFE_START) {
        /* Two providers tell of one start. */
        if (t != NULL && t->process_id == process_id && !t->has_end &&
            is_same(t->start_100ns, time_100ns)) {
            return;
        }
        if (t != NULL) {
            end_thread(t, etw_time_after(time_100ns, -1));
        }
        (void)new_thread(state, host, thread_id, process_id, time_100ns);
        return;
    }
    const bool is_known =
        t != NULL && t->process_id == process_id &&
        (!t->has_end || etw_time_apart(time_100ns, t->end_100ns) <= ETW_STATE_GRACE_100NS);
    if (!is_known) {
        int64_t start_100ns = INT64_MIN;
        if (t != NULL) {
            end_thread(t, etw_time_after(time_100ns, -1)); /* its end was missed */
            start_100ns = etw_time_after(t->end_100ns, 1);
        }
        t = new_thread(state, host, thread_id, process_id, start_100ns);
    }
    if (t != NULL && event == ETW_LIFE_END) {
        end_thread(t, time_100ns);
    }
}

bool etw_state_thread_at(const etw_state *state, uint16_t host, uint32_t thread_id,
                         int64_t time_100ns, uint32_t *process_id)
{
    const etw_thread_life *t = etw_life_newest(&state->threads, etw_life_key(host, thread_id));
    for (uint32_t i = 0; t != NULL && i < ETW_STATE_MAX_WALK; i++, t = t->older) {
        const bool has_begun = etw_time_after(t->start_100ns, -ETW_STATE_NEAR_100NS) <= time_100ns;
        /* An older life ends before this one, even in its grace. */
        const bool lasts =
            !t->has_end || etw_time_apart(time_100ns, t->end_100ns) <= ETW_STATE_GRACE_100NS;
        const bool is_older_better =
            t->older != NULL && time_100ns < t->start_100ns &&
            time_100ns <= etw_time_after(t->older->end_100ns, ETW_STATE_NEAR_100NS);
        if (has_begun && lasts && !is_older_better) {
            *process_id = t->process_id;
            return true;
        }
    }
    return false;
}

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
    if (list->count == list->capacity) {
        const uint32_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        etw_state_image **wider = realloc(list->images, capacity * sizeof *wider);
        if (wider == NULL) {
            state->is_out_of_memory = true;
            return false;
        }
        list->images = wider;
        list->capacity = capacity;
    }
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
        new_life(state, sizeof *image, state->totals.images, ETW_STATE_MAX_IMAGES);
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
    take_text(&image->path, told->path);
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
        if (image != NULL && !image->has_unload && is_same(image->load_100ns, time_100ns)) {
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
    if (image == NULL || (image->has_unload && !is_same(time_100ns, image->unload_100ns))) {
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

/* What is known. */

const etw_state_process *etw_state_first_process(const etw_state *state)
{
    return state->first_process;
}

const etw_state_image *etw_state_first_image(const etw_state *state)
{
    return state->first_image;
}

uint32_t etw_state_sample_100ns(const etw_state *state)
{
    return state->sample_100ns;
}

void etw_state_get_totals(const etw_state *state, etw_state_totals *totals)
{
    *totals = state->totals;
}

const char *etw_path_last_part(const char *path)
{
    const char *last = path + strlen(path); /* from the end: it is asked for each address */
    last -= last > path ? 1 : 0;
    while (last > path && last[-1] != '\\' && last[-1] != '/') {
        last--;
    }
    return last;
}
