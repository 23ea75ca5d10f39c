/* A file with the events of one kind: all have one schema, so that its columns have types. */
#ifndef ETW_FORMAT_OUTPUT_KIND_FILE_H
#define ETW_FORMAT_OUTPUT_KIND_FILE_H

#include "format/output/typed_rows.h"

/* What one may hold before it writes: many are open at one time. */
#define ETW_KIND_FILE_BYTES ((size_t)8 << 20)

/* One of them; the first member of each form's own structure. */
typedef struct etw_kind_file etw_kind_file;

typedef struct etw_kind_form {
    const char *ending; /* ".csv" */
    /* plan: of the events, for this call alone; NULL where nothing explains them, or for losses.
     * Appends the beginning. */
    etw_status (*open)(const etw_plan *plan, etw_kind_file **file, etw_text *out, etw_error *error);
    etw_status (*put)(etw_kind_file *file, etw_row *row, etw_text *out, etw_error *error);
    etw_status (*finish)(etw_kind_file *file, etw_text *out, etw_error *error);
    void (*close)(etw_kind_file *file);
} etw_kind_form;

extern const etw_kind_form etw_kind_csv, etw_kind_parquet;

#endif
