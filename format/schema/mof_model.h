/* What is known of MOF classes; for mof.c and mof_reader.c only. */
#ifndef ETW_FORMAT_SCHEMA_MOF_MODEL_H
#define ETW_FORMAT_SCHEMA_MOF_MODEL_H

#include "format/base/arena.h"
#include "format/base/guid.h"
#include "format/base/table.h"
#include "format/base/text.h"
#include "format/schema/mof.h"

/* A value between the parentheses or braces of a qualifier. */
typedef struct etw_mof_value {
    struct etw_mof_value *next;
    const char *text;
} etw_mof_value;

typedef struct etw_mof_qualifier {
    struct etw_mof_qualifier *next;
    const char *name; /* lower case */
    etw_mof_value *first;
    uint32_t count;
} etw_mof_qualifier;

typedef struct etw_mof_property {
    struct etw_mof_property *next;
    const char *name;
    const char *type; /* lower case */
    const etw_mof_qualifier *qualifiers;
    uint32_t data_id;     /* WmiDataId */
    uint32_t array_count; /* of "Name[8]"; 0: no array */
    uint32_t handle;      /* in the builder, while a schema is made */
} etw_mof_property;

typedef struct etw_mof_class {
    struct etw_mof_class *next;
    const char *name;
    const char *base; /* lower case; NULL: none */
    const etw_mof_qualifier *qualifiers;
    etw_mof_property *first; /* ascending by data_id; others are not kept */
    etw_mof_property *last;
    uint32_t property_count;
} etw_mof_class;

/* All that was read: classes by lower-case name, and in the order of the files. */
typedef struct etw_mof_model {
    etw_arena arena;
    etw_table classes;
    etw_mof_class *first;
    etw_mof_class *last;
} etw_mof_model;

/* Reads one file's text, UTF-8. *class_count: how many classes were met, known ones included. */
etw_status etw_mof_read(etw_mof_model *model, etw_bytes text, uint32_t *class_count,
                        etw_error *error);

/* NULL where there is none. */
const etw_mof_qualifier *etw_mof_find_qualifier(const etw_mof_qualifier *list, const char *name);

#endif
