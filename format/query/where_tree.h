/* A compiled filter; for where*.c only. */
#ifndef ETW_FORMAT_QUERY_WHERE_TREE_H
#define ETW_FORMAT_QUERY_WHERE_TREE_H

#include "format/base/arena.h"
#include "format/query/where.h"

/* A text that is lent. */
typedef struct etw_where_slice {
    const char *text;
    size_t size;
} etw_where_slice;

typedef enum etw_where_kind {
    ETW_WHERE_AND,
    ETW_WHERE_OR,
    ETW_WHERE_NOT,
    ETW_WHERE_TEST
} etw_where_kind;

typedef enum etw_where_operator {
    ETW_WHERE_IS_THERE, /* has NAME */
    ETW_WHERE_IS_SET,   /* NAME alone, NAME & MASK */
    ETW_WHERE_EQUAL,    /* also in: any of the literals */
    ETW_WHERE_UNEQUAL,
    ETW_WHERE_LESS,
    ETW_WHERE_LESS_EQUAL,
    ETW_WHERE_GREATER,
    ETW_WHERE_GREATER_EQUAL,
    ETW_WHERE_CONTAINS,
    ETW_WHERE_STARTS_WITH,
    ETW_WHERE_ENDS_WITH,
    ETW_WHERE_LIKE,
    ETW_WHERE_MATCHES
} etw_where_operator;

typedef enum etw_where_time {
    ETW_WHERE_NO_TIME,
    ETW_WHERE_ABSOLUTE,
    ETW_WHERE_AFTER_FIRST,
    ETW_WHERE_BEFORE_LAST
} etw_where_time;

/* What a value of the text can stand for; the event's own type decides. */
typedef struct etw_where_literal {
    const char *text; /* as written, without quotes and escapes */
    size_t text_size;
    bool is_range; /* from here to the next literal */
    bool has_number, is_negative;
    uint64_t magnitude;
    bool has_real;
    double real;
    bool has_guid;
    etw_guid guid;
    uint32_t ip_size; /* 4, 16; 0: no address */
    uint32_t ip_prefix;
    uint8_t ip[16];
    etw_where_time time_kind;
    int64_t time_100ns; /* or, where relative, the distance */
} etw_where_literal;

typedef enum etw_where_field {
    ETW_WHERE_PROPERTY, /* the others are header fields: where_fields.c */
    ETW_WHERE_TIME_STAMP,
    ETW_WHERE_PROVIDER_NAME,
    ETW_WHERE_PROVIDER_ID,
    ETW_WHERE_EVENT_NAME,
    ETW_WHERE_ID,
    ETW_WHERE_VERSION,
    ETW_WHERE_CHANNEL,
    ETW_WHERE_LEVEL,
    ETW_WHERE_OPCODE,
    ETW_WHERE_TASK,
    ETW_WHERE_KEYWORD,
    ETW_WHERE_PROCESS_ID,
    ETW_WHERE_THREAD_ID,
    ETW_WHERE_PROCESS_NAME,
    ETW_WHERE_PARENT_NAME,
    ETW_WHERE_PROCESSOR_INDEX,
    ETW_WHERE_ACTIVITY_ID,
    ETW_WHERE_FLAGS,
    ETW_WHERE_EVENT_PROPERTY,
    ETW_WHERE_KERNEL_TIME,
    ETW_WHERE_USER_TIME,
    ETW_WHERE_MESSAGE,
    ETW_WHERE_RELATED_ACTIVITY_ID,
    ETW_WHERE_USER_SID,
    ETW_WHERE_SESSION_ID,
    ETW_WHERE_EVENT_KEY,
    ETW_WHERE_PROCESS_START_KEY,
    ETW_WHERE_CONTROL_GUID,
    ETW_WHERE_CONTAINER_ID,
    ETW_WHERE_ANYTHING /* `*`: any text of the event */
} etw_where_field;

/* One part of a property's name: Peer.Tags[2]. */
typedef struct etw_where_part {
    const char *name;
    uint32_t nth; /* which one of that name, from 1 */
    bool has_element;
    uint32_t element;
} etw_where_part;

/* Where a property of one part stands in the events of one schema. */
#define ETW_WHERE_CACHE 64u
typedef struct etw_where_place {
    uint32_t schema_id; /* 0: empty */
    uint32_t index;     /* among the properties of the plan */
    bool is_there;
    bool has_words;   /* of `*`: a property's text may hold words that its bytes do not */
    bool name_passes; /* of `*`: the event's name has what is looked for */
    bool is_fixed[2]; /* at a fixed offset, in records of 32 and of 64 bits */
    size_t offset[2];
    size_t size[2];
} etw_where_place;

/* A provider's name that was asked for, and what came of it. */
#define ETW_WHERE_PROVIDERS 16u
typedef struct etw_where_provider_kept {
    const char *name; /* NULL: empty */
    bool passes;
} etw_where_provider_kept;

typedef struct etw_where_node {
    etw_where_kind kind;
    uint32_t left, right; /* indexes of nodes */
    /* Of a test. */
    etw_where_operator operator_;
    etw_where_field field;
    bool was_asked; /* an event was tested for the property */
    bool was_seen;  /* a schema had it */
    etw_where_provider_kept providers[ETW_WHERE_PROVIDERS]; /* of `*` */
    bool is_ascii; /* of `* contains`: what is looked for */
    bool is_word;  /* and no number, GUID, time or address has it in its text */
    bool has_mask;
    uint64_t mask;
    const char *name; /* the property's, as written */
    uint32_t part_count;
    etw_where_part parts[ETW_WHERE_MAX_PATH];
    const etw_where_literal *literals;
    uint32_t literal_count;
    struct etw_where_regex *regex;
    etw_where_place *places; /* ETW_WHERE_CACHE of them, for properties of one part */
} etw_where_node;

/* where_literal.c: what a value written so can stand for. */
void etw_where_read_literal(etw_where_literal *literal, bool is_quoted);

/* One value of an event, ready to be compared. */
typedef enum etw_operand_kind {
    ETW_OPERAND_TEXT, /* nothing but its text */
    ETW_OPERAND_SIGNED,
    ETW_OPERAND_UNSIGNED,
    ETW_OPERAND_REAL,
    ETW_OPERAND_GUID,
    ETW_OPERAND_TIME,
    ETW_OPERAND_IP
} etw_operand_kind;

typedef struct etw_operand {
    etw_operand_kind kind;
    int64_t int64;   /* SIGNED, TIME */
    uint64_t uint64; /* UNSIGNED */
    double real;
    etw_guid guid;
    uint32_t ip_size;
    uint8_t ip[16];
    const etw_value *value; /* what its text is made from, where text is NULL */
    const char *text;       /* its text, or another text for the number: a map's, a level's */
    size_t text_size;
    bool is_empty; /* no value at all */
} etw_operand;

struct etw_where {
    etw_arena arena; /* names, texts, literals */
    const char *text;
    etw_where_node *nodes;
    uint32_t node_count, node_capacity;
    uint32_t root;
    bool wants_first, wants_last;
    int64_t first_100ns, last_100ns;
    bool has_first, has_last;
    etw_text scratch;
    etw_text view; /* of bytes, for where_any.c */
    void (*take)(void *context,
                 const etw_operand *operand); /* shown each value of `has`; or NULL */
    void *take_context;
};

/* Whether the operand passes the test of the node. */
etw_status etw_where_compare(etw_where *where, const etw_where_node *node,
                             const etw_operand *operand, bool *passes, etw_error *error);
/* The same for a value of a property. */
etw_status etw_where_test_value(etw_where *where, const etw_where_node *node,
                                const etw_value *value, bool *passes, etw_error *error);
/* where_any.c: what the test asks for, and whether any text of the event passes. */
void etw_where_prepare_any(etw_where_node *node);
etw_status etw_where_test_any(etw_where *where, etw_where_node *node, const etw_event *event,
                              bool *passes, etw_error *error);
/* The operand's text, made where it has none; valid until the next is made. */
etw_where_slice etw_where_operand_text(etw_where *where, const etw_operand *operand);

/* where_fields.c: header fields by name (case ignored); ETW_WHERE_PROPERTY where it is none. */
etw_where_field etw_where_find_field(const char *name);
/* Whether the field is one of the record's header alone. */
bool etw_where_is_header_field(etw_where_field field);
/* Whether it is one that all events of a kind share. */
bool etw_where_is_kind_field(etw_where_field field);
/* A header field's value; false where the event has none. */
bool etw_where_header_operand(etw_where_field field, const etw_event_record *record,
                              int64_t time_100ns, etw_operand *operand);
/* The same for the other fields, with names; *passes as etw_where_compare says. */
etw_status etw_where_test_field(etw_where *where, const etw_where_node *node,
                                const etw_event *event, bool *passes, etw_error *error);

/* where_text.c: text that ignores case. */
int etw_where_text_order(etw_where_slice a, etw_where_slice b);
bool etw_where_text_equal(etw_where_slice a, etw_where_slice b);
bool etw_where_text_contains(etw_where_slice text, etw_where_slice part);
bool etw_where_is_ascii(etw_where_slice text);
/* Whether they hold the part, which is ASCII and not empty, as 8-bit text or as UTF-16 at any byte.
 */
bool etw_where_bytes_contain(etw_bytes bytes, etw_where_slice part);
bool etw_where_text_starts(etw_where_slice text, etw_where_slice part);
bool etw_where_text_ends(etw_where_slice text, etw_where_slice part);
bool etw_where_text_like(etw_where_slice text, etw_where_slice pattern);

/* where_regex.c */
typedef struct etw_where_regex etw_where_regex;
etw_status etw_where_regex_compile(etw_where_slice pattern, etw_where_regex **regex,
                                   size_t *error_offset, etw_error *error);
void etw_where_regex_free(etw_where_regex *regex);
etw_status etw_where_regex_match(const etw_where_regex *regex, etw_where_slice text, bool *matches,
                                 etw_error *error);

#endif
