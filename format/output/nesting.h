/* Writing properties as structs {} and lists []: what stands before the next thing, and whether it
 * has a name. */
#ifndef ETW_FORMAT_OUTPUT_NESTING_H
#define ETW_FORMAT_OUTPUT_NESTING_H

#include "format/event/event.h"

/* Zeroed but for what a format sets: the outermost level, on which something stands already. */
typedef struct etw_nesting {
    etw_text *text;
    size_t start;   /* of the properties in text */
    char separator; /* between the things of one level */
    /* Begins a property: with etw_nesting_next, then its name unless in_list. For
     * etw_nesting_on_... */
    void (*begin)(struct etw_nesting *n, const etw_property *property);
    bool is_first; /* nothing stands yet on the innermost level */
    bool in_list;  /* which is a list: its elements have no names, and are no lists */
    /* One bit for each open struct, the innermost lowest: whether it is an element of a list. */
    uint64_t list_of_struct;
} etw_nesting;

/* Before each thing. */
static inline void etw_nesting_next(etw_nesting *n)
{
    if (!n->is_first) {
        etw_text_append_char(n->text, n->separator);
    }
    n->is_first = false;
}

void etw_nesting_open_struct(etw_nesting *n);
void etw_nesting_close_struct(etw_nesting *n);
void etw_nesting_open_list(etw_nesting *n);
void etw_nesting_close_list(etw_nesting *n);

/* For an etw_visitor whose context is a nesting, or a structure that begins with one. */
etw_status etw_nesting_on_open_struct(void *context, const etw_property *property,
                                      uint32_t element);
etw_status etw_nesting_on_close_struct(void *context, const etw_property *property);
etw_status etw_nesting_on_open_array(void *context, const etw_property *property, uint32_t count);
etw_status etw_nesting_on_close_array(void *context, const etw_property *property);

#endif
