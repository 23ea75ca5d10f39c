/* ps and images: the processes that a trace tells of, and what they had loaded. */
#include "format/base/table.h"
#include "format/input/input.h"
#include "format/output/json_writer.h"
#include "replay/command/stream.h"
#include "replay/command/tool.h"
#include "replay/command/verbs.h"
#include "replay/query/state_pass.h"

#include <stdlib.h>

/* Of parents; deeper ones are shown at this depth. */
#define MAX_DEPTH 32u

typedef struct listing {
    const etw_replay_arguments *arguments;
    etw_stream *stream;
    etw_text *text;
    etw_exit result;
    const etw_state *state;
    bool has_at; /* only what lived at that time */
    int64_t at_100ns;
} listing;

static bool lived(const listing *l, int64_t start_100ns, int64_t end_100ns)
{
    return !l->has_at || (start_100ns <= l->at_100ns && l->at_100ns <= end_100ns);
}

static void append_line_text(etw_text *text, const char *utf8)
{
    etw_text_append_utf8(text, (const uint8_t *)utf8, strlen(utf8), ETW_ESCAPE_LINE);
}

/* In a column of that width. */
static void append_column(etw_text *text, const char *utf8, size_t width)
{
    const size_t start = text->size;
    append_line_text(text, utf8);
    while (text->size - start < width && !text->failed) {
        etw_text_append_char(text, ' ');
    }
    etw_text_append_char(text, ' ');
}

static void append_time_column(etw_text *text, bool is_known, int64_t time_100ns)
{
    etw_text time = {0};
    if (is_known) {
        etw_text_append_time(&time, time_100ns);
    } else {
        etw_text_append_char(&time, '-');
    }
    append_column(text, etw_text_z(&time), 28);
    text->failed = text->failed || time.failed;
    etw_text_free(&time);
}

static uint64_t cpu_ms(const listing *l, const etw_state_process *p)
{
    return p->samples * etw_state_sample_100ns(l->state) / 10000u;
}

/* ps. */

/* "[Dnscache,NlaSvc] " */
static void text_services(const listing *l, const char *services)
{
    if (services[0] != '\0') {
        etw_text_append_char(l->text, '[');
        append_line_text(l->text, services);
        etw_text_append_z(l->text, "] ");
    }
}

static void text_process(const listing *l, const etw_state_process *p, uint32_t depth)
{
    etw_text_printf(l->text, "%8u %8u ", p->process_id, p->parent_id);
    if (p->session_id == UINT32_MAX) {
        etw_text_append_z(l->text, "      - ");
    } else {
        etw_text_printf(l->text, "%7u ", p->session_id);
    }
    append_time_column(l->text, p->has_start, p->start_100ns);
    append_time_column(l->text, p->has_end, p->end_100ns);
    etw_text_printf(l->text, "%9llu ", (unsigned long long)p->events);
    if (etw_state_sample_100ns(l->state) != 0) {
        etw_text_printf(l->text, "%8llu ", (unsigned long long)cpu_ms(l, p));
    }
    etw_text_printf(l->text, "%*s", (int)(2 * (depth < MAX_DEPTH ? depth : MAX_DEPTH)), "");
    append_column(l->text, p->name[0] == '\0' ? "?" : p->name, 0);
    append_column(l->text, p->user, 0);
    text_services(l, p->services);
    append_line_text(l->text, p->command_line[0] != '\0' ? p->command_line : p->path);
    while (l->text->size > 0 && l->text->data[l->text->size - 1] == ' ') {
        l->text->size--;
    }
    etw_text_append_char(l->text, '\n');
}

static void json_process(const listing *l, const etw_state_process *p, uint32_t depth)
{
    const etw_state_process *parent = etw_state_parent(l->state, p);
    (void)depth;
    etw_json_open(l->text, NULL, '{');
    etw_json_u64(l->text, "ProcessId", p->process_id);
    etw_json_u64(l->text, "ParentId", p->parent_id);
    etw_json_string_if_any(l->text, "ProcessName", p->name);
    etw_json_string_if_any(l->text, "ParentName", parent == NULL ? "" : parent->name);
    if (p->has_start) {
        etw_json_time(l->text, "Start", p->start_100ns);
    }
    if (p->has_end) {
        etw_json_time(l->text, "End", p->end_100ns);
    }
    if (p->has_exit_status) {
        etw_json_u64(l->text, "ExitStatus", p->exit_status);
    }
    if (p->session_id != UINT32_MAX) {
        etw_json_u64(l->text, "SessionId", p->session_id);
    }
    if (p->start_key != 0) {
        etw_json_u64(l->text, "StartKey", p->start_key);
    }
    etw_json_string_if_any(l->text, "User", p->user);
    etw_json_string_if_any(l->text, "Services", p->services);
    etw_json_string_if_any(l->text, "Image", p->path);
    etw_json_string_if_any(l->text, "CommandLine", p->command_line);
    etw_json_u64(l->text, "Events", p->events);
    if (etw_state_sample_100ns(l->state) != 0) {
        etw_json_u64(l->text, "Samples", p->samples);
        etw_json_u64(l->text, "CpuMilliseconds", cpu_ms(l, p));
    }
    if (p->host != 0) {
        etw_json_u64(l->text, "Host", p->host + 1u);
    }
    etw_json_close(l->text, '}');
    etw_text_append_char(l->text, '\n');
}

static etw_status take_process(const listing *l, const etw_state_process *process, uint32_t depth,
                               etw_error *error)
{
    if (!lived(l, process->start_100ns, process->end_100ns)) {
        return ETW_OK;
    }
    (l->arguments->json ? json_process : text_process)(l, process, depth);
    return etw_stream_flush_chunks(l->stream, error);
}

/* The tree: each process below its parent, in the order of the trace. */

typedef struct node {
    const etw_state_process *process;
    struct node *parent, *first_child, *last_child, *sibling;
} node;

/* So far up is looked for a loop, which only a hostile trace has. */
#define MAX_CLIMB 256u

static bool is_above(const node *below, const node *above)
{
    uint32_t steps = 0;
    for (const node *n = below; n != NULL; n = n->parent, steps++) {
        if (n == above || steps == MAX_CLIMB) {
            return true;
        }
    }
    return false;
}

static void adopt(node *parent, node *child)
{
    if (parent->last_child != NULL) {
        parent->last_child->sibling = child;
    } else {
        parent->first_child = child;
    }
    parent->last_child = child;
    child->parent = parent->process == NULL ? NULL : parent;
}

/* nodes[0] is above all. */
static bool grow_tree(const listing *l, node *nodes)
{
    etw_table table = {0};
    size_t count = 0;
    bool is_well = true;
    for (const etw_state_process *p = etw_state_first_process(l->state); p != NULL; p = p->next) {
        node *n = &nodes[++count];
        n->process = p;
        is_well = is_well && etw_table_set(&table, &n->process, sizeof n->process, n);
    }
    for (size_t i = 1; is_well && i <= count; i++) {
        const etw_state_process *parent = etw_state_parent(l->state, nodes[i].process);
        node *above = parent == NULL ? NULL : etw_table_get(&table, &parent, sizeof parent);
        adopt(above == NULL || is_above(above, &nodes[i]) ? &nodes[0] : above, &nodes[i]);
    }
    etw_table_free(&table);
    return is_well;
}

static etw_status walk_tree(const listing *l, const node *root, etw_error *error)
{
    uint32_t depth = 0;
    const node *n = root->first_child;
    etw_status status = ETW_OK;
    while (n != NULL && status == ETW_OK) {
        status = take_process(l, n->process, depth, error);
        if (n->first_child != NULL) {
            n = n->first_child;
            depth++;
            continue;
        }
        while (n != NULL && n->sibling == NULL) {
            n = n->parent;
            depth -= depth > 0 ? 1 : 0;
        }
        n = n == NULL ? NULL : n->sibling;
    }
    return status;
}

static etw_status list_tree(const listing *l, etw_error *error)
{
    etw_state_totals totals;
    etw_state_get_totals(l->state, &totals);
    node *nodes = calloc((size_t)totals.processes + 1, sizeof *nodes);
    const bool is_well = nodes != NULL && grow_tree(l, nodes);
    const etw_status status =
        is_well ? walk_tree(l, &nodes[0], error)
                : etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a tree of processes");
    free(nodes);
    return status;
}

static etw_status list_processes(listing *l, etw_error *error)
{
    if (!l->arguments->json) {
        etw_text_printf(l->text, "%8s %8s %7s %-28s %-28s %9s %s%s\n", "PID", "PARENT", "SESSION",
                        "START", "END", "EVENTS",
                        etw_state_sample_100ns(l->state) != 0 ? "  CPU-MS " : "",
                        "NAME USER COMMAND");
    }
    if (l->arguments->tree) {
        return list_tree(l, error);
    }
    etw_status status = ETW_OK;
    for (const etw_state_process *p = etw_state_first_process(l->state);
         p != NULL && status == ETW_OK; p = p->next) {
        status = take_process(l, p, 0, error);
    }
    return status;
}

/* images. */

static void text_image(const listing *l, const etw_state_image *image, const char *process)
{
    etw_text_printf(l->text, "%8u ", image->process_id);
    append_column(l->text, process, 16);
    etw_text_printf(l->text, "0x%016llX %9llu ", (unsigned long long)image->base,
                    (unsigned long long)image->size);
    append_time_column(l->text, image->has_load, image->load_100ns);
    append_time_column(l->text, image->has_unload, image->unload_100ns);
    append_line_text(l->text, image->path);
    etw_text_append_char(l->text, '\n');
}

static void json_image(const listing *l, const etw_state_image *image, const char *process)
{
    etw_json_open(l->text, NULL, '{');
    etw_json_u64(l->text, "ProcessId", image->process_id);
    etw_json_string_if_any(l->text, "ProcessName", process);
    etw_json_printf(l->text, "Base", "0x%llX", (unsigned long long)image->base);
    etw_json_u64(l->text, "Size", image->size);
    etw_json_string_if_any(l->text, "Image", image->path);
    if (image->has_load) {
        etw_json_time(l->text, "Load", image->load_100ns);
    }
    if (image->has_unload) {
        etw_json_time(l->text, "Unload", image->unload_100ns);
    }
    if (image->time_date_stamp != 0) {
        etw_json_u64(l->text, "TimeDateStamp", image->time_date_stamp);
    }
    if (image->checksum != 0) {
        etw_json_u64(l->text, "Checksum", image->checksum);
    }
    if (image->pdb_name[0] != '\0') {
        etw_json_string(l->text, "PdbName", image->pdb_name);
        etw_json_guid(l->text, "PdbGuid", &image->pdb_guid);
        etw_json_u64(l->text, "PdbAge", image->pdb_age);
    }
    etw_json_close(l->text, '}');
    etw_text_append_char(l->text, '\n');
}

/* The kernel's own images are of the process System. */
static const char *name_of(const listing *l, const etw_state_image *image)
{
    const int64_t time_100ns = image->has_load     ? image->load_100ns
                               : image->has_unload ? image->unload_100ns
                                                   : INT64_MAX;
    const etw_state_process *p =
        etw_state_process_at(l->state, image->host, image->process_id, time_100ns);
    if (image->process_id == 0) {
        return "System";
    }
    return p == NULL ? "" : p->name;
}

static etw_status list_images(listing *l, etw_error *error)
{
    etw_status status = ETW_OK;
    if (!l->arguments->json) {
        etw_text_printf(l->text, "%8s %-16s %-18s %9s %-28s %-28s %s\n", "PID", "PROCESS", "BASE",
                        "SIZE", "LOAD", "UNLOAD", "IMAGE");
    }
    for (const etw_state_image *image = etw_state_first_image(l->state);
         image != NULL && status == ETW_OK; image = image->next) {
        const char *process = name_of(l, image);
        const char *wanted = l->arguments->process;
        if (lived(l, image->load_100ns, image->unload_100ns) &&
            (wanted == NULL || strcasecmp(process, wanted) == 0)) {
            (l->arguments->json ? json_image : text_image)(l, image, process);
            status = etw_stream_flush_chunks(l->stream, error);
        }
    }
    return status;
}

/* Both. */

static etw_status find_time(listing *l, etw_input *input, etw_error *error)
{
    l->has_at = l->arguments->at != NULL;
    return l->has_at ? etw_tool_time(l->arguments->at, input, &l->at_100ns, error) : ETW_OK;
}

static void say_dropped(const listing *l)
{
    etw_state_totals totals;
    etw_state_get_totals(l->state, &totals);
    if (totals.dropped > 0) {
        etw_tool_say("%llu processes, threads, images and names are above the limits: they are not "
                     "listed, or without their names",
                     (unsigned long long)totals.dropped);
    }
}

static void append_totals(const listing *l)
{
    etw_state_totals t;
    etw_state_get_totals(l->state, &t);
    etw_text_printf(l->text,
                    "%llu processes, %llu defunct, %llu threads, %llu images, %llu of them the "
                    "kernel's\n",
                    (unsigned long long)t.processes, (unsigned long long)t.defunct,
                    (unsigned long long)t.threads, (unsigned long long)t.images,
                    (unsigned long long)t.kernel_images);
}

static etw_status take_input(listing *l, etw_input *input, bool is_ps, etw_error *error)
{
    etw_state *state = NULL;
    etw_status status = find_time(l, input, error);
    if (!etw_failed(status)) {
        const etw_state_pass pass = {.input = input, .depth = ETW_STATE_IMAGES, .counts = is_ps};
        status = etw_state_read(&pass, &state, NULL, error);
    }
    if (!etw_failed(status)) {
        l->state = state;
        status = is_ps ? list_processes(l, error) : list_images(l, error);
        say_dropped(l);
        if (is_ps && !l->arguments->json && !etw_failed(status)) {
            append_totals(l);
        }
    }
    etw_state_free(state);
    etw_input_close(input);
    return status;
}

static etw_status take_ps(void *context, etw_input *input, etw_error *error)
{
    return take_input(context, input, true, error);
}

static etw_status take_images(void *context, etw_input *input, etw_error *error)
{
    return take_input(context, input, false, error);
}

static etw_exit list(const etw_replay_arguments *arguments,
                     etw_status (*take)(void *context, etw_input *input, etw_error *error))
{
    etw_error error = {0};
    etw_stream stream;
    listing l = {.arguments = arguments, .stream = &stream, .text = &stream.text};
    etw_status status = etw_stream_open(&stream, etw_os_default(), NULL, false, &error);
    l.result = etw_tool_each_input(arguments, take, &l);
    status = etw_stream_close(&stream, status, &error);
    return etw_failed(status) ? etw_tool_fail(&error) : l.result;
}

etw_exit etw_verb_ps(const etw_replay_arguments *arguments)
{
    return list(arguments, take_ps);
}

etw_exit etw_verb_images(const etw_replay_arguments *arguments)
{
    return list(arguments, take_images);
}
