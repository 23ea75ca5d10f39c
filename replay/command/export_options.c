/* Options about what events are made into, beyond text: see format/output. */
#include "replay/command/options.h"

#define IN(field) ETW_OPTION_STORES(etw_replay_arguments, field)

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
};

const etw_option_section etw_export_options = {"Exports", rows, ETW_COUNT_OF(rows)};
