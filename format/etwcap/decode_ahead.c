#include "format/etwcap/decode_ahead.h"

#include <pthread.h>
#include <stdlib.h>

typedef enum slot_state { SLOT_FREE, SLOT_READY, SLOT_TAKEN, SLOT_DONE } slot_state;

typedef struct slot {
    slot_state state; /* with the mutex */
    etw_decoded_block decoded;
    etw_buffer body;
    etw_decoder *decoder; /* NULL until it is needed */
} slot;

/* Slots are used in turn, as a ring: the caller fills one, and takes the oldest. */
struct etw_decode_ahead {
    etw_kind_choice choice;
    uint32_t parts;
    slot *slots;
    uint32_t slot_count;
    uint32_t oldest, used; /* the caller's alone */
    pthread_t *threads;
    uint32_t thread_count, running;
    bool is_alone;         /* memory was short: the caller decodes, one block at a time */
    pthread_mutex_t mutex; /* for the states, and what follows */
    pthread_cond_t work;   /* a slot is ready, or closing */
    pthread_cond_t done;   /* a slot is done */
    bool is_closing;
};

etw_decode_ahead *etw_decode_ahead_new(uint32_t threads, const etw_kind_choice *choice,
                                       uint32_t parts)
{
    etw_decode_ahead *ahead = calloc(1, sizeof *ahead);
    if (ahead == NULL) {
        return NULL;
    }
    ahead->choice = *choice;
    ahead->parts = parts;
    ahead->thread_count = threads;
    ahead->slot_count = threads + 1;
    ahead->slots = calloc(ahead->slot_count, sizeof *ahead->slots);
    ahead->threads = calloc(threads, sizeof *ahead->threads);
    if (ahead->slots == NULL || ahead->threads == NULL) {
        free(ahead->slots);
        free(ahead->threads);
        free(ahead);
        return NULL;
    }
    (void)pthread_mutex_init(&ahead->mutex, NULL);
    (void)pthread_cond_init(&ahead->work, NULL);
    (void)pthread_cond_init(&ahead->done, NULL);
    return ahead;
}

static void stop_threads(etw_decode_ahead *ahead)
{
    (void)pthread_mutex_lock(&ahead->mutex);
    ahead->is_closing = true;
    (void)pthread_cond_broadcast(&ahead->work);
    (void)pthread_mutex_unlock(&ahead->mutex);
    while (ahead->running > 0) {
        (void)pthread_join(ahead->threads[--ahead->running], NULL);
    }
}

void etw_decode_ahead_free(etw_decode_ahead *ahead)
{
    if (ahead == NULL) {
        return;
    }
    stop_threads(ahead);
    for (uint32_t i = 0; i < ahead->slot_count; i++) {
        etw_buffer_free(&ahead->slots[i].body);
        etw_decoder_free(ahead->slots[i].decoder);
    }
    (void)pthread_mutex_destroy(&ahead->mutex);
    (void)pthread_cond_destroy(&ahead->work);
    (void)pthread_cond_destroy(&ahead->done);
    free(ahead->slots);
    free(ahead->threads);
    free(ahead);
}

/* ---- Decoding ---- */

/* Without the mutex: the slot is TAKEN. */
static void decode(const etw_decode_ahead *ahead, slot *s)
{
    etw_decoded_block *to = &s->decoded;
    if (s->decoder == NULL) {
        s->decoder = etw_decoder_new();
    }
    if (s->decoder == NULL) {
        (void)etw_error_set(&to->error, ETW_ERROR_NO_MEMORY, "out of memory for reading");
        return;
    }
    etw_decoder_choose(s->decoder, &ahead->choice);
    to->error.status =
        etw_events_block_decode(s->decoder, &to->block.header, to->body, ahead->parts, &to->error);
}

/* With the mutex, which it lets go meanwhile. False: no block waits. */
static bool decode_next(etw_decode_ahead *ahead, uint32_t first)
{
    slot *s = NULL;
    for (uint32_t i = 0; i < ahead->slot_count && s == NULL; i++) {
        slot *at = &ahead->slots[(first + i) % ahead->slot_count];
        s = at->state == SLOT_READY ? at : NULL;
    }
    if (s == NULL) {
        return false;
    }
    s->state = SLOT_TAKEN;
    (void)pthread_mutex_unlock(&ahead->mutex);
    decode(ahead, s);
    (void)pthread_mutex_lock(&ahead->mutex);
    s->state = SLOT_DONE;
    (void)pthread_cond_signal(&ahead->done);
    return true;
}

static void *run(void *context)
{
    etw_decode_ahead *ahead = context;
    (void)pthread_mutex_lock(&ahead->mutex);
    while (!ahead->is_closing) {
        if (!decode_next(ahead, 0)) {
            (void)pthread_cond_wait(&ahead->work, &ahead->mutex);
        }
    }
    (void)pthread_mutex_unlock(&ahead->mutex);
    return NULL;
}

/* ---- The caller ---- */

bool etw_decode_ahead_has_room(const etw_decode_ahead *ahead)
{
    return ahead->used < (ahead->is_alone ? 1 : ahead->slot_count);
}

/* Those that cannot be started are done without. */
static void start_threads(etw_decode_ahead *ahead)
{
    while (ahead->running < ahead->thread_count &&
           pthread_create(&ahead->threads[ahead->running], NULL, run, ahead) == 0) {
        ahead->running++;
    }
    ahead->thread_count = ahead->running;
}

bool etw_decode_ahead_put(etw_decode_ahead *ahead, const etw_scan_item *block, etw_bytes body,
                          uint64_t first_number)
{
    slot *s = &ahead->slots[(ahead->oldest + ahead->used) % ahead->slot_count];
    etw_buffer_clear(&s->body);
    etw_buffer_append(&s->body, body.data, body.size);
    if (s->body.failed) {
        etw_buffer_free(&s->body);
        return false;
    }
    s->decoded = (etw_decoded_block){
        .block = *block, .body = etw_buffer_bytes(&s->body), .first_number = first_number};
    ahead->used++;
    if (ahead->used > 1 && ahead->running == 0) {
        start_threads(ahead);
    }
    (void)pthread_mutex_lock(&ahead->mutex);
    s->state = SLOT_READY;
    (void)pthread_cond_signal(&ahead->work);
    (void)pthread_mutex_unlock(&ahead->mutex);
    return true;
}

/* Until the oldest block is decoded: by the caller, too. */
static void finish_oldest(etw_decode_ahead *ahead)
{
    const slot *s = &ahead->slots[ahead->oldest];
    (void)pthread_mutex_lock(&ahead->mutex);
    while (s->state != SLOT_DONE) {
        if (!decode_next(ahead, ahead->oldest)) {
            (void)pthread_cond_wait(&ahead->done, &ahead->mutex);
        }
    }
    (void)pthread_mutex_unlock(&ahead->mutex);
}

void etw_decode_ahead_go_on_alone(etw_decode_ahead *ahead)
{
    stop_threads(ahead);
    ahead->is_alone = true;
    ahead->thread_count = 0;
    for (uint32_t i = 0; i < ahead->slot_count; i++) {
        slot *s = &ahead->slots[i];
        etw_decoder_free(s->decoder);
        s->decoder = NULL;
        s->state = s->state == SLOT_DONE ? SLOT_READY : s->state;
        s->decoded.error = (etw_error){0};
    }
}

const etw_decoded_block *etw_decode_ahead_take(etw_decode_ahead *ahead, etw_decoder **decoder)
{
    if (ahead->used == 0) {
        return NULL;
    }
    slot *s = &ahead->slots[ahead->oldest];
    if (!ahead->is_alone) {
        finish_oldest(ahead);
    }
    if (!ahead->is_alone && s->decoded.error.status == ETW_ERROR_NO_MEMORY) {
        etw_decode_ahead_go_on_alone(ahead);
    }
    etw_decoder *used = *decoder;
    if (ahead->is_alone) {
        s->decoder = used;
        decode(ahead, s);
        used = NULL;
    }
    *decoder = s->decoder;
    s->decoder = used;
    (void)pthread_mutex_lock(&ahead->mutex); /* threads look at all slots */
    s->state = SLOT_FREE;
    (void)pthread_mutex_unlock(&ahead->mutex);
    ahead->oldest = (ahead->oldest + 1) % ahead->slot_count;
    ahead->used--;
    return &s->decoded;
}
