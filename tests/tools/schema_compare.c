/* schema_compare TRACE.etl [--also TRACE.etl]... [--manifest PATH]...
 *
 * Prints, for each schema that Windows put into TRACE as a metadata event, its text and the text of
 * the schema that this project makes of the same event: from the EventSource manifests in the
 * traces, and from the manifests given. One line each, tab separated, so that a test can compare:
 *
 *     event PROVIDER ORIGIN ID VERSION WINDOWS OURS
 *     map PROVIDER ORIGIN WINDOWS OURS
 *
 * ORIGIN is "none", and OURS empty, where no manifest knows the event. */
#include "format/etl/etl.h"
#include "format/schema/eventsource.h"
#include "format/schema/schema_files.h"
#include "tests/support/schema_text.h"

#include <stdio.h>
#include <stdlib.h>

enum { OPCODE_EVENT_INFO = 32, OPCODE_MAP_INFO = 33, MAX_BLOBS = 4096 };

typedef struct blob {
    uint8_t opcode;
    etw_bytes bytes;
} blob;

enum { MAX_MANIFESTS = 16 };

typedef struct comparison {
    etw_schema_store *store;
    etw_schema_source *eventsource;
    etw_schema_source *manifests;
    blob blobs[MAX_BLOBS];
    uint32_t blob_count;
    bool learn_only;
} comparison;

static void die(const char *what, const etw_error *error)
{
    fprintf(stderr, "schema_compare: %s: %s\n", what, error->message);
    exit(1);
}

static etw_status scan(void *context, const etw_event_record *record, const etw_trace *trace,
                       etw_error *error)
{
    comparison *self = context;
    (void)trace;
    const bool metadata =
        etw_guid_equal(&record->EventHeader.ProviderId, &etw_metadata_event_class);
    if (metadata && !self->learn_only && self->blob_count < MAX_BLOBS) {
        uint8_t *copy = malloc(record->UserDataLength + (size_t)1);
        if (copy == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory");
        }
        memcpy(copy, record->UserData, record->UserDataLength);
        self->blobs[self->blob_count++] =
            (blob){record->EventHeader.EventDescriptor.Opcode, {copy, record->UserDataLength}};
    }
    return self->eventsource->observe(self->eventsource, self->store, record, error);
}

static void read_trace(comparison *self, const char *path, bool learn_only)
{
    const etw_etl_options options = {.scan = scan, .scan_context = self};
    etw_source *source;
    etw_error error = {0};
    self->learn_only = learn_only;
    if (etw_etl_open(etw_os_default(), path, &options, &source, &error) != ETW_OK) {
        die(path, &error);
    }
    etw_source_close(source);
}

/* What a 32-bit tool wrote says 4 for pointers; ours follows the record. */
static uint32_t pointer_size_of(const etw_tei *tei)
{
    for (uint32_t i = 0; i < tei->info.PropertyCount; i++) {
        const etw_event_property_info property = etw_tei_property(tei, i);
        if ((property.Flags & ETW_PROP_STRUCT) == 0 && property.InType == ETW_IN_POINTER) {
            return property.length;
        }
    }
    return 8;
}

/* What one source makes of the event; NULL where it does not know it. */
static const etw_schema *find(comparison *self, etw_schema_source *source, const etw_tei *tei)
{
    const etw_event_record record = {.EventHeader = {.ProviderId = tei->info.ProviderGuid,
                                                     .EventDescriptor = tei->info.EventDescriptor}};
    const etw_schema *schema = NULL;
    etw_error error = {0};
    if (source->find(source, self->store, &record, pointer_size_of(tei), &schema, &error) !=
        ETW_OK) {
        die("find", &error);
    }
    return schema;
}

static void append_provider(etw_text *text, const etw_tei *tei)
{
    etw_bytes units;
    append_units(text, etw_tei_string(tei, tei->info.ProviderNameOffset, &units), units);
}

static void print_map(const etw_tei *tei, uint32_t name_offset, etw_bytes theirs,
                      const etw_schema *ours)
{
    etw_text windows = {0}, made = {0};
    append_map(&windows, theirs);
    for (uint32_t i = 0; i < ours->map_count; i++) {
        etw_map map;
        etw_bytes name, wanted;
        if (etw_map_open(ours->maps[i], &map, NULL) == ETW_OK &&
            etw_map_string(&map, map.info.NameOffset, &name) &&
            etw_tei_string(tei, name_offset, &wanted) && name.size == wanted.size &&
            memcmp(name.data, wanted.data, name.size) == 0) {
            append_map(&made, ours->maps[i]);
        }
    }
    etw_text provider = {0};
    append_provider(&provider, tei);
    printf("map\t%s\t%s\t%s\t%s\n", etw_text_z(&provider), etw_schema_origin_name(ours->origin),
           etw_text_z(&windows), etw_text_z(&made));
    etw_text_free(&provider);
    etw_text_free(&windows);
    etw_text_free(&made);
}

/* The maps that Windows stored and the event names. */
static void print_maps(const comparison *self, const etw_tei *tei, const etw_schema *ours)
{
    for (uint32_t i = 0; i < tei->info.PropertyCount; i++) {
        const etw_event_property_info property = etw_tei_property(tei, i);
        etw_bytes wanted;
        if ((property.Flags & ETW_PROP_STRUCT) != 0 || property.MapNameOffset == 0 ||
            !etw_tei_string(tei, property.MapNameOffset, &wanted)) {
            continue;
        }
        for (uint32_t j = 0; j < self->blob_count; j++) {
            const etw_bytes payload = self->blobs[j].bytes;
            etw_map map;
            etw_bytes name;
            if (self->blobs[j].opcode != OPCODE_MAP_INFO || payload.size < sizeof(etw_guid) ||
                memcmp(payload.data, &tei->info.ProviderGuid, sizeof(etw_guid)) != 0) {
                continue;
            }
            const etw_bytes theirs = {payload.data + sizeof(etw_guid),
                                      payload.size - sizeof(etw_guid)};
            if (etw_map_open(theirs, &map, NULL) == ETW_OK &&
                etw_map_string(&map, map.info.NameOffset, &name) && name.size == wanted.size &&
                memcmp(name.data, wanted.data, name.size) == 0) {
                print_map(tei, property.MapNameOffset, theirs, ours);
            }
        }
    }
}

static void append_schema(etw_text *line, etw_bytes tei)
{
    append_event(line, tei);
    etw_text_append_z(line, " | ");
    append_properties(line, tei);
}

/* ours: NULL where no source knows the event. */
static void print_event(const comparison *self, const etw_tei *tei, const etw_schema *ours)
{
    const etw_event_descriptor *event = &tei->info.EventDescriptor;
    etw_text line = {0};
    append_provider(&line, tei);
    etw_text_printf(&line, "\t%s\t%u\t%u\t",
                    ours == NULL ? "none" : etw_schema_origin_name(ours->origin), event->Id,
                    event->Version);
    append_schema(&line, tei->bytes);
    etw_text_append_char(&line, '\t');
    if (ours != NULL) {
        append_schema(&line, ours->tei);
    }
    printf("event\t%s\n", etw_text_z(&line));
    etw_text_free(&line);
    if (ours != NULL) {
        print_maps(self, tei, ours);
    }
}

static void compare_event(comparison *self, etw_bytes theirs)
{
    etw_tei tei;
    etw_error error = {0};
    if (etw_tei_open(theirs, &tei, &error) != ETW_OK) {
        die("metadata event", &error);
    }
    const etw_schema *of_trace = find(self, self->eventsource, &tei);
    const etw_schema *of_file = find(self, self->manifests, &tei);
    if (of_trace != NULL) {
        print_event(self, &tei, of_trace);
    }
    if (of_file != NULL || of_trace == NULL) {
        print_event(self, &tei, of_file);
    }
}

int main(int argc, char **argv)
{
    static comparison self;
    etw_error error = {0};
    const char *manifests[MAX_MANIFESTS];
    etw_resolver_options options = {.manifest_paths = manifests};
    self.store = etw_schema_store_new();
    self.eventsource = etw_eventsource_source_new();
    if (argc < 2 || self.store == NULL || self.eventsource == NULL) {
        fprintf(stderr,
                "usage: schema_compare TRACE.etl [--also TRACE.etl]... [--manifest PATH]...\n");
        return 2;
    }
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--also") == 0) {
            read_trace(&self, argv[i + 1], true);
        } else if (options.manifest_path_count < MAX_MANIFESTS) {
            manifests[options.manifest_path_count++] = argv[i + 1];
        }
    }
    if (etw_schema_files_new(&options, NULL, self.store, &self.manifests, &error) != ETW_OK) {
        die("manifest", &error);
    }
    read_trace(&self, argv[1], false);
    for (uint32_t i = 0; i < self.blob_count; i++) {
        if (self.blobs[i].opcode == OPCODE_EVENT_INFO) {
            compare_event(&self, self.blobs[i].bytes);
        }
    }
    for (uint32_t i = 0; i < self.blob_count; i++) {
        free((void *)(uintptr_t)self.blobs[i].bytes.data);
    }
    self.eventsource->free(self.eventsource);
    self.manifests->free(self.manifests);
    etw_schema_store_free(self.store);
    return 0;
}
