/* What is known of WPP messages; for wpp*.c and pdb.c only. */
#ifndef ETW_FORMAT_SCHEMA_WPP_MODEL_H
#define ETW_FORMAT_SCHEMA_WPP_MODEL_H

#include "format/base/arena.h"
#include "format/base/guid.h"
#include "format/base/table.h"
#include "format/base/text.h"
#include "format/event/tei_builder.h"
#include "format/schema/wpp.h"

typedef struct etw_wpp_argument {
    struct etw_wpp_argument *next;
    const char *expression; /* the C text */
    const char *type;       /* "ItemListByte(Low,APC,DPC)" */
    uint32_t index;         /* from ETW_WPP_FIRST_ARGUMENT */
} etw_wpp_argument;

typedef struct etw_wpp_enum_value {
    struct etw_wpp_enum_value *next;
    const char *name;
    uint32_t value;
} etw_wpp_enum_value;

typedef struct etw_wpp_enum {
    etw_wpp_enum_value *first;
    etw_wpp_enum_value *last;
    uint32_t count;
} etw_wpp_enum;

typedef struct etw_wpp_key {
    etw_guid guid;
    uint32_t number;
} etw_wpp_key;

typedef struct etw_wpp_message {
    etw_wpp_key key;
    struct etw_wpp_message *next; /* in the order they were added */
    uint32_t document;            /* whose enums it means */
    const char *component;
    const char *source_file;
    const char *tag;
    const char *format;
    const char *function; /* these three: NULL where not told */
    const char *level;
    const char *flags;
    etw_wpp_argument *first; /* ascending by index */
    uint32_t argument_count;
    const etw_schema *made[2]; /* for pointers of 4 and 8 bytes; NULL: not yet */
} etw_wpp_message;

/* All that was read. The lines of one file, or the strings of one PDB, are a document. */
typedef struct etw_wpp_model {
    etw_arena arena;
    etw_table messages; /* etw_wpp_key -> etw_wpp_message */
    etw_table enums;    /* {u32 document, name} -> etw_wpp_enum */
    etw_wpp_message *first;
    etw_wpp_message *last;
    uint32_t count;
    uint32_t conflicts;
    uint32_t document;
} etw_wpp_model;

/* Reads lines one by one. Zeroed but for the model: at the start of a document. */
typedef struct etw_wpp_reader {
    etw_wpp_model *model;
    etw_guid guid; /* of the block; zero: none yet */
    const char *component;
    const char *source_file;
    const char *function;     /* of annotations: the procedure around them, or NULL */
    etw_wpp_message *message; /* whose arguments come between braces; NULL: none */
    etw_wpp_enum *enumeration;
    bool in_braces;
    uint32_t met; /* messages of the document, known ones included */
    etw_text line;
    etw_text key;
} etw_wpp_reader;

void etw_wpp_reader_free(etw_wpp_reader *reader);

/* One line without its end. NO_MEMORY and LIMIT are failures; else what is not understood is passed
 * over. */
etw_status etw_wpp_read_line(etw_wpp_reader *reader, etw_bytes line, etw_error *error);
/* Ends the message or enum at hand. */
void etw_wpp_read_end(etw_wpp_reader *reader);

etw_wpp_enum *etw_wpp_find_enum(const etw_wpp_model *model, uint32_t document, const char *name,
                                size_t name_size, etw_text *key);

struct etw_wpp_set {
    etw_wpp_model model;
    etw_tei_builder *builder;
    etw_text key; /* of the enum that is looked up */
};

/* The schema of a message; *schema: of the store. pointer_size: 4 or 8. */
etw_status etw_wpp_make_schema(etw_wpp_set *set, const etw_wpp_message *message,
                               uint32_t pointer_size, etw_schema_store *store,
                               const etw_schema **schema, etw_error *error);

/* What follows the last line of a document: names the components of all messages behind last (NULL:
 * of all) in the store. met is the reader's; of 0 comes ETW_ERROR_NOT_THIS. */
etw_status etw_wpp_finish_document(etw_wpp_set *set, const etw_wpp_message *last,
                                   etw_schema_store *store, uint32_t met, uint32_t *added,
                                   etw_error *error);

#endif
