/* Options about what events are made into, beyond text: see format/output. */
#include "replay/command/options.h"

#define IN(field) ETW_OPTION_STORES(etw_replay_arguments, field)

static etw_status apply_weight(const etw_option_use *use)
{
    etw_replay_arguments *arguments = use->arguments;
    etw_output_options *rendering = &arguments->rendering;
    if (strcmp(use->value, "count") == 0) {
        rendering->stack_weight = ETW_STACK_WEIGHT_COUNT;
    } else if (strcmp(use->value, "time") == 0) {
        rendering->stack_weight = ETW_STACK_WEIGHT_TIME;
    } else {
        rendering->stack_weight = ETW_STACK_WEIGHT_PROPERTY;
        rendering->stack_property = use->value;
    }
    return ETW_OK;
}

static etw_status apply_counter(const etw_option_use *use)
{
    etw_replay_arguments *arguments = use->arguments;
    const etw_status status = etw_arguments_add_string(
        &arguments->counters, &arguments->rendering.counter_count, use->value, use->error);
    arguments->rendering.counters = arguments->counters;
    return status;
}

static const etw_option rows[] = {
    {.name = "packets",
     .help = "write the network packets of PktMon and NDIS-PacketCapture (.pcapng): as --format "
             "packets",
     .group = ETW_TAKES_EXPORT,
     IN(packets)},
    {.name = "all-components",
     .help = "with --packets: each packet as often as it was logged, not once",
     .group = ETW_TAKES_EXPORT,
     IN(rendering.all_components)},
    {.name = "weight",
     .value = "WHAT",
     .help = "what stacks are weighed by (folded, speedscope): count (default), time (of CPU "
             "samples), or a property that is a number",
     .group = ETW_TAKES_EXPORT,
     .apply = apply_weight},
    {.name = "counter",
     .value = "PROPERTY",
     .help = "a number to be drawn as a curve (chrome, perfetto); repeatable",
     .group = ETW_TAKES_EXPORT,
     .apply = apply_counter},
};

const etw_option_section etw_export_options = {"Exports", rows, ETW_COUNT_OF(rows)};
