#include "format/etwcap/side_body.h"

#include "format/etwcap/block_kind.h"
#include "format/event/oracle.h"
#include "format/event/rundown.h"

#define ANCHOR_SIZE 24u

void etw_clock_anchor_append(etw_buffer *body, const etw_clock_anchor *anchor)
{
    etw_buffer_append_u16(body, anchor->trace_index);
    etw_buffer_append_u16(body, 0);
    etw_buffer_append_u32(body, 0);
    etw_buffer_append_u64(body, (uint64_t)anchor->ticks);
    etw_buffer_append_u64(body, (uint64_t)anchor->time_100ns);
}

etw_status etw_clock_anchor_load(etw_cursor *cursor, etw_clock_anchor *anchor, etw_error *error)
{
    const uint8_t *from = etw_cursor_take(cursor, ANCHOR_SIZE);
    if (from == NULL) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "ends inside a clock anchor");
    }
    anchor->trace_index = etw_load_u16(from);
    anchor->ticks = etw_load_i64(from + 8);
    anchor->time_100ns = etw_load_i64(from + 16);
    return ETW_OK;
}

static etw_status check_rundown(etw_bytes body, etw_error *error)
{
    etw_rundown *rundown = etw_rundown_new();
    if (rundown == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a rundown");
    }
    const etw_status status = etw_rundown_add(rundown, body, error);
    etw_rundown_free(rundown);
    return status;
}

etw_status etw_side_body_check(uint16_t kind, uint32_t count, etw_bytes body, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(body);
    etw_status status = ETW_OK;
    if (kind == ETW_BLOCK_CLOCK_ANCHORS) {
        etw_clock_anchor anchor;
        for (uint32_t i = 0; status == ETW_OK && i < count; i++) {
            status = etw_clock_anchor_load(&cursor, &anchor, error);
        }
    } else if (kind == ETW_BLOCK_ORACLE) {
        etw_oracle_event event;
        while (status == ETW_OK) {
            status = etw_oracle_next(&cursor, &event, error);
        }
    } else if (kind == ETW_BLOCK_RUNDOWN) {
        status = check_rundown(body, error);
    }
    return status == ETW_END ? ETW_OK : status;
}
