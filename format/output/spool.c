#include "format/output/spool.h"

#define CHUNK ((size_t)256 << 10)

void etw_output_spool_open(etw_output_spool *spool, const etw_os *os)
{
    *spool = (etw_output_spool){.os = os, .file = -1};
}

void etw_output_spool_close(etw_output_spool *spool)
{
    if (spool->os != NULL && spool->file >= 0) {
        (void)spool->os->close(spool->os->context, spool->file);
        spool->file = -1;
    }
    etw_text_free(&spool->waiting);
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for what is put aside");
}

static etw_status flush(etw_output_spool *spool, etw_error *error)
{
    if (spool->file < 0) {
        spool->file = spool->os->open_temporary(spool->os->context);
        if (spool->file < 0) {
            return etw_error_set_os(error, -spool->file, "cannot create a temporary file");
        }
    }
    const etw_status status = etw_os_write_full(spool->os, spool->file, spool->waiting.data,
                                                spool->waiting.size, NULL, error);
    if (etw_failed(status)) {
        return etw_error_wrap(error, status, "a temporary file");
    }
    spool->written_bytes += spool->waiting.size;
    etw_text_clear(&spool->waiting);
    return ETW_OK;
}

etw_status etw_output_spool_append(etw_output_spool *spool, etw_bytes record, etw_error *error)
{
    const uint32_t size = (uint32_t)record.size;
    if (record.size > ETW_SPOOL_MAX_RECORD) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "a record of %zu bytes to be put aside",
                             record.size);
    }
    etw_text_append(&spool->waiting, (const char *)&size, sizeof size);
    etw_text_append(&spool->waiting, (const char *)record.data, record.size);
    if (spool->waiting.failed) {
        return no_memory(error);
    }
    return spool->waiting.size < CHUNK ? ETW_OK : flush(spool, error);
}

/* What was never written need not be read. */
etw_status etw_output_spool_rewind(etw_output_spool *spool, etw_error *error)
{
    if (spool->file >= 0) {
        const etw_status status =
            spool->waiting.size > 0 && spool->read_offset == 0 ? flush(spool, error) : ETW_OK;
        if (etw_failed(status)) {
            return status;
        }
        etw_text_clear(&spool->waiting);
    }
    spool->read_offset = 0;
    spool->at = 0;
    return ETW_OK;
}

/* Has so many bytes in waiting from `at` on. False: the file has ended. */
static etw_status fill(etw_output_spool *spool, size_t size, etw_error *error)
{
    const size_t left = spool->waiting.size - spool->at;
    if (left >= size) {
        return ETW_OK;
    }
    if (spool->file < 0 || spool->read_offset == spool->written_bytes) {
        return ETW_END;
    }
    if (left > 0) {
        memmove(spool->waiting.data, spool->waiting.data + spool->at, left);
    }
    spool->waiting.size = left;
    spool->at = 0;
    const size_t wanted = size > CHUNK ? size : CHUNK;
    char *to = etw_text_reserve(&spool->waiting, wanted);
    size_t got = 0;
    if (to == NULL) {
        return no_memory(error);
    }
    const etw_status status = etw_os_read_at_full(spool->os, spool->file, (etw_room){to, wanted},
                                                  spool->read_offset, &got, error);
    spool->waiting.size += got;
    spool->read_offset += got;
    if (spool->progress != NULL) {
        spool->progress(spool->progress_context, spool->read_offset, spool->written_bytes, "B");
    }
    if (!etw_failed(status) && spool->waiting.size < size) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "a temporary file has become shorter");
    }
    return etw_failed(status) ? status : ETW_OK;
}

etw_status etw_output_spool_next(etw_output_spool *spool, etw_bytes *record, etw_error *error)
{
    uint32_t size;
    etw_status status = fill(spool, sizeof size, error);
    if (status != ETW_OK) {
        return status;
    }
    size = etw_load_u32(spool->waiting.data + spool->at);
    status = fill(spool, sizeof size + size, error);
    if (status != ETW_OK) {
        return status;
    }
    *record = (etw_bytes){(const uint8_t *)spool->waiting.data + spool->at + sizeof size, size};
    spool->at += sizeof size + size;
    return ETW_OK;
}
