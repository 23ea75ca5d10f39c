#include "format/schema/schema_files.h"

#include "format/base/arena.h"
#include "format/base/name_list.h"
#include "format/base/table.h"
#include "format/schema/folder_index.h"
#include "format/schema/schema_choice.h"
#include "format/schema/schema_file.h"
#include "format/schema/system_texts.h"

#include <errno.h>
#include <stdlib.h>

/* Files of one provider that are asked. */
#define MAX_HOLDERS ETW_SCHEMA_MAX_CANDIDATES

/* The files that have one provider, in the order of files. */
typedef struct holders {
    etw_guid provider;
    uint32_t files[MAX_HOLDERS];
    uint32_t count;
} holders;

/* When a definition is asked for: files go before what the trace's EventSources send, but what
 * another trace's EventSources sent, or a MOF class, comes behind what this trace and the built-in
 * table know. */
typedef enum turn { TURN_FIRST, TURN_LAST } turn;

typedef struct schema_files {
    etw_schema_source base;
    etw_schema_file_options file_options;
    void (*note)(void *context, const char *message);
    void *note_context;
    const etw_schema_taker *others; /* while files are gathered; may be NULL */
    etw_error_texts *errors;        /* while files are gathered; NULL: none was found */
    etw_folder_index *index;        /* of the folder that is searched; may be NULL */
    etw_schema_file **files;
    uint32_t count, capacity;
    etw_arena arena;
    etw_table holders; /* provider -> holders */
    etw_schema_choices *choices[TURN_LAST + 1];
} schema_files;

/* The source that is asked last: a view of the other, which owns all. */
typedef struct late_files {
    etw_schema_source base;
    schema_files *files;
} late_files;

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for files of schemas");
}

static void note(const schema_files *self, const char *message)
{
    if (self->note != NULL) {
        self->note(self->note_context, message);
    }
}

/* Gathering. */

typedef struct placing {
    schema_files *self;
    uint32_t file;
    bool failed;
} placing;

static void place(void *into, const etw_guid *provider)
{
    placing *placed = into;
    schema_files *self = placed->self;
    holders *found = etw_table_get(&self->holders, provider, sizeof *provider);
    if (found == NULL) {
        found = etw_arena_alloc(&self->arena, sizeof *found);
        if (found == NULL) {
            placed->failed = true;
            return;
        }
        found->provider = *provider;
        placed->failed |=
            !etw_table_set(&self->holders, &found->provider, sizeof found->provider, found);
    }
    if (found->count < MAX_HOLDERS &&
        (found->count == 0 || found->files[found->count - 1] != placed->file)) {
        found->files[found->count++] = placed->file;
    }
}

static etw_status keep(schema_files *self, etw_schema_file *file, etw_error *error)
{
    if (self->count == self->capacity) {
        const uint32_t capacity = self->capacity == 0 ? 16 : self->capacity * 2;
        etw_schema_file **files = realloc(self->files, capacity * sizeof *files);
        if (files == NULL) {
            etw_schema_file_free(file);
            return no_memory(error);
        }
        self->files = files;
        self->capacity = capacity;
    }
    placing placed = {.self = self, .file = self->count};
    self->files[self->count++] = file;
    etw_schema_file_providers(file, place, &placed);
    return placed.failed ? no_memory(error) : ETW_OK;
}

static bool is_of_other_kind(const schema_files *self, const char *path)
{
    for (uint32_t i = 0; self->others != NULL && self->others->endings[i] != NULL; i++) {
        if (etw_schema_file_ends_with(path, self->others->endings[i])) {
            return true;
        }
    }
    return false;
}

static etw_status give_other(const schema_files *self, const char *path, etw_error *error)
{
    const etw_os *os = self->file_options.os;
    const int file = os->open(os->context, path, ETW_OPEN_READ);
    if (file < 0) {
        return etw_error_set_os(error, -file, "%s: cannot open", path);
    }
    uint8_t *data;
    size_t size;
    etw_status status =
        etw_schema_file_read(os, file, ETW_SCHEMA_FILE_MAX_BYTES, &data, &size, error);
    (void)os->close(os->context, file);
    if (status == ETW_OK) {
        status = self->others->take(self->others->context, path, (etw_bytes){data, size}, error);
    }
    free(data);
    return status == ETW_OK ? ETW_OK : etw_error_wrap(error, status, "%s", path);
}

static etw_status add_file(schema_files *self, const char *path, bool any_file,
                           etw_schema_store *store, etw_error *error)
{
    etw_schema_file *file;
    if (self->count == ETW_SCHEMA_MAX_FILES) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u files of schemas",
                             ETW_SCHEMA_MAX_FILES);
    }
    if (is_of_other_kind(self, path)) {
        if (any_file && self->others->postpone(self->others->context, path)) {
            return ETW_OK;
        }
        return give_other(self, path, error);
    }
    self->file_options.any_file = any_file;
    bool has_texts;
    const etw_status added =
        etw_system_texts_add(&self->errors, path, &self->file_options, &has_texts, error);
    if (added != ETW_OK || (has_texts && !any_file)) {
        return added; /* they have no manifests */
    }
    const etw_status status = etw_folder_index_open_file(any_file ? self->index : NULL, path,
                                                         &self->file_options, store, &file, error);
    if (status != ETW_OK) {
        return status;
    }
    if (etw_schema_file_mended(file) != NULL) {
        etw_text text = {0};
        etw_text_printf(&text, "%s: %s", path, etw_schema_file_mended(file));
        note(self, etw_text_z(&text));
        etw_text_free(&text);
    }
    return keep(self, file, error);
}

static etw_status add_folder(schema_files *self, const char *path, uint32_t depth,
                             etw_schema_store *store, etw_error *error);

/* A file or a folder inside a folder; links and devices are passed over. What fails is told, but
 * for lack of memory. */
static etw_status add_inner(schema_files *self, const char *path, uint32_t depth,
                            etw_schema_store *store, etw_error *error)
{
    const etw_os *os = self->file_options.os;
    const int kind = os->kind(os->context, path);
    etw_error failure = {0};
    etw_status status = ETW_OK;
    if (kind == ETW_PATH_FOLDER && depth < ETW_SCHEMA_MAX_FOLDER_DEPTH) {
        status = add_folder(self, path, depth + 1, store, &failure);
    } else if (kind == ETW_PATH_FILE) {
        status = add_file(self, path, true, store, &failure);
    }
    if (status == ETW_ERROR_NO_MEMORY || self->count == ETW_SCHEMA_MAX_FILES) {
        return etw_error_set(error, status, "%s", failure.message);
    }
    if (status != ETW_OK && status != ETW_ERROR_NOT_THIS) {
        note(self, failure.message);
    }
    return ETW_OK;
}

static etw_status add_listed(schema_files *self, const char *folder, const etw_name_list *list,
                             uint32_t depth, etw_schema_store *store, etw_error *error)
{
    etw_text path = {0};
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < list->count && status == ETW_OK; i++) {
        etw_text_clear(&path);
        etw_text_append_z(&path, folder);
        etw_text_append_char(&path, '/');
        etw_text_append_z(&path, list->names[i]);
        status = path.failed ? no_memory(error)
                             : add_inner(self, etw_text_z(&path), depth, store, error);
    }
    etw_text_free(&path);
    return status;
}

static etw_status add_folder(schema_files *self, const char *path, uint32_t depth,
                             etw_schema_store *store, etw_error *error)
{
    const etw_os *os = self->file_options.os;
    etw_name_list list = {.limit = ETW_SCHEMA_MAX_FILES};
    const int listed = etw_name_list_read(&list, os, path);
    etw_status status = ETW_OK;
    if (listed < 0) {
        status = listed == -ENOTDIR ? ETW_ERROR_NOT_THIS /* the caller's to tell */
                                    : etw_error_set_os(error, -listed, "%s: cannot open", path);
    } else if (list.status != ETW_OK) {
        status = list.status == ETW_ERROR_NO_MEMORY
                     ? etw_error_set(error, list.status, "%s: no memory for its files", path)
                     : etw_error_set(error, list.status, "%s: cannot take all of its files", path);
    } else {
        status = add_listed(self, path, &list, depth, store, error);
    }
    etw_name_list_free(&list);
    return status;
}

static void begin_index(schema_files *self, const char *path)
{
    self->index = etw_folder_index_new(self->file_options.os, path);
}

static void end_index(schema_files *self)
{
    etw_folder_index_finish(self->index, self->note, self->note_context);
    self->index = NULL;
}

static etw_status add_path(schema_files *self, const char *path, etw_schema_store *store,
                           etw_error *error)
{
    begin_index(self, path);
    const etw_status status = add_folder(self, path, 0, store, error);
    end_index(self);
    return status == ETW_ERROR_NOT_THIS ? add_file(self, path, false, store, error) : status;
}

/* Finding. */

/* What files have of one kind of event. */
typedef struct gathering {
    schema_files *self;
    etw_schema_store *store;
    turn turn;
    uint32_t build;
    const etw_event_record *record;
    uint32_t pointer_size;
    etw_candidates found;
} gathering;

static etw_status add_candidate(gathering *g, const etw_schema *schema, const char *from,
                                uint32_t build)
{
    const etw_candidate added = {
        .schema = schema, .from = from, .build = build, .is_own = build != 0 && build == g->build};
    etw_candidates_add(&g->found, &added);
    return ETW_OK;
}

/* A manifest's schema names level, opcode, task and keywords by the record's numbers. Where these
 * are those of the definition, its descriptor becomes the record's, channel and keywords included:
 * a schema from a pack is then the very one that the pack's source gives. */
static bool adopt(const gathering *g, etw_schema *schema, uint8_t **copy)
{
    const etw_event_descriptor *seen = &g->record->EventHeader.EventDescriptor;
    etw_trace_event_info info;
    memcpy(&info, schema->tei.data, sizeof info);
    etw_event_descriptor *own = &info.EventDescriptor;
    if (schema->origin != ETW_SCHEMA_MANIFEST || own->Level != seen->Level ||
        own->Opcode != seen->Opcode || own->Task != seen->Task ||
        memcmp(own, seen, sizeof *own) == 0) {
        return true;
    }
    *copy = malloc(schema->tei.size);
    if (*copy == NULL) {
        return false;
    }
    *own = *seen;
    memcpy(*copy, schema->tei.data, schema->tei.size);
    memcpy(*copy, &info, sizeof info);
    schema->tei.data = *copy;
    return true;
}

static turn turn_of(uint32_t origin)
{
    return origin == ETW_SCHEMA_EVENTSOURCE || origin == ETW_SCHEMA_MOF ? TURN_LAST : TURN_FIRST;
}

static etw_status take_definition(void *context, const etw_schema *schema, const char *from,
                                  uint32_t build, etw_error *error)
{
    gathering *g = context;
    const etw_schema *interned;
    etw_schema adopted = *schema;
    uint8_t *copy = NULL;
    if (turn_of(schema->origin) != g->turn || schema->origin == ETW_SCHEMA_CLASSIC ||
        schema->tei.size < sizeof(etw_trace_event_info)) {
        return ETW_OK; /* the table of classic classes is at hand itself */
    }
    if (!adopt(g, &adopted, &copy)) {
        return no_memory(error);
    }
    const etw_status status = etw_schema_store_intern(g->store, &adopted, &interned, error);
    free(copy);
    return status == ETW_OK ? add_candidate(g, interned, from, build) : status;
}

/* A file that fails is told and has none. */
static etw_status ask_manifests(gathering *g, etw_schema_file *file, etw_error *error)
{
    etw_manifest_set *set;
    etw_error failure = {0};
    const etw_schema *schema;
    const etw_status read = etw_schema_file_set(file, g->store, &set, &failure);
    if (read == ETW_ERROR_NO_MEMORY) {
        return no_memory(error);
    }
    if (read != ETW_OK) {
        note(g->self, failure.message);
    }
    const etw_status status =
        etw_manifest_set_find(set, g->store, g->record, g->pointer_size, &schema, error);
    return status == ETW_OK && schema != NULL
               ? add_candidate(g, schema, etw_schema_file_path(file), etw_schema_file_build(file))
               : status;
}

/* A MOF class holds for higher versions than its own, too. */
static etw_status ask_donor(gathering *g, etw_donor *donor, etw_error *error)
{
    const etw_definition_visitor visitor = {take_definition, g};
    const uint32_t found = g->found.count;
    etw_schema_key key = etw_schema_key_of_record(g->record);
    etw_status status = donor->find(donor, &key, &visitor, error);
    while (g->turn == TURN_LAST && key.form == ETW_KEY_CLASSIC && status == ETW_OK &&
           g->found.count == found && key.version > 0) {
        key.version--;
        status = donor->find(donor, &key, &visitor, error);
    }
    return status;
}

static etw_status ask_file(gathering *g, etw_schema_file *file, etw_error *error)
{
    etw_donor *donor = etw_schema_file_donor(file);
    if (donor != NULL) {
        return ask_donor(g, donor, error);
    }
    return g->turn == TURN_FIRST ? ask_manifests(g, file, error) : ETW_OK;
}

/* An error is told only where no file has a definition. */
static etw_status gather(gathering *g, const holders *from, etw_error *error)
{
    etw_status failed = ETW_OK;
    for (uint32_t i = 0; i < from->count; i++) {
        const etw_status status = ask_file(g, g->self->files[from->files[i]], error);
        failed = status == ETW_OK ? failed : status;
        if (status == ETW_ERROR_NO_MEMORY) {
            return status;
        }
    }
    return g->found.count == 0 ? failed : ETW_OK;
}

/* base: the source that was asked. */
static etw_status find_in_turn(gathering *g, etw_schema_source *base, const etw_schema **schema,
                               etw_error *error)
{
    const etw_guid *provider = &g->record->EventHeader.ProviderId;
    const holders *from = etw_table_get(&g->self->holders, provider, sizeof *provider);
    etw_schema_choices *choices = g->self->choices[g->turn];
    bool is_final;
    *schema = NULL;
    base->is_undecided = false;
    if (from == NULL) {
        return ETW_OK;
    }
    g->build = base->build;
    etw_schema_trial *trial = etw_schema_choices_get(choices, g->record, g->pointer_size, g->build);
    if (trial == NULL) {
        const etw_status status = gather(g, from, error);
        if (status != ETW_OK || g->found.count == 0) {
            return status;
        }
        trial = etw_schema_choices_put(choices, g->record, g->pointer_size, g->build, &g->found);
    }
    if (trial == NULL) {
        return no_memory(error);
    }
    *schema = etw_schema_choose(choices, trial, g->record, &is_final);
    base->is_undecided = !is_final;
    return ETW_OK;
}

static etw_status find(etw_schema_source *base, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    gathering g = {.self = (schema_files *)base,
                   .store = store,
                   .turn = TURN_FIRST,
                   .record = record,
                   .pointer_size = pointer_size};
    return find_in_turn(&g, base, schema, error);
}

static etw_status find_late(etw_schema_source *base, etw_schema_store *store,
                            const etw_event_record *record, uint32_t pointer_size,
                            const etw_schema **schema, etw_error *error)
{
    gathering g = {.self = ((late_files *)base)->files,
                   .store = store,
                   .turn = TURN_LAST,
                   .record = record,
                   .pointer_size = pointer_size};
    return find_in_turn(&g, base, schema, error);
}

static const etw_candidates *candidates(const etw_schema_source *base, const etw_schema *schema,
                                        uint32_t *place)
{
    return etw_schema_choices_of(((const schema_files *)base)->choices[TURN_FIRST], schema, place);
}

static const etw_candidates *candidates_late(const etw_schema_source *base,
                                             const etw_schema *schema, uint32_t *place)
{
    const schema_files *files = ((const late_files *)base)->files;
    return etw_schema_choices_of(files->choices[TURN_LAST], schema, place);
}

/* All of them. */

/* Each event of a manifest, as if a record asked for it. */
static etw_status each_of_set(etw_schema_file *file, etw_schema_store *store,
                              const etw_definition_visitor *visitor, etw_error *error)
{
    etw_manifest_set *set;
    const etw_status status = etw_schema_file_set(file, store, &set, error);
    return status == ETW_OK ? etw_manifest_set_each(set, store, visitor, etw_schema_file_path(file),
                                                    etw_schema_file_build(file), error)
                            : status;
}

/* What is wrong with one file, or one event of it, is told and costs no other. */
static etw_status each(etw_schema_source *base, etw_schema_store *store,
                       const etw_definition_visitor *visitor, etw_error *error)
{
    schema_files *self = (schema_files *)base;
    for (uint32_t i = 0; i < self->count; i++) {
        etw_donor *donor = etw_schema_file_donor(self->files[i]);
        etw_error failure = {0};
        const etw_status status = donor != NULL
                                      ? donor->each(donor, visitor, &failure)
                                      : each_of_set(self->files[i], store, visitor, &failure);
        if (status == ETW_ERROR_NO_MEMORY || status == ETW_ERROR_LIMIT) {
            return etw_error_set(error, status, "%s", failure.message);
        }
        if (status != ETW_OK) {
            note(self, failure.message);
        }
    }
    return ETW_OK;
}

static void free_source(etw_schema_source *base)
{
    schema_files *self = (schema_files *)base;
    for (uint32_t i = 0; i < self->count; i++) {
        etw_schema_file_free(self->files[i]);
    }
    if (self->errors != NULL) {
        self->errors->free(self->errors);
    }
    free(self->files);
    etw_table_free(&self->holders);
    etw_arena_free(&self->arena);
    for (int i = TURN_FIRST; i <= TURN_LAST; i++) {
        etw_schema_choices_free(self->choices[i]);
    }
    free(self);
}

static void free_view(etw_schema_source *base)
{
    free(base);
}

etw_schema_source *etw_schema_files_late(etw_schema_source *files)
{
    late_files *self = calloc(1, sizeof *self);
    if (self != NULL) {
        self->base = (etw_schema_source){.name = "schemas of other traces",
                                         .find = find_late,
                                         .candidates = candidates_late,
                                         .free = free_view};
        self->files = (schema_files *)files;
    }
    return self == NULL ? NULL : &self->base;
}

/* What is named in no call of this program: that something is missing or damaged there must not end
 * it. */
static etw_status add_default(schema_files *self, const char *path, etw_schema_store *store,
                              etw_error *error)
{
    const etw_os *os = self->file_options.os;
    const int kind = os->kind(os->context, path);
    begin_index(self, path);
    const etw_status status = kind == ETW_PATH_FOLDER || kind == ETW_PATH_FILE
                                  ? add_inner(self, path, 0, store, error)
                                  : ETW_OK;
    end_index(self);
    return status;
}

static etw_status add_defaults(schema_files *self, etw_schema_store *store, etw_error *error)
{
    const char separators[2] = {etw_os_path_separator, '\0'};
    etw_status status = ETW_OK;
    char *list = etw_os_environment("ETWCAP_SCHEMAS");
    for (char *at = list; at != NULL && status == ETW_OK;) {
        char *end = at + strcspn(at, separators);
        const bool is_last = *end == '\0';
        *end = '\0';
        status = *at == '\0' ? ETW_OK : add_default(self, at, store, error);
        at = is_last ? NULL : end + 1;
    }
    free(list);
    char *own = etw_os_data_path("etwcap/schemas");
    if (own != NULL && status == ETW_OK) {
        status = add_default(self, own, store, error);
    }
    free(own);
    return status;
}

etw_status etw_schema_files_new(const etw_resolver_options *options, const etw_schema_taker *others,
                                etw_schema_store *store, etw_schema_source **source,
                                etw_error *error)
{
    schema_files *self = calloc(1, sizeof *self);
    *source = NULL;
    if (self == NULL) {
        return no_memory(error);
    }
    self->base = (etw_schema_source){.name = "manifests",
                                     .explains = ETW_EXPLAINS_BOTH,
                                     .find = find,
                                     .each = each,
                                     .candidates = candidates,
                                     .free = free_source};
    self->file_options.os = options->os == NULL ? etw_os_default() : options->os;
    self->file_options.language = options->language;
    self->file_options.open_donor = options->open_donor;
    self->note = options->note;
    self->note_context = options->note_context;
    self->others = others;
    etw_status status = ETW_OK;
    for (int i = TURN_FIRST; i <= TURN_LAST; i++) {
        self->choices[i] = etw_schema_choices_new();
        status = self->choices[i] == NULL ? no_memory(error) : status;
    }
    for (uint32_t i = 0; i < options->manifest_path_count && status == ETW_OK; i++) {
        status = add_path(self, options->manifest_paths[i], store, error);
    }
    if (status == ETW_OK && options->use_defaults) {
        status = add_defaults(self, store, error);
    }
    if (status != ETW_OK) {
        free_source(&self->base);
        return status;
    }
    if (self->errors != NULL) {
        etw_schema_store_set_error_texts(store, self->errors);
        self->errors = NULL;
    }
    self->others = NULL;
    *source = &self->base;
    return ETW_OK;
}
