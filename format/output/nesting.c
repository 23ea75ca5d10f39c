#include "format/output/nesting.h"

#include "format/output/properties.h"

_Static_assert(ETW_MAX_STRUCT_DEPTH <= 64, "one bit for each open struct");

void etw_nesting_open_struct(etw_nesting *n)
{
    etw_text_append_char(n->text, '{');
    n->list_of_struct = n->list_of_struct << 1 | (n->in_list ? 1u : 0u);
    n->in_list = false;
    n->is_first = true;
}

void etw_nesting_close_struct(etw_nesting *n)
{
    etw_text_append_char(n->text, '}');
    n->in_list = (n->list_of_struct & 1u) != 0;
    n->list_of_struct >>= 1;
    n->is_first = false;
}

void etw_nesting_open_list(etw_nesting *n)
{
    etw_text_append_char(n->text, '[');
    n->in_list = true;
    n->is_first = true;
}

void etw_nesting_close_list(etw_nesting *n)
{
    etw_text_append_char(n->text, ']');
    n->in_list = false;
    n->is_first = false;
}

etw_status etw_nesting_on_open_struct(void *context, const etw_property *property, uint32_t element)
{
    etw_nesting *n = context;
    (void)element;
    n->begin(n, property);
    etw_nesting_open_struct(n);
    return etw_properties_room(n->text, n->start);
}

etw_status etw_nesting_on_close_struct(void *context, const etw_property *property)
{
    (void)property;
    etw_nesting_close_struct(context);
    return ETW_OK;
}

etw_status etw_nesting_on_open_array(void *context, const etw_property *property, uint32_t count)
{
    etw_nesting *n = context;
    (void)count;
    n->begin(n, property);
    etw_nesting_open_list(n);
    return etw_properties_room(n->text, n->start);
}

etw_status etw_nesting_on_close_array(void *context, const etw_property *property)
{
    (void)property;
    etw_nesting_close_list(context);
    return ETW_OK;
}
