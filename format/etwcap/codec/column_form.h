/* A column written in one form, once its values are told: constants, planes, dictionaries and the
 * others of column.h. */
#ifndef ETW_FORMAT_ETWCAP_COLUMN_FORM_H
#define ETW_FORMAT_ETWCAP_COLUMN_FORM_H

#include "format/etwcap/codec/column_cost.h"

typedef struct etw_dictionary_slot {
    uint64_t value;
    uint32_t index;
    uint32_t stamp; /* the slot is taken where this is the dictionary's */
} etw_dictionary_slot;

/* What writing forms takes. */
typedef struct etw_column_forms {
    const etw_column_costs *costs;
    etw_column_scratch scratch; /* lent */
    uint64_t *distinct;         /* ETW_COLUMN_MAX_DICTIONARY values, in order of first sight */
    uint64_t *entries;          /* the same, sorted */
    uint16_t *places;           /* of the distinct ones among the sorted */
    etw_dictionary_slot *slots;
    uint32_t stamp;
    uint32_t mask;       /* of the slots in use: a small column stays in a small part of them */
    uint32_t shift;      /* of a hash, to its slot */
    uint64_t multiplier; /* random and odd: no column can be made whose values all meet */
    etw_borders borders; /* of what was written since its owner last cleared them */
} etw_column_forms;

/* forms is zeroed; costs must outlive it. False where memory is out; to be freed also then. */
bool etw_column_forms_init(etw_column_forms *forms, const etw_column_costs *costs);
void etw_column_forms_free(etw_column_forms *forms);
/* Writes values in that form where it holds, else in one that does; returns which. varying: the
 * bits that are not alike in all. rows: ROWS before BUCKETS and PLANES. */
uint32_t etw_column_form_write(etw_column_forms *forms, etw_integers column, uint64_t varying,
                               uint32_t form, bool rows, etw_buffer *out);

/* The lowest width bytes of a value. */
void etw_column_put(etw_buffer *out, uint64_t value, uint32_t width);

/* The bits that are not alike in all values. */
static inline uint64_t etw_varying_bits(const uint64_t *values, uint32_t count)
{
    uint64_t varying = 0;
    for (uint32_t i = 1; i < count; i++) {
        varying |= values[i] ^ values[0];
    }
    return varying;
}

#endif
