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
    bool has_ended;
    uint32_t round;      /* from 0 */
    bool has_given;      /* in this round */
    bool has_first;      /* the time below is set */
    int64_t first_100ns; /* of the round's first event */
    int64_t last_100ns;  /* that an event was moved to */
    bool has_moments;    /* those of the options have times, and are in order */
    uint32_t next_loss, next_stall;
    uint64_t losing; /* events that are still to be lost */
    etw_loss loss;   /* of them */
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
static void rebase(etw_faults *f, held *h, int64_t time_100ns)
{
    const etw_clock *clock = &h->item.trace->clock;
    int64_t moved_100ns;
    if (!__builtin_sub_overflow(time_100ns, f->first_100ns, &moved_100ns) &&
        !__builtin_add_overflow(moved_100ns, f->options.rebase_100ns, &moved_100ns)) {
        h->record.EventHeader.TimeStamp = etw_clock_from_filetime(clock, moved_100ns);
        f->last_100ns = moved_100ns > f->last_100ns ? moved_100ns : f->last_100ns;
    }
}

/* Gives moments their times, and the order of these. */
static void settle_moments(etw_fault_moment *moments, uint32_t count, int64_t first_100ns)
{
    for (uint32_t i = 0; i < count; i++) {
        etw_fault_moment moment = moments[i];
        uint32_t at = i;
        if (moment.is_relative &&
            __builtin_add_overflow(moment.at_100ns, first_100ns, &moment.at_100ns)) {
            moment.at_100ns = INT64_MAX;
        }
        for (; at > 0 && moments[at - 1].at_100ns > moment.at_100ns; at--) {
            moments[at] = moments[at - 1];
        }
        moments[at] = moment;
    }
}

static void note_time(etw_faults *f, int64_t time_100ns)
{
    if (!f->has_first) {
        f->has_first = true;
        f->first_100ns = time_100ns;
    }
    if (!f->has_moments) {
        f->has_moments = true;
        settle_moments(f->options.losses, f->options.loss_count, time_100ns);
        settle_moments(f->options.stalls, f->options.stall_count, time_100ns);
    }
}

static void end_loss(etw_faults *f, const etw_faults_source *source)
{
    f->losing = 0;
    if (f->loss.events > 0) {
        source->loss(source->replay, &f->loss);
    }
}

/* Whether the event is one of those that are lost, and told. */
static bool is_lost(etw_faults *f, const etw_faults_source *source, const etw_replay_item *item,
                    int64_t time_100ns)
{
    const etw_fault_options *options = &f->options;
    while (f->losing == 0 && f->next_loss < options->loss_count &&
           options->losses[f->next_loss].at_100ns <= time_100ns) {
        f->losing = options->losses[f->next_loss++].amount;
        f->loss = (etw_loss){.cause = ETW_LOSS_ETW_EVENTS,
                             .trace_index =
                                 (uint16_t)(item->trace_number == 0 ? 0 : item->trace_number - 1),
                             .from_time_100ns = time_100ns};
        etw_loss_set_detail(&f->loss, ETW_FAULTS_DETAIL);
    }
    if (f->losing == 0) {
        return false;
    }
    f->counts.lost++;
    f->loss.events++;
    f->loss.to_time_100ns = time_100ns;
    f->losing--;
    if (f->losing == 0) {
        end_loss(f, source);
    }
    return true;
}

static void stall(etw_faults *f, const etw_faults_source *source, int64_t time_100ns)
{
    const etw_fault_options *options = &f->options;
    while (f->next_stall < options->stall_count &&
           options->stalls[f->next_stall].at_100ns <= time_100ns) {
        const uint64_t ms = options->stalls[f->next_stall++].amount;
        f->counts.stalls++;
        source->wait(source->replay, ms > INT64_MAX / 1000000 ? INT64_MAX : (int64_t)ms * 1000000);
    }
}

/* Reads one more event into the window; ETW_END once nothing follows. */
static etw_status read_on(etw_faults *f, const etw_faults_source *source, etw_error *error)
{
    etw_replay_item item;
    for (;;) {
        const etw_status status = source->next(source->replay, &item, error);
        if (status != ETW_OK) {
            if (status == ETW_END && f->losing > 0) {
                end_loss(f, source);
            }
            return status;
        }
        const int64_t time_100ns =
            etw_clock_to_filetime(&item.trace->clock, item.record->EventHeader.TimeStamp);
        note_time(f, time_100ns);
        if (is_lost(f, source, &item, time_100ns)) {
            continue;
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
        stall(f, source, time_100ns);
        if (f->options.rebases) {
            rebase(f, h, time_100ns);
        }
        f->count++;
        f->has_given = true;
        return ETW_OK;
    }
}

static etw_status fill_window(etw_faults *f, const etw_faults_source *source, etw_error *error)
{
    while (!f->has_ended && f->count <= f->options.reorder) {
        const etw_status status = read_on(f, source, error);
        if (etw_failed(status)) {
            return status;
        }
        f->has_ended = status == ETW_END;
    }
    return ETW_OK;
}

/* The trace once more; ETW_END where that is over, or a round had no event. */
static etw_status begin_round(etw_faults *f, const etw_faults_source *source, etw_error *error)
{
    if (f->options.rounds == 0 || f->round + 1 >= f->options.rounds || !f->has_given) {
        return ETW_END;
    }
    const etw_status status = source->again(source->replay, error);
    if (status != ETW_OK) {
        return status;
    }
    f->round++;
    f->has_ended = f->has_given = f->has_first = false;
    f->options.rebase_100ns = f->last_100ns + 1;
    return ETW_OK;
}

/* Takes one of the window, whose last place it gets; the others keep their order. */
static void choose(etw_faults *f)
{
    const uint32_t reorder = f->options.reorder;
    const uint32_t chosen = reorder == 0 ? 0 : (uint32_t)(random_number(f) % f->count);
    f->counts.reordered += chosen > 0;
    for (uint32_t i = chosen; i > 0; i--) {
        swap(f, i, i - 1);
    }
    for (uint32_t i = 0; i + 1 < f->count; i++) {
        swap(f, i, i + 1);
    }
    f->count--;
    if (f->count != reorder) {
        swap(f, f->count, reorder);
    }
}

etw_status etw_faults_next(etw_faults *faults, const etw_faults_source *source,
                           etw_replay_item *item, etw_error *error)
{
    held *given = &faults->window[faults->options.reorder];
    if (faults->gives_again) {
        faults->gives_again = false;
        faults->counts.duplicated++;
        *item = given->item;
        return ETW_OK;
    }
    etw_status status = fill_window(faults, source, error);
    while (status == ETW_OK && faults->count == 0) {
        status = begin_round(faults, source, error);
        if (status == ETW_OK) {
            status = fill_window(faults, source, error);
        }
    }
    if (status != ETW_OK) {
        return status;
    }
    choose(faults);
    *item = given->item;
    faults->gives_again = happens(faults, faults->options.duplicate);
    return ETW_OK;
}

void etw_faults_get_counts(const etw_faults *faults, etw_fault_counts *counts)
{
    *counts = faults->counts;
}
