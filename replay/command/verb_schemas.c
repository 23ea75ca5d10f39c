/* schemas: what explains the events of a trace, as text and as JSON. */
#include "format/etwcap/pack_reader.h"
#include "format/input/input.h"
#include "format/output/schema_listing.h"
#include "replay/command/coverage.h"
#include "replay/command/progress.h"
#include "replay/command/schema_lines.h"
#include "replay/command/schema_pack.h"
#include "replay/command/stream.h"
#include "replay/command/tool.h"
#include "replay/command/verbs.h"

/* replay: knows what they were chosen among. */
static etw_status print_store(const etw_schema_store *store, const etw_replay *replay, bool json,
                              etw_stream *stream, etw_error *error)
{
    etw_plan_cache *plans = etw_plan_cache_new();
    etw_status status =
        plans == NULL ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory") : ETW_OK;
    for (uint32_t id = 1; !etw_failed(status) && id <= etw_schema_store_count(store); id++) {
        const etw_schema *schema = etw_schema_store_get(store, id);
        etw_schema_choice choice = {0};
        choice.among = etw_replay_candidates(replay, schema, &choice.place);
        if (choice.among == NULL || choice.among->items[choice.place].was_chosen) {
            status =
                (json ? etw_schema_json : etw_schema_text)(schema, choice, plans, &stream->text);
        }
        status = status != ETW_OK ? etw_error_set(error, status, "no memory to compile a schema")
                                  : etw_stream_flush_chunks(stream, error);
    }
    etw_plan_cache_free(plans);
    return status;
}

/* All schemas of a file: its index tells them; where there is none, or manifests may explain more
 * events, they turn up while the events are read. */
static etw_status read_schemas(const etw_replay_arguments *arguments, etw_replay *replay,
                               const etw_schema_store **store, etw_error *error)
{
    const etw_event *event;
    etw_source *source = etw_replay_source(replay);
    etw_file_summary summary = {0};
    if (!etw_replay_is_etl(replay) && arguments->replay.manifest_path_count == 0) {
        *store = etw_reader_schemas(source);
        const etw_status status = etw_reader_summary(source, &summary, error);
        if (etw_failed(status) || summary.has_index) {
            return status;
        }
    } else {
        *store = etw_replay_schemas(replay);
    }
    etw_status status;
    do {
        status = etw_replay_next(replay, &event, error);
    } while (status == ETW_OK);
    return status == ETW_END ? ETW_OK : status;
}

/* A pack: all of its definitions. */
typedef struct pack_listing {
    etw_stream *stream;
    etw_plan_cache *plans;
    bool json;
} pack_listing;

static etw_status list_definition(void *context, const etw_schema *schema, const char *from,
                                  uint32_t build, etw_error *error)
{
    const pack_listing *to = context;
    const etw_candidates among = {.items[0] = {.from = from, .build = build}, .count = 1};
    const etw_schema_choice choice = {.among = &among};
    const etw_status status = (to->json ? etw_schema_json : etw_schema_text)(
        schema, choice, to->plans, &to->stream->text);
    return status != ETW_OK ? etw_error_set(error, status, "no memory to compile a schema")
                            : etw_stream_flush_chunks(to->stream, error);
}

static etw_status list_pack(etw_donor *pack, bool json, etw_stream *stream, etw_error *error)
{
    pack_listing to = {.stream = stream, .plans = etw_plan_cache_new(), .json = json};
    const etw_definition_visitor visitor = {list_definition, &to};
    const etw_status status = to.plans == NULL
                                  ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory")
                                  : pack->each(pack, &visitor, error);
    etw_plan_cache_free(to.plans);
    return status;
}

/* False where the input is no pack. */
static bool list_as_pack(const etw_replay_arguments *arguments, const etw_input *input,
                         etw_stream *stream, etw_exit *result)
{
    etw_error error = {0};
    etw_donor *pack = NULL;
    etw_schema_store *names = etw_schema_store_new();
    if (names == NULL ||
        etw_pack_open(etw_input_os(input), etw_input_name(input), names, &pack, NULL) != ETW_OK) {
        etw_schema_store_free(names);
        return false;
    }
    const etw_status status = list_pack(pack, arguments->json, stream, &error);
    pack->free(pack);
    etw_schema_store_free(names);
    *result = etw_failed(status) ? etw_tool_fail(&error) : ETW_EXIT_WELL;
    return true;
}

static etw_exit list_one(const etw_replay_arguments *arguments, etw_input *input,
                         etw_stream *stream)
{
    etw_error error = {0};
    etw_exit result;
    if (list_as_pack(arguments, input, stream, &result)) {
        etw_input_close(input);
        return result;
    }
    etw_replay *replay;
    etw_replay_options options = arguments->replay;
    etw_replay_totals totals = {0};
    const etw_schema_store *store;
    etw_status status = etw_tool_open_input(arguments, input, &options, &replay, &error);
    if (!etw_failed(status)) {
        etw_progress progress;
        etw_progress_begin(&progress, arguments, "reading", "B");
        etw_progress_watch(&progress, &input, 1);
        status = read_schemas(arguments, replay, &store, &error);
        etw_progress_end(&progress);
    }
    if (!etw_failed(status)) {
        status = print_store(store, replay, arguments->json, stream, &error);
    }
    if (replay != NULL) {
        etw_replay_get_totals(replay, &totals);
    }
    etw_replay_close(replay);
    return etw_failed(status) ? etw_tool_fail(&error) : etw_tool_conclude(arguments, &totals);
}

typedef struct listing_all {
    const etw_replay_arguments *arguments;
    etw_stream *stream;
    etw_exit result;
} listing_all;

static etw_status take(void *context, etw_input *input, etw_error *error)
{
    listing_all *to = context;
    (void)error;
    to->result = etw_tool_worse(to->result, list_one(to->arguments, input, to->stream));
    return ETW_OK;
}

etw_exit etw_verb_schemas(const etw_replay_arguments *arguments)
{
    if (arguments->export_path != NULL) {
        return etw_schema_pack_export(arguments);
    }
    if (arguments->input_count == 0) {
        etw_tool_say("schemas needs a FILE, or --export");
        return ETW_EXIT_USAGE;
    }
    if (arguments->covers) {
        return etw_coverage_print(arguments);
    }
    etw_error error = {0};
    etw_stream stream;
    listing_all to = {.arguments = arguments, .stream = &stream, .result = ETW_EXIT_WELL};
    etw_status status = etw_stream_open(&stream, etw_os_default(), NULL, false, &error);
    to.result = etw_tool_worse(to.result, etw_tool_each_input(arguments, take, &to));
    status = etw_stream_close(&stream, status, &error);
    return etw_failed(status) ? etw_tool_fail(&error) : to.result;
}
