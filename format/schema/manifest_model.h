/* What is kept of a manifest between reading its XML and making schemas of its events. Internal to
 * manifest*.c. All of it lies in the set's arena; strings are UTF-8 as the XML
 * has them, references by name are looked up when an event is asked for. */
#ifndef ETW_FORMAT_SCHEMA_MANIFEST_MODEL_H
#define ETW_FORMAT_SCHEMA_MANIFEST_MODEL_H

#include "format/base/arena.h"
#include "format/base/table.h"
#include "format/event/schema.h"

/* The strings of one XML file: id -> text. */
typedef struct etw_manifest_document {
    struct etw_manifest_document *next;
    etw_table strings;
} etw_manifest_document;

typedef struct etw_manifest_map_entry {
    struct etw_manifest_map_entry *next;
    const char *message;
    uint32_t value;
} etw_manifest_map_entry;

typedef struct etw_manifest_map {
    const char *name;
    bool is_bit_map;
    uint32_t entry_count;
    etw_manifest_map_entry *first, *last;
    etw_bytes blob; /* EVENT_MAP_INFO, once it was asked for */
} etw_manifest_map;

/* One <data> or <struct>, in the order of the file. */
typedef struct etw_manifest_field {
    struct etw_manifest_field *next;
    const struct etw_manifest_field *parent; /* the <struct> around it */
    const char *name;
    const char *map;
    const char *count;  /* a number or another field's name; NULL: absent */
    const char *length; /* the same */
    uint16_t in_type;
    uint16_t out_type;
    uint32_t tags;
    bool is_struct;
    /* Once the template's references are resolved: */
    const struct etw_manifest_field *count_from;
    const struct etw_manifest_field *length_from;
    uint16_t fixed_count; /* 0: none given */
    uint16_t fixed_length;
    uint32_t handle; /* in the builder, while a schema is made */
} etw_manifest_field;

typedef struct etw_manifest_template {
    const char *tid; /* of a compiled one, which has none, a word for where it lies */
    etw_manifest_field *first, *last;
    uint32_t field_count; /* at most ETW_MAX_PROPERTIES */
    uint32_t flags;       /* ETW_TEMPLATE_... */
    bool is_resolved;     /* what count= and length= refer to was looked up */
    const char *problem;  /* NULL, or why no schema can be made of it */
} etw_manifest_template;

/* What numbers of an event descriptor are called. */
typedef enum etw_manifest_name_kind {
    ETW_MANIFEST_LEVEL,
    ETW_MANIFEST_CHANNEL,
    ETW_MANIFEST_TASK,
    ETW_MANIFEST_OPCODE
} etw_manifest_name_kind;

typedef struct etw_manifest_name_key {
    uint32_t kind;
    uint32_t task; /* of an opcode that belongs to one task; else ETW_MANIFEST_ANY_TASK */
    uint32_t value;
} etw_manifest_name_key;
#define ETW_MANIFEST_ANY_TASK UINT32_MAX

typedef struct etw_manifest_name {
    etw_manifest_name_key key;
    const char *name;    /* NULL: it has none */
    const char *alias;   /* what else events call it in XML (chid of a channel); may be NULL */
    etw_guid event_guid; /* of a task */
} etw_manifest_name;

/* An event's keyword is a mask of 64 bits, and so no more are looked at. */
#define ETW_MANIFEST_MAX_KEYWORDS 64u

typedef struct etw_manifest_keyword {
    uint64_t mask;
    const char *name;
} etw_manifest_keyword;

/* A <channel> without a value, which gets the lowest that no other has once all are known. */
typedef struct etw_manifest_unnumbered {
    struct etw_manifest_unnumbered *next;
    const char *name;
    const char *alias;
} etw_manifest_unnumbered;

typedef struct etw_manifest_provider {
    struct etw_manifest_provider *next;
    const etw_manifest_document *document;
    etw_guid guid;
    const char *name;
    const char *message;
    etw_table names;     /* etw_manifest_name_key -> etw_manifest_name */
    etw_table maps;      /* name -> etw_manifest_map */
    etw_table templates; /* tid -> etw_manifest_template */
    etw_manifest_keyword keywords[ETW_MANIFEST_MAX_KEYWORDS];
    uint32_t keyword_count;
    const char *own_channel; /* of a compiled one: the first that is not imported */
    etw_manifest_unnumbered *first_channel, *last_channel;
} etw_manifest_provider;

typedef struct etw_manifest_event_key {
    etw_guid provider;
    uint16_t id;
    uint16_t version;
} etw_manifest_event_key;

typedef struct etw_manifest_event {
    etw_manifest_event_key key;
    etw_manifest_provider *provider;
    const char *tid; /* NULL: no properties */
    const char *message;
    const char *name;
    const char *symbol;
    const char *attributes;
    uint32_t tags;
    /* Its own descriptor, as far as it was told: numbers, or words that stand for them. */
    etw_event_descriptor descriptor;
    const char *level, *channel, *opcode, *task, *keywords;
    bool is_classic; /* compiled: an entry of the old event log, which gives way to an event */
    /* The latest schema made of it, and for what; NULL: none yet. */
    const etw_schema *made;
    etw_event_descriptor made_for;
    uint32_t made_pointer_size;
} etw_manifest_event;

/* All that was read so far. */
typedef struct etw_manifest_model {
    etw_arena arena;
    etw_manifest_document *documents;
    etw_manifest_provider *providers; /* newest first */
    etw_table events;                 /* etw_manifest_event_key -> etw_manifest_event */
} etw_manifest_model;

/* Adds what the XML holds; *provider_count is how many <provider> elements it had. */
etw_status etw_manifest_read_xml(etw_manifest_model *model, etw_bytes xml, uint32_t *provider_count,
                                 etw_error *error);

/* Adds a keyword in the order of masks, as mc.exe stores them. One without name or mask, or of a
 * mask that is there, is left out. */
void etw_manifest_add_keyword(etw_manifest_provider *provider, uint64_t mask, const char *name);
void etw_manifest_add_map_entry(etw_manifest_map *map, etw_manifest_map_entry *entry);

/* The name of a number that Windows defines (winmeta.xml) and the event refers to, "win:Start"; an
 * importChannel's value. False where there is none. */
bool etw_manifest_predefined(etw_manifest_name_kind kind, const char *name, uint32_t *value);

/* The event's own descriptor, its words looked up in what its provider declares; a word that it
 * does not leaves 0. */
etw_event_descriptor etw_manifest_descriptor(const etw_manifest_event *event);

/* Looks up what the fields' count= and length= refer to: once for each template, in time linear to
 * its fields. DAMAGED where no schema can be made of it. */
etw_status etw_manifest_resolve_template(etw_manifest_template *template, etw_error *error);

/* Sets the field's types by the words of inType and outType (NULL: absent; an unknown outType is
 * the in type's own). False where the in type is missing or unknown. */
bool etw_manifest_find_types(etw_manifest_field *field, const char *in, const char *out);

#endif
