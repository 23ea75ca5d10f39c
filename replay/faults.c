#include "replay/faults.h"

#include <stdlib.h>

/* An event with all that its record points to. */
typedef struct held {
    etw_replay_item item;
    etw_event_record record;
    etw_extended_data_item *items; /* owned */
    uint16_t item_room;
    etw_buffer bytes;
} held;

struct etw_faults {
    etw_fault_options options;
    etw_fault_counts counts;
    uint64_t state; /* of the random numbers */
    held *window;   /* reorder + 1 of them, owned; the last is the one that was given */
    uint32_t count; /* that wait in the window */
    bool gives_again;
    bool has_first; /* the time below is set */
    int64_t first_100ns;
    bool has_ended;
};

/* splitmix64 (Steele, Lea and Flood, 2014). */
static uint64_t random_number(etw_faults *f)
{
    uint64_t z = f->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Always takes one number, so that one kind of fault does not change when others come. */
static bool happens(etw_faults *f, double probability)
{
    return (double)(random_number(f) >> 11) * 0x1p-53 < probability;
}

etw_faults *etw_faults_new(const etw_fault_options *options)
{
    etw_faults *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return NULL;
    }
    f->options = *options;
    f->state = options->seed;
    f->window = calloc((size_t)options->reorder + 1, sizeof *f->window);
    if (f->window == NULL) {
        free(f);
        return NULL;
    }
    return f;
}

void etw_faults_free(etw_faults *faults)
{
    if (faults == NULL) {
        return;
    }
    for (uint32_t i = 0; i <= faults->options.reorder; i++) {
        free(faults->window[i].items);
        etw_buffer_free(&faults->window[i].bytes);
    }
    free(faults->window);
    free(faults);
}

static bool grow_items(held *h, uint16_t count)
{
    if (count <= h->item_room) {
        return true;
    }
    etw_extended_data_item *longer = realloc(h->items, count * sizeof *longer);
    if (longer == NULL) {
        return false;
    }
    h->items = longer;
    h->item_room = count;
    return true;
}

static void connect(held *h)
{
    const char *at = h->bytes.data;
    for (uint16_t i = 0; i < h->record.ExtendedDataCount; i++) {
        h->items[i].DataPtr = (uint64_t)(uintptr_t)at;
        at += h->items[i].DataSize;
    }
    h->record.ExtendedData = h->items;
    h->record.UserData = h->record.UserDataLength == 0
                             ? NULL
                             : h->bytes.data + h->bytes.size - h->record.UserDataLength;
    h->item.record = &h->record;
}

/* Copies the record; false where memory is out. */
static bool hold(held *h, const etw_replay_item *item)
{
    const etw_event_record *record = item->record;
    const etw_bytes data = etw_record_user_data(record);
    h->item = *item;
    h->record = *record;
    etw_buffer_clear(&h->bytes);
    if (!grow_items(h, record->ExtendedDataCount)) {
        return false;
    }
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_bytes bytes = etw_item_bytes(&record->ExtendedData[i]);
        h->items[i] = record->ExtendedData[i];
        etw_buffer_append(&h->bytes, bytes.data, bytes.size);
    }
    etw_buffer_append(&h->bytes, data.data, data.size);
    connect(h);
    return !h->bytes.failed;
}

/* Cuts the payload, or changes one of its bytes. */
static void corrupt(etw_faults *f, held *h)
{
    const uint16_t size = h->record.UserDataLength;
    const uint64_t how = random_number(f);
    if (size == 0) {
        return;
    }
    if ((how & 1) != 0) {
        h->record.UserDataLength = (uint16_t)((how >> 8) % size);
    } else {
        ((uint8_t *)h->record.UserData)[(how >> 8) % size] ^= (uint8_t)(1 + (how >> 32) % 255);
    }
    f->counts.corrupted++;
}

static void swap(etw_faults *f, uint32_t a, uint32_t b)
{
    const held kept = f->window[a];
    f->window[a] = f->window[b];
    f->window[b] = kept;
    f->window[a].item.record = &f->window[a].record;
    f->window[b].item.record = &f->window[b].record;
}

/* Moves the event to the time that it is to have. */
static void rebase(etw_faults *f, held *h)
{
    const etw_clock *clock = &h->item.trace->clock;
    int64_t *ticks = &h->record.EventHeader.TimeStamp;
    const int64_t time_100ns = etw_clock_to_filetime(clock, *ticks);
    int64_t moved_100ns;
    if (!f->has_first) {
        f->has_first = true;
        f->first_100ns = time_100ns;
    }
    if (!__builtin_sub_overflow(time_100ns, f->first_100ns, &moved_100ns) &&
        !__builtin_add_overflow(moved_100ns, f->options.rebase_100ns, &moved_100ns)) {
        *ticks = etw_clock_from_filetime(clock, moved_100ns);
    }
}

/* Reads one more event into the window; ETW_END once nothing follows. */
static etw_status read_on(etw_faults *f,
                          etw_status (*next)(etw_replay *, etw_replay_item *, etw_error *),
                          etw_replay *replay, etw_error *error)
{
    etw_replay_item item;
    for (;;) {
        const etw_status status = next(replay, &item, error);
        if (status != ETW_OK) {
            return status;
        }
        const bool is_dropped = happens(f, f->options.drop);
        const bool is_corrupt = happens(f, f->options.corrupt);
        if (is_dropped) {
            f->counts.dropped++;
            continue;
        }
        held *h = &f->window[f->count];
        if (!hold(h, &item)) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for events");
        }
        if (is_corrupt) {
            corrupt(f, h);
        }
        if (f->options.rebases) {
            rebase(f, h);
        }
        f->count++;
        return ETW_OK;
    }
}

etw_status etw_faults_next(etw_faults *faults,
                           etw_status (*next)(etw_replay *replay, etw_replay_item *item,
                                              etw_error *error),
                           etw_replay *replay, etw_replay_item *item, etw_error *error)
{
    held *given = &faults->window[faults->options.reorder];
    if (faults->gives_again) {
        faults->gives_again = false;
        faults->counts.duplicated++;
        *item = given->item;
        return ETW_OK;
    }
    while (!faults->has_ended && faults->count <= faults->options.reorder) {
        const etw_status status = read_on(faults, next, replay, error);
        if (etw_failed(status)) {
            return status;
        }
        faults->has_ended = status == ETW_END;
    }
    if (faults->count == 0) {
        return ETW_END;
    }
    const uint32_t chosen =
        faults->options.reorder == 0 ? 0 : (uint32_t)(random_number(faults) % faults->count);
    faults->counts.reordered += chosen > 0;
    for (uint32_t i = chosen; i > 0; i--) { /* the others keep their order */
        swap(faults, i, i - 1);
    }
    for (uint32_t i = 0; i + 1 < faults->count; i++) {
        swap(faults, i, i + 1);
    }
    faults->count--;
    if (faults->count != faults->options.reorder) {
        swap(faults, faults->count, faults->options.reorder);
    }
    *item = given->item;
    faults->gives_again = happens(faults, faults->options.duplicate);
    return ETW_OK;
}

void etw_faults_get_counts(const etw_faults *faults, etw_fault_counts *counts)
{
    *counts = faults->counts;
}
