/* schema_coverage TRACE.etl [--manifest PATH]...
 *
 * Prints how far the schemas of a trace explain its events, one line for each kind of event:
 *
 *     COUNT ORIGIN STATE PROVIDER ID VERSION OPCODE
 *
 * tab separated. ORIGIN is where the schema came from, "none" where there is none. STATE is "whole"
 * where the payload was walked to its last byte, "left" where some of it was left over, "short"
 * where the schema wanted more than there is, "bad" where no plan could be made, "-" without a
 * schema. */
#include "format/base/arena.h"
#include "format/base/table.h"
#include "format/etl/etl.h"
#include "format/event/render/plan.h"
#include "format/schema/resolver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_MANIFESTS = 16 };

typedef struct coverage {
    etw_schema_store *store;
    etw_resolver *resolver;
    etw_plan_cache *plans;
    etw_arena arena;
    etw_table lines; /* the line without its count -> line */
} coverage;

typedef struct line {
    uint64_t count;
    char *text;
} line;

static void die(const char *what, const etw_error *error)
{
    fprintf(stderr, "schema_coverage: %s: %s\n", what, error->message);
    exit(1);
}

static etw_status scan(void *context, const etw_event_record *record, const etw_trace *trace,
                       etw_error *error)
{
    coverage *self = context;
    (void)trace;
    return etw_resolver_observe(self->resolver, record, error);
}

static const char *state_of(coverage *self, const etw_schema *schema,
                            const etw_event_record *record, uint32_t pointer_size)
{
    static const etw_visitor nothing = {0};
    etw_walk_end end;
    if (schema == NULL) {
        return "-";
    }
    const etw_plan *plan = etw_plan_cache_get(self->plans, schema, NULL);
    if (plan == NULL) {
        return "bad";
    }
    etw_ignore(etw_plan_walk(plan, record, pointer_size, &nothing, NULL, &end));
    if (end.short_payload || end.reason != NULL) {
        return "short";
    }
    return end.left_bytes != 0 ? "left" : "whole";
}

static void count(coverage *self, const etw_event_record *record, uint32_t pointer_size)
{
    const etw_event_header *header = &record->EventHeader;
    const etw_schema *schema;
    etw_error error = {0};
    if (etw_resolver_find(self->resolver, record, pointer_size, &schema, &error) != ETW_OK) {
        die("find", &error);
    }
    const char *name = etw_schema_store_provider_name(self->store, &header->ProviderId);
    etw_text text = {0};
    etw_text_printf(&text, "%s\t%s\t",
                    schema == NULL ? "none" : etw_schema_origin_name(schema->origin),
                    state_of(self, schema, record, pointer_size));
    if (name == NULL) {
        etw_text_append_guid(&text, &header->ProviderId);
    } else {
        etw_text_append_z(&text, name);
    }
    etw_text_printf(&text, "\t%u\t%u\t%u", header->EventDescriptor.Id,
                    header->EventDescriptor.Version, header->EventDescriptor.Opcode);
    line *found = etw_table_get(&self->lines, text.data, text.size);
    if (found == NULL) {
        found = etw_arena_alloc(&self->arena, sizeof *found);
        found->text = etw_arena_copy(&self->arena, text.data, text.size);
        (void)etw_table_set(&self->lines, found->text, text.size, found);
    }
    found->count++;
    etw_text_free(&text);
}

static void read_trace(coverage *self, const char *path)
{
    const etw_etl_options options = {.scan = scan, .scan_context = self};
    etw_source *source;
    etw_item item;
    etw_error error = {0};
    if (etw_etl_open(etw_os_default(), path, &options, &source, &error) != ETW_OK) {
        die(path, &error);
    }
    while (etw_source_next(source, &item, &error) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT) {
            const etw_trace *trace = etw_source_trace(source, item.trace_index);
            count(self, item.record, etw_record_pointer_size(item.record, trace->pointer_size));
        }
    }
    etw_source_close(source);
}

int main(int argc, char **argv)
{
    static coverage self;
    const char *manifests[MAX_MANIFESTS];
    etw_resolver_options options = {.manifest_paths = manifests};
    etw_error error = {0};
    for (int i = 2; i + 1 < argc && options.manifest_path_count < MAX_MANIFESTS; i += 2) {
        manifests[options.manifest_path_count++] = argv[i + 1];
    }
    self.store = etw_schema_store_new();
    self.plans = etw_plan_cache_new();
    if (argc < 2 || self.store == NULL || self.plans == NULL) {
        fprintf(stderr, "usage: schema_coverage TRACE.etl [--manifest PATH]...\n");
        return 2;
    }
    if (etw_resolver_new(self.store, &options, &self.resolver, &error) != ETW_OK) {
        die("resolver", &error);
    }
    read_trace(&self, argv[1]);
    for (uint32_t i = 0; i < self.lines.probe.used; i++) {
        const line *at = self.lines.entries[i].value;
        printf("%" PRIu64 "\t%s\n", at->count, at->text);
    }
    fprintf(stderr, "%" PRIu64 " errors %s\n", etw_resolver_error_count(self.resolver),
            etw_resolver_first_error(self.resolver));
    etw_table_free(&self.lines);
    etw_arena_free(&self.arena);
    etw_plan_cache_free(self.plans);
    etw_resolver_free(self.resolver);
    etw_schema_store_free(self.store);
    return 0;
}
