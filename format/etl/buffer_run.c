#include "format/etl/buffer_run.h"

/* Read at first for the time of the first record alone. */
#define FIRST_FILL 512u
/* Records that must follow a place for it to be taken as the start of a record after damage. */
#define RESYNC_CHAIN 3u

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void etw_run_start(etw_run *run, const etw_buffer_entry *entry, const etw_buffer_header *header)
{
    memset(run, 0, sizeof *run);
    run->offset = entry->offset;
    run->number = entry->number;
    run->stored_size = (uint32_t)entry->size;
    run->used_size = header->used_size;
    run->limit = header->used_size;
    run->flush_ticks = header->flush_ticks;
    run->last_ticks = entry->first_ticks;
    run->context = header->context;
    const bool wide = (header->flags & ETW_BUFFER_PROCESSOR_INDEX) != 0;
    run->extra_flags = wide ? ETW_FLAG_PROCESSOR_INDEX : 0;
    run->compressed = (header->flags & ETW_BUFFER_COMPRESSED) != 0;
    run->cut = entry->kind == ETW_BUFFER_KIND_CUT;
    run->used_unknown = entry->kind == ETW_BUFFER_KIND_NO_HEADER;
    run->end_problem = "the file ends in this buffer";
    if (!run->compressed && run->limit > run->stored_size) {
        run->limit = run->stored_size;
        run->end_problem = run->cut ? run->end_problem : "the buffer ends here";
    }
    run->at = ETW_BUFFER_HEADER_SIZE;
    run->fill_size = ETW_RUN_WINDOW;
    run->window_begin = run->at;
    run->window_end = run->at;
    run->input_at = ETW_BUFFER_HEADER_SIZE;
}

void etw_run_adopt(etw_run *run, uint8_t *window, size_t size)
{
    run->window = window;
    if (!run->compressed) {
        run->window_begin = 0;
        run->window_end = size < run->limit ? (uint32_t)size : run->limit;
    }
}

void etw_run_unload(etw_run *run)
{
    run->window = NULL;
    run->window_begin = run->compressed ? ETW_BUFFER_HEADER_SIZE : run->at;
    run->window_end = run->window_begin;
    run->input_at = ETW_BUFFER_HEADER_SIZE;
    run->xpress = (etw_xpress){0, 0, 0, 0, 0, false};
}

/* Nothing beyond the window can be read. */
static void end_early(etw_run *run, const char *problem)
{
    run->limit = run->window_end;
    run->end_problem = problem;
}

static etw_status read_file(const etw_run *run, const etw_run_input *input, uint32_t from,
                            etw_room into, size_t *got, etw_error *error)
{
    const etw_status status =
        etw_os_read_at_full(input->os, input->file, into, run->offset + from, got, error);
    return status == ETW_OK ? ETW_OK
                            : etw_error_wrap(error, status, "buffer %u at 0x%llx", run->number,
                                             (unsigned long long)run->offset);
}

static etw_status fill_plain(etw_run *run, const etw_run_input *input, etw_error *error)
{
    const uint32_t size = smaller(run->fill_size, run->limit - run->at);
    size_t got;
    const etw_status status =
        read_file(run, input, run->at, (etw_room){run->window, size}, &got, error);
    if (status != ETW_OK) {
        return status;
    }
    run->window_begin = run->at;
    run->window_end = run->at + (uint32_t)got;
    if (got < size) {
        run->cut = true; /* the file became shorter while it is read */
        end_early(run, "the file ends in this buffer");
    }
    return ETW_OK;
}

/* Moves what later bytes or the current record need to the front of the window. */
static void slide(etw_run *run)
{
    uint32_t keep = smaller(run->window_end - run->window_begin, ETW_XPRESS_MAX_DISTANCE);
    if (run->at < run->window_end - keep) {
        keep = run->window_end - run->at;
    }
    const uint32_t dropped = run->window_end - keep - run->window_begin;
    if (dropped != 0) {
        memmove(run->window, run->window + dropped, keep);
        run->window_begin += dropped;
    }
}

static etw_status unpack_piece(etw_run *run, const etw_run_input *input, uint32_t end,
                               etw_error *error)
{
    const uint32_t size = smaller(ETW_RUN_SCRATCH, run->stored_size - run->input_at);
    size_t got;
    const etw_status status =
        read_file(run, input, run->input_at, (etw_room){input->scratch, size}, &got, error);
    if (status != ETW_OK) {
        return status;
    }
    if (got < size) {
        run->cut = true;
        run->stored_size = run->input_at + (uint32_t)got;
    }
    const etw_bytes piece = {input->scratch, got};
    size_t used, filled = run->window_end - run->window_begin;
    const etw_xpress_result result = etw_xpress_decode(&run->xpress, piece, &used, run->window,
                                                       &filled, end - run->window_begin);
    run->window_end = run->window_begin + (uint32_t)filled;
    const bool all_read = run->input_at + got == run->stored_size;
    run->input_at += (uint32_t)used;
    if (result == ETW_XPRESS_DAMAGED) {
        end_early(run, "the compressed data contradicts itself");
    } else if (result == ETW_XPRESS_INPUT && all_read) {
        end_early(run,
                  run->cut ? "the file ends in this buffer" : "the compressed data ends early");
    }
    return ETW_OK;
}

static etw_status fill_compressed(etw_run *run, const etw_run_input *input, etw_error *error)
{
    slide(run);
    const uint32_t end = smaller(run->limit, run->window_begin + run->fill_size);
    etw_status status = ETW_OK;
    while (status == ETW_OK && run->window_end < smaller(end, run->limit)) {
        status = unpack_piece(run, input, end, error);
    }
    return status;
}

/* Bytes of the window from run->at on, at least size unless the readable records end before. */
static etw_status need(etw_run *run, const etw_run_input *input, uint32_t size, uint32_t *left,
                       etw_error *error)
{
    etw_status status = ETW_OK;
    while (status == ETW_OK && run->window_end < run->limit &&
           (run->window_end <= run->at || run->window_end - run->at < size)) {
        status =
            run->compressed ? fill_compressed(run, input, error) : fill_plain(run, input, error);
    }
    *left = run->window_end > run->at ? run->window_end - run->at : 0;
    return status;
}

/* Whether records seem to start at run->at: one that fits in time, and whole ones behind it. */
static bool is_record_here(const etw_run *run, uint32_t left)
{
    const uint8_t *from = etw_run_record(run);
    int64_t ticks = run->last_ticks;
    uint32_t at = 0;
    for (uint32_t i = 0; i <= RESYNC_CHAIN; i++) {
        if (at >= left) {
            return i != 0 && run->window_end == run->limit;
        }
        etw_frame frame;
        const etw_frame_kind kind = etw_frame_read(from + at, left - at, &frame);
        if (kind == ETW_FRAME_SHORT && run->window_end < run->limit) {
            return i != 0;
        }
        const bool late = run->flush_ticks > run->last_ticks && frame.ticks > run->flush_ticks;
        if (kind != ETW_FRAME_RECORD || frame.ticks < ticks || late) {
            return false;
        }
        ticks = frame.ticks;
        at += etw_record_span(frame.size);
    }
    return true;
}

/* Passes over the bad record at run->at, to where records seem to go on or to the limit. */
static etw_run_step pass_damage(etw_run *run, const etw_run_input *input, const char *problem,
                                etw_run_damage *damage, etw_error *error)
{
    *damage = (etw_run_damage){problem, run->at, 0, false};
    uint32_t left;
    do {
        run->at = smaller(run->at + 8, run->limit);
        if (need(run, input, ETW_RUN_WINDOW / 2, &left, error) != ETW_OK) {
            return ETW_RUN_FAILED;
        }
    } while (left != 0 && !is_record_here(run, left));
    damage->bytes = run->at - damage->at;
    return ETW_RUN_DAMAGE;
}

/* The end of what can be read; where that is not the end of the records, says so once. */
static etw_run_step end(etw_run *run, etw_run_damage *damage)
{
    if (run->limit >= run->used_size && !run->cut) {
        return ETW_RUN_END;
    }
    const uint32_t at = smaller(run->at, run->used_size); /* padding may have led beyond it */
    *damage = (etw_run_damage){run->end_problem, at, run->used_size - at, run->cut};
    if (run->at < run->limit) { /* never back to before the window */
        run->at = run->limit;
    }
    run->used_size = run->limit;
    run->cut = false;
    return ETW_RUN_DAMAGE;
}

static etw_run_step locate_in(etw_run *run, const etw_run_input *input, uint32_t left,
                              etw_run_damage *damage, etw_error *error)
{
    const etw_frame_kind kind = etw_frame_read(etw_run_record(run), left, &run->frame);
    if (kind == ETW_FRAME_FILLER && run->used_unknown) {
        run->at = run->limit; /* what follows the records of a buffer that was not filled */
        return end(run, damage);
    }
    if (kind == ETW_FRAME_FILLER) {
        return pass_damage(run, input, "0xFF in the used part, where a record should be", damage,
                           error);
    }
    if (kind == ETW_FRAME_BAD) {
        return pass_damage(run, input, run->frame.problem, damage, error);
    }
    if (kind == ETW_FRAME_RECORD && need(run, input, run->frame.size, &left, error) != ETW_OK) {
        return ETW_RUN_FAILED;
    }
    if (kind == ETW_FRAME_SHORT || run->frame.size > left) {
        if (run->limit < run->used_size) {
            return end(run, damage);
        }
        return pass_damage(run, input, "a record that runs past the buffer's end", damage, error);
    }
    if (run->frame.ticks == INT64_MIN) {
        run->frame.ticks = run->last_ticks;
    }
    return ETW_RUN_RECORD;
}

etw_run_step etw_run_locate(etw_run *run, const etw_run_input *input, etw_run_damage *damage,
                            etw_error *error)
{
    uint32_t left = 0;
    /* the padding of the last record may reach beyond the limit */
    if (run->at < run->limit && need(run, input, ETW_FRAME_BYTES, &left, error) != ETW_OK) {
        return ETW_RUN_FAILED;
    }
    return left == 0 ? end(run, damage) : locate_in(run, input, left, damage, error);
}

etw_run_step etw_run_first_ticks(etw_run *run, const etw_run_input *input, int64_t *ticks,
                                 etw_error *error)
{
    uint32_t left;
    run->fill_size = FIRST_FILL;
    if (need(run, input, ETW_FRAME_BYTES, &left, error) != ETW_OK) {
        return ETW_RUN_FAILED;
    }
    run->fill_size = ETW_RUN_WINDOW;
    etw_run_step step = ETW_RUN_END;
    if (left != 0 && etw_frame_read(etw_run_record(run), left, &run->frame) == ETW_FRAME_RECORD) {
        step = ETW_RUN_RECORD;
    }
    /* the first record may be damaged, or a WPP message without time: look further */
    while (step != ETW_RUN_RECORD || run->frame.ticks == INT64_MIN) {
        etw_run_damage damage;
        if (step == ETW_RUN_RECORD) {
            run->at += etw_record_span(run->frame.size);
        }
        step = etw_run_locate(run, input, &damage, error);
        if (step == ETW_RUN_END || step == ETW_RUN_FAILED) {
            return step;
        }
    }
    *ticks = run->frame.ticks;
    return ETW_RUN_RECORD;
}
