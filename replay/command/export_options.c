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

static const etw_option_word layouts[] = {
    {"registered", ETW_PCAPNG_REGISTERED}, {"2026", ETW_PCAPNG_PARTS}, {NULL, 0}};

static const etw_option_word partitions[] = {{"host", ETW_PARTITION_HOST},
                                             {"provider", ETW_PARTITION_PROVIDER},
                                             {"date", ETW_PARTITION_DATE},
                                             {NULL, 0}};

static etw_status take_partition(const etw_option_use *use, const char *part, void *context)
{
    etw_replay_arguments *arguments = context;
    uint32_t word = 0;
    if (!etw_option_word_find(partitions, part, &word)) {
        return etw_option_bad_value(use, "host, provider, date, or some with commas between");
    }
    arguments->rendering.partition |= word;
    arguments->per_event = true;
    return ETW_OK;
}

static etw_status apply_partition(const etw_option_use *use)
{
    return etw_option_each_part(use, use->value, use->arguments, take_partition);
}

static const etw_option rows[] = {
    {.name = "per-event",
     .help = "write a folder with a table for each kind of event, of columns with types: Parquet, "
             "or with --format csv",
     .group = ETW_TAKES_EXPORT,
     IN(per_event)},
    {.name = "partition",
     .value = "WHAT[,...]",
     .help = "the same, in folders by host, provider or date: date=2024-05-01/...",
     .group = ETW_TAKES_EXPORT,
     .apply = apply_partition},
    {.name = "packets",
     .help = "write the network packets of PktMon and NDIS-PacketCapture (.pcapng): as --format "
             "packets",
     .group = ETW_TAKES_EXPORT,
     IN(packets)},
    {.name = "all-components",
     .help = "with --packets: each packet as often as it was logged, not once",
     .group = ETW_TAKES_EXPORT,
     IN(rendering.all_components)},
    {.name = "compressed-buffers",
     .help = "with .etl: compressed as Windows 8 and later can; some readers cannot",
     .group = ETW_TAKES_EXPORT,
     IN(rendering.compressed_buffers)},
    {.name = "pcapng-layout",
     .value = "LAYOUT",
     .help = "of events for Wireshark: registered (default: 3.6 to 4.6) or 2026 (its main branch)",
     .group = ETW_TAKES_EXPORT,
     .words = layouts,
     IN(rendering.pcapng_layout)},
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
