#include "format/schema/schema_files.h"

#include "format/base/arena.h"
#include "format/base/table.h"
#include "format/event/render/plan.h"
#include "format/schema/schema_file.h"

#include <errno.h>
#include <stdlib.h>

/* The files that have one provider, in the order of files. */
typedef struct holders {
    etw_guid provider;
    uint32_t files[ETW_SCHEMA_MAX_CANDIDATES];
    uint32_t count;
} holders;

typedef struct trial_key {
    etw_guid provider;
    uint16_t id;
    uint8_t version;
    uint8_t pointer_size;
} trial_key;

/* How often each definition of an event fitted. */
typedef struct trial {
    trial_key key;
    uint32_t seen;
    uint32_t fitted[ETW_SCHEMA_MAX_CANDIDATES]; /* by place in holders */
} trial;

typedef struct schema_files {
    etw_schema_source base;
    etw_schema_file_options file_options;
    void (*note)(void *context, const char *message);
    void *note_context;
    const etw_schema_taker *others; /* while files are gathered; may be NULL */
    etw_schema_file **files;
    uint32_t count, capacity;
    etw_arena arena;
    etw_table holders; /* provider -> holders */
    etw_table trials;  /* trial_key -> trial */
    etw_plan_cache *plans;
} schema_files;

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
    if (found->count < ETW_SCHEMA_MAX_CANDIDATES &&
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
        return give_other(self, path, error);
    }
    self->file_options.any_file = any_file;
    const etw_status status = etw_schema_file_open(path, &self->file_options, store, &file, error);
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

/* The names in a folder. */
typedef struct name_list {
    char **names;
    uint32_t count;
    uint32_t capacity;
    etw_status status;
} name_list;

static void take_name(void *into, const char *name)
{
    name_list *list = into;
    if (list->status != ETW_OK || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return;
    }
    if (list->count == ETW_SCHEMA_MAX_FILES) {
        list->status = ETW_ERROR_LIMIT;
        return;
    }
    if (list->count == list->capacity) {
        const uint32_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        char **names = realloc(list->names, capacity * sizeof *names);
        if (names == NULL) {
            list->status = ETW_ERROR_NO_MEMORY;
            return;
        }
        list->names = names;
        list->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        list->status = ETW_ERROR_NO_MEMORY;
        return;
    }
    list->names[list->count++] = copy;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(name_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        free(list->names[i]);
    }
    free(list->names);
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

static etw_status add_listed(schema_files *self, const char *folder, const name_list *list,
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
    name_list list = {0};
    const int listed = os->list == NULL ? -ENOTDIR : os->list(os->context, path, take_name, &list);
    etw_status status = ETW_OK;
    if (listed < 0) {
        status = listed == -ENOTDIR ? ETW_ERROR_NOT_THIS /* the caller's to tell */
                                    : etw_error_set_os(error, -listed, "%s: cannot open", path);
    } else if (list.status != ETW_OK) {
        status = etw_error_set(error, list.status, "%s: cannot take all of its files", path);
    } else if (list.count > 0) {
        qsort(list.names, list.count, sizeof *list.names, compare_names);
        status = add_listed(self, path, &list, depth, store, error);
    }
    free_names(&list);
    return status;
}

static etw_status add_path(schema_files *self, const char *path, etw_schema_store *store,
                           etw_error *error)
{
    const etw_status status = add_folder(self, path, 0, store, error);
    return status == ETW_ERROR_NOT_THIS ? add_file(self, path, false, store, error) : status;
}

/* Finding. */

/* Whether the definition consumes the payload to its last byte. */
static bool fits(schema_files *self, const etw_schema *schema, const etw_event_record *record,
                 uint32_t pointer_size)
{
    static const etw_visitor nothing = {0};
    etw_walk_end end;
    const etw_plan *plan = etw_plan_cache_get(self->plans, schema, NULL);
    if (plan == NULL) {
        return false;
    }
    return etw_plan_walk(plan, record, pointer_size, &nothing, NULL, &end) == ETW_OK &&
           !end.short_payload && end.reason == NULL && end.left_bytes == 0;
}

typedef struct candidates {
    const etw_schema *schemas[ETW_SCHEMA_MAX_CANDIDATES]; /* by place in holders; NULL: none */
    uint32_t count;                                       /* different ones */
    uint32_t first;                                       /* the first that is there */
} candidates;

/* A file that fails is told and has none. */
static etw_status ask_file(schema_files *self, etw_schema_file *file, etw_schema_store *store,
                           const etw_event_record *record, uint32_t pointer_size,
                           const etw_schema **schema, etw_error *error)
{
    etw_manifest_set *set;
    etw_error failure = {0};
    const etw_status read = etw_schema_file_set(file, store, &set, &failure);
    if (read == ETW_ERROR_NO_MEMORY) {
        return no_memory(error);
    }
    if (read != ETW_OK) {
        note(self, failure.message);
    }
    return etw_manifest_set_find(set, store, record, pointer_size, schema, error);
}

/* An error is told only where no file has a definition. */
static etw_status gather(schema_files *self, const holders *from, etw_schema_store *store,
                         const etw_event_record *record, uint32_t pointer_size, candidates *found,
                         etw_error *error)
{
    etw_status failed = ETW_OK;
    for (uint32_t i = 0; i < from->count; i++) {
        const etw_schema *schema = NULL;
        const etw_status status = ask_file(self, self->files[from->files[i]], store, record,
                                           pointer_size, &schema, error);
        failed = status == ETW_OK ? failed : status;
        if (status == ETW_ERROR_NO_MEMORY) {
            return status;
        }
        bool is_new = status == ETW_OK && schema != NULL;
        found->schemas[i] = is_new ? schema : NULL;
        for (uint32_t before = 0; before < i && is_new; before++) {
            is_new = found->schemas[before] != schema;
        }
        if (is_new && found->count++ == 0) {
            found->first = i;
        }
    }
    return found->count == 0 ? failed : ETW_OK;
}

static trial *trial_of(schema_files *self, const etw_event_record *record, uint32_t pointer_size)
{
    const etw_event_descriptor *seen = &record->EventHeader.EventDescriptor;
    const trial_key key = {record->EventHeader.ProviderId, seen->Id, seen->Version,
                           (uint8_t)pointer_size};
    trial *found = etw_table_get(&self->trials, &key, sizeof key);
    if (found == NULL) {
        found = etw_arena_alloc(&self->arena, sizeof *found);
        if (found != NULL) {
            found->key = key;
            if (!etw_table_set(&self->trials, &found->key, sizeof found->key, found)) {
                return NULL;
            }
        }
    }
    return found;
}

/* Whether definition a, which fitted this event or not, goes before b. */
static bool is_better(const schema_files *self, const holders *from, const trial *tried,
                      const bool *fitted, uint32_t a, uint32_t b)
{
    if (fitted[a] != fitted[b]) {
        return fitted[a];
    }
    const bool own_a = self->base.build != 0 &&
                       etw_schema_file_build(self->files[from->files[a]]) == self->base.build;
    const bool own_b = self->base.build != 0 &&
                       etw_schema_file_build(self->files[from->files[b]]) == self->base.build;
    if (own_a != own_b) {
        return own_a;
    }
    return tried->fitted[a] > tried->fitted[b];
}

static const etw_schema *choose(schema_files *self, const holders *from, const candidates *found,
                                trial *tried, const etw_event_record *record, uint32_t pointer_size)
{
    bool fitted[ETW_SCHEMA_MAX_CANDIDATES] = {false};
    const bool is_trial = tried->seen < ETW_SCHEMA_TRIALS;
    for (uint32_t i = 0; i < from->count && is_trial; i++) {
        fitted[i] =
            found->schemas[i] != NULL && fits(self, found->schemas[i], record, pointer_size);
        tried->fitted[i] += fitted[i];
    }
    tried->seen += is_trial;
    uint32_t best = found->first;
    for (uint32_t i = best + 1; i < from->count; i++) {
        if (found->schemas[i] != NULL && is_better(self, from, tried, fitted, i, best)) {
            best = i;
        }
    }
    self->base.is_undecided = is_trial;
    return found->schemas[best];
}

static etw_status find(etw_schema_source *base, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    schema_files *self = (schema_files *)base;
    const etw_guid *provider = &record->EventHeader.ProviderId;
    const holders *from = etw_table_get(&self->holders, provider, sizeof *provider);
    candidates found = {0};
    *schema = NULL;
    base->is_undecided = false;
    if (from == NULL) {
        return ETW_OK;
    }
    const etw_status status = gather(self, from, store, record, pointer_size, &found, error);
    if (status != ETW_OK || found.count == 0) {
        return status;
    }
    *schema = found.schemas[found.first];
    if (found.count > 1) {
        trial *tried = trial_of(self, record, pointer_size);
        if (tried == NULL) {
            return no_memory(error);
        }
        *schema = choose(self, from, &found, tried, record, pointer_size);
    }
    return ETW_OK;
}

static void free_source(etw_schema_source *base)
{
    schema_files *self = (schema_files *)base;
    for (uint32_t i = 0; i < self->count; i++) {
        etw_schema_file_free(self->files[i]);
    }
    free(self->files);
    etw_table_free(&self->holders);
    etw_table_free(&self->trials);
    etw_arena_free(&self->arena);
    etw_plan_cache_free(self->plans);
    free(self);
}

/* What is named in no call of this program: that something is missing or damaged there must not end
 * it. */
static etw_status add_default(schema_files *self, const char *path, etw_schema_store *store,
                              etw_error *error)
{
    const etw_os *os = self->file_options.os;
    const int kind = os->kind(os->context, path);
    return kind == ETW_PATH_FOLDER || kind == ETW_PATH_FILE ? add_inner(self, path, 0, store, error)
                                                            : ETW_OK;
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
    self->base = (etw_schema_source){.name = "manifests", .find = find, .free = free_source};
    self->file_options.os = options->os == NULL ? etw_os_default() : options->os;
    self->file_options.language = options->language;
    self->note = options->note;
    self->note_context = options->note_context;
    self->others = others;
    self->plans = etw_plan_cache_new();
    etw_status status = self->plans == NULL ? no_memory(error) : ETW_OK;
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
    self->others = NULL;
    *source = &self->base;
    return ETW_OK;
}
