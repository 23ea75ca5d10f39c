/* What is kept of the files that give schemas; for schema_files.c and schema_paths.c only. */
#ifndef ETW_FORMAT_SCHEMA_SCHEMA_FILES_INSIDE_H
#define ETW_FORMAT_SCHEMA_SCHEMA_FILES_INSIDE_H

#include "format/base/arena.h"
#include "format/base/table.h"
#include "format/event/error_texts.h"
#include "format/schema/folder_index.h"
#include "format/schema/schema_choice.h"
#include "format/schema/schema_file.h"
#include "format/schema/schema_files.h"

/* Files of one provider that are asked. */
#define ETW_SCHEMA_MAX_HOLDERS ETW_SCHEMA_MAX_CANDIDATES

/* The files that have one provider, in the order of files. */
typedef struct etw_schema_holders {
    etw_guid provider;
    uint32_t files[ETW_SCHEMA_MAX_HOLDERS];
    uint32_t count;
} etw_schema_holders;

/* When a definition is asked for: files go before what the trace's EventSources send, but what
 * another trace's EventSources sent, or a MOF class, comes behind what this trace and the built-in
 * table know. */
typedef enum etw_schema_turn { ETW_SCHEMA_TURN_FIRST, ETW_SCHEMA_TURN_LAST } etw_schema_turn;

typedef struct etw_schema_files {
    etw_schema_source base;
    etw_schema_file_options file_options;
    void (*note)(void *context, const char *message);
    void *note_context;
    const etw_schema_taker *others; /* while files are gathered; may be NULL */
    etw_error_texts *errors;        /* while files are gathered; NULL: none was found */
    etw_folder_index *index;        /* of the folder that is searched; may be NULL */
    etw_schema_file **files;
    uint32_t count, capacity;
    etw_arena arena;
    etw_table holders; /* provider -> etw_schema_holders */
    etw_schema_choices *choices[ETW_SCHEMA_TURN_LAST + 1];
} etw_schema_files;

etw_status etw_schema_files_no_memory(etw_error *error);
void etw_schema_files_note(const etw_schema_files *self, const char *message);

/* schema_paths.c: the file, or all files in the folder and in those inside it. */
etw_status etw_schema_files_add_path(etw_schema_files *self, const char *path,
                                     etw_schema_store *store, etw_error *error);
/* What $ETWCAP_SCHEMAS and the user's own folder hold. */
etw_status etw_schema_files_add_defaults(etw_schema_files *self, etw_schema_store *store,
                                         etw_error *error);

#endif
