#include "format/input/time_order.h"

#include "format/etl/etl.h"
#include "format/etwcap/reader.h"

static etw_status check(const etw_input *input, bool *is_sorted, etw_error *error)
{
    const etw_reader_options options = {.headers_only = true};
    const etw_os *os = etw_input_os(input);
    const char *name = etw_input_name(input);
    etw_source *source = NULL;
    etw_status status = etw_reader_open(os, name, &options, &source, error);
    if (status == ETW_ERROR_NOT_THIS) {
        status = etw_etl_open(os, name, NULL, &source, error);
    }
    if (!etw_failed(status)) {
        status = etw_sort_check(source, is_sorted, error);
    }
    etw_source_close(source);
    return status;
}

etw_status etw_time_order_open(const etw_input *input, etw_source *source, etw_spool *spool,
                               bool spools_all, etw_sort **sort, etw_error *error)
{
    bool is_sorted = false;
    const bool checks = !spools_all && etw_input_can_seek(input);
    const etw_status status = checks ? check(input, &is_sorted, error) : ETW_OK;
    *sort = NULL;
    return etw_failed(status) || is_sorted ? status : etw_sort_open(source, spool, 0, sort, error);
}
