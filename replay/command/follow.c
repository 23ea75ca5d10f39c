#include "replay/command/follow.h"

#include "replay/command/tool.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* The recorder's segments are a-0001.etwcap, a-0002.etwcap, ... */
#define SEGMENT_DIGITS 4u
#define MOST_DIGITS    9u
/* A file with fewer bytes has just been made. */
#define LEAST_BYTES 128

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
    is_interrupted = 1;
    (void)signal(number, SIG_DFL);
}

void etw_follow_catch_interrupts(void)
{
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
#ifdef SIGBREAK
    (void)signal(SIGBREAK, on_signal);
#endif
}

bool etw_follow_is_interrupted(void)
{
    return is_interrupted != 0;
}

void etw_follow_pause(void)
{
    const struct timespec wait = {.tv_nsec = ETW_FOLLOW_WAIT_NS};
    (void)nanosleep(&wait, NULL);
}

/* Names. */

/* "folder/a-0011.etwcap" in its parts; size of digits 0: no number. */
typedef struct numbered {
    const char *path;
    size_t folder; /* bytes of the path in front of the name */
    size_t digits_at, digits;
} numbered;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static numbered take_apart(const char *path)
{
    numbered n = {.path = path};
    size_t end = strlen(path);
    for (size_t i = 0; path[i] != '\0'; i++) {
        n.folder = path[i] == '/' || path[i] == '\\' ? i + 1 : n.folder;
    }
    const char *dot = strrchr(path + n.folder, '.');
    end = dot == NULL ? end : (size_t)(dot - path);
    n.digits_at = end;
    while (n.digits_at > n.folder && is_digit(path[n.digits_at - 1])) {
        n.digits_at--;
    }
    n.digits = end - n.digits_at <= MOST_DIGITS ? end - n.digits_at : 0;
    return n;
}

static bool is_segment(const numbered *n)
{
    return n->digits >= SEGMENT_DIGITS && n->digits_at > n->folder &&
           n->path[n->digits_at - 1] == '-';
}

/* While the recorder of the segments runs, the name without a number is locked. */
static bool is_recording(const etw_os *os, const numbered *n)
{
    etw_text lock = {0};
    etw_text_append(&lock, n->path, n->digits_at - 1);
    etw_text_append_z(&lock, n->path + n->digits_at + n->digits);
    etw_text_append_z(&lock, ".lock");
    const bool is_there = !lock.failed && os->kind(os->context, etw_text_z(&lock)) == ETW_PATH_FILE;
    etw_text_free(&lock);
    return is_there;
}

/* Looks for the name with the next higher number. */
typedef struct successor {
    numbered of;
    unsigned long number, found_number;
    etw_text found;
} successor;

static void take_name(void *context, const char *name)
{
    successor *s = context;
    const char *own = s->of.path + s->of.folder;
    const size_t before = s->of.digits_at - s->of.folder;
    if (strncmp(name, own, before) != 0) {
        return;
    }
    size_t digits = 0;
    while (digits <= MOST_DIGITS && is_digit(name[before + digits])) {
        digits++;
    }
    const char *behind = s->of.path + s->of.digits_at + s->of.digits;
    if (digits == 0 || digits > MOST_DIGITS || strcmp(name + before + digits, behind) != 0) {
        return;
    }
    const unsigned long number = strtoul(name + before, NULL, 10);
    if (number > s->number && (s->found.size == 0 || number < s->found_number)) {
        s->found_number = number;
        etw_text_clear(&s->found);
        etw_text_append_z(&s->found, name);
    }
}

/* *next becomes the path of the file behind it; false: there is none. */
static bool find_successor(const etw_os *os, const numbered *n, etw_text *next)
{
    successor s = {.of = *n, .number = strtoul(n->path + n->digits_at, NULL, 10)};
    etw_text folder = {0};
    etw_text_append(&folder, n->path, n->folder);
    if (n->folder == 0) {
        etw_text_append_z(&folder, ".");
    }
    const bool is_listed = !folder.failed && os->list != NULL &&
                           os->list(os->context, etw_text_z(&folder), take_name, &s) >= 0;
    etw_text_clear(next);
    etw_text_append(next, n->path, n->folder);
    etw_text_append_z(next, s.found.size == 0 ? "" : etw_text_z(&s.found));
    const bool is_found = is_listed && s.found.size > 0 && !s.found.failed && !next->failed;
    etw_text_free(&s.found);
    etw_text_free(&folder);
    return is_found;
}

/* Files. */

/* What the name leads to now; false: nothing that has begun as a trace. */
static bool look(const etw_os *os, const char *path, etw_file_identity *identity,
                 bool *has_identity, uint64_t *size_bytes)
{
    const int file = os->open(os->context, path, ETW_OPEN_READ);
    if (file < 0) {
        return false;
    }
    const int64_t size = os->size(os->context, file);
    *has_identity = os->identity != NULL && os->identity(os->context, file, identity) >= 0;
    *size_bytes = size < 0 ? 0 : (uint64_t)size;
    (void)os->close(os->context, file);
    return size >= LEAST_BYTES;
}

static void remember(etw_follow *follow)
{
    follow->has_identity = false;
    follow->size_bytes = 0;
    (void)look(follow->os, etw_text_z(&follow->path), &follow->identity, &follow->has_identity,
               &follow->size_bytes);
    follow->grown_ns = follow->os->monotonic_ns(follow->os->context);
}

etw_status etw_follow_begin(etw_follow *follow, const etw_os *os, const char *path,
                            etw_error *error)
{
    *follow = (etw_follow){.os = os};
    etw_text_append_z(&follow->path, path);
    if (follow->path.failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a file's name");
    }
    remember(follow);
    return ETW_OK;
}

void etw_follow_free(etw_follow *follow)
{
    etw_text_free(&follow->path);
}

/* Goes on with next, where it has begun. */
static bool go_on(etw_follow *follow, etw_text *next)
{
    etw_file_identity identity;
    bool has_identity;
    uint64_t size_bytes;
    if (!look(follow->os, etw_text_z(next), &identity, &has_identity, &size_bytes)) {
        return false;
    }
    const etw_text before = follow->path;
    follow->path = *next;
    *next = before;
    remember(follow);
    return true;
}

/* Behind a trace that was closed. */
static etw_follow_step look_behind(etw_follow *follow, const etw_follow_state *state)
{
    const numbered n = take_apart(etw_text_z(&follow->path));
    const bool is_series = state->is_etl ? state->is_series && n.digits > 0 : is_segment(&n);
    if (!is_series) {
        return ETW_FOLLOW_OVER;
    }
    etw_text next = {0};
    const bool is_going_on = state->is_etl || is_recording(follow->os, &n);
    const bool is_found = find_successor(follow->os, &n, &next);
    const bool is_taken = is_found && go_on(follow, &next);
    etw_text_free(&next);
    return is_taken ? ETW_FOLLOW_NEXT : is_found || is_going_on ? ETW_FOLLOW_MORE : ETW_FOLLOW_OVER;
}

/* A file that has a successor and does not grow was left open, as by a recorder that was killed. */
static etw_follow_step look_past(etw_follow *follow, const etw_follow_state *state)
{
    const numbered n = take_apart(etw_text_z(&follow->path));
    const int64_t now_ns = follow->os->monotonic_ns(follow->os->context);
    etw_text next = {0};
    if (state->is_etl || !is_segment(&n) || now_ns - follow->grown_ns < ETW_FOLLOW_UNCLOSED_NS ||
        !find_successor(follow->os, &n, &next)) {
        etw_text_free(&next);
        return ETW_FOLLOW_MORE;
    }
    const bool is_taken = go_on(follow, &next); /* next has the name of the one before */
    if (is_taken) {
        etw_tool_say("%s was never closed; going on with %s", etw_text_z(&next),
                     etw_text_z(&follow->path));
    }
    etw_text_free(&next);
    return is_taken ? ETW_FOLLOW_LOST : ETW_FOLLOW_MORE;
}

/* Whether the name still leads to the file that is read. */
static etw_follow_step look_again(etw_follow *follow, const etw_follow_state *state)
{
    etw_file_identity identity = {0};
    bool has_identity = false;
    uint64_t size_bytes = 0;
    const char *path = etw_text_z(&follow->path);
    const bool is_there = look(follow->os, path, &identity, &has_identity, &size_bytes);
    const bool is_other =
        has_identity && follow->has_identity &&
        (identity.volume != follow->identity.volume || identity.file != follow->identity.file);
    if (is_there && (is_other || size_bytes < follow->size_bytes)) {
        etw_tool_say(is_other ? "%s was replaced: reading the new file from its start"
                              : "%s was cut: reading it from its start",
                     path);
        remember(follow);
        return ETW_FOLLOW_LOST;
    }
    if (size_bytes > follow->size_bytes) {
        follow->size_bytes = size_bytes;
        follow->grown_ns = follow->os->monotonic_ns(follow->os->context);
    }
    return look_past(follow, state);
}

etw_follow_step etw_follow_wait(etw_follow *follow, const etw_follow_state *state)
{
    if (etw_follow_is_interrupted()) {
        return ETW_FOLLOW_OVER;
    }
    const etw_follow_step step =
        state->is_complete ? look_behind(follow, state) : look_again(follow, state);
    if (step == ETW_FOLLOW_MORE) {
        etw_follow_pause();
    }
    return step;
}
