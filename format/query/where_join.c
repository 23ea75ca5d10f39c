/* Several expressions as one. */
#include "format/query/where.h"

/* Errors show the user's own text, so each is compiled alone first. */
static etw_status check_each(const char *const *texts, uint32_t count, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < count && !etw_failed(status); i++) {
        etw_where *alone;
        status = etw_where_compile(texts[i], &alone, error);
        etw_where_free(alone);
    }
    return status;
}

etw_status etw_where_compile_all(const char *const *texts, uint32_t count, etw_where **where,
                                 etw_error *error)
{
    etw_text joined = {0};
    *where = NULL;
    etw_status status = check_each(texts, count, error);
    for (uint32_t i = 0; i < count; i++) {
        etw_text_printf(&joined, "%s(%s)", i > 0 ? " and " : "", texts[i]);
    }
    if (!etw_failed(status) && joined.failed) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a filter");
    }
    if (!etw_failed(status) && count > 0) {
        status = etw_where_compile(etw_text_z(&joined), where, error);
    }
    etw_text_free(&joined);
    return status;
}
