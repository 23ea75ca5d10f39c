/* schemas --coverage: how many events of each trace a schema explains, to their last byte or not,
 * by where the schemas came from. */
#ifndef ETW_REPLAY_COVERAGE_H
#define ETW_REPLAY_COVERAGE_H

#include "replay/command/arguments.h"

etw_exit etw_coverage_print(const etw_replay_arguments *arguments);

#endif
