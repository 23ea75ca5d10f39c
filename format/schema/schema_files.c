#include "format/schema/schema_files.h"

#include <stdlib.h>

#include "format/schema/schema_files_inside.h"

/* The source that is asked last: a view of the other, which owns all. */
typedef struct late_files {
    etw_schema_source base;
    etw_schema_files *files;
} late_files;

etw_status etw_schema_files_no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for files of schemas");
}

void etw_schema_files_note(const etw_schema_files *self, const char *message)
{
    if (self->note != NULL) {
        self->note(self->note_context, message);
    }
}

/* What files have of one kind of event. */
typedef struct gathering {
    etw_schema_files *self;
    etw_schema_store *store;
    etw_schema_turn turn;
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

static etw_schema_turn turn_of(uint32_t origin)
{
    return origin == ETW_SCHEMA_EVENTSOURCE || origin == ETW_SCHEMA_MOF ? ETW_SCHEMA_TURN_LAST
                                                                        : ETW_SCHEMA_TURN_FIRST;
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
        return etw_schema_files_no_memory(error);
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
        return etw_schema_files_no_memory(error);
    }
    if (read != ETW_OK) {
        etw_schema_files_note(g->self, failure.message);
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
    while (g->turn == ETW_SCHEMA_TURN_LAST && key.form == ETW_KEY_CLASSIC && status == ETW_OK &&
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
    return g->turn == ETW_SCHEMA_TURN_FIRST ? ask_manifests(g, file, error) : ETW_OK;
}

/* An error is told only where no file has a definition. */
static etw_status gather(gathering *g, const etw_schema_holders *from, etw_error *error)
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
    const etw_schema_holders *from = etw_table_get(&g->self->holders, provider, sizeof *provider);
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
        return etw_schema_files_no_memory(error);
    }
    *schema = etw_schema_choose(choices, trial, g->record, &is_final);
    base->is_undecided = !is_final;
    return ETW_OK;
}

static etw_status find(etw_schema_source *base, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    gathering g = {.self = (etw_schema_files *)base,
                   .store = store,
                   .turn = ETW_SCHEMA_TURN_FIRST,
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
                   .turn = ETW_SCHEMA_TURN_LAST,
                   .record = record,
                   .pointer_size = pointer_size};
    return find_in_turn(&g, base, schema, error);
}

static const etw_candidates *candidates(const etw_schema_source *base, const etw_schema *schema,
                                        uint32_t *place)
{
    return etw_schema_choices_of(((const etw_schema_files *)base)->choices[ETW_SCHEMA_TURN_FIRST],
                                 schema, place);
}

static const etw_candidates *candidates_late(const etw_schema_source *base,
                                             const etw_schema *schema, uint32_t *place)
{
    const etw_schema_files *files = ((const late_files *)base)->files;
    return etw_schema_choices_of(files->choices[ETW_SCHEMA_TURN_LAST], schema, place);
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
    etw_schema_files *self = (etw_schema_files *)base;
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
            etw_schema_files_note(self, failure.message);
        }
    }
    return ETW_OK;
}

static void free_source(etw_schema_source *base)
{
    etw_schema_files *self = (etw_schema_files *)base;
    for (uint32_t i = 0; i < self->count; i++) {
        etw_schema_file_free(self->files[i]);
    }
    if (self->errors != NULL) {
        self->errors->free(self->errors);
    }
    free(self->files);
    etw_table_free(&self->holders);
    etw_arena_free(&self->arena);
    for (int i = ETW_SCHEMA_TURN_FIRST; i <= ETW_SCHEMA_TURN_LAST; i++) {
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
        self->files = (etw_schema_files *)files;
    }
    return self == NULL ? NULL : &self->base;
}

etw_status etw_schema_files_new(const etw_resolver_options *options, const etw_schema_taker *others,
                                etw_schema_store *store, etw_schema_source **source,
                                etw_error *error)
{
    etw_schema_files *self = calloc(1, sizeof *self);
    *source = NULL;
    if (self == NULL) {
        return etw_schema_files_no_memory(error);
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
    for (int i = ETW_SCHEMA_TURN_FIRST; i <= ETW_SCHEMA_TURN_LAST; i++) {
        self->choices[i] = etw_schema_choices_new();
        status = self->choices[i] == NULL ? etw_schema_files_no_memory(error) : status;
    }
    for (uint32_t i = 0; i < options->manifest_path_count && status == ETW_OK; i++) {
        status = etw_schema_files_add_path(self, options->manifest_paths[i], store, error);
    }
    if (status == ETW_OK && options->use_defaults) {
        status = etw_schema_files_add_defaults(self, store, error);
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
