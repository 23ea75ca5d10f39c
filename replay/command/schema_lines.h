/* The schemas of a trace as lines of JSON, for comparing: in the order of what they describe. */
#ifndef ETW_REPLAY_SCHEMA_LINES_H
#define ETW_REPLAY_SCHEMA_LINES_H

#include "format/base/json_reader.h"
#include "replay/replay.h"

#define ETW_SCHEMA_LINES_MAX ((uint32_t)1 << 16)

typedef struct etw_schema_lines {
    char **lines; /* owned, NUL terminated, as is each line */
    uint32_t count;
    uint32_t given; /* for whoever takes one after the other */
} etw_schema_lines;

/* Zeroed before. size: of the line. */
etw_status etw_schema_lines_add(etw_schema_lines *lines, const char *line, size_t size,
                                etw_error *error);
/* Reads all events; then adds what explained them. */
etw_status etw_schema_lines_of_replay(etw_schema_lines *lines, etw_replay *replay,
                                      etw_error *error);
/* By provider, class, id, version and name. ETW_ERROR_DAMAGED: one is no JSON. */
etw_status etw_schema_lines_sort(etw_schema_lines *lines, etw_error *error);
void etw_schema_lines_free(etw_schema_lines *lines);

#endif
