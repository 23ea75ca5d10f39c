/* Lives of processes and threads. */
#include "replay/query/state_lives.h"

#include <stdlib.h>

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
        etw_state_new_life(state, sizeof *p, state->totals.processes, ETW_STATE_MAX_PROCESSES);
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
    etw_state_take_text(&p->name, told->name);
    etw_state_take_text(&p->path, told->path);
    etw_state_take_text(&p->command_line, told->command_line);
    etw_state_take_text(&p->user, told->user);
    p->start_key = told->start_key != 0 ? told->start_key : p->start_key;
    learn_service(state, p, told->service);
}

/* The life that a start begins: a new one, but where another provider has told of the same. */
static etw_state_process *started(etw_state *state, uint16_t host, uint32_t id, int64_t time_100ns)
{
    etw_state_process *p = etw_life_newest(&state->processes, etw_life_key(host, id));
    if (p != NULL && p->has_start && etw_state_is_same(p->start_100ns, time_100ns)) {
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
    etw_thread_life *t =
        etw_state_new_life(state, sizeof *t, state->totals.threads, ETW_STATE_MAX_THREADS);
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
            etw_state_is_same(t->start_100ns, time_100ns)) {
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
