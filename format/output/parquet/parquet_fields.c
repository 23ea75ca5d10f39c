#include "format/output/parquet/parquet_fields.h"

#include "format/output/put.h"

/* FILETIME of 1970-01-01, and the FILETIMEs that nanoseconds since then can hold. */
#define UNIX_EPOCH_100NS   INT64_C(116444736000000000)
#define MAX_DISTANCE_100NS (INT64_MAX / 100)

void etw_parquet_put(etw_parquet_place *at, bool is_there, const void *bytes, size_t size)
{
    etw_parquet_table_put(at->table, at->leaf++, 0, (uint8_t)(at->outside + (is_there ? 1 : 0)),
                          bytes, size);
}

void etw_parquet_put_u32(etw_parquet_place *at, bool is_there, uint32_t value)
{
    etw_parquet_put(at, is_there, &value, sizeof value);
}

void etw_parquet_put_text(etw_parquet_place *at, etw_bytes text)
{
    etw_parquet_put(at, text.data != NULL, text.data, text.size);
}

static void put_guid(etw_parquet_place *at, bool is_there, const etw_guid *guid)
{
    char text[38];
    (void)etw_put_guid(text, guid);
    etw_parquet_put(at, is_there, text, sizeof text);
}

bool etw_parquet_time_ns(int64_t time_100ns, int64_t *time_ns)
{
    const bool is_in_range = time_100ns > UNIX_EPOCH_100NS - MAX_DISTANCE_100NS &&
                             time_100ns < UNIX_EPOCH_100NS + MAX_DISTANCE_100NS;
    *time_ns = is_in_range ? (time_100ns - UNIX_EPOCH_100NS) * 100 : 0;
    return is_in_range;
}

void etw_parquet_put_time(etw_parquet_place *at, bool is_there, int64_t time_100ns)
{
    int64_t time_ns;
    const bool is_in_range = etw_parquet_time_ns(time_100ns, &time_ns);
    etw_parquet_put(at, is_there && is_in_range, &time_ns, sizeof time_ns);
}

void etw_parquet_put_header(etw_parquet_place *at, const etw_row *row)
{
    const etw_row_fixed *f = &row->fixed;
    const bool is_event = !f->is_loss;
    etw_parquet_put_time(at, is_event, f->time_100ns);
    etw_parquet_put_text(at, row->fields[ETW_ROW_PROVIDER_NAME]);
    put_guid(at, is_event, &f->provider_id);
    etw_parquet_put_text(at, row->fields[ETW_ROW_EVENT_NAME]);
    etw_parquet_put_u32(at, is_event, f->id);
    etw_parquet_put_u32(at, is_event, f->version);
    etw_parquet_put_u32(at, is_event, f->channel);
    etw_parquet_put_u32(at, is_event, f->level);
    etw_parquet_put_u32(at, is_event, f->opcode);
    etw_parquet_put_u32(at, is_event, f->task);
    etw_parquet_put(at, is_event, &f->keyword, sizeof f->keyword);
    etw_parquet_put_u32(at, is_event, f->process_id);
    etw_parquet_put_u32(at, is_event, f->thread_id);
    etw_parquet_put_text(at, row->fields[ETW_ROW_PROCESS_NAME]);
    etw_parquet_put_u32(at, is_event, f->processor);
    put_guid(at, is_event && !etw_guid_is_zero(&f->activity_id), &f->activity_id);
    etw_parquet_put_u32(at, is_event, f->flags);
    etw_parquet_put_u32(at, is_event, f->event_property);
    etw_parquet_put_u32(at, is_event && f->has_cpu_times, f->kernel_time);
    etw_parquet_put_u32(at, is_event && f->has_cpu_times, f->user_time);
    etw_parquet_put_text(at, row->fields[ETW_ROW_MESSAGE]);
}

void etw_parquet_put_trailer(etw_parquet_place *at, const etw_row *row, etw_bytes problem)
{
    const etw_row_fixed *f = &row->fixed;
    const etw_bytes none = {NULL, 0};
    const char *file = f->trace == NULL ? "" : f->trace->source_path;
    etw_parquet_put_text(at, f->is_loss ? none : problem);
    etw_parquet_put_text(at, row->fields[ETW_ROW_USER_DATA]);
    etw_parquet_put_text(at, row->fields[ETW_ROW_EXTENDED_INFO]);
    etw_parquet_put_u32(at, f->trace_number != 0, f->trace_number);
    etw_parquet_put_text(at, f->is_loss ? row->fields[ETW_ROW_PROBLEM] : none);
    etw_parquet_put(at, file[0] != '\0', file, strlen(file));
}
