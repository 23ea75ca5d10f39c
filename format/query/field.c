/* A filter of one test, `has NAME`, whose value is kept instead of judged. */
#include "format/query/field.h"

#include "format/query/where_tree.h"

#include <stdlib.h>

struct etw_field {
    etw_where *where;
    etw_field_value *value; /* of the call that is under way */
};

/* Keywords are shown as masks. */
static etw_where_slice text_of(etw_where *where, const etw_operand *operand)
{
    if (where->nodes[0].field != ETW_WHERE_KEYWORD) {
        return etw_where_operand_text(where, operand);
    }
    etw_text_clear(&where->scratch);
    etw_text_append_hex(&where->scratch, operand->uint64);
    return (etw_where_slice){where->scratch.data, where->scratch.size};
}

static void take(void *context, const etw_operand *operand)
{
    etw_field *field = context;
    etw_field_value *value = field->value;
    const etw_where_slice text = text_of(field->where, operand);
    *value = (etw_field_value){.is_there = true,
                               .has_number = true,
                               .text = text.text,
                               .text_size = text.size,
                               .property = operand->value};
    switch (operand->kind) {
    case ETW_OPERAND_SIGNED:
        value->number = (double)operand->int64;
        break;
    case ETW_OPERAND_UNSIGNED:
        value->number = (double)operand->uint64;
        break;
    case ETW_OPERAND_REAL:
        value->number = operand->real;
        break;
    default:
        value->has_number = false;
        break;
    }
}

static etw_status compile(etw_field *field, const char *name, etw_error *error)
{
    etw_text text = {0};
    etw_text_printf(&text, "has %s", name);
    etw_status status =
        text.failed ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a field's name")
                    : etw_where_compile(etw_text_z(&text), &field->where, error);
    etw_text_free(&text);
    if (!etw_failed(status) && field->where->node_count != 1) {
        status = etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                               "'%s' is more than the name of a field", name);
    }
    if (!etw_failed(status)) {
        field->where->take = take;
        field->where->take_context = field;
    }
    return status;
}

etw_status etw_field_open(const char *name, etw_field **field, etw_error *error)
{
    *field = calloc(1, sizeof **field);
    if (*field == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a field");
    }
    const etw_status status = compile(*field, name, error);
    if (etw_failed(status)) {
        etw_field_close(*field);
        *field = NULL;
    }
    return status;
}

void etw_field_close(etw_field *field)
{
    if (field != NULL) {
        etw_where_free(field->where);
        free(field);
    }
}

bool etw_field_wants_processes(const etw_field *field)
{
    return etw_where_wants_processes(field->where);
}

etw_status etw_field_get(etw_field *field, const etw_event *event, etw_field_value *value,
                         etw_error *error)
{
    bool is_there;
    *value = (etw_field_value){0};
    field->value = value;
    return etw_where_event(field->where, event, &is_there, error);
}
