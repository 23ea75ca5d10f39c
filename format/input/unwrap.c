#include "format/input/unwrap.h"

#include "format/input/input.h"

#include <stdlib.h>
#include <zstd.h>
#ifdef ETW_HAVE_ZLIB
#include <zlib.h>
#endif

#define PIECE ((size_t)256 << 10)

/* Memory of a zstd window: what zstd itself takes without being asked, 128 MiB. */
#define MAX_WINDOW_LOG 27

etw_status etw_unwrap_pull(etw_unwrap *unwrap, void *into, size_t size, size_t *got,
                           etw_error *error)
{
    const uint64_t left = unwrap->end - unwrap->at;
    const size_t wanted = size < left ? size : (size_t)left;
    const etw_status status =
        unwrap->can_seek ? etw_os_read_at_full(unwrap->os, unwrap->from, (etw_room){into, wanted},
                                               unwrap->at, got, error)
                         : etw_os_read_full(unwrap->os, unwrap->from, into, wanted, got, error);
    if (status == ETW_OK) {
        unwrap->at += *got;
        unwrap->spool->read += *got;
    }
    return status;
}

static etw_status check_ratio(const etw_input_spool *spool, etw_error *error)
{
    const uint64_t unwrapped = spool->written + spool->passed;
    return unwrapped > ETW_INPUT_FREE_BYTES && unwrapped / ETW_INPUT_MAX_RATIO > spool->read
               ? etw_error_set(error, ETW_ERROR_LIMIT,
                               "it unwraps to more than %u MiB and %u times its size, which no "
                               "trace does; unwrap it yourself if you trust it",
                               (unsigned)(ETW_INPUT_FREE_BYTES >> 20), ETW_INPUT_MAX_RATIO)
               : ETW_OK;
}

etw_status etw_unwrap_push(etw_unwrap *unwrap, const void *from, size_t size, etw_error *error)
{
    unwrap->spool->written += size;
    if (unwrap->spool->written > ETW_INPUT_MAX_BYTES) {
        return etw_error_set(error, ETW_ERROR_LIMIT,
                             "more than %u GiB: too much for temporary files",
                             (unsigned)(ETW_INPUT_MAX_BYTES >> 30));
    }
    etw_status status = check_ratio(unwrap->spool, error);
    if (status != ETW_OK) {
        return status;
    }
    status = etw_os_write_full(unwrap->os, unwrap->to, from, size, NULL, error);
    return status == ETW_OK ? ETW_OK : etw_error_wrap(error, status, "a temporary file");
}

etw_status etw_unwrap_pass(etw_unwrap *unwrap, size_t size, etw_error *error)
{
    unwrap->spool->passed += size;
    return check_ratio(unwrap->spool, error);
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to unwrap the input");
}

static etw_status ends_early(etw_error *error, const char *what)
{
    return etw_error_set(error, ETW_ERROR_DAMAGED, "the %s data ends early", what);
}

etw_status etw_unwrap_copy(etw_unwrap *unwrap, etw_error *error)
{
    uint8_t *piece = malloc(PIECE);
    if (piece == NULL) {
        return no_memory(error);
    }
    size_t got = 1;
    etw_status status = ETW_OK;
    while (status == ETW_OK && got > 0) {
        status = etw_unwrap_pull(unwrap, piece, PIECE, &got, error);
        if (status == ETW_OK && got > 0) {
            status = etw_unwrap_push(unwrap, piece, got, error);
        }
    }
    free(piece);
    return status;
}

/* zlib. */

#ifdef ETW_HAVE_ZLIB
typedef struct inflating {
    z_stream stream;
    uint8_t in[PIECE];
    uint8_t out[PIECE];
    bool has_ended; /* of one member; gzip allows another behind it */
} inflating;

/* Inflates what is in in. */
static etw_status inflate_piece(etw_unwrap *unwrap, inflating *z, bool is_gzip, etw_error *error)
{
    etw_status status = ETW_OK;
    do {
        if (z->has_ended) {
            /* What stands behind gzip's last member is padding unless it is another one. */
            if (!is_gzip || z->stream.avail_in == 0 || *z->stream.next_in != 0x1F) {
                z->stream.avail_in = 0;
                return ETW_OK;
            }
            (void)inflateReset(&z->stream);
            z->has_ended = false;
        }
        z->stream.next_out = z->out;
        z->stream.avail_out = sizeof z->out;
        const int result = inflate(&z->stream, Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
            return result == Z_MEM_ERROR
                       ? no_memory(error)
                       : etw_error_set(error, ETW_ERROR_DAMAGED,
                                       "the compressed data is damaged%s%s",
                                       z->stream.msg == NULL ? "" : ": ",
                                       z->stream.msg == NULL ? "" : z->stream.msg);
        }
        z->has_ended = result == Z_STREAM_END;
        status = etw_unwrap_push(unwrap, z->out, sizeof z->out - z->stream.avail_out, error);
    } while (status == ETW_OK &&
             (z->stream.avail_in > 0 || (z->stream.avail_out == 0 && !z->has_ended)));
    return status;
}

static etw_status inflate_all(etw_unwrap *unwrap, bool is_gzip, etw_error *error)
{
    inflating *z = calloc(1, sizeof *z);
    if (z == NULL || inflateInit2(&z->stream, is_gzip ? 15 + 16 : -15) != Z_OK) {
        free(z);
        return no_memory(error);
    }
    etw_status status = ETW_OK;
    size_t got = 1;
    while (status == ETW_OK && got > 0) {
        status = etw_unwrap_pull(unwrap, z->in, sizeof z->in, &got, error);
        if (status == ETW_OK && got > 0) {
            z->stream.next_in = z->in;
            z->stream.avail_in = (uInt)got;
            status = inflate_piece(unwrap, z, is_gzip, error);
        }
    }
    if (status == ETW_OK && !z->has_ended) {
        status = ends_early(error, is_gzip ? "gzip" : "deflate");
    }
    (void)inflateEnd(&z->stream);
    free(z);
    return status;
}
#else
static etw_status inflate_all(etw_unwrap *unwrap, bool is_gzip, etw_error *error)
{
    (void)unwrap;
    (void)is_gzip;
    return etw_error_set(error, ETW_ERROR_UNSUPPORTED, "this build has no zlib: unwrap it first");
}
#endif

etw_status etw_unwrap_gzip(etw_unwrap *unwrap, etw_error *error)
{
    return inflate_all(unwrap, true, error);
}

etw_status etw_unwrap_deflate(etw_unwrap *unwrap, etw_error *error)
{
    return inflate_all(unwrap, false, error);
}

/* zstd. */

typedef struct unpacking {
    ZSTD_DCtx *context;
    size_t hint; /* 0: a frame has ended */
    uint8_t in[PIECE];
    uint8_t out[PIECE];
} unpacking;

static etw_status unpack_piece(etw_unwrap *unwrap, unpacking *z, size_t size, etw_error *error)
{
    ZSTD_inBuffer in = {z->in, size, 0};
    ZSTD_outBuffer out = {z->out, sizeof z->out, 0};
    etw_status status = ETW_OK;
    do {
        out.pos = 0;
        z->hint = ZSTD_decompressStream(z->context, &out, &in);
        if (ZSTD_isError(z->hint)) {
            return etw_error_set(error, ETW_ERROR_DAMAGED, "the zstd data cannot be read: %s",
                                 ZSTD_getErrorName(z->hint));
        }
        status = etw_unwrap_push(unwrap, z->out, out.pos, error);
    } while (status == ETW_OK && (in.pos < in.size || (out.pos == out.size && z->hint != 0)));
    return status;
}

etw_status etw_unwrap_zstd(etw_unwrap *unwrap, etw_error *error)
{
    unpacking *z = calloc(1, sizeof *z);
    if (z != NULL) {
        z->context = ZSTD_createDCtx();
    }
    if (z == NULL || z->context == NULL) {
        free(z);
        return no_memory(error);
    }
    (void)ZSTD_DCtx_setParameter(z->context, ZSTD_d_windowLogMax, MAX_WINDOW_LOG);
    etw_status status = ETW_OK;
    size_t got = 1;
    while (status == ETW_OK && got > 0) {
        status = etw_unwrap_pull(unwrap, z->in, sizeof z->in, &got, error);
        if (status == ETW_OK && got > 0) {
            status = unpack_piece(unwrap, z, got, error);
        }
    }
    if (status == ETW_OK && z->hint != 0) {
        status = ends_early(error, "zstd");
    }
    (void)ZSTD_freeDCtx(z->context);
    free(z);
    return status;
}
