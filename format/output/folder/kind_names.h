/* Where the files of a data set lie: host=H/provider=P/date=D/Provider.Event.parquet, in the
 * folders that engines take for columns (Hive's partitions). */
#ifndef ETW_FORMAT_OUTPUT_KIND_NAMES_H
#define ETW_FORMAT_OUTPUT_KIND_NAMES_H

#include "format/output/event_rows.h"
#include "format/output/unique_names.h"

#define ETW_KIND_NAME_BYTES 100u

/* Appends the folders, each with / behind it. */
void etw_kind_folders_append(const etw_output_options *options, const etw_row *row, etw_text *path);
/* Appends the file's name to a path, without its ending, as none that was given before in the same
 * folder: names differ in more than their case. */
void etw_kind_name_append(etw_unique_names *given, const etw_row *row, etw_text *path);

#endif
